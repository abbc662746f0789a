"""Graders are graded: right answers pass, known mistakes get a hint that names them."""

import os
import re
import runpy
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from classroom.checks import (
    CheckFailed,
    check,
    checker,
    exercise,
    exercise_keys,
    grade,
    guard,
    points,
    score,
)

HERE = Path(__file__).parent
SOURCES = sorted((HERE.parent / "notebooks" / "source").glob("*.py"))
RIGHT, WRONG = [], []
for path in sorted((HERE / "check_answers").glob("ch*.py")):
    answers = runpy.run_path(str(path))
    RIGHT += answers["RIGHT"]
    WRONG += answers["WRONG"]

SIZE = "ch01.output_size"


def size(n, k, s, p):
    return (n + 2 * p - k) // s + 1


def named(entries):
    return [pytest.param(*entry, id=f"{entry[0]} {entry[1]}") for entry in entries]


def test_every_exercise_has_three_right_and_five_wrong_answers():
    right = Counter(key for key, *_ in RIGHT)
    wrong = Counter(key for key, *_ in WRONG)
    assert exercise_keys() == sorted(right) == sorted(wrong)
    assert min(right.values()) >= 3
    assert min(wrong.values()) >= 5


@pytest.mark.parametrize(("key", "name", "answer"), named(RIGHT))
def test_right_answer_passes(key, name, answer):
    report = grade(key, answer)
    assert report.hint == ""
    assert report.passed == report.total


@pytest.mark.parametrize(("key", "name", "answer", "hint"), named(WRONG))
def test_wrong_answer_gets_a_hint_that_names_the_mistake(key, name, answer, hint):
    report = grade(key, answer)
    assert hint in report.hint
    assert report.passed < report.total
    assert "\n" not in report.hint


@pytest.mark.parametrize("key", exercise_keys())
def test_untouched_exercise_says_what_to_do(key):
    def untouched(*arguments):
        raise NotImplementedError(f"{key}: write your answer here, in place of this line.")

    with pytest.raises(CheckFailed, match="not done yet: replace the line that raises"):
        check(key, untouched)
    assert score(key, untouched) == 0


@pytest.mark.parametrize("key", exercise_keys())
@pytest.mark.parametrize("returned", [None, "28", {}, (), torch.zeros(0), float("nan")])
def test_strange_answers_fail_and_never_crash_the_check(key, returned):
    assert grade(key, lambda *arguments: returned).hint


def test_points_in_the_chapters_are_those_of_the_checks():
    """The notebook's metadata, and so the gradebook, are built from these lines."""
    found = {}
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        found |= dict(re.findall(r'^# %% check="(ch\d\d\.\w+)".* points=(\d+)', text, re.M))
    assert {key: int(number) for key, number in found.items()} == {
        key: points(key) for key in exercise_keys()
    }


def test_check_prints_how_many_pass_and_shows_one_line_without_a_trace(capsys):
    check(SIZE, size)
    assert capsys.readouterr().out == f"{SIZE}: 8 of 8 checks pass\n"
    with pytest.raises(CheckFailed) as failure:
        check(SIZE, lambda *sizes: 1)
    assert failure.value._render_traceback_() == [str(failure.value)]
    assert str(failure.value).startswith(f"{SIZE}: ")


