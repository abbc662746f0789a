"""Ten years of networks on this machine: size, MACs, memory and milliseconds of each, side by side.

    python3 -m studies.edge_networks --prepare [NETWORK ...]   files; half an hour, any machine
    python3 -m studies.edge_networks [NETWORK ...]             speed; 12 minutes, an idle machine
    python3 -m studies.edge_networks --processor amx           speed alone, on another processor

All families of torchvision and three networks of the kit, at 224x224, batch 1, one thread and all:
PyTorch eager and channels_last, ONNX Runtime and OpenVINO, float32 and int8 (8-bit weights with
exact sums; 7-bit weights, whose sums are exact everywhere). Weights are random: they do not change
the time, and accuracy is what torchvision or the paper states. Each finished network is kept, so
that an interrupted run goes on. Writes data/results/edge_networks.json. It needs OpenVINO, of
requirements-extra.txt.
"""

import json
import statistics
import tempfile
from collections import Counter
from pathlib import Path

import onnxruntime
import torch
import torchvision
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.deploy import export_int8, export_onnx
from edu_lib.measure.machine import all_threads
from edu_lib.measure.runner import (
    Runner,
    onnxruntime_runner,
    openvino_runner,
    pytorch_runner,
)
from edu_lib.measure.timing import calls_per_block, quiet_machine, time_call, timed_rounds
from edu_lib.models.repvgg import reparameterize
from edu_lib.techniques.quantization import quantize_static
from studies import frame

NAME = "edge_networks"
FOLDER = frame.CACHE_FOLDER / NAME
ROUNDS, BLOCK_MS, CALIBRATION = 7, 15, 8
OURS = {
    "mobilenet_v1": edu.models.MobileNetV1,
    "efficientnet_lite0": edu.models.EfficientNetLite0,
    "repvgg_a0": edu.models.RepVGGA0,
}
# what the papers state for the networks that torchvision does not have, percent right (top 1)
PUBLISHED = {
    "mobilenet_v1": (70.6, "Howard et al. 2017, table 4"),
    "efficientnet_lite0": (75.1, "read-me of EfficientNet-Lite's authors"),
    "repvgg_a0": (72.41, "read-me of RepVGG's authors"),
}
TORCHVISION = (
    "alexnet", "vgg16", "googlenet", "inception_v3", "resnet18", "resnet50", "squeezenet1_0",
    "squeezenet1_1", "densenet121", "resnext50_32x4d", "wide_resnet50_2", "mobilenet_v2",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "mnasnet0_5", "mnasnet1_0", "mobilenet_v3_small",
    "mobilenet_v3_large", "efficientnet_b0", "regnet_x_400mf", "regnet_y_400mf",
    "efficientnet_v2_s", "convnext_tiny", "vit_b_32", "swin_t", "maxvit_t",
)  # fmt: skip
NETWORKS = (*TORCHVISION, *OURS)
# counted and not timed: files that take minutes, or on which a runtime's process ended
NOT_TIMED = ("densenet121", "convnext_tiny", "vit_b_32", "swin_t", "maxvit_t")
TIMED = tuple(name for name in NETWORKS if name not in NOT_TIMED)
WITH_AUX = ("googlenet", "inception_v3")  # heads that training alone uses
FLOAT, INT8, INT7 = "fp32", "int8", "int8_7_bits"


def network_of(name: str) -> nn.Module:
    """The network with seeded weights, in evaluation mode, as it is used."""
    torch.manual_seed(0)
    if name in OURS:
        model = OURS[name]()
    else:
        options = {"init_weights": True, "aux_logits": False} if name in WITH_AUX else {}
        model = torchvision.models.get_model(name, weights=None, **options)
    model.train()
    with torch.no_grad():  # batch norms get statistics, or numbers grow out of any grid
        model(photographs(4))
    model.eval()
    return reparameterize(model) if name == "repvgg_a0" else model


def photographs(count: int) -> Tensor:
    """Noise of the size of photographs, [N, 3, 224, 224]."""
    return torch.randn(count, 3, 224, 224, generator=torch.Generator().manual_seed(0))


def file_of(name: str, form: str) -> Path:
    return FOLDER / f"{name}_{form}.onnx"


def counted(name: str) -> dict:
    """Parameters, MACs, peak memory of activations; published accuracy with its source."""
    options = {"init_weights": False, "aux_logits": False} if name in WITH_AUX else {}
    build = OURS.get(name) or (lambda: torchvision.models.get_model(name, **options))
    model = build().eval()
    if name == "repvgg_a0":
        model = reparameterize(model)
    cost = edu.count_cost(model, (1, 3, 224, 224))
    if name in PUBLISHED:
        accuracy, source = PUBLISHED[name]
    else:
        meta = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta
        accuracy = meta["_metrics"]["ImageNet-1K"]["acc@1"]
        source = f"torchvision {torchvision.__version__}, IMAGENET1K_V1"
    return {
        "params": cost.params,
        "macs": cost.macs,
        "peak_activation_bytes": cost.peak_activation_bytes,
        "published_top1": accuracy,
        "published_source": source,
    }


