"""The devices of a class on one figure, from the results that the phone pages gave.

    python3 kit.py devices FOLDER [FIGURE.png]

FOLDER holds JSON files of `kit.py phone`'s page, one for each device, the laptop's among them.
"""

import json
import sys
from pathlib import Path

from classroom.plots import BUDGET, FRAME_BUDGET_MS, colour, new_figure
from edu_lib.files import replacing

NEEDED = ("model", "p50_ms", "p90_ms", "device")
MARKS = ("iPhone", "iPad", "Android", "CrOS", "Windows", "Macintosh", "Linux")


def read(folder: str | Path) -> list[dict]:
    """The results, fastest first. Raises ValueError if there is none, or naming a damaged file."""
    results = []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            missing = [key for key in NEEDED if key not in row]
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is no result of a phone page: {error}") from None
        if missing or not isinstance(row["p50_ms"], int | float) or row["p50_ms"] <= 0:
            raise ValueError(f"{path} is no result of a phone page: {missing or 'p50_ms'} is wrong")
        results.append({**row, "file": path.stem})
    if not results:
        raise ValueError(f"{folder} holds no .json file: save what the phone pages show there")
    return sorted(results, key=lambda row: (row["model"], row["p50_ms"]))


def name_of(row: dict) -> str:
    """The device and its browser's kind of system, in a few words."""
    system = next((mark for mark in MARKS if mark in row["device"]), "device")
    return f"{row['file']} ({system}), {row['model']}"


def draw(results: list[dict], path: str | Path) -> Path:
    """One bar a device, milliseconds an image on a log axis, beside the frame budget."""
    figure = new_figure(7.6, 1.2 + 0.4 * len(results))
    axes = figure.subplots()
    places = range(len(results))[::-1]
    times = [row["p50_ms"] for row in results]
    axes.barh(places, times, color=colour("compressed"))
    for place, ms in zip(places, times, strict=True):
        axes.text(ms, place, f" {ms:.3g} ms, {1000 / ms:.0f} a second", va="center", fontsize=9)
    axes.axvline(FRAME_BUDGET_MS, color=BUDGET, linestyle="--")
    axes.set_yticks(list(places), [name_of(row) for row in results], fontsize=9)
    axes.set_xscale("log")
    axes.set_xlim(min(*times, 1) / 2, 8 * max(*times, FRAME_BUDGET_MS))
    axes.set_xlabel("milliseconds an image (dashed: the budget of 30 frames a second)")
    with replacing(path) as partial:
        figure.savefig(partial, format="png")
    return Path(path)


def main(words: list[str]) -> int:
    """The command; returns its exit code."""
    if not 1 <= len(words) <= 2:
        print("Give the folder with the results: kit.py devices FOLDER [FIGURE.png]")
        return 2
    try:
        results = read(words[0])
        path = draw(results, words[1] if len(words) == 2 else Path(words[0]) / "devices.png")
    except (OSError, ValueError) as error:
        print(error)
        return 1
    print(f"{path}: {len(results)} devices.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
