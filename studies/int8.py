"""Int8 against float32: quality and speed of our quantizer, ONNX Runtime's and torchao's.

    python3 -m studies.int8 [NETWORK ...]          quality; a quarter of an hour for all, one core
    python3 -m studies.int8 --time [NETWORK ...]   speed; ten minutes, on an idle machine

Writes data/results/int8.json, network by network; finished ones are kept in data/runs, so that an
interrupted run goes on where it stopped. All three quantizers see the same calibration inputs, of
the training split, three times others: which inputs they are moves the result as much as who
quantizes. Quality is read on the test split. AlexNet and VGG-16 have random weights and are timed
alone. torchao's network is judged but not timed: to be fast it needs a C++ compiler at run time.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from torch import Tensor, nn

import edu_lib as edu
from classroom.road_scenes import road_scenes
from edu_lib.deploy import export_int8, export_onnx, run_onnx, session
from edu_lib.measure import fastest, standard_runners
from edu_lib.measure.results import PROVENANCE
from edu_lib.models.road_tasks import evaluate_road
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.quantization import quantize_static
from studies import frame
from studies.alexnet_weights import PARTS

NAME = "int8"
FOLDER = frame.CACHE_FOLDER / "int8"
CALIBRATION_INPUTS, CALIBRATIONS, BATCH_SIZE = 64, 3, 20
FLOAT, OURS, THEIRS, TORCHAO = "fp32", "int8", "quantize_static", "torchao"


@dataclass(frozen=True)
class Network:
    """A network, inputs to calibrate it with [N, C, H, W], and its quality in percent.

    calibration: from the number of a draw, 0, 1 or 2, to its inputs.
    """

    build: Callable[[], nn.Module]
    calibration: Callable[[int], Tensor]
    quality: Callable[[nn.Module], float] | None


class Running(nn.Module):
    """An ONNX file as a module, so that it is judged by the same code as a network."""

    def __init__(self, path: Path, key: str | None):
        super().__init__()
        self.session, self.key = session(path), key

    def forward(self, X: Tensor) -> Tensor | dict[str, Tensor]:
        y = torch.from_numpy(run_onnx(self.session, X))
        return y if self.key is None else {self.key: y}


@torch.inference_mode()
def accuracy(model: nn.Module, data: edu.Dataset) -> float:
    """Percent of the test images that are answered right."""
    X, y = data.test.X.split(BATCH_SIZE), data.test.y.split(BATCH_SIZE)
    right = sum((model(X_i).argmax(1) == y_i).sum().item() for X_i, y_i in zip(X, y, strict=True))
    return 100 * right / len(data.test)


def road_quality(model: nn.Module) -> float:
    """Mean IoU in percent on the test scenes."""
    scenes = road_scenes("test")
    return evaluate_road(model, scenes.X, scenes.y, BATCH_SIZE).miou


def drawn(X: Tensor, draw: int) -> Tensor:
    """The calibration inputs of a draw, float."""
    return X[draw * CALIBRATION_INPUTS : (draw + 1) * CALIBRATION_INPUTS].float()


def clothes() -> nn.Module:
    """The small AlexNet of chapter 03."""
    return edu.load_weights(edu.models.SmallAlexNet(**PARTS), "small_alexnet")


def untrained(build: type[nn.Module]) -> Network:
    """A network of full size for photographs, which the kit does not train."""

    def seeded() -> nn.Module:
        torch.manual_seed(0)
        return build()

    def noise(draw: int) -> Tensor:
        return torch.rand((8, 3, 224, 224), generator=torch.Generator().manual_seed(draw))

    return Network(seeded, noise, None)


NETWORKS = {
    "lenet5": Network(
        lambda: edu.load_weights(edu.models.LeNet5(), "lenet5"),
        lambda draw: drawn(edu.mnist().train.X, draw),
        lambda model: accuracy(model, edu.mnist()),
    ),
    "small_alexnet": Network(
        clothes,
        lambda draw: drawn(edu.fashion_mnist().train.X, draw),
        lambda model: accuracy(model, edu.fashion_mnist()),
    ),
    "alexnet": untrained(edu.models.AlexNet),
    "vgg16": untrained(edu.models.VGG16),
    "road_segmentation": Network(
        lambda: edu.load_weights(RoadNet(["segmentation"]), "road_segmentation"),
        lambda draw: drawn(road_scenes("train", CALIBRATIONS * CALIBRATION_INPUTS).X, draw) / 255,
        road_quality,
    ),
}


def write_files(name: str, draw: int = 0) -> dict[str, Path]:
    """The network as three ONNX files: float32, ours, ONNX Runtime's; kept in the cache."""
    suffix = f"_{draw}" if draw else ""
    files = {form: FOLDER / f"{name}_{form}{suffix}.onnx" for form in (OURS, THEIRS)}
    files[FLOAT] = FOLDER / f"{name}_{FLOAT}.onnx"
    if all(path.exists() for path in files.values()):
        return files
    network = NETWORKS[name]
    model, calibration = network.build().eval(), network.calibration(draw)
    export_onnx(model, calibration[:1], files[FLOAT])
    export_int8(quantize_static(model, calibration), calibration[:1], files[OURS])
    quantize_with_onnxruntime(files[FLOAT], calibration, files[THEIRS])
    return files


