"""The peak of memory is read from the operating system."""

import subprocess
import sys
import time

import psutil
import pytest

from tools.peak import PeakMemory, own_peak_mb

NUM_MB = 60
# takes NUM_MB and gives them back, in this process or in a child
TAKE = f"block = bytearray(b'1') * {NUM_MB * 10**6}; del block; print('taken', flush=True)"


@pytest.fixture
def python():
    """Starts a Python that runs some code and then waits for its input to end."""
    started = []

    def python(code):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        command = [sys.executable, "-c", f"import sys; {code}; sys.stdin.read()"]
        started.append(subprocess.Popen(command, **pipes))
        return started[-1]

    yield python
    for process in started:
        process.communicate()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS keeps no peak of another process")
def test_memory_that_was_given_back_still_counts(python):
    small, large = python("print('taken', flush=True)"), python(TAKE)
    for process in (small, large):
        assert process.stdout.readline().strip() == b"taken"
    resident_mb = psutil.Process(large.pid).memory_info().rss / 1e6
    assert own_peak_mb(large.pid) > own_peak_mb(small.pid) + 0.9 * NUM_MB
    assert resident_mb < own_peak_mb(small.pid) + 0.5 * NUM_MB


def test_children_count_while_they_live(python):
    hold = "; import sys; sys.stdin.read()"
    keep = TAKE.replace("del block; ", "") + hold
    parent = python(f"import subprocess; subprocess.run([sys.executable, '-c', {keep!r}])")
    memory = PeakMemory(parent.pid).start()
    assert parent.stdout.readline().strip() == b"taken"
    end = time.monotonic() + 600
    while memory.mb < NUM_MB and time.monotonic() < end:
        time.sleep(0.01)
    assert memory.stop() > NUM_MB


def test_a_child_that_is_just_being_started_does_not_count(python, monkeypatch):
    parent, child = python("print('taken', flush=True)"), python(TAKE.replace("del block; ", ""))
    for process in (parent, child):
        assert process.stdout.readline().strip() == b"taken"
    families = iter([[psutil.Process(child.pid)], []])
    monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: next(families, []))
    memory = PeakMemory(parent.pid)
    memory._look()
    memory._look()
    assert 0 < memory.mb < NUM_MB


def test_a_process_that_ends_leaves_the_peak_that_was_seen(python):
    process = python("print('taken', flush=True)")
    process.stdout.readline()
    memory = PeakMemory(process.pid)
    memory.start()
    while memory.mb == 0:
        time.sleep(0.01)
    process.communicate()
    assert memory.stop() > 0
