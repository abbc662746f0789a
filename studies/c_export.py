"""A network in C on four processors: equal bits, bytes of flash and memory, instructions.

    python3 -m studies.c_export

LeNet-5 and the smallest network file on a hundred test digits, an untrained road network of an
eighth of the width on random pixels, and the network of chapter 14 on scenes, each as int8 and as
one C file: compiled for this computer, for a 64-bit Arm, a Cortex-M0+ and a Cortex-M4, the latter
three emulated by QEMU. A target whose compiler is missing is left out in a sentence, and its stored
rows stay. Writes data/results/c_export.json.
Integer arithmetic alone, and counted instructions: nothing here is a time.
"""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import edu_lib as edu
import roads
from classroom.final_network import final_network, one_scene
from edu_lib.data import DATA_FOLDER
from edu_lib.deploy import IntegerNetwork, container, export_c, export_int8
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.quantization import quantize_static
from studies import c_targets, frame

NAME = "c_export"
DIGITS, SCENES, CALIBRATION = 100, 2, 64
ARDUINO = {"flash_bytes": 256 * c_targets.KB, "ram_bytes": 32 * c_targets.KB}
LARGE = {"flash_bytes": 4096 * c_targets.KB, "ram_bytes": 4096 * c_targets.KB}
BUDGET = 1_000_000_000  # instructions a second


@dataclass(frozen=True)
class Task:
    """A network with what it is run on.

    int8: what `quantize_static` gave. X: an input [1, C, H, W] to export it with. images: uint8
    [N, C, H, W]. parameters: weights and biases. chip: the memory of the microcontrollers.
    """

    int8: torch.nn.Module
    X: torch.Tensor
    images: np.ndarray
    parameters: int
    chip: dict[str, int]


def calibrated(model: torch.nn.Module, X: torch.Tensor, images: np.ndarray, chip: dict) -> Task:
    """A network of floats, made int8 by calibration on X."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Task(quantize_static(model.eval(), X), X[:1], images, parameters, chip)


def digit_tasks() -> dict[str, Task]:
    """{name: task} for the digits."""
    digits = edu.mnist()
    images = (digits.test.X[:DIGITS].float() * 255).round().byte().numpy()
    X = digits.fit.X[:CALIBRATION].float()
    networks = {
        "lenet5": edu.load_weights(edu.models.LeNet5(), "lenet5"),
        "tinynet": container.load(DATA_FOLDER / "weights" / "tiny.30f"),
    }
    return {name: calibrated(model, X, images, ARDUINO) for name, model in networks.items()}


def road_task() -> Task:
    """A road network of random weights; its batch norms see the calibration first."""
    torch.manual_seed(0)
    network, X = RoadNet(width=0.125), torch.rand(4, 3, 128, 256)
    network.train()(X)
    images = np.random.default_rng(0).integers(0, 256, (SCENES, 3, 128, 256)).astype(np.uint8)
    return calibrated(network, X, images, LARGE)


def final_task() -> Task:
    """The network that ships, on scenes."""
    network = final_network()
    images = np.stack([roads.scene(seed).image.transpose(2, 0, 1) for seed in range(SCENES)])
    return Task(network, one_scene(), images, edu.count_cost(network, one_scene()).params, LARGE)


def judge(task: Task) -> dict:
    """What one network's C file does on every target that is here."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        int8_file = export_int8(task.int8, task.X, folder / "network.onnx")
        c_file = export_c(int8_file, folder / "network.c")
        expected = engines_answers(int8_file, task.images)
        row: dict[str, object] = {
            "images": len(task.images), "values": expected.size, "parameters": task.parameters,
            "macs": edu.count_cost(task.int8, task.X).macs, "image_bytes": task.images[0].nbytes,
            **said_by(c_file), "answer_bytes": expected[0].nbytes, "targets": {}, **task.chip,
        }  # fmt: skip
        for target in c_targets.TARGETS:
            if c_targets.missing(target):
                print(f"{target} is left out: {', '.join(c_targets.missing(target))} is missing")
                continue
            outcome = c_targets.run(c_file, target, task.images, folder / "run", **task.chip)
            counted = outcome.instructions
            row["targets"][target] = {
                "compiler": version(c_targets.TARGETS[target].compiler),
                "values_different": int(np.count_nonzero(outcome.answers != expected)),
                "flash": outcome.flash_bytes, "ram": outcome.ram_bytes, "instructions": counted,
                "images_a_second_in_budget": BUDGET / counted if counted else None,
            }  # fmt: skip
            print(target, row["targets"][target], flush=True)
    return row


def engines_answers(int8_file: Path, images: np.ndarray) -> np.ndarray:
    """All answers of the integer engine side by side, float32 [N, values]."""
    engine = IntegerNetwork(int8_file)
    runs = [engine.run(x[None].astype(np.float32) / np.float32(255)) for x in images]
    return np.stack(
        [np.concatenate([run[name].ravel() for name in engine.outputs]) for run in runs]
    )


def said_by(c_file: Path) -> dict[str, int]:
    """The bytes of which the comment at the head of a C file tells."""
    found = re.search(r"(\d+) bytes of constants.*?(\d+) bytes, the arena", c_file.read_text())
    return {"constant_bytes": int(found[1]), "arena_bytes": int(found[2])}


def version(program: str) -> str:
    """The first line that a program says of itself."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return told.stdout.splitlines()[0]


def main() -> None:
    """All networks, then the result file."""
    frame.options(__doc__, again=False)
    stored = frame.stored_result(NAME)
    figures: dict[str, dict] = {}
    tasks = {**digit_tasks(), "road_eighth": road_task(), "thirty_frames": final_task()}
    for name, task in tasks.items():
        print(name, flush=True)
        figures[name] = judge(task)
        before = stored.get(name, {}).get("targets", {})
        figures[name]["targets"] = {**before, **figures[name]["targets"]}
    figures["budget_instructions_a_second"] = BUDGET
    figures["board"] = ARDUINO
    figures["stack_bytes"] = c_targets.STACK_BYTES
    figures["instructions_a_tick"] = c_targets.INSTRUCTIONS_A_TICK
    edu.save_result(NAME, figures, frame.command(NAME))


if __name__ == "__main__":
    frame.start(main)
