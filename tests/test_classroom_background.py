"""A simulated device, and a load that really runs and really ends."""

import subprocess
import sys
import time

import psutil
import pytest

from classroom import background
from classroom.background import PROGRAM, BackgroundLoad
from classroom.simulated import SimulatedDevice


def fail_inside(block):
    with block:
        raise RuntimeError


def test_a_simulated_device_answers_before_it_has_worked():
    device = SimulatedDevice(kernel_ms=5, launch_ms=0.01, first_ms=200)
    device.launch()
    assert device.now_ms == pytest.approx(0.01)
    device.synchronize()
    assert device.now_ms == pytest.approx(205.01)
    for _ in range(3):
        device.launch()
    assert device.now_ms == pytest.approx(205.04)
    device.synchronize()
    assert device.now_ms == pytest.approx(205.02 + 3 * 5)
    device.synchronize()
    assert device.now_ms == pytest.approx(205.02 + 3 * 5)
    with pytest.raises(ValueError, match="negative time"):
        SimulatedDevice(kernel_ms=-1)


@pytest.mark.parametrize("kind", ["compute", "memory"])
def test_a_load_works_inside_the_block_and_is_gone_after_it(kind):
    with BackgroundLoad(kind, processes=1) as load:
        process = psutil.Process(load._running[0].pid)
        before = sum(process.cpu_times()[:2])
        deadline = time.monotonic() + 600
        while sum(process.cpu_times()[:2]) <= before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert sum(process.cpu_times()[:2]) > before
        assert repr(load) == f"1 process of {kind}"
    assert not process.is_running()


def test_a_load_ends_when_its_block_fails_or_nothing_is_asked():
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(RuntimeError):
        fail_inside(BackgroundLoad("compute", 1))
    assert {child.pid for child in psutil.Process().children()} <= before
    with BackgroundLoad("memory", processes=0) as load:
        assert load._running == []
        assert repr(load) == "no load"


def test_a_load_dies_with_a_parent_that_is_killed():
    # its input is closed when the parent is gone, however that went
    process = subprocess.Popen(
        [sys.executable, "-I", str(PROGRAM), "compute"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline().strip() == b"ready"
    process.stdin.close()
    assert process.wait(timeout=600) == 0
    process.stdout.close()


def test_a_load_that_cannot_start_says_so_and_leaves_nothing(monkeypatch, tmp_path):
    (tmp_path / "background.py").write_text("import sys; sys.exit(1)")
    monkeypatch.setattr(background, "PROGRAM", tmp_path / "background.py")
    load = BackgroundLoad("compute", processes=2)
    with pytest.raises(RuntimeError, match="did not start"), load:
        pass
    assert load._running == []
    with pytest.raises(ValueError, match="a load is one of"):
        BackgroundLoad("network")
    with pytest.raises(ValueError, match="0 or more"):
        BackgroundLoad("compute", -1)
