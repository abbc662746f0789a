"""The study of the data bill: fair subsets, moved images, and figures worked out by hand."""

import json

import pytest
import torch

from edu_lib.data import DATA_FOLDER, Split
from studies import data_hunger
from studies.data_hunger_summary import gain, stretch, summary


def runs(*accuracies):
    return [{"accuracy": accuracy, "moved": accuracy - 10} for accuracy in accuracies]


@pytest.fixture
def split():
    return Split(torch.rand(50, 1, 28, 28), torch.arange(50), ("one",))


def test_a_smaller_subset_is_part_of_the_larger_one(split):
    few, many = (set(data_hunger.subset(split, n, seed=1).y.tolist()) for n in (10, 30))
    assert len(few) == 10
    assert few < many
    assert few != set(data_hunger.subset(split, 10, seed=2).y.tolist())


def test_every_training_has_the_same_number_of_steps():
    for size in data_hunger.SEEDS:
        assert size % data_hunger.BATCH_SIZE == 0
        assert data_hunger.STEPS % (size // data_hunger.BATCH_SIZE) == 0


def test_images_move_right_left_down_and_up():
    X = torch.zeros(4, 1, 28, 28)
    X[:, :, 10, 20] = 1
    places = [tuple(image[0].nonzero()[0].tolist()) for image in data_hunger.move(X, 3)]
    assert places == [(10, 23), (10, 17), (13, 20), (7, 20)]
    assert torch.equal(data_hunger.move(X, 0), X)
    assert data_hunger.move(X, 9)[0].sum() == 0, "what moves out is gone"


def test_half_of_the_images_are_mirrored():
    X = torch.arange(28.0).expand(400, 1, 28, 28)
    torch.manual_seed(0)
    first_columns = data_hunger.mirror(X)[:, 0, 0, 0]
    assert set(first_columns.tolist()) == {0.0, 27.0}
    assert 150 < (first_columns == 27).sum() < 250


def test_figures_by_hand():
    figures = summary(runs(80.0, 82.0, 84.0))
    assert (figures["mean"], figures["moved"]) == (82, 72)
    assert figures["high"] - 82 == pytest.approx(4.303 * 2 / 3**0.5)
    points = gain(runs(80.0, 81.0, 82.0, 50.0), runs(81.0, 83.0, 85.0))
    assert points["mean"] == pytest.approx(2), "seed by seed, as far as both have one"


def test_stretch_reads_the_curve():
    plain = {100: runs(80.0, 80.0), 1000: runs(95.0, 95.0)}
    factors = stretch(plain, {100: runs(89.0, 91.0), 1000: runs(96.0, 96.0)})
    # 90 % has half the error of 80 %, half of the way to a quarter: the square root of ten
    assert factors[100]["factor"] == pytest.approx(10**0.5)
    assert factors[100]["low"] < 10**0.5 < factors[100]["high"]
    assert factors[1000] == {"factor": None, "low": None, "high": None}


def test_result_file_holds_what_the_chapter_reads():
    content = json.loads((DATA_FOLDER / "results" / "data_hunger.json").read_text())
    for name in ("mnist", "fashion"):
        for arm in ("plain", "augmented"):
            for size, seeds in data_hunger.SEEDS.items():
                assert len(content[name][arm][str(size)]["accuracies"]) == seeds >= 3
        plain = [content[name]["plain"][str(size)]["mean"] for size in data_hunger.SEEDS]
        assert plain == sorted(plain), "more images never did worse"
