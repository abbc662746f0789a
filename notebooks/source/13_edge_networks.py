# %% [markdown]
# # Ten years of small networks
#
# **Question.** Between AlexNet of 2012 and a phone that names what its camera sees lie ten years.
# Which ideas made networks small, and do fewer multiplications mean fewer milliseconds?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 50 | {{results.chapter_seconds.13_edge_networks:.0f}} | [07 Separable convolutions](07_separable_convolutions.ipynb), [09 Quantization](09_quantization.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. place a network of 2014 to 2022 in its family, and build its block from scratch;
# 2. read MACs beside milliseconds, and say whom the MACs flatter;
# 3. let a trained network read a photograph, see where it looks, and measure what int8, 4 bits and
#    pruning change.

# %%
import textwrap

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

import classroom
import edu_lib as edu
from classroom.photographs import NAMES, as_input, centre, photograph, random_crops
from edu_lib.models.mobile import MEAN, STD
from edu_lib.models.repvgg import RepVGGBlock, reparameterize

torch.set_num_threads(1)
classroom.plots.use_house_style()
rows_of_study = edu.load_result("edge_networks").items()
networks = {key: row for key, row in rows_of_study if isinstance(row, dict) and "macs" in row}
print("the ideas of ten years, one block each")

# %% [markdown]
# ## The story: deeper first, then thinner
#
# After 2012 the winners grew. VGG (2014) stacked 3x3 windows, sixteen layers and 15 billion MACs an
# image. GoogLeNet of the same year went the other way: 1x1 convolutions squeeze the channels before
# the wide windows read them. ResNet (2015) added the input of a block to its output, a **skip
# connection**, and networks of a hundred layers could be trained.
#
# Then a second line began, which asks what a phone can carry. Follow the arrows: each is an idea
# that was handed on.

# %% tags=["hide-input"] slide="Ten years of small networks: each idea is handed on" tour=1
TREE = {  # name: (year, lane, parents)
    "AlexNet": (2012.8, 0, ()), "VGG": (2014.6, -1, ("AlexNet",)),
    "GoogLeNet": (2014.6, 1, ("AlexNet",)), "ResNet": (2015.9, -1, ("VGG",)),
    "SqueezeNet": (2016.1, 2, ("GoogLeNet",)), "MobileNet": (2017.4, 1, ("GoogLeNet",)),
    "ShuffleNet": (2017.4, 3.1, ("ResNet",)), "ShuffleNetV2": (2018.8, 2.6, ("ShuffleNet",)),
    "MobileNetV2": (2018.0, 0, ("MobileNet", "ResNet")), "MnasNet": (2018.6, 1.8, ("MobileNetV2",)),
    "MobileNetV3": (2019.7, 1, ("MobileNetV2", "MnasNet")),
    "EfficientNet": (2019.4, 0, ("MobileNetV2", "MnasNet")), "MCUNet": (2020.6, 3, ("MnasNet",)),
    "EfficientNet-Lite": (2020.2, 0.5, ("EfficientNet",)), "ConvNeXt": (2022.1, -1, ("ResNet",)),
    "GhostNet": (2020.6, 1.8, ("MobileNetV3",)), "RepVGG": (2021.0, -2, ("VGG", "ResNet")),
    "MobileOne": (2022.6, -2, ("RepVGG",)), "MobileNetV4": (2024.3, 1, ("MobileNetV3",)),
}  # fmt: skip
figure = classroom.plots.new_figure(10.8, 4.8)
axes = figure.subplots()
box = {"boxstyle": "round", "fc": "white", "ec": classroom.plots.FP32}
names = {name: axes.text(year, lane, name, ha="center", va="center", fontsize=10, bbox=box)
         for name, (year, lane, _) in TREE.items()}  # fmt: skip
for name, (*place, parents) in TREE.items():
    for parent in parents:
        ends = {"patchA": names[parent].get_bbox_patch(), "patchB": names[name].get_bbox_patch()}
        arrow = {"arrowstyle": "->", "color": classroom.plots.MUTED, **ends}
        axes.annotate("", place, TREE[parent][:2], arrowprops=arrow, zorder=4)  # names come first
axes.set(xlim=(2011.9, 2025.2), ylim=(-2.7, 3.7), xlabel="year", yticks=[],
         ylabel="the line of ResNet below, of GoogLeNet above")  # fmt: skip
axes.grid(visible=False)
classroom.show(figure,
               alt="Family tree from AlexNet 2012: VGG and ResNet below lead to RepVGG, MobileOne, "
               "ConvNeXt and ShuffleNet; GoogLeNet leads to SqueezeNet and MobileNet, whose "
               "versions 2 to 4, MnasNet, GhostNet and MCUNet follow; "
               "EfficientNet and its Lite form come from MobileNetV2 and MnasNet.")  # fmt: skip

# %% tags=["hide-input"]
IDEAS = {
    "alexnet": ("AlexNet", "large windows, three wide linear layers"),
    "vgg16": ("VGG-16", "3x3 windows alone"),
    "googlenet": ("GoogLeNet", "1x1 squeezes before wide windows"),
    "resnet18": ("ResNet-18", "input added to output"),
    "squeezenet1_0": ("SqueezeNet", "fire modules"),
    "mobilenet_v1": ("MobileNet", "depthwise and 1x1"),
    "mobilenet_v2": ("MobileNetV2", "thin, wide, thin"),
    "shufflenet_v2_x1_0": ("ShuffleNetV2", "half of the channels, dealt out"),
    "mnasnet1_0": ("MnasNet", "searched with a phone's clock"),
    "mobilenet_v3_large": ("MobileNetV3-Large", "gates, hard swish"),
    "efficientnet_b0": ("EfficientNet-B0", "depth, width, image grow together"),
    "efficientnet_lite0": ("EfficientNet-Lite0", "without what quantizes badly"),
    "repvgg_a0": ("RepVGG-A0", "branches that merge"),
    "convnext_tiny": ("ConvNeXt-Tiny", "large, modern, plain"),
}  # fmt: skip
print(f"{'':20s}{'params':>12s}{'MACs, million':>15s}{'top 1, %':>10s}   idea")
for key, (title, idea) in IDEAS.items():
    row = networks[key]
    print(f"{title:20s}{row['params']:12,}{row['macs'] / 1e6:15,.0f}{row['published_top1']:10.1f}"
          f"   {idea}")  # fmt: skip

