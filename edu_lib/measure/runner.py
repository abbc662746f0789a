"""A network made ready to be timed: one call without arguments, on a stated device and backend."""

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edu_lib.copies import copied
from edu_lib.measure.machine import all_threads, int8_dot_product_saturates

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

EXACT_INT8 = ("session.x64quantprecision", "1")

EAGER, CHANNELS_LAST, BF16, ONNX = "eager", "channels_last", "bf16 channels_last", "ONNX Runtime"


@dataclasses.dataclass(frozen=True)
class Runner:
    """What the timer calls, and what it writes beside the numbers. Taught in chapter 05.

    call: runs the network once on a fixed input. device: "cpu", "cuda:0", "mps", ...
    threads: CPU threads used. batch: images in one call.
    """

    name: str
    call: Callable[[], object]
    device: str = "cpu"
    backend: str = "PyTorch eager"
    threads: int = 1
    batch: int = 1

    def synchronize(self) -> None:
        """Waits until the device has finished: an accelerator returns before its work is done."""
        if self.device != "cpu":
            torch.accelerator.synchronize(torch.device(self.device))

    def events(self) -> tuple | None:
        """Two timing events of the device; None if it has none."""
        if self.device == "cpu":
            return None
        try:
            return tuple(torch.Event(self.device, enable_timing=True) for _ in range(2))
        except (RuntimeError, NotImplementedError):
            return None


def pytorch_runner(
    model: nn.Module,
    X: Tensor,
    device: torch.device | str | None = None,
    channels_last: bool = False,
    threads: int | None = 1,
    name: str | None = None,
) -> Runner:
    """A runner of `model` in eager PyTorch. The argument model is not touched: a copy runs.

    X: one fixed batch, [N, C, H, W]. device: None means the CPU. channels_last: the memory layout
    that convolutions often prefer. threads: CPU threads, None for all.
    """
    device = torch.device(device or "cpu")
    model = copied(model).eval().to(device)
    X = X.detach().clone().to(device)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        X = X.contiguous(memory_format=torch.channels_last)
    return Runner(
        name=name or type(model).__name__,
        call=lambda: model(X),
        device=str(device),
        backend="PyTorch channels_last" if channels_last else "PyTorch eager",
        threads=resolve_threads(threads),
        batch=len(X),
    )


def onnxruntime_runner(
    path: str | Path, X: Tensor, threads: int | None = 1, name: str | None = None
) -> Runner:
    """A runner of an ONNX file in ONNX Runtime on the CPU.

    X: one fixed batch for the file's only input. threads: None for all.
    Raises FileNotFoundError if there is no file, ValueError if it is damaged.
    """
    session = open_session(path, threads)
    feed = {session.get_inputs()[0].name: X.detach().cpu().contiguous().numpy().copy()}
    return Runner(
        name=name or Path(path).stem,
        call=lambda: session.run(None, feed),
        backend="ONNX Runtime",
        threads=resolve_threads(threads),
        batch=len(X),
    )


def openvino_runner(
    path: str | Path, X: Tensor, threads: int | None = 1, name: str | None = None
) -> Runner:
    """A runner of an ONNX file in OpenVINO on the CPU, which computes floats in float32.

    X: one fixed batch for the file's only input. threads: None for all. OpenVINO is no requirement
    of the kit (requirements-extra.txt has it). On processors without VNNI its sums of int8 products
    saturate, see `int8_dot_product_saturates`: give files of 7-bit weights there.
    Raises ImportError where OpenVINO is missing, FileNotFoundError if there is no file, ValueError
    if it is damaged.
    """
    try:
        import openvino
    except ImportError:
        raise ImportError("OpenVINO is not installed: pip install openvino") from None
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no ONNX file {path}; write it with export_onnx")
    threads = resolve_threads(threads)
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    try:
        network = core.read_model(os.fspath(path))
        network.reshape(list(X.shape))
        request = core.compile_model(network, "CPU", settings).create_infer_request()
    except RuntimeError as error:
        raise ValueError(f"{path} is damaged or OpenVINO cannot run it ({error})") from error
    feed = {0: X.detach().cpu().contiguous().numpy().copy()}
    return Runner(
        name=name or Path(path).stem,
        call=lambda: request.infer(feed, share_inputs=True),
        backend="OpenVINO",
        threads=threads,
        batch=len(X),
    )


def standard_runners(
    model: nn.Module,
    X: Tensor,
    device: torch.device | str | None = None,
    threads: int | None = 1,
    onnx_file: str | Path | None = None,
) -> dict[str, Runner]:
    """Runners of `model` by what runs it: eager, channels_last, bf16 channels_last.

    The fair baseline is the fastest of those that compute in FP32 (all but bf16).
    X: one fixed batch, [N, C, H, W]. device: None means the CPU. threads: None for all.
    onnx_file: the same network, written with export_onnx; adds "ONNX Runtime", on the CPU alone.
    The argument model is not touched.
    """
    half = copied(model).bfloat16()
    runners = {
        EAGER: pytorch_runner(model, X, device, threads=threads),
        CHANNELS_LAST: pytorch_runner(model, X, device, channels_last=True, threads=threads),
        BF16: dataclasses.replace(
            pytorch_runner(half, X.bfloat16(), device, channels_last=True, threads=threads),
            backend="PyTorch bf16 channels_last",
        ),
    }
    if onnx_file is not None and runners[EAGER].device == "cpu":
        runners[ONNX] = onnxruntime_runner(onnx_file, X, threads=threads)
    return runners


def open_session(path: str | Path, threads: int | None = 1) -> "InferenceSession":
    """An onnxruntime.InferenceSession on the CPU with that many threads (None for all).

    Sums of int8 products are exact, also where the processor's fastest kernel saturates at 16 bits
    (see `int8_dot_product_saturates`): there ONNX Runtime is asked for another one. Where a file
    does not take that, a warning says so.
    Raises FileNotFoundError if there is no file, ValueError if the file is damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no ONNX file {path}; write it with export_onnx")
    if not int8_dot_product_saturates():
        return _opened(path, threads)
    with contextlib.suppress(ValueError):
        return _opened(path, threads, EXACT_INT8)
    opened = _opened(path, threads)
    warnings.warn(
        f"{path} runs with sums of int8 products that saturate at 16 bits on this processor, so "
        "that answers differ from those of others: write it again with weight_bits=7",
        stacklevel=3,
    )
    return opened


def _opened(path: str | Path, threads: int | None, *entries: tuple) -> "InferenceSession":
    """The session, with these configuration entries. Raises ValueError if the file is damaged."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = resolve_threads(threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = 4 if entries else 3  # what fails with entries is tried without
    for entry in entries:
        options.add_session_config_entry(*entry)
    # ONNX Runtime raises plain subclasses of Exception, one for each kind of damage.
    try:
        return onnxruntime.InferenceSession(
            os.fspath(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ValueError(
            f"{path} is damaged or is not an ONNX file; write it again with export_onnx ({error})"
        ) from error


def resolve_threads(threads: int | None) -> int:
    """The number of threads meant: None is all of them. Raises ValueError below 1."""
    if threads is None:
        return all_threads()
    if threads < 1:
        raise ValueError(f"threads must be 1 or more, or None for all, got {threads}")
    return threads


@contextlib.contextmanager
def restored_threads() -> Iterator[None]:
    """Gives PyTorch's number of threads back as it was."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """FP32 means FP32: NVIDIA GPUs round convolutions to 10 bits (TF32) unless told otherwise."""
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = False
        yield
    finally:
        for backend, allowed in zip(backends, before, strict=True):
            backend.allow_tf32 = allowed
