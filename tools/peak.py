"""How much memory a process and its children held at most, as the operating system counts it.

Linux (VmHWM) and Windows (the peak working set) keep the peak of every process. macOS keeps it
only for the process that asks, so there a thread looks at the resident size a few times a second;
everywhere that thread adds the children, which come and go.
"""

import threading
from pathlib import Path

import psutil

MB = 1e6
LOOK_SECONDS = 0.2


def own_peak_mb(pid: int) -> float:
    """The largest resident size that process `pid` had, MB of 10^6 bytes; children not counted.

    On macOS it is the size at this moment. Raises psutil.NoSuchProcess if there is no such process.
    """
    process = psutil.Process(pid)
    status = Path(f"/proc/{pid}/status")
    if status.is_file():
        rows = dict(row.split(":", 1) for row in status.read_text().splitlines() if ":" in row)
        if "VmHWM" in rows:  # kilobytes of 1024; a process that has ended has none
            return int(rows["VmHWM"].split()[0]) * 1024 / MB
    memory = process.memory_info()
    return getattr(memory, "peak_wset", memory.rss) / MB


class PeakMemory:
    """Follows process `pid` and its children between start() and stop().

        peak = PeakMemory(pid).start()
        ...
        peak.stop()  # MB

    A child counts with the memory that it shares with nobody: libraries are in memory once. It
    counts from the second look on: while a process is being started it holds its parent's memory,
    which looks like its own.
    """

    def __init__(self, pid: int):
        self.pid = pid
        self.mb = 0.0
        self._children: set[psutil.Process] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> "PeakMemory":
        """Begin to look; returns itself."""
        self._thread.start()
        return self

    def stop(self) -> float:
        """End looking; the peak in MB."""
        self._ended.set()
        self._thread.join()
        self._look()
        return self.mb

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        try:
            self.mb = max(self.mb, own_peak_mb(self.pid), self._family_mb())
        except psutil.NoSuchProcess:
            self._ended.set()

    def _family_mb(self) -> float:
        process = psutil.Process(self.pid)
        total = process.memory_info().rss
        before, self._children = self._children, set(process.children(recursive=True))
        for child in self._children & before:
            try:
                total += unshared_bytes(child)
            except psutil.NoSuchProcess:
                continue  # it ended between the two lines
        return total / MB


def unshared_bytes(process: psutil.Process) -> int:
    """Memory of `process` alone; all its resident memory where the system does not tell."""
    try:
        return process.memory_full_info().uss
    except psutil.AccessDenied:
        return process.memory_info().rss
