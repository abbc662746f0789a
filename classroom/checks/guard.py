"""Runs a learner's function so that nothing it does harms the check. Used from chapter 00 on.

What it holds: output and warnings (kept, not shown), changed arguments, SystemExit and its kind, an
endless loop of Python code, os._exit and os.abort. Code that stays in one call of a C library, or
ends the process from there, it cannot hold: that passes no check either. A course sets limits.
"""

import ctypes
import dis
import inspect
import io
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor

from classroom.readable import describe

LIMIT_SECONDS = 20.0  # a right answer takes a tenth of a second
REPEAT_SECONDS = 1.0  # an answer may swallow the first interruption with a bare `except`
KEPT_OUTPUT = 2000


class TookTooLong(BaseException):
    """The time limit. No Exception, so that an answer's `except Exception` lets it through."""


class AnswerRaised(Exception):
    """The learner's function raised; the message is the hint."""


class _Kept(io.StringIO):
    """Keeps the first KEPT_OUTPUT characters of what is printed, and none once it is full."""

    full = False

    def write(self, text: str) -> int:
        if not self.full:
            super().write(text[: max(0, KEPT_OUTPUT - self.tell())])
        return len(text)


class Guard:
    """What happened while an answer ran: its output, and whether the person pressed Ctrl-C."""

    def __init__(self):
        self.output = _Kept()
        self.interrupted = False


@contextmanager
def guarded(guard: Guard) -> Iterator[None]:
    """Within this block a learner's function may run; `guard` keeps what it does.

    Raises TookTooLong if the block lasts longer than LIMIT_SECONDS. The global random state and the
    warning filters are afterwards what they were.
    """
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(guard.output))
        stack.enter_context(redirect_stderr(guard.output))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.enable_grad())
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)  # the cases are small: threads would wait for each other
        stack.enter_context(_process_kept())
        stack.enter_context(_noted_interrupt(guard))
        stack.enter_context(_time_limit(LIMIT_SECONDS))
        yield


@contextmanager
def _process_kept() -> Iterator[None]:
    """os._exit and os.abort raise SystemExit; a process that the answer forked still ends."""
    kept = {name: getattr(os, name) for name in ("_exit", "abort")}
    own = os.getpid()

    def refuse(*code: int) -> None:
        if os.getpid() != own:
            kept["_exit"](*code or (1,))
        raise SystemExit("it ends the process")

    for name in kept:
        setattr(os, name, refuse)
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(os, name, function)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _noted_interrupt(guard: Guard) -> Iterator[None]:
    """Notes a real Ctrl-C, which must interrupt; an answer can raise KeyboardInterrupt too."""
    if not _in_main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number, frame):
        guard.interrupted = True
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raises TookTooLong in this thread after `seconds`, and again each second."""
    if _in_main_thread() and hasattr(signal, "setitimer"):
        limit = _limit_by_signal(seconds)
    else:
        limit = _limit_by_thread(seconds)
    with limit:
        yield


@contextmanager
def _limit_by_signal(seconds: float) -> Iterator[None]:
    """On Unix: a signal, which also ends a sleep."""

    def stop(number, frame):
        raise TookTooLong

    handler = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


@contextmanager
def _limit_by_thread(seconds: float) -> Iterator[None]:
    """Elsewhere, such as on Windows: a second thread, which ends a loop but no sleep."""
    checking = ctypes.c_ulong(threading.get_ident())
    raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
    done = threading.Event()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            raise_in_thread(checking, ctypes.py_object(TookTooLong))
            wait = REPEAT_SECONDS

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        raise_in_thread(checking, None)  # what was raised too late is taken back


class Watched:
    """The learner's function as the cases call it: on copies, its errors turned into hints.

    last_call: what it was last asked. changed: a hint if a call changed an argument, else empty.
    takes_mutable: whether any argument could have been changed.
    """

    def __init__(self, function: Callable, guard: Guard):
        self._function, self._guard = function, guard
        self.last_call = ""
        self.changed = ""
        self.takes_mutable = False
        self._secret = ""

    def hide_inputs(self) -> None:
        """From now on no hint names an input, and nothing that is printed is kept."""
        self._secret = "a hidden one"
        self._guard.output.full = True

    def __call__(self, *arguments: Any) -> Any:
        given = [copied(argument) for argument in arguments]
        self.last_call = self._secret or ", ".join(map(describe, arguments))
        try:
            result = self._function(*given)
        except BaseException as error:
            if self.must_pass(error):
                raise
            raise AnswerRaised(self._explain(error)) from None
        for position, (before, after) in enumerate(zip(arguments, given, strict=True)):
            self.takes_mutable |= after is not before
            if not self.changed and not _same(before, after):
                self.changed = f"your function changes {self._name(position)}: work on a copy."
        return result

    def must_pass(self, error: BaseException) -> bool:
        """Whether an error is none of the answer's: the time limit, or a real Ctrl-C."""
        real = isinstance(error, KeyboardInterrupt) and self._guard.interrupted
        return real or isinstance(error, TookTooLong)

    def _explain(self, error: BaseException) -> str:
        if isinstance(error, NotImplementedError) and _is_the_hole(error, self._function):
            return "not done yet: replace the line that raises."
        happened = f"{type(error).__name__}: {error}".rstrip(".: ")
        return f"your function raised {happened}, for the input ({self.last_call})."

    def _name(self, position: int) -> str:
        try:
            return f"its argument {list(inspect.signature(self._function).parameters)[position]}"
        except (TypeError, ValueError, IndexError):
            return f"its argument number {position + 1}"


def _is_the_hole(error: BaseException, function: Callable) -> bool:
    """Whether a `raise` statement of the exercise's own cell raised.

    PyTorch raises NotImplementedError too ("softmax" of integers): there the last line that is
    Python's stands at a call.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    step = error.__traceback__
    while step.tb_next:
        step = step.tb_next
    last = step.tb_frame.f_code
    by_statement = dis.opname[last.co_code[step.tb_lasti]] == "RAISE_VARARGS"
    return by_statement and code is not None and last.co_filename == code.co_filename


def copied(value: Any) -> Any:
    """A copy of tensors and containers; anything else, such as a generator, as it is."""
    if isinstance(value, Tensor):
        return value.clone()  # not detached: gradients still reach the original
    if isinstance(value, tuple | list):
        return type(value)(copied(each) for each in value)
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return value


def _same(before: Any, after: Any) -> bool:
    """Whether a copy still equals what it was made from."""
    if isinstance(before, Tensor):
        return before.dtype == after.dtype and torch.equal(before, after)
    if isinstance(before, tuple | list):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(before[k], after[k]) for k in before)
    return before is after or before == after
