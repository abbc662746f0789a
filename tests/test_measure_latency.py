"""The timer is right on a device that answers before it has worked, and asks in the right order."""

import gc
import sys
import time
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from edu_lib.deploy.onnx import export_onnx
from edu_lib.measure import (
    LatencyComparison,
    Runner,
    compare_latency,
    fastest,
    latency,
    machine,
    measure_latency,
    measure_transfer,
    onnxruntime_runner,
    openvino_runner,
    pytorch_runner,
    timing,
)
from edu_lib.measure.timing import median_interval, percentile, ratio_interval

LAUNCH_NS = 1_000


class AsynchronousDevice:
    """Takes work at once and finishes it later, as a GPU does. Its clock is a number we turn."""

    def __init__(self):
        self.now_ns = 0
        self.busy_until_ns = 0

    def launch(self, kernel_ns):
        self.now_ns += LAUNCH_NS
        self.busy_until_ns = max(self.busy_until_ns, self.now_ns) + kernel_ns

    def synchronize(self):
        self.now_ns = max(self.now_ns, self.busy_until_ns)


@dataclass(frozen=True)
class AsynchronousRunner(Runner):
    fake: AsynchronousDevice | None = None

    def synchronize(self):
        self.fake.synchronize()


@pytest.fixture
def fake(monkeypatch):
    device = AsynchronousDevice()
    monkeypatch.setattr(timing.time, "perf_counter_ns", lambda: device.now_ns)
    return device


def asynchronous_runner(fake, kernel_ms, name="net"):
    return AsynchronousRunner(name, lambda: fake.launch(int(kernel_ms * 1e6)), fake=fake)


def test_naive_timing_is_wrong_on_an_asynchronous_device_and_ours_is_right(fake):
    runner = asynchronous_runner(fake, kernel_ms=5)
    start = timing.time.perf_counter_ns()
    for _ in range(10):
        runner.call()
    naive_ms = (timing.time.perf_counter_ns() - start) / 10 / 1e6
    assert naive_ms == pytest.approx(0.001)
    measured = measure_latency(runner, block_ms=15)
    assert measured.p50_ms == pytest.approx(5.001)
    assert measured.p99_ms == pytest.approx(5.001)
    assert measured.calls == 40 * 3
    assert (measured.settled, measured.warmup_calls) == (True, 20)


def test_work_left_over_from_before_is_not_charged_to_the_first_call(fake):
    runner = asynchronous_runner(fake, kernel_ms=5)
    runner.call()
    assert timing.time_call(runner) == pytest.approx(5.001)


@pytest.fixture
def accelerator_log(monkeypatch):
    """Replaces torch's accelerator by a list of what was asked of it."""
    log = []

    class Event:
        def __init__(self, device, enable_timing):
            assert (device, enable_timing) == ("cuda", True)

        def record(self):
            log.append("record")

        def elapsed_time(self, end):
            log.append("elapsed")
            return 1.5

    monkeypatch.setattr(
        torch.accelerator, "synchronize", lambda device: log.append(f"synchronize {device}")
    )
    monkeypatch.setattr(torch, "Event", Event)
    return log


def test_a_timed_call_synchronises_before_and_after(accelerator_log):
    runner = Runner("net", lambda: accelerator_log.append("run"), device="cuda")
    assert timing.time_call(runner) >= 0
    assert accelerator_log == ["synchronize cuda", "run", "synchronize cuda"]


def test_events_surround_the_call_and_are_read_after_synchronising(accelerator_log):
    runner = Runner("net", lambda: accelerator_log.append("run"), device="cuda")
    assert timing.device_time(runner) == 1.5
    assert accelerator_log[:5] == ["record", "run", "record", "synchronize cuda", "elapsed"]


def test_a_device_without_timing_events_reports_none(monkeypatch):
    def no_events(*args, **kwargs):
        raise NotImplementedError("no timing here")

    monkeypatch.setattr(torch, "Event", no_events)
    assert timing.device_time(Runner("net", lambda: None, device="mps")) is None


