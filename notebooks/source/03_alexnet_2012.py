# %% [markdown]
# # AlexNet: the network of 2012
#
# **Question.** LeNet-5 read digits in 1998. A network built on the same plan won the largest
# contest for photographs in 2012, by ten points. What had changed?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 60 | {{results.chapter_seconds.03_alexnet_2012:.0f}} | [02 LeNet 1998](02_lenet_1998.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. build AlexNet as it was published, in two towers, and say which layers hold its work and its
#    weights;
# 2. measure what a part of a network brings, and tell an effect from noise;
# 3. find out, layer by layer, why a deep network does not learn.

# %%
import math
import time

import torch
from torch import nn
from torch.nn import functional as F

import classroom
import edu_lib as edu
from edu_lib.measure import Runner
from edu_lib.models import AlexNet2012, SmallAlexNet
from edu_lib.models import init_scaled_, init_small_

torch.set_num_threads(1)
classroom.plots.use_house_style()
clothes = edu.fashion_mnist()
published = edu.load_published("alexnet")
race, parts = edu.load_result("relu_vs_tanh"), edu.load_result("alexnet_parts")["parts"]
clothes.train, clothes.test

# %% [markdown]
# ## Fourteen quiet years
#
# LeNet-5 read cheques in the late 1990s (chapter 02). Then, for fourteen years, hardly anybody
# outside a few groups built such networks. Were they no good? Look at the line first, then try what
# was used instead.

# %% tags=["hide-input"]
EVENTS = [
    (1980, "Neocognitron", 1), (1986, "back-propagation", -1), (1989, "zip codes", 1),
    (1998, "LeNet-5", 1), (2010, "contests of 2010 and 2011\nwon with features by hand", -1),
    (2012, "AlexNet", 1),
]  # fmt: skip
figure = classroom.plots.new_figure(8.8, 2.1)
axes = figure.subplots()
axes.plot([1979, 2013], [0, 0], color=classroom.plots.MUTED, lw=2)
axes.plot([1998, 2012], [0, 0], color=classroom.plots.COMPRESSED, lw=6)
axes.text(2004.5, 0.25, "fourteen years", ha="center", color=classroom.plots.COMPRESSED,
          fontweight="bold")  # fmt: skip
for year, text, side in EVENTS:
    axes.plot(year, 0, "o", ms=9, color=classroom.plots.FP32)
    axes.text(year, 0.35 * side, f"{text}\n{year}" if side > 0 else f"{year}\n{text}", ha="center",
              va="bottom" if side > 0 else "top", fontsize=10)  # fmt: skip
axes.set(xlim=(1977, 2015), ylim=(-1.6, 1.9))
axes.set_axis_off()
listed = ", ".join(f"{year} {text}" for year, text, _ in EVENTS).replace("\n", " ")
classroom.show(figure, alt=f"A line of years: {listed}. The stretch from 1998 to 2012 is marked.")

# %% [markdown]
# What was used instead came from statistics. **Nearest neighbours** (k-NN) keeps all training
# images, and lets the three that are nearest to a new one vote. Nothing is trained. **Kernel ridge
# regression** solves one system of linear equations. Its answer is a sum over the training images
# `x_i`, and those near the new image `x` count most:
#
#     (K + ridge * I) alpha = targets          K: exp(-|x_i - x_j|^2 / (2 * width^2)), all pairs
#     score(x) = sum over i of alpha_i * exp(-|x - x_i|^2 / (2 * width^2))
#
# Neither needs a learning rate, and neither can end in a bad place: the same data give the same
# answer.

# %%
quiet_guess = classroom.predict(
    "03.quiet_years",
    "All three learn from the same 4,000 digits. Which misreads the fewest of 2,000 new ones?",
    options=["3 nearest neighbours", "kernel ridge", "LeNet-5", "all alike, within one point"],
)
quiet_guess

# %%
digits = edu.mnist()
labelled = digits.train.subset(torch.arange(4000))
order = torch.randperm(10_000, generator=torch.Generator().manual_seed(0))
asked = digits.test.subset(order[:2000])
del digits  # 60,000 images take 190 MB


