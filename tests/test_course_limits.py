"""What an answer may do to the machine that grades it: nothing, with a box and without one."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tools.course import boxes, supervise
from tools.course.program import Program, Unit
from tools.course.supervise import Limits, run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kit.py grade needs Linux or macOS")
BOXES = [False, True]
QUICK = Limits(boxed=False)

# each returns normally only if it got what it wanted
ESCAPES = {
    "write": "open({precious!r}, 'w')",
    "write at a lower level": "import os; os.open({precious!r}, os.O_WRONLY)",
    "write through a link": "import os; os.symlink({precious!r}, 'x'); open('x', 'w')",
    "delete": "import os; os.remove({precious!r})",
    "delete a folder": "import shutil; shutil.rmtree({folder!r})",
    "move": "import os; os.rename({precious!r}, 'mine')",
    "read the course": "open({hidden!r} + '/gradebook.db').read()",
    "look into the course": "import os; assert 'gradebook.db' in os.listdir({hidden!r})",
    "connect": "import socket; socket.create_connection(('127.0.0.1', {port}), 1)",
    "look a name up": "import socket; socket.getaddrinfo('localhost', 80)",
    "listen": "import socket; socket.socket().bind(('127.0.0.1', 0))",
    "fork": "import os; os.fork() or os._exit(0)",
    "run": "import subprocess; subprocess.run(['true'], check=True)",
    "shell": "import os; assert os.system('true') == 0",
    "spawn": "import multiprocessing as m; p = m.get_context('spawn').Process(target=print);"
    " p.start(); p.join(); assert p.exitcode == 0",
    "end another program": "import os; os.kill({victim}, 9)",
    "load a library": "import ctypes; ctypes.CDLL(None).getpid",
    "raise the limits": "import resource as r; r.setrlimit(r.RLIMIT_CPU, (9**9, 9**9))",
}


def units(*checks):
    """A unit worth one point for each text of a check."""
    return [Unit(f"u{number}", 1.0, [], check) for number, check in enumerate(checks)]


def attempt(code):
    """A check that gives its point only if the code raises."""
    return f"got = 0.0\ntry:\n    {code}\nexcept BaseException:\n    got = 1.0\ngot"


@pytest.fixture
def victim():
    """Another program of the teacher's."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    assert process.poll() is None
    process.communicate(b"\n")


@pytest.mark.parametrize("boxed", BOXES)
def test_an_answer_gets_nothing_that_it_should_not(boxed, tmp_path, victim):
    if boxed and not boxes.has_box():
        pytest.skip("bubblewrap is not on this machine")
    hidden, folder = tmp_path / "course", tmp_path / "folder"
    precious = folder / "precious"
    for place in (hidden, folder):
        place.mkdir()
    precious.write_text("precious")
    (hidden / "gradebook.db").write_text("grades")
    known = {
        "precious": str(precious), "folder": str(folder), "hidden": str(hidden),
        "victim": victim.pid, "port": 9,
    }  # fmt: skip
    checks = [attempt(code.format(**known)) for code in ESCAPES.values()]
    outcomes = run(Program("", units(*checks)), hidden, Limits(boxed=boxed))
    got = {name: each.points for name, each in zip(ESCAPES, outcomes.values(), strict=True)}
    assert got == dict.fromkeys(ESCAPES, 1.0)
    assert precious.read_text() == "precious"
    assert list(folder.iterdir()) == [precious]


def test_an_answer_has_a_folder_of_its_own_that_is_gone_afterwards(tmp_path):
    write = "open('mine', 'w').write('x')\nimport os, matplotlib\nprint(os.getcwd())\n1.0"
    outcome = run(Program("", units(write)), tmp_path, QUICK)["u0"]
    assert outcome.points == 1.0
    assert not Path(outcome.text.strip()).exists()


def test_an_answer_may_import_what_the_kit_has(tmp_path):
    code = "import torchvision.transforms.functional, ctypes\n1.0"
    assert run(Program("import torch", units(code)), tmp_path, QUICK)["u0"].points == 1.0


def test_no_secret_of_the_teacher_is_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_TOKEN", "secret")
    look = "import os\nfloat('secret' not in str(dict(os.environ)))"
    assert run(Program("", units(look)), tmp_path, QUICK)["u0"].points == 1.0


ENDED = {
    "it leaves": ("import os\nos._exit(0)\n1.0", "the process ended before the check did"),
    "it crashes": ("import ctypes\nctypes.string_at(0)\n1.0", "(a crash)"),
    "it goes on": ("while True: pass\n1.0", "no result after 3 seconds"),
    "it stays in C": ("sum(range(10**15))\n1.0", "no result after 3 seconds"),
    "it floods": ("import os\n[os.write(n, b'x' * 10**6) for n in range(3, 9)]\n1.0", ""),
}