# %% [markdown]
# Parameters and MACs are counted here. Top 1 is what torchvision states for the weights it offers,
# and the authors for MobileNet, EfficientNet-Lite0 and RepVGG-A0: the share of ImageNet's
# validation images whose first guess is right.
#
# **See:** in the tree, the two lines meet at MobileNetV2. It has its thin layers from MobileNet and
# its skip connection from ResNet. In the table, compare VGG-16 with MobileNetV2: equal accuracy,
# and about fifty times fewer MACs. ConvNeXt is the counterpoint, a plain large network of 2022 that
# took ideas from the networks which read text (transformers) and was not made for phones.
#
# This chapter builds four blocks of the second line: the fire module, the inverted residual, the
# shuffle and the gate. Then it merges branches, times, and reads photographs.
#
# ## Squeeze: the fire module
#
# SqueezeNet (2016) keeps AlexNet's accuracy with 50 times fewer parameters, as its title says. Its
# **fire module** squeezes the channels with a 1x1 convolution. Two wide layers read the squeezed
# map, one 1x1 and one 3x3, and their outputs stand side by side.


# %%
class Fire(nn.Module):
    """[N, inputs, H, W] to [N, expand1 + expand3, H, W]."""

    def __init__(self, inputs: int, squeeze: int, expand1: int, expand3: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand1, 1)
        self.expand3 = nn.Conv2d(squeeze, expand3, 3, padding=1)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        X = F.relu(self.squeeze(X))
        return torch.cat([F.relu(self.expand1(X)), F.relu(self.expand3(X))], dim=1)


def macs_of(block: nn.Module, channels: int) -> int:
    """MACs of one map of 28x28."""
    return edu.count_cost(block, (1, channels, 28, 28)).macs


fire, plain = Fire(128, 16, 64, 64), nn.Conv2d(128, 128, 3, padding=1)
print("3x3 convolution:", f"{macs_of(plain, 128):,} MACs")
print("fire module:    ", f"{macs_of(fire, 128):,} MACs")

# %% [markdown]
# ### Exercise 1: count a fire module (2 points, 10 minutes)
#
# Write `fire_parameters(inputs, squeeze, expand1, expand3)`: all weights and biases of a fire
# module.
#
# *Example.* `fire_parameters(3, 2, 4, 4)` is 96: 8 to squeeze, 12 for the 1x1 half, 76 for the 3x3
# half.
#
# *Hint.* A k x k convolution has `(k * k * inputs + 1) * outputs`. What do both wide layers read?


# %% exercise="ch13.fire"
def fire_parameters(inputs: int, squeeze: int, expand1: int, expand3: int) -> int:
    """Weights and biases of the three convolutions."""
    ### BEGIN SOLUTION
    return (inputs + 1) * squeeze + (squeeze + 1) * expand1 + (9 * squeeze + 1) * expand3
    ### END SOLUTION


# %% check="ch13.fire" points=2
classroom.check("ch13.fire", fire_parameters)

# %% [markdown]
# ## Thin, wide, thin: the inverted residual
#
# MobileNet (2017) replaced every 3x3 convolution but the first by a depthwise one and a 1x1 one:
# chapter 07. The deep forms of ResNet are wide between their blocks and thin inside (a
# *bottleneck*). MobileNetV2 (2018) turned that inside out. What is *stored* between blocks is thin;
# inside, a 1x1 convolution widens it six times, the depthwise window works there, and another 1x1
# makes it thin again. That last one has no activation: a ReLU on few channels would throw away what
# was stored.


# %%
class InvertedResidual(nn.Module):
    """[N, C, H, W] to the same shape."""

    def __init__(self, channels: int, expansion: int = 6):
        super().__init__()
        wide = channels * expansion
        self.expand = nn.Conv2d(channels, wide, 1)
        self.depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.project = nn.Conv2d(wide, channels, 1)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        y = F.relu6(self.expand(X))
        y = F.relu6(self.depthwise(y))
        return X + self.project(y)


block = InvertedResidual(24)
for layer in edu.count_cost(block, (1, 24, 28, 28)).layers:
    print(f"{layer.name:10s} {tuple(layer.output_shape)}  {layer.macs:>9,} MACs")

# %% [markdown]
# **ReLU6** cuts off at 6. A range that ends is easy to put on a grid of 256 steps (chapter 09).
#
# Draw a block as the number of channels between its layers, and the ideas can be told apart at a
# glance:

# %% tags=["hide-input"] slide="Where a block is thin"
BLOCKS = {  # channels before, between and after the layers; the layers in between
    "ResNet's bottleneck": ((256, 64, 64, 256), ("1x1", "3x3", "1x1")),
    "fire module": ((128, 16, 128), ("1x1", "1x1 and 3x3")),
    "MobileNet": ((128, 128, 128), ("depthwise", "1x1")),
    "inverted residual": ((24, 144, 144, 24), ("1x1", "depthwise", "1x1")),
}  # fmt: skip
figure = classroom.plots.new_figure(9.6, 3.2)
panels = figure.subplots(1, 4, sharey=True)
for axes, (name, (channels, layers)) in zip(panels, BLOCKS.items(), strict=True):
    axes.bar(range(len(channels)), channels, 0.34, bottom=[-count / 2 for count in channels],
             color=classroom.plots.COMPRESSED)  # fmt: skip
    for place, count in enumerate(channels):
        axes.annotate(str(count), (place, count / 2), (0, 3), ha="center",
                      textcoords="offset points", fontsize=9)  # fmt: skip
    for place, layer in enumerate(layers):
        axes.annotate(layer.replace(" and ", "\nand "), (place + 0.5, -150), ha="center",
                      va="center", fontsize=9)  # fmt: skip
    axes.set(title=name, ylim=(-180, 165), xlim=(-0.5, len(channels) - 0.5), xticks=[], yticks=[],
             xlabel="from input to output")  # fmt: skip
    axes.grid(visible=False)
figure.axes[0].set_ylabel("channels")
classroom.show(figure, alt="Channels between the layers of four blocks. ResNet's bottleneck: 256, "
               "64, 64, 256. Fire module: 128, 16, 128. MobileNet: 128 throughout. Inverted "
               "residual: 24, 144, 144, 24.")  # fmt: skip

# %% [markdown]
# **See:** ResNet and SqueezeNet are thin inside. The inverted residual is thin outside: what waits
# in memory between two blocks is small.
#
# ## Groups that talk: the channel shuffle
#
# The 1x1 convolutions now cost most. ShuffleNet (2017) makes them in groups that do not see each
# other, and **deals the channels out** in between, like cards, so that the next groups hold some of
# each. It costs no MAC.
#
# ### Exercise 2: shuffle (2 points, 10 minutes)
#
# Write `channel_shuffle(X, groups)` for X [N, C, H, W]: channel i of part g moves to place
# `i * groups + g`.
#
# *Example.* Six channels in 2 groups, 0 1 2 and 3 4 5, become 0 3 1 4 2 5.
#
# *Hint.* Split dimension 1 into [groups, C / groups], swap the two, join them.


# %% exercise="ch13.shuffle"
def channel_shuffle(X: torch.Tensor, groups: int) -> torch.Tensor:
    """The channels dealt out anew."""
    ### BEGIN SOLUTION
    return X.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
    ### END SOLUTION


# %% check="ch13.shuffle" points=2
classroom.check("ch13.shuffle", channel_shuffle)

# %% [markdown]
# ## A gate for each channel: squeeze and excite, with a hard swish
#
# MobileNetV3 (2019) was found by a search, and took two parts along. **Squeeze and excite** looks
# at the mean of each channel and decides a factor for it. **Swish** is an activation,
# `x * sigmoid(x)`. Its exponential is expensive on a phone, so V3 replaces the sigmoid by straight
# lines:
#
#     hard_sigmoid(x) = relu6(x + 3) / 6        hard_swish(x) = x * hard_sigmoid(x)


# %%
def hard_swish(x: torch.Tensor) -> torch.Tensor:
    """x times a ramp from 0 at -3 to 1 at 3."""
    return x * F.relu6(x + 3) / 6


class SqueezeExcite(nn.Module):
    """[N, C, H, W] to the same shape: each channel times a number from 0 to 1."""

    def __init__(self, channels: int):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.excite = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        means = X.mean(dim=(2, 3), keepdim=True)
        gate = F.relu6(self.excite(F.relu(self.squeeze(means))) + 3) / 6
        return X * gate


x = torch.linspace(-6, 6, 7)
print("x:         ", x.tolist())
print("hard swish:", [round(float(value), 2) + 0.0 for value in hard_swish(x)])
print("as PyTorch's:", torch.allclose(hard_swish(x), F.hardswish(x)))
print("MACs of the gates of 96 channels:", f"{macs_of(SqueezeExcite(96), 96):,}")

# %% [markdown]
# **See:** up to -3 it is 0. So a grid of integers in front of it (chapter 09) may end at -3: what
# lies below changes nothing. `edu.quantize_static` uses that. In MACs the gates are cheap, because
# both layers work on one mean for each channel. Their product with the whole map is not in that
# count; the clock will find it.
#
# ## Three branches in training, one in use: reparameterization
#
# Many branches train well. They also cost: every branch is read from memory and written back.
# RepVGG (2021) trains three branches and *adds them up* before use. A convolution is linear, so
#
#     conv(X, W3) + conv(X, W1) + X  =  conv(X, W3 + padded W1 + ones in the middle)
#
# ### Exercise 3: merge the branches (3 points, 15 minutes)
#
# Write `merged(W3, b3, W1, b1)` for W3 [C, C, 3, 3] and W1 [C, C, 1, 1]: weight and bias of the one
# 3x3 convolution that does the work of both and of the identity. The branches are added; nothing is
# averaged.
#
# *Hint.* `F.pad(W1, (1, 1, 1, 1))` puts zeros around a 1x1 window. The identity is a 1x1
# convolution too: which matrix [C, C] gives each channel back unchanged?


# %% exercise="ch13.merge"
def merged(W3, b3, W1, b1) -> tuple[torch.Tensor, torch.Tensor]:
    """(weight [C, C, 3, 3], bias [C]) of the sum of three branches."""
    ### BEGIN SOLUTION
    ones = torch.eye(len(W3))[:, :, None, None].to(W3)
    return W3 + F.pad(W1 + ones, (1, 1, 1, 1)), b3 + b1
    ### END SOLUTION


# %% check="ch13.merge" points=3
classroom.check("ch13.merge", merged)

