"""The data sets of the kit, as whole splits in memory. Taught in chapter 02.

Images come back as float32 tensors in [0, 1] of shape [N, 1, 28, 28], labels as int64 of shape [N].
The archives are part of the repository (data/README.md): nothing is downloaded.
"""

import gc
import gzip
import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edu_lib.files import DATA_FOLDER, no_data

VALIDATION_SIZE = 5_000
SPLIT_SEED = 1998

ARCHIVES = {
    "train_images": "train-images-idx3-ubyte.gz",
    "train_labels": "train-labels-idx1-ubyte.gz",
    "test_images": "t10k-images-idx3-ubyte.gz",
    "test_labels": "t10k-labels-idx1-ubyte.gz",
}

# file: (bytes of the archive, SHA-256)
CHECKSUMS = {
    "FashionMNIST/t10k-images-idx3-ubyte.gz": (
        4_422_079,
        "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    ),
    "FashionMNIST/t10k-labels-idx1-ubyte.gz": (
        5_125,
        "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
    ),
    "FashionMNIST/train-images-idx3-ubyte.gz": (
        26_421_856,
        "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    ),
    "FashionMNIST/train-labels-idx1-ubyte.gz": (
        29_491,
        "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    ),
    "MNIST/t10k-images-idx3-ubyte.gz": (
        1_602_050,
        "5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341",
    ),
    "MNIST/t10k-labels-idx1-ubyte.gz": (
        4_517,
        "ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6",
    ),
    "MNIST/train-images-idx3-ubyte.gz": (
        9_630_610,
        "71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64",
    ),
    "MNIST/train-labels-idx1-ubyte.gz": (
        28_878,
        "fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e",
    ),
}

MNIST_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
)

_verified: set[Path] = set()


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    X: images, float32 [N, 1, H, W] in [0, 1]. y: labels, int64 [N]. classes: a name per label.
    """

    X: Tensor
    y: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        shape = " x ".join(str(size) for size in self.X.shape[1:])
        return f"Split({len(self):,} images of {shape}, {len(self.classes)} classes)"

    def subset(self, indices: Tensor) -> "Split":
        """The images and labels at `indices` (int64 [M]), in that order."""
        return Split(self.X[indices], self.y[indices], self.classes)


@dataclass(frozen=True)
class Dataset:
    """A data set: `train` (60,000 images) and `test` (10,000).

    Every choice is made on `validation`, cut from `train`; `test` is read once, at the end.
    folder: where the four archives lie. A split is read when it is first asked for, since 60,000
    images take 188 MB.
    """

    folder: Path
    classes: tuple[str, ...]

    @cached_property
    def train(self) -> Split:
        """All 60,000 training images, in the order of the archive."""
        return _split(*self._read("train"), self.classes)

    @cached_property
    def test(self) -> Split:
        """The 10,000 test images."""
        return _split(*self._read("test"), self.classes)

    @cached_property
    def fit(self) -> Split:
        """The 55,000 training images that are left when `validation` is taken out."""
        return self._part(slice(VALIDATION_SIZE, None))

    @cached_property
    def validation(self) -> Split:
        """5,000 training images, drawn at random and always the same."""
        return self._part(slice(VALIDATION_SIZE))

    def _part(self, drawn: slice) -> Split:
        """The training images that come at these places of a random order."""
        images, labels = self._read("train")
        generator = torch.Generator().manual_seed(SPLIT_SEED)
        indices = torch.randperm(len(images), generator=generator)[drawn]
        return _split(images[indices], labels[indices], self.classes)

    def _read(self, split: str) -> tuple[Tensor, Tensor]:
        """Images, uint8 [N, 28, 28], and labels, uint8 [N], of "train" or "test"."""
        gc.collect()  # a cycle may hold images read before: PyTorch's first optimizer leaves one
        images, labels = (ARCHIVES[f"{split}_{kind}"] for kind in ("images", "labels"))
        return read_idx(self.folder / images), read_idx(self.folder / labels)


def mnist(folder: Path | None = None) -> Dataset:
    """Handwritten digits, 28x28 (LeCun, Cortes, Burges 1998). Taught in chapter 02.

    folder: where MNIST/ lies; by default the repository's data/, or the folder that
    the environment variable THIRTY_FRAMES_DATA names.
    Raises FileNotFoundError or ValueError naming the file that is missing or damaged.
    """
    return _load("MNIST", MNIST_CLASSES, folder)


def fashion_mnist(folder: Path | None = None) -> Dataset:
    """Articles of clothing, 28x28 (Xiao, Rasul, Vollgraf 2017). Taught in chapter 03.

    folder: where FashionMNIST/ lies; by default the repository's data/, or the folder that
    the environment variable THIRTY_FRAMES_DATA names.
    Raises FileNotFoundError or ValueError naming the file that is missing or damaged.
    """
    return _load("FashionMNIST", FASHION_CLASSES, folder)


def check_archive(name: str, folder: Path | None = None) -> Path:
    """Path of the archive `name` (such as "MNIST/t10k-labels-idx1-ubyte.gz"), verified.

    Raises FileNotFoundError if it is missing, ValueError if its size or its SHA-256 is wrong.
    """
    path = Path(folder or DATA_FOLDER) / name
    restore = (
        f"restore it with `git checkout -- data/{name}` or from a fresh download of the kit; "
        "data/README.md names its origin"
    )
    if not path.is_file() and not path.parent.is_dir():
        raise FileNotFoundError(no_data(path))
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {restore}")
    if path in _verified:
        return path
    size, sha256 = CHECKSUMS[name]
    if path.stat().st_size != size:
        raise ValueError(
            f"{path} is damaged ({path.stat().st_size:,} bytes, {size:,} expected): {restore}"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise ValueError(f"{path} is damaged (its SHA-256 is wrong): {restore}")
    _verified.add(path)
    return path


def read_idx(path: Path) -> Tensor:
    """The uint8 tensor in a gzipped idx file, in the shape that its header gives.

    Raises ValueError if the header and the length of the data disagree.
    """
    with gzip.open(path, "rb") as file:
        content = file.read()
    num_dimensions = content[3] if len(content) > 3 else 0
    header = 4 + 4 * num_dimensions
    sizes = [content[at : at + 4] for at in range(4, header, 4)]
    shape = [int.from_bytes(size, "big") for size in sizes]
    if num_dimensions == 0 or len(content) - header != math.prod(shape):
        raise ValueError(f"{path} is not a whole idx file of bytes: restore it from the repository")
    values = np.frombuffer(content, np.uint8, offset=header).reshape(shape)
    return torch.from_numpy(values.copy())


def _load(name: str, classes: tuple[str, ...], folder: Path | None) -> Dataset:
    paths = [check_archive(f"{name}/{file}", folder) for file in ARCHIVES.values()]
    return Dataset(paths[0].parent, classes)


def _split(images: Tensor, labels: Tensor, classes: tuple[str, ...]) -> Split:
    return Split(images.unsqueeze(1).float().div_(255), labels.long(), classes)
