"""Draws the scenes of a split in chunks, so that it can be interrupted and resumed."""

import errno
import multiprocessing
import os
import shutil
import zipfile
import zlib
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from edu_lib.roads.labels import PLACES, WEATHERS
from edu_lib.roads.render import scene

CHUNK = 50  # scenes in one file


def layout(count: int, height: int, width: int) -> dict[str, tuple[tuple, str]]:
    """Name of each array: its shape and its type."""
    pixels = (count, height, width)
    return {
        "images": ((*pixels, 3), "uint8"),
        "segmentation": (pixels, "uint8"),
        "depth": (pixels, "float16"),
        "steering": ((count,), "float32"),
        "vehicles": ((count,), "int64"),
        "place": ((count,), "uint8"),
        "weather": ((count,), "uint8"),
    }


@contextmanager
def room_on_disk(folder: Path, needed: int):
    """Turns a full disk into one clear sentence."""
    message = (
        f"There is no room on the disk for the road scenes: {folder} needs "
        f"{needed / 1e6:.0f} MB. Free some space and call again: finished parts are kept."
    )
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, message)
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OSError(errno.ENOSPC, message) from error


def write(path: Path, save) -> None:
    """Writes a file under a temporary name, then gives it its own."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            save(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def generate_chunk(job: tuple[Path, int, int, int, int]) -> Path:
    """Draws scenes first, ..., first + count - 1 into one file. Runs in a worker process."""
    path, first, count, height, width = job
    expected = layout(count, height, width)
    arrays = {name: np.empty(shape, kind) for name, (shape, kind) in expected.items()}
    for index in range(count):
        sample = scene(first + index, height, width)
        arrays["images"][index] = sample.image
        arrays["segmentation"][index] = sample.segmentation
        arrays["depth"][index] = sample.depth
        arrays["steering"][index] = sample.steering
        arrays["vehicles"][index] = sample.vehicles
        arrays["place"][index] = PLACES.index(sample.place)
        arrays["weather"][index] = WEATHERS.index(sample.weather)
    write(path, lambda file: np.savez(file, **arrays))
    return path


def _chunk_is_whole(path: Path, count: int, height: int, width: int) -> bool:
    """Whether a chunk can be read and has the right shapes. np.load checks the archive's CRC."""
    expected = layout(count, height, width)
    try:
        with np.load(path) as chunk:
            return all(
                chunk[name].shape == shape and chunk[name].dtype == kind
                for name, (shape, kind) in expected.items()
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return False


def _jobs(folder: Path, recipe: dict) -> list[tuple[Path, int, int, int, int]]:
    count, height, width = recipe["count"], recipe["height"], recipe["width"]
    return [
        (
            folder / f"chunk_{start:07d}.npz",
            recipe["first_seed"] + start,
            min(CHUNK, count - start),
            height,
            width,
        )
        for start in range(0, count, CHUNK)
    ]


def generate(folder: Path, recipe: dict, workers: int) -> list[tuple]:
    """Draws all chunks that are not there yet; a second call goes on where one stopped."""
    jobs = _jobs(folder, recipe)
    open_jobs = [job for job in jobs if not _chunk_is_whole(job[0], *job[2:])]
    done = recipe["count"] - sum(job[2] for job in open_jobs)
    label = f"road scenes, {recipe['split']}"
    with tqdm(total=recipe["count"], initial=done, desc=label, unit="scene") as bar:
        if workers == 1 or len(open_jobs) <= 1:
            for job in open_jobs:
                generate_chunk(job)
                bar.update(job[2])
        else:
            _generate_in_parallel(open_jobs, workers, bar)
    return jobs


def _generate_in_parallel(jobs: list[tuple], workers: int, bar: tqdm) -> None:
    """Draws the chunks in `workers` processes. RuntimeError when the processes cannot start."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        try:
            for job, _ in zip(jobs, pool.map(generate_chunk, jobs), strict=True):
                bar.update(job[2])
        except BrokenProcessPool as error:
            raise RuntimeError(
                "the processes that draw road scenes could not run; in a script of your own, call "
                'road_scenes below `if __name__ == "__main__":`'
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