# %% [markdown]
# Is it really the same? Floats round, and a sum in another order rounds in another way. With whole
# numbers nothing rounds, and equal means equal in every digit.

# %%
generator = torch.Generator().manual_seed(0)
block = RepVGGBlock(8, 8).double().eval()
for part in block.modules():
    if isinstance(part, nn.Conv2d):
        part.weight.data = torch.randint(-9, 10, part.weight.shape, generator=generator).double()
    if isinstance(part, nn.BatchNorm2d):
        part.eps = 0.0  # an untrained batch norm then multiplies by exactly 1
X = torch.randint(-9, 10, (2, 8, 12, 12), generator=generator).double()
print("equal in every digit:", torch.equal(reparameterize(block)(X), block(X)))
tower = nn.Sequential(RepVGGBlock(8, 8), RepVGGBlock(8, 8)).eval()
before, after = (edu.count_cost(each, (1, 8, 28, 28)) for each in (tower, reparameterize(tower)))
print(f"two blocks of the library: {before.macs:,} MACs, {after.macs:,} after "
      "edu_lib.models.reparameterize")  # fmt: skip

# %% [markdown]
# MobileOne (2022) does the same with thin layers. GhostNet (2020) makes half of its channels from
# the other half with cheap windows. EfficientNet (2019) asks how to grow: depth, width and image
# together. MnasNet (2018) let a search choose, and it measured the milliseconds of a phone instead
# of MACs. MCUNet (2020) searches a network for 320 kB of memory.
#
# ## Measure it: MACs beside milliseconds

# %%
front = classroom.predict(
    "13.front",
    "MobileNetV3-Small has 57 million MACs, ResNet-18 has 1,814 million: 32 times as many. How "
    "many times longer does ResNet-18 take here, in PyTorch on one thread?",
    options=["about 32 times", "clearly less than 32 times", "clearly more than 32 times"],
)
front

# %% tags=["nbval-ignore-output"]
X = torch.rand(1, 3, 224, 224)
compared = edu.compare_latency(
    *(edu.pytorch_runner(torchvision.models.get_model(name, weights=None).eval(), X, name=name)
      for name in ("resnet18", "mobilenet_v3_small")),
    blocks=30, block_ms=1,
)  # fmt: skip
assert compared.void or compared.ratio < 26
compared

# %%
print(classroom.gpu_lines(networks=("resnet18", "mobilenet_v2", "mobilenet_v3_small")))

# %%
front.reveal(
    "clearly less than 32 times",
    "A small network has little to multiply for each call and each number it fetches: MACs "
    "flatter it.",
)

# %% tags=["hide-input"]
SMALL = ("mobile", "shuffle", "mnas", "squeeze", "efficientnet", "repvgg")
NAMED = {key: IDEAS[key][0] for key in
         ("alexnet", "vgg16", "resnet18", "convnext_tiny", "squeezenet1_0", "mobilenet_v2",
          "shufflenet_v2_x1_0", "efficientnet_lite0", "repvgg_a0")}  # fmt: skip
# what `python3 -m studies.edge_networks` has timed so far
timed = {key: row["threads_1"]["onnxruntime"]["p50_ms"] for key, row in networks.items()
         if "threads_1" in row}  # fmt: skip
panels = [({key: row["published_top1"] for key, row in networks.items()},
           "published accuracy, % (top 1)")]  # fmt: skip
panels += [(timed, "milliseconds, ONNX Runtime, one thread")] if timed else []
# where a name stands beside its point, if not below to the right: clear of lines and other points
SHIFTS = ({"efficientnet_lite0": (8, 1), "mobilenet_v2": (-6, -5), "alexnet": (8, -5),
           "squeezenet1_0": (8, -1), "convnext_tiny": (8, -5), "vgg16": (-8, -4)},
          {"efficientnet_lite0": (-6, 2), "repvgg_a0": (-5, 5), "alexnet": (-6, -9),
           "vgg16": (-8, -2)})  # fmt: skip

# %% tags=["hide-input"] slide="Equal accuracy with a tenth of the MACs" minutes=3 tour=2
figure = classroom.plots.new_figure(4.9 * len(panels) + 1.5, 4.2)
rows = zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, SHIFTS, strict=False)
for axes, (values, label), shifts in rows:
    for key, value in values.items():
        colour = classroom.plots.COMPRESSED if key.startswith(SMALL) else classroom.plots.FP32
        point, shift = (networks[key]["macs"] / 1e6, value), shifts.get(key, (5, -13))
        axes.plot(*point, "o", color=colour)
        if key in NAMED:
            axes.annotate(NAMED[key], point, shift, textcoords="offset points", color=colour,
                          ha="left" if shift[0] > 0 else "right")  # fmt: skip
    axes.set(xscale="log", xlabel="million MACs for 224x224 (log scale)", ylabel=label)
    axes.xaxis.set_major_formatter("{x:g}")
if timed:
    axes.set(yscale="log", ylabel=f"{label} (log)")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.axhline(33, color=classroom.plots.BUDGET, ls="--")
    axes.annotate("33 ms budget", (34, 33), (0, 4), textcoords="offset points", fontweight="bold",
                  color=classroom.plots.BUDGET)  # fmt: skip
classroom.show(figure,
               alt="Published accuracy over MACs of 29 networks: the small families, in orange, "
               "lie to the left of the large ones, in blue, at equal accuracy."
               + (" Beside it milliseconds over MACs." if timed else ""))  # fmt: skip

