"""The frame of a study: its options, its runs, and what is kept of them.

A finished run is a small file, data/runs/STUDY/NAME.json, which may be committed: the same command
goes on from there, on this machine or another. A run belongs to its recipe, which is its arguments
and the code of the study; one of another recipe is not used, and runs again.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from edu_lib.files import DATA_FOLDER, replacing
from edu_lib.measure.machine import describe_machine
from edu_lib.measure.results import load_result, now, save_result, write_json

RUNS_FOLDER = DATA_FOLDER / "runs"
CACHE_FOLDER = DATA_FOLDER / "cache"
ATTEMPTS = 5
PROCESSOR = {
    "--processor": {
        "choices": ("", "amx", "avx2"),
        "default": "",
        "help": "another processor than the first: its figures stand beside, in NAME_amx.json",
    }
}
# For workers, in the place of Dask's own words: these let the C library map and unmap each tensor
# anew, and half of a training's time goes there (findings/dask_worker_memory.sh)
WORKER_VARIABLES = "distributed.nanny.pre-spawn-environ"
ONE_THREAD = {"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1}
Timing = TypeVar("Timing")


def command(study: str) -> str:
    """The line that makes a result file again."""
    return f"python3 -m studies.{study}"


def beside(study: str, processor: str) -> str:
    """The name of a study's figures on another processor: `edge_networks_amx`."""
    return f"{study}_{processor}" if processor else study


def command_on(study: str, processor: str) -> str:
    """`command`, with the option that names the processor."""
    return f"{command(study)} --processor {processor}" if processor else command(study)


