"""The final network on drives: collision warnings scored, and the animation of the README.

    python3 -m studies.thirty_frames_drive

Reads the shipped file, data/weights/thirty_frames.30f, in ONNX Runtime, one thread. Writes
data/results/thirty_frames_drive.json and docs/ar_drive.gif. About two minutes of one core, nearly
all of it to draw the scenes. The roads are synthetic.
"""

import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import edu_lib as edu
import roads
from classroom.ar_drive import ArFrame, ar_drive
from classroom.ar_score import WarningScore, score_warnings
from classroom.final_network import RoadEyes, final_network, one_scene
from edu_lib.files import DATA_FOLDER, write_whole
from studies import frame

NAME = "thirty_frames_drive"
FPS = 10.0
CLOSING = {"seconds": 6.0, "pace": 0.5}  # behind vehicles of half the car's speed
STEADY = {"seconds": 12.0, "pace": 1.0}
DRIVES, FIRST_SEED = 8, 8_100_000
PLACES = ("city", "suburb", "highway", "rural")
SHOWN = {"seed": 8_200_011, "seconds": 4.0, "place": "city", "weather": "clear", "pace": 0.5}
PICTURE = DATA_FOLDER.parent / "docs" / "ar_drive.gif"
COLOURS, MOST_BYTES = 64, 1_500_000


def drives(manner: dict) -> list[dict]:
    """Arguments of `roads.drive` for every drive of that manner, each place in turn."""
    return [
        {"seed": FIRST_SEED + at, "place": PLACES[at % len(PLACES)], "fps": FPS} | manner
        for at in range(DRIVES)
    ]


def scored(network: Callable, manner: dict) -> tuple[WarningScore, list[float]]:
    """The warnings on all drives of a manner, and the seconds of each frame."""
    scores, seconds = [], []
    for arguments in drives(manner):
        samples = list(roads.drive(**arguments))
        frames = list(ar_drive(samples, network, FPS))
        scores.append(score_warnings(frames, samples, FPS))
        seconds += [each.seconds for each in frames]
        print(arguments, scores[-1], flush=True)
    return sum(scores[1:], scores[0]), seconds


def animation(frames: Sequence[ArFrame]) -> bytes:
    """The frames as a GIF that repeats. Raises ValueError if it is larger than 1.5 MB."""
    pictures = [
        Image.fromarray(each.picture).quantize(COLOURS, dither=Image.Dither.NONE) for each in frames
    ]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=round(1000 / FPS), loop=0
    )
    if buffer.tell() > MOST_BYTES:
        raise ValueError(f"the animation has {buffer.tell():,} bytes: show fewer frames")
    return buffer.getvalue()


def figures_of(score: WarningScore) -> dict:
    """For the result file."""
    return {
        "collisions": score.collisions,
        "warned_in_time": score.in_time,
        "false_alarms": score.false_alarms,
        "undecided": score.undecided,
        "minutes": 60 * score.hours,
        "false_alarms_per_hour": score.false_alarms_per_hour,
    }


def measure() -> dict:
    """Both manners of driving, and the animation."""
    with tempfile.TemporaryDirectory() as folder:
        path = edu.export_int8(final_network(), one_scene(), Path(folder) / "final.onnx")
        eyes = RoadEyes(path)
        closing, seconds = scored(eyes, CLOSING)
        steady, more = scored(eyes, STEADY)
        shown = list(ar_drive(roads.drive(fps=FPS, **SHOWN), eyes, FPS))
    content = animation(shown)
    write_whole(PICTURE, lambda part: part.write_bytes(content))
    return {
        "fps": FPS,
        "drives": DRIVES,
        "closing": figures_of(closing),
        "steady": figures_of(steady),
        "one_more_per_hour": 1 / steady.hours,
        "pipeline_ms": 1e3 * float(np.median(seconds + more)),
        "pipeline_fps": 1 / float(np.median(seconds + more)),
    }


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
