"""edu_lib.data: whole splits, checked archives."""

import gzip
import shutil

import numpy as np
import pytest
import torch
from torchvision.datasets.mnist import read_image_file, read_label_file

from edu_lib import data


@pytest.fixture
def mnist():
    return data.mnist()


def test_mnist_equals_an_independent_reader(mnist, tmp_path):
    for split, prefix in ((mnist.train, "train"), (mnist.test, "t10k")):
        files = {}
        for kind in ("images-idx3", "labels-idx1"):
            archive = data.DATA_FOLDER / "MNIST" / f"{prefix}-{kind}-ubyte.gz"
            files[kind] = tmp_path / f"{prefix}-{kind}"
            files[kind].write_bytes(gzip.decompress(archive.read_bytes()))
        images = read_image_file(str(files["images-idx3"]))
        parts = zip(split.X[:, 0].split(5_000), images.split(5_000), strict=True)
        assert all(torch.equal((X * 255).round().to(torch.uint8), part) for X, part in parts)
        assert torch.equal(split.y, read_label_file(str(files["labels-idx1"])))


def total_of(split):
    """The sum of all pixels, part by part: a sum in float64 copies what it adds."""
    return sum(part.sum(dtype=torch.float64).item() for part in split.X.split(5_000))


def test_splits_are_whole_disjoint_and_repeatable(mnist):
    train = data.mnist().train
    classes, total = torch.bincount(train.y), total_of(train)
    assert (len(train), len(mnist.test)) == (60_000, 10_000)
    del train  # 188 MB
    assert (len(mnist.fit), len(mnist.validation)) == (55_000, 5_000)
    counts = torch.bincount(mnist.fit.y) + torch.bincount(mnist.validation.y)
    assert torch.equal(counts, classes)
    assert total_of(mnist.fit) + total_of(mnist.validation) == pytest.approx(total)


def test_the_same_images_validate_each_time():
    first = data.mnist().validation.X
    assert torch.equal(data.mnist().validation.X, first)


def test_a_split_is_read_when_it_is_asked_for():
    """60,000 images are 188 MB of floats: a small machine feels that."""
    fashion = data.fashion_mnist()
    assert len(fashion.test) == 10_000
    assert {"train", "_parts"}.isdisjoint(vars(fashion))
    assert fashion.test is fashion.test


def test_fashion_mnist_has_its_ten_classes():
    fashion = data.fashion_mnist()
    assert fashion.train.X.shape == (60_000, 1, 28, 28)
    assert fashion.test.classes[9] == "boot"
    assert torch.bincount(fashion.test.y).tolist() == [1_000] * 10


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(data.DATA_FOLDER / "MNIST", tmp_path / "MNIST")
    return tmp_path


@pytest.mark.parametrize("damage", ["cut", "altered"])
def test_a_damaged_archive_is_named_with_its_cure(copy, damage):
    path = copy / "MNIST" / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content[:-1] if damage == "cut" else content)
    with pytest.raises(ValueError, match=r"t10k-labels.*damaged.*git checkout"):
        data.mnist(copy)


def test_a_missing_archive_is_named_with_its_cure(copy):
    (copy / "MNIST" / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"train-images.*missing.*git checkout"):
        data.mnist(copy)


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x01\0\0\0\x05abc"])
def test_an_idx_file_that_is_not_whole_is_refused(tmp_path, content):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match="not a whole idx file"):
        data.read_idx(path)


def test_read_idx_gives_back_what_was_written(tmp_path):
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    header = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(header + values.tobytes()))
    assert np.array_equal(data.read_idx(path).numpy(), values)


def test_an_installed_library_says_where_data_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="set THIRTY_FRAMES_DATA"):
        data.mnist(tmp_path / "data")