def prepare(name: str) -> dict:
    """Writes the files of a network; returns why one is missing."""
    model, X = network_of(name), photographs(CALIBRATION)
    missing = {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    export_onnx(model, X[:1], file_of(name, FLOAT))
    for form, bits in ((INT8, 8), (INT7, 7)):
        try:
            quantized = quantize_static(model, X, weight_bits=bits)
            export_int8(quantized, X[:1], file_of(name, form))
        except ValueError as error:
            missing[form] = str(error).splitlines()[0]
    return {"missing": missing}


def runners_of(name: str, threads: int) -> dict[str, Runner]:
    """What runs the network, by backend and form."""
    model, X = network_of(name), photographs(1)
    found = {
        "eager": pytorch_runner(model, X, threads=threads),
        "channels_last": pytorch_runner(model, X, channels_last=True, threads=threads),
        "onnxruntime": onnxruntime_runner(file_of(name, FLOAT), X, threads),
        "openvino": openvino_runner(file_of(name, FLOAT), X, threads),
    }
    if file_of(name, INT8).exists():
        found["onnxruntime_int8"] = onnxruntime_runner(file_of(name, INT8), X, threads)
    if file_of(name, INT7).exists():
        found["onnxruntime_int8_7_bits"] = fast_int8_runner(file_of(name, INT7), X, threads)
        found["openvino_int8_7_bits"] = openvino_runner(file_of(name, INT7), X, threads)
    return found


def fast_int8_runner(path: Path, X: Tensor, threads: int) -> Runner:
    """ONNX Runtime with its fastest kernel: with 7-bit weights its sums fit in 16 bits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    opened = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    feed = {"X": X.numpy()}
    return Runner(
        path.stem, lambda: opened.run(None, feed), backend="ONNX Runtime", threads=threads
    )


def speed(name: str) -> dict:
    """p50 of each runner at one thread and at all, timed in turns; and where int8 spends it."""
    figures: dict[str, object] = {}
    for threads in sorted({1, all_threads()}):
        runners = runners_of(name, threads)
        with quiet_machine():
            once = [min(time_call(runner) for _ in range(3)) for runner in runners.values()]
            calls = [calls_per_block(ms, BLOCK_MS) for ms in once]
            times = timed_rounds(list(runners.values()), calls, ROUNDS)
        medians = [[statistics.median(block) for block in blocks] for blocks in times]
        figures[f"threads_{threads}"] = {
            key: {
                "p50_ms": statistics.median(blocks),
                "low_ms": min(blocks),
                "high_ms": max(blocks),
            }
            for key, blocks in zip(runners, medians, strict=True)
        }
    for form in (INT8, INT7):
        if file_of(name, form).exists():
            figures[f"{form}_by_operation"] = time_by_operation(file_of(name, form), photographs(1))
    return figures


def time_by_operation(path: Path, X: Tensor, runs: int = 5) -> dict[str, float]:
    """Percent of ONNX Runtime's time on X by kind of operation, one thread, the five largest."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        opened = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        for _ in range(runs):
            opened.run(None, {"X": X.numpy()})
        events = json.loads(Path(opened.end_profiling()).read_text(encoding="utf-8"))
    spent: Counter = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    total = sum(spent.values())
    return {kind: 100 * time / total for kind, time in spent.most_common(5)}


def gains(figures: dict[str, dict]) -> dict:
    """Int8 over the fastest float form at one thread: the geometric mean, and who is below 1."""
    found = {}
    for key in ("onnxruntime_int8", "onnxruntime_int8_7_bits", "openvino_int8_7_bits"):
        ratios = {
            name: min(row["threads_1"][form]["p50_ms"] for form in FLOAT_FORMS)
            / row["threads_1"][key]["p50_ms"]
            for name, row in figures.items()
            if key in row.get("threads_1", {})
        }
        if ratios:
            slower = sorted(name for name, ratio in ratios.items() if ratio < 1)
            mean = statistics.geometric_mean(ratios.values())
            found[key] = {"geometric_mean": mean, "each": ratios, "slower": slower}
    return found


FLOAT_FORMS = ("eager", "channels_last", "onnxruntime", "openvino")


def main() -> None:
    """Count, prepare or time the networks; the result file is written after each."""
    more = {
        "networks": {"nargs": "*", "help": ", ".join(NETWORKS)},
        "--count": {"action": "store_true", "help": "count alone, in seconds"},
        "--prepare": {"action": "store_true", "help": "write the files, on any machine"},
    }
    chosen = frame.options(__doc__, more | frame.PROCESSOR)
    result = frame.beside(NAME, chosen.processor)
    before = frame.stored_result(result)
    figures = {key: value for key, value in before.items() if key in NETWORKS}
    parts = {} if chosen.processor else {"counted": counted}
    if not chosen.count:
        parts["files"] = prepare
        if not chosen.prepare:
            parts["speed"] = speed
    for name in chosen.networks or (NETWORKS if chosen.count else TIMED):
        row = figures.get(name, {})
        for part, function in parts.items():
            if part == "speed" and not file_of(name, FLOAT).exists():
                prepare(name)  # the cache was cleared
            run = {f"{name}_{part}": {"name": name}}
            timed = {"again": chosen.again, "timed": part == "speed"}
            study = result if part == "speed" else NAME
            row |= frame.run_all(function, run, study, **timed)[f"{name}_{part}"]
        figures[name] = row
        again = frame.command_on(NAME, chosen.processor)
        edu.save_result(result, figures | {"gains": gains(figures)}, again)


if __name__ == "__main__":
    frame.start(main)
