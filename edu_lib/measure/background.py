"""Other work on the same machine, really run, while a network is timed. Taught in chapter 05."""

import os
import subprocess
import sys
from pathlib import Path

BURN = Path(__file__).with_name("burn.py")
KINDS = ("compute", "memory")
STOP_SECONDS = 5
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class BackgroundLoad:
    """Keeps `processes` processes busy inside a `with` block, one thread each.

    with BackgroundLoad("compute", processes=2):
        measured = measure_latency(runner)

    kind: "compute" is arithmetic in the cache, "memory" copies 64 MB over and over. processes may
    be 0, which is no load. The block begins when all of them work, and ends them at its end.
    Raises ValueError for another kind or a negative number, RuntimeError if one does not start.
    """

    def __init__(self, kind: str = "compute", processes: int = 1):
        if kind not in KINDS:
            raise ValueError(f"a load is one of {', '.join(KINDS)}, got {kind!r}")
        if processes < 0:
            raise ValueError(f"processes must be 0 or more, got {processes}")
        self.kind, self.processes = kind, processes
        self._running: list[subprocess.Popen] = []

    def __enter__(self) -> "BackgroundLoad":
        command = [sys.executable, "-I", str(BURN), self.kind]
        settings = {**os.environ, **ONE_THREAD}
        try:
            for _ in range(self.processes):
                self._running.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        env=settings,
                    )
                )
            for process in self._running:
                if process.stdout.readline().strip() != b"ready":
                    raise RuntimeError(
                        f"the background load {self.kind!r} did not start; run "
                        f"`python {BURN.name} {self.kind}` in {BURN.parent.name}/ to see why"
                    )
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error) -> None:
        self._stop()

    def _stop(self) -> None:
        for process in self._running:
            process.stdin.close()
        for process in self._running:
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        self._running = []

    def __repr__(self) -> str:
        if self.processes == 0:
            return "no load"
        plural = "es" if self.processes > 1 else ""
        return f"{self.processes} process{plural} of {self.kind}"