def options(
    doc: str,
    more: Mapping[str, dict] | None = None,
    *,
    seeds: int | None = None,
    parallel: bool = False,
    again: bool = True,
    threads: int | None = 1,
    words: list[str] | None = None,
) -> argparse.Namespace:
    """What the command line asks for; sets PyTorch's threads.

    more: {name: settings of add_argument} of the study's own options. seeds: by default so many.
    parallel: the runs may go to worker processes. again: what is stored may be run once more.
    threads: None leaves all of them.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for name, settings in (more or {}).items():
        parser.add_argument(name, **settings)
    if seeds is not None:
        parser.add_argument("--seeds", type=int, default=seeds, help=f"by default {seeds}")
    if parallel:
        cores = os.cpu_count() or 1
        parser.add_argument("--workers", type=int, default=cores, help="processes on this machine")
        parser.add_argument("--scheduler", help="address of a Dask scheduler, tcp://lab:8786")
    if again:
        parser.add_argument("--again", action="store_true", help="run what is stored too")
    chosen = parser.parse_args(words)
    for name in ("seeds", "workers"):
        if getattr(chosen, name, 1) < 1:
            parser.error(f"--{name} must be 1 or more")
    threads = getattr(chosen, "threads", threads)
    if threads is not None:
        torch.set_num_threads(threads)
    return chosen


def run_all(
    function: Callable[..., dict],
    runs: Mapping[str, dict],
    study: str,
    *,
    again: bool = False,
    timed: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    folder: Path = RUNS_FOLDER,
    cache: Path = CACHE_FOLDER,
) -> dict[str, dict]:
    """{name: figures} of `function(**runs[name])` for every run; what is stored is not run again.

    function: returns figures for JSON, and under the key "files", if it has it, {ending: bytes},
    which are kept as `cache`/STUDY/NAME.ending. again: run everything. timed: figures of
    another `processor` are another recipe's. workers: with more than one, Dask hands the runs to
    processes of one thread each, which end with this one; a worker that dies loses only its run,
    which another one takes up. scheduler: the address of one whose machines have the kit.
    An exception in a run is raised here, after what others have finished is stored.
    """
    recipes = _recipes(function, runs, timed)
    kept = {"timed": timed, "folder": folder, "cache": cache}
    found = {} if again else finished(function, runs, study, **kept)
    missing = {name: arguments for name, arguments in runs.items() if name not in found}
    parallel = scheduler is not None or min(workers, len(missing)) > 1
    outcomes = _on_workers(function, missing, workers, scheduler) if parallel else (
        (name, function(**arguments)) for name, arguments in missing.items()
    )  # fmt: skip
    for name, figures in outcomes:
        files = figures.pop("files", {})
        for ending, content in files.items():  # first: figures on disk say that a run is complete
            with replacing(cache / study / f"{name}.{ending}") as partial:
                partial.write_bytes(content)
        row = {"recipe": recipes[name], "files": sorted(files), "figures": figures}
        row |= {"cpu": processor(), "date": now()}
        write_json(folder / study / f"{name}.json", row)
        found[name] = json.loads((folder / study / f"{name}.json").read_text("utf-8"))["figures"]
        print(f"{study}, {name}: {found[name]}", flush=True)
    return {name: found[name] for name in runs}


def run_one(function: Callable[..., dict], name: str, study: str, **arguments: object) -> dict:
    """`run_all` of one run."""
    return run_all(function, {name: arguments}, study)[name]


def finished(
    function: Callable[..., dict],
    runs: Mapping[str, dict],
    study: str,
    *,
    timed: bool = False,
    folder: Path = RUNS_FOLDER,
    cache: Path = CACHE_FOLDER,
) -> dict[str, dict]:
    """{name: figures} of those runs that are stored; says which are stored by another recipe."""
    recipes, found = _recipes(function, runs, timed), {}
    for name in runs:
        path = folder / study / f"{name}.json"
        if not path.exists():
            continue
        row = _read(path)
        if row.get("recipe") != recipes[name]:
            print(f"{path} was made by another recipe (its arguments or the study's code have "
                  "changed): it is not used", flush=True)  # fmt: skip
        elif lost := [file for file in _files(row, name, cache / study) if not file.exists()]:
            print(f"{path} is here without its file {lost[0]}: it is not used", flush=True)
        else:
            found[name] = row["figures"]
    return found


def _read(path: Path) -> dict:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): delete it to run it again") from None
    if not isinstance(row, dict) or not row.keys() >= {"files", "figures"}:
        return {}
    return row


def _files(row: dict, name: str, folder: Path) -> list[Path]:
    return [folder / f"{name}.{ending}" for ending in row["files"]]


def _recipes(function: Callable, runs: Mapping[str, dict], timed: bool) -> dict[str, str]:
    from edu_lib.training import fingerprint  # a study that keeps no runs needs no more than torch

    made_by = fingerprint(function) + (processor() if timed else "")
    return {name: fingerprint([made_by, arguments]) for name, arguments in runs.items()}


def _on_workers(
    function: Callable[..., dict], runs: Mapping[str, dict], workers: int, scheduler: str | None
) -> Iterator[tuple[str, dict]]:
    """(name, figures) of each run as it finishes."""
    import dask
    from dask.distributed import Client, LocalCluster, as_completed

    with contextlib.ExitStack() as held:
        held.enter_context(dask.config.set({WORKER_VARIABLES: ONE_THREAD}))
        address = scheduler or held.enter_context(
            LocalCluster(
                n_workers=min(workers, len(runs)), threads_per_worker=1, dashboard_address=":0",
                memory_limit=0,
            )
        )  # fmt: skip
        # it closes first and lets go of its runs, or workers that end hand them to the others
        client = held.enter_context(Client(address))
        futures = {
            client.submit(_on_one_thread, function, arguments, pure=False): name
            for name, arguments in runs.items()
        }
        for future in as_completed(futures):
            figures = future.result()
            future.release()  # or a worker that starts late would run it once more
            yield futures[future], figures


def _on_one_thread(function: Callable[..., dict], arguments: dict) -> dict:
    torch.set_num_threads(1)
    return function(**arguments)


def weights_of(model: nn.Module) -> bytes:
    """The weights as a safetensors file, for `run_all` to keep."""
    from safetensors.torch import save

    return save({name: each.contiguous() for name, each in model.state_dict().items()})


def stored_result(name: str) -> dict:
    """The result file as it is, or {} where there is none yet."""
    try:
        return load_result(name)
    except FileNotFoundError:
        return {}


def processor() -> str:
    """The processor's name and its vector instructions: two of one name may differ in these."""
    machine = describe_machine()
    return f"{machine['cpu']}: {' '.join(machine['isa'])}"


def times_or_kept(times: Mapping, before: Mapping, names: Iterable[str]) -> dict:
    """The times of this processor, or where there are none those that a result file has.

    With "timed_on", the processor that they are of: trainings may be summed up on any machine.
    before: the result file's content. names: of the times in it.
    """
    if times:
        return {**times, "timed_on": processor()}
    kept = {name: before[name] for name in names if name in before}
    return kept | {"timed_on": before.get("timed_on", before.get("machine", {}).get("cpu"))}


def until_quiet(measure: Callable[[], Timing], attempts: int = ATTEMPTS) -> Timing:
    """`measure()`, again while its A/A control is off.

    measure: returns something with `void`, as a Measurement or a LatencyComparison has it.
    Raises RuntimeError that says what to do if the machine is never quiet.
    """
    for _ in range(attempts):
        timing = measure()
        print(timing, flush=True)
        if not timing.void:
            return timing
    raise RuntimeError(
        f"the timer's control was off {attempts} times: close other programs and start again"
    )


def study(name: str, doc: str, measure: Callable[[], dict], threads: int | None = 1) -> None:
    """A study that has one part and nothing to choose: measures, and writes the result file."""
    options(doc, again=False, threads=threads)
    save_result(name, measure(), command(name))


def start(main: Callable[[], int | None]) -> None:
    """Runs the program `main`; an interrupt ends it in a sentence."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Interrupted. What is finished is stored: the same command goes on.")
        sys.exit(130)
