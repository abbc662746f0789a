"""The way to an accelerator and back, timed apart from the computing. Taught in chapter 05."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from edu_lib.measure.statistics import percentile


@dataclass
class TransferTime:
    """Median milliseconds to copy `bytes` bytes to the device and back to the host."""

    device: str
    bytes: int
    to_device_ms: float
    to_host_ms: float

    def __repr__(self) -> str:
        return (
            f"{self.bytes:,} bytes: {self.to_device_ms:.3g} ms to {self.device}, "
            f"{self.to_host_ms:.3g} ms back"
        )


def measure_transfer(X: Tensor, device: torch.device | str, repeats: int = 30) -> TransferTime:
    """Times the copy of X (any shape, on the CPU) to an accelerator and back.

    Raises ValueError for the CPU, where nothing is copied.
    """
    device = torch.device(device)
    if device.type == "cpu":
        raise ValueError("the CPU has no transfer to time; give an accelerator such as 'cuda'")
    to_device, to_host = [], []
    for _ in range(repeats + 1):
        torch.accelerator.synchronize(device)
        start = time.perf_counter_ns()
        there = X.to(device)
        torch.accelerator.synchronize(device)
        middle = time.perf_counter_ns()
        there.cpu()
        torch.accelerator.synchronize(device)
        to_device.append((middle - start) / 1e6)
        to_host.append((time.perf_counter_ns() - middle) / 1e6)
    # the first copy also allocates, and is left out
    return TransferTime(
        device=str(device),
        bytes=X.numel() * X.element_size(),
        to_device_ms=percentile(to_device[1:], 50),
        to_host_ms=percentile(to_host[1:], 50),
    )