def test_a_whole_measurement_on_a_mocked_accelerator(accelerator_log, monkeypatch):
    monkeypatch.setattr(latency, "device_name", lambda device: f"mocked {device}")
    runner = Runner("net", lambda: accelerator_log.append("run"), device="cuda", batch=4)
    measured = measure_latency(runner, block_ms=0.1)
    assert (measured.device, measured.device_ms) == ("mocked cuda", 1.5)
    assert measured.fps == pytest.approx(4 * 1000 / measured.p50_ms)
    for place, entry in enumerate(accelerator_log[:20]):
        if entry == "run":
            assert accelerator_log[place + 1] == "synchronize cuda"


def test_only_an_accelerator_that_is_there_is_picked(monkeypatch):
    asked = []

    def current_accelerator(check_available=False):
        asked.append(check_available)
        return None if check_available else torch.device("cuda")

    monkeypatch.setattr(torch.accelerator, "current_accelerator", current_accelerator)
    assert machine.pick_device() == torch.device("cpu")
    assert machine.describe_machine()["gpu"] is None
    assert asked == [True, True]


def test_transfer_is_timed_apart_and_not_on_the_cpu(accelerator_log):
    class There:
        def cpu(self):
            accelerator_log.append("to host")

    class X(torch.Tensor):
        def to(self, device):
            accelerator_log.append(f"to {device}")
            return There()

    measured = measure_transfer(torch.zeros(2, 3).as_subclass(X), "cuda", repeats=1)
    each = ["synchronize cuda", "to cuda", "synchronize cuda", "to host", "synchronize cuda"]
    assert accelerator_log == each * 2
    assert measured.bytes == 24
    with pytest.raises(ValueError, match="no transfer"):
        measure_transfer(torch.zeros(1), "cpu")


def scripted_clock(monkeypatch, durations):
    """Makes time_call return the given milliseconds, one after another."""
    times = iter(durations)
    monkeypatch.setattr(timing, "time_call", lambda runner: next(times))


def test_warm_up_ends_when_two_medians_agree_within_2_percent(monkeypatch):
    scripted_clock(monkeypatch, [9.0] * 10 + [5.0] * 10 + [3.03] * 10 + [3.0] * 10 + [1.0] * 10)
    assert timing.warm_up(Runner("net", lambda: None)) == (True, 40, 3.0)


def test_warm_up_gives_up_at_its_cap_and_says_so(monkeypatch):
    scripted_clock(monkeypatch, [float(2**i) for i in range(12) for _ in range(10)])
    settled, calls, _ = timing.warm_up(Runner("net", lambda: None), max_calls=50)
    assert (settled, calls) == (False, 50)


def test_blocks_are_interleaved_and_each_begins_with_an_untimed_call():
    order = []
    runners = [Runner(name, lambda name=name: order.append(name)) for name in "AB"]
    times = timing.timed_rounds(runners, calls=[2, 1], blocks=3)
    assert order == list("AAAB" * 3)
    assert [[len(block) for block in blocks] for blocks in times] == [[2, 2, 2], [1, 1, 1]]


def cpu_used(seconds):
    """Seconds of CPU that this process uses while nothing is asked of it."""
    before = time.process_time()
    time.sleep(seconds)
    return time.process_time() - before


def test_nobody_is_timed_beside_the_spinning_threads_of_the_runner_before(tmp_path):
    # two of ONNX Runtime's threads go on for some 25 ms after a call of this network
    model = nn.Sequential(*(nn.Conv2d(16, 16, 3, padding=1) for _ in range(4)))
    X = torch.rand(1, 16, 64, 64)
    file = export_onnx(model, X, tmp_path / "net.onnx")
    shared = onnxruntime_runner(file, X, threads=2)
    used = []
    quiet = Runner("quiet", lambda: used.append(cpu_used(0.02)))
    timing.timed_rounds([shared, quiet], calls=[2, 1], blocks=5)
    # calm is a tenth of a core; what stays may be a little more in a later window
    assert max(used) < 0.5 * 0.02


def test_who_waits_and_for_whom(monkeypatch):
    order = []
    monkeypatch.setattr(timing, "wait_until_calm", lambda: order.append("wait"))
    shared = Runner("A", lambda: order.append("A"), threads=2)
    single = Runner("B", lambda: order.append("B"), threads=1)
    timing.timed_rounds([shared, single], calls=[1, 1], blocks=2)
    assert order == ["A", "wait", "B", "A", "wait", "B"]
    order.clear()
    timing.timed_rounds([shared, shared], calls=[1, 1], blocks=1)
    assert order == ["A", "A"]  # its own threads are a part of its speed


