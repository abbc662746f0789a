"""Checks of chapter 05: timing a device, intensity, the roofline, and where a GPU pays."""

from edu_lib.measure.simulated import SimulatedDevice
from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import as_number, is_close

NEAR = 0.01


class DisturbedDevice(SimulatedDevice):
    """Every tenth piece of work is interrupted and takes 20 times as long."""

    def __init__(self, kernel_ms: float):
        super().__init__(kernel_ms)
        self._undisturbed_ms, self._launches = kernel_ms, 0

    def launch(self) -> None:
        self._launches += 1
        self.kernel_ms = self._undisturbed_ms * (20 if self._launches % 10 == 0 else 1)
        super().launch()


@exercise("ch05.timer", points=3)
def timer(time_kernel):
    """time_kernel(device, repeats) -> median ms of one piece of work, launched and finished."""
    for kernel_ms in (5.0, 0.5):
        device = SimulatedDevice(kernel_ms, first_ms=0.0)
        # what the caller waits for: launch, then the work itself
        expected = device.launch_ms + kernel_ms
        answer = as_number(time_kernel(device, 20))
        shown = f"the work takes {expected:g} ms, yours says {answer:.4g}"
        if is_close(answer, device.launch_ms, 0.5):
            yield (
                False,
                f"{shown}; that is the launch alone: synchronize before you stop the clock.",
            )
            return
        yield (
            is_close(answer, expected, NEAR),
            f"{shown}; one launch and one synchronize a reading.",
        )
    device = SimulatedDevice(5.0, first_ms=0.0)
    for _ in range(50):
        device.launch()
    answer = as_number(time_kernel(device, 1))
    yield (
        is_close(answer, 5.01, NEAR),
        f"50 pieces of work wait already, one takes 5.01 ms, yours says {answer:.4g};"
        " synchronize before you start the clock too.",
    )
    answer = as_number(time_kernel(SimulatedDevice(5.0), 1))
    yield (
        is_close(answer, 5.01, NEAR),
        f"the very first piece takes 205 ms and all others 5.01, yours says {answer:.4g};"
        " launch once before you measure.",
    )
    answer = as_number(time_kernel(DisturbedDevice(5.0), 40))
    yield (
        is_close(answer, 5.01, NEAR),
        f"every tenth piece is interrupted, all others take 5.01 ms, yours says {answer:.4g};"
        " time each one by itself, and return the median.",
    )


@exercise("ch05.intensity", points=2)
def intensity(intensity_of):
    """intensity_of(macs, weight_bytes, image_bytes, batch) -> FLOP a byte of one layer."""
    cases = [
        ((1000, 100, 100, 1), 10.0, "one MAC is two FLOPs, and all bytes are added"),
        ((1000, 0, 100, 8), 20.0, "without weights a batch changes nothing: work and bytes grow"),
        ((1000, 1000, 0, 8), 16.0, "weights travel once for the whole batch, the work 8 times"),
        ((37_748_736, 150_994_944, 53_248, 16), 7.9551, "AlexNet's fc6 at batch 16"),
    ]
    for arguments, expected, why in cases:
        answer = intensity_of(*arguments)
        shown = "macs {:,}, weights {:,} bytes, {:,} bytes an image, batch {}".format(*arguments)
        yield (
            is_close(answer, expected, 1e-5),
            f"{shown}: {expected:g} FLOP a byte, yours gives {answer!r}; {why}.",
        )


@exercise("ch05.roofline", points=2)
def roofline(roofline_ms):
    """roofline_ms(flops, num_bytes, peak_gflops, gb_per_second) -> (least ms, what limits)."""
    cases = [
        ((1e9, 1e6, 100.0, 20.0), (10.0, "compute"), "1 GFLOP at 100 GFLOP/s takes 10 ms"),
        ((1e6, 1e9, 100.0, 20.0), (50.0, "memory"), "1 GB at 20 GB/s takes 50 ms"),
        ((2e9, 4e8, 50.0, 20.0), (40.0, "compute"), "both happen at once: the longer one decides"),
        ((1e9, 8e8, 50.0, 20.0), (40.0, "memory"), "both happen at once: the longer one decides"),
    ]
    for arguments, (ms, limit), why in cases:
        answer = roofline_ms(*arguments)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            yield False, f'return two things, such as (10.0, "compute"), not {answer!r}.'
            return
        shown = "{:g} FLOP, {:g} bytes, {:g} GFLOP/s, {:g} GB/s".format(*arguments)
        yield is_close(answer[0], ms), f"{shown}: {ms:g} ms, yours gives {answer[0]}; {why}."
        yield (
            answer[1] == limit,
            f'{shown}: limited by "{limit}", yours says {answer[1]!r}; the longer time limits.',
        )


@exercise("ch05.crossover", points=3)
def crossover(crossover_of):
    """crossover_of(cpu_ms, gpu_fixed_ms, gpu_ms) -> smallest batch at which the GPU is faster."""
    cases = [
        ((10.0, 5.0, 1.0), 1, "already one image is faster there: 6 ms against 10"),
        ((1.0, 5.0, 0.5), 11, "at batch 10 both take 10 ms: equal is not faster"),
        ((1.0, 5.0, 0.4), 9, "at batch 9 the GPU takes 8.6 ms, at batch 8 it takes 8.2 against 8"),
        ((1.0, 0.0, 0.5), 1, "without a fixed cost the faster device wins from the first image"),
    ]
    for arguments, expected, why in cases:
        answer = crossover_of(*arguments)
        shown = "CPU {:g} ms an image, GPU {:g} ms and {:g} an image".format(*arguments)
        right = is_close(answer, expected) and isinstance(answer, int)
        yield right, f"{shown}: batch {expected}, yours gives {answer!r}; {why}."
    for arguments in ((1.0, 5.0, 1.0), (0.02, 0.1, 0.5)):
        answer = crossover_of(*arguments)
        shown = "CPU {:g} ms an image, GPU {:g} ms and {:g} an image".format(*arguments)
        yield (
            answer is None,
            f"{shown}: the GPU never wins, so return None, not {answer!r}.",
        )
