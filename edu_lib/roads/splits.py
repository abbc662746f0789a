"""Generated splits of road scenes, cached on disk. Taught in chapter 12.

A split is a folder of .npy files and a recipe.json, which names what the files were made from
and their checksums. Nothing is read from a folder whose recipe or checksums do not fit.
"""

import hashlib
import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np

from edu_lib.roads.chunks import generate, layout, room_on_disk, write
from edu_lib.roads.labels import CLASSES, PLACES, WEATHERS
from edu_lib.roads.render import MIN_SIZE, scene

GENERATOR_VERSION = 1  # raise it when scenes change on purpose
CACHE_FOLDER = Path(__file__).resolve().parents[2] / "data" / "cache" / "roads"
FIRST_SEED = {"train": 1_000_000, "validation": 2_000_000, "test": 3_000_000}
COUNT = {"train": 8000, "validation": 500, "test": 1000}
MOST = 1_000_000
WORKERS = 2
FINGERPRINT_SEEDS = range(4)


def _fingerprint() -> str:
    """Checksum of a few small scenes: it changes whenever the generator draws differently."""
    digest = hashlib.sha256()
    for seed in FINGERPRINT_SEEDS:
        sample = scene(seed, 48, 96)
        for array in (sample.image, sample.segmentation, sample.depth.astype(np.float16)):
            digest.update(array.tobytes())
    return digest.hexdigest()


def _recipe(split: str, count: int, height: int, width: int) -> dict:
    recipe = {
        "generator_version": GENERATOR_VERSION,
        "fingerprint": _fingerprint(),
        "split": split,
        "count": count,
        "height": height,
        "width": width,
        "first_seed": FIRST_SEED[split],
        "classes": list(CLASSES),
    }
    text = json.dumps(recipe, sort_keys=True).encode()
    return recipe | {"checksum": hashlib.sha256(text).hexdigest()}


def _file_checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _assemble(folder: Path, recipe: dict, jobs: list[tuple]) -> None:
    """Joins the chunks into one file for each array and writes the recipe last."""
    checksums = {}
    arrays = layout(recipe["count"], recipe["height"], recipe["width"])
    for name, (shape, kind) in arrays.items():
        path = folder / f"{name}.npy"
        joined = np.lib.format.open_memmap(path, "w+", dtype=kind, shape=shape)
        for chunk_path, first, count, *_ in jobs:
            start = first - recipe["first_seed"]
            with np.load(chunk_path) as chunk:
                joined[start : start + count] = chunk[name]
        joined.flush()
        del joined
        checksums[name] = _file_checksum(path)
    text = json.dumps(recipe | {"files": checksums}, indent=1).encode()
    write(folder / "recipe.json", lambda file: file.write(text))
    for chunk_path, *_ in jobs:
        chunk_path.unlink()


def _what_is_wrong(folder: Path, recipe: dict) -> str | None:
    """Why the files of a folder cannot be used, or None if they can."""
    try:
        stored = json.loads((folder / "recipe.json").read_text())
        if stored["checksum"] != recipe["checksum"]:
            return "was made from another recipe"
        arrays = layout(recipe["count"], recipe["height"], recipe["width"])
        for name, (shape, kind) in arrays.items():
            path = folder / f"{name}.npy"
            if _file_checksum(path) != stored["files"][name]:
                return f"is damaged ({name}.npy has another checksum)"
            array = np.load(path, mmap_mode="r")
            if array.shape != shape or array.dtype != kind:
                return f"is damaged ({name}.npy has the wrong shape)"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"is damaged ({error})"
    return None


def _load(folder: Path, recipe: dict) -> dict[str, np.ndarray]:
    names = layout(recipe["count"], recipe["height"], recipe["width"])
    # "c": pages are read when needed, and a change in memory never reaches the file.
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in names}
    arrays["place"] = np.array(PLACES)[arrays["place"]]
    arrays["weather"] = np.array(WEATHERS)[arrays["weather"]]
    return arrays


def _check_arguments(split: str, count: int, height: int, width: int, workers: int) -> None:
    if split not in FIRST_SEED:
        raise ValueError(f"split must be one of {', '.join(FIRST_SEED)}, got {split!r}.")
    if not 1 <= count <= MOST:
        raise ValueError(f"count must be between 1 and {MOST}, got {count}.")
    if height < MIN_SIZE or width < MIN_SIZE:
        raise ValueError(f"height and width must be at least {MIN_SIZE}, got {height} x {width}.")
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")


def _build(root: Path, folder: Path, recipe: dict, workers: int) -> None:
    """Draws into a folder of another name, which gets its own name when it is whole."""
    partial = root / f"{folder.name}.{recipe['checksum'][:12]}.partial"
    for stale in root.glob(f"{folder.name}.*.partial"):
        if stale != partial:
            shutil.rmtree(stale)
    needed = 2 * recipe["count"] * recipe["height"] * recipe["width"] * 6
    with room_on_disk(partial, needed):
        _assemble(partial, recipe, generate(partial, recipe, workers))
        os.replace(partial, folder)


def road_split(
    split: str = "train",
    count: int | None = None,
    height: int = 128,
    width: int = 256,
    root: str | Path | None = None,
    workers: int | None = None,
) -> dict[str, np.ndarray]:
    """A split of generated road scenes as arrays that are read from disk when used.

    split: "train", "validation" or "test"; their seeds are disjoint. count: how many scenes
    (8000, 500, 1000 unless given). root: where to cache (data/cache/roads of the kit).
    workers: processes that draw (two unless given, or fewer cores).

    Returns a dict: images uint8 [N, H, W, 3], segmentation uint8 [N, H, W], depth float16
    [N, H, W] in metres, steering float32 [N] in degrees, vehicles int64 [N], place and weather
    as words [N]. The first call draws, shows its progress, and can be interrupted: the next one
    goes on. A damaged cache or one made by another generator is drawn anew, with a warning.

    Raises ValueError for a bad argument, OSError with a clear sentence when the disk is full.
    """
    count = COUNT.get(split, 1) if count is None else count
    workers = min(WORKERS, os.cpu_count() or 1) if workers is None else workers
    _check_arguments(split, count, height, width, workers)
    root = CACHE_FOLDER if root is None else Path(root)
    recipe = _recipe(split, count, height, width)
    folder = root / f"{split}-{count}-{height}x{width}"
    if folder.exists():
        problem = _what_is_wrong(folder, recipe)
        if problem is None:
            return _load(folder, recipe)
        warnings.warn(f"The road scenes in {folder} {problem}: they are drawn anew.", stacklevel=2)
        shutil.rmtree(folder)
    _build(root, folder, recipe, workers)
    return _load(folder, recipe)
