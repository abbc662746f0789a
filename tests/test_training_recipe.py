"""fingerprint: what counts as another recipe, and what does not."""

import functools
import subprocess
import sys
import textwrap
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edu_lib.training import fingerprint, random_affine, random_shift, recipe

ROOT = Path(__file__).resolve().parent.parent


def function(text, **names):
    """The function `f` that a text defines, in a module of its own."""
    module = types.ModuleType("mine")
    vars(module).update(names)
    exec(textwrap.dedent(text), vars(module))
    return module.f


def adding(number):
    return lambda X: X + number


@dataclass
class Settings:
    lr: float
    names: tuple = ("a", "b")


class Shift:
    pixels = 3

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, X):
        return self.scale * X


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU())


SAME = {
    "a comment, a docstring and the names of variables": (
        function("def f(X):\n    return X + 1"),
        function('def f(images):\n    """Adds."""\n    # one\n\n    return images + 1'),
    ),
    "a closure made twice": (adding(2), adding(2)),
    "the order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "a tensor and its copy": (torch.arange(6).view(2, 3), torch.arange(6).view(2, 3).clone()),
    "one text twice and two equal texts": (("ab", "ab"), ("ab", "".join(["a", "b"]))),
    "one tuple twice and two equal tuples": (((1, 2),) * 2, ((1, 2), tuple(n for n in (1, 2)))),
    "notes in a list": (
        function("def f(X):\n    seen.append(1)\n    return X", seen=[]),
        function("def f(X):\n    seen.append(1)\n    return X", seen=[1, 1]),
    ),
    "a counter that the function sets": (
        function("def f(X):\n    global n\n    n += 1\n    return X", n=0),
        function("def f(X):\n    global n\n    n += 1\n    return X", n=5),
    ),
    "a function of the library": (random_shift, random_shift),
}
OTHER = {
    "code": (adding(2), lambda X: X - 2),
    "a constant": (lambda X: X + 2, lambda X: X + 3),
    "a type of number": (1, 1.0),
    "a closed-over value": (adding(2), adding(3)),
    "a default": (function("def f(X, a=1): return X"), function("def f(X, a=2): return X")),
    "a keyword default": (
        function("def f(X, *, a=1): return X"), function("def f(X, *, a=2): return X")),
    "a global number": (function("def f(X): return X + n", n=1),
                        function("def f(X): return X + n", n=2)),
    "a global number read by an inner function": (
        function("def f(X): return [x + n for x in X]", n=1),
        function("def f(X): return [x + n for x in X]", n=2)),
    "a global list": (function("def f(X): return X in names", names=["a"]),
                      function("def f(X): return X in names", names=["b"])),
    "a setting of a class": (type("Own", (), {"rates": [1]}), type("Own", (), {"rates": [2]})),
    "a helper": (
        function("def g(X): return X\ndef f(X): return g(X)"),
        function("def g(X): return -X\ndef f(X): return g(X)")),
    "a cached helper": (
        function("@cache\ndef g(): return 1\ndef f(X): return g()", cache=functools.cache),
        function("@cache\ndef g(): return 2\ndef f(X): return g()", cache=functools.cache)),
    "a partial": (functools.partial(random_affine, degrees=1.0),
                  functools.partial(random_affine, degrees=2.0)),
    "a method of another object": (Shift(1).__call__, Shift(2).__call__),
    "an object": (Shift(1), Shift(2)),
    "a dataclass": (Settings(0.1), Settings(0.2)),
    "a tensor": (torch.zeros(3), torch.tensor([0, 0, 1e-30])),
    "the type of a tensor": (torch.zeros(2), torch.zeros(2, dtype=torch.int32)),
    "the shape of a tensor": (torch.zeros(2, 3), torch.zeros(3, 2)),
    "an array": (np.zeros(3), np.ones(3)),
    "a bfloat16 tensor": (torch.zeros(3).bfloat16(), torch.ones(3).bfloat16()),
    "a number without dimension": (torch.tensor(1), torch.tensor(2)),
    "a NumPy function": (np.square, np.exp),
    "a network": (network(0), network(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_one_recipe(name):
    one, again = SAME[name]
    assert fingerprint(one) == fingerprint(again)


@pytest.mark.parametrize("name", OTHER)
def test_two_recipes(name):
    one, other = OTHER[name]
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(one)


def test_the_weights_of_what_is_trained_do_not_count_but_those_of_others_do():
    model, other = network(0), network(1)
    model.teacher = [other]
    loss = functools.partial(lambda model, y: y, model)
    before = [fingerprint(each, trained=model) for each in (model, loss)]
    with torch.no_grad():
        model[0].weight += 1
    assert [fingerprint(each, trained=model) for each in (model, loss)] == before
    with torch.no_grad():
        other[0].weight += 1
    after = [fingerprint(each, trained=model) for each in (model, loss)]
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_what_holds_itself_has_an_end():
    loop = [1]
    loop.append(loop)
    assert fingerprint(loop) != fingerprint([1])


def test_another_process_finds_the_same(tmp_path):
    script = tmp_path / "recipe.py"
    script.write_text(
        "import sys, functools\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "import torch\n"
        "from edu_lib.training import fingerprint, random_shift\n"
        "LEVEL = {'a', 'b', 'c'}\n"
        "def loss(X, y, scale=(1, 2)):\n"
        "    return X if y in {'x', 'y', 'z'} else helper(X)\n"
        "def helper(X):\n"
        "    return torch.relu(X) + loss.__name__\n"
        "recipe = {'loss': loss, 'frozen': frozenset('abc'), 'augment': random_shift}\n"
        "print(fingerprint(recipe))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, str(script)], env={"PYTHONHASHSEED": seed}, check=True,
            capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(found) == 1


def test_a_path_inside_the_checkout_is_the_same_in_every_checkout(monkeypatch, tmp_path):
    here, there = fingerprint(recipe.CHECKOUT / "data" / "runs"), tmp_path / "elsewhere"
    assert fingerprint(there / "data" / "runs") != here
    monkeypatch.setattr(recipe, "CHECKOUT", there)
    assert fingerprint(there / "data" / "runs") == here
