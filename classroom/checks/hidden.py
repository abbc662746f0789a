"""Hidden cases of a course: inputs that the learner does not see, answered by a reference.

The chapter's own solution is the reference, and the inputs are drawn with a seed that the teacher
keeps (`kit.py release`). A hint of a hidden case says that it failed, and never which one it was.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from classroom.checks.compare import is_close, tensor_fault
from classroom.checks.guard import AnswerRaised, Watched, copied

HINT = (
    "the cases that you see pass, and a hidden one does not: try your function on other inputs,"
    " also small and uneven ones."
)
RELATIVE = 1e-5
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Hidden:
    """Hidden cases of one exercise. inputs: the arguments of each call of the reference."""

    reference: Callable
    inputs: Sequence[tuple]

    def cases(self, watched: Watched) -> Iterator[tuple[bool, str]]:
        """(passed, hint) of each hidden input, for an answer."""
        watched.hide_inputs()
        for arguments in self.inputs:
            expected = self.reference(*copied(tuple(arguments)))
            try:
                answer = watched(*arguments)
            except AnswerRaised:
                yield False, HINT
                continue
            yield agree(answer, expected), HINT


def agree(answer: Any, expected: Any) -> bool:
    """Whether an answer says what the reference says, in any of the forms that a check accepts.

    A pair may be a tuple, a list or an array; a number may be a tensor of one value.
    """
    if expected is None or isinstance(expected, str):
        return type(answer) is type(expected) and answer == expected
    if isinstance(expected, dict):
        same_keys = isinstance(answer, dict) and answer.keys() == expected.keys()
        return same_keys and all(agree(answer[key], expected[key]) for key in expected)
    if isinstance(expected, tuple | list):
        if isinstance(answer, Tensor | np.ndarray):
            answer = answer.tolist()
        if not isinstance(answer, tuple | list) or len(answer) != len(expected):
            return False
        return all(map(agree, answer, expected))
    if isinstance(expected, Tensor) and expected.ndim:
        return not tensor_fault(answer, expected, TOLERANCE)
    return is_close(answer, float(expected), RELATIVE)
