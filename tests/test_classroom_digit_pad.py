"""A drawing is prepared as MNIST's digits were, and read after every stroke."""

import numpy as np
import pytest
import torch

from classroom.digit_pad import DigitPad, as_probabilities
from classroom.drawing import EXAMPLES, normalise_drawing, rasterise


def ink_box(image):
    rows, columns = np.nonzero(image.any(1))[0], np.nonzero(image.any(0))[0]
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


def centre_of_mass(image):
    weights = image / image.sum()
    rows, columns = np.indices(image.shape)
    return (weights * rows).sum(), (weights * columns).sum()


@pytest.mark.parametrize("digit", EXAMPLES)
def test_drawing_fits_the_box_and_is_centred(digit):
    image = normalise_drawing(rasterise(EXAMPLES[digit]))
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert max(ink_box(image)) == 20
    # Whole-pixel moves leave at most half a pixel; the box of 20 can stop it earlier by a little.
    assert np.allclose(centre_of_mass(image), 14, atol=1.0)


def test_place_and_size_of_the_drawing_do_not_matter():
    strokes = EXAMPLES["3"]
    large = rasterise(strokes)
    moved = np.zeros((400, 360), dtype=np.uint8)
    moved[100:380, 60:340] = large
    assert np.array_equal(normalise_drawing(moved), normalise_drawing(large))
    doubled = np.kron(large, np.ones((2, 2), dtype=np.uint8))
    difference = normalise_drawing(doubled).astype(int) - normalise_drawing(large)
    # The box filter samples whole pixels: edges may differ by a tenth of the brightness.
    assert abs(difference).max() <= 26


def test_a_thin_line_keeps_its_proportions():
    line = np.zeros((100, 100), dtype=np.uint8)
    line[10:90, 40:44] = 255
    assert ink_box(normalise_drawing(line)) == (20, 1)


def test_empty_drawing_is_empty_and_bad_input_is_refused():
    assert not normalise_drawing(np.zeros((280, 280), dtype=np.uint8)).any()
    with pytest.raises(ValueError, match="uint8"):
        normalise_drawing(np.zeros((28, 28)))
    with pytest.raises(ValueError, match="finite"):
        rasterise([[[1, float("nan")]]])


def test_a_dot_is_drawn():
    assert rasterise([[[140, 140]]])[140, 140] == 255


def read_ink(image):
    """Reads 1 if there is little ink, else 8; remembers what it was given."""
    read_ink.given = image
    return torch.nn.functional.one_hot(torch.tensor(1 if image.sum() < 40 else 8), 10) * 9.0


def test_pad_starts_with_a_reading_and_carries_a_still():
    pad = DigitPad(read_ink)
    assert read_ink.given.shape == (1, 1, 28, 28)
    assert read_ink.given.dtype == torch.float32
    assert 0.5 < float(read_ink.given.max()) <= 1
    data, metadata = pad._repr_mimebundle_()
    assert data["text/plain"] == "DigitPad: reads 8"
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/png"]
    assert "it reads 8" in metadata["image/png"]["alt"]
    assert len(pad.seen) == 784


def test_a_new_stroke_is_read_and_an_empty_pad_is_not():
    pad = DigitPad(read_ink)
    readings = pad.reading
    pad.strokes = [[[140, 40], [140, 240]]]
    assert (pad.guess, pad.reading) == (1, readings + 1)
    assert sum(pad.probabilities) == pytest.approx(1)
    pad.strokes = []
    assert (pad.guess, pad.probabilities) == (-1, [])
    assert repr(pad) == "DigitPad: Draw a digit on the pad."


def test_an_error_of_the_reader_shows_as_text():
    pad = DigitPad(lambda image: torch.zeros(3))
    assert pad.guess == -1
    assert "ten finite numbers, got 3" in pad.status
    assert pad._repr_mimebundle_()[0]["text/plain"].startswith("DigitPad: The drawing could not")


def test_logits_and_probabilities_are_both_taken():
    logits = torch.arange(10.0)[None]
    probabilities = logits.softmax(1)
    assert as_probabilities(logits) == pytest.approx(probabilities[0].tolist())
    assert as_probabilities(probabilities) == pytest.approx(probabilities[0].tolist())


def test_unknown_example_is_refused():
    with pytest.raises(ValueError, match="no example"):
        DigitPad(read_ink, example="42")


def test_pad_fetches_nothing():
    assert "http" not in DigitPad._esm
    assert "import " not in DigitPad._esm
