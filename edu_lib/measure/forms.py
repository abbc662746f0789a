"""The forms in which one network can run: the fair baseline is the fastest of them.

Taught in chapter 05.
"""

import contextlib
import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from edu_lib.measure.runner import Runner, onnxruntime_runner, pytorch_runner

EAGER, CHANNELS_LAST, BF16, ONNX = "eager", "channels_last", "bf16 channels_last", "ONNX Runtime"
FP32_FORMS = (EAGER, CHANNELS_LAST, ONNX)


def standard_forms(
    model: nn.Module,
    X: Tensor,
    device: torch.device | str | None = None,
    threads: int | None = 1,
    onnx_file: str | Path | None = None,
) -> dict[str, Runner]:
    """Runners of `model` by the name of their form: eager, channels_last, bf16 channels_last.

    X: one fixed batch, [N, C, H, W]. device: None means the CPU. threads: None for all.
    onnx_file: the same network, written with export_onnx; adds "ONNX Runtime", on the CPU alone.
    The argument model is not touched.
    """
    half = copy.deepcopy(model).bfloat16()
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
