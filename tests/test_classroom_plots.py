"""Figures carry alt text, labels and bytes that do not change."""

import io
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image
from torch import nn
from torch.nn import functional as F

from classroom import plots
from edu_lib.training import Epoch, History


def labelled_figure():
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.plot([1, 2, 3], [1, 4, 9])
    axes.set(xlabel="epoch", ylabel="loss")
    return figure


def test_bundle_has_picture_alt_text_and_the_compared_line():
    shown = plots.show(labelled_figure(), 'Loss "falls"\n  & stays low.', text="Loss over epochs.")
    data, metadata = shown._repr_mimebundle_()
    assert data["text/plain"] == "Figure: Loss over epochs."
    assert metadata["image/png"]["alt"] == 'Loss "falls" & stays low.'
    assert 'alt="Loss &quot;falls&quot; &amp; stays low."' in data["text/html"]
    assert data["image/png"] in data["text/html"]
    assert Image.open(io.BytesIO(shown.png)).size == (300, 200)


def test_same_figure_gives_same_bytes_without_software_mark():
    first, second = (plots.show(labelled_figure(), "A curve.").png for _ in range(2))
    assert first == second
    assert b"Software" not in first


def test_shown_figure_is_closed_so_that_it_shows_once():
    plots.show(labelled_figure(), "A curve.")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("alt", ["", "   "])
def test_empty_alt_text_is_refused(alt):
    with pytest.raises(ValueError, match="alt text"):
        plots.show(labelled_figure(), alt)


def test_unlabelled_axes_are_refused_and_pictures_are_not():
    figure, axes = plt.subplots()
    axes.set_xlabel("epoch")
    with pytest.raises(ValueError, match="no y label"):
        plots.show(figure, "A curve.")
    axes.set_axis_off()
    assert plots.show(figure, "A picture.").alt == "A picture."


def test_photo_of_many_colours_keeps_its_colours():
    figure = plots.new_figure(3, 3)
    axes = figure.subplots()
    red, green = torch.meshgrid(torch.linspace(0, 1, 300), torch.linspace(0, 1, 300), indexing="ij")
    axes.imshow(torch.stack([red, green, red * 0], dim=-1).numpy())
    axes.set_axis_off()
    picture = Image.open(io.BytesIO(plots.show(figure, "Many colours.").png))
    assert picture.mode == "RGB"


def test_budget_bar_names_who_is_over_without_digits_in_text():
    shown = plots.frame_budget_bar([("LeNet-5", 0.13, "fp32"), ("RoadNet", 147.2, "compressed")])
    assert repr(shown).endswith("Inside: LeNet-5. Over: RoadNet.")
    assert "147" in shown.alt
    assert "147" not in repr(shown)
    axes = shown.figure.axes[0]
    assert axes.get_xscale() == "log"
    line = axes.lines[0]
    assert line.get_xdata()[0] == pytest.approx(1000 / 30)
    assert (line.get_color(), line.get_linestyle()) == (plots.BUDGET, "--")
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    assert ends == pytest.approx([0.13, 147.2])


@pytest.mark.parametrize("rows", [[], [("A", 0.0, "fp32")], [("A", 3.0, "purple")]])
def test_budget_bar_refuses_bad_rows(rows):
    with pytest.raises(ValueError, match=r"row|positive|colour"):
        plots.frame_budget_bar(rows)


def test_cost_bars_show_the_counts_of_each_layer():
    layers = [
        SimpleNamespace(name="C1", macs=117_600, params=156),
        SimpleNamespace(name="relu", macs=0, params=0),
        SimpleNamespace(name="C5", macs=48_000, params=48_120),
    ]
    shown = plots.cost_bars(SimpleNamespace(layers=layers))
    left, right = shown.figure.axes
    assert [bar.get_width() for bar in left.patches] == [117_600, 48_000]
    assert [bar.get_width() for bar in right.patches] == [156, 48_120]
    assert "Most MACs: C1. Most parameters: C5." in shown.alt


