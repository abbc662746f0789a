"""One palette and one look for every figure of the kit. Used from chapter 00 on."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as MplFigure

FP32 = "#5B7C99"
COMPRESSED = "#DD7632"
BUDGET = "#C0392B"
GOOD = "#1F5C5A"
ACCENT = "#6B4B8B"
INK = "#2B2D33"
MUTED = "#8A8F98"
GRID = "#E3E6EA"

COLOURS = {"fp32": FP32, "compressed": COMPRESSED, "good": GOOD, "accent": ACCENT, "muted": MUTED}

# Thirty frames per second leave 1000 / 30 = 33.3 ms for each frame.
FRAMES_PER_SECOND = 30
FRAME_BUDGET_MS = 1000 / FRAMES_PER_SECOND

# Negative values orange, zero white, positive values blue: safe for colour-blind readers.
SIGNED = LinearSegmentedColormap.from_list("signed", [COMPRESSED, "#FFFFFF", FP32])

HOUSE_STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(color=[FP32, COMPRESSED, GOOD, ACCENT, MUTED]),
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
}


def use_house_style() -> None:
    """Set matplotlib's rcParams to the kit's look, for figures a chapter draws by itself."""
    mpl.rcParams.update(HOUSE_STYLE)


def new_figure(width: float, height: float) -> MplFigure:
    """Empty figure of `width` x `height` inches, which pyplot does not know and never shows twice.

    Raises ValueError unless both are positive.
    """
    if width <= 0 or height <= 0:
        raise ValueError(f"A figure needs a positive size in inches, got {width} x {height}.")
    return MplFigure(figsize=(width, height), layout="constrained", dpi=100)


def colour(key: str) -> str:
    """Hex colour of a palette key such as 'fp32' or 'compressed'. Raises ValueError if unknown."""
    if key not in COLOURS:
        raise ValueError(f"Unknown colour key {key!r}: use one of {', '.join(COLOURS)}.")
    return COLOURS[key]


def picture_axes(axes: Axes) -> None:
    """Switch off ticks, grid and frame of an axes that shows a picture."""
    axes.set_axis_off()
    axes.grid(visible=False)