@pytest.mark.parametrize(("used_ms", "windows", "calm"), [([9, 5, 1], 3, True), ([9], 50, False)])
def test_calm_is_a_tenth_of_a_core_or_given_up(monkeypatch, used_ms, windows, calm):
    slept, now = [], [0.0]

    def sleep(seconds):
        slept.append(seconds)
        now[0] += used_ms[min(len(slept), len(used_ms)) - 1] / 1e3

    monkeypatch.setattr(timing.time, "sleep", sleep)
    monkeypatch.setattr(timing.time, "process_time", lambda: now[0])
    assert timing.wait_until_calm() is calm
    assert slept == [0.02] * windows


def test_a_process_that_never_calms_is_said_to_be_unsettled(fake, monkeypatch):
    monkeypatch.setattr(latency, "wait_until_calm", lambda: False)
    measured = measure_latency(asynchronous_runner(fake, kernel_ms=5), block_ms=15)
    assert not measured.settled
    assert "it did not settle" in repr(measured)


@pytest.mark.parametrize(
    ("call_ms", "block_ms", "calls"), [(0.1, 20, 200), (0.3, 20, 67), (50, 20, 1), (0, 20, 20_000)]
)
def test_a_block_holds_as_many_calls_as_fill_it(call_ms, block_ms, calls):
    assert timing.calls_per_block(call_ms, block_ms) == calls


def test_a_difference_is_seen_and_the_fastest_is_found(fake):
    slow = asynchronous_runner(fake, kernel_ms=3.999, name="slow")
    fast = asynchronous_runner(fake, kernel_ms=1.999, name="fast")
    compared = compare_latency(slow, fast)
    assert (compared.ratio, *compared.interval) == pytest.approx((2, 2, 2))
    assert compared.control_ratio == pytest.approx(1)
    assert repr(compare_latency(fast, slow)) == "2.0x slower (95 % interval 2.0 to 2.0)"
    assert repr(compare_latency(fast, fast)).startswith("no difference measured")
    assert fastest([slow, fast]).name == "fast"


def test_the_fastest_is_no_row_that_is_void(monkeypatch):
    void, right = [[1.0], [1.05]] * 20, [[1.2], [1.2]] * 20
    monkeypatch.setattr(latency, "timed_rounds", lambda *_: [void, right])
    found = fastest([Runner("void", lambda: None), Runner("right", lambda: None)])
    assert (found.name, found.void) == ("right", False)


def test_a_row_is_void_when_the_runner_differs_from_itself(monkeypatch):
    blocks = [[1.0], [1.05]] * 20  # every second block is 5 % slower
    monkeypatch.setattr(latency, "timed_rounds", lambda runners, *_: [blocks] * len(runners))
    runner = Runner("net", lambda: None)
    assert measure_latency(runner).void
    assert "void, the A/A control is 0.95" in repr(measure_latency(runner))
    assert repr(compare_latency(runner, runner)).startswith("void")


@pytest.mark.parametrize(
    ("ratio", "interval", "control", "words"),
    [
        (2.1, (2.0, 2.2), 1.0, "2.1x faster (95 % interval 2.0 to 2.2)"),
        (0.5, (0.4, 0.625), 1.0, "2.0x slower (95 % interval 1.60 to 2.5)"),
        (1.05, (0.99, 1.1), 1.0, "no difference measured"),
        (1.02, (1.01, 1.03), 1.0, "no difference measured"),
        (2.1, (2.0, 2.2), 1.04, "void: the A/A control is 1.04"),
        (2.1, (2.0, 2.2), 0.96, "void: the A/A control is 0.96"),
    ],
)
def test_the_verdict_in_words(ratio, interval, control, words):
    assert words in repr(LatencyComparison(None, None, ratio, interval, control))