def test_image_grid_takes_grey_and_colour_and_counts_titles():
    shown = plots.image_grid(torch.rand(3, 1, 8, 8), ["a", "b", "c"])
    assert [axes.get_title() for axes in shown.figure.axes] == ["a", "b", "c"]
    colour = plots.image_grid(torch.rand(2, 3, 8, 12), alt="Two roads.")
    assert colour.figure.axes[0].images[0].get_array().shape == (8, 12, 3)
    with pytest.raises(ValueError, match="3 images need as many titles"):
        plots.image_grid(torch.rand(3, 8, 8), ["a"])
    with pytest.raises(ValueError, match="must be"):
        plots.image_grid(torch.rand(8, 8))


def test_feature_maps_share_one_signed_scale():
    activation = torch.zeros(1, 3, 4, 4)
    activation[0, 1, 0, 0] = -5.0
    shown = plots.feature_maps(activation, "C1")
    limits = {axes.images[0].get_clim() for axes in shown.figure.axes}
    assert limits == {(-5.0, 5.0)}
    with pytest.raises(ValueError, match="one image"):
        plots.feature_maps(torch.zeros(2, 3, 4, 4))


def test_network_drawing_lists_every_layer():
    layers = [("input", (1, 32, 32), ""), ("C1", (6, 28, 28), "5x5 conv"), ("F6", (84,), "full")]
    shown = plots.draw_network(layers, "LeNet-5")
    assert repr(shown).endswith("input 1@32x32, C1 6@28x28, F6 84.")
    # one sheet for the input, six for C1, one bar for F6
    assert len(shown.figure.axes[0].patches) == 8
    with_batch = [(name, (1, *shape), note) for name, shape, note in layers]
    assert plots.draw_network(with_batch, "LeNet-5").alt == shown.alt
    with pytest.raises(ValueError, match="C1: a shape"):
        plots.draw_network([("C1", (1, 6, 28, 28, 2), "")])


def test_training_curve_keeps_digits_out_of_the_compared_text():
    history = History([Epoch(1 / n, 1e-3, 2.0, 98.0 + n) for n in (1, 2)])
    shown = plots.training_curve(history, target=99)
    assert shown.alt.endswith("The last accuracy is 100.00 %.")
    assert repr(shown) == "Figure: Training over 2 epochs: loss and validation accuracy."
    without_validation = History([Epoch(1.0, 1e-3, 2.0)])
    assert len(plots.training_curve(without_validation).figure.axes) == 1
    with pytest.raises(ValueError, match="empty"):
        plots.training_curve(History())


def test_kernel_walk_agrees_with_conv2d_at_every_step():
    generator = torch.Generator().manual_seed(1)
    X = torch.randint(-5, 6, (4, 5), generator=generator).float()
    kernel = torch.randint(-2, 3, (2, 3), generator=generator).float()
    expected = F.conv2d(X[None, None], kernel[None, None])[0, 0].flatten()
    for step, value in enumerate(expected.tolist()):
        assert plots.kernel_walk(X, kernel, step).alt.endswith(f"gives {value:g}.")
    with pytest.raises(ValueError, match=r"0\.\.8"):
        plots.kernel_walk(X, kernel, 9)


@pytest.mark.parametrize(
    "arguments",
    [(3, 16, 3, 1, 1, 1, 32), (32, 64, 5, 2, 2, 8, 20), (16, 16, 3, 1, 0, 16, 9)],
)
def test_convolution_cost_agrees_with_torch(arguments):
    c_in, c_out, kernel_size, stride, padding, groups, size = arguments
    layer = nn.Conv2d(c_in, c_out, kernel_size, stride, padding, groups=groups)
    output = layer(torch.zeros(1, c_in, size, size))
    cost = plots.convolution_cost(*arguments)
    assert cost.output_size == output.shape[-1]
    assert cost.params == sum(parameter.numel() for parameter in layer.parameters())
    assert cost.macs == layer.weight.numel() * output[0, 0].numel()
    assert cost.activation_bytes == 4 * (c_in * size * size + output.numel())


SCHEMATICS = [
    plots.draw_separable,
    plots.draw_pruning,
    plots.draw_number_grid,
    plots.draw_integer_layer,
    plots.draw_deep_compression,
    plots.draw_distillation,
    plots.draw_multi_task,
]


