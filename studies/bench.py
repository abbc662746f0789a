"""Time the networks of the kit on this machine: python3 kit.py bench [--save]

Each network that ships with weights is exported to ONNX and timed in ONNX Runtime, one thread, by
the protocol of edu_lib.measure.latency. --save writes data/results/ledger.json, which the chapters
show; with a GPU it also adds that GPU's times to data/results/cpu_gpu.json. Nothing else should run
meanwhile: a row whose A/A control is off is void and is not saved.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import classroom
import edu_lib as edu
from classroom.final_network import final_network
from edu_lib.deploy import container, export_int8
from edu_lib.measure import EnergyMeter, Runner
from edu_lib.models.roadnet import TASKS, RoadNet
from edu_lib.techniques.quantization import quantize_static
from edu_lib.weights import WEIGHTS_FOLDER
from studies import cpu_gpu, frame, int8
from studies.channel_pruning_choice import SHAPE
from studies.separable_road import separable

COMMAND = "python3 kit.py bench --save"
ENERGY_SECONDS = 2.0


@dataclass(frozen=True)
class Entry:
    """A network of the ledger: what builds it, and where its quality stands in a result file.

    weights: a safetensors file of the kit, or None if `build` gives a trained network. export:
    what writes its ONNX file.
    """

    chapter: str
    model: str
    weights: str | None
    build: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    quality_unit: str
    quality: Callable[[], float]
    compressed: bool = False
    export: Callable[[nn.Module, Tensor, Path], Path] = edu.export_onnx


def export_int8_road(model: nn.Module, X: Tensor, path: Path) -> Path:
    """The network in int8, calibrated as in `studies.int8`."""
    return export_int8(
        quantize_static(model, int8.NETWORKS["road_segmentation"].calibration(0)), X, path
    )


def lenet_1998_accuracy() -> float:
    """Of the shipped weights, seed 0 of the study, in percent."""
    return 100 - edu.load_result("lenet_1998")["shifted"]["test_errors"][0]


ENTRIES = [
    Entry(
        chapter="02",
        model="LeNet-5, 1998",
        weights="lenet1998",
        build=edu.models.LeNet1998,
        input_shape=(1, 1, 28, 28),
        quality_unit="% of MNIST",
        quality=lenet_1998_accuracy,
    ),
    Entry(
        chapter="02",
        model="LeNet-5, modern",
        weights="lenet5",
        build=edu.models.LeNet5,
        input_shape=(1, 1, 28, 28),
        quality_unit="% of MNIST",
        quality=lambda: edu.load_result("lenet_weights")["lenet5"]["test_accuracy"],
    ),
    Entry(
        chapter="03",
        model="small AlexNet",
        weights="small_alexnet",
        build=edu.models.SmallAlexNet,
        input_shape=(1, 1, 28, 28),
        quality_unit="% of Fashion-MNIST",
        quality=lambda: edu.load_result("alexnet_weights")["small_alexnet"]["test_accuracy"],
    ),
    Entry(
        chapter="07",
        model="Road: segmentation, heavy",
        weights="road_segmentation",
        build=lambda: RoadNet(["segmentation"]),
        input_shape=SHAPE,
        quality_unit="% mean IoU",
        quality=lambda: edu.load_result("road_teachers")["segmentation"]["miou"],
    ),
    Entry(
        chapter="07",
        model="Road: segmentation, separable",
        weights="road_separable",
        build=separable,
        input_shape=SHAPE,
        quality_unit="% mean IoU",
        quality=lambda: edu.load_result("separable_road")["mious"][0],
        compressed=True,
    ),
    Entry(
        chapter="08",
        model="Road: segmentation, pruned",
        weights=None,
        build=lambda: container.load(WEIGHTS_FOLDER / "road_pruned.30f"),
        input_shape=SHAPE,
        quality_unit="% mean IoU",
        quality=lambda: edu.load_result("channel_pruning")["runs"][0]["miou"],
        compressed=True,
    ),
    Entry(
        chapter="09",
        model="Road: segmentation, int8",
        weights="road_segmentation",
        build=lambda: RoadNet(["segmentation"]),
        input_shape=SHAPE,
        quality_unit="% mean IoU",
        quality=lambda: edu.load_result("int8")["road_segmentation"]["quality"],
        compressed=True,
        export=export_int8_road,
    ),
    Entry(
        chapter="12",
        model="Road: depth, heavy",
        weights="road_depth",
        build=lambda: RoadNet(["depth"]),
        input_shape=(1, 3, 128, 256),
        quality_unit="% of depths within 25 %",
        quality=lambda: edu.load_result("road_teachers")["depth"]["delta1"],
    ),
    Entry(
        chapter="12",
        model="Road: all tasks, light, 96x192",
        weights="road_shared_light",
        build=lambda: RoadNet(TASKS, width=0.5),
        input_shape=(1, 3, 96, 192),
        quality_unit="% mean IoU",
        quality=lambda: edu.load_result("multi_task")["tasks"]["segmentation"]["shared_seeds"][0],
        compressed=True,
    ),
    Entry(
        chapter="14",
        model="Road: all tasks, thirty frames",
        weights=None,
        build=final_network,
        input_shape=(1, 3, 128, 256),
        quality_unit="% mean IoU",
        quality=lambda: edu.load_result("thirty_frames")["steps"]["DPQ"][0]["test"]["miou"],
        compressed=True,
        export=export_int8,
    ),
]


def measure(entry: Entry, folder: Path) -> tuple[classroom.LedgerRow, float | str]:
    """One row of the ledger, and the joules of a frame.

    Raises RuntimeError if the machine was never quiet enough.
    """
    model = entry.build().eval()
    if entry.weights is not None:
        model = edu.load_weights(model, entry.weights)
    X = torch.rand(entry.input_shape, generator=torch.Generator().manual_seed(0))
    file = entry.export(model, X, folder / "network.onnx")
    runner = edu.onnxruntime_runner(file, X, threads=1, name=entry.model)
    measurement = frame.until_quiet(lambda: edu.measure_latency(runner))
    cost = edu.count_cost(model, entry.input_shape)
    row = classroom.LedgerRow(
        chapter=entry.chapter,
        model=entry.model,
        quality=entry.quality(),
        quality_unit=entry.quality_unit,
        params=cost.params,
        macs=cost.macs,
        file_bytes=file.stat().st_size,
        p50_ms=measurement.p50_ms,
        backend="ONNX Runtime, 1 thread",
        compressed=entry.compressed,
    )
    return row, joules_per_frame(runner)


def joules_per_frame(runner: Runner) -> float | str:
    """Of the whole processor, idle power included; the words "not measured" without a counter."""
    with EnergyMeter(runner.device) as meter:
        runner.call()
    if meter.joules is None:
        return str(meter)
    calls, end = 0, time.monotonic() + ENERGY_SECONDS
    with EnergyMeter(runner.device) as meter:
        while time.monotonic() < end or calls == 0:
            runner.call()
            calls += 1
    return meter.joules / (calls * runner.batch)


def main(arguments: list[str]) -> int:
    """Time every entry, print the rows, and save them where that is asked for."""
    unknown = [word for word in arguments if word != "--save"]
    if unknown:
        print(f"bench knows --save and nothing else, not {' '.join(unknown)}.")
        return 2
    machine = edu.describe_machine()
    print(f"{machine['cpu']}, {machine['cores']} cores; one thread, batch 1")
    rows, energy = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for entry in ENTRIES:
            try:
                row, joules = measure(entry, Path(folder))
            except RuntimeError as error:
                print(f"{entry.model}: {error}")
                return 1
            rows.append(row)
            energy[row.model] = joules
            spent = joules if isinstance(joules, str) else f"{1e3 * joules:.3g} mJ"
            print(
                f"{row.model:32s} {row.quality:6.2f} {row.quality_unit:24s} "
                f"{row.file_bytes:10,} bytes {row.p50_ms:9.4f} ms, "
                f"energy of a frame: {spent}"
            )
    if "--save" in arguments:
        figures = {"rows": [asdict(row) for row in rows], "joules_per_frame": energy}
        path = edu.save_result("ledger", figures, COMMAND)
        recorded = cpu_gpu.record_accelerator()
        if recorded:
            print(f"Added {recorded} to cpu_gpu.json.")
        print(f"Saved {path.name}; build the chapters again to show it: python3 kit.py build")
    return 0


if __name__ == "__main__":
    frame.start(lambda: main(sys.argv[1:]))