def test_a_real_network_in_pytorch_and_onnx_runtime(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(2304, 10))
    X = torch.randn(2, 1, 28, 28)
    path = export_onnx(model, X, tmp_path / "net.onnx")
    runners = [
        pytorch_runner(model, X, name="eager"),
        pytorch_runner(model, X, channels_last=True),
        onnxruntime_runner(path, X),
    ]
    for runner in runners:
        measured = measure_latency(runner, block_ms=1)
        assert measured.p50_ms > 0
        assert measured.p90_ms <= measured.p99_ms
        assert (measured.batch, measured.blocks) == (2, 40)
        assert measured.threads == 1
        assert runner.backend in repr(measured) or measured.void
    with torch.no_grad():
        expected = model(X)
        torch.testing.assert_close(runners[1].call(), expected)
        torch.testing.assert_close(torch.tensor(runners[2].call()[0]), expected)
    assert model.training
    assert model[0].weight.is_contiguous()


def test_each_runner_gets_its_threads_in_inference_mode_and_all_is_restored():
    threads, seen = torch.get_num_threads(), set()

    def call():
        seen.add((torch.get_num_threads(), torch.is_inference_mode_enabled(), gc.isenabled()))

    a, b = (Runner(name, call, threads=threads + i) for i, name in enumerate("ab", start=1))
    compare_latency(a, b, block_ms=0.1)
    assert seen == {(threads + 1, True, False), (threads + 2, True, False)}
    assert (torch.get_num_threads(), gc.isenabled()) == (threads, True)
    assert pytorch_runner(nn.ReLU(), torch.zeros(1), threads=None).threads == machine.all_threads()


def test_bad_requests_are_refused(tmp_path):
    runner = Runner("net", lambda: None)
    with pytest.raises(ValueError, match="at least 30 blocks"):
        measure_latency(runner, blocks=10)
    with pytest.raises(ValueError, match="batches must be equal"):
        compare_latency(runner, Runner("other", lambda: None, batch=2))
    with pytest.raises(ValueError, match="at least one runner"):
        fastest([])
    with pytest.raises(ValueError, match="batches must be equal"):
        fastest([runner, Runner("other", lambda: None, batch=2)])
    with pytest.raises(ValueError, match="threads must be 1 or more"):
        pytorch_runner(nn.ReLU(), torch.zeros(1), threads=0)
    with pytest.raises(FileNotFoundError, match="there is no ONNX file"):
        onnxruntime_runner(tmp_path / "missing.onnx", torch.zeros(1))


def test_intervals_against_known_distributions():
    assert percentile([1, 2, 3, 4, 5], 25) == 2
    generator = torch.Generator().manual_seed(0)
    values = (10 + torch.randn(400, generator=generator)).tolist()
    median, low, high = median_interval(values)
    # the standard error of a median of n normal values is 1.2533 sigma / sqrt(n) = 0.063
    assert high - low == pytest.approx(2 * 1.96 * 0.0627, rel=0.35)
    assert low < median < high
    assert median_interval(values) == (median, low, high)


def test_a_drift_that_hits_both_alike_cancels_in_the_ratio():
    drift = [1 + 0.05 * i for i in range(30)]
    ratio, low, high = ratio_interval([2 * d for d in drift], drift)
    assert (ratio, low, high) == pytest.approx((2, 2, 2))
    with pytest.raises(ValueError, match="pairs"):
        ratio_interval([1.0], [1.0, 2.0])


def test_openvino_computes_what_onnx_runtime_computes(tmp_path):
    pytest.importorskip("openvino")
    model, X = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh()), torch.randn(2, 3, 8, 8)
    path = export_onnx(model, X, tmp_path / "network.onnx")
    runner = openvino_runner(path, X, threads=1)
    torch.testing.assert_close(torch.from_numpy(runner.call()[0]), model(X), rtol=1e-4, atol=1e-5)
    assert (runner.backend, runner.threads, runner.batch) == ("OpenVINO", 1, 2)
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="damaged"):
        openvino_runner(tmp_path / "broken.onnx", X)
    with pytest.raises(FileNotFoundError, match="export_onnx"):
        openvino_runner(tmp_path / "missing.onnx", X)


def test_a_missing_openvino_is_said_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError, match="pip install openvino"):
        openvino_runner(tmp_path / "network.onnx", torch.zeros(1))