# %% [markdown]
# **See:** orange points reach the accuracy of blue ones with a tenth of the MACs. (The two blue
# points among the orange ones, at 400 million, are small members of a large family, RegNet.) But
# the clock says what that is worth: in the study ResNet-18 takes
# {{results.edge_networks.resnet18.threads_1.eager.p50_ms:.0f}} ms in eager PyTorch, and
# MobileNetV3-Small {{results.edge_networks.mobilenet_v3_small.threads_1.eager.p50_ms:.0f}} ms.
# Accuracy is what others published; ImageNet's images are not in this kit, and no accuracy is
# claimed here.
#
# ### All forms of all networks
#
# One network has many forms: eager in PyTorch, with channels last, in ONNX Runtime (*ORT*), in
# OpenVINO (*OV*), and as int8. Here are the medians of each at one thread, in milliseconds, on the
# machine of the study. "7 bits" are weights of 7 bits, whose sums fit the fast kernels of any
# processor (chapter 09). A dash is a form that could not be made or was not timed. A network is on
# the **front** if no other is both faster and at least as accurate.

# %% tags=["hide-input"]
FLOATS = {"eager": "eager", "channels_last": "ch. last", "onnxruntime": "ORT",
          "openvino": "OpenVINO"}  # fmt: skip
INT8 = {"onnxruntime_int8": "ORT int8", "onnxruntime_int8_7_bits": "ORT 7 bits",
        "openvino_int8_7_bits": "OV 7 bits"}  # fmt: skip
one_thread = {key: row["threads_1"] for key, row in networks.items() if "threads_1" in row}
print(f"{'':20s}" + "".join(f"{label:>12s}" for label in (FLOATS | INT8).values()))
for key in sorted(timed, key=timed.get):
    told = [one_thread[key].get(form) for form in FLOATS | INT8]
    print(f"{key:20s}" + "".join(f"{form['p50_ms']:12.1f}" if form else f"{'-':>12s}"
                                 for form in told))  # fmt: skip
fastest = {key: min(row[form]["p50_ms"] for form in FLOATS) for key, row in one_thread.items()}
top1 = {key: networks[key]["published_top1"] for key in fastest}
on_front = [key for key in sorted(fastest, key=fastest.get)
            if not any(fastest[o] < fastest[key] and top1[o] >= top1[key]
                       for o in fastest)]  # fmt: skip
print("\non the front of milliseconds (fastest float form) and published accuracy:")
print(textwrap.fill(", ".join(on_front), 92))
print("\nmilliseconds for each 100 million MACs:")
for key in ("vgg16", "resnet18", "mobilenet_v2", "efficientnet_b0", "mobilenet_v3_small"):
    print(f"{key:20s}{fastest[key] / networks[key]['macs'] * 1e8:11.1f}")

# %% [markdown]
# **See:** nearly all networks on the front were designed to be small or fast, and AlexNet, VGG-16,
# GoogLeNet, SqueezeNet and all ResNets are behind. To be designed so is not enough: MobileNet,
# MnasNet 1.0, MobileNetV3-Small and RepVGG-A0 are behind too. A MAC of MobileNetV3-Small takes
# about three times as long as one of VGG-16, and one of MobileNetV2, which is as thin, only about a
# quarter longer. EfficientNet-B0 and its Lite form have equal MACs, and the one with gates and
# swish takes well over half as long again. So MACs flatter very small networks, and gates.
# DenseNet, ConvNeXt and three transformers, which the left panel shows too, were counted and not
# timed.
#
# ## A trained network reads photographs
#
# The rest of the chapter uses **EfficientNet-Lite0** with its published weights. They came with the
# kit's packages; the file's checksum is compared, and it is read as numbers alone, since such a
# file may otherwise hold code.

# %% tags=["nbval-ignore-output"]
model = edu.models.efficientnet_lite0_imagenet()
classes = torchvision.models.MobileNet_V3_Small_Weights.IMAGENET1K_V1.meta["categories"]


def guesses(picture, count: int = 5) -> list[tuple[str, float]]:
    """The most probable classes of a picture, in percent."""
    with torch.inference_mode():
        probabilities = model(as_input(picture, MEAN, STD))[0].softmax(0)
    best = probabilities.topk(count)
    return [(classes[i], 100 * float(p)) for p, i in zip(*best, strict=True)]


for name in ("chelsea", "coffee", "camera", "rocket"):
    said = [f"{what} {share:.0f} %" for what, share in guesses(centre(photograph(name)))]
    print(f"{name:8s}", ", ".join(said))
assert "cat" in guesses(centre(photograph("chelsea")))[0][0]

# %% [markdown]
# It knows 1,000 names and must choose among them. A photographer with a tripod is a *tripod*, since
# no class is called "photographer", and a rocket is a *missile*. It answers for every picture, also
# for one that it has no name for.
#
# **Your own photograph:** hold something into your camera, or open a picture from a file. The page
# sends it to the kernel, which runs where you started the lab, and to nobody else. No picture is
# saved, not even in this notebook.

# %% tags=["nbval-ignore-output"]
classroom.Webcam(guesses)

# %% [markdown]
# The picture above is the kit's, until you take one. For the cells below, `photograph("dog.jpg")`
# opens any file.
#
# ### Where does it look?
#
# The last map has 1,280 channels of 7x7. The network averages each and multiplies with the weights
# of a class. Do the two in the other order, multiply first, and each of the 49 places says how much
# it speaks for that class: a **class activation map** (Zhou et al. 2016).


# %%
def class_activation(picture) -> tuple[np.ndarray, int]:
    """How much each place speaks for the best class [7, 7], and that class."""
    with torch.inference_mode():
        maps = model.head(model.blocks(model.stem(as_input(picture, MEAN, STD))))[0]
        best = int(model.classifier(maps.mean(dim=(1, 2))).argmax())
        evidence = torch.einsum("c,chw->hw", model.classifier.weight[best], maps)
    return evidence.numpy(), best


