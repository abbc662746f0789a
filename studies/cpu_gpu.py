"""CPU against GPU: the networks of the published figure, timed on this machine.

    python3 -m studies.cpu_gpu                  this machine's CPU
    python3 -m studies.cpu_gpu --accelerator    this machine's GPU

Six networks at batch 1 and 16, on one thread and on all, in every form of the kit; the roofline of
each layer; sweeps over the batch; frames while other work runs. About 12 minutes on two idle cores
and 8 GB of memory; an interrupted run continues, unless what is measured has changed. It refuses to
start on a busy machine. Writes data/results/cpu_gpu.json: the CPU's part under "cpu", each
accelerator's under "devices", where other devices' figures stay as they are; and its summary,
data/results/cpu_inference.json.
"""

import argparse
import contextlib
import functools
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil
import torch
from torch import nn

import edu_lib as edu
from edu_lib.data import DATA_FOLDER
from edu_lib.measure import standard_runners
from edu_lib.measure.machine import all_threads, describe_machine, device_name, versions
from edu_lib.measure.results import RESULTS_FOLDER, now, save_result, write_json
from studies import cpu_gpu_parts as parts
from studies import cpu_gpu_rows as rows_of
from studies import frame

NAME = "cpu_gpu"
SUMMARY = "cpu_inference"
COMMAND = "python3 -m studies.cpu_gpu"
CACHE = DATA_FOLDER / "cache" / NAME
BATCHES = (1, 16)
BUSY_PERCENT = 15.0
TARGET_MS = 1_550.0  # half of what the published dual Xeon took for VGG-16, batch 16


def cached(folder: Path, key: str, make: Callable[[], object]) -> object:
    """What `make` returns, from the folder if an earlier run stored it there."""
    path = folder / f"{key}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))["value"]
    print(f"{key} ...", flush=True)
    value = make()
    write_json(path, {"value": value})
    return value


def settings() -> dict:
    """What decides the figures besides the machine's load: networks, repeats, CPU, versions."""
    with torch.device("meta"):
        params = {
            network: sum(p.numel() for p in make().parameters())
            for network, (_, make) in rows_of.NETWORKS.items()
        }
    return {
        "params": params,
        "passes": rows_of.PASSES,
        "protocol_from_ms": rows_of.PROTOCOL_MS,
        "frames": parts.NUM_FRAMES,
        "threads": all_threads(),
    }


def cache_of(kind: str, cache: Path) -> Path:
    """Where rows are kept until the run is complete; another setting has another folder."""
    about = json.dumps([settings(), describe_machine()["cpu"], versions()], sort_keys=True)
    return cache / f"{kind}_{hashlib.sha256(about.encode()).hexdigest()[:12]}"


def cpu_rows(network: str, folder: Path) -> tuple[list[dict], list[dict], dict]:
    """All rows of one network on the CPU, what was skipped, and the forms that do not work here."""
    found, skipped, failed = [], [], {}
    with contextlib.ExitStack() as stack:
        # built when the first row is really measured, and not for rows that are stored
        ready = functools.cache(lambda: prepare(network, stack))
        for batch, threads in itertools.product(BATCHES, parts.thread_counts()):
            setting = {"network": network, "batch": batch, "threads": threads}
            outcome = cached(
                folder,
                f"{network}_{batch}_{threads}",
                lambda setting=setting: time_setting(**setting, ready=ready()),
            )
            failed.update(outcome["failed"])
            if isinstance(outcome["rows"], str):
                skipped.append(setting | {"reason": outcome["rows"]})
            else:
                found.extend({"network": network, **row} for row in outcome["rows"])
    return found, skipped, failed


def prepare(network: str, stack: contextlib.ExitStack) -> tuple[nn.Module, Path, int]:
    """The network, its ONNX file (deleted with the stack) and its MACs for one image."""
    model = rows_of.build(network)
    file = stack.enter_context(rows_of.onnx_file(model))
    return model, file, edu.count_cost(model, tuple(rows_of.images(1).shape)).macs


