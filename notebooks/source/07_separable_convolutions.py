# %% [markdown]
# # Separable convolutions: most of the answer in two cheap steps
#
# **Question.** A convolution can be taken apart into two steps with eight times fewer
# multiplications. Does the network become eight times faster?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 45 | {{results.chapter_seconds.07_separable_convolutions:.0f}} | [01 Convolution](01_convolution.ipynb), [05 CPU versus GPU](05_cpu_versus_gpu.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. build a depthwise separable convolution, and say what it costs and what it cannot do;
# 2. explain with a roofline why saved multiplications are not saved milliseconds;
# 3. take a trained convolution apart by SVD, as a start for training it again.

# %%
import torch
from torch import nn

import classroom
import edu_lib as edu
from edu_lib.measure import Roofline
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques import factorization

torch.set_num_threads(1)
classroom.plots.use_house_style()
speed = edu.load_result("separable_speed")
road = edu.load_result("separable_road")

# %% [markdown]
# ## The story: a phone that sees
#
# In 2012 a network needed two GPUs. In 2017 a group at Google wanted one in a phone. Most of the
# work of a CNN sits in its 3x3 convolutions, and each of them does two things at once: it looks at
# the neighbours of a pixel, and it mixes the channels. Andrew Howard and his colleagues did the one
# after the other. Their **MobileNet** has {{published.separable.mobilenet_v1.macs_millions}}
# million multiplications, where the same network of standard convolutions has
# {{published.separable.mobilenet_v1_standard.macs_millions:,}} million. On ImageNet it reads
# {{published.separable.mobilenet_v1.accuracy}} % of the images right instead of
# {{published.separable.mobilenet_v1_standard.accuracy}} %.
#
# One point for eight times less work. Then people ran it, and wondered. One user of that year's
# PyTorch wrote of a single run on a Xeon that took
# {{published.separable.pytorch_2017.mobilenet_seconds}} seconds an image, where AlexNet took
# {{published.separable.pytorch_2017.alexnet_seconds}} (an issue of the repository
# marvis/pytorch-mobilenet). What had happened to the eight?
#
# MobileNet has two more knobs. A **width multiplier** thins all layers, a **resolution multiplier**
# shrinks the image, and the multiplications fall with the square of each. The same year François
# Chollet built **Xception** from the same two steps, for accuracy on servers.
#
# ## Build it: look first, then mix

# %%
classroom.plots.draw_separable()

# %% [markdown]
# **See:** left, every output map looks at windows of all input maps at once. Right, each map is
# filtered alone, and then the maps are mixed pixel by pixel.
#
# Take an input of C channels, H by W. A standard convolution makes each of its D output channels
# from all C input channels, with a k x k kernel for each pair: `H W C D k^2` multiplications. Walk
# the shapes.

# %%
C, D, k, H, W = 64, 128, 3, 56, 56
X = torch.randn(1, C, H, W, generator=torch.Generator().manual_seed(0))
standard = nn.Conv2d(C, D, k, padding=1, bias=False)
print("input   ", tuple(X.shape))
print("kernels ", tuple(standard.weight.shape), "one k x k kernel for each pair of channels")
print("output  ", tuple(standard(X).shape))
print(f"MACs     {H * W * C * D * k * k:,}")

# %% [markdown]
# A **depthwise** convolution has one kernel for each channel and mixes nothing. In PyTorch it is a
# convolution with as many *groups* as channels. A **pointwise** convolution is 1x1: it mixes and
# looks at no neighbour.

# %%
depthwise = nn.Conv2d(C, C, k, padding=1, groups=C, bias=False)
pointwise = nn.Conv2d(C, D, 1, bias=False)
looked = depthwise(X)
mixed = pointwise(looked)
print("depthwise kernels", tuple(depthwise.weight.shape), "->", tuple(looked.shape))
print("pointwise kernels", tuple(pointwise.weight.shape), "->", tuple(mixed.shape))
parts = [edu.count_cost(layer, (1, C, H, W)).macs for layer in (depthwise, pointwise)]
print(f"MACs {parts[0]:,} + {parts[1]:,} = {sum(parts):,}")

