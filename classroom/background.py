"""Other work on the same machine, really run, while a network is timed. Taught in chapter 05.

A load is this file, run by its path in a process of its own: python background.py compute|memory
So it imports neither edu_lib nor PyTorch. It says "ready" when it works, and ends when its standard
input is closed: a parent that dies takes it along.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

PROGRAM = Path(__file__).resolve()
STOP_SECONDS = 5
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
COPY_VALUES = 2**23  # 64 MB of float64: far more than a cache holds


class BackgroundLoad:
    """Keeps `processes` processes busy inside a `with` block, one thread each.

    with BackgroundLoad("compute", processes=2):
        measured = edu.measure_latency(runner)

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
        command = [sys.executable, "-I", str(PROGRAM), self.kind]
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
                        f"`python {PROGRAM.name} {self.kind}` in {PROGRAM.parent.name}/ to see why"
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


def compute() -> Callable[[], object]:
    """One core at arithmetic: small matrices that stay in the cache."""
    A = np.ones((192, 192), dtype=np.float32)
    product = np.empty_like(A)
    return lambda: np.matmul(A, A, out=product)


def memory() -> Callable[[], object]:
    """One core at copying: every byte travels from the memory and back."""
    source, target = np.zeros(COPY_VALUES), np.zeros(COPY_VALUES)
    return lambda: np.copyto(target, source)


KINDS = {"compute": compute, "memory": memory}


def work_until_told(kind: str) -> None:
    """Works until standard input is closed."""
    work = KINDS[kind]()
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    work()
    print("ready", flush=True)
    while not stopped.is_set():
        work()


if __name__ == "__main__":
    work_until_told(sys.argv[1])
