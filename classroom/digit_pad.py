"""A pad to draw a digit on, which a network reads after every stroke. Used in chapter 00."""

import base64
from collections.abc import Callable
from pathlib import Path

import anywidget
import matplotlib as mpl
import torch
import traitlets
from torch import Tensor

from classroom.drawing import EXAMPLES, PEN_WIDTH, normalise_drawing, rasterise
from classroom.plots.figure import Figure, image_html
from classroom.plots.style import COMPRESSED, FP32, HOUSE_STYLE, new_figure, picture_axes

HERE = Path(__file__).parent
NUM_DIGITS = 10


class DigitPad(anywidget.AnyWidget):
    """Draw a digit with mouse, finger, pen or keyboard; `read` is asked after each stroke.

    read: takes the drawing as float32 [1, 1, 28, 28] in [0, 1], prepared as MNIST's digits were,
    and returns ten logits or probabilities, [10] or [1, 10]: the largest is the digit it reads.
    An error of `read` shows as text.
    It starts with an example drawing, already read, so that a static page shows a reading.
    """

    _esm = (HERE / "digit_pad.js").read_text(encoding="utf-8")
    _css = (HERE / "digit_pad.css").read_text(encoding="utf-8")
    strokes = traitlets.List().tag(sync=True)
    examples = traitlets.Dict().tag(sync=True)
    pen_width = traitlets.Int(PEN_WIDTH).tag(sync=True)
    guess = traitlets.Int(-1).tag(sync=True)
    probabilities = traitlets.List(traitlets.Float()).tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)
    seen = traitlets.Bytes().tag(sync=True)
    reading = traitlets.Int(0).tag(sync=True)

    def __init__(self, read: Callable[[Tensor], Tensor], example: str = "3"):
        if example not in EXAMPLES:
            raise ValueError(f"There is no example {example!r}: use one of {', '.join(EXAMPLES)}.")
        super().__init__(strokes=EXAMPLES[example], examples=EXAMPLES)
        self._read = read
        self._read_drawing()
        self.observe(self._read_drawing, "strokes")

    @property
    def image(self) -> Tensor:
        """The drawing as the network sees it: float32 [1, 1, 28, 28] in [0, 1]."""
        digit = torch.from_numpy(normalise_drawing(rasterise(self.strokes)).copy())
        return digit.reshape(1, 1, 28, 28).to(torch.float32) / 255

    def _read_drawing(self, _change=None) -> None:
        guess, probabilities = -1, []
        image = torch.zeros(1, 1, 28, 28)
        try:
            image = self.image
            if not image.any():
                status = "Draw a digit on the pad."
            else:
                with torch.no_grad():
                    probabilities = as_probabilities(self._read(image))
                guess = max(range(NUM_DIGITS), key=probabilities.__getitem__)
                status = f"The network reads {guess}."
        except Exception as error:
            status = f"The drawing could not be read. {type(error).__name__}: {error}"
        with self.hold_sync():
            self.guess, self.probabilities, self.status = guess, probabilities, status
            self.seen = (image * 255).round().to(torch.uint8).numpy().tobytes()
            self.reading += 1

    def __repr__(self) -> str:
        if self.guess >= 0:
            return f"DigitPad: reads {self.guess}"
        return f"DigitPad: {self.status}"

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        data = dict(bundle[0] if isinstance(bundle, tuple) else bundle)
        still = draw_reading(self.image, self.probabilities, self.guess)
        data["text/plain"] = repr(self)
        data["text/html"] = image_html(still.png, still.alt)
        data["image/png"] = base64.b64encode(still.png).decode()
        return data, {"image/png": {"alt": still.alt}}


def as_probabilities(output: Tensor) -> list[float]:
    """Ten probabilities from what a network gives: logits pass through a softmax.

    Raises ValueError unless there are ten finite numbers.
    """
    numbers = torch.as_tensor(output).detach().cpu().to(torch.float64).flatten()
    if numbers.numel() != NUM_DIGITS or not numbers.isfinite().all():
        raise ValueError(f"The reader must return ten finite numbers, got {numbers.numel()}.")
    if not ((numbers >= 0).all() and abs(float(numbers.sum()) - 1) < 1e-3):
        numbers = numbers.softmax(0)
    return numbers.tolist()


@mpl.rc_context(HOUSE_STYLE)
def draw_reading(image: Tensor, probabilities: list[float], guess: int) -> Figure:
    """Still picture of a reading: the drawing, and a bar for each digit."""
    figure = new_figure(6.2, 2.7)
    picture, bars = figure.subplots(1, 2, width_ratios=[1, 1.5])
    picture.imshow(image[0, 0].numpy(), cmap="gray", vmin=0, vmax=1)
    picture_axes(picture)
    picture.set_title("what the network sees")
    percents = [100 * p for p in probabilities] or [0.0] * NUM_DIGITS
    colours = [COMPRESSED if digit == guess else FP32 for digit in range(NUM_DIGITS)]
    bars.bar(range(NUM_DIGITS), percents, color=colours)
    bars.set(xlabel="digit", ylabel="probability (%)", ylim=(0, 105))
    bars.set_xticks(range(NUM_DIGITS))
    bars.grid(visible=False, axis="x")
    reads = f"it reads {guess}" if guess >= 0 else "nothing read"
    bars.set_title(reads)
    return Figure(figure, f"A hand-drawn digit of 28 x 28 pixels; {reads}.")
