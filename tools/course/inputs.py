"""Inputs of the hidden tests: what `kit.py release` asks an answer beyond the cases of its check.

The chapter's own solution says what is right. tools/course/makers.py has a maker for each exercise.
"""

from tools.course.draw import Draw
from tools.course.makers import MAKERS, WITHOUT

CASES = 3


def inputs(key: str, seed: int) -> list[tuple]:
    """The arguments of each hidden case of an exercise; none for those in WITHOUT.

    Raises ValueError if the exercise is unknown here.
    """
    if key in WITHOUT:
        return []
    if key not in MAKERS:
        raise ValueError(f"{key}: tools/course/makers.py has no hidden inputs for this exercise.")
    draw = Draw(f"{seed} {key}")
    return [MAKERS[key](draw) for _ in range(CASES)]
