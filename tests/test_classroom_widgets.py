"""The explorer follows its controls, carries a still, and shows errors as text."""

import pytest

from classroom.plots import new_figure
from classroom.widgets import Explorer, control, conv_cost_explorer


def draw_bar(size, colour="red"):
    if size == 3:
        raise ValueError("Three is not possible.")
    if size == 4:
        raise KeyError("lost")
    figure = new_figure(2, 1)
    axes = figure.subplots()
    axes.bar([0], [size], color=colour)
    axes.set(xlabel="bar", ylabel="size")
    return figure, f"A bar of <{size}>."


def test_bundle_is_live_and_still():
    explorer = Explorer(draw_bar, size=(1, 5, 1, 2), colour=["red", "blue"])
    data, metadata = explorer._repr_mimebundle_()
    assert data["text/plain"] == "Explorer: A bar of <2>."
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/png"]
    assert metadata["image/png"]["alt"] == "A bar of <2>."
    assert 'alt="A bar of &lt;2&gt;."' in explorer._picture.value


def test_moving_a_control_draws_again():
    explorer = Explorer(draw_bar, size=(1, 5, 1, 2), colour=["red", "blue"])
    before = explorer.png
    explorer.controls["size"].value = 5
    assert repr(explorer) == "Explorer: A bar of <5>."
    larger = explorer.png
    explorer.controls["colour"].value = "blue"
    assert len({before, larger, explorer.png}) == 3


def test_errors_of_draw_show_as_text_and_pass_when_the_control_moves_on():
    explorer = Explorer(draw_bar, size=(1, 5, 1, 3))
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"].endswith("Three is not possible.")
    assert "image/png" not in data
    explorer.controls["size"].value = 4
    assert "KeyError" in explorer._caption.value
    assert repr(explorer).endswith("KeyError: 'lost'")
    explorer.controls["size"].value = 5
    assert explorer.png


def test_controls_are_built_from_plain_values():
    assert control("size", (0, 8, 2, 4)).value == 4
    assert control("rate", (0.0, 1.0, 0.1, 0.5)).value == 0.5
    assert control("mode", ["a", "b"]).value == "a"
    assert control("padded", True).value is True
    assert control("kernel_size", (1, 3, 1, 1)).description == "kernel size"
    with pytest.raises(ValueError, match="outside 0 to 8"):
        control("size", (0, 8, 2, 9))
    with pytest.raises(ValueError, match="a control is"):
        control("size", 3)
    with pytest.raises(ValueError, match="at least one control"):
        Explorer(draw_bar)


def test_a_slider_keeps_its_kind_of_number_and_its_ends():
    whole, fraction = control("size", (0, 8, 2, 4)), control("rate", (0.0, 1.0, 0.1, 0.5))
    assert (whole.description, fraction.step) == ("size", 0.1)
    whole.set_state({"value": 6})  # as the page sends it
    fraction.set_state({"value": 1})
    assert (whole.value, fraction.value) == (6, 1.0)
    assert isinstance(whole.value, int)
    assert isinstance(fraction.value, float)
    whole.value, fraction.value = 99, -1
    assert (whole.value, fraction.value) == (8, 0.0)


def test_conv_cost_explorer_counts_and_says_why_not():
    explorer = conv_cost_explorer()
    # 16 kernels of 3 x 3 x 3 and 16 biases; 432 weights at 32 x 32 places
    assert "16x32x32: 448 parameters, 442,368 MACs" in repr(explorer)
    explorer.controls["groups"].value = 2
    assert "groups = 2 must divide" in repr(explorer)
    explorer.controls["groups"].value = 1
    explorer.controls["image_size"].value = 4
    explorer.controls["padding"].value = 0
    explorer.controls["kernel_size"].value = 7
    assert "larger than the padded image of 4" in repr(explorer)