@pytest.mark.parametrize("draw", SCHEMATICS, ids=lambda draw: draw.__name__)
def test_schematic_is_the_same_each_time_and_no_word_is_cut_off(draw):
    first, second = draw(), draw()
    assert first.png == second.png
    assert len(first.alt) > 80
    [axes] = first.figure.axes
    whole = first.figure.bbox
    for text in axes.texts:
        box = text.get_window_extent()
        outside = [whole.x0 > box.x0, box.x1 > whole.x1, whole.y0 > box.y0, box.y1 > whole.y1]
        assert not any(outside), text.get_text()


def numbers_of(draw):
    figure = plots.new_figure(4, 3)
    axes = figure.subplots()
    axes.set(xlabel="batch", ylabel="time (ms)")
    draw(axes)
    data, _ = plots.show(figure, alt="Times.")._repr_mimebundle_()
    soup = BeautifulSoup(data["text/html"], "html.parser")
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in soup.find_all("tr")]


def test_behind_a_figure_stands_a_table_of_its_numbers():
    def draw(axes):
        axes.plot([1, 2, 4], [0.5, 1.25, 1234.5], label="PyTorch")
        axes.axhline(33, color="red")
        axes.scatter([3], [7])

    assert numbers_of(draw) == [
        ["series", "batch", "time (ms)"],
        ["PyTorch", "1", "0.5"],
        ["PyTorch", "2", "1.25"],
        ["PyTorch", "4", "1,234"],
        ["dots 1", "3", "7"],
    ]


def test_bars_are_named_by_the_words_on_their_axis():
    rows = numbers_of(lambda axes: axes.barh(["LeNet", "VGG & co"], [0.1, 12], label="fp32"))
    assert rows[1:] == [["fp32", "0.1", "LeNet"], ["fp32", "12", "VGG & co"]]
    rows = numbers_of(lambda axes: axes.bar(["a", "b"], [3, 4]))
    assert rows[1:] == [["bars 1", "a", "3"], ["bars 1", "b", "4"]]


def test_a_bar_on_an_axis_without_zero_has_the_value_where_it_ends():
    def draw(axes):
        axes.barh(["LeNet"], [0.09], left=0.01)
        axes.set_xscale("log")

    assert numbers_of(draw)[1:] == [["bars 1", "0.1", "LeNet"]]


def test_a_line_with_error_bars_keeps_its_name():
    rows = numbers_of(lambda axes: axes.errorbar([1, 2], [3, 4], yerr=[1, 1], label="augmented"))
    assert rows[1:] == [["augmented", "1", "3"], ["augmented", "2", "4"]]


def test_a_long_line_is_shown_at_a_dozen_places_and_a_picture_has_no_table():
    rows = numbers_of(lambda axes: axes.plot(range(1000), range(1000)))
    assert len(rows) == 13
    assert (rows[1][1], rows[-1][1]) == ("0", "999")
    assert numbers_of(lambda axes: axes.imshow([[0, 1]])) == []


def test_the_longest_label_of_the_budget_bar_stays_inside_its_axes():
    rows = [("three heavy networks", 207.0, "fp32"), ("one small one", 0.012, "compressed")]
    figure = plots.frame_budget_bar(rows).figure
    figure.draw_without_rendering()
    (axes,) = figure.axes
    ends = [text.get_window_extent().x1 for text in axes.texts]
    assert max(ends) <= axes.get_window_extent().x1


def test_long_names_and_a_time_over_the_budget_leave_the_bars_their_room():
    name = "AlexNet conv1 (64 kernels), 224x224 (channels_last)"
    rows = [(name, 0.101, "fp32"), ("depthwise, 320x320 (eager)", 44.8, "fp32")]
    figure = plots.frame_budget_bar(rows).figure
    figure.draw_without_rendering()
    (axes,) = figure.axes
    whole = axes.get_window_extent().width
    shortest, longest = (bar.get_window_extent().width for bar in axes.patches)
    assert shortest > 0.05 * whole
    assert longest > 0.4 * whole