def time_setting(
    network: str, batch: int, threads: int, ready: tuple[nn.Module, Path, int]
) -> dict:
    """Rows of all forms in one setting; VGG-16 at batch 16 on all threads in some forms more."""
    model, file, macs = ready
    X = rows_of.images(batch)
    runners = rows_of.all_forms(model, X, threads, file)
    failed = {}
    if (network, batch, threads) == ("vgg16", 16, all_threads()):
        more = rows_of.more_forms(model, X, threads)
        failed = {form: reason for form, reason in more.items() if isinstance(reason, str)}
        runners |= {form: runner for form, runner in more.items() if form not in failed}
    limit_ms = rows_of.LIMIT_MS if threads < all_threads() else None
    return {"rows": rows_of.time_rows(runners, macs, limit_ms), "failed": failed}


def measure_cpu(folder: Path) -> dict:
    """Everything that is measured on the CPU."""
    name = describe_machine()["cpu"]
    part = {"name": name, "threads": all_threads(), "rows": [], "skipped": [], "failed_forms": {}}
    part["settings"] = settings()
    part["rooflines"] = cached(folder, "rooflines", parts.rooflines)
    part["timer"] = cached(folder, "timer", parts.timer_agreement)
    for network in rows_of.NETWORKS:
        found, skipped, failed = cpu_rows(network, folder)
        part["rows"] += found
        part["skipped"] += skipped
        part["failed_forms"] |= failed
    part["best"] = best_rows(part["rows"])
    part["vgg16_target"] = target(part["rows"])
    part["layers"] = {
        network: cached(
            folder,
            f"layers_{network}",
            lambda network=network: parts.layers(network, part["rooflines"]["1"]),
        )
        for network in parts.LAYER_NETWORKS
    }
    part["sweep"] = sweep(folder, parts.CPU_BATCHES, parts.thread_counts(), None)
    part["background"] = []
    for network in parts.LOADED_NETWORKS:
        form = part["best"][network]["batch_1_library"]["form"]
        part["background"] += cached(
            folder, f"background_{network}", lambda n=network, f=form: parts.background(n, f)
        )
    return part


def sweep(folder: Path, batches: tuple, threads: list[int], device: str | None) -> list[dict]:
    """Time over batch for the networks of the sweep."""
    found = [
        cached(
            folder,
            f"sweep_{network}_{batch}_{n}",
            lambda network=network, batch=batch, n=n: parts.sweep_row(network, batch, n, device),
        )
        for network in parts.SWEEP_NETWORKS
        for n in threads
        for batch in batches
    ]
    return [row for row in found if row is not None]


def best_rows(rows: list[dict]) -> dict:
    """The fastest FP32 row on all threads: {network: {batch_16: row, batch_16_library: row}}."""
    best: dict[str, dict] = {}
    for network in rows_of.NETWORKS:
        for batch in BATCHES:
            chosen = [
                row
                for row in rows
                if (row["network"], row["batch"], row["threads"]) == (network, batch, all_threads())
            ]
            entry = best.setdefault(network, {})
            entry[f"batch_{batch}"] = rows_of.fastest_fp32(chosen)
            entry[f"batch_{batch}_library"] = rows_of.fastest_library(chosen)
    return best


def target(rows: list[dict]) -> dict:
    """VGG-16, batch 16, against half of the published dual Xeon."""
    best = best_rows(rows)["vgg16"]
    fastest, library = best["batch_16"], best["batch_16_library"]
    return {
        "target_ms": TARGET_MS,
        "reached": fastest["p50_ms"] <= TARGET_MS,
        "fastest_form": fastest["form"],
        "fastest_ms": fastest["p50_ms"],
        "library_form": library["form"],
        "library_ms": library["p50_ms"],
    }