def quantize_with_onnxruntime(source: Path, calibration: Tensor, path: Path) -> None:
    """ONNX Runtime's own static quantization, per channel, on the same inputs."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType
    from onnxruntime.quantization import quantize_static as their_quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.inputs = iter(calibration.split(1))

        def get_next(self) -> dict[str, np.ndarray] | None:
            X = next(self.inputs, None)
            return None if X is None else {"X": X.numpy()}

    with tempfile.TemporaryDirectory() as folder:
        prepared, result = Path(folder) / "prepared.onnx", Path(folder) / "result.onnx"
        # its symbolic inference gives up on the road networks; ONNX shape inference does not
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        their_quantize_static(
            prepared,
            result,
            Reader(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        partial = path.with_suffix(".tmp")
        partial.write_bytes(result.read_bytes())
        partial.replace(path)


@torch.no_grad()
def torchao_quantized(model: nn.Module, calibration: Tensor) -> nn.Module:
    """torchao's PT2E quantization with the defaults of its x86 quantizer, on the same inputs."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    batch = torch.export.Dim.DYNAMIC
    program = torch.export.export(model, (calibration[:2],), dynamic_shapes=({0: batch},))
    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(program.module(check_guards=False), quantizer)
    for X in calibration.split(BATCH_SIZE):
        prepared(X)
    converted = convert_pt2e(prepared)
    # an exported graph refuses train() and eval(): inside a plain module nobody calls them
    return Calling(converted)


class Calling(nn.Module):
    """Calls a function that is no submodule."""

    def __init__(self, call: Callable):
        super().__init__()
        self.__dict__["call"] = call

    def forward(self, X: Tensor) -> Tensor | dict[str, Tensor]:
        return self.call(X)


def judge(name: str) -> dict:
    """Quality of the four forms of one network: means over the draws, and points from float32."""
    network = NETWORKS[name]
    if network.quality is None:
        return {}
    task = name.removeprefix("road_") if name.startswith("road_") else None
    base = network.quality(Running(write_files(name)[FLOAT], task))
    found = {form: [] for form in (OURS, THEIRS, TORCHAO)}
    for draw in range(CALIBRATIONS):
        files = write_files(name, draw)
        for form in (OURS, THEIRS):
            found[form].append(network.quality(Running(files[form], task)))
        converted = torchao_quantized(network.build().eval(), network.calibration(draw))
        found[TORCHAO].append(network.quality(converted))
        print(f"{name}, inputs {draw}: {found}, float {base}", flush=True)
    figures = {
        form: {
            "quality": mean(qualities),
            "qualities": qualities,
            "accuracy_change_points": mean(qualities) - base,
        }
        for form, qualities in found.items()
    }
    return figures.pop(OURS) | {
        "quality_fp32": base,
        "calibration_inputs": CALIBRATION_INPUTS,
        "calibrations": CALIBRATIONS,
        **figures,
        "file_bytes": {form: path.stat().st_size for form, path in write_files(name).items()},
    }


def time(name: str) -> dict:
    """Gains over the fastest float32 form, one thread."""
    network, files = NETWORKS[name], write_files(name)
    X = network.calibration(0)[:1]
    forms = standard_runners(network.build().eval(), X, onnx_file=files[FLOAT])
    base = {runner.backend: runner for runner in forms.values() if "bf16" not in runner.backend}
    reference = base[fastest(list(base.values())).backend]
    gains = {}
    for form in (OURS, THEIRS):
        runner = edu.onnxruntime_runner(files[form], X, name=f"{name} {form}")
        comparison = frame.until_quiet(lambda runner=runner: edu.compare_latency(reference, runner))
        gains[form] = {
            "p50_gain": comparison.ratio,
            "interval": comparison.interval,
            "p50_ms": comparison.candidate.p50_ms,
            "p50_ms_fp32": comparison.reference.p50_ms,
        }
    return gains[OURS] | {"fp32_form": reference.backend, THEIRS: gains[THEIRS]}


def main() -> None:
    """Judge or time the networks that are asked for; the result file is written after each."""
    chosen = frame.options(
        __doc__,
        {
            "networks": {"nargs": "*", "default": list(NETWORKS), "help": ", ".join(NETWORKS)},
            "--time": {"action": "store_true", "help": "time, on an idle machine"},
        },
    )
    part, ending = (time, "time") if chosen.time else (judge, "quality")
    for name in chosen.networks:
        run = {f"{name}_{ending}": {"name": name}}
        kept = {"again": chosen.again, "timed": chosen.time}
        found = frame.run_all(part, run, NAME, **kept)[f"{name}_{ending}"]
        if found:
            stored = frame.stored_result(NAME)
            before = {key: value for key, value in stored.items() if key not in PROVENANCE}
            row = before.get(name, {})
            found[THEIRS] = row.get(THEIRS, {}) | found[THEIRS]
            edu.save_result(NAME, before | {name: row | found}, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
