"""The learner's own camera, or a picture from a file, read by a network at once. Chapter 13."""

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import anywidget
import matplotlib as mpl
import traitlets
from PIL import Image

from classroom.photographs import centre, photograph, read_picture
from classroom.plots.figure import Figure, image_html
from classroom.plots.style import COMPRESSED, FP32, HOUSE_STYLE, new_figure, picture_axes

HERE = Path(__file__).parent
SHOWN = 5
LARGEST_PICTURE = 4_000_000  # bytes of the JPEG that a page may send
Guesses = Sequence[tuple[str, float]]


class Webcam(anywidget.AnyWidget):
    """Take a picture with the camera, or open one from a file; `read` says what it shows.

    read: from a square RGB picture of 224x224 (PIL) to [(what, percent), ...], the best first. An
    error of `read` shows as text. example: a photograph of the kit that is read at the start, so
    that a static page shows a reading.
    The page sends the picture to the kernel, which runs where the lab was started, and to nobody
    else; it is written to no file and not into the notebook. `picture` is the last one.
    """

    _esm = (HERE / "webcam.js").read_text(encoding="utf-8")
    _css = (HERE / "webcam.css").read_text(encoding="utf-8")
    guesses = traitlets.List().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)
    reading = traitlets.Int(0).tag(sync=True)

    def __init__(self, read: Callable[[Image.Image], Guesses], example: str = "chelsea"):
        super().__init__()
        self._read, self._example = read, example
        self.picture = centre(photograph(example))
        self._read_picture("The kit's photograph")
        self._still = draw_reading(self.picture, self.guesses, example)
        self._first = self.guesses[0][0] if self.guesses else self.status
        # not a synced trait: those are saved with the notebook
        self.on_msg(lambda _, content, buffers: self._receive(content, buffers))

    def _receive(self, content: dict, buffers: list) -> None:
        """A picture from the page: {"kind": "picture"} and its JPEG."""
        if content.get("kind") != "picture" or len(buffers) != 1:
            return
        jpeg = bytes(buffers[0])
        try:
            if len(jpeg) > LARGEST_PICTURE:
                raise ValueError(f"the picture has more than {LARGEST_PICTURE:,} bytes")
            self.picture = centre(read_picture(io.BytesIO(jpeg), "what the page sent"))
        except ValueError as error:
            self._tell([], f"{error}.")
        else:
            self._read_picture("Your picture")

    def _read_picture(self, whose: str) -> None:
        try:
            found = [(str(what), float(share)) for what, share in self._read(self.picture)][:SHOWN]
        except Exception as error:  # the learner's function may raise anything
            self._tell([], f"The picture could not be read. {type(error).__name__}: {error}")
        else:
            said = f"{whose} is read as {found[0][0]}." if found else f"{whose} is read as nothing."
            self._tell([list(each) for each in found], said)

    def _tell(self, guesses: list, status: str) -> None:
        with self.hold_sync():
            self.guesses, self.status = guesses, status
            self.reading += 1

    def __repr__(self) -> str:
        return f"Webcam: {self._example} is read as {self._first}"

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        # the still is of the kit's photograph, whatever was taken since: it stays in the notebook
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        data = dict(bundle[0] if isinstance(bundle, tuple) else bundle)
        data["text/plain"] = repr(self)
        data["text/html"] = image_html(self._still.png, self._still.alt)
        data["image/png"] = base64.b64encode(self._still.png).decode()
        return data, {"image/png": {"alt": self._still.alt}}


@mpl.rc_context(HOUSE_STYLE)
def draw_reading(picture: Image.Image, guesses: Guesses, name: str) -> Figure:
    """Still picture of a reading: the photograph, and a bar for each guess in percent."""
    figure = new_figure(6.2, 2.4)
    shown, bars = figure.subplots(1, 2, width_ratios=[1, 1.3])
    shown.imshow(picture)
    picture_axes(shown)
    shown.set_title("what the network sees")
    places = range(len(guesses))
    bars.barh(places, [share for _, share in guesses], color=[COMPRESSED, *[FP32] * SHOWN])
    bars.set(xlabel="probability (%)", ylabel="guesses", xlim=(0, 100), yticks=places)
    bars.set_yticklabels([what for what, _ in guesses])
    bars.invert_yaxis()
    bars.grid(visible=False, axis="y")
    first = f"is read as {guesses[0][0]}" if guesses else "was not read"
    return Figure(figure, f"The photograph {name}, which {first}; with a camera, your own picture.")