# %% tags=["hide-input", "nbval-ignore-output"] slide="Where a trained network looks" minutes=1
figure = classroom.plots.new_figure(7.8, 2.5)
for axes, name in zip(figure.subplots(1, 4), ("chelsea", "coffee", "camera", "rocket"),
                      strict=True):  # fmt: skip
    picture = centre(photograph(name))
    evidence, best = class_activation(picture)
    axes.imshow(picture)
    axes.imshow(evidence.clip(0), cmap="inferno", alpha=0.5, extent=(0, 224, 224, 0),
                interpolation="bicubic")  # fmt: skip
    axes.set_title(classes[best], fontsize=10)
    axes.axis("off")
classroom.show(figure,
               alt="Four photographs under their class activation maps: the cat's face, the cup, "
               "the tripod and the rocket are bright.")  # fmt: skip

# %% [markdown]
# **See:** the bright places hold what the class is named after.
#
# ## What do int8, 4 bits and pruning change?
#
# Without ImageNet we cannot ask how often it is right. We can ask how often it *answers as before*:
# squares cut out of photographs (**crops**) go through both networks. *Logits off* is how far all
# 1,000 outputs moved, as a share of their own length. First 4 bits and pruning, on some crops.

# %% tags=["nbval-ignore-output"]
crops = torch.cat([as_input(each, MEAN, STD) for each in random_crops(NAMES, 20, seed=1)])
forms = {
    "4-bit weights, a scale a block of 32": edu.quantize_weights(model, bits=4, block_size=32),
    "a tenth of the channels pruned": edu.prune_channels(model, crops[:1], ratio=0.1),
}


@torch.inference_mode()
def answers(network: nn.Module) -> torch.Tensor:
    """The logits of all crops; four at a time keep the maps in between small."""
    return torch.cat([network.eval()(batch) for batch in crops.split(4)])


whole = answers(model)
for name, changed in forms.items():
    got = answers(changed)
    same = 100 * float((got.argmax(1) == whole.argmax(1)).float().mean())
    print(f"{name:38s} same answer {same:5.1f} %, logits off by "
          f"{float(100 * (got - whole).norm() / whole.norm()):5.1f} %")  # fmt: skip

# %% [markdown]
# Both ruin it, and both want training afterwards, which needs ImageNet. Int8 needs none. But thin
# layers do not forgive: a depthwise window sums nine products, and one grid step counts. So
# `edu.quantize_static(model, crops, accurate=True)` takes two parts that chapter 09 showed: ranges
# that leave out the rarest values (*percentile*), and biases that make up for what rounding adds on
# average.
#
# A study judged, in each of three draws, {{results.edge_quantization.efficientnet_lite0.judged}}
# crops of photographs that calibration had not seen, in ONNX Runtime with exact sums, beside two
# other quantizers: ONNX Runtime's and NNCF. Each saw the same
# {{results.edge_quantization.efficientnet_lite0.calibration_inputs}} crops; *lowest* is the worst
# of its calibrations.

# %% tags=["hide-input"] slide="Plain int8 changes every fifth answer of thin layers"
study = edu.load_result("edge_quantization")["efficientnet_lite0"]
SHOWN = {"minmax": "the kit, plain", "minmax_bias": "... and right biases",
         "percentile": "... percentile ranges alone",
         "mse_bias": "mse ranges and right biases", "accurate": "the kit, accurate=True",
         "onnxruntime": "ONNX Runtime's quantize_static", "nncf": "NNCF"}  # fmt: skip
print(f"{'int8 of EfficientNet-Lite0':32s}{'same answer, %':>16s}{'lowest':>8s}"
      f"{'logits off, %':>15s}{'calibrations':>14s}")  # fmt: skip
for key in (key for key in SHOWN if key in study):
    row = study[key]
    print(f"{SHOWN[key]:32s}{row['agreement_percent']:16.1f}"
          f"{min(row['agreement_percent_each']):8.1f}{row['logit_distance_percent']:15.1f}"
          f"{row['draws']:14d}")  # fmt: skip
print("\nsame answers in each draw, %")
for key in (key for key in SHOWN if study.get(key, {}).get("draws", 1) > 1):
    each = study[key]["agreement_percent_each"]
    print(f"{SHOWN[key]:34s}" + "".join(f"{percent:9.1f}" for percent in each))

# %% [markdown]
# **See:** the plain recipe keeps
# {{results.edge_quantization.efficientnet_lite0.minmax.agreement_percent:.0f}} % of the answers,
# ONNX Runtime's {{results.edge_quantization.efficientnet_lite0.onnxruntime.agreement_percent:.0f}}
# % and NNCF {{results.edge_quantization.efficientnet_lite0.nncf.agreement_percent:.0f}} %. The two
# parts together keep
# {{results.edge_quantization.efficientnet_lite0.accurate.agreement_percent:.0f}} %, and
# {{results.edge_quantization.efficientnet_lite0.mse_bias.agreement_percent:.0f}} % with *mse*
# ranges in place of *percentile*: two fifths to a half of the lost answers are back.
#
# In each of the three draws other photographs calibrate and other crops judge, which moves every
# row by points. So read the second table: it compares row with row on the same crops. Both of our
# recipes are ahead of both peers in all three, by little in one of them, and *mse* is ahead of
# *percentile* in all three, by two crops in one of them. Which of the three plain recipes
# is best is undecided. On {{results.edge_quantization.efficientnet_lite0.judged}} crops one
# standard error is about 1.5 points near 90 %.
#
# The crops are hard on purpose: lawns, stars and tissue have no name among the thousand, so that a
# small push changes the guess. How small? Let each pixel stay, or be one level of 255 brighter or
# darker, at random, which no eye sees. The float network itself then keeps only
# {{results.edge_quantization.efficientnet_lite0.noise.agreement_percent:.0f}} % of its own answers
# (sd {{results.edge_quantization.efficientnet_lite0.noise.agreement_percent_sd:.0f}} over
# {{results.edge_quantization.efficientnet_lite0.noise.draws}} draws). Int8 with `accurate=True`
# keeps {{results.edge_quantization.efficientnet_lite0.accurate.agreement_percent:.0f}} % (sd
# {{results.edge_quantization.efficientnet_lite0.accurate.agreement_percent_sd:.0f}}). Whether it
# disturbs them less than such noise is undecided; more it does not, as far as three draws tell. A
# demand of 95 % would be stricter than the pictures are.
#
# And where answers are no close calls? Two small networks that read clothes, one with ReLU6, one
# with gates and hard swish (MobileNetV3's parts):

