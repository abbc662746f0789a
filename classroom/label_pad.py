"""A pad to label one road scene on by hand, timed, against its true labels. Used in chapter 04."""

import base64
import io
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from classroom.labelling import UNLABELLED, LabelScore, check_labels, score_labels
from classroom.plots.figure import image_html
from classroom.plots.style import INK, MUTED
from roads.labels import CLASSES, PALETTE, RoadSample, colour_labels
from roads.render import scene

HERE = Path(__file__).parent
SCRIPTS = ("label_paint.js", "label_view.js", "label_input.js", "label_pad.js")  # one module
JPEG_QUALITY = 88
LEGEND_WIDTH = 150  # of the still picture, as are the next three
ROW = 26
COLOURS = 96
OPACITY = 0.6


class LabelPad(anywidget.AnyWidget):
    """Paint classes over a road scene: brush, polygon, fill; mouse, finger, pen or keyboard.

    sample: the scene to label; seed: makes one of 256x512 pixels where no sample is given.
    The clock starts with the first mark and stops at "Done", which shows the IoU of every class.
    The true labels reach the page only then. `labels`, `result` and `seconds` hold what was done;
    `label` does by program what a person does by hand.
    """

    _esm = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    _css = (HERE / "label_pad.css").read_text(encoding="utf-8")
    image = traitlets.Bytes().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    classes = traitlets.List().tag(sync=True)
    palette = traitlets.List().tag(sync=True)
    # from the page bytes come as a memoryview, which Bytes would refuse
    painted = traitlets.Bytes().tag(sync=True, from_json=lambda value, _: bytes(value))
    seconds = traitlets.Float(0.0).tag(sync=True)
    finished = traitlets.Bool(False).tag(sync=True)
    shown_truth = traitlets.Bytes().tag(sync=True)
    report = traitlets.Dict().tag(sync=True)

    def __init__(self, sample: RoadSample | None = None, seed: int = 22):
        sample = scene(seed, 256, 512) if sample is None else sample
        self.truth = sample.segmentation
        self.result: LabelScore | None = None
        height, width = self.truth.shape
        super().__init__(
            image=_jpeg(sample.image),
            height=height,
            width=width,
            classes=list(CLASSES),
            palette=PALETTE.tolist(),
        )
        self.observe(self._judge, "finished")

    @property
    def labels(self) -> np.ndarray:
        """What has been painted so far: uint8 [H, W], 255 where nothing is."""
        if not self.painted:
            return np.full((self.height, self.width), UNLABELLED, np.uint8)
        return np.frombuffer(self.painted, np.uint8).reshape(self.height, self.width).copy()

    def label(self, labels: np.ndarray, seconds: float) -> LabelScore:
        """Put these labels on the pad, as if painted in `seconds`, press Done; the score.

        labels: [H, W], indices into CLASSES, 255 for none. Raises ValueError as `score` does.
        """
        score = self.score(labels, seconds)
        self.finished = False
        self.painted = check_labels(labels, self.truth.shape).tobytes()
        self.seconds = score.seconds
        self.finished = True
        return score

    def score(self, labels: np.ndarray, seconds: float) -> LabelScore:
        """The score of any labels for this scene; the pad stays as it is.

        Raises ValueError if the labels have another shape or are no classes, or seconds < 0.
        """
        return score_labels(labels, self.truth, seconds)

    def _judge(self, _change) -> None:
        """Score what is painted when Done is pressed; hide the truth when it begins anew."""
        if not self.finished:
            self.result, self.report, self.shown_truth = None, {}, b""
            return
        self.result = self.score(self.labels, self.seconds)
        with self.hold_sync():
            self.shown_truth = self.truth.tobytes()
            self.report = {
                "ious": self.result.ious,
                "miou": self.result.miou,
                "unlabelled": self.result.unlabelled,
            }

    def __repr__(self) -> str:
        size = f"{self.height} x {self.width} pixels"
        return f"LabelPad: a road scene of {size}, " + ("labelled" if self.finished else "to label")

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        data = dict(bundle[0] if isinstance(bundle, tuple) else bundle)
        png, alt = draw_still(self.image, self.labels, self.finished)
        data["text/plain"] = repr(self)
        data["text/html"] = image_html(png, alt)
        data["image/png"] = base64.b64encode(png).decode()
        return data, {"image/png": {"alt": alt}}


def _jpeg(image: np.ndarray) -> bytes:
    """The image uint8 [H, W, 3] as JPEG: the state of the widget is part of the notebook."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="jpeg", quality=JPEG_QUALITY)
    return buffer.getvalue()


def draw_still(jpeg: bytes, labels: np.ndarray, finished: bool) -> tuple[bytes, str]:
    """(PNG, alt text) for pages where no kernel runs: the scene under its labels, and the classes.

    jpeg: the scene. labels: uint8 [H, W], 255 where nothing is painted.
    """
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    painted = labels != UNLABELLED
    cover = Image.fromarray((painted * 255 * OPACITY).astype(np.uint8))
    picture.paste(Image.fromarray(colour_labels(labels)), (0, 0), cover)
    picture = picture.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")  # a small file
    height = max(picture.height, ROW * len(CLASSES) + 14)
    still = Image.new("RGB", (picture.width + LEGEND_WIDTH, height), "white")
    still.paste(picture, (0, 0))
    pen = ImageDraw.Draw(still)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 14)
    for row, (name, colour) in enumerate(zip(CLASSES, PALETTE.tolist(), strict=True)):
        left, top = picture.width + 16, 8 + row * ROW
        pen.rectangle((left, top, left + 18, top + 18), fill=tuple(colour), outline=MUTED)
        pen.text((left + 28, top), f"{row + 1} {name}", fill=INK, font=font)
    buffer = io.BytesIO()
    still.quantize(256, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    share = 100 * float(painted.mean())
    state = f"labelled by hand, {share:.0f} % of its pixels" if finished else "to be labelled"
    return buffer.getvalue(), (
        f"A road scene {state}, and the nine classes with their colours: {', '.join(CLASSES)}."
    )