def measure_accelerator(device: str, folder: Path) -> dict:
    """Everything that is measured on a GPU, with the machine, versions and date it was."""
    part = {"name": device_name(device), "kind": torch.device(device).type, "rows": []}
    for network in rows_of.NETWORKS:
        for batch in BATCHES:
            part["rows"] += cached(
                folder,
                f"{network}_{batch}",
                lambda network=network, batch=batch: accelerator_rows(network, batch, device),
            )
    part["sweep"] = sweep(folder, parts.ACCELERATOR_BATCHES, [1], device)
    part["transfers"] = cached(folder, "transfers", lambda: parts.transfers(device))
    about = {"machine": describe_machine(), "versions": versions(), "date": now()}
    return {**part, **about, "command": f"{COMMAND} --accelerator"}


def accelerator_rows(network: str, batch: int, device: str) -> list[dict]:
    """One network on the accelerator, in every form that runs there."""
    model, X = rows_of.build(network), rows_of.images(batch)
    macs = edu.count_cost(model, tuple(rows_of.images(1).shape)).macs
    rows = rows_of.time_rows(standard_runners(model, X, device), macs, limit_ms=None)
    return [{"network": network, **row} for row in rows]


def record_accelerator(folder: Path = RESULTS_FOLDER, cache: Path = CACHE) -> str | None:
    """Measures this machine's GPU and adds it to the result file; its name, None without a GPU.

    What the file holds of the CPU and of other devices stays as it is.
    """
    device = edu.pick_device()
    if device.type == "cpu":
        return None
    rows = cache_of(f"accelerator_{device.type}", cache)
    part = measure_accelerator(str(device), rows)
    content = edu.load_result(NAME, folder)
    content.setdefault("devices", {})[part["name"]] = part
    write_json(folder / f"{NAME}.json", content)
    shutil.rmtree(rows)
    return part["name"]


def record_cpu(folder: Path = RESULTS_FOLDER, cache: Path = CACHE) -> dict:
    """Measures this machine's CPU and writes the result file; accelerators in it stay."""
    try:
        devices = edu.load_result(NAME, folder)["devices"]
    except FileNotFoundError:
        devices = {}
    rows = cache_of("cpu", cache)
    part = measure_cpu(rows)
    save_result(NAME, {"cpu": part, "devices": devices}, COMMAND, folder)
    save_result(SUMMARY, summary(part["best"]), COMMAND, folder)
    shutil.rmtree(rows)
    return part


def summary(best: dict) -> dict:
    """{network: {batch, p50_ms, backend, batch_1: {p50_ms, backend}}}, FP32, all threads."""
    found = {}
    for network, rows in best.items():
        short = {
            batch: {"p50_ms": rows[f"batch_{batch}"]["p50_ms"],
                    "backend": rows[f"batch_{batch}"]["form"]}
            for batch in BATCHES
        }  # fmt: skip
        found[network] = {"batch": 16, **short[16], "batch_1": short[1]}
    return found


def other_load() -> float:
    """Percent of all cores that other programs keep busy, over three seconds."""
    return psutil.cpu_percent(interval=3.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accelerator", action="store_true", help="measure the GPU, not the CPU")
    arguments = parser.parse_args()
    busy = other_load()
    if busy > BUSY_PERCENT:
        print(f"Other programs keep {busy:.0f} % of the cores busy: end them and start again.")
        return 1
    if arguments.accelerator:
        name = record_accelerator()
        print(f"{name} is recorded." if name else "PyTorch finds no accelerator on this machine.")
        return 0 if name else 1
    found = record_cpu()["vgg16_target"]
    verdict = "reached" if found["reached"] else "missed"
    print(
        f"VGG-16, batch 16: {found['fastest_ms']:.0f} ms ({found['fastest_form']}); "
        f"the target of {TARGET_MS:.0f} ms is {verdict}."
    )
    return 0


if __name__ == "__main__":
    frame.start(main)
