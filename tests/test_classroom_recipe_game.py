"""The game of recipes: what fits the budget comes on the table, what does not is told why."""

import pytest
import torch

from classroom.recipe_game import (
    Budget,
    Dish,
    Recipe,
    cook,
    enter,
    read_table,
    show_table,
    table_file,
)
from classroom.road_scenes import road_scenes
from edu_lib.models.small_roadnet import SmallRoadNet

BUDGET = Budget(ms=2, kilobytes=100, miou=60)


def dish(kilobytes=80.0, ms=1.5, miou=70.0, player="ann"):
    return Dish(player, Recipe(0.5, 6), ms, kilobytes, miou)


def test_a_dish_that_fits_is_kept_smallest_first(tmp_path, capsys):
    path = tmp_path / "work" / "recipes.json"
    assert read_table(path) == []
    enter(dish(90), BUDGET, path)
    table = enter(dish(70, player="ben"), BUDGET, path)
    assert [each.player for each in table] == ["ben", "ann"]
    assert sorted(read_table(path), key=lambda each: each.kilobytes) == table
    show_table(table)
    assert "1. ben: 70 KB, 1.50 ms, mean IoU 70.0 % (50 % of the MACs, 6 bits, minmax)" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ms": 3.0}, "3.00 ms, allowed are 2"),
        ({"kilobytes": 120.0}, "120 KB, allowed are 100"),
        ({"miou": 50.0}, "mean IoU 50.0 %, the floor is 60"),
    ],
)
def test_a_dish_that_misses_is_told_why(tmp_path, capsys, change, words):
    path = tmp_path / "recipes.json"
    assert enter(dish(**change), BUDGET, path) == []
    assert words in capsys.readouterr().out
    assert not path.exists()


def test_a_stricter_budget_hides_what_does_not_fit_it(tmp_path):
    path = tmp_path / "recipes.json"
    enter(dish(90, player="ben"), BUDGET, path)
    assert enter(dish(50), Budget(2, 60, 60), path) == [dish(50)]
    assert len(read_table(path)) == 2


def test_a_recipe_that_runs_again_keeps_one_line_with_its_last_time(tmp_path):
    path = tmp_path / "recipes.json"
    enter(dish(ms=1.9), BUDGET, path)
    enter(dish(player="ben"), BUDGET, path)
    assert enter(dish(ms=1.2), BUDGET, path) == [dish(player="ben"), dish(ms=1.2)]
    assert len(read_table(path)) == 2


def test_a_damaged_table_is_named(tmp_path):
    path = tmp_path / "recipes.json"
    path.write_text('[{"player": "ann"}]')
    with pytest.raises(ValueError, match="is damaged"):
        read_table(path)


@pytest.mark.slow
def test_fewer_bits_and_channels_make_a_smaller_file():
    torch.manual_seed(0)
    model = SmallRoadNet(width=0.5).eval()
    before = [value.clone() for value in model.state_dict().values()]
    scenes = road_scenes("test", 2, 128, 256)
    whole = cook(model, Recipe(), scenes)
    small = cook(model, Recipe(mac_share=0.7, weight_bits=5), scenes)
    assert small.kilobytes < 0.5 * whole.kilobytes
    assert 0 <= small.miou <= 100
    assert all(map(torch.equal, before, model.state_dict().values()))


def test_the_table_lies_beside_the_labs_of_a_learner_whoever_owns_the_kit(tmp_path, monkeypatch):
    labs = tmp_path / "work" / "labs"
    labs.mkdir(parents=True)
    monkeypatch.chdir(labs)
    assert table_file() == tmp_path / "work" / "recipes.json"
    assert enter(dish(50), BUDGET) == [dish(50)]
    assert read_table(tmp_path / "work" / "recipes.json") == [dish(50)]