# %%
clothes = edu.load_result("edge_quantization")
judged, draws = clothes["relu6"]["judged"], clothes["relu6"]["accurate"]["draws"]
print(f"same answer on {judged:,} images, %: mean of {draws} calibrations, then their sd")
print(f"{'int8':34s}{'ReLU6':>14s}{'hard swish':>18s}")
for key in ("minmax", "accurate", "mse_bias", "onnxruntime", "nncf"):
    rows = [clothes[network][key] for network in ("relu6", "hard_swish")]
    pairs = [(row["agreement_percent"], row["agreement_percent_sd"]) for row in rows]
    print(f"{SHOWN[key]:34s}" + "".join(f"{mean:10.2f}{sd:8.2f}" for mean, sd in pairs))

# %% [markdown]
# **See:** here even the plain recipe changes less than two answers in a hundred. On hard swish both
# recipes with right biases are ahead of both other quantizers in each calibration, and so is *mse*
# on ReLU6. Whether `accurate=True` is ahead of ONNX Runtime's there is undecided.
#
# And what does int8 bring in milliseconds? Against the fastest float form of each network, at one
# thread:

# %% tags=["hide-input"]
INT8_FORMS = {"onnxruntime_int8": "ONNX Runtime, 8 bits",
              "onnxruntime_int8_7_bits": "ONNX Runtime, 7 bits",
              "openvino_int8_7_bits": "OpenVINO, 7 bits"}  # fmt: skip


def show_gains(gains: dict) -> None:
    """Int8 over the fastest float form: the geometric mean of the networks, lowest and highest."""
    for form, title in INT8_FORMS.items():
        each = gains[form]["each"]
        for name, keys in (("small", [k for k in each if k.startswith(SMALL)]),
                           ("large", [k for k in each if not k.startswith(SMALL)])):  # fmt: skip
            mean = np.exp(np.mean([np.log(each[key]) for key in keys]))
            print(f"{title}, {len(keys):2d} {name} networks: {mean:.2f} times as fast "
                  f"({min(each[k] for k in keys):.2f} to "
                  f"{max(each[k] for k in keys):.2f})")  # fmt: skip


gains = edu.load_result("edge_networks")["gains"]
show_gains(gains)
print("\nwhere 7 bits are slower than floats in ONNX Runtime, percent of their time by operation:")
for key in gains["onnxruntime_int8_7_bits"]["slower"]:
    spent = networks[key]["int8_7_bits_by_operation"]
    print(f"{key:20s} " + ", ".join(f"{kind} {share:.0f}" for kind, share in spent.items()))

# %% [markdown]
# **See:** the processor of the study has no instruction that multiplies bytes and adds in 32 bits
# (no VNNI). There int8 gains less on small networks than on large ones. With 8 bits the small ones
# lose on average, and EfficientNet-B0 and MobileNetV3-Small lose in every form. Gates are one
# reason: Sigmoid or HardSigmoid, the product (Mul), and the steps from integers to floats and back
# (DequantizeLinear, QuantizeLinear) stand beside the convolutions. In MNASNet it is the
# convolutions themselves.
#
# ### The same networks on another processor
#
# Is that int8, or this processor? The study ran once more on an Intel Xeon whose instructions
# multiply whole tiles of bytes (AMX): the same networks, with files made there by the same recipe.

# %% tags=["hide-input"]
second = edu.load_result("edge_networks_amx")
show_gains(second["gains"])
rows_there = {key: row["threads_1"] for key, row in second.items()
              if key in networks and "threads_1" in row}  # fmt: skip
print(f"\n{'milliseconds there':20s}{'floats':>9s}"
      + "".join(f"{title:>25s}" for title in INT8_FORMS.values()))  # fmt: skip
for key in ("mobilenet_v2", "mobilenet_v3_small", "efficientnet_lite0", "resnet18", "vgg16"):
    row = rows_there[key]
    print(f"{key:20s}{min(row[form]['p50_ms'] for form in FLOATS):9.2f}"
          + "".join(f"{row[form]['p50_ms']:25.2f}" for form in INT8_FORMS))  # fmt: skip
print("\nslower than floats there, in both runtimes:",
      ", ".join(sorted(set.intersection(*(set(second["gains"][form]["slower"])
                                          for form in INT8_FORMS)))) or "none")  # fmt: skip

