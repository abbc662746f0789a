"""A game of recipes: a budget, a network made to fit it, a table of the best. Chapter 14.

The table is one file on the player's own disk, work/recipes.json: beside work/labs where the
learner's copies lie, else in the kit. Nothing is sent anywhere.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import nn

import edu_lib as edu
from classroom.checks import record
from classroom.road_scenes import RoadSplit
from edu_lib.files import DATA_FOLDER, write_whole
from edu_lib.models.road_tasks import as_input, evaluate_road
from edu_lib.models.small_roadnet import HEADS, WholeSize
from edu_lib.techniques.quantization import quantize_static

NAME = "recipes.json"
CALIBRATION = 32  # scenes
FLOAT_BITS = 32


@dataclass(frozen=True)
class Budget:
    """What a network may take, and what it must reach: milliseconds, kilobytes, mean IoU in %."""

    ms: float
    kilobytes: float
    miou: float


@dataclass(frozen=True)
class Recipe:
    """What is done to a network, without training.

    mac_share: channels are pruned until that share of the MACs is left, 1 for none. weight_bits: 2
    to 8, or 32 for float weights. observer: how ranges are chosen, as in `quantize_static`.
    """

    mac_share: float = 1.0
    weight_bits: int = FLOAT_BITS
    observer: str = "minmax"


@dataclass(frozen=True)
class Dish:
    """One line of the table: who, from what, how, and what came out."""

    player: str
    recipe: Recipe
    ms: float
    kilobytes: float
    miou: float

    def misses(self, budget: Budget) -> list[str]:
        """What is over the budget, or under the floor, in words."""
        missed = []
        if self.ms > budget.ms:
            missed.append(f"{self.ms:.2f} ms, allowed are {budget.ms:g}")
        if self.kilobytes > budget.kilobytes:
            missed.append(f"{self.kilobytes:.0f} KB, allowed are {budget.kilobytes:g}")
        if self.miou < budget.miou:
            missed.append(f"mean IoU {self.miou:.1f} %, the floor is {budget.miou:g}")
        return missed


def cook(model: nn.Module, recipe: Recipe, scenes: RoadSplit, player: str = "you") -> Dish:
    """The network that the recipe makes of `model`, judged on the scenes and timed.

    model: a float SmallRoadNet; it is not touched. Milliseconds are those of ONNX Runtime, one
    thread. Raises ValueError as `prune_channels` and `quantize_static` do.
    """
    X = as_input(scenes.X[:1])
    made = model
    if recipe.mac_share < 1:
        made = edu.prune_channels(made, X, mac_share=recipe.mac_share, round_to=8, skip=HEADS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dish.onnx"
        if recipe.weight_bits == FLOAT_BITS:
            edu.export_onnx(made, X, path)
        else:
            made = quantize_static(
                made,
                as_input(scenes.X[:CALIBRATION]),
                weight_bits=recipe.weight_bits,
                observer=recipe.observer,
            )
            edu.export_int8(made, X, path)
        timed = edu.measure_latency(edu.onnxruntime_runner(path, X), blocks=30)
    size = len(edu.container.dumps(made, example_input=X))
    quality = evaluate_road(WholeSize(made), scenes.X, scenes.y)
    return Dish(player, recipe, timed.p50_ms, size / 1000, quality.miou)


def table_file() -> Path:
    """Where the table of this player lies."""
    kept = record.place()
    work = DATA_FOLDER.parent / "work" if kept is None else kept.parents[1]
    return work / NAME


def enter(dish: Dish, budget: Budget, path: Path | None = None) -> list[Dish]:
    """Adds the dish to the table on disk if it fits the budget; the dishes that do, smallest first.

    A player's recipe has one line, that of its last timing. A dish that does not fit is told why,
    and the table stays as it is.
    """
    path = table_file() if path is None else path
    missed = dish.misses(budget)
    stored = read_table(path)
    if missed:
        print("not on the table: " + "; ".join(missed))
        return [each for each in stored if not each.misses(budget)]
    named = (dish.player, dish.recipe)
    everything = [each for each in stored if (each.player, each.recipe) != named] + [dish]
    text = json.dumps([asdict(each) for each in everything], indent=1)
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
    table = [each for each in everything if not each.misses(budget)]
    return sorted(table, key=lambda each: each.kilobytes)


def read_table(path: Path) -> list[Dish]:
    """The dishes on disk. Raises ValueError if the file is damaged."""
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Dish(**(row | {"recipe": Recipe(**row["recipe"])})) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it to start a new table") from None


def show_table(dishes: Sequence[Dish]) -> None:
    """Prints the dishes, one a line."""
    for place, dish in enumerate(dishes, start=1):
        recipe = dish.recipe
        bits = "float" if recipe.weight_bits == FLOAT_BITS else f"{recipe.weight_bits} bits"
        print(
            f"{place}. {dish.player}: {dish.kilobytes:.0f} KB, {dish.ms:.2f} ms, mean IoU "
            f"{dish.miou:.1f} % ({100 * recipe.mac_share:.0f} % of the MACs, {bits}, "
            f"{recipe.observer})"
        )
