"""Runs one submission under limits and says what each exercise earned.

Every submission has a process of its own. When it hangs, dies or takes too much, it is ended with
all that it started; the exercise that did it gets no points, and the others are run without it. A
cell of the learner's own that does it, which is no answer, is left out.
"""

import contextlib
import json
import math
import os
import re
import secrets
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from tools.course import boxes
from tools.course.program import Program

LOOK_EVERY = 0.1
MOST_OUTPUT = 2_000_000
MOST_PROCESSES = 8  # the box and the worker are three
TAKEN = re.compile(r"^Rss(?:Anon|Shmem):\s*(\d+) kB", re.MULTILINE)  # as Linux tells it


@dataclass(frozen=True)
class Limits:
    """Of one submission. exercise_seconds: of one exercise, above the 20 that a check allows."""

    seconds: float = 180
    exercise_seconds: float = 30
    memory_gb: float = 2
    boxed: bool | None = None  # None: in a box where the machine has one

    def in_a_box(self) -> bool:
        """Whether bubblewrap is used."""
        return boxes.has_box() if self.boxed is None else self.boxed


@dataclass
class Outcome:
    """What one exercise earned. stopped: why it was ended from outside, or empty."""

    points: float = 0.0
    text: str = ""
    stopped: str = ""


@dataclass
class Run:
    """One process: where it is, and what it has said."""

    begun: int | None = None
    cell: int | None = None
    since: float = field(default_factory=time.monotonic)
    ready: bool = False
    finished: bool = False


def run(program: Program, hidden: Path, limits: Limits) -> dict[str, Outcome]:
    """The outcome of each exercise by its name. hidden: the course's folder, closed to answers."""
    outcomes = {unit.name: Outcome() for unit in program.units}
    deadline = time.monotonic() + limits.seconds
    first, skip, skip_cells = 0, [], []
    while first < len(program.units):
        if time.monotonic() > deadline:
            reason = f"the whole submission took longer than {limits.seconds:g} seconds"
        else:
            task = task_of(program, hidden, limits, first)
            task |= {"skip": skip, "skip_cells": skip_cells}
            state, reason = one_process(task, program, outcomes, limits, deadline)
            if not reason:
                break
            if in_own_cell(state, program):
                skip_cells.append([state.begun, state.cell])
                continue
            first = max(first, state.begun or 0)
        name = program.units[first].name
        outcomes[name] = Outcome(0.0, f"Stopped: {reason}.", reason)
        skip.append(first)
        first += 1
    return outcomes


def in_own_cell(state: Run, program: Program) -> bool:
    """Whether a process ended in a cell before an answer; the last cell of a unit is its answer."""
    return state.cell is not None and state.cell < len(program.units[state.begun].cells) - 1


def task_of(program: Program, hidden: Path, limits: Limits, first: int) -> dict:
    """What a worker is told: all units, of which those before `first` are not checked again."""
    return asdict(program) | {
        "hidden": str(hidden),
        "first": first,
        "memory_bytes": int(limits.memory_gb * 1e9),
        "cpu_seconds": math.ceil(limits.seconds) + 10,
    }


def one_process(task, program, outcomes, limits, deadline) -> tuple[Run, str]:
    """Run a worker; returns (where it was, why it was ended), "" if it finished."""
    token = secrets.token_hex(8)
    own = Path(tempfile.mkdtemp(prefix="grading_"))
    boxed, hidden, state = limits.in_a_box(), Path(task["hidden"]), Run()
    try:
        boxes.furnish(own)
        process = subprocess.Popen(
            boxes.command(own, hidden, boxed), cwd=own, env=boxes.environment(own, token),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(task).encode() + b"\n")
                process.stdin.close()
            reason = follow(process, state, program, outcomes, limits, deadline)
        finally:
            end(process, token)
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return state, reason


def follow(process, state, program, outcomes, limits, deadline) -> str:
    """Read what a worker says until it is done; returns why it must end, "" if it is done."""
    selector, said, total = selectors.DefaultSelector(), b"", 0
    selector.register(process.stdout, selectors.EVENT_READ)
    with selector:
        while True:
            if selector.select(LOOK_EVERY):
                piece = os.read(process.stdout.fileno(), 65536)
                total += len(piece)
                *lines, said = (said + piece).split(b"\n")
                for line in lines:
                    note(line, state, program, outcomes)
                if state.finished:
                    return ""
                if not piece:
                    return ended_by_itself(process, state)
            reason = too_much(process, state, limits, deadline)
            if reason or total > MOST_OUTPUT:
                return reason or "it printed without end"


def note(line: bytes, state: Run, program: Program, outcomes: dict[str, Outcome]) -> None:
    """Take in one line of a worker. Points outside the exercise's range count as none."""
    try:
        message = json.loads(line)
    except ValueError:
        return
    state.ready |= "ready" in message
    state.finished |= "end" in message
    if "begin" in message:
        state.begun, state.cell = message["begin"], message.get("cell")
        state.since = time.monotonic()
    if "done" in message:
        unit, score = program.units[message["done"]], message["score"]
        fair = isinstance(score, float) and 0 <= score <= unit.points
        outcomes[unit.name] = Outcome(score if fair else 0.0, message["text"])


def too_much(process, state: Run, limits: Limits, deadline: float) -> str:
    """Why a worker must be ended now, or an empty text."""
    now = time.monotonic()
    if now > deadline:
        return f"the whole submission took longer than {limits.seconds:g} seconds"
    if state.begun is not None and now - state.since > limits.exercise_seconds:
        return f"no result after {limits.exercise_seconds:g} seconds"
    family = processes_of(process)
    if len(family) > MOST_PROCESSES:
        return f"it started more than {MOST_PROCESSES} processes"
    if sum(map(own_bytes, family)) > limits.memory_gb * 1e9:
        return f"it took more than {limits.memory_gb:g} GB of memory"
    return ""


def ended_by_itself(process, state: Run) -> str:
    """What is said of a process that ended before it was done."""
    try:
        code = process.wait(5)
    except subprocess.TimeoutExpired:
        code = 0
    killed = {signal.SIGSEGV: "a crash", signal.SIGKILL: "lack of memory", signal.SIGXCPU: "time"}
    cause = killed.get(-code if code < 0 else code - 128, "")
    if not state.ready:
        return "the process ended before it began; is the kit's environment whole?"
    return f"the process ended before the check did{f' ({cause})' if cause else ''}"


def processes_of(process) -> list[psutil.Process]:
    """A worker and everything that came from it."""
    try:
        head = psutil.Process(process.pid)
        return [head, *head.children(recursive=True)]
    except psutil.Error:
        return []


def own_bytes(process: psutil.Process) -> int:
    """Memory of one process without the libraries that it maps; 0 if it is gone.

    fence.py refuses what a process takes for itself alone, so there it speaks first. What several
    share, such as a map without a file, it does not see: here it counts, for each of them.
    """
    try:
        status = Path(f"/proc/{process.pid}/status")
        parts = TAKEN.findall(status.read_text()) if status.is_file() else []
        return 1024 * sum(map(int, parts)) if parts else process.memory_info().rss
    except (OSError, psutil.Error):
        return 0


def end(process, token: str) -> None:
    """End a worker and all that it started, also what left its session."""
    for member in processes_of(process):
        with contextlib.suppress(psutil.Error):
            member.kill()
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for other in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if other.environ().get("KIT_GRADING") == token:
                other.kill()
