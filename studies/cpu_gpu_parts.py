"""Layers under the roofline, sweeps, other work, transfer; used by studies.cpu_gpu."""

import dataclasses
import gc

import torch
from torch.utils import benchmark

import edu_lib as edu
from classroom.background import BackgroundLoad
from classroom.cloud import stream
from edu_lib.measure import (
    Roofline,
    Runner,
    measure_latency,
    measure_roofline,
    measure_transfer,
    percentile,
    pytorch_runner,
    standard_runners,
    time_layers,
)
from edu_lib.measure.machine import all_threads
from studies.cpu_gpu_rows import build, images, onnx_file, time_rows

LAYER_NETWORKS = ("alexnet", "vgg16", "resnet18")
LAYER_REPEATS = {"alexnet": 10, "vgg16": 3, "resnet18": 10}
SWEEP_NETWORKS = ("lenet5", "alexnet", "resnet18")
CPU_BATCHES = (1, 2, 4, 8, 16, 32, 64)
ACCELERATOR_BATCHES = (*CPU_BATCHES, 128)
FORM = "channels_last"
SWEEP_LIMIT_MS = 1_500.0
LOADED_NETWORKS = ("resnet18", "alexnet")
NUM_FRAMES = 120
AGREEMENT_ROUNDS = 9
AGREEMENT_SECONDS = 1.0
WITHIN = 25.0  # percent: a prediction this near counts as right


def thread_counts() -> list[int]:
    """One thread, and all of them where there are more."""
    return sorted({1, all_threads()})


def rooflines() -> dict[str, dict]:
    """Both roofs of this CPU, on one thread and on all."""
    found = {"1": measure_roofline(1), "all": measure_roofline(None)}
    return {key: {**dataclasses.asdict(roof), "ridge": roof.ridge} for key, roof in found.items()}


def layers(network: str, roof: dict) -> dict:
    """Each computing layer of a network on one thread, batch 1: predicted and measured."""
    roofline = Roofline(
        **{k: roof[k] for k in ("peak_gflops", "bandwidth_gb_per_second")}, threads=1
    )
    timed = time_layers(
        build(network), images(1), channels_last=True, repeats=LAYER_REPEATS[network]
    )
    rows = [
        {
            "layer": layer.cost.name,
            "kind": layer.cost.kind,
            "macs": layer.cost.macs,
            "bytes_moved": layer.cost.bytes_moved,
            "intensity": layer.intensity,
            "limit": roofline.limit(layer.cost),
            "predicted_ms": roofline.predict_ms(layer.cost),
            "measured_ms": layer.ms,
            "gflops": layer.gflops,
        }
        for layer in timed
        if layer.cost.macs
    ]
    near = [r for r in rows if abs(r["measured_ms"] / r["predicted_ms"] - 1) <= WITHIN / 100]
    predicted, measured = (sum(row[key] for row in rows) for key in ("predicted_ms", "measured_ms"))
    return {
        "rows": rows,
        "predicted_ms": predicted,
        "measured_ms": measured,
        "other_ms": sum(layer.ms for layer in timed) - measured,
        "share_of_layers_within_25_percent": 100 * len(near) / len(rows),
    }


def sweep_runner(network: str, batch: int, threads: int, device: str | None = None) -> Runner:
    """A network of the sweep in channels_last."""
    if network == "lenet5":
        torch.manual_seed(0)
        model, X = edu.models.LeNet5().eval(), images(batch, pixels=28, channels=1)
    else:
        model, X = build(network), images(batch)
    return pytorch_runner(model, X, device, channels_last=True, threads=threads)


def sweep_row(network: str, batch: int, threads: int, device: str | None = None) -> dict | None:
    """The time of one batch; None where it would take too long."""
    runner = sweep_runner(network, batch, threads, device)
    rows = time_rows({FORM: runner}, macs=0, limit_ms=SWEEP_LIMIT_MS)
    if isinstance(rows, str):
        return None
    kept = ("batch", "threads", "p50_ms", "p99_ms", "images_per_second", "void")
    return {"network": network, **{key: rows[0][key] for key in kept}}


def loads() -> list[tuple[str, int]]:
    """No load; then one core, and every core, busy with arithmetic or with the memory."""
    counts = thread_counts()
    return [("compute", 0)] + [(kind, n) for kind in ("compute", "memory") for n in counts]


def background(network: str, form: str) -> list[dict]:
    """120 frames at 30 a second while other work runs; the network on all threads."""
    threads = all_threads()
    model, X = build(network), images(1)
    with onnx_file(model) as file:
        runner = standard_runners(model, X, threads=threads, onnx_file=file)[form]
    rows = []
    torch.set_num_threads(threads)
    for kind, processes in loads():
        gc.collect()
        with BackgroundLoad(kind, processes), torch.inference_mode():
            for _ in range(5):
                runner.call()
            seen = stream(lambda frame: runner.call(), [b""] * NUM_FRAMES)
        rows.append(
            {
                "network": network,
                "form": form,
                "threads": threads,
                "load": kind if processes else "none",
                "processes": processes,
                "frames": NUM_FRAMES,
                "missed": round(seen.share_missed * NUM_FRAMES / 100),
                "share_missed": seen.share_missed,
                "p50_ms": seen.p50_ms,
                "p99_ms": seen.p99_ms,
            }
        )
    return rows


def timer_agreement() -> dict:
    """The kit's p50 beside torch.utils.benchmark's median of the same callable, in turns."""
    runner = sweep_runner("resnet18", batch=1, threads=1)
    reference = benchmark.Timer("call()", globals={"call": runner.call}, num_threads=1)
    ours, theirs = [], []
    for _ in range(AGREEMENT_ROUNDS):
        ours.append(measure_latency(runner, blocks=30, block_ms=1.0).p50_ms)
        with torch.inference_mode():
            found = reference.blocked_autorange(min_run_time=AGREEMENT_SECONDS)
        theirs.append(1e3 * found.median)
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return {
        "network": "resnet18",
        "form": FORM,
        "rounds": AGREEMENT_ROUNDS,
        "kit_ms": percentile(ours, 50),
        "torch_benchmark_ms": percentile(theirs, 50),
        "ratio": percentile(ratios, 50),
        "ratios": ratios,
        "difference_percent": 100 * abs(percentile(ratios, 50) - 1),
    }


def transfers(device: str) -> list[dict]:
    """The way of a batch to the accelerator and back, apart from the computing."""
    return [
        {"batch": batch, **dataclasses.asdict(measure_transfer(images(batch), device))}
        for batch in ACCELERATOR_BATCHES
    ]
