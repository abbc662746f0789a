"""Every technique after every other: the right network, or a true sentence that says what to do.

The network is small, with random weights, a skip connection and batch norm. Where the second
technique takes what the first gave, the result computes what the second gives for the plain
network that the first one computes.
"""

import copy
import functools
from pathlib import Path

import pytest
import torch
from torch import nn

import edu_lib as edu

TABLE = Path(__file__).resolve().parents[1] / "docs" / "techniques.md"
CORNER = "First \\ second"
WORKS, PLAIN_FIRST, NOTHING_LEFT = "works", "plain first", "nothing left"
NO_WORK = "has no "
TOLERANCE = 1e-4  # of the largest output: Winograd's tiles round at 1e-5


class Residual(nn.Module):
    """Images [N, 3, 12, 12] to logits [N, 5]; 32 channels, so that Winograd has work."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.first, self.norm1 = nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.second, self.norm2 = nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.head = nn.Linear(32, 5)

    def forward(self, X):
        X = self.stem(X)
        y = self.norm2(self.second(self.relu1(self.norm1(self.first(X)))))
        return self.head(self.relu2(X + y).mean(dim=(2, 3)))


def inputs():
    return torch.randn(8, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Residual()
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, std=0.3)
                nn.init.normal_(part.running_mean, std=0.3)
                nn.init.uniform_(part.running_var, 0.5, 1.5)
    return model.eval()


def train_with_teacher(model):
    """A Distilled network, once it is shown that a copy of it trains."""
    trained = edu.Distilled(copy.deepcopy(model), network()).train()
    edu.distillation_objective()(trained(inputs()), torch.arange(8) % 5).backward()
    return edu.Distilled(model, network()).eval()


def code_levels(model):
    return edu.RateDistortion(edu.fold_batch_norm(model, inputs())).eval()


TECHNIQUES = {
    "prune": lambda model: edu.prune(model, 0.6),
    "prune_channels": lambda model: edu.prune_channels(model, inputs(), ratio=0.5),
    "share_weights": lambda model: edu.share_weights(model, 4),
    "separate": edu.separate,
    "factor": lambda model: edu.factor(model, 2),
    "fold_batch_norm": lambda model: edu.fold_batch_norm(model, inputs()),
    "equalize": lambda model: edu.equalize(model, inputs()),
    "quantize_weights": lambda model: edu.quantize_weights(model, 4),
    "ternarize": edu.ternarize,
    "binarize": edu.binarize,
    "quantize_static": lambda model: edu.quantize_static(model, inputs()),
    "prepare_qat": lambda model: edu.prepare_qat(model, inputs()),
    "convert": lambda model: edu.convert(edu.prepare_qat(model, inputs())),
    "RateDistortion": code_levels,
    "winograd": edu.winograd,
    "Distilled": train_with_teacher,
}
ROUNDS_ACTIVATIONS = ("quantize_static", "prepare_qat", "convert")


@torch.no_grad()
def said(model):
    """What a copy of the model in evaluation mode says; the model itself is left alone."""
    return copy.deepcopy(model).eval()(inputs())


def close(model, reference, tolerance=TOLERANCE):
    y, y_reference = said(model), said(reference)
    return bool((y - y_reference).abs().max() <= tolerance * y_reference.abs().max())


@functools.cache
def made(first):
    return TECHNIQUES[first](network())


@functools.cache
def plain(first):
    """The plain network that the first technique computes."""
    model = made(first)
    return edu.to_plain(model.student if first == "Distilled" else model)


@functools.cache
def expected(first, second):
    """What the second technique makes of that plain network: a model, or the words it refuses."""
    try:
        return TECHNIQUES[second](plain(first))
    except ValueError as error:
        return str(error)


@functools.cache
def finding(first, second):
    """A word of the table, after everything that it promises has been checked."""
    model, right = made(first), expected(first, second)
    before, state = said(model), copy.deepcopy(model.state_dict())
    try:
        result = TECHNIQUES[second](model)
    except ValueError as error:
        sentence = str(error)
        if "edu_lib.to_plain(model)" in sentence or "its model.student" in sentence:
            assert isinstance(right, nn.Module), f"{sentence}; then {right}"
            word = PLAIN_FIRST
        else:  # nothing is in its way, and it has nothing to do
            assert sentence == right
            assert NO_WORK in sentence, sentence
            word = NOTHING_LEFT
    else:
        same = model if second == "Distilled" else right
        assert isinstance(same, nn.Module)
        assert close(result, same)
        word = WORKS
    assert torch.equal(said(model), before)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    return word


def documented():
    """{(first, second): word} of the table in docs/techniques.md."""
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in TABLE.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    start = next(i for i, row in enumerate(rows) if row[0] == CORNER)
    found = {}
    for first, *words in rows[start + 2 :]:
        if first not in TECHNIQUES:
            break
        found |= {
            (first, second): word for second, word in zip(rows[start][1:], words, strict=True)
        }
    return found


@pytest.mark.parametrize("first", TECHNIQUES)
def test_the_plain_network_is_of_ordinary_layers_and_computes_the_same(first):
    ordinary = plain(first)
    kinds = {type(part) for part in ordinary.modules() if next(part.children(), None) is None}
    assert all(kind.__module__.startswith("torch.nn") for kind in kinds), kinds
    # where activations move to 8 bits, that goes: at most some hundredths
    assert close(ordinary, made(first), 0.05 if first in ROUNDS_ACTIVATIONS else TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("second", TECHNIQUES)
@pytest.mark.parametrize("first", TECHNIQUES)
def test_one_technique_after_another(first, second):
    assert finding(first, second) == documented()[first, second]


def test_the_table_has_every_pair():
    assert documented().keys() == {(a, b) for a in TECHNIQUES for b in TECHNIQUES}
