"""Generated splits of road scenes, cached on disk. Taught in chapter 12.

A split is a folder of .npy files and a recipe.json, which names what the files were made from
and their checksums. Nothing is read from a folder whose recipe or checksums do not fit. One
process at a time draws a split; others that want it wait, then read it.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from roads.chunks import NO_PROCESSES, generate, layout, write, writing_into
from roads.labels import CLASSES, PLACES, WEATHERS
from roads.render import MIN_SIZE, scene

GENERATOR_VERSION = 1  # raise it when scenes change on purpose
# where the kit itself may not be written to, as on a hub, the variable names another folder
CACHE = os.environ.get("THIRTY_FRAMES_CACHE") or Path(__file__).resolve().parents[1] / "data/cache"
CACHE_FOLDER = Path(CACHE) / "roads"
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


def _build(folder: Path, recipe: dict, workers: int) -> None:
    """Draws into a folder of another name, which gets its own name when it is whole."""
    needed = 2 * recipe["count"] * recipe["height"] * recipe["width"] * 6
    with writing_into(folder.parent, needed), _only_one(folder):
        if folder.exists():
            problem = _what_is_wrong(folder, recipe)
            if problem is None:
                return  # another process drew it meanwhile
            message = f"The road scenes in {folder} {problem}: they are drawn anew."
            warnings.warn(message, stacklevel=3)
            shutil.rmtree(folder)
        partial = folder.with_name(f"{folder.name}.{recipe['checksum'][:12]}.partial")
        for stale in folder.parent.glob(f"{folder.name}.*.partial"):
            if stale != partial:
                shutil.rmtree(stale)
        partial.mkdir(exist_ok=True)
        for left in partial.glob("*.tmp"):  # of a process that was killed
            left.unlink(missing_ok=True)
        if _what_is_wrong(partial, recipe) is not None:
            _assemble(partial, recipe, generate(partial, recipe, workers))
        for chunk in partial.glob("chunk_*.npz"):
            chunk.unlink()
        os.replace(partial, folder)


@contextmanager
def _only_one(folder: Path):
    """Held by the one process that draws this split. It falls when the process ends, however."""
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        # a worker that runs its parent's script again, and asks for what its parent draws
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise RuntimeError(NO_PROCESSES) from None
        tqdm.write(f"Another process draws {folder}: waiting for it.", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


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
    (8000, 500, 1000 unless given). root: where to cache (data/cache/roads of the kit,
    or roads in the folder that the variable THIRTY_FRAMES_CACHE names).
    workers: processes that draw (two unless given, or fewer cores).

    Returns a dict: images uint8 [N, H, W, 3], segmentation uint8 [N, H, W], depth float16
    [N, H, W] in metres, steering float32 [N] in degrees, vehicles int64 [N], place and weather
    as words [N]. The first call draws, shows its progress, and can be interrupted: the next one
    goes on. A damaged cache or one made by another generator is drawn anew, with a warning.

    Raises ValueError for a bad argument, OSError with a clear sentence when the disk is full or
    root cannot be written to.
    """
    count = COUNT.get(split, 1) if count is None else count
    workers = min(WORKERS, os.cpu_count() or 1) if workers is None else workers
    _check_arguments(split, count, height, width, workers)
    root = CACHE_FOLDER if root is None else Path(root)
    recipe = _recipe(split, count, height, width)
    folder = root / f"{split}-{count}-{height}x{width}"
    if _what_is_wrong(folder, recipe) is not None:
        _build(folder, recipe, workers)
    return _load(folder, recipe)
