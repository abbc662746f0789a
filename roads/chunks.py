"""Draws the scenes of a split in chunks, so that it can be interrupted and resumed."""

import errno
import multiprocessing
import os
import shutil
import signal
import threading
import zipfile
import zlib
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from roads.labels import PLACES, WEATHERS
from roads.render import scene

CHUNK = 50  # scenes in one file
NO_PROCESSES = (
    "the processes that draw road scenes could not run; in a script of your own, call "
    'road_scenes below `if __name__ == "__main__":`'
)


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
def writing_into(root: Path, needed: int):
    """Turns a full disk, and a folder that nobody may write to, into one clear sentence."""
    sentences = {
        errno.ENOSPC: (
            f"There is no room on the disk for the road scenes: {root} needs "
            f"{needed / 1e6:.0f} MB. Free some space and call again: finished parts are kept."
        )
    }
    for number in (errno.EACCES, errno.EPERM, errno.EROFS):
        sentences[number] = (
            f"The road scenes are drawn once and kept in {root}, where this user may not write: "
            "allow it, or work in a copy of the kit that is yours."
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(root).free < needed:
            raise OSError(errno.ENOSPC, "too little is free")
        yield
    except OSError as error:
        if error.errno not in sentences:
            raise
        raise OSError(error.errno, sentences[error.errno]) from error


def write(path: Path, save) -> None:
    """Writes a file under a temporary name of this process, then gives it its own."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
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


def _end_with_parent(alive: Connection) -> None:
    """In a worker: ends it when the parent closes its end of `alive`, or is gone.

    Ctrl-C reaches the parent, which decides.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        alive.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _generate_in_parallel(jobs: list[tuple], workers: int, bar: tqdm) -> None:
    """Draws the chunks in `workers` processes. RuntimeError when the processes cannot start."""
    context = multiprocessing.get_context("spawn")
    alive, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _end_with_parent, (alive,))
    with held, alive, pool:
        try:
            for job, _ in zip(jobs, pool.map(generate_chunk, jobs), strict=True):
                bar.update(job[2])
        except BrokenProcessPool as error:
            raise RuntimeError(NO_PROCESSES) from error
        except BaseException:
            held.close()  # ends the workers at once
            pool.shutdown(wait=False, cancel_futures=True)
            raise
