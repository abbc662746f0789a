"""Work that keeps one core, or the memory, busy: python burn.py compute|memory

Started by edu_lib.measure.background in a process of its own, so it imports neither edu_lib nor
PyTorch. Says "ready" when it works, and ends when its standard input is closed: a parent that dies
takes it along.
"""

import sys
import threading
from collections.abc import Callable

import numpy as np

COPY_VALUES = 2**23  # 64 MB of float64: far more than a cache holds


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


def main(kind: str) -> None:
    work = KINDS[kind]()
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    work()
    print("ready", flush=True)
    while not stopped.is_set():
        work()


if __name__ == "__main__":
    main(sys.argv[1])
