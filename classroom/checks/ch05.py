"""Checks of chapter 05: timing a device, intensity, the roofline, and where a GPU pays."""

from classroom.checks.checker import exercise
from classroom.checks.compare import WrongForm, describe, is_whole, number_case, parts
from classroom.simulated import SimulatedDevice

NEAR = 0.01


class Device:
    """What an answer sees of a simulated device: launch, synchronize and the clock, no more.

    times: what each piece of work takes in ms, as a multiple of kernel_ms, again and again.
    """

    __slots__ = ("_device", "_kernel_ms", "_launches", "_times")

    def __init__(self, kernel_ms: float, first_ms: float = 0.0, times: tuple = (1,)):
        self._device = SimulatedDevice(kernel_ms, first_ms=first_ms)
        self._kernel_ms, self._times, self._launches = kernel_ms, times, 0

    def __repr__(self) -> str:
        return "a device"

    @property
    def now_ms(self) -> float:
        return self._device.now_ms

    def launch(self) -> None:
        factor = self._times[self._launches % len(self._times)]
        self._device.kernel_ms = self._kernel_ms * factor
        self._launches += 1
        self._device.launch()

    def synchronize(self) -> None:
        self._device.synchronize()


@exercise("ch05.timer", points=3, cases=6)
def timer(time_kernel):
    """time_kernel(device, repeats) -> median ms of one piece of work, launched and finished."""
    launch_ms = SimulatedDevice().launch_ms
    for kernel_ms in (5.0, 0.5):
        # what the caller waits for: launch, then the work itself
        expected = launch_ms + kernel_ms
        mistakes = {
            "that is in seconds: the clock counts milliseconds": expected / 1000,
            "that is the launch alone: synchronize before you stop the clock": launch_ms,
            "that is all pieces together: return the median of one": 20 * kernel_ms + launch_ms,
        }
        asked = f"ms of a piece that works {kernel_ms} ms"
        why = "one launch and one synchronize a reading"
        yield number_case(time_kernel(Device(kernel_ms), 20), expected, asked, why, mistakes, NEAR)
    device = Device(5.0)
    for _ in range(50):
        device.launch()
    asked, why = "ms while 50 pieces wait already", "synchronize before you start the clock too"
    yield number_case(time_kernel(device, 1), 5.01, asked, why, relative=NEAR)
    asked, why = "ms where the very first piece takes 205", "launch once before you measure"
    answer = time_kernel(Device(5.0, first_ms=200.0), 1)
    yield number_case(answer, 5.01, asked, why, relative=NEAR)
    for times, what in (((1, 20, 0.1, 1, 1), "a few"), ((1, 20, 1, 1, 1, 1), "some")):
        answer = time_kernel(Device(5.0, times=times), 60)
        mistakes = {
            "the shortest reading is not the median": 0.51,
            "take the median of `repeats` readings, not the longest and not one alone": 100.01,
        }
        asked = f"ms where {what} pieces take far longer or shorter"
        why = "time each piece by itself, `repeats` times, and return the median"
        yield number_case(answer, 5.01, asked, why, mistakes, NEAR)


@exercise("ch05.intensity", points=2, cases=4)
def intensity(intensity_of):
    """intensity_of(macs, weight_bytes, image_bytes, batch) -> FLOP a byte of one layer."""
    cases = [
        ((1000, 100, 100, 1), "one MAC is two FLOPs, and all bytes are added"),
        ((1000, 0, 100, 8), "without weights a batch changes nothing: work and bytes grow"),
        ((1000, 1000, 0, 8), "weights travel once for the whole batch, the work 8 times"),
        ((37_748_736, 150_994_944, 53_248, 16), "this is AlexNet's fc6 at batch 16"),
    ]
    for arguments, why in cases:
        macs, weight_bytes, image_bytes, batch = arguments
        flops, moved = 2 * macs * batch, weight_bytes + image_bytes * batch
        mistakes = {
            "one MAC is two FLOPs": flops / moved / 2,
            "FLOPs a byte, not bytes a FLOP": moved / flops,
            "the work grows with the batch too": flops / batch / moved,
            "the bytes of the images grow with the batch": flops / (weight_bytes + image_bytes),
            "the weights travel once for the whole batch, everything else grows with it": 2
            * macs
            / (weight_bytes + image_bytes),
        }
        asked = "FLOP a byte of {:,} MACs, {:,} bytes of weights, {:,} an image, batch {}".format(
            *arguments
        )
        yield number_case(intensity_of(*arguments), flops / moved, asked, why, mistakes, 1e-5)