# %% [markdown]
# **See:** against the fastest floats there, the int8 files over all networks are
# {{results.edge_networks_amx.gains.onnxruntime_int8.geometric_mean:.2f}} times as fast in ONNX
# Runtime, and {{results.edge_networks_amx.gains.openvino_int8_7_bits.geometric_mean:.2f}} times in
# OpenVINO.
# Dense networks gain most: ResNet-18
# {{results.edge_networks_amx.gains.onnxruntime_int8.each.resnet18:.1f}} times in the one and
# {{results.edge_networks_amx.gains.openvino_int8_7_bits.each.resnet18:.1f}} in the other.
# EfficientNet-B0 and both MobileNetV3, which have gates, lose in ONNX Runtime on both processors;
# in OpenVINO on the second they do not. Weights of 8 bits take there what 7 bits take, since all
# sums are exact. **Which program reads the file can decide more than which instructions the
# processor has.** DenseNet-121 is missing in this table: OpenVINO's process ended on its int8 file.
#
# ## Where it does not help
#
# - **MACs are not milliseconds.** Choose by measuring on the machine that will run it.
# - **Thin layers and int8.** Chapter 09 rounded a dense road network without a measurable loss. The
#   same plain recipe changes every fifth answer here.
# - **A thousand names.** The network answers with one of its classes, also for a picture of none of
#   them.
#
# ## Your network through all of it
#
# `edu.report` takes any network and an input, makes every form that this kit can make of it, and
# shows them in one table. With `data` it quantizes too. `your_network.ipynb`, beside the chapters,
# is a template to fill in; `python3 kit.py report MODULE:FUNCTION` writes a page.
#
# Was it right? `studies.report_networks` makes each form a second way and compares the answers, on
# {{results.report_networks.summary.networks}} networks of torchvision with random weights.
# `edu.report` came to its end on every one, made {{results.report_networks.summary.made}} of
# {{results.report_networks.summary.forms}} forms and gave its reason for each of the others. Forms
# that answer wrongly: {{results.report_networks.summary.wrong}}.
#
# In {{results.report_networks.summary.explained}} more forms the two ways differ by more than the
# study allows, and rounding alone explains it: it grows on its way through a deep network, most of
# all through an untrained one. Send every half to the other integer, and the answers of these int8
# networks move further than the two ways are apart. For a form in floats, both ways computed once
# more in float64, and agreed.

# %% [markdown]
# ## Claims

# %%
squeeze = networks["alexnet"]["params"] / networks["squeezenet1_0"]["params"]
classroom.claims_table([
    classroom.claim("Iandola et al. 2016, title",
                    "SqueezeNet has 50 times fewer parameters than AlexNet", 50, squeeze,
                    "higher", tolerance=2, partly_tolerance=10, unit="times"),
    classroom.claim("Howard et al. 2017, table 4", "MobileNet has 569 million MACs", 569,
                    networks["mobilenet_v1"]["macs"] / 1e6, "lower", tolerance=1,
                    partly_tolerance=10, unit="million"),
    *(classroom.claim("this kit", f"int8 is twice as fast as floats: {where}", 2,
                      found["gains"][form]["geometric_mean"], "higher", tolerance=0,
                      partly_tolerance=0.5, unit="times, geometric mean")
      for where, found, form in (
          ("AVX2, ONNX Runtime, 7 bits", dict(rows_of_study), "onnxruntime_int8_7_bits"),
          ("AMX, ONNX Runtime", second, "onnxruntime_int8"),
          ("AMX, OpenVINO", second, "openvino_int8_7_bits"))),
])  # fmt: skip

# %% [markdown]
# ## The ledger

# %%
classroom.ledger(upto="13")

# %% [markdown]
# ## Key points
#
# - Squeeze first, look wide in few channels, deal groups out, weigh channels, merge branches: each
#   idea saves work in one place.
# - MACs are counted, milliseconds are measured: 32 times fewer of the one were not 32 times fewer
#   of the other.
# - This thin network loses every fifth answer to plain int8. Ranges without the rarest values and
#   right biases bring two fifths of them back, *mse* ranges and right biases about half.
# - What int8 brings in milliseconds depends on the processor, and on the program that runs the
#   file.
# - A trained network can be judged without labels: how often does it answer as before?
#
# **Terms.**
#
# - *Skip connection*: a block's input added to its output.
# - *Bottleneck*: a block that is thin inside.
# - *Fire module*: squeeze by 1x1, expand by 1x1 and 3x3.
# - *Inverted residual*: thin outside, wide inside.
# - *Channel shuffle*: channels dealt out to other groups.
# - *Hard swish*: x times a ramp.
# - *Reparameterization*: branches of training added up to one layer.
# - *Class activation map*: which places speak for a class.
# - *Crop*: a square cut out of a picture.
#
# **References.**
#
# - F. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB
#   model size", 2016.
# - A. Howard et al., "MobileNets", 2017.
# - M. Sandler et al., "MobileNetV2", CVPR 2018.
# - X. Zhang et al., "ShuffleNet", CVPR 2018.
# - N. Ma et al., "ShuffleNet V2", ECCV 2018.
# - M. Tan et al., "MnasNet", CVPR 2019.
# - A. Howard et al., "Searching for MobileNetV3", ICCV 2019.
# - M. Tan, Q. Le, "EfficientNet", ICML 2019.
# - K. Han et al., "GhostNet", CVPR 2020.
# - J. Lin et al., "MCUNet", NeurIPS 2020.
# - X. Ding et al., "RepVGG", CVPR 2021.
# - P. Vasu et al., "MobileOne", 2022.
# - Z. Liu et al., "A ConvNet for the 2020s", CVPR 2022.
# - D. Qin et al., "MobileNetV4", 2024.
# - B. Zhou et al., "Learning deep features for discriminative localization", CVPR 2016.
# - K. Simonyan, A. Zisserman, "Very deep convolutional networks", 2015.
# - C. Szegedy et al., "Going deeper with convolutions", CVPR 2015.
# - K. He et al., "Deep residual learning", CVPR 2016.
#
# **Next.** [14 Thirty frames](14_thirty_frames.ipynb): everything, on one road network.
