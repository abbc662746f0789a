"""The networks of chapter 05 and how their rows are timed; used by studies.cpu_gpu."""

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models as torchvision_models

import edu_lib as edu
from edu_lib.measure import Runner, measure_latency, percentile, pytorch_runner
from edu_lib.measure.runner import BF16, exact_float32, restored_threads, standard_runners
from edu_lib.measure.timing import quiet_machine, time_call, timed_rounds, use_threads
from edu_lib.techniques.winograd import winograd

PIXELS = 224
WINOGRAD = "Winograd (ours)"
NETWORKS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "alexnet": ("AlexNet", edu.models.AlexNet),
    "vgg16": ("VGG-16", edu.models.VGG16),
    "vgg19": ("VGG-19", edu.models.VGG19),
    "resnet18": ("ResNet-18", lambda: torchvision_models.resnet18(weights=None)),
    "resnet34": ("ResNet-34", lambda: torchvision_models.resnet34(weights=None)),
    "resnet50": ("ResNet-50", lambda: torchvision_models.resnet50(weights=None)),
}

# a call up to 100 ms is timed by the whole protocol; a longer one in PASSES passes, in turns with
# the other forms, after one pass that is dropped (the published figures: 10, after one)
PROTOCOL_MS, PASSES, BLOCK_MS = 100.0, 5, 5.0
LIMIT_MS = 3_000.0
TOO_LONG = (
    "one call takes over 3 s on one thread; the work grows in proportion to the batch, so the row "
    "of batch 1 says the same"
)


def build(network: str) -> nn.Module:
    """An untrained network in evaluation mode: its time does not depend on its weights."""
    torch.manual_seed(0)
    return NETWORKS[network][1]().eval()


def images(batch: int, pixels: int = PIXELS, channels: int = 3) -> Tensor:
    """A fixed batch of random images."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, channels, pixels, pixels, generator=generator)


@contextlib.contextmanager
def onnx_file(model: nn.Module) -> Iterator[Path]:
    """The network as an ONNX file, deleted afterwards: some of them have half a gigabyte."""
    with tempfile.TemporaryDirectory() as folder:
        yield edu.export_onnx(model, images(1), Path(folder) / "network.onnx")


def all_forms(model: nn.Module, X: Tensor, threads: int, file: Path) -> dict[str, Runner]:
    """The forms of the kit on the CPU, and the one with fewer multiplications."""
    runners = standard_runners(model, X, threads=threads, onnx_file=file)
    fast = pytorch_runner(winograd(model), X, channels_last=True, threads=threads)
    return {**runners, WINOGRAD: fast}


def more_forms(model: nn.Module, X: Tensor, threads: int) -> dict[str, Runner | str]:
    """Further ways to make PyTorch faster, or the reason why one does not work here."""
    attempts = {
        "oneDNN, prepacked weights": _prepacked,
        "TorchScript, frozen": _frozen,
        "torch.compile, frozen": _compiled,
    }
    found: dict[str, Runner | str] = {}
    for form, make in attempts.items():
        try:
            with warnings.catch_warnings(), torch.no_grad(), restored_threads():
                warnings.simplefilter("ignore")
                torch.set_num_threads(threads)
                call = make(model, X)
                call()
        except Exception as error:  # each way has its own errors: all of them are results here
            found[form] = f"{type(error).__name__}: {str(error).splitlines()[0][:100]}"
            continue
        found[form] = Runner(form, call, backend=form, threads=threads, batch=len(X))
    return found


def _prepacked(model: nn.Module, X: Tensor) -> Callable[[], object]:
    from torch.utils import mkldnn

    packed, X = mkldnn.to_mkldnn(model), X.to_mkldnn()
    return lambda: packed(X)


def _frozen(model: nn.Module, X: Tensor) -> Callable[[], object]:
    X = X.contiguous(memory_format=torch.channels_last)
    traced = torch.jit.trace(model.to(memory_format=torch.channels_last), X)
    frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    return lambda: frozen(X)


def _compiled(model: nn.Module, X: Tensor) -> Callable[[], object]:
    import torch._inductor.config as inductor

    X = X.contiguous(memory_format=torch.channels_last)
    with inductor.patch(freezing=True):
        compiled = torch.compile(model.to(memory_format=torch.channels_last))
        with torch.no_grad():
            compiled(X)

    def call() -> object:
        # what was compiled without gradients is compiled anew in inference mode
        with torch.inference_mode(False), torch.no_grad():
            return compiled(X)

    return call


def time_rows(runners: dict[str, Runner], macs: int, limit_ms: float | None) -> list[dict] | str:
    """One row a form, timed in turns; or the reason why it would take too long.

    macs: of one image. limit_ms: longest call that is timed; None for no limit.
    """
    with quiet_machine(), exact_float32():
        first_ms = {}
        for form, runner in runners.items():
            use_threads(runner)
            time_call(runner)
            first_ms[form] = time_call(runner)
            if limit_ms is not None and first_ms[form] > limit_ms and form != BF16:
                return TOO_LONG
        slow = {form: runners[form] for form, ms in first_ms.items() if ms > PROTOCOL_MS}
        times = timed_rounds(list(slow.values()), [1] * len(slow), PASSES) if slow else []
        rows = [
            _row(form, runner, [ms for block in blocks for ms in block], macs)
            for (form, runner), blocks in zip(slow.items(), times, strict=True)
        ]
        for form, runner in runners.items():
            if form not in slow:
                measured = measure_latency(runner, blocks=30, block_ms=BLOCK_MS)
                rows.append(_row(form, runner, measured.block_medians_ms, macs, measured))
    order = list(runners)
    return sorted(rows, key=lambda row: order.index(row["form"]))


def _row(form: str, runner: Runner, times_ms: list[float], macs: int, measured=None) -> dict:
    p50_ms = percentile(times_ms, 50)
    return {
        "form": form,
        "batch": runner.batch,
        "threads": runner.threads,
        "p50_ms": p50_ms,
        "p99_ms": measured.p99_ms if measured else max(times_ms),
        "min_ms": min(times_ms),
        "images_per_second": 1e3 * runner.batch / p50_ms,
        # GFLOP/s as if every MAC of the direct convolution were done
        "gflops": 2 * macs * runner.batch / (p50_ms * 1e6),
        "timed_calls": measured.calls if measured else len(times_ms),
        "protocol": "whole" if measured else f"{len(times_ms)} passes in turns, one dropped",
        "control_ratio": measured.control_ratio if measured else None,
        "void": measured.void if measured else None,
        "device_ms": measured.device_ms if measured else None,
    }


def fastest_fp32(rows: list[dict]) -> dict:
    """The fastest row that computes in FP32."""
    return min((row for row in rows if row["form"] != BF16), key=lambda row: row["p50_ms"])


def fastest_library(rows: list[dict]) -> dict:
    """The fastest FP32 row without the kit's own algorithm."""
    return fastest_fp32([row for row in rows if row["form"] != WINOGRAD])
