"""The kit's int8 file beside NNCF's, both run by OpenVINO: who is faster, who answers as before?

    python3 -m studies.openvino_peers [NETWORK ...]      on an idle machine, ten minutes

The heavy road network (scenes of the generator), ResNet-18 and MobileNetV2 (seeded weights, noise),
each quantized with the same inputs by the kit (`quantize_static`, 8-bit weights) and by NNCF
(post-training, preset "mixed"). All files run in OpenVINO, one thread, timed in turns beside
float32 in OpenVINO and in ONNX Runtime, and the kit's file in ONNX Runtime. `layers` counts what
OpenVINO executes by kind and precision. "logits off" is the distance from float32, in percent.
Needs OpenVINO and NNCF (requirements-extra.txt). Writes data/results/openvino_peers.json.
"""

import statistics
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import edu_lib as edu
from classroom.road_scenes import road_scenes
from edu_lib.deploy import export_int8, export_onnx
from edu_lib.measure.runner import onnxruntime_runner, openvino_runner
from edu_lib.measure.timing import calls_per_block, quiet_machine, time_call, timed_rounds
from edu_lib.models.road_tasks import as_input
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.quantization import quantize_static
from studies import edge_networks, frame
from studies.edge_quantization import quantize_with_nncf

NAME = "openvino_peers"
CALIBRATION, JUDGED, ROUNDS, BLOCK_MS = 64, 40, 25, 30
KIT, PEER, FLOAT = "kit", "nncf", "fp32"


def road() -> tuple[nn.Module, Tensor, Tensor]:
    """The heavy network that segments; inputs to calibrate with and to judge with."""
    model = edu.load_weights(RoadNet(["segmentation"]), "road_segmentation").eval()
    calibration = as_input(road_scenes("train", CALIBRATION).X)
    return model, calibration, as_input(road_scenes("validation", JUDGED).X)


def seeded(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A network of torchvision with random weights, and noise."""
    X = edge_networks.photographs(CALIBRATION + JUDGED)
    return edge_networks.network_of(name), X[:CALIBRATION], X[CALIBRATION:]


NETWORKS = {
    "road_segmentation": road,
    "resnet18": lambda: seeded("resnet18"),
    "mobilenet_v2": lambda: seeded("mobilenet_v2"),
}


def logits(path: Path, X: Tensor) -> np.ndarray:
    """What OpenVINO computes, [N, ...]."""
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled([each.numpy()])[compiled.output(0)] for each in X.split(1)])


def layers(path: Path) -> Counter:
    """How many layers OpenVINO executes, by kind and precision."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    kinds: Counter = Counter()
    for node in compiled.get_runtime_model().get_ops():
        about = node.get_rt_info()
        kind, precision = (about[key].astype(str) for key in ("layerType", "runtimePrecision"))
        kinds[f"{kind} {precision}"] += 1
    return kinds


def compared(name: str) -> dict:
    """Times, distances and layers of the files of one network."""
    model, calibration, judged = NETWORKS[name]()
    with tempfile.TemporaryDirectory() as folder:
        paths = {form: Path(folder) / f"{form}.onnx" for form in (FLOAT, KIT, PEER)}
        export_onnx(model, calibration[:1], paths[FLOAT])
        export_int8(quantize_static(model, calibration), calibration[:1], paths[KIT])
        quantize_with_nncf(paths[FLOAT], calibration, paths[PEER])
        wanted = logits(paths[FLOAT], judged)
        quality = {}
        for form in (KIT, PEER):
            got = logits(paths[form], judged)
            same = got.argmax(1) == wanted.argmax(1)
            quality[form] = {
                "same_answer_percent": 100 * float(same.mean()),
                "logits_off_percent": 100
                * float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted)),
            }
        X = judged[:1]
        runners = {f"{form}_openvino": openvino_runner(path, X) for form, path in paths.items()}
        for form in (FLOAT, KIT):
            runners[f"{form}_onnxruntime"] = onnxruntime_runner(paths[form], X, 1)
        times = times_of(runners)
        ratio = times[f"{PEER}_openvino"]["p50_ms"] / times[f"{KIT}_openvino"]["p50_ms"]
        shown = {form: layers(path) for form, path in paths.items()}
    return {
        "times": times,
        "quality": quality,
        "nncf_over_kit": ratio,
        "layers": {form: dict(kinds) for form, kinds in shown.items()},
        "conversions": {
            form: sum(count for kind, count in kinds.items() if kind.startswith("Reorder"))
            for form, kinds in shown.items()
        },
    }


def times_of(runners: dict) -> dict[str, dict[str, float]]:
    """The median, lowest and highest block of each runner, timed in turns."""
    with quiet_machine():
        once = [min(time_call(runner) for _ in range(3)) for runner in runners.values()]
        calls = [calls_per_block(ms, BLOCK_MS) for ms in once]
        blocks = timed_rounds(list(runners.values()), calls, ROUNDS)
    medians = [[statistics.median(block) for block in each] for each in blocks]
    return {
        name: {"p50_ms": statistics.median(each), "low_ms": min(each), "high_ms": max(each)}
        for name, each in zip(runners, medians, strict=True)
    }


def main() -> None:
    """The networks that are asked for; the result file is written after each."""
    names = {"nargs": "*", "default": list(NETWORKS), "help": ", ".join(NETWORKS)}
    chosen = frame.options(__doc__, {"networks": names})
    torch.set_num_threads(1)
    figures = {key: row for key, row in frame.stored_result(NAME).items() if key in NETWORKS}
    for name in chosen.networks:
        run = {name: {"name": name}}
        figures |= frame.run_all(compared, run, NAME, timed=True, again=chosen.again)
        edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
