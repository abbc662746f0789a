"""The visit of a GPU, on a device that is simulated and on the CPU in small."""

import json
import subprocess
import sys

import pytest
import torch

from classroom.recorded_gpus import LINES, gpu_lines
from classroom.simulated import SimulatedDevice
from edu_lib.models import LeNet5, RoadNet
from studies import gpu_visit, gpu_visit_networks, gpu_visit_timing
from studies.gpu_visit import Visit, measure, now_ms

# a borrowed machine: only what an installation of PyTorch brings is there
BORROWED = """
import sys
for name in ("torchvision", "safetensors", "tqdm", "psutil", "onnx", "PIL", "matplotlib"):
    sys.modules[name] = None
import edu_lib as edu
from studies import gpu_visit, gpu_visit_networks
whose, edge = gpu_visit_networks.edge_networks()
edu.save_result("gpu_visit", {"devices": {"A GPU": {"whose": whose, "edge": sorted(edge)}}},
                gpu_visit.frame.command("gpu_visit"), sys.argv[1])
"""


def simulated(seconds=60.0, **options):
    device = SimulatedDevice(**options)
    return device, Visit(
        torch.device("cpu"), device.synchronize, lambda: device.now_ms, 1000 * seconds
    )


def test_the_right_timing_finds_the_kernel_and_the_naive_one_the_launch():
    device, visit = simulated(kernel_ms=5.0, launch_ms=0.01, first_ms=200.0)
    assert visit.naive_ms(device.launch) == pytest.approx(0.01)
    assert visit.right_ms(device.launch) == pytest.approx(5.0, abs=0.02)


def test_the_first_call_never_counts():
    for first_ms in (0.0, 10_000.0):
        device, visit = simulated(first_ms=first_ms)
        assert visit.right_ms(device.launch) == pytest.approx(5.0, abs=0.02)


def test_time_is_kept_and_what_was_cut_is_named():
    device, visit = simulated(seconds=1.0, kernel_ms=5.0)

    def work():
        return visit.right_ms(device.launch)

    rows = visit.while_time("sweep", (work for _ in range(100)))
    assert 1 <= len(rows) < 10
    assert visit.left_out == ["sweep"]
    longest_ms = 3 * gpu_visit_timing.BLOCK_MS + 200
    assert device.now_ms < visit.deadline_ms + longest_ms


def test_a_visit_without_time_leaves_all_out():
    _, visit = simulated(seconds=0.0)
    assert measure(visit) == {"left_out": list(gpu_visit.PARTS)}


@pytest.mark.slow
def test_every_part_gives_its_figures_in_small(monkeypatch, tmp_path):
    small = {"lenet5": (LeNet5(), (1, 28, 28))}
    small["road_heavy"] = (RoadNet(["segmentation"], 0.125), (3, 32, 64))
    monkeypatch.setattr(gpu_visit_networks, "networks", lambda: small)
    monkeypatch.setattr(gpu_visit_timing, "BLOCK_MS", 1.0)
    visit = Visit(torch.device("cpu"), lambda: None, now_ms, now_ms() + 3_600_000, scale=64)
    found = measure(visit)
    assert found.keys() == {*gpu_visit.PARTS, "left_out"}
    assert found["left_out"] == []
    assert [(row["network"], row["batch"]) for row in found["sweep"]] == [
        ("lenet5", 1), ("lenet5", 2), ("road_heavy", 1), ("road_heavy", 2),
    ]  # fmt: skip
    assert all(row["p50_ms"] > 0 for row in found["sweep"] + found["launches"])
    assert [row["format"] for row in found["precisions"]] == [
        "fp32",
        "tf32",
        "fp16",
        "bf16",
        "int8",
    ]
    assert found["roofline"]["copy_gb_per_second"] > 0
    assert torch.get_float32_matmul_precision() == "highest"

    told = gpu_lines(*LINES, networks=("lenet5", "road_heavy"), folder=stored(tmp_path, found))
    assert told.startswith("GPUs recorded: 1\nA GPU\n  a product of 64 x 64 numbers: ")
    assert "lenet5: one image" in told
    assert "no time was left" not in told


def stored(folder, *visits):
    """A folder with the result file of these visits."""
    devices = {f"{'A' if n == 0 else 'Another'} GPU": found for n, found in enumerate(visits)}
    (folder / "gpu_visit.json").write_text(json.dumps({"devices": devices}))
    return folder


def test_what_was_visited_comes_into_the_chapters(tmp_path):
    sweep = [
        {"network": "alexnet", "batch": 1, "p50_ms": 0.5},
        {"network": "alexnet", "batch": 64, "p50_ms": 4.0},
        {"network": "vgg16", "batch": 1, "p50_ms": 2.0},
    ]
    device, visit = simulated(kernel_ms=5.0, launch_ms=0.01, first_ms=200.0)
    naive, right = visit.naive_ms(device.launch), visit.right_ms(device.launch)
    timing = {"side": 64, "naive_ms": naive, "right_ms": right}
    folder = stored(tmp_path, {"sweep": sweep, "timing": timing}, {"left_out": ["timing"]})
    assert gpu_lines("timing", networks=("alexnet",), folder=folder).splitlines() == [
        "GPUs recorded: 2",
        "A GPU",
        "  a product of 64 x 64 numbers: 0.01 ms without waiting, 5 ms in truth",
        "  alexnet: one image 0.5 ms; 64 together 16,000 a second",
        "Another GPU",
        "  timing: no time was left",
    ]
    with pytest.raises(ValueError, match="a visit has no part 'heat'"):
        gpu_lines("heat", folder=folder)


def test_without_a_visit_the_chapters_say_how_to_make_one(tmp_path):
    assert gpu_lines("timing", folder=tmp_path).splitlines() == [
        "GPUs recorded: 0", "on a machine with one: python3 -m studies.gpu_visit",
    ]  # fmt: skip


def test_a_machine_without_a_gpu_is_told(monkeypatch, capsys):
    monkeypatch.setattr(gpu_visit.edu, "pick_device", lambda: torch.device("cpu"))
    monkeypatch.setattr("sys.argv", ["gpu_visit"])
    assert gpu_visit.main() == 1
    assert "finds no GPU here" in capsys.readouterr().out


def test_a_borrowed_machine_needs_no_more_than_pytorch(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", BORROWED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    content = json.loads((tmp_path / "gpu_visit.json").read_text())
    found = content["devices"]["A GPU"]
    assert found["whose"] == gpu_visit_networks.OURS
    assert found["edge"] == ["efficientnet_lite0", "mobilenet_v1", "repvgg_a0"]
    assert content["machine"]["cpu"]
    assert content["machine"]["ram_gb"] is None
    assert gpu_visit_networks.edge_networks()[0] == gpu_visit_networks.THEIRS  # where it is
