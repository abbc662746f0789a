"""Time the networks of the kit on this machine: python3 kit.py bench [--save]

Each network that ships with weights is exported to ONNX and timed in ONNX Runtime, one thread, by
the protocol of edu_lib.measure.latency. --save writes data/results/ledger.json, which the chapters
show; with a GPU it also adds that GPU's times to data/results/cpu_gpu.json. Nothing else should run
meanwhile: a row whose A/A control is off is void and is not saved.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import edu_lib as edu
from edu_lib.deploy import container, export_int8
from edu_lib.models.roadnet import TASKS, RoadNet
from edu_lib.techniques.quantization import quantize_static
from edu_lib.weights import WEIGHTS_FOLDER
from studies import cpu_gpu, int8
from studies.channel_pruning_choice import SHAPE
from studies.separable_road import separable

COMMAND = "python3 kit.py bench --save"
ATTEMPTS = 3


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
]


def measure(entry: Entry, folder: Path) -> edu.LedgerRow:
    """One row of the ledger. Raises RuntimeError if the machine was never quiet enough."""
    model = entry.build().eval()
    if entry.weights is not None:
        model = edu.load_weights(model, entry.weights)
    X = torch.rand(entry.input_shape, generator=torch.Generator().manual_seed(0))
    file = entry.export(model, X, folder / "network.onnx")
    runner = edu.onnxruntime_runner(file, X, threads=1, name=entry.model)
    for _ in range(ATTEMPTS):
        measurement = edu.measure_latency(runner)
        if not measurement.void:
            break
    else:
        raise RuntimeError(
            f"{entry.model}: the timer's control was off {ATTEMPTS} times; close other programs "
            "and run `python3 kit.py bench` again"
        )
    cost = edu.count_cost(model, entry.input_shape)
    return edu.LedgerRow(
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


def main(arguments: list[str]) -> int:
    """Time every entry, print the rows, and save them where that is asked for."""
    unknown = [word for word in arguments if word != "--save"]
    if unknown:
        print(f"bench knows --save and nothing else, not {' '.join(unknown)}.")
        return 2
    machine = edu.describe_machine()
    print(f"{machine['cpu']}, {machine['cores']} cores; one thread, batch 1")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for entry in ENTRIES:
            try:
                row = measure(entry, Path(folder))
            except RuntimeError as error:
                print(error)
                return 1
            rows.append(row)
            print(
                f"{row.model:32s} {row.quality:6.2f} {row.quality_unit:24s} "
                f"{row.file_bytes:10,} bytes {row.p50_ms:9.4f} ms"
            )
    if "--save" in arguments:
        path = edu.save_result("ledger", {"rows": [asdict(row) for row in rows]}, COMMAND)
        recorded = cpu_gpu.record_accelerator()
        if recorded:
            print(f"Added {recorded} to cpu_gpu.json.")
        print(f"Saved {path.name}; build the chapters again to show it: python3 kit.py build")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
