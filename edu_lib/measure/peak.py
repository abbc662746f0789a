"""The flat roof, measured with more than one tool: a roof that a layer goes through is none.

A matrix product and a convolution are written by different people, and on some processors the
convolution is the faster of the two. Taught in chapter 05.
"""

import dataclasses
import statistics
import time

import torch
import torch.nn.functional as F

from edu_lib.measure.roofline import Roofline, measure_roofline
from edu_lib.measure.runner import restored_threads

CHANNELS, SIZE = 256, 56  # a layer of VGG-16: much arithmetic for each byte
REPEATS = 10


def measure_best_roofline(threads: int | None = 1) -> Roofline:
    """Both roofs of this CPU, the flat one from the faster of a matrix product and a convolution.

    threads: CPU threads, None for all. Raises ValueError below 1.
    """
    roofline = measure_roofline(threads)
    convolution = _convolution_gflops(roofline.threads)
    return dataclasses.replace(roofline, peak_gflops=max(roofline.peak_gflops, convolution))


def _convolution_gflops(threads: int) -> float:
    """GFLOP/s of a 3x3 convolution of 256 channels, in channels_last."""
    X = torch.ones(1, CHANNELS, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    weight = torch.ones(CHANNELS, CHANNELS, 3, 3).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode(), restored_threads():
        torch.set_num_threads(threads)
        for _ in range(REPEATS + 1):
            start = time.perf_counter_ns()
            F.conv2d(X, weight, padding=1)
            times.append(time.perf_counter_ns() - start)
    # FLOPs = 2 * H * W * C_out * C_in * 9; FLOPs a nanosecond are GFLOP/s
    return 2 * SIZE**2 * CHANNELS**2 * 9 / statistics.median(times[1:])
