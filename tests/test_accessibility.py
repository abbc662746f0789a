"""What a reader needs who does not see, sees colours otherwise, or has no mouse."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from classroom.plots import style
from tools import browser

needs_chromium = pytest.mark.skipif(browser.path() is None, reason="there is no Chromium")

# Machado, Oliveira, Fernandes 2009, "A physiologically-based model for simulation of color vision
# deficiency", table 1, severity 1.0; on linear RGB
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = TO_XYZ @ np.ones(3)
JUST_TOLD_APART = 2.3  # CIE76 (Sharma 2003, section 1.7)
LEAST = 5 * JUST_TOLD_APART  # of two lines that nothing but their colour tells apart


def linear(colour):
    """sRGB to linear RGB (IEC 61966-2-1)."""
    values = np.array(to_rgb(colour))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of a linear RGB colour."""
    ratio = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(first, second, eyes):
    return float(np.linalg.norm(lab(eyes @ linear(first)) - lab(eyes @ linear(second))))


def contrast(first, second):
    """The contrast ratio of WCAG 2.2, 1.4.3."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    light, dark = sorted((weights @ linear(first), weights @ linear(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_simulation_makes_red_and_green_alike():
    red, green = "#d06060", "#909030"
    alike = difference(red, green, SEEN_BY["deuteranopia"])
    assert alike < difference(red, green, SEEN_BY["everybody"]) / 2
    assert difference("#ffffff", "#ffffff", SEEN_BY["protanopia"]) == 0


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_the_colours_of_the_house_are_told_apart_by_all_eyes(eyes):
    colours = {name: style.colour(name) for name in style.COLOURS} | {"budget": style.BUDGET}
    close = {
        (one, other): round(difference(colours[one], colours[other], SEEN_BY[eyes]), 1)
        for one, other in itertools.combinations(colours, 2)
        if difference(colours[one], colours[other], SEEN_BY[eyes]) < LEAST
    }
    assert not close


def test_lines_stand_out_from_the_page_and_text_can_be_read():
    assert contrast(style.INK, "white") >= 4.5
    for name in style.COLOURS:
        assert contrast(style.colour(name), "white") >= 3, name
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
