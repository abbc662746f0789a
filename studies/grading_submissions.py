"""Forty submissions as a class might hand them in, and the points that each deserves.

Used by studies/grading.py and by the tests. Each is made from what `kit.py release` hands out.
"""

import ast
import copy
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import torch

from classroom.checks import hide, points, score
from tools.chapters import read_source, sources
from tools.course.inputs import inputs
from tools.editions import BEGIN, END

Notebook = nbformat.NotebookNode
Change = Callable[[Notebook], Notebook | bytes]

SEED = 1998  # of the hidden tests
PRECIOUS = Path(tempfile.gettempdir()) / f"of_the_teacher_{os.getpid()}"  # a folder to be kept
ONE, TWELVE = "01_convolution", "12_multi_task_learning"
CONVOLVE, SIZE = "ch01-convolve", "ch01-output_size"
COST, FIELD = "ch01-conv_cost", "ch01-receptive_field"

OTHER_STYLE = {
    CONVOLVE: """def convolve2d(X, kernel):
    windows = X.unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    return torch.einsum("hwij,ij->hw", windows, kernel)""",
    SIZE: "output_size = lambda n, k, s, p: int((n - k + 2 * p) / s) + 1",
    COST: """import numpy as np
def conv_cost(C_in, C_out, K, H_out, W_out, groups):
    weights = np.prod([C_out, C_in // groups, K, K])
    return np.array([weights, weights * H_out * W_out])""",
    FIELD: """%matplotlib inline
def receptive_field(layers):
    field = 1
    for size, stride in reversed(layers):
        field = (field - 1) * stride + size
    return field""",
}
WRONG = {
    CONVOLVE: "def convolve2d(X, kernel):\n    return X",
    SIZE: "def output_size(n, k, s, p):\n    print('8 of 8 checks pass')",
    COST: "def conv_cost(*numbers):\n    raise SystemExit(0)",
    FIELD: "def receptive_field(layers)\n    return 32",
}
HALF = {
    SIZE: "def output_size(n, k, s, p):\n    return (n + p - k) // s + 1",
    COST: """def conv_cost(C_in, C_out, K, H, W, groups):
    return C_out * C_in * K * K, C_out * C_in * K * K * H * W""",
}
WARNS = """def convolve2d(X, kernel):
    import warnings
    warnings.warn("careful")
    X, kernel = torch.tensor(X), torch.tensor(kernel)
    return torch.nn.functional.conv2d(X[None, None], kernel[None, None])[0, 0]"""

# What goes wrong in one exercise, the others being right: its points are lost and no others.
HOSTILE = {
    "hanging": [
        "    while True:\n        pass",
        "    import time\n    time.sleep(10**6)",
        "    return sum(range(10**15))",
    ],
    "crashing": [
        "    import os\n    os._exit(0)",
        "    import ctypes\n    ctypes.string_at(0)",
        "    return output_size(n, k, s, p)",
    ],
    "forking": [
        "    import os\n    while True:\n        os.fork()",
        "    import multiprocessing as m\n    while True:\n"
        "        m.get_context('spawn').Process(target=print).start()",
    ],
    "memory-hungry": [
        "    return torch.zeros(10**11)",
        "    kept = []\n    while True:\n        kept.append(bytearray(10**8))",
    ],
    "network-seeking": [
        "    import urllib.request as u\n    u.urlopen('http://example.org')",
        "    import socket\n    socket.create_connection(('192.0.2.1', 80), timeout=3)",
    ],
    "printing without end": [
        "    while True:\n        print('passed' * 1000)",
        "    import os\n    while True:\n        os.write(1, b'x' * 10**6)",
    ],
    "writing elsewhere": [
        f"    open({str(PRECIOUS / 'harm')!r}, 'w').write('x')",
        f"    import shutil\n    shutil.rmtree({str(PRECIOUS)!r})",
    ],
}


@dataclass(frozen=True)
class Case:
    """One submission.

    change: makes it of the released notebook. deserves: its points, given those of each exercise.
    file: the name that the learner gave it, or empty.
    """

    kind: str
    assignment: str
    change: Change
    deserves: Callable[[dict[str, float]], float]
    file: str = ""