def test_score_is_a_plain_float_with_a_part_of_the_points(capsys):
    assert type(score(SIZE, size)) is float
    assert score(SIZE, size) == points(SIZE) == 2
    # right but for padding: two of the eight cases have a padding that is not 0 and matters
    part = score(SIZE, lambda n, k, s, p: (n + p - k) // s + 1)
    passed = grade(SIZE, lambda n, k, s, p: (n + p - k) // s + 1).passed
    assert type(part) is float
    assert part == 2 * passed / 8
    assert "both sides" in capsys.readouterr().out


def test_a_check_that_ends_early_does_not_earn_more():
    """The first cases pass, then the form is wrong: what was not tried counts as failed."""
    calls = []

    def tires(*arguments):
        calls.append(arguments)
        return (0,) if len(calls) > 1 else (150, 117_600)

    report = grade("ch01.conv_cost", tires)
    assert (report.passed, report.total) == (2, 10)


def test_error_in_the_answer_becomes_a_hint_with_its_input():
    with pytest.raises(CheckFailed, match=r"ZeroDivisionError: .*for the input \(32, 5, 1, 0\)"):
        check(SIZE, lambda n, k, s, p: n // p)
    with pytest.raises(CheckFailed, match=r"TypeError.*a tensor of shape \[3, 3\]"):
        check("ch01.convolve", lambda X: X)


@pytest.mark.parametrize(
    "slip",
    [
        lambda z, T: torch.softmax(z.long(), dim=1),
        lambda z, T: z.long().bernoulli(),
        lambda z, T: F.max_pool2d(z.bool()[None], 2),
        lambda z, T: torch.nn.Module()(z),
    ],
    ids=["softmax of integers", "bernoulli of integers", "pooling of bools", "no forward"],
)
def test_not_implemented_inside_pytorch_is_no_untouched_exercise(slip):
    hint = grade("ch11.soften", slip).hint
    assert "your function raised" in hint
    assert "not done yet" not in hint


def raiser(error):
    def answer(*arguments):
        raise error

    return answer


@pytest.mark.parametrize(
    "error",
    [SystemExit(0), KeyboardInterrupt(), GeneratorExit(), StopIteration(), RecursionError("deep")],
    ids=lambda error: type(error).__name__,
)
def test_no_error_of_the_answer_escapes(error):
    report = grade(SIZE, raiser(error))
    assert f"your function raised {type(error).__name__}" in report.hint
    assert report.passed == 0


def test_errors_of_what_came_back_do_not_escape_either():
    class Hostile:
        def __float__(self):
            raise SystemExit(0)

        def __repr__(self):
            raise GeneratorExit

    assert "cannot be compared" in grade(SIZE, lambda *sizes: Hostile()).hint


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_real_ctrl_c_still_interrupts():
    def waits(*sizes):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        while True:
            time.sleep(0.01)

    # a process in the background may have been started with the signal ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            grade(SIZE, waits)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("end", [lambda *sizes: os._exit(0), lambda *sizes: os.abort()])
def test_ending_the_process_is_refused(end):
    leave = os._exit
    assert "raised SystemExit: it ends the process" in grade(SIZE, end).hint
    assert os._exit is leave


@pytest.mark.parametrize("in_main_thread", [True, False])
def test_an_endless_loop_ends_with_a_sentence(monkeypatch, in_main_thread):
    monkeypatch.setattr(guard, "LIMIT_SECONDS", 0.3)
    monkeypatch.setattr(checker, "LIMIT_SECONDS", 0.3)

    def loops(*sizes):
        while True:
            pass

    reports = []
    if in_main_thread:
        reports.append(grade(SIZE, loops))
    else:  # also the way of systems without signal.setitimer
        thread = threading.Thread(target=lambda: reports.append(grade(SIZE, loops)))
        thread.start()
        thread.join()
    assert "no result after 0.3 seconds for the input (32, 5, 1, 0)" in reports[0].hint
    assert reports[0].passed == 0


def test_an_answer_that_swallows_the_first_interruption_still_ends(monkeypatch):
    monkeypatch.setattr(guard, "LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(guard, "REPEAT_SECONDS", 0.2)

    def swallows(*sizes):
        try:
            time.sleep(600)
        except BaseException:
            time.sleep(600)

    assert "no result after" in grade(SIZE, swallows).hint


def test_a_timer_of_the_caller_is_put_back():
    if not hasattr(signal, "setitimer"):
        pytest.skip("no setitimer here")
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        grade(SIZE, size)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 900
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_a_right_answer_that_prints_and_warns_is_right_and_writes_nothing_to_stderr(capsys):
    def noisy(*sizes):
        warnings.warn("careful", stacklevel=1)
        print("on stderr", file=sys.stderr)
        print(f"{SIZE}: 8 of 8 checks pass")
        return size(*sizes)

    check(SIZE, noisy)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("Your function printed:\n    on stderr\n")
    assert shown.out.endswith(f"\n{SIZE}: 8 of 8 checks pass\n")


def test_printing_fools_nobody_and_fills_no_memory(capsys):
    def prints(*sizes):
        for _ in range(10_000):
            print(f"{SIZE}: 8 of 8 checks pass")

    with pytest.raises(CheckFailed):
        check(SIZE, prints)
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("    ") for line in lines[1:])
    assert sum(map(len, lines)) < 5000


def test_hints_are_short_whatever_comes_back():
    for returned in ("x" * 8_000_000, list(range(1_000_000)), 10**4000, torch.zeros(500, 500)):
        assert len(grade(SIZE, lambda *sizes, value=returned: value).hint) <= 400
    assert len(grade(SIZE, raiser(ValueError("x" * 8_000_000))).hint) <= 400


def test_the_cases_do_not_depend_on_what_an_answer_does_to_its_arguments():
    """In place and otherwise right: one case fails, the one that says so."""
    report = grade("ch11.soften", lambda z, T: torch.softmax(z.div_(T), dim=1))
    assert (report.passed, report.total) == (4, 5)
    assert report.hint == "your function changes its argument z: work on a copy."


def test_the_random_numbers_of_the_notebook_go_on_as_without_the_check():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    grade("ch03.dropout", lambda X, share, generator: X * (torch.rand(X.shape) > share))
    assert torch.equal(torch.rand(3), expected)


def test_gradients_are_there_even_in_a_cell_without_them():
    autograd_answer = next(each for key, name, each in RIGHT if name == "autograd")
    with torch.no_grad():
        assert not grade("ch02.backprop", autograd_answer).hint


def test_result_instead_of_function():
    with pytest.raises(CheckFailed, match="give the function itself"):
        check(SIZE, 28)


def test_unknown_and_taken_keys():
    with pytest.raises(ValueError, match=r"no exercise 'ch01\.size'.*ch01\.output_size"):
        check("ch01.size", abs)
    with pytest.raises(ValueError, match="no exercise"):
        points("ch99.none")
    with pytest.raises(ValueError, match="one check"):
        exercise(SIZE, points=2, cases=8)
