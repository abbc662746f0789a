"""The devices of a class on one figure, from the results that the phone pages gave.

    python3 kit.py devices FOLDER [FIGURE.png]

FOLDER holds JSON files of `kit.py phone`'s page, one for each device, the laptop's among them. A
page made with --gpu gives a bar for each form: processor in int8, processor in floats, GPU.
"""

import json
import math
import re
import sys
from pathlib import Path

from classroom.plots import BUDGET, FRAME_BUDGET_MS, colour, new_figure
from edu_lib.files import replacing

MOST_BYTES, MOST_LETTERS, MOST_MS = 100_000, 1_000, 1e7
MARKS = ("iPhone", "iPad", "Android", "CrOS", "Windows", "Macintosh", "Linux")
LONGEST_NAME = 30
ROOM = 100  # times the longest bar, for what is written behind it
INT8, FLOATS, GPU = "processor, int8", "processor, floats", "GPU, floats"
SOFTWARE = "software as GPU, floats"
# of each form: (colour, hatch)
LOOKS = {
    "": ("compressed", None),
    INT8: ("compressed", None),
    FLOATS: ("fp32", None),
    GPU: ("accent", None),
    SOFTWARE: ("muted", "///"),
}
MORE_ROWS = {"cpu_fp32": FLOATS, "gpu_fp32": GPU, "software_fp32": SOFTWARE}
# adapters that compute on the processor; the page knows the same names
SOFTWARE_NAMES = re.compile("swiftshader|llvmpipe|lavapipe|software|basic render|warp", re.I)
NO_GPU = {  # what a page says instead of a time
    "wrong": "the GPU's answers were wrong",
    "no WebGPU": "the browser had no WebGPU",
    "no JSPI": "the browser had no JSPI",
    "no adapter": "the browser found no GPU",
    "stopped": "the GPU stopped",
}


def read(folder: str | Path) -> list[dict]:
    """The rows of all results, fastest first: file, form, model, device, p50_ms, p90_ms, no_gpu.

    Raises ValueError if there is no result, or naming a file that is none: also one whose GPU was
    not compared, or is software.
    """
    rows = []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            if path.stat().st_size > MOST_BYTES:
                raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
            rows += rows_of(json.loads(path.read_text(encoding="utf-8")), path.stem)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is no result of a phone page: {error}") from None
    if not rows:
        raise ValueError(f"{folder} holds no .json file: save what the phone pages show there")
    return sorted(rows, key=lambda row: (row["model"], row["p50_ms"]))


def rows_of(result: dict, file: str) -> list[dict]:
    """The processor's row, and those that a page with --gpu adds. Raises ValueError naming a key.

    Only what is known and checked is taken over.
    """
    if not isinstance(result, dict):
        raise ValueError("it is no object")
    shared = {key: _text(result, key) for key in ("model", "device")}
    form = {"int8": INT8, "floats": FLOATS}.get(result.get("form"), "")
    no_gpu = NO_GPU.get(str(result.get("no_gpu")))
    rows = [{**shared, **_times(result), "file": file, "form": form, "no_gpu": no_gpu}]
    for key, form in MORE_ROWS.items():
        if key in result:
            more = result[key]
            if not isinstance(more, dict):
                raise ValueError(f"{key!r} is wrong")
            row = {**shared, **_times(more), "file": file, "form": form, "no_gpu": None}
            if form in (GPU, SOFTWARE):
                row["adapter"] = _adapter(more, form)
            rows.append(row)
    return rows


def _adapter(more: dict, form: str) -> str:
    """The name of an adapter that gave right answers, and is what the file says it is."""
    name = _text(more, "adapter")
    if not 0 <= _number(more, "off") <= 1:  # of what rounding can move
        raise ValueError("its GPU's answers are not the processor's")
    if form == GPU and SOFTWARE_NAMES.search(name):
        raise ValueError(f"{name} is no GPU: its time is the processor's")
    return name


def _times(result: dict) -> dict[str, float]:
    times = {key: _number(result, key) for key in ("p50_ms", "p90_ms")}
    for key, ms in times.items():
        if not 0 < ms < MOST_MS:
            raise ValueError(f"{key!r} is wrong")
    return times


def _number(result: dict, key: str) -> float:
    value = result.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise ValueError(f"{key!r} is no number")
    return value


def _text(result: dict, key: str) -> str:
    """A line of letters that may be shown: no control characters."""
    value = result.get(key)
    if not isinstance(value, str) or not value.isprintable() or len(value) > MOST_LETTERS:
        raise ValueError(f"{key!r} is no line of text")
    return value


def name_of(row: dict, with_model: bool) -> str:
    """The device and its browser's kind of system, what computed, and the network, in few words."""
    system = next((mark for mark in MARKS if mark in row["device"]), "device")
    words = [f"{row['file'][:LONGEST_NAME]} ({system})", row["form"]]
    if with_model:
        words.append(row["model"][:LONGEST_NAME])
    return ", ".join(filter(None, words)).replace("$", r"\$")  # a name from outside is no formula


def draw(rows: list[dict], path: str | Path) -> Path:
    """One bar a row, milliseconds an image on a log axis, beside the frame budget.

    What software computed in place of a GPU is hatched grey.
    """
    figure = new_figure(7.6, 1.2 + 0.4 * len(rows))
    axes = figure.subplots()
    places = range(len(rows))[::-1]
    times = [row["p50_ms"] for row in rows]
    for place, row in zip(places, rows, strict=True):
        shade, hatch = LOOKS[row["form"]]
        axes.barh(place, row["p50_ms"], color=colour(shade), hatch=hatch, edgecolor="white")
    axes.axvline(FRAME_BUDGET_MS, color=BUDGET, linestyle="--", zorder=0.5)
    for place, ms in zip(places, times, strict=True):
        axes.annotate(f"{ms:.3g} ms, {1000 / ms:.3g} a second", (ms, place), (4, 0),
                      textcoords="offset points", va="center", fontsize=9,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})  # fmt: skip
    models = {row["model"] for row in rows}
    axes.set_yticks(list(places), [name_of(row, len(models) > 1) for row in rows], fontsize=9)
    axes.set_xscale("log")
    axes.set_xlim(min(*times, 1) / 2, ROOM * max(*times, FRAME_BUDGET_MS))
    axes.set_xlabel("milliseconds an image\n(dashed: the budget of 30 a second)")
    if len(models) == 1:
        axes.set_title(rows[0]["model"][:LONGEST_NAME].replace("$", r"\$"), loc="left")
    with replacing(path) as partial:
        figure.savefig(partial, format="png")
    return Path(path)


def main(words: list[str]) -> int:
    """The command; returns its exit code."""
    if not 1 <= len(words) <= 2:
        print("Give the folder with the results: kit.py devices FOLDER [FIGURE.png]")
        return 2
    try:
        rows = read(words[0])
        path = draw(rows, words[1] if len(words) == 2 else Path(words[0]) / "devices.png")
    except (OSError, ValueError) as error:
        print(error)
        return 1
    print(f"{path}: {len({row['file'] for row in rows})} devices.")
    for row in rows:
        if row["no_gpu"]:
            print(f"{row['file']} has no bar of a GPU: {row['no_gpu']}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