@exercise("ch05.roofline", points=2, cases=12)
def roofline(roofline_ms):
    """roofline_ms(flops, num_bytes, peak_gflops, gb_per_second) -> (least ms, what limits)."""
    cases = [
        ((1e9, 1e6, 100.0, 20.0), "1 GFLOP at 100 GFLOP/s takes 10 ms"),
        ((1e6, 1e9, 100.0, 20.0), "1 GB at 20 GB/s takes 50 ms"),
        ((2e9, 4e8, 50.0, 20.0), "both happen at once: the longer one decides"),
        ((1e9, 8e8, 50.0, 20.0), "both happen at once: the longer one decides"),
        ((8e8, 1e8, 10.0, 20.0), "the longer one decides"),
        ((3e9, 1e8, 900.0, 20.0), "the longer one decides"),
    ]
    for arguments, why in cases:
        flops, num_bytes, peak, speed = arguments
        compute_ms, memory_ms = flops / (peak * 1e6), num_bytes / (speed * 1e6)
        longest = max(compute_ms, memory_ms)
        limit = "compute" if compute_ms >= memory_ms else "memory"
        ms, named = parts(roofline_ms(*arguments), "ms", '"compute" or "memory"')
        if isinstance(ms, str):
            raise WrongForm("return the milliseconds first, then what limits.")
        mistakes = {
            "both happen at once: the longer one decides, not their sum": compute_ms + memory_ms,
            "the longer one decides, not the shorter": min(compute_ms, memory_ms),
            "that is in seconds, and a second has 1000 ms": longest / 1000,
            "flops counts FLOPs already: do not double them": 2 * longest,
            "a GB is 1e9 bytes here": memory_ms / 1.073741824,
        }
        shown = "{:g} FLOP, {:g} bytes, {:g} GFLOP/s, {:g} GB/s".format(*arguments)
        yield number_case(ms, longest, f"ms of {shown}", why, mistakes)
        yield (
            isinstance(named, str) and named == limit,
            f'{shown}: limited by "{limit}", in these letters, yours says {describe(named)}; the'
            f" longer of {compute_ms:g} ms of compute and {memory_ms:g} ms of memory limits.",
        )


@exercise("ch05.crossover", points=3, cases=8)
def crossover(crossover_of):
    """crossover_of(cpu_ms, gpu_fixed_ms, gpu_ms) -> smallest batch at which the GPU is faster."""
    cases = [
        ((10.0, 5.0, 1.0), 1, "already one image is faster there: 6 ms against 10"),
        ((1.0, 5.0, 0.5), 11, "at batch 10 both take 10 ms: equal is not faster"),
        ((1.0, 5.0, 0.4), 9, "at batch 9 the GPU takes 8.6 ms, at batch 8 it takes 8.2 against 8"),
        ((1.0, 0.0, 0.5), 1, "without a fixed cost the faster device wins from the first image"),
        ((1.0, 500.0, 0.75), 2001, "a GPU may need a large batch: do not stop searching early"),
    ]
    for arguments, expected, why in cases:
        answer = crossover_of(*arguments)
        shown = "CPU {:g} ms an image, GPU {:g} ms and {:g} an image".format(*arguments)
        if answer is not None and not is_whole(answer):
            why = "a batch is a whole number (int)"
        yield (
            is_whole(answer) and int(answer) == expected,
            f"{shown}: batch {expected}, yours gives {describe(answer)}; {why}.",
        )
    for arguments in ((1.0, 5.0, 1.0), (0.02, 0.1, 0.5), (1.0, 0.0, 1.0)):
        answer = crossover_of(*arguments)
        shown = "CPU {:g} ms an image, GPU {:g} ms and {:g} an image".format(*arguments)
        yield (
            answer is None,
            f"{shown}: the GPU never wins, so return None, not {describe(answer)}.",
        )
