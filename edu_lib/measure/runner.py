"""A network made ready to be timed: one call without arguments, on a stated device and backend."""

import contextlib
import copy
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from edu_lib.measure.machine import all_threads


@dataclass(frozen=True)
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
    model = copy.deepcopy(model).eval().to(device)
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


def open_session(path: str | Path, threads: int | None = 1):
    """An onnxruntime.InferenceSession on the CPU with that many threads (None for all).

    Raises FileNotFoundError if there is no file, ValueError if the file is damaged.
    """
    import onnxruntime

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no ONNX file {path}; write it with export_onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = resolve_threads(threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
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
