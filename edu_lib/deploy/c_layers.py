"""One operation of an int8 network in C: its constants, what becomes of its sums. Chapter 09."""

from dataclasses import dataclass, field

import numpy as np

from edu_lib.deploy.arithmetic import Integers, Unrounded, fixed_point

NUMBERS_A_LINE = 20
TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int32": "int32_t", "float32": "float"}
LETTERS = ("[c]", "[row]", "[column]")


@dataclass
class Layer:
    """An operation with all that its loop needs.

    arguments: what the operation takes, activations without images. places: where activations lie
    in the arena. result: what the engine makes of them. shape: of one answer. grid: where the
    result goes; None for an answer of the network, which is a float. arrays: constants it needs,
    texts: the same in C.
    """

    name: str
    kind: str
    arguments: list
    places: list[str]
    options: dict
    result: Integers | Unrounded
    shape: tuple[int, ...] = ()
    grid: Integers | None = None
    arrays: list[np.ndarray] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def X(self) -> Integers:
        """The first activation."""
        return self.arguments[0]

    @property
    def activations(self) -> list[Integers]:
        """Those arguments that lie in the arena."""
        return self.arguments[: len(self.places)]

    @property
    def y(self) -> str:
        """The element of the result that the loop is at."""
        if self.grid:
            return "y" + "".join(LETTERS[: len(self.shape)])
        _, rows, columns = as_map(self.shape)
        return f"answer[(c * {rows} + row) * {columns} + column]" if self.shape[1:] else "answer[c]"

    def array(self, kind: str, values: np.ndarray) -> str:
        """Adds a constant array; returns its name in C."""
        name, sizes = f"{kind}_{self.name}", "".join(f"[{size}]" for size in values.shape)
        head = f"static const {TYPES[str(values.dtype)]} {name}{sizes}"
        self.arrays.append(values)
        self.texts.append(f"{head} = {braces(values)};")
        return name

    def factor(self, kind: str, values: np.ndarray) -> str:
        """What the sum at a place is multiplied by: a number, or an element of an array."""
        values = np.asarray(values)
        if values.size == 1:
            return literal(values.ravel()[0])
        letters = zip(LETTERS, as_map(values.shape[-3:]), strict=True)
        place = "".join(letter for letter, size in letters if size > 1)
        return self.array(kind, values.squeeze()) + place

    def finish(self) -> str:
        """From `sum` to the result: onto the grid of the next layer, or out as a float."""
        if not self.grid:
            scale = self.factor("scale", np.float32(self.result.parts[0].scale))
            value = f"(float)sum * {scale}"
            for word, end in (("at_least", self.result.low), ("at_most", self.result.high)):
                if np.isfinite(end):
                    value = f"{word}({literal(np.float32(end))}, {value})"
            return f"{self.y} = {value};"
        mantissa, shift = fixed_point(self.result.ratio(self.grid.scale))
        mantissa = self.factor("mantissa", mantissa.astype(np.int32))
        shift = self.factor("shift", shift.astype(np.uint8))
        zero = self.grid.zero_point
        low, high = self.result.ends(self.grid.scale, zero)
        return f"{self.y} = requantize(sum, {mantissa}, {shift}, {zero}, {low}, {high});"


def as_map(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, rows, columns); a vector has one row and one column."""
    return (*shape, 1, 1)[:3] if len(shape) < 3 else shape


def by(shape: tuple[int, ...]) -> str:
    """6 x 28 x 28."""
    return " x ".join(map(str, shape))


def plus(text: str, number: int, sign: str = "+") -> str:
    """text + number, or the text alone for 0."""
    return f"{text} {sign} {number}" if number else text


def times(text: str, number: int) -> str:
    """number * text, or the text alone for 1."""
    return text if number == 1 else f"{number} * {text}"


def braces(values: np.ndarray) -> str:
    """An array as C writes it, at most twenty numbers a line."""
    if values.ndim > 1:
        return "{" + ",\n".join(braces(row) for row in values) + "}"
    numbers = [literal(value) for value in values]
    lines = [numbers[i : i + NUMBERS_A_LINE] for i in range(0, len(numbers), NUMBERS_A_LINE)]
    return "{" + ",\n".join(", ".join(line) for line in lines) + "}"


def literal(value: np.generic) -> str:
    """A number in C. Nine digits tell every float32 from its neighbours."""
    if not isinstance(value, np.floating):
        return str(int(value))
    digits = f"{value:.9g}"
    return (digits if set(".e") & set(digits) else digits + ".0") + "f"


def pointer(name: str, shape: tuple[int, ...]) -> str:
    """A pointer to the first channel of a map, or to the first number of a vector."""
    inner = "".join(f"[{size}]" for size in shape[1:])
    return f"(*{name}){inner}" if inner else f"*{name}"
