"""The runs of a study, side by side in worker processes, here or on a cluster of machines.

Dask hands them out. What is finished is on disk at once, and a worker that dies loses only the run
it was at, which another one takes up; the same call after an interrupt runs what is missing.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from dask.distributed import Client, LocalCluster, as_completed

from edu_lib.measure.results import write_json


def run_all(
    function: Callable[..., dict],
    runs: Mapping[str, dict],
    folder: Path,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
) -> dict[str, dict]:
    """{name: figures} of `function(**runs[name])` for every run, from `folder` where it is there.

    function: importable on the workers; returns figures for JSON, and under the key "file", if it
    has it, bytes that are stored beside them as NAME.30f. scheduler: the address of a Dask
    scheduler whose machines have this kit, such as "tcp://lab:8786"; by default a cluster of
    `workers` processes on this machine, one for each core, with one thread each.
    An exception in a run is raised here, after what others have finished is stored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in runs if not (folder / f"{name}.json").exists()]
    if missing:
        with _client(scheduler, workers or os.cpu_count() or 1) as client:
            futures = {client.submit(function, **runs[name], pure=False): name for name in missing}
            for future in as_completed(futures):
                _store(folder, futures[future], future.result())
                print(f"{futures[future]} is done", flush=True)
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in runs}


def _client(scheduler: str | None, workers: int) -> Client:
    if scheduler is not None:
        return Client(scheduler)
    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=":0", memory_limit=0
    )
    return Client(cluster)


def _store(folder: Path, name: str, figures: dict) -> None:
    """The bytes first: figures on disk say that a run is complete."""
    content = figures.pop("file", None)
    if content is not None:
        temporary = folder / f"{name}.30f.tmp"
        temporary.write_bytes(content)
        os.replace(temporary, folder / f"{name}.30f")
    write_json(folder / f"{name}.json", figures)