def distances(X: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
    """Squared distances between all images of X and all of `to`, [N, M]."""
    return torch.cdist(X.flatten(1), to.flatten(1)).square_()


def nearest_neighbours(X: torch.Tensor) -> torch.Tensor:
    """The class that most of the three nearest labelled images have."""
    nearest = distances(X, labelled.X).topk(3, largest=False).indices
    return labelled.y[nearest].mode(dim=1).values


def solve_ridge(width: float = 5.0, ridge: float = 0.01) -> torch.Tensor:
    """alpha, one row for each labelled image."""
    K = distances(labelled.X, labelled.X).div_(-2 * width**2).exp_()
    K.diagonal().add_(ridge)  # K + ridge * I
    return torch.linalg.solve(K, F.one_hot(labelled.y, 10).float())


# %% tags=["nbval-ignore-output"]
start = time.perf_counter()
alpha = solve_ridge()
ridge_s = time.perf_counter() - start


def kernel_ridge(X: torch.Tensor) -> torch.Tensor:
    """The class with the highest score; `width` as in `solve_ridge`."""
    return (torch.exp(-distances(X, labelled.X) / 50) @ alpha).argmax(dim=1)


torch.manual_seed(0)
lenet = edu.models.LeNet5()
start = time.perf_counter()
edu.fit(lenet, labelled.X, labelled.y, num_epochs=8, batch_size=64, lr=4e-3, device="cpu",
        progress=False)  # fmt: skip
lenet_s = time.perf_counter() - start

readers = {
    "3 nearest neighbours": (nearest_neighbours, 0.0),
    "kernel ridge": (kernel_ridge, ridge_s),
    "LeNet-5": (lambda X: lenet(X).argmax(dim=1), lenet_s),
}
quiet_error = {}
for name, (read, train_s) in readers.items():
    with torch.no_grad():
        wrong = sum(int((read(X) != y).sum()) for X, y in
                    zip(asked.X.split(250), asked.y.split(250), strict=True))
        timed = edu.measure_latency(Runner(name, lambda read=read: read(asked.X[:1])), 30, 5)
    quiet_error[name] = 100 * wrong / len(asked)
    print(f"{name:21s} {quiet_error[name]:4.1f} % wrong, {train_s:5.1f} s to train, "
          f"{timed.p50_ms:6.2f} ms a digit")

# %%
lenet_macs = edu.count_cost(lenet, (1, 1, 28, 28)).macs
for num_images in (4000, 60_000):
    macs = num_images * 28 * 28
    print(f"{num_images:6,} images kept: {4 * macs:11,} bytes, {macs:10,} MACs a digit, "
          f"{macs / lenet_macs:4.0f} times LeNet-5's")
assert min(quiet_error, key=quiet_error.get) == "LeNet-5"
quiet_guess.reveal("LeNet-5", "the learned layers pay, even here; but look at what they ask for")

# %% [markdown]
# **See:** LeNet-5 misreads the fewest, and it is the cheapest to ask: its weights are a summary,
# while the other two carry the training images along. With fifteen times the images they have
# fifteen times the work for each digit. But they are *easier*. Five lines, no architecture, no
# learning rate, no seed, and training that ends at once. On the machines of 2000 that counted, and
# a few per cent of errors were often good enough. (One seed, 2,000 digits: a difference below one
# point means nothing here.)
#
# What would make the networks worth their trouble? Images on which distances between pixels say
# nothing, many labels for them, and machines to learn from all of these. From 2010 on there was
# such a contest.
#
# ## The story: ten points ahead
#
# Research groups met once a year in that contest, ILSVRC, the ImageNet Large Scale Visual
# Recognition Challenge: photographs of a thousand classes, with
# {{published.alexnet.paper.training_images_millions}} million of them to learn from. A program may
# name five classes for each picture. If the right one is not among them, it is an error: the
# **top-5 error**. With one answer instead of five it is the **top-1 error**.
#
# For two years the winners described images by hand-made features. In 2012 Alex Krizhevsky, Ilya
# Sutskever and Geoffrey Hinton sent in a convolutional network. With networks trained on further
# images its error was {{published.alexnet.paper.top5_seven_networks_percent}} %. The second best
# entry had {{published.alexnet.paper.second_entry_top5_percent}} %.

# %% tags=["hide-input"] slide="The largest step: 2012" tour=2
rows = published["ilsvrc"]["rows"]
figure = classroom.plots.new_figure(8.4, 3.5)
axes = figure.subplots()
for place, row in enumerate(rows):
    colour = classroom.plots.FP32 if row["convolutional"] else classroom.plots.MUTED
    axes.barh(place, row["top5_percent"], color=colour, height=0.68)
    axes.annotate(f"{row['top5_percent']} %", (row["top5_percent"], place), (4, 0), va="center",
                  textcoords="offset points",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
human = published["human"]["top5_percent"]
axes.axvline(human, color=classroom.plots.COMPRESSED, ls=":", lw=1.8)
axes.annotate(f"one trained person: {human} %", (human, 1), (0, 3),
              color=classroom.plots.COMPRESSED, xycoords=("data", "axes fraction"),
              textcoords="offset points", ha="center",
              fontweight="bold")  # fmt: skip
for place, text, colour in ((0.5, "features by hand", classroom.plots.MUTED),
                            (2.5, "convolutional networks", classroom.plots.FP32)):  # fmt: skip
    axes.annotate(text, (21 if place > 1 else 39.5, place), color=colour, fontweight="bold",
                  va="center", ha="left" if place > 1 else "right")  # fmt: skip
axes.set_yticks(range(len(rows)), [f"{row['year']}  {row['team']}" for row in rows])
axes.set(xlim=(0, 42), ylim=(len(rows) - 0.4, -0.6), ylabel="winner")
axes.set_xlabel("top-5 error on the test set (%), trained on the contest's images alone")
axes.grid(visible=False, axis="y")
listed = ", ".join(f"{row['year']} {row['top5_percent']} %" for row in rows)
alt = f"Top-5 error of the winners of ILSVRC: {listed}. One person: {human} %."
classroom.show(figure, alt=alt)

# %% [markdown]
# **See:** the largest step of all is the one from 2011 to 2012. After it, every winner was a
# convolutional network. By 2015 the error lay below what one trained person reached on a sample of
# the same images.
#
# How alone was it? Here is the whole field of 2012, the best entry of each team.

# %% tags=["hide-input"]
field = published["field_2012"]["rows"]
figure = classroom.plots.new_figure(8.4, 3.1)
axes = figure.subplots()
for place, row in enumerate(field):
    colour = classroom.plots.FP32 if row["convolutional"] else classroom.plots.MUTED
    axes.barh(place, row["top5_percent"], color=colour, height=0.68)
    axes.annotate(f"{row['top5_percent']} %", (row["top5_percent"], place), (4, 0), va="center",
                  textcoords="offset points")  # fmt: skip
axes.annotate("", (26.2, 1.5), (16.4, 1.5), arrowprops={"arrowstyle": "<->", "lw": 1.6})
axes.text(26.6, 1.2, "9.8 points", va="center", fontweight="bold")
axes.set_yticks(range(len(field)), [row["team"] for row in field])
axes.set(xlim=(0, 40), ylim=(len(field) - 0.4, -0.6), ylabel="team")
axes.set_xlabel("top-5 error on the test set of 2012 (%)")
axes.grid(visible=False, axis="y")
listed = ", ".join(f"{row['team']} {row['top5_percent']} %" for row in field)
classroom.show(figure, alt=f"Top-5 error of the six teams of 2012: {listed}.")

# %% [markdown]
# **See:** five teams stand within nine points of each other, and one stands ten points apart. The
# "ten points" depend on what is compared: with further images the lead is 10.9 points, on equal
# data 9.8. Where the other teams say on the results page how they did it, they name Fisher vectors,
# support vector machines and nearest class means: features by hand, then statistics. None names a
# network.
#
# AlexNet is LeNet-5's plan, much larger, with a handful of changes. The paper says for most of them
# what they brought. This chapter builds the network, then switches the parts on and off. We do it
# on a small AlexNet and on pictures of clothes, because training the large one takes days. Some
# effects come back. Some do not, and then you see that too.
#
# ## Predict: where are the 60 million?
#
# AlexNet has five convolutional layers and three linear ones, and about
# {{published.alexnet.paper.parameters_millions}} million parameters.

# %%
linear_share = classroom.predict(
    "03.linear_share",
    "What share of the parameters lies in the three linear layers?",
    unit="%",
)
linear_share

# %% [markdown]
# ## Build it, as published
#
# `AlexNet2012` is the network of the paper, part by part. Counting needs no weights, so we build it
# on PyTorch's `meta` device, which knows shapes and holds no numbers.

# %% slide="AlexNet: five convolutions, then three giants"
with torch.device("meta"):
    alexnet = AlexNet2012()
cost = edu.count_cost(alexnet, (1, 3, 224, 224))
shapes = {layer.name: tuple(layer.output_shape[1:]) for layer in cost.layers}
NOTES = {
    "conv1": "11x11 stride 4", "conv2": "pool, 5x5", "conv3": "pool, 3x3", "conv4": "3x3",
    "conv5": "3x3", "pool5": "pool", "fc6": "linear", "fc7": "linear", "fc8": "linear",
}  # fmt: skip
classroom.plots.draw_network(
    [("input", (3, 224, 224), "")] + [(name, shapes[name], note) for name, note in NOTES.items()],
    "AlexNet, 2012",
)

# %%
layers = [layer for layer in cost.layers if layer.params]
neurons = 0
for layer in layers:
    outputs = torch.Size(layer.output_shape).numel()
    neurons += outputs
    counts = f"{outputs:8,} neurons  {layer.params:11,} parameters  {layer.macs:12,} MACs"
    print(f"{layer.name:6s} {counts}")
print(f"total  {neurons:8,} neurons  {cost.params:11,} parameters  {cost.macs:12,} MACs")
assert (cost.params, neurons) == (60_965_224, 659_272)

# %% [markdown]
# Both totals agree with the paper: 60 million parameters and 650,000 neurons. (A *neuron* is one
# number of a layer's output.) Now the two columns on the right, drawn.

# %% slide="The work is in front, the parameters behind"
classroom.plots.cost_bars(cost)

# %%
linear = [layer for layer in layers if layer.kind == "Linear"]
share = 100 * sum(layer.params for layer in linear) / cost.params
work = 100 * sum(layer.macs for layer in linear) / cost.macs
linear_share.reveal(
    round(share, 1),
    f"The linear layers hold {share:.1f} % of the parameters and do {work:.1f} % of the work.",
    digits_in_text=True,
)

# %% [markdown]
# **The convolutions hold the work, the linear layers hold the parameters**, as in LeNet-5. Remember
# it: to make AlexNet's file small, treat `fc6`; to make it fast, treat the convolutions. At a batch
# of one it is less clear, because 59 million weights must come from memory (chapter 05).
#
# ## Two towers
#
# The authors had two graphics cards made for games, GTX 580, of
# {{published.alexnet.paper.gpu_memory_gb}} GB each. What does training need? The weights, their
# gradients, and the **momentum**, a running sum of earlier gradients that the step follows: three
# numbers a parameter. And for each image of the batch the output of every layer, with its gradient,
# until the backward sweep is done.

# %%
values = 0


def add_values(module, inputs, output):
    """Count the numbers that this part gives."""
    global values
    values += output.numel()


for part in alexnet.children():
    part.register_forward_hook(add_values)
alexnet(torch.empty(1, 3, 224, 224, device="meta"))
batch = published["paper"]["batch_size"]
weights_gb, outputs_gb = 3 * 4 * cost.params / 1e9, 2 * 4 * values * batch / 1e9
print(f"weights, gradients, momentum:             {weights_gb:.2f} GB")
print(f"outputs and their gradients, {batch} images:  {outputs_gb:.2f} GB")
print(f"together, of 3 GB:                        {weights_gb + outputs_gb:.2f} GB")

# %%
GTX = published["gtx_580"]
peak_flops = 2 * GTX["processors"] * GTX["clock_ghz"] * 1e9
images = published["paper"]["training_images_millions"] * 1e6 * published["paper"]["cycles"]
training_flops = 3 * 2 * cost.macs * images  # backward costs about two forwards
for cards in (1, 2):
    days = training_flops / (cards * peak_flops) / 86400
    print(f"cards: {cards}, always at their peak: {days:.1f} days")
print(f"cards: 2, as the paper says: {published['paper']['training_days']} days")
dsp_macs_a_second = 1e6 * edu.load_published("history")["dsp32c"]["mmacs_per_second"]
dsp_years = training_flops / 2 / dsp_macs_a_second / 86400 / 365
print(f"the signal processor of the demonstration of 1989: {dsp_years:,.0f} years")

# %% [markdown]
# One card hardly has room, with nothing left for what a program needs besides. And two cards took
# five to six days, at a third of their peak; one would take twice as long. So the authors cut the
# network in two. Each card holds half of the maps of every layer. This is **model parallelism**.
# Cards exchange data at a price, so the towers talk in few places only: `conv3` reads the maps of
# both, and so do the linear layers.

# %% tags=["hide-input"]
from itertools import pairwise

names = ["input", "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
halves = {layer.name: layer.output_shape[1] // 2 for layer in layers}
mixing = {"conv3", "fc6", "fc7", "fc8"}


def place_of(name: str, tower: int) -> tuple[float, float]:
    """Centre of a layer's box; input and output belong to both towers."""
    return 1.3 * names.index(name), 0.0 if name in ("input", "fc8") else (0.7, -0.7)[tower]


# %% tags=["hide-input"] slide="Two towers, because one card was too small"
figure = classroom.plots.new_figure(9.4, 2.7)
axes = figure.add_subplot()
for before, name in pairwise(names):
    for tower in (0, 1):
        for source in (0, 1) if name in mixing else (tower,):
            crosses = source != tower and "fc8" not in (before, name)
            start, end = place_of(before, source), place_of(name, tower)
            ink = classroom.plots.COMPRESSED if crosses else classroom.plots.MUTED
            axes.annotate(
                "", (end[0] - 0.42, end[1]), (start[0] + 0.42, start[1]),
                arrowprops={"arrowstyle": "->", "lw": 1.6, "color": ink},
            )  # fmt: skip
for name in names:
    for tower in (0, 1):
        shared = name in ("input", "fc8")
        label = {"input": "image", "fc8": "fc8\n1000"}.get(name) or f"{name}\n{halves[name]}"
        face = "white" if shared else ("#DCE5ED", "#E9DFE8")[tower]
        box = {"boxstyle": "round,pad=0.35", "fc": face, "ec": classroom.plots.MUTED}
        axes.text(*place_of(name, tower), label, ha="center", va="center", fontsize=10, bbox=box)
axes.text(-0.4, 0.95, "GPU 1", fontweight="bold", color=classroom.plots.FP32)
axes.text(-0.4, -1.1, "GPU 2", fontweight="bold", color=classroom.plots.ACCENT)
axes.set(xlim=(-0.6, 10.95), ylim=(-1.3, 1.3))
axes.set_axis_off()
classroom.show(
    figure,
    alt="AlexNet's two towers, one a GPU. Orange arrows: the cards exchange maps before conv3 and "
    "in the linear layers; conv1, conv2, conv4 and conv5 stay within their tower.",
)

# %% [markdown]
# **See:** orange arrows are the exchanges. In PyTorch a tower is a **group**: a convolution with
# `groups=2` splits its input and its output maps in two halves that do not see each other. Silence
# the first card, and look at who notices.

# %%
torch.manual_seed(0)
maps = torch.rand(1, 96, 27, 27)
silent = maps.clone()
silent[:, :48] = 0  # the maps of GPU 1
for name, groups in (("conv2 in towers", 2), ("conv2 in one piece", 1)):
    conv2 = nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=groups)
    with torch.no_grad():
        changed = (conv2(maps) != conv2(silent)).flatten(2).any(dim=2)[0]
    parameters = sum(parameter.numel() for parameter in conv2.parameters())
    print(
        f"{name:18s} {parameters:7,} parameters; maps changed on GPU 1: {int(changed[:128].sum())},"
        f" on GPU 2: {int(changed[128:].sum())}"
    )

# %% [markdown]
# Half of the weights are gone, and half of the work. Nobody meant that as a saving, it was a way
# around a small memory. Chapter 07 takes the idea to its end, with one group a channel.
#
# ### Exercise 1: convolve in towers (3 points, 15 minutes)
#
# Write `conv_in_towers(X, weight, groups)`: the convolution, without padding, of X [N, C_in, H, W]
# in `groups` towers, with `F.conv2d` and without its argument `groups`. `weight` has the shape
# [C_out, C_in / groups, k, k]. Tower 1 reads the first part of the channels with the first part of
# the kernels and gives the first part of the maps, and so on.
#
# *Example.* With 4 channels in, 6 out and `groups=2`, maps 0 to 2 come from channels 0 and 1, maps
# 3 to 5 from 2 and 3.
#
# *Hint.* `chunk` cuts a tensor into equal parts.


# %% exercise="ch03.grouped_conv"
def conv_in_towers(X: torch.Tensor, weight: torch.Tensor, groups: int) -> torch.Tensor:
    """Convolution whose groups do not see each other."""
    ### BEGIN SOLUTION
    towers = zip(X.chunk(groups, dim=1), weight.chunk(groups, dim=0), strict=True)
    return torch.cat([F.conv2d(channels, kernels) for channels, kernels in towers], dim=1)
    ### END SOLUTION


# %% check="ch03.grouped_conv" points=3
classroom.check("ch03.grouped_conv", conv_in_towers)

# %% [markdown]
# ## Part 1: the activation
#
# LeNet-5 squashes with a tanh. AlexNet takes the **ReLU**, `max(0, a)`. It did not invent it: the
# paper has it from Nair and Hinton, who used it in 2010. Before you train, look at the slopes. The
# backward sweep multiplies by the slope once in every layer.

# %% tags=["hide-input"] slide="Where a slope is zero, nothing is learned"
ACTS = {"relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
INKS = {
    "relu": classroom.plots.FP32,
    "tanh": classroom.plots.COMPRESSED,
    "sigmoid": classroom.plots.GOOD,
}
NAMES = {"relu": "ReLU", "tanh": "tanh", "sigmoid": "sigmoid"}
figure = classroom.plots.new_figure(8.4, 2.9)
panels = figure.subplots(1, 2)
a = torch.linspace(-4, 4, 401, requires_grad=True)
ends = {"relu": (3.0, 0.86), "tanh": (1.15, 0.45), "sigmoid": (2.4, 0.16)}
for key, act in ACTS.items():
    y = act(a)
    (slope,) = torch.autograd.grad(y.sum(), a)
    panels[0].plot(a.detach(), y.detach(), color=INKS[key])
    panels[1].plot(a.detach(), slope, color=INKS[key])
    panels[1].annotate(NAMES[key], ends[key], color=INKS[key], fontweight="bold")
panels[0].set(ylim=(-1.2, 2.2), xlabel="input of the unit, a", ylabel="output f(a)")
panels[1].set(ylim=(-0.05, 1.15), xlabel="input of the unit, a", ylabel="slope f'(a)")
panels[1].annotate("never above 1/4", (0, 0.25), (-3.9, 0.6), color=INKS["sigmoid"],
                   arrowprops={"arrowstyle": "->", "color": INKS["sigmoid"]})  # fmt: skip
classroom.show(
    figure,
    alt="ReLU, tanh and sigmoid and their slopes. ReLU's slope is 0 or 1; tanh's is 1 at 0 and "
    "falls to 0 on both sides; sigmoid's is at most a quarter.",
)

# %% [markdown]
# **See:** on the right side ReLU's slope is 1, however large the input is. The slope of tanh and
# sigmoid dies away on both sides: the unit is **saturated** and passes no gradient back.
#
# The paper trains a four-layer network on small colour images to
# {{published.alexnet.relu.training_error_percent}} % training error. With ReLUs it takes
# {{published.alexnet.relu.times_faster_than_tanh}} times fewer epochs than with tanh. What do you
# expect here, on 2,000 pictures of clothes, to 20 % training error, each with its best
# learning rate (the search goes on until a worse one lies on either side)?

# %%
fastest = classroom.predict(
    "03.fastest",
    "Three convolutions, three linear layers: which activation needs the fewest epochs?",
    options=["ReLU, by far", "ReLU, narrowly", "tanh", "sigmoid"],
)
fastest

# %% [markdown]
# Race them. Plain gradient descent with momentum, as in 2012. The learning rates are the study's.
# It chose them with another seed, and tried further ones until each best one had a worse one on
# either side.

# %%
few = edu.fashion_mnist().fit.subset(torch.arange(race["num_images"]))


def train_epochs(act: str, lr: float, num_epochs: int, width: int = 8) -> list[float]:
    """Training error in percent after each epoch. width: maps of the first convolution."""
    torch.manual_seed(1)
    model = SmallAlexNet(depth=3, activation=act, dropout=0.0, width=width)
    init_scaled_(model, act).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    errors = []
    for _ in range(num_epochs):
        wrong = 0
        for indices in torch.randperm(len(few)).split(64):
            logits = model(few.X[indices])
            optimizer.zero_grad()
            F.cross_entropy(logits, few.y[indices]).backward()
            optimizer.step()
            wrong += int((logits.argmax(dim=1) != few.y[indices]).sum())
        errors.append(100 * wrong / len(few))
    return errors


# %% tags=["nbval-ignore-output"]
here = {}
for act in ACTS:
    start = time.process_time()
    here[act] = train_epochs(act, race["races"]["today"]["3"][act]["lr"], num_epochs=8)
    seconds = (time.process_time() - start) / 8
    print(f"{NAMES[act]:8s} error after 8 epochs {here[act][-1]:5.1f} %, {seconds:.2f} s an epoch")
assert max(here["relu"][-1], here["tanh"][-1]) < 35 < here["sigmoid"][2]

# %% [markdown]
# One seed on your machine. The study has {{results.relu_vs_tanh.seeds}} seeds, and two further
# networks: 8 and 16 convolutions deep.

# %% tags=["hide-input"] slide="Here tanh needs fewer epochs than ReLU" tour=1
figure = classroom.plots.new_figure(9.0, 3.1)
panels = figure.subplots(1, 3, sharey=True)
for axes, depth in zip(panels, ("3", "8", "16"), strict=True):
    by_act = race["races"]["today"][depth]
    for act, runs in by_act.items():
        for errors in runs["curves"]:
            axes.plot(range(1, len(errors) + 1), errors, color=INKS[act], lw=1.3, alpha=0.8)
        mean_epochs = runs["mean_epochs"]
        if mean_epochs is not None:
            axes.plot(mean_epochs, 20, "o", color=INKS[act], ms=8, zorder=3)
    axes.axhline(20, color=classroom.plots.BUDGET, ls="--", lw=1.3)
    axes.set(title=f"{depth} convolutions", xlabel="epoch", xlim=(0, 25), ylim=(0, 95))
panels[0].set_ylabel("training error (%)")
for act in ACTS:
    panels[0].plot([], [], color=INKS[act], label=NAMES[act])
figure.legend(loc="outside lower center", ncols=3)
classroom.show(
    figure,
    alt="Training error over epochs for ReLU, tanh and sigmoid at 3, 8 and 16 convolutions, "
    f"{race['seeds']} seeds each. tanh reaches 20 % first at every depth; sigmoid is slow at 3 "
    "and stuck at 16.",
)

# %%
by_act = race["races"]["today"]["3"]
ratio = race["epochs_ratio"]
answer = "tanh" if ratio < 1 else "ReLU, narrowly" if ratio < 2 else "ReLU, by far"
fastest.reveal(
    answer,
    f"Mean of {race['seeds']} seeds, and their deviation: "
    + ", ".join(f"{NAMES[act]} {by_act[act]['mean_epochs']:.1f} epochs, sd "
                f"{by_act[act]['sd_epochs']:.1f}" for act in ACTS) + ".",
)

# %% [markdown]
# So tanh needs **{{results.relu_vs_tanh.epochs_ratio:.2f}} times** the epochs of ReLU with 3
# convolutions, not six times. With 8 convolutions it is
# {{results.relu_vs_tanh.epochs_ratios.today.8:.2f}}, with 16 it is
# {{results.relu_vs_tanh.epochs_ratios.today.16:.2f}}. We went looking for the depth at which ReLU
# begins to win. We did not find it.
#
# Only the sigmoid behaves as the story says. It is slow at depth 3 and stuck at depth 16. Why does
# tanh do so well? Follow the gradient.
#
# ## Vanishing gradients, layer by layer
#
# Take 16 convolutions and one batch. Compute the gradient of the loss once, before any training,
# and note its size in each layer. Do it for two ways of drawing the first weights. *Small* draws
# them alike for every activation, as PyTorch's layers do. *Scaled* makes them larger, as much as
# the activation shrinks its signal (LeCun 1998 for tanh, He 2015 for ReLU).

# %%
def gradient_sizes(depth: int, act: str, scaled: bool) -> list[float]:
    """Norm of the loss's gradient in each convolution, before training."""
    torch.manual_seed(0)
    model = SmallAlexNet(depth=depth, activation=act, dropout=0.0, width=8)
    model = init_scaled_(model, act) if scaled else init_small_(model)
    X, y = few.X[:256], few.y[:256]
    F.cross_entropy(model(X), y).backward()
    convs = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    return [float(conv.weight.grad.norm()) for conv in convs]


sizes = {(act, scaled): gradient_sizes(16, act, scaled) for act in ACTS for scaled in (False, True)}
for (act, scaled), size in sizes.items():
    start, ratio_16 = "scaled" if scaled else "small", size[0] / size[-1]
    verdict = "vanishes" if ratio_16 < 1e-3 else "arrives"
    strength = "tiny everywhere" if max(size) < 1e-3 else "of a useful size at the top"
    print(f"{NAMES[act]:8s} {start:7s} start: {strength}; what is there {verdict} at conv1")

# %% tags=["hide-input"] slide="Sigmoid's gradient dies on the way back"
figure = classroom.plots.new_figure(8.8, 3.2)
panels = figure.subplots(1, 2, sharey=True)
for axes, scaled in zip(panels, (False, True), strict=True):
    for act in ACTS:
        axes.plot(range(1, 17), sizes[act, scaled], "o-", ms=4, color=INKS[act], label=NAMES[act])
    axes.set(yscale="log", xlabel="convolution (1: next to the image)", xlim=(0.5, 16.5))
    axes.set_title("scaled start" if scaled else "small start")
    axes.set_xticks([1, 4, 8, 12, 16])
panels[0].set_ylabel("size of the gradient (log scale)")
panels[1].legend(loc="lower right")
classroom.show(
    figure,
    alt="Size of the gradient in each of 16 convolutions. Small start: sigmoid falls by many "
    "powers of ten towards the image, ReLU and tanh are level and small. Scaled start: ReLU and "
    "tanh are level near 1, sigmoid still falls.",
)

# %% [markdown]
# **See:** the sigmoid's line falls all the way to the image. Each layer multiplies by a slope of a
# quarter or less; sixteen of them leave nothing for `conv1` to learn from. This is the **vanishing
# gradient**. Scaled weights soften it and do not cure it.
#
# With small weights the lines of ReLU and tanh are level, but low, and **ReLU's is the lower**. It
# sets half of the signal to zero in each layer, so it needs the larger weights most. With scaled
# weights both are fine. The start matters as much as the activation. Is that what our race shows:
# normalised pixels and a scaled start keep tanh out of its flat ends, where its slope is near 1 as
# well?
#
# Does ReLU win if we take these comforts away? The study raced with raw pixels, from 0 to 1 and not
# centred, and with the small start. And once it kept the comforts and gave the network twice the
# maps, 16 in the first layer instead of 8.

# %% tags=["hide-input"]
TITLES = {
    "today": "normalised pixels, scaled start",
    "wide": "the same, twice the maps",
    "raw_pixels": "raw pixels, scaled start",
    "small_start": "normalised pixels, small start",
}
rows = [(name, depth) for name in TITLES for depth in race["races"][name] if depth != "16"]
figure = classroom.plots.new_figure(8.6, 3.8)
axes = figure.subplots()
for place, (name, depth) in enumerate(rows):
    for act, shift in (("relu", -0.17), ("tanh", 0.17)):
        runs = race["races"][name][depth][act]
        epochs, missed = runs["mean_epochs"], len(runs["epochs"]) - runs["reached"]
        length = epochs or len(runs["curves"][0])  # where the study stopped
        axes.barh(place + shift, length, height=0.32, color=INKS[act],
                  alpha=1 if epochs else 0.25)  # fmt: skip
        note = f"{epochs:.1f}" if epochs else f"{missed} of {race['seeds']}: still guessing"
        axes.annotate(note, (length, place + shift), (4, 0), va="center", fontsize=9,
                      textcoords="offset points", color=INKS[act])  # fmt: skip
axes.set_yticks(range(len(rows)), [f"{TITLES[name]}, depth {depth}" for name, depth in rows])
axes.set(xlabel=f"epochs to 20 % training error, mean of {race['seeds']} seeds", ylabel="race",
         xlim=(0, 34), ylim=(len(rows) - 0.4, -0.6))  # fmt: skip
axes.grid(visible=False, axis="y")
axes.annotate("ReLU", (0.0, 1.02), xycoords="axes fraction", color=INKS["relu"], fontweight="bold")
axes.annotate("tanh", (0.12, 1.02), xycoords="axes fraction", color=INKS["tanh"], fontweight="bold")
classroom.show(
    figure,
    alt="Epochs to 20 % training error of ReLU and tanh under four conditions: in the mean tanh "
    "needs fewer epochs, or is alone in arriving, in every one.",
)

# %%
known = [
    value for by_depth in race["epochs_ratios"].values() for value in by_depth.values() if value
]
verdict = "in no race" if max(known) < 1 else "in some races"
print(f"ReLU needs fewer epochs than tanh {verdict} of ours, best of the learning rates tried")

every = [(name, depth) for name in TITLES for depth in sorted(race["races"][name], key=int)]
for name, depth in every:
    relu, tanh = (race["races"][name][depth][act] for act in ("relu", "tanh"))
    if relu["mean_epochs"] and tanh["mean_epochs"]:
        lead = relu["mean_epochs"] - tanh["mean_epochs"]
        error = math.hypot(relu["sd_epochs"], tanh["sd_epochs"]) / race["seeds"] ** 0.5
        print(f"{TITLES[name]}, depth {depth}: tanh ahead by {lead:.1f} epochs, standard error "
              f"{error:.1f}{'' if abs(lead) > 2 * error else ': undecided'}")

# %% [markdown]
# **Not here, and why.** We could not bring back the factor of six. The ratio lies between
# {{results.relu_vs_tanh.lowest_ratio:.2f}} and {{results.relu_vs_tanh.highest_ratio:.2f}} wherever
# both arrive. With the small start and 8 convolutions tanh arrives and ReLU does not: after eight
# epochs it still guesses, at every learning rate tried, and the study stops it there. The gradients
# above say why. So the comforts are not the reason: without them tanh leads too. The paper's
# network and images were larger than ours, and it says itself that the size of the effect varies
# with the architecture.
#
# And mind what these races are: {{results.relu_vs_tanh.seeds}} seeds and one set of images. Where
# the list above says *undecided*, the lead is under two of its standard errors. With twice the maps
# the ratio is {{results.relu_vs_tanh.epochs_ratios.wide.3:.2f}}. Four times is yours to try: call
# `train_epochs("relu", 0.01, 8, width=32)`, and the same for tanh with 0.03. How much of the lead
# is left?
#
# What we can say: tanh was no slower to learn in any race, and the sigmoid was slower. ReLU has a
# further merit that counts on a device: it is one comparison. The seconds an epoch, printed at the
# live race, say what that is worth on your machine.
#
# ### Explore: where does the gradient die?
#
# Choose a depth, an activation and a start. Can you find a sigmoid network whose first layer still
# learns?

# %%
def draw_gradients(depth: int, activation: str, start: str):
    """Gradient of each convolution, relative to the last one."""
    size = gradient_sizes(depth, activation, start == "scaled")
    relative = [max(each / size[-1], 1e-12) for each in size]
    figure = classroom.plots.new_figure(7.6, 2.7)
    axes = figure.subplots()
    axes.plot(range(1, depth + 1), relative, "o-", color=INKS[activation])
    axes.axhline(1, color=classroom.plots.MUTED, ls=":", lw=1.2)
    axes.set(yscale="log", ylim=(1e-12, 1e3), xlabel="convolution (1: next to the image)")
    axes.set_ylabel("gradient, last layer = 1")
    axes.set_title(f"{NAMES[activation]}, {depth} convolutions, {start} start")
    words = "of the same order as" if relative[0] > 0.03 else "far smaller than"
    return figure, f"{NAMES[activation]}: the first layer's gradient is {words} the last layer's."


classroom.Explorer(
    draw_gradients, depth=(2, 20, 1, 12), activation=["sigmoid", "tanh", "relu"],
    start=["small", "scaled"],
)  # fmt: skip

# %% [markdown]
# ## Part 2: pooling that overlaps
#
# LeNet-5 pools squares side by side. AlexNet takes the maximum of 3x3 pixels, two pixels apart, so
# that neighbours share a row or a column. The paper gains
# {{published.alexnet.overlapping_pooling.top1_points}} points of top-1 error.
#
# ### Exercise 2: maximum pooling (3 points, 15 minutes)
#
# Write `max_pool(X, size, stride)`: the maximum of each window of `size` x `size` pixels, `stride`
# pixels apart. X is [N, C, H, W]. Only whole windows count.
#
# *Example.* A map of 13x13 with size 3 and stride 2 gives 6x6, as AlexNet's `pool5`.
#
# *Hint.* `X.unfold(2, size, stride)` lists windows along the height, as a new last axis.


# %% exercise="ch03.max_pool"
def max_pool(X: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    """Maximum of each window of X [N, C, H, W]."""
    ### BEGIN SOLUTION
    windows = X.unfold(2, size, stride).unfold(3, size, stride)  # [N, C, H', W', size, size]
    return windows.amax(dim=(-2, -1))
    ### END SOLUTION


# %% check="ch03.max_pool" points=3
classroom.check("ch03.max_pool", max_pool)

# %% [markdown]
# ## Part 3: response normalisation
#
# After the first two layers AlexNet divides each number by what its neighbours in channel direction
# say. A loud unit silences those beside it (**LRN**, local response normalisation):
#
#     b_i = a_i / (k + alpha * sum of a_j^2 over the 5 nearest channels j)^beta
#
# The paper gains {{published.alexnet.response_normalization.top1_points}} points with it.

# %%
from edu_lib.models.alexnet import LocalResponseNorm

quiet = torch.ones(1, 7, 1, 1)
loud = quiet.clone()
loud[0, 3] = 100.0
norm = LocalResponseNorm(size=5, alpha=1e-2, beta=0.75, k=1.0)
for name, a in (("all alike", quiet), ("one is loud", loud)):
    print(f"{name:12s}", [f"{value:.2f}" for value in norm(a).flatten().tolist()])

# %% [markdown]
# ## Part 4: against overfitting
#
# 60 million parameters can learn 1.2 million images by heart. This is **overfitting**: knowing the
# images, and not what they have in common. The paper has two remedies. **Augmentation**: cut a
# 224x224 patch out of each 256x256 image, at random, and mirror half of them. The paper also shifts
# the colours of each image, along the directions in which colours vary most; we leave that out, our
# clothes are grey.

# %%
places = 256 - 224 + 1  # the formula of chapter 01, with a kernel of 224
print(f"{places} x {places} places, mirrored or not: {2 * places**2:,} training images out of one")
paper = published["augmentation"]["times_more_images"]
assert paper == 2 * (places - 1) ** 2
print(f"the paper counts {places - 1} x {places - 1} places: {paper:,}")

# %%
torch.manual_seed(3)
shirt = clothes.test.X[4:5]
copies = edu.random_shift(shirt.repeat(11, 1, 1, 1), max_shift=3)
mirrored = torch.rand(11, 1, 1, 1) < 0.5
copies = torch.where(mirrored, copies.flip(-1), copies)
classroom.plots.image_grid(1 - torch.cat([shirt, copies]), columns=12, cell_inches=0.72,
                     alt="One shirt, and eleven images made of it by shifts and mirroring.")

# %% [markdown]
# **Dropout**: in training, each unit of the first two linear layers is set to zero with probability
# {{published.alexnet.dropout.share}}, anew for each image. No unit can rely on another. In 2012 the
# outputs were halved when testing; today what stays is enlarged in training, and testing needs
# nothing.
#
# ### Exercise 3: dropout (2 points, 12 minutes)
#
# Write `dropout(X, share, generator)`: set each value of X to 0 with probability `share`, and
# divide the others by `1 - share`, so that the mean stays.
#
# *Example.* Ones with share 0.5 become zeros and twos, about half of each.
#
# *Hint.* `torch.rand(X.shape, generator=generator)` is below 0.3 in 30 % of cases.


# %% exercise="ch03.dropout"
def dropout(X: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """X with each value dropped with probability `share`."""
    ### BEGIN SOLUTION
    kept = torch.rand(X.shape, generator=generator) >= share
    return X * kept / (1 - share)
    ### END SOLUTION


# %% check="ch03.dropout" points=2
classroom.check("ch03.dropout", dropout)

# %% [markdown]
# ## Measure: every part on and off
#
# A small AlexNet with five convolutions, {{results.alexnet_parts.num_images:,}} training images,
# one part changed at a time, {{results.alexnet_parts.seeds}} seeds. Each seed is compared with
# itself: the same seed without the change.

# %%
LABELS = {
    "tanh": "tanh for ReLU", "pooling_2x2": "pooling without overlap",
    "normalisation": "response normalisation", "four_layers": "4 convolutions, not 5",
    "shifted": "shifted images", "dropout": "dropout 0.5",
    "dropout_shifted": "dropout and shifts",
}  # fmt: skip
parts_guess = classroom.predict(
    "03.dropout",
    "25 epochs on 2,000 images. What does a dropout of one half do to the test error?",
    options=["lowers it", "no clear change", "raises it"],
)
parts_guess

# %% tags=["hide-input"] slide="Each part, switched on and off and measured" tour=2
few_parts = edu.load_result("alexnet_overfitting")["parts"]
SERIES = [(parts, classroom.plots.FP32, -0.14), (few_parts, classroom.plots.COMPRESSED, 0.16)]
figure = classroom.plots.new_figure(8.8, 3.7)
axes = figure.subplots()
for place, key in enumerate(LABELS):
    for table, colour, shift in SERIES:
        if key not in table:
            continue
        pairs = zip(table[key]["test_errors"], table["plain"]["test_errors"], strict=True)
        changes = [error - plain for error, plain in pairs]
        axes.plot(changes, [place + shift] * len(changes), "o", ms=6, color=colour, alpha=0.75)
        axes.plot(table[key]["change_mean"], place + shift, "|", ms=14, mew=2.5, color=colour)
axes.axvline(0, color=classroom.plots.MUTED, lw=1.4)
axes.set_yticks(range(len(LABELS)), LABELS.values())
axes.set(ylim=(len(LABELS) - 0.4, -0.6), ylabel="what is changed")
axes.set_xlabel("change of the test error, in points (left is better); dots: seeds, bar: mean")
axes.grid(visible=False, axis="y")
titles = ("2,000 images, 25 epochs", "500 images, 100 epochs")
for x, text, (_, colour, _) in zip((0.3, 0.62), titles, SERIES, strict=True):
    axes.annotate(text, (x, 1.02), xycoords="axes fraction", color=colour, fontweight="bold")
classroom.show(
    figure,
    alt="Change of the test error when one part of a small AlexNet is changed, 2,000 images: "
    + ", ".join(f"{text} {parts[key]['change_mean']:+.1f}" for key, text in LABELS.items())
    + "; 500 images: "
    + ", ".join(f"{text} {few_parts[key]['change_mean']:+.1f}" for key, text in LABELS.items()
                if key in few_parts),
)  # fmt: skip

# %%
effect = parts["dropout"]["change_mean"]
answer = "raises it" if effect > 0.3 else "lowers it" if effect < -0.3 else "no clear change"
parts_guess.reveal(answer, f"By {effect:.1f} points on average: it slows learning down.")

# %% [markdown]
# **See:** three dots left of the line are a gain. In blue there is none. Tanh for ReLU costs
# {{results.alexnet_parts.parts.tanh.change_mean:.1f}} points on average, and some with every seed:
# it learns as fast, and what it learns is worth a little less on new images. Response normalisation
# slows the learning: after as many epochs the training error is
# {{results.alexnet_parts.parts.normalisation.train_error_mean:.0f}} % instead of
# {{results.alexnet_parts.parts.plain.train_error_mean:.0f}} %. Overlap and the fifth convolution
# make no difference that three seeds can show.
#
# Dropout and shifted images *raise* the test error, by
# {{results.alexnet_parts.parts.dropout.change_mean:.1f}} and
# {{results.alexnet_parts.parts.shifted.change_mean:.1f}} points. Look at the training error: it is
# {{results.alexnet_parts.parts.plain.train_error_mean:.0f}} % without them, and
# {{results.alexnet_parts.parts.dropout.train_error_mean:.0f}} % and
# {{results.alexnet_parts.parts.shifted.train_error_mean:.0f}} % with. In 25 epochs even the plain
# network has not learned its images by heart. It does overfit: on new images it misses
# {{results.alexnet_parts.parts.plain.test_error_mean:.0f}} %. But both remedies make the task
# harder, and in 25 epochs they cost more than they bring; the paper says that dropout needs about
# {{published.alexnet.dropout.iterations_factor}} times the steps.
#
# The orange dots are the other case: 500 images, each seen four times as often, so that the plain
# network knows them by heart (training error
# {{results.alexnet_overfitting.parts.plain.train_error_mean:.1f}} %). Here dropout changes the test
# error by {{results.alexnet_overfitting.parts.dropout.change_mean:+.1f}} points and shifting by
# {{results.alexnet_overfitting.parts.shifted.change_mean:+.1f}}, and both gain with every seed. It
# is the case of the paper: a network that is large for its data, and trained for days. **Ask first
# whether a network overfits, and whether it trains long enough, then whether a remedy helps.**

# %% [markdown]
# ## Two GPUs, today: data parallel
#
# Nobody cuts networks of this size in two any more. The images are divided instead: every processor
# has the whole network and a part of the batch. Each computes the gradient of its own part. Then
# they average, and all take the same step. This is **data parallelism**. Is the average really the
# gradient of the whole batch?

# %%
torch.manual_seed(0)
model = SmallAlexNet(dropout=0.0)
X, y = few.X[:128], few.y[:128]


def gradient(X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """All gradients of the mean loss, in one long vector."""
    grads = torch.autograd.grad(F.cross_entropy(model(X), y), list(model.parameters()))
    return torch.cat([grad.flatten() for grad in grads])


whole = gradient(X, y)
shared = (gradient(X[:64], y[:64]) + gradient(X[64:], y[64:])) / 2
print(f"{len(whole):,} numbers travel between the processes in each step")
print(
    "the average of two halves is the gradient of the whole:",
    torch.allclose(whole, shared, rtol=1e-4, atol=1e-6),
)

# %% [markdown]
# `edu.fit` does this when it runs under `torchrun`, PyTorch's starter of several processes. It
# needs no GPU; two processes on two cores do. The study trained one small AlexNet with one process
# and with two:
#
#     python3 -m torch.distributed.run --standalone --nproc-per-node=2 \
#         -m studies.data_parallel FOLDER

# %%
dp = edu.load_result("data_parallel")
alone_s, shared_s = dp["seconds_an_epoch"]
print(f"same weights within 0.001: {dp['largest_weight_difference'] < 1e-3}")
print(f"two processes are {'faster' if dp['speedup'] > 1.1 else 'not faster'} than one")
print(f"sent in each step: {dp['gradient_bytes_a_step']:,} bytes; AlexNet: {4 * cost.params:,}")

# %% [markdown]
# Two processes were {{results.data_parallel.speedup:.2f}} times as fast as one, and the weights at
# the end agree: the largest difference of any weight is
# {{results.data_parallel.largest_weight_difference:.1e}}. It is not zero, because sums in another
# order round differently. Where does it **not** help? Look at the bytes. AlexNet would send 244
# million in each step, nearly all for linear layers that do 8 % of the work. Krizhevsky proposed in
# 2014 to divide the images for the convolutions and the weights for the linear layers.
#
# ### Exercise 4: average the gradients (3 points, 15 minutes)
#
# Write `average_gradients(gradients, counts)`. Process `i` hands in the gradient of the mean loss
# of its `counts[i]` images. Return the gradient of the mean loss of all images together.
#
# *Example.* Gradients `[2.0]` and `[5.0]` of 2 images and 1 image: `[3.0]`.
#
# *Hint.* The plain mean is right only if all have the same number of images.


# %% exercise="ch03.average_gradients"
def average_gradients(gradients: list[torch.Tensor], counts: list[int]) -> torch.Tensor:
    """Gradient of the mean loss over all images of all processes."""
    ### BEGIN SOLUTION
    total = sum(counts)
    return sum(grad * count / total for grad, count in zip(gradients, counts, strict=True))
    ### END SOLUTION


# %% check="ch03.average_gradients" points=3
classroom.check("ch03.average_gradients", average_gradients)

# %% [markdown]
# ## What the first layer learned
#
# AlexNet's most famous picture is figure 3 of the paper, its 96 first kernels: edges at all angles
# in grey, and blobs of colour. Those on the first card came out grey, those on the second coloured,
# says the paper, in every run. The kit has no weights of that network, so look at the picture
# there. Here is what a smaller one learned, and it need not look alike.
#
# Our small AlexNet learned from {{results.alexnet_filters.num_scenes:,}} of this kit's road scenes
# to tell place and weather ({{results.alexnet_filters.accuracy_mean:.0f}} % of new scenes right, of
# {{results.alexnet_filters.classes}} classes). It too has two towers, and images in colour.

# %% tags=["hide-input"] slide="What the first layer learned" minutes=1
filters = edu.load_result("alexnet_filters")
roads = SmallAlexNet(64, 3, filters["classes"], towers=2, dropout=0.0, mean=0.40, std=0.18)
edu.load_weights(roads, "alexnet_roads")
kernels = roads.features.conv1.weight.detach()
scale = kernels.abs().amax(dim=(1, 2, 3), keepdim=True)
pictures = (0.5 + 0.5 * kernels / scale).permute(0, 2, 3, 1)
figure = classroom.plots.new_figure(8.4, 2.5)
panels = figure.subplots(2, 8)
for index, axes in enumerate(panels.flat):
    axes.imshow(pictures[index], vmin=0, vmax=1)
    classroom.plots.picture_axes(axes)
for row in (0, 1):
    panels[row, 0].set_title(f"tower {row + 1}", loc="left", fontsize=10)
classroom.show(
    figure,
    alt="The sixteen first kernels, 7x7 pixels in colour, eight for each tower: contrasts of "
    "colour, two blobs, and some that still look like noise, in both towers.",
)

# %% [markdown]
# **See:** some kernels compare the light above with what lies below, some answer to one colour,
# like the green and the red ones. They began as faint noise, and nobody asked for sky or grass.
# Others still look like noise: a few thousand scenes are little beside 1.2 million photographs. And
# the division of labour? The study measured how much of each kernel is colour: the two towers
# differ by more than chance in {{results.alexnet_filters.specialised_seeds}} of
# {{results.alexnet_filters.seeds}} trainings. With eight kernels a tower, ours do not specialise.
#
# ## What it can do, and what it costs today
#
# The kit ships a small AlexNet of {{results.alexnet_weights.small_alexnet.file_bytes:,}} bytes that
# learned clothes ({{results.alexnet_weights.small_alexnet.test_accuracy:.1f}} % right). Let it read
# sixteen test images.

# %%
small = edu.load_weights(SmallAlexNet(dropout=0.1), "small_alexnet").eval()
KINDS = ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
         "boot"]  # fmt: skip
with torch.no_grad():
    read_as = small(clothes.test.X[:16]).argmax(dim=1)
titles = [KINDS[kind] + ("" if kind == right else f"\n(is {KINDS[right]})")
          for kind, right in zip(read_as.tolist(), clothes.test.y[:16].tolist(), strict=True)]
classroom.plots.image_grid(1 - clothes.test.X[:16], titles, columns=8)

# %% [markdown]
# Now its milliseconds, and those of its large brother: the AlexNet that torchvision ships, of 2014,
# in one tower and without response normalisation, with nearly as many MACs as that of 2012. It is
# untrained: time does not ask what the weights are. Its time comes from chapter 05's study, in the
# fastest form found.

# %% tags=["nbval-ignore-output"] slide="AlexNet against the frame, today" minutes=1
import tempfile
from pathlib import Path

X = clothes.test.X[:1]
test = edu.evaluate(small, clothes.test.X, clothes.test.y)
file = edu.export_onnx(small, X, Path(tempfile.mkdtemp()) / "small_alexnet.onnx")
measured = edu.measure_latency(edu.onnxruntime_runner(file, X, threads=1))
cpu = edu.load_result("cpu_gpu")["cpu"]
alexnet_ms, vgg_ms = (cpu["best"][key]["batch_1"]["p50_ms"] for key in ("alexnet", "vgg16"))
classroom.plots.frame_budget_bar([
    ("small AlexNet, 28x28, here, 1 thread", measured.p50_ms, "fp32"),
    (f"AlexNet of 2014, 224x224, study, {cpu['threads']} threads", alexnet_ms, "fp32"),
    (f"VGG-16, 224x224, study, {cpu['threads']} threads", vgg_ms, "fp32"),
])  # fmt: skip

# %%
print(classroom.gpu_lines(networks=("alexnet", "vgg16")))

# %% [markdown]
# **See:** the small one is far below the line, for images of 28x28. The full-size AlexNet has two
# hundred times its MACs. The second bar says whether two ordinary cores hold the budget with it;
# chapter 05 takes it apart.
#
# ## What is told, what the paper says, what is counted here
#
# The story of 2012 is told everywhere. Here are its three claims, beside their sources.
#
# | part | it is often told | the paper says | counted or measured here |
# |---|---|---|---|
# | training | days instead of weeks or months | {{published.alexnet.paper.training_days}} days, on {{published.alexnet.paper.gpus}} GPUs | under two days at the cards' peak, so the paper reached a third of it |
# | accuracy | ten points better, the only convolutional network of its year | {{published.alexnet.paper.top5_seven_networks_percent}} % against {{published.alexnet.paper.second_entry_top5_percent}} % | 10.9 points with further images, 9.8 without; of five other teams none names a network |
# | deployment | an answer within a second instead of minutes | nothing: no time of an answer is given | {{results.cpu_gpu.cpu.best.alexnet.batch_1.p50_ms:.0f}} ms for one image, in its form of 2014, on {{results.cpu_gpu.cpu.threads}} CPU cores of today |
#
# And one sentence of the usual story does not hold: that such networks could not be deployed
# before. Cheque readers with LeNet's kind of network were at work in the late 1990s (chapter 02).
# What was new in 2012 was the size.
#
# ## Claims
#
# What the paper says about each part, beside what was measured here. The paper's points are top-1
# errors on ImageNet, ours test errors on 10,000 pictures of clothes. A verdict allows 0.1 points;
# up to 0.3 points it says "partly", and "undecided" where two standard errors of our seeds would
# change it.

# %%
paper = "Krizhevsky et al. 2012, "
change = {key: part["change_mean"] for key, part in parts.items()}
few_change = {key: part["change_mean"] for key, part in few_parts.items()}
noise = {"tolerance": 0.1, "partly_tolerance": 0.3}


def two_errors(table: dict, key: str) -> float:
    """Two standard errors of the mean change over the seeds, in points."""
    change = torch.tensor(table[key]["test_errors"]) - torch.tensor(table["plain"]["test_errors"])
    return 2 * float(change.std()) / len(change) ** 0.5


# %%
classroom.claims_table([
    classroom.claim(paper + "abstract", "650,000 neurons", 650_000, neurons, "equal", 10_000,
              unit="neurons"),
    classroom.claim(paper + "3.1", "ReLU needs 6 times fewer epochs than tanh", 6,
              race["epochs_ratio"], "higher", 1, unit="times"),
    classroom.claim(paper + "3.4", "overlapping pooling gains 0.4 points", 0.4,
              change["pooling_2x2"], "higher", **noise, unit="points",
              scatter=two_errors(parts, "pooling_2x2")),
    classroom.claim(paper + "3.3", "response normalisation gains 1.4 points", 1.4,
              -change["normalisation"], "higher", **noise, unit="points",
              scatter=two_errors(parts, "normalisation")),
    classroom.claim(paper + "7", "without a middle layer 2 points are lost", 2,
              change["four_layers"], "higher", **noise, unit="points",
              scatter=two_errors(parts, "four_layers")),
    classroom.claim(paper + "4.1", "augmentation lowers the test error (here: shifts, 500 images)",
              0, few_change["shifted"], "lower", **noise, unit="points",
              scatter=two_errors(few_parts, "shifted")),
    classroom.claim(paper + "4.2", "dropout lowers the test error (here: 500 images)", 0,
              few_change["dropout"], "lower", **noise, unit="points",
              scatter=two_errors(few_parts, "dropout")),
    classroom.claim(paper + "6.1", "the towers specialise in every run", filters["seeds"],
              filters["specialised_seeds"], "equal", 0, unit=f"of {filters['seeds']} runs"),
])  # fmt: skip

# %% [markdown]
# What is counted agrees with the paper. What is learned mostly does not come back, and the rows say
# so. That is no refutation. A gain is a fact about a network, its data and its training time; ours
# are hundreds of times smaller. And mind the noise: for overlapping pooling our seeds lie on both
# sides of zero ({{results.alexnet_parts.parts.pooling_2x2.change_low:+.1f}} to
# {{results.alexnet_parts.parts.pooling_2x2.change_high:+.1f}} points without the overlap), so its
# row is undecided. Ask of every gain: on which network, with how many seeds?
#
# ## The ledger
#
# Stored rows were measured by the protocol on an idle machine (`python3 kit.py bench`). Yours is
# below them. The full-size AlexNet has no row: without trained weights it has no quality, and a row
# without its quality is not printed.

# %% tags=["nbval-ignore-output"]
small_cost = edu.count_cost(small, (1, 1, 28, 28))
mine = classroom.LedgerRow(
    chapter="03", model="small AlexNet", quality=test.accuracy, quality_unit="% of Fashion-MNIST",
    params=small_cost.params, macs=small_cost.macs, file_bytes=file.stat().st_size,
    p50_ms=measured.p50_ms, backend="ONNX Runtime, 1 thread",
)  # fmt: skip
classroom.ledger(upto="03", mine=[mine])

# %% [markdown]
# ## Key points
#
# - Between 1998 and 2012 statistical methods were easier to train and, on small images, a few
#   points behind. They carry their training images along; a network carries a summary.
# - AlexNet is LeNet-5's plan with 60 million parameters. Its linear layers hold 96 % of them, its
#   convolutions do 92 % of the work.
# - The two towers were a way around 3 GB of memory. The convolution in groups outlived them.
# - A gradient is multiplied by a slope in every layer. A sigmoid's slopes make it vanish. ReLU and
#   tanh let it through, if the first weights have the right size.
# - ReLU did not need fewer epochs than tanh here, on narrow networks and one set of images. A
#   famous factor holds for the network that it was measured on.
# - A part that fights overfitting costs training time. It pays where the network knows its images
#   by heart and trains long enough.
# - Averaged gradients of parts are the gradient of the whole: so processors share a training.
#
# **Terms.**
#
# - *Nearest neighbours, k-NN*: the classes of the k nearest training images vote. *Kernel ridge*: a
#   weighted sum over all training images, the weights found by solving one linear system.
# - *Top-5 error*: the share of images whose class is not among the five answers given. *Top-1
#   error*: the same with one answer.
# - *Momentum*: a running sum of gradients, which the step follows.
# - *ReLU*: `max(0, a)`. *Saturated*: on the flat end of an activation, where no gradient passes.
# - *Vanishing gradient*: a gradient that shrinks from layer to layer on its way to the input.
# - *Group*: a part of the maps of a convolution that sees no other part. *Tower*: the same group,
#   all layers through.
# - *Dropout*: units set to zero at random in training. *Augmentation*: new images made of old ones.
# - *LRN*: local response normalisation, by neighbouring channels.
# - *Model parallel*: the network is divided. *Data parallel*: the images are.
# - *Overfitting*: knowing the training images, and not what they have in common.
#
# **References.**
#
# - A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional neural
#   networks", NIPS 25, 2012.
# - O. Russakovsky et al., "ImageNet large scale visual recognition challenge", International
#   Journal of Computer Vision 115, 2015. Winners by the result pages of image-net.org;
#   `data/published/alexnet.json` says where each number stands.
# - V. Nair, G. Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
# - Y. LeCun, L. Bottou, G. Orr, K.-R. Müller, "Efficient BackProp", 1998.
# - K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015.
# - A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
#   arXiv:1404.5997, 2014.
#
# **Next.** [04 The data bill](04_the_data_bill.ipynb): 1.2 million labelled images, and who paid
# for them.