def cases() -> list[Case]:
    """The forty."""
    chapters = [source.stem for source in sources()][:13]
    right = [Case("right", name, answers({}, name), total) for name in chapters]
    other = Case("right in another style", ONE, answers(OTHER_STYLE), total)
    hostile = [
        Case(kind, ONE, answers({SIZE: f"def output_size(n, k, s, p):\n{body}"}), all_but(SIZE))
        for kind, bodies in HOSTILE.items()
        for body in bodies
    ]
    two = only({name: text for name, text in solutions(ONE).items() if name in (SIZE, FIELD)})
    return [
        *right, other, *hostile, *traps(),
        Case("wrong", ONE, only(WRONG), nothing),
        Case("half right", ONE, two, lambda points: points[SIZE] + points[FIELD]),
        Case("half right", ONE, answers(HALF), lambda points: sum(in_process(HALF).values())),
        Case("empty", TWELVE, copy.deepcopy, nothing),
    ]  # fmt: skip


def traps() -> list[Case]:
    """What ends or misleads nbgrader when it is left to itself."""
    right = answers({})
    return [
        Case("copied cell", ONE, lambda notebook: with_copies(right(notebook)), total),
        Case("split cell", ONE, lambda notebook: with_a_split(right(notebook)), total),
        Case("renamed file", ONE, right, total, file="my homework (2).ipynb"),
        Case("check deleted", ONE, lambda notebook: without_checks(right(notebook)), total),
        Case("broken file", ONE, lambda notebook: b'{"cells": [', nothing),
        Case("right with a warning", ONE, answers({CONVOLVE: WARNS}), total),
    ]


def total(points: dict[str, float]) -> float:
    """All points of an assignment."""
    return sum(points.values())


def nothing(points: dict[str, float]) -> float:
    """No points."""
    return 0.0


def all_but(name: str) -> Callable[[dict[str, float]], float]:
    """All points but those of one exercise."""
    return lambda points: total(points) - points[name]


def solutions(assignment: str) -> dict[str, str]:
    """The chapter's own answers by the name of their cell."""
    source = next(path for path in sources() if path.stem == assignment)
    found = {}
    for cell in read_source(source).cells:
        grading = cell.metadata.get("nbgrader", {})
        if grading.get("solution"):
            rows = [row for row in cell.source.splitlines() if row.strip() not in (BEGIN, END)]
            found[grading["grade_id"]] = "\n".join(rows)
    return found


def only(texts: dict[str, str]) -> Change:
    """Fills these answers in and leaves the others as they were."""

    def change(notebook: Notebook) -> Notebook:
        notebook = copy.deepcopy(notebook)
        for cell in notebook.cells:
            name = name_of(cell)
            cell.source = texts.get(name, cell.source) if name else cell.source
        return notebook

    return change


def answers(texts: dict[str, str], assignment: str = ONE) -> Change:
    """Fills in the chapter's own answers, and these in their place."""
    return only(solutions(assignment) | texts)


def in_process(texts: dict[str, str]) -> dict[str, float]:
    """The points of chapter 01 with these answers, by the checks alone, without nbgrader."""
    earned = {}
    for name, solution in solutions(ONE).items():
        key, function = name.replace("-", ".", 1), function_of(solution)
        hide(key, run_text(solution)[function], inputs(key, SEED))
        earned[name] = score(key, run_text(texts.get(name, solution))[function])
        hide(key, abs, [])
        assert 0 <= earned[name] <= points(key)
    return earned


def run_text(text: str) -> dict:
    """What a cell defines."""
    names = {"torch": torch}
    exec(text, names)
    return names


def function_of(text: str) -> str:
    """The name of the function that a cell defines."""
    return next(node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))


def name_of(cell: Notebook) -> str:
    """The name by which nbgrader knows a cell, or an empty text."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def with_copies(notebook: Notebook) -> Notebook:
    """Each answer twice: as it was handed out, below the one that was filled in."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.metadata.get("nbgrader", {}).get("solution"):
            empty = copy.deepcopy(cell)
            empty.id += "b"
            empty.source = (
                'raise NotImplementedError("Write your answer here, in place of this line.")'
            )
            cells.append(empty)
    notebook.cells = cells
    return notebook


def with_a_split(notebook: Notebook) -> Notebook:
    """An answer in two cells of one name, a helper first, as JupyterLab splits them."""
    place = next(i for i, cell in enumerate(notebook.cells) if name_of(cell) == SIZE)
    first, second = notebook.cells[place], copy.deepcopy(notebook.cells[place])
    first.source = "def room(n, k, p):\n    return n + 2 * p - k"
    second.source = "def output_size(n, k, s, p):\n    return room(n, k, p) // s + 1"
    second.id = "a1b2c3d4"
    notebook.cells.insert(place + 1, second)
    return notebook


def without_checks(notebook: Notebook) -> Notebook:
    """The checks deleted, and the answers in the opposite order."""
    notebook.cells = [
        cell for cell in notebook.cells if not cell.metadata.get("nbgrader", {}).get("grade")
    ][::-1]
    return notebook