def test_who_ends_or_never_ends_loses_that_exercise_alone(tmp_path):
    checks = ["1.0"]
    for code, _ in ENDED.values():
        checks += [code, "1.0"]
    limits = Limits(exercise_seconds=3, boxed=False)
    outcomes = list(run(Program("", units(*checks)), tmp_path, limits).values())
    assert [outcome.points for outcome in outcomes[::2]] == [1.0] * (len(ENDED) + 1)
    for outcome, (_, reason) in zip(outcomes[1::2], ENDED.values(), strict=True):
        assert outcome.points == 0
        assert reason in outcome.stopped


def test_an_own_cell_that_never_ends_costs_no_points(tmp_path):
    cells = ["x = 1.0", "while True: pass", "y = x"]
    program = Program("", [Unit("u0", 1.0, cells, "y"), Unit("u1", 1.0, [], "x")])
    outcomes = run(program, tmp_path, Limits(exercise_seconds=3, boxed=False))
    assert [outcome.points for outcome in outcomes.values()] == [1.0, 1.0]


def test_an_answer_that_never_ends_where_it_is_written_costs_its_points(tmp_path):
    other = Unit("u1", 1.0, [], "1.0")
    program = Program("", [Unit("u0", 1.0, ["while True: pass"], "1.0"), other])
    outcomes = run(program, tmp_path, Limits(exercise_seconds=3, boxed=False))
    assert [outcome.points for outcome in outcomes.values()] == [0.0, 1.0]


def test_memory_is_refused_and_the_rest_goes_on(tmp_path):
    hungry = "kept = []\nwhile True:\n    kept.append(bytearray(10**7))\n1.0"
    free = "kept = []  # in whatever process the rest goes on\n1.0"
    limits = Limits(memory_gb=0.5, boxed=False)
    outcomes = run(Program("", units(hungry, free)), tmp_path, limits)
    assert outcomes["u0"].points == 0
    # Python is refused memory, or on a slow machine the watcher sees first that it took too much
    assert re.search("MemoryError|more than 0.5 GB of memory", outcomes["u0"].text)
    assert outcomes["u1"].points == 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="what the system refuses differs")
def test_memory_that_processes_share_counts_too(tmp_path):
    shared = "import mmap, time\nkept = [mmap.mmap(-1, 10**8) for _ in range(4)]\n"
    filled = "for block in kept:\n    block.write(bytes(10**8))\ntime.sleep(600)\n1.0"
    outcomes = run(
        Program("", units(shared + filled, "1.0")), tmp_path, Limits(memory_gb=0.3, boxed=False)
    )
    assert "more than 0.3 GB of memory" in outcomes["u0"].text
    assert outcomes["u1"].points == 1.0


def test_the_limit_of_the_whole_submission(tmp_path):
    program = Program("", units("import time\ntime.sleep(60)\n1.0", "1.0"))
    outcomes = run(program, tmp_path, Limits(seconds=1, boxed=False))
    assert [outcome.points for outcome in outcomes.values()] == [0, 0]
    assert "the whole submission took longer than 1 seconds" in outcomes["u1"].text


@pytest.mark.parametrize("claimed", [2.0, -1.0, math.nan, math.inf, 1, "1.0", None, True])
def test_points_that_cannot_be_earned_count_as_none(claimed):
    """Only a plain float from 0 to the points of the exercise is taken."""
    outcomes = {"u0": supervise.Outcome()}
    line = json.dumps({"done": 0, "score": claimed, "text": ""}).encode()
    supervise.note(line, supervise.Run(), Program("", units("1.0")), outcomes)
    assert outcomes["u0"].points == 0


def test_a_process_that_left_its_session_is_ended_too():
    token = "0123456789abcdef"
    worker = subprocess.Popen(["true"], stdout=subprocess.PIPE, start_new_session=True)
    stray = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "KIT_GRADING": token},
    )  # fmt: skip
    psutil.wait_procs([psutil.Process(worker.pid)], timeout=60)
    supervise.end(worker, token)
    assert stray.wait(60) == -9
    stray.stdin.close()


def test_the_shell_takes_what_a_notebook_takes(tmp_path):
    cells = ["%matplotlib inline", "import asyncio\nawait asyncio.sleep(0)\nx = 1.0", "!ls"]
    outcome = run(Program("", [Unit("u0", 1.0, cells, "x")]), tmp_path, QUICK)["u0"]
    assert outcome.points == 1.0


def test_an_error_in_a_cell_is_told_in_one_line_without_a_path(tmp_path):
    outcome = run(Program("", [Unit("u0", 1.0, ["def f(x)\n    1"], "f(1)")]), tmp_path, QUICK)[
        "u0"
    ]
    assert outcome.text == "A cell above raised SyntaxError: expected ':', line 1."
