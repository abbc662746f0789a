"""A contact sheet: scenes over the colours of their labels."""

from collections.abc import Sequence

from PIL import Image

from edu_lib.roads.labels import colour_labels
from edu_lib.roads.render import scene

SHEET_SEEDS = (22, 17, 18, 38, 19, 26, 21, 31, 34, 36, 44, 47, 25, 40, 30, 28)
GAP = 4


def contact_sheet(
    seeds: Sequence[int] = SHEET_SEEDS,
    columns: int = 4,
    height: int = 128,
    width: int = 256,
    gap: int = GAP,
) -> Image.Image:
    """Draws one scene for each seed, image above label colours, in a grid. Returns RGB.

    Raises ValueError without seeds or columns.
    """
    if len(seeds) == 0 or columns < 1:
        raise ValueError("A contact sheet needs at least one seed and one column.")
    rows = -(-len(seeds) // columns)
    cell_width, cell_height = width + gap, 2 * height + 2 * gap
    size = (columns * cell_width - gap, rows * cell_height - 2 * gap)
    sheet = Image.new("RGB", size, "white")
    for index, seed in enumerate(seeds):
        sample = scene(seed, height, width)
        left, top = index % columns * cell_width, index // columns * cell_height
        sheet.paste(Image.fromarray(sample.image), (left, top))
        labels = Image.fromarray(colour_labels(sample.segmentation))
        sheet.paste(labels, (left, top + height))
    return sheet
