"""A device that answers before it has worked, simulated: for machines without a GPU.

Nothing here is a measurement. The device has a clock of its own, which only its methods turn, so
that a timing loop can be tried on it and always gives the same numbers. Taught in chapter 05.
"""


class SimulatedDevice:
    """Takes work at once and finishes it later, in order, as a GPU does.

    kernel_ms: how long one piece of work really takes. launch_ms: how long the caller is held up
    when it hands one in. first_ms: what the very first piece takes besides (a real device loads
    and chooses its kernels then). now_ms: the clock, as the caller reads it.
    """

    def __init__(self, kernel_ms: float = 5.0, launch_ms: float = 0.01, first_ms: float = 200.0):
        if min(kernel_ms, launch_ms, first_ms) < 0:
            raise ValueError(
                "a device cannot work in negative time: give milliseconds of 0 or more"
            )
        self.kernel_ms, self.launch_ms = kernel_ms, launch_ms
        self.now_ms = 0.0
        self._pending_ms = first_ms
        self._busy_until_ms = 0.0

    def launch(self) -> None:
        """Hand in one piece of work; returns at once."""
        self.now_ms += self.launch_ms
        # work begins when it has arrived and all that came before is done
        begin_ms = max(self._busy_until_ms, self.now_ms)
        self._busy_until_ms = begin_ms + self.kernel_ms + self._pending_ms
        self._pending_ms = 0.0

    def synchronize(self) -> None:
        """Wait until all work is done."""
        self.now_ms = max(self.now_ms, self._busy_until_ms)
