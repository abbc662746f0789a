"""Right and wrong answers to the exercises of chapter 05, with what the hint must say."""

import math
import statistics

from edu_lib.teach.checks import ch05

assert ch05  # importing it registers the exercises


def readings(device, repeats, before=True, after=True):
    times = []
    for _ in range(repeats):
        if before:
            device.synchronize()
        start = device.now_ms
        device.launch()
        if after:
            device.synchronize()
        times.append(device.now_ms - start)
    return times


def time_kernel(device, repeats):
    device.launch()
    return statistics.median(readings(device, repeats))


def warm(measure):
    def timer(device, repeats):
        device.launch()
        return measure(device, repeats)

    return timer


def intensity(macs, weight_bytes, image_bytes, batch):
    return 2 * macs * batch / (weight_bytes + image_bytes * batch)


def roofline(flops, num_bytes, peak, bandwidth):
    compute, memory = flops / (peak * 1e6), num_bytes / (bandwidth * 1e6)
    return max(compute, memory), "compute" if compute >= memory else "memory"


def crossover(cpu_ms, fixed_ms, gpu_ms):
    if cpu_ms <= gpu_ms:
        return None
    return math.floor(fixed_ms / (cpu_ms - gpu_ms) + 1e-9) + 1


def rounded_up(cpu_ms, fixed_ms, gpu_ms):
    return None if cpu_ms <= gpu_ms else math.ceil(fixed_ms / (cpu_ms - gpu_ms))


RIGHT = {
    "ch05.timer": time_kernel,
    "ch05.intensity": intensity,
    "ch05.roofline": roofline,
    "ch05.crossover": crossover,
}
WRONG = [
    ("ch05.timer", warm(lambda d, n: statistics.median(readings(d, n, after=False))), "stop"),
    ("ch05.timer", lambda d, n: statistics.median(readings(d, n, before=False)), "start the clock"),
    ("ch05.timer", lambda d, n: statistics.median(readings(d, n)), "launch once before"),
    ("ch05.timer", warm(lambda d, n: statistics.mean(readings(d, n))), "the median"),
    ("ch05.timer", warm(lambda d, n: sum(readings(d, n))), "one launch and one"),
    ("ch05.intensity", lambda m, w, i, b: m * b / (w + i * b), "two FLOPs"),
    ("ch05.intensity", lambda m, w, i, b: 2 * m * b / (w * b + i * b), "once for the whole batch"),
    ("ch05.intensity", lambda m, w, i, b: 2 * m / (w + i), "weights travel once"),
    ("ch05.roofline", lambda f, n, p, b: max(f / (p * 1e6), n / (b * 1e6)), "two things"),
    ("ch05.roofline", lambda f, n, p, b: (f / (p * 1e6) + n / (b * 1e6), "compute"), "10 ms"),
    ("ch05.roofline", lambda f, n, p, b: (roofline(f, n, p, b)[0], "compute"), "longer time"),
    ("ch05.crossover", rounded_up, "equal is not faster"),
    ("ch05.crossover", lambda c, f, g: f / (c - g) if c > g else None, "batch 1"),
    ("ch05.crossover", lambda c, f, g: crossover(c, f, g) or 0, "return None"),
]