# %% [markdown]
# ### Exercise 1: a depthwise convolution (3 points, 15 minutes)
#
# Write `depthwise_conv(X, weight)`: X [C, H, W], one kernel a channel, weight [C, k, k]; no
# padding, stride 1. It returns [C, H - k + 1, W - k + 1].
#
# *Example.* With all kernels 1 and k = 3, each output is the sum of nine neighbours, channel by
# channel.
#
# *Hint.* For each place (i, j) of the kernel, a shifted window of X times `weight[:, i, j]`, added
# up.


# %% exercise="ch07.depthwise"
def depthwise_conv(X: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Each channel of X convolved with its own kernel."""
    ### BEGIN SOLUTION
    k = weight.shape[-1]
    height, width = X.shape[1] - k + 1, X.shape[2] - k + 1
    Y = torch.zeros(len(X), height, width)
    for i in range(k):
        for j in range(k):
            Y += weight[:, i, j, None, None] * X[:, i : i + height, j : j + width]
    return Y
    ### END SOLUTION


# %% check="ch07.depthwise" points=3
classroom.check("ch07.depthwise", depthwise_conv)

# %% [markdown]
# ### Exercise 2: count them (2 points, 10 minutes)
#
# Write `separable_macs(H, W, C, D, k)`: the multiplications of a depthwise k x k convolution on C
# channels and a pointwise one to D, with outputs of H by W.


# %% exercise="ch07.macs"
def separable_macs(H: int, W: int, C: int, D: int, k: int) -> int:
    """MACs of a separable convolution."""
    ### BEGIN SOLUTION
    return H * W * C * k * k + H * W * C * D
    ### END SOLUTION


# %% check="ch07.macs" points=2
classroom.check("ch07.macs", separable_macs)

# %% [markdown]
# What is the share that remains? Divide `H W C (k^2 + D)` by `H W C D k^2`:
#
#     share = 1 / D + 1 / k^2
#
# With k = 3 it never falls below one ninth, however many channels there are. The paper says "8 to 9
# times".
#
# ## Explore: what is left of the work?
#
# Move the channels and the kernel. When does the kernel matter, and when do the channels?


# %% tags=["hide-input"] slide="What is left of the work?"
def draw_share(channels: int, kernel: int):
    """MACs of four ways to convolve, in percent of the standard one."""
    full = channels * channels * kernel**2
    costs = {
        "standard": full,
        "4 groups": full // 4,
        "spatial pair": 2 * channels * channels * kernel,
        "separable": channels * (kernel**2 + channels),
    }
    figure = classroom.plots.new_figure(6.6, 2.4)
    axes = figure.subplots()
    for place, (name, macs) in enumerate(costs.items()):
        colour = classroom.plots.FP32 if name == "standard" else classroom.plots.COMPRESSED
        axes.barh(place, 100 * macs / full, color=colour)
        axes.annotate(f"{100 * macs / full:.1f} %", (100 * macs / full, place), (4, 0),
                      textcoords="offset points", va="center")  # fmt: skip
    axes.set_yticks(range(len(costs)), list(costs))
    axes.set(xlim=(0, 118), xlabel="multiplications, % of the standard one", ylabel="convolution")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return (
        figure,
        f"{channels} channels, kernel {kernel}: separable is {full / costs['separable']:.1f} times "
        "less.",
    )


classroom.Explorer(draw_share, channels=[8, 16, 32, 64, 128, 256, 512], kernel=[3, 5, 7])

# %% [markdown]
# The other two bars are older ideas. **Groups** cut the channels into parts that do not see each
# other: AlexNet had two, because it had two GPUs (chapter 03). A **channel shuffle** deals the
# channels out anew, so that the next layer's groups see all parts. A **spatial pair** is a k x 1
# convolution and then a 1 x k one. The kit has them all in
# `edu_lib/techniques/factorization/blocks.py`, and each is checked against PyTorch's own layers and
# torchvision's blocks.

# %%
blocks = {
    "standard": factorization.conv_norm(64, 64),
    "separable": factorization.DepthwiseSeparable(64, 64),
    "4 groups, shuffled": factorization.ShuffledGroups(64, 64, groups=4),
    "spatial": factorization.SpatiallySeparable(64, 64),
    "inverted residual": factorization.InvertedResidual(64, 64, expansion=3),
    "with squeeze-excite": factorization.InvertedResidual(64, 64, expansion=3, squeeze_excite=True),
}
for name, block in blocks.items():
    cost = edu.count_cost(block.eval(), (1, 64, 56, 56))
    print(f"{name:20s} {cost.params:7,} parameters {cost.macs:12,} MACs")

# %% [markdown]
# The **inverted residual** is MobileNetV2's block. A pointwise layer widens, the depthwise one
# looks at the wide map, and a second pointwise layer narrows again, with no activation: a ReLU on
# few channels destroys too much. The skip connection joins the narrow ends. **Squeeze and
# excitation** weighs whole channels by what is in all of them. It hardly adds multiplications,
# because it works on their means; the table shows that it does add parameters.
#
# ## Predict: eight times less work
#
# A road network of the kit has 3x3 convolutions almost everywhere, and does
# {{results.separable_speed.networks.0.macs:,.0f}} multiplications per image. Its twin of separable
# blocks does {{results.separable_speed.networks.2.macs:,.0f}}. How much faster is the twin in
# PyTorch, on one core?

# %%
networks = {row["network"]: row for row in speed["networks"]}
whole, light = networks["standard"], networks["separable blocks"]
eager_gain = whole["eager_ms"] / light["eager_ms"]
gap = classroom.predict(
    "07.gap",
    f"{whole['macs'] / light['macs']:.1f} times fewer multiplications. How many times faster, in "
    "eager PyTorch?",
    unit="times",
)
gap

# %%
gap.reveal(
    round(eager_gain, 1),
    f"And in ONNX Runtime {whole['onnxruntime_ms'] / light['onnxruntime_ms']:.1f} times. Same "
    "network, same core.",
    digits_in_text=True,
)

# %% tags=["hide-input"] slide="Promised by counting, delivered by a runtime" tour=2
figure = classroom.plots.new_figure(8.6, 3.4)
axes = figure.subplots()
names = [name for name in networks if name != "standard"]
KINDS = (
    ("MACs", "macs", classroom.plots.MUTED),
    ("eager PyTorch", "eager_ms", classroom.plots.FP32),
    ("ONNX Runtime", "onnxruntime_ms", classroom.plots.COMPRESSED),
)
for place, name in enumerate(names):
    for shift, (label, key, colour) in enumerate(KINDS):
        gain = whole[key] / networks[name][key]
        axes.barh(place + 0.27 * (shift - 1), gain, height=0.25, color=colour,
                  label=label if place == 0 else None)  # fmt: skip
        axes.annotate(f"{gain:.1f}", (gain, place + 0.27 * (shift - 1)), (3, 0), va="center",
                      textcoords="offset points", fontsize=9)  # fmt: skip
axes.set_yticks(range(len(names)), names)
axes.set(
    xlabel="times less than the standard network", ylabel="network", ylim=(len(names) - 0.5, -0.5)
)
axes.grid(visible=False, axis="y")
axes.legend(loc="lower right", fontsize=9)
described = "; ".join(
    f"{name}: {whole['macs'] / networks[name]['macs']:.1f} times fewer MACs, "
    f"{whole['eager_ms'] / networks[name]['eager_ms']:.1f} times faster in eager PyTorch, "
    f"{whole['onnxruntime_ms'] / networks[name]['onnxruntime_ms']:.1f} in ONNX Runtime"
    for name in names
)
classroom.show(
    figure, alt=f"Gains of three light road networks over the standard one: {described}."
)

# %% [markdown]
# **See:** the blue bars are shorter than the orange ones, and both are shorter than the grey ones.
# Eager PyTorch turns less than half of the promised gain into time, ONNX Runtime about three
# quarters and more. But why is anything lost at all?
#
# ## Why: a roofline
#
# A core has two limits (chapter 05): how much it computes in a second, and how many bytes it
# fetches. What decides is the **arithmetic intensity**: how many operations a layer does for each
# byte it moves.
#
# ### Exercise 3: FLOP for each byte (2 points, 10 minutes)
#
# Write `flop_per_byte(macs, inputs, outputs, weights)`: a layer reads `inputs` and `weights`
# numbers, writes `outputs`, each a float32, once. A MAC is two operations.
#
# *Example.* 8 MACs, 1 input, 1 output, 2 weights: 16 operations over 16 bytes, so 1.


# %% exercise="ch07.intensity"
def flop_per_byte(macs: int, inputs: int, outputs: int, weights: int) -> float:
    """Arithmetic intensity of a layer in float32."""
    ### BEGIN SOLUTION
    return 2 * macs / (4 * (inputs + outputs + weights))
    ### END SOLUTION


# %% check="ch07.intensity" points=2
classroom.check("ch07.intensity", flop_per_byte)

# %%
size = C * H * W
for name, macs, weights in (
    ("standard", H * W * C * C * 9, C * C * 9),
    ("pointwise", H * W * C * C, C * C),
    ("depthwise", H * W * C * 9, C * 9),
):
    print(f"{name:10s} {flop_per_byte(macs, size, size, weights):6.2f} FLOP/byte")

# %% [markdown]
# A depthwise layer fetches a number, uses it nine times, and that is all. Its multiplications are
# few, but they are the expensive ones: they wait for memory. Here are layers that the study
# measured, under the two roofs of its machine.


# %% tags=["hide-input"]
def reached(form: str, key: str) -> list[float]:
    """GFLOP/s of the layers of a form in one runtime."""
    return [2 * row["macs"] / row[key] / 1e6 for row in speed["layers"] if row["form"] == form]


roof = Roofline(speed["peak_gflops"], speed["bandwidth_gb_per_second"], threads=1)


# %% tags=["hide-input"] slide="Depthwise layers stand under the slope, not the roof" minutes=3 tour=2
figure = classroom.plots.new_figure(8.2, 4.0)
axes = figure.subplots()
x = torch.logspace(-0.5, 2.7, 100)
reachable = (x * roof.bandwidth_gb_per_second).clamp(max=roof.peak_gflops)
axes.plot(x, reachable, color=classroom.plots.INK)
MARKS = {"standard": (classroom.plots.FP32, "o"), "pointwise": (classroom.plots.COMPRESSED, "s"),
         "depthwise": (classroom.plots.ACCENT, "^")}  # fmt: skip
FILLS = {"onnxruntime_ms": "full", "eager_ms": "none", "channels_last_ms": "bottom"}
for form, (ink, mark) in MARKS.items():
    intensity = [row["flop_per_byte"] for row in speed["layers"] if row["form"] == form]
    for key, fill in FILLS.items():
        name = f"{form}, ONNX Runtime" if fill == "full" else None
        axes.plot(intensity, reached(form, key), mark, fillstyle=fill, color=ink, ms=8, label=name)
axes.set(xscale="log", yscale="log", ylabel="GFLOP/s reached (log scale)")
axes.set_xlabel("FLOP for each byte moved (log scale)")
axes.xaxis.set_major_formatter("{x:g}")
axes.yaxis.set_major_formatter("{x:g}")
fills = "hollow: eager PyTorch\nhalf filled: PyTorch, channels_last"
axes.annotate(fills, (0.98, 0.05), xycoords="axes fraction", ha="right")
axes.legend(loc="center right", fontsize=9)
classroom.show(
    figure,
    alt="Roofline of one core. "
    + "; ".join(
        f"{form} layers reach up to {max(reached(form, 'onnxruntime_ms')):.0f} GFLOP/s in ONNX "
        f"Runtime, {max(reached(form, 'eager_ms')):.0f} in eager PyTorch and "
        f"{max(reached(form, 'channels_last_ms')):.0f} in PyTorch with channels_last"
        for form in MARKS
    ),
)

# %% [markdown]
# **See:** the triangles stand far to the left and low. Their roof is the slope, not the ceiling.
# The squares, the pointwise layers, stand to the right, and the circles further still. The pair
# loses in both halves. In ONNX Runtime the depthwise half is far slower for each MAC than the
# standard layer and has less than a quarter of the pair's MACs; the pointwise half has the rest and
# is somewhat slower. Over the layers drawn here, each costs about half of what is lost.
#
# Now compare the triangles with each other. On the two large maps PyTorch with channels_last
# reaches the slope, ONNX Runtime a little over half of it, and eager PyTorch a third. What is
# missing there is the program's loss, not the machine's. The lower triangles are small maps: one
# call takes a tenth of a millisecond or less, and the call itself weighs in.
#
# Points above the ceiling are no mistake. The ceiling is a measurement too, the fastest large
# product of matrices in PyTorch, and other kernels are a few percent faster. The circles stand up
# to a fifth above it: a library's 3x3 convolution may also need fewer products (Winograd, chapter
# 05).
#
# And a riddle that we leave open: on the map of 64 channels, eager PyTorch takes
# {{results.separable_speed.layers.7.eager_ms:.1f}} and
# {{results.separable_speed.layers.8.eager_ms:.1f}} ms for the two halves, but
# {{results.separable_speed.layers.9.eager_ms:.1f}} ms for the pair. Time the pair that you ship,
# not its halves.
#
# Try one layer yourself, on the machine you are at.

# %% tags=["nbval-ignore-output"]
layer = nn.Conv2d(64, 64, 3, padding=1)
pair = factorization.separable_from(layer)
maps = torch.rand(1, 64, 64, 128)
compared = edu.compare_latency(
    edu.pytorch_runner(layer, maps, name="standard"),
    edu.pytorch_runner(pair, maps, name="separable"),
    blocks=30, block_ms=2,
)  # fmt: skip
promised = edu.count_cost(layer, maps.shape).macs / edu.count_cost(pair, maps.shape).macs
assert compared.void or compared.ratio > 1  # void: another program kept the processor busy
measured = "void, time it again" if compared.void else f"{compared.ratio:.1f}"
print(f"promised {promised:.1f} times, measured {measured}")
compared

# %% [markdown]
# ## Train one: standard against separable
#
# Milliseconds are one half, the other is what the network still learns. Two small networks of the
# same shape read clothes: 10,000 images, the same steps, the same rate, one seed.


# %%
def clothes_network(block) -> nn.Sequential:
    """28 x 28 to ten classes; `block(in, out, stride)` makes the two inner layers."""
    torch.manual_seed(0)
    return nn.Sequential(
        factorization.conv_norm(1, 32, stride=2), block(32, 64, stride=2), block(64, 128, stride=2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


def conv(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """A standard 3x3 convolution, with batch norm and ReLU."""
    return factorization.conv_norm(in_channels, out_channels, stride=stride)


KINDS_TRAINED = {"standard": conv, "separable": factorization.DepthwiseSeparable}
for name, block in KINDS_TRAINED.items():
    cost = edu.count_cost(clothes_network(block).eval(), (1, 1, 28, 28))
    print(f"{name:10s} {cost.params:7,} parameters {cost.macs:10,} MACs")

# %% tags=["nbval-ignore-output"]
clothes = edu.fashion_mnist()
learned = {}
for name, block in KINDS_TRAINED.items():
    network = clothes_network(block)
    history = edu.fit(network, clothes.fit.X[:10_000], clothes.fit.y[:10_000], num_epochs=4,
                      batch_size=100, lr=5e-3, device="cpu", progress=False)  # fmt: skip
    learned[name] = edu.evaluate(network, clothes.validation.X, clothes.validation.y).accuracy
    print(
        f"{name:10s} {learned[name]:.1f} % of the validation images, {history.seconds:.0f} seconds "
        "of training"
    )
assert min(learned.values()) > 75

# %% [markdown]
# Compare the two rows with the counts above. The separable network pays in accuracy for several
# times fewer multiplications; MobileNet paid one point. One seed, so do not read the tenths.
#
# ## A trained convolution, taken apart
#
# Must one train a separable network from nothing? A trained kernel for one input channel is a
# table: D rows, one an output channel, of k x k numbers. A separable pair can hold such a table if
# it has **rank one**: all rows the same pattern, times a number. The best table of rank one is
# known since 1936 (Eckart and Young): the first part of the singular value decomposition.
#
#     W_c = s_1 u_1 v_1^T + s_2 u_2 v_2^T + ...      keep the first R parts

# %%
start_guess = classroom.predict(
    "07.start",
    "All 3x3 convolutions of the road network are replaced by their nearest pairs of rank one, and "
    "nothing is trained. "
    "What share of the pixels does it still read as the whole network does?",
    options=["over 90 %", "50 to 90 %", "under 50 %"],
)
start_guess

# %% [markdown]
# ### Exercise 4: the nearest pair (3 points, 15 minutes)
#
# Write `rank_one(weight)` for a weight [D, C, k, k]. It returns the depthwise kernels [C, k, k] and
# the pointwise weights [D, C] of the pair that comes nearest: for each input channel c the first
# part of the decomposition of the table `weight[:, c]`, [D, k * k]. The singular value may go to
# either of the two, once.
#
# *Example.* If all D kernels of a channel are one pattern times a number, the pair is exact.
#
# *Hint.* `U, S, Vh = torch.linalg.svd(table, full_matrices=False)`. The first part is `S[0]`, the
# column `U[:, 0]` and the row `Vh[0]`.


# %% exercise="ch07.rank_one"
def rank_one(weight: torch.Tensor) -> tuple:
    """Depthwise kernels [C, k, k] and pointwise weights [D, C] of the nearest separable pair."""
    ### BEGIN SOLUTION
    depthwise, pointwise = [], []
    for c in range(weight.shape[1]):
        U, S, Vh = torch.linalg.svd(weight[:, c].flatten(1), full_matrices=False)
        depthwise.append(Vh[0].reshape(weight.shape[2:]))
        pointwise.append(S[0] * U[:, 0])
    return torch.stack(depthwise), torch.stack(pointwise, dim=1)
    ### END SOLUTION


# %% check="ch07.rank_one" points=3
classroom.check("ch07.rank_one", rank_one)

# %% [markdown]
# How near does it come, on a layer of the trained road network? Square all weights of the layer and
# add them up: how much of that sum does the pair hold? The library's `separable_from` does the same
# for any number of parts, the *rank*.

# %%
heavy = edu.load_weights(RoadNet(["segmentation"]), "road_segmentation").eval()
layer = heavy.encoder.stages[1][1].conv1[0]
print("a layer of", tuple(layer.weight.shape))
kernels = layer.weight.detach()
depthwise, pointwise = rank_one(kernels)
lost = pointwise[:, :, None, None] * depthwise - kernels
print(
    f"your pair holds {100 * (1 - float(lost.norm() / kernels.norm()) ** 2):.0f} % of the "
    "layer's squares"
)
for rank in (1, 2, 3, 5, 9):
    pair = factorization.separable_from(layer, rank=rank)
    error = factorization.relative_error(layer, pair)
    share = (
        edu.count_cost(pair, (1, 128, 16, 32)).macs / edu.count_cost(layer, (1, 128, 16, 32)).macs
    )
    held = 100 * (1 - error**2)
    print(
        f"rank {rank}: holds {held:3.0f} % of the layer's squares with {100 * share:.0f} % of the "
        "MACs"
    )

# %% [markdown]
# With rank 9, a full kernel's, nothing is lost, but the pair costs more than the layer. At rank one
# most of the layer is gone. What becomes of a network of such layers? Look at your guess. Read on
# in `edu_lib/techniques/factorization/separate.py`, which rewrites a network, and `pair.py`, which
# finds the nearest.

# %% tags=["nbval-ignore-output"]
import roads

scenes = [roads.scene(9_000_000 + seed, 128, 256) for seed in range(4)]
images = (
    torch.stack([torch.from_numpy(scene.image).permute(2, 0, 1) for scene in scenes]).float() / 255
)
apart = factorization.separate(heavy, skip=["encoder.stem.0"])
with torch.no_grad():
    labels = heavy(images)["segmentation"].argmax(1)
    same = 100 * (apart(images)["segmentation"].argmax(1) == labels).float().mean().item()
assert same < 99
print(f"{same:.0f} % of the pixels are read alike")

# %%
start_guess.reveal(
    "over 90 %" if same > 90 else "50 to 90 %" if same >= 50 else "under 50 %",
    "Most of each layer is lost, and the errors pile up from layer to layer.",
)

# %% [markdown]
# That is no network to use. But training can start from it. Whether that is better than a start
# from random numbers was not measured here.

# %% [markdown]
# ## A network that reads roads, measured
#
# So train it again. The study `studies/separable_road.py` takes the heavy network apart (its first
# layer becomes a pair of rank 8) and trains what is left on the labels and on the heavy network's
# own answers, which is chapter 11's subject.

# %%
print(f"MACs           {road['mac_gain']:.2f} times fewer")
print(f"milliseconds   {road['p50_gain']:.2f} times fewer (p50, ONNX Runtime, one thread)")
print(
    f"               {road['heavy_p50_ms']:.1f} ms before, {road['separable_p50_ms']:.1f} ms after"
)
print(f"mean IoU       {road['miou_change_points']:+.2f} points, seeds: {road['seeds']}")
apart = networks["taken apart"]
earlier = whole["onnxruntime_ms"] / apart["onnxruntime_ms"]
print(f"the same ratio of milliseconds in the figure above, another run: {earlier:.2f}")

# %% [markdown]
# From {{results.separable_road.heavy_p50_ms:.0f}} ms, more than the frame's 33, to
# {{results.separable_road.separable_p50_ms:.0f}}. Two runs of one measurement differ by some
# percent, so do not read the second digit of the ratio. The price is
# {{results.separable_road.miou_change_points:+.1f}} points of **mean IoU**, from
# {{results.separable_road.heavy_miou:.1f}} %. (That is how well the areas of each class are found,
# in percent; chapter 12 builds it.) All of this training had the heavy network as its teacher. The
# control, the same training from labels alone, was not measured, so what the teacher adds is not
# known.
#
# ## Where it does not help
#
# - **A runtime without a good depthwise kernel.** Then the saved multiplications stay on paper.
#   Measure in the runtime that you ship.
# - **Few channels.** With 8 of them and k = 3, `1/8 + 1/9` of the work is left: a quarter, not a
#   ninth.
# - **Large maps, early layers.** They are many bytes and little arithmetic. MobileNet leaves its
#   first layer whole.
# - **A GPU at batch 1.** Two launches instead of one, and neither fills the machine (chapter 05).
# - **A network that is small already.** What a standard kernel can say and a pair cannot is then
#   missed most.

# %%
print(f"8 channels:   {100 * (1 / 8 + 1 / 9):.0f} % of the MACs are left")
print(f"512 channels: {100 * (1 / 512 + 1 / 9):.0f} %")

# %% [markdown]
# ## Claims

# %% slide="What the sources say, and what we measured"
classroom.claims_table([
    classroom.claim(
        "Howard et al. 2017, section 3.1",
        "3x3 depthwise separable: 8 to 9 times less computation (256 channels)",
        8, 1 / (1 / 256 + 1 / 9), "higher", tolerance=0, unit="times",
    ),
    classroom.claim(
        "this kit", "4.5 times less p50 for a road network of separable convolutions",
        4.5, road["p50_gain"], "higher", tolerance=0, partly_tolerance=1, unit="times",
    ),
    classroom.claim(
        "this kit", "for 7 to 9 times fewer MACs",
        7, road["mac_gain"], "higher", tolerance=0, unit="times",
    ),
    classroom.claim(
        "this kit", "at 1 point of mean IoU or less",
        -1.0, road["miou_change_points"], "higher", tolerance=0, partly_tolerance=1, unit="points",
    ),
])  # fmt: skip

# %% [markdown]
# ## The ledger

# %% tags=["nbval-ignore-output"]
classroom.ledger(upto="07")

# %% [markdown]
# ## Key points
#
# - A separable convolution looks first and mixes then. It does `1/D + 1/k^2` of the
#   multiplications.
# - The depthwise half moves many bytes for little arithmetic. Its limit is memory, and most kernels
#   do not even reach that limit.
# - Eager PyTorch shows less of the gain than ONNX Runtime. The gain that counts is that of the
#   runtime you ship.
# - SVD gives the nearest pair to a trained convolution. It is a start, not an end: train again.
#
# **Terms.**
#
# - *Depthwise*: one kernel a channel, no mixing. *Pointwise*: 1x1, mixing alone. *Separable*: one,
#   then the other.
# - *Groups*: parts of the channels that do not see each other. *Channel shuffle*: dealing them out
#   anew.
# - *Width multiplier, resolution multiplier*: MobileNet's two knobs, thinner layers and smaller
#   images.
# - *Inverted residual*: wide in the middle, narrow where the skip connection joins.
# - *Squeeze and excitation*: a factor for each channel, decided by the means of all.
# - *Arithmetic intensity*: operations for each byte moved. *Rank*: how many patterns a table is
#   made of.
#
# **References.**
#
# - L. Sifre, "Rigid-motion scattering for image classification", PhD thesis, 2014, section 6.2.
# - M. Jaderberg, A. Vedaldi, A. Zisserman, "Speeding up convolutional neural networks with low rank
#   expansions", BMVC 2014.
# - F. Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017.
# - A. Howard et al., "MobileNets", arXiv:1704.04861, 2017.
# - X. Zhang et al., "ShuffleNet", CVPR 2018.
# - M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018.
# - J. Guo et al., "Network decoupling: from regular to depthwise separable convolutions", BMVC
#   2018.
# - A. Howard et al., "Searching for MobileNetV3", ICCV 2019.
# - S. Williams, A. Waterman, D. Patterson, "Roofline", Communications of the ACM, 2009.
#
# **Next.** [08 Pruning](08_pruning.ipynb): a network as it stands, and what in it can go.
