# %% [markdown]
# # Quantization: eight bits are enough, and then four
#
# **Question.** A weight takes 32 bits. How many of them does a network need, and who gets faster when the others go?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 55 | {{results.chapter_seconds.09_quantization:.0f}} | [02 LeNet](02_lenet_1998.ipynb), [07 Separable convolutions](07_separable_convolutions.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. put a tensor on a grid of integers, choose its range, and say what was lost;
# 2. turn a trained network into a file that integer kernels run, and prove that nothing in it stayed float;
# 3. say where int8 is faster, where it is slower, and how many bits the accuracy needs.

# %%
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

import edu_lib as edu
from edu_lib.deploy import IntegerNetwork, export_int8
from edu_lib.techniques import quantization as q
from edu_lib.techniques.separable import DepthwiseSeparable, conv_norm

torch.set_num_threads(1)
edu.plots.use_house_style()
digits, clothes = edu.mnist(), edu.fashion_mnist()
int8 = edu.load_result("int8")
low = edu.load_result("low_bit_speed")
bits_study = edu.load_result("bits")
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## The story: arithmetic for small machines
#
# A float32 number has 24 bits of precision. A network learns to read noisy pixels, and noise of its own does not
# scare it. Around 2015 people saw that trained networks hardly notice when their weights are rounded to 8 bits.
# Then the hardware followed: a core that multiplies 16 floats in one instruction multiplies 64 bytes in one. In
# 2018 Benoit Jacob and his colleagues wrote down how a network runs with **integers alone**, and that recipe is
# what phones use today.
#
# We build it from the grid up. At the end stand a file, a runtime and a clock.
#
# ## A grid of integers
#
# An integer q stands for a real number r:
#
#     r = scale * (q - zero_point)
#
# The **scale** is the width of a step. The **zero point** is the integer that stands for 0. Walk it for the
# numbers from -1 to 3 with 3 bits, so with the integers 0 to 7.

# %%
grid = q.affine_grid(torch.tensor(-1.0), torch.tensor(3.0), bits=3)
print(f"scale {float(grid.scale):.3f}, zero point {int(grid.zero_point)}")
for value in (-1.0, 0.0, 0.3, 1.0, 2.9, 7.0):
    integer = q.quantize(torch.tensor(value), grid)
    print(f"{value:5.1f} -> {int(integer)} -> {float(q.dequantize(integer, grid)):6.3f}")

# %% [markdown]
# 0 stays exactly 0: padding and ReLU make zeros, and a network is full of them. What lies outside, like 7, is
# **clipped** to the end. What lies inside is off by half a step at most.
#
# ### Exercise 1: quantize (3 points)
#
# Write `quantize(X, scale, zero_point, qmax)`: the integers from 0 to qmax nearest to X, as int64.
#
# *Example.* X = [0.3, 7.0] with scale 0.5, zero point 2 and qmax 7 gives [3, 7].
#
# *Hint.* Divide, round, add, clamp.


# %% exercise="ch09.quantize"
def quantize(X: torch.Tensor, scale: float, zero_point: int, qmax: int) -> torch.Tensor:
    """Integers of X's shape on an affine grid."""
    ### BEGIN SOLUTION
    return (torch.round(X / scale) + zero_point).clamp(0, qmax).long()
    ### END SOLUTION


# %% check="ch09.quantize" points=3
edu.check("ch09.quantize", quantize)

# %% [markdown]
# **Weights** lie about zero, so their grid is symmetric: zero point 0, integers -127 to 127. And each output channel
# gets a scale of its own, because one large channel would take the steps away from all small ones.

# %%
model = edu.load_weights(edu.models.LeNet5(), "lenet5").eval()
weight = model.c3.weight.detach()
for name, per_channel in (("one scale a layer", False), ("one scale a channel", True)):
    grid = q.weight_grid(weight, bits=4, per_channel=per_channel)
    error = (q.fake_quantize(weight, grid) - weight).square().mean().sqrt()
    print(f"{name:20s} {grid.scale.numel():3d} scales, error {float(error / weight.std()):.3f} of the spread")

# %% [markdown]
# ### Exercise 2: scales of the channels (2 points)
#
# Write `channel_scales(weight, bits)` for a weight [out_channels, ...]: for each output channel the scale of the
# symmetric grid that reaches exactly to its largest magnitude. The largest integer is `2^(bits - 1) - 1`.


# %% exercise="ch09.scales"
def channel_scales(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """One scale for each output channel [out_channels]."""
    ### BEGIN SOLUTION
    return weight.abs().flatten(1).amax(dim=1) / (2 ** (bits - 1) - 1)
    ### END SOLUTION


# %% check="ch09.scales" points=2
edu.check("ch09.scales", channel_scales)

# %% [markdown]
# ## Which range?
#
# **Activations** are known only when images come. So some dozens of images are shown, and an *observer* chooses the
# range. The smallest and the largest value clip nothing, but one outlier makes all steps wide. The other three
# observers give up the outlier. Which range has the smallest error, with 4 bits?

# %%
values = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
values[0] = 12.0  # one outlier
for name in ("minmax", "percentile", "mse", "entropy"):
    low_end, high_end = getattr(q, f"{name}_range")(values, bits=4)
    grid = q.affine_grid(low_end, high_end, bits=4)
    error = (q.fake_quantize(values, grid) - values).square().mean().sqrt()
    print(f"{name:10s} {float(low_end):6.1f} to {float(high_end):5.1f}   error {float(error):.2f}")


# %% tags=["hide-input"]
def draw_grid(bits: int, clip: float):
    """How many of the values fall on each step of a grid that is cut off at `clip`."""
    grid = q.affine_grid(torch.tensor(-clip), torch.tensor(clip), bits=bits)
    rounded = q.fake_quantize(values, grid)
    error = float((rounded - values).square().mean().sqrt())
    figure = edu.plots.new_figure(6.8, 2.6)
    axes = figure.subplots()
    axes.hist(values.numpy(), bins=120, range=(-5, 5), color=edu.plots.GRID)
    points, counts = rounded.unique(return_counts=True)
    axes.vlines(points, 0, counts.clamp(max=900), color=edu.plots.COMPRESSED)
    axes.set(xlim=(-5, 5), ylim=(0, 900), xlabel="value", ylabel="how many")
    return figure, f"{bits} bits up to {clip:g}: error {error:.3f}"


edu.Explorer(draw_grid, bits=[2, 3, 4, 5, 6, 8], clip=[1.0, 2.0, 3.0, 4.0, 6.0, 12.0])

# %% [markdown]
# **Explore:** with few bits, cut early. With 8 bits, cut late. The best range depends on the bits.
#
# ## Fold the batch norm
#
# In use, batch norm multiplies each channel by a number and adds another. The convolution before it can do that
# itself. With `gain = gamma / sqrt(variance + eps)`:
#
#     W' = gain * W        b' = gain * (b - mean) + beta
#
# ### Exercise 3: fold (3 points)
#
# Write `fold(weight, bias, gamma, beta, mean, variance, eps)`, which returns W' and b'. weight is
# [out_channels, in_channels, k, k], all others [out_channels].


# %% exercise="ch09.fold"
def fold(weight, bias, gamma, beta, mean, variance, eps: float) -> tuple:
    """Weight and bias of the convolution that does the batch norm's work too."""
    ### BEGIN SOLUTION
    gain = gamma / torch.sqrt(variance + eps)
    return gain[:, None, None, None] * weight, gain * (bias - mean) + beta
    ### END SOLUTION


# %% check="ch09.fold" points=3
edu.check("ch09.fold", fold)

# %% [markdown]
# ## A whole network
#
# `quantize_static` does all of it: fold, observe some images, choose grids, make the integers. Biases become int32
# with the scale `s_in * s_w`, that of the sums they are added to. Activations are unsigned, and their grid begins at
# 0 behind a ReLU: the clipping *is* the ReLU, and it costs nothing.

# %%
quantized = q.quantize_static(model, digits.fit.X[:64])
for name, part in list(quantized.named_modules())[1:5]:
    print(f"{name:14s} {part}")

# %% tags=["nbval-ignore-output"]
whole_error = edu.evaluate(model, digits.validation.X, digits.validation.y).error
small_error = edu.evaluate(quantized, digits.validation.X, digits.validation.y).error
print(f"float32 {whole_error:.2f} % errors, int8 {small_error:.2f} %")
assert abs(small_error - whole_error) < 0.3

# %%
simulation = edu.predict(
    "09.simulation",
    "This int8 network runs in PyTorch. Is it faster than the float network?",
    options=["yes, about three times", "about as fast", "no, slower"],
)
simulation

# %% tags=["nbval-ignore-output"]
X = digits.validation.X[:1]
compared = edu.compare_latency(
    edu.pytorch_runner(model, X, name="float32"), edu.pytorch_runner(quantized, X, name="simulated"),
    blocks=30, block_ms=2,
)  # fmt: skip
assert compared.ratio < 1
compared

# %%
simulation.reveal(
    "no, slower",
    "It rounds in float32 what an integer kernel would round: all the old work, and the rounding on top.",
)

# %% [markdown]
# This is where most lessons on quantization stop: **fake quantization**, a simulation. It tells the accuracy, and
# nothing about time.
#
# ## A file that integer kernels run
#
# `export_int8` writes an ONNX file with pairs of *QuantizeLinear* and *DequantizeLinear* around each operation. ONNX
# Runtime looks for such patterns and puts one integer operation in the place of each. It does so only where the
# pattern is complete. Did it? Ask the optimised graph.

# %%
path = export_int8(quantized, X, folder / "lenet5_int8.onnx")
options = onnxruntime.SessionOptions()
options.optimized_model_filepath = str(folder / "optimised.onnx")
options.log_severity_level = 3
onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
kinds = Counter(node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node)
print("integer:", {kind: n for kind, n in sorted(kinds.items()) if kind.startswith("QLinear") or kind == "QGemm"})
print("float:  ", {kind: n for kind, n in kinds.items() if kind in ("Conv", "FusedConv", "Gemm", "MatMul")})
whole_path = edu.export_onnx(model, X, folder / "lenet5.onnx")
print(f"{whole_path.stat().st_size:,} bytes before, {path.stat().st_size:,} after")

# %% [markdown]
# No convolution stayed float. Three things are easy to get wrong, and each leaves a float layer behind: a bias that
# is not int32, signed activations that do not absorb the ReLU, and an output that is not quantized again.
#
# ### Integers, all the way
#
# Is that really integer arithmetic? The kit has an engine of its own, in NumPy, that reads the same file and computes
# with integers alone: 8-bit activations, 32-bit sums, and a multiplication by a fixed-point number in place of each
# scale. If both do what the paper says, they agree to the last bit.

# %%
engine = IntegerNetwork(path)
images = digits.test.X[:200]
ours = next(iter(engine.run(images.numpy()).values()))
theirs = edu.run_onnx(path, images)
print("equal in every bit:", bool(np.array_equal(ours, theirs)), "for", ours.size, "logits")
engine.run(images[:1].numpy())
print(f"working memory for one image: {engine.peak_bytes:,} bytes")

# %% [markdown]
# ## Measure it: where int8 wins, and where it loses

# %%
winner = edu.predict(
    "09.winner",
    "LeNet-5 in int8, against LeNet-5 in float32, both in ONNX Runtime on one thread. What is its speed?",
    options=["three times faster", "about the same", "slower"],
)
winner

# %% tags=["hide-input"]
SHOWN = {"lenet5": "LeNet-5", "small_alexnet": "small AlexNet", "alexnet": "AlexNet", "vgg16": "VGG-16",
         "road_segmentation": "road segmentation"}  # fmt: skip
figure = edu.plots.new_figure(8.2, 3.8)
axes = figure.subplots()
for place, key in enumerate(SHOWN):
    gain = int8[key]["p50_gain"]
    axes.barh(place, gain, color=edu.plots.COMPRESSED)
    axes.annotate(
        f"{gain:.2f} times: {int8[key]['p50_ms_fp32']:.3g} ms to {int8[key]['p50_ms']:.3g} ms",
        (max(gain, 1), place), (6, 0), textcoords="offset points", va="center",
    )  # fmt: skip
axes.axvline(1, color=edu.plots.BUDGET, ls="--")
axes.set_yticks(range(len(SHOWN)), list(SHOWN.values()))
axes.set(xlabel="times faster than the fastest float32 form", ylabel="network", ylim=(len(SHOWN) - 0.4, -0.6))
axes.set_xlim(0, 1.8 * max(int8[key]["p50_gain"] for key in SHOWN))
axes.grid(visible=False, axis="y")
edu.show(
    figure,
    alt="Gain of int8 over the fastest float32 form: "
    + "; ".join(f"{name} {int8[key]['p50_gain']:.2f} times" for key, name in SHOWN.items()),
)

# %%
lenet_gain = int8["lenet5"]["p50_gain"]
winner.reveal(
    "slower" if lenet_gain < 0.9 else "about the same" if lenet_gain < 1.2 else "three times faster",
    "All its layers together are some hundred thousand multiplications: microseconds.",
)

# %% [markdown]
# **See:** the red line. What is left of it is slower than float. A small network has little to multiply, and each
# layer still pays for starting a kernel and for moving its numbers onto the next grid. A large network spends its time
# multiplying, and there four bytes fit where one float was.
#
# And the quality? Our quantizer saw {{results.int8.road_segmentation.calibration_inputs}} images, and so did two others:
# ONNX Runtime's own and torchao's. That was done {{results.int8.road_segmentation.calibrations}} times, each time with
# other images; the table has the means.

# %% tags=["hide-input"]
rows = [("", "float32", "ours", "ONNX Runtime's", "torchao's")]
for key in ("lenet5", "small_alexnet", "road_segmentation"):
    part = int8[key]
    changes = [part, part["quantize_static"], part["torchao"]]
    rows.append((SHOWN[key], f"{part['quality_fp32']:.2f}",
                 *[f"{each['accuracy_change_points']:+.2f}" for each in changes]))  # fmt: skip
for line in rows:
    print(f"{line[0]:20s}" + "".join(f"{cell:>16s}" for cell in line[1:]))

# %% [markdown]
# The first column is percent (of digits, of clothes, mean IoU), the others are points of change. The road network goes
# from {{results.int8.road_segmentation.p50_ms_fp32:.1f}} ms to {{results.int8.road_segmentation.p50_ms:.1f}} ms,
# {{results.int8.road_segmentation.accuracy_change_points:+.2f}} points. It was over the frame's budget, and is within.
#
# ## How many bits?
#
# Eight were easy. The small AlexNet of chapter 03 reads clothes. Its weights get fewer and fewer bits: rounded after
# training, with one scale a layer or one a channel, and then trained on *with* the rounding.
#
# A rounding has gradient zero. The **straight-through estimator** acts as if it were not there: the gradient goes
# through to the float weight behind. **LSQ** learns the step too.

# %% tags=["hide-input"]
clothes_rows = [row for row in bits_study["rows"] if row["network"] == "small_alexnet"]
figure = edu.plots.new_figure(8.2, 3.6)
axes = figure.subplots()
LINES = (("rounded", "layer", "rounded, a scale a layer", edu.plots.MUTED, "o-"),
         ("rounded", "channel", "rounded, a scale a channel", edu.plots.FP32, "o-"))  # fmt: skip
for method, scales, label, colour, style in LINES:
    chosen = sorted((row["bits"], row["quality"]) for row in clothes_rows
                    if (row["method"], row["scales"]) == (method, scales))  # fmt: skip
    axes.plot(*zip(*chosen, strict=True), style, color=colour, label=label)
trained = sorted((row["bits"], row["quality"]) for row in clothes_rows if row["method"].startswith("lsq"))
axes.plot(*zip(*trained, strict=True), "s-", color=edu.plots.COMPRESSED, label="trained on, LSQ")
for row in clothes_rows:
    if row["method"] in ("ternary", "binary"):
        axes.plot(row["bits"], row["quality"], "D", color=edu.plots.ACCENT)
        axes.annotate(row["method"], (row["bits"], row["quality"]), (0, -14), ha="center",
                      textcoords="offset points", color=edu.plots.ACCENT)  # fmt: skip
axes.set(xlabel="bits a weight", ylabel="test accuracy, %", xlim=(8.3, 0.7))
axes.legend(loc="lower left", fontsize=9)
edu.show(figure, alt="Accuracy of the small AlexNet over bits a weight: level down to 6 bits; rounded after "
         "training it falls steeply below 5; trained on with the rounding it stays near the top down to 1 bit.")


# %% tags=["hide-input"]
def change(method: str, bits: int, scales: str = "channel", network: str = "small_alexnet") -> float:
    """Points of accuracy against float32, from the study."""
    return next(
        row["change_points"] for row in bits_study["rows"]
        if (row["network"], row["method"], row["bits"], row["scales"]) == (network, method, bits, scales)
    )  # fmt: skip


print(f"4 bits, rounded:    {change('rounded', 4):+.2f} points")
print(f"4 bits, trained on: {change('lsq_4', 4):+.2f} points")
print(f"ternary:            {change('ternary', 2):+.2f} points")
print(f"binary:             {change('binary', 1):+.2f} points")

# %% [markdown]
# **See:** where the lines fall. Down to 6 bits nothing happens. At 4, rounding alone loses a sixth of the answers, and a
# scale for each channel helps little until 3 bits. Training with the rounding brings nearly all of it back, down to
# weights of three values. Look twice at 5 bits: one scale a layer is even ahead there. This network has no channel
# that is much larger than the others. The next but one has.
#
# A large network first. The heavy road network has sixty times the weights of the small AlexNet, and it is to keep
# its mean IoU. The activations stay float; with LSQ they have 8 bits.

# %% tags=["hide-input"]
ROAD_ROWS = {
    "8 bits, rounded, a scale a channel": ("rounded", 8, "channel"),
    "4 bits, rounded, a scale a channel": ("rounded", 4, "channel"),
    "4 bits, rounded, a scale a block of 32": ("rounded", 4, "block"),
    "3 bits, rounded, a scale a block of 32": ("rounded", 3, "block"),
    "4 bits, trained on (LSQ)": ("lsq_4", 4, "channel"),
    "ternary, trained on": ("ternary", 2, "channel"),
}
for name, row in ROAD_ROWS.items():
    print(f"{name:40s} {change(*row, network='road_segmentation'):+6.2f} points of mean IoU")

# %% [markdown]
# **See:** the same order, and milder. Rounded to 4 bits this network loses a little; a scale for each block of 32 weights
# gives a good part of it back. Three bits after training are too few. Training on is worth more than any scale. With
# 4 bits the network is nearly where it was and wants small steps of the optimiser; with three values it has to find its
# way again, in larger steps and four times as many.
#
# ## One scale a layer, on a depthwise network
#
# A depthwise layer has one small kernel a channel (chapter 07), and after batch norm is folded, their sizes differ by a
# lot. Train such a network for some seconds and round it with one scale a layer.

# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
light = nn.Sequential(
    conv_norm(1, 16, stride=2), DepthwiseSeparable(16, 32), DepthwiseSeparable(32, 64, stride=2),
    DepthwiseSeparable(64, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
)  # fmt: skip
edu.fit(light, clothes.fit.X[:30_000], clothes.fit.y[:30_000], num_epochs=2, lr=1e-2, progress=False)


def clothes_accuracy(network: nn.Module) -> float:
    """Percent of the validation images."""
    return edu.evaluate(network, clothes.validation.X, clothes.validation.y).accuracy


calibration = clothes.fit.X[:64]
results = {"float32": clothes_accuracy(light)}
results["a scale a channel"] = clothes_accuracy(q.quantize_static(light, calibration, weight_bits=4))
layer_wise = q.quantize_static(light, calibration, weight_bits=4, per_channel=False)
results["a scale a layer"] = clothes_accuracy(layer_wise)
equal = q.equalize(light, calibration[:2])
rounded = q.quantize_static(equal, calibration, weight_bits=4, per_channel=False)
results["... equalised"] = clothes_accuracy(rounded)
results["... and biases corrected"] = clothes_accuracy(q.correct_biases(rounded, equal, calibration))
for name, value in results.items():
    print(f"{name:26s} {value:5.1f} %")
assert results["a scale a channel"] > results["a scale a layer"] + 2

# %% [markdown]
# With 4 bits, one scale for all channels ruins it. **Equalisation** divides a channel in one layer and multiplies it in
# the next, so that all become equally large; the network computes the same. **Bias correction** takes back what the
# rounding added on average. Neither needs a label.
#
# ## One bit
#
# With weights and activations of -1 and +1, 64 products are one XOR of two words, and their sum is a count of bits. That
# is a real kernel, and it gives the same integer.

# %%
generator = np.random.default_rng(0)
a, b = (np.sign(generator.standard_normal((n, 1000))) for n in (3, 4))
by_counting = q.xnor_dot(q.pack_signs(a), q.pack_signs(b), 1000)
print("bytes:", a.astype(np.float32).nbytes, "->", q.pack_signs(a).nbytes)
print("same products:", bool(np.array_equal(by_counting, (a @ b.T).astype(int))))

# %% tags=["hide-input"]
for row in low["xnor"]:
    print(f"4,096 x 4,096 signs, batch {row['batch']:2d}: float {row['float_ms']:.2f} ms, XNOR {row['xnor_ms']:.2f} ms, "
          f"{row['gain']:.1f} times")  # fmt: skip

# %% [markdown]
# The paper on XNOR networks speaks of 58 times fewer operations, and counts them. At batch 1 the float product waits
# for its {{results.low_bit_speed.xnor.0.float_bytes:,.0f}} bytes, and few bytes win. At batch 64 the float kernel uses each
# weight 64 times, while NumPy, which counts bits here, walks through memory once for each step. Then float wins.
#
# ## Four bits where bytes are the time
#
# AlexNet's linear layers fetch each weight once and use it once (chapter 05). They wait for bytes. So their weights may be
# 4-bit integers that are widened on their way into the multiplication, with one scale for each block of 32.

# %%
torch.manual_seed(0)
fc7 = nn.Sequential(nn.Linear(4096, 4096, bias=False))
fc7_int4 = q.quantize_weights(fc7, bits=4, block_size=32)
print(f"fc7: {4 * fc7[0].weight.numel():,} bytes -> {fc7_int4[0].weight_bytes:,}")

# %% tags=["hide-input"]
figure = edu.plots.new_figure(7.6, 3.2)
axes = figure.subplots()
single = [row for row in low["int4"] if row["batch"] == 1]
FORMS = (("fp32_ms", None, edu.plots.FP32), ("int4_ms", "gain", edu.plots.COMPRESSED),
         ("int4_int8_ms", "int8_gain", edu.plots.ACCENT))  # fmt: skip
for place, row in enumerate(single):
    for shift, (key, gain, colour) in enumerate(FORMS):
        y = place + 0.27 * (shift - 1)
        axes.barh(y, row[key], height=0.25, color=colour)
        if gain:
            axes.annotate(f"{row[gain]:.1f} times", (row[key], y), (4, 0), va="center", fontsize=9,
                          textcoords="offset points")  # fmt: skip
axes.set_yticks(range(len(single)), [row["layer"] for row in single])
axes.set(xlabel="milliseconds at batch 1", ylabel="layer", ylim=(len(single) - 0.4, -0.6))
for height, label, colour in ((0.34, "float32", edu.plots.FP32), (0.2, "int4 weights", edu.plots.COMPRESSED),
                              (0.06, "... and int8 activations", edu.plots.ACCENT)):  # fmt: skip
    axes.annotate(label, (0.98, height), xycoords="axes fraction", ha="right", color=colour, fontweight="bold")
axes.grid(visible=False, axis="y")
edu.show(
    figure,
    alt="AlexNet's linear layers at batch 1 with 4-bit weights: "
    + "; ".join(
        f"{row['layer']} {row['gain']:.1f} times faster, with 8-bit activations {row['int8_gain']:.1f} times"
        for row in single
    ),
)

# %% [markdown]
# **See:** a sixth of the bytes, scales included, and the large layers are faster. How much, depends on what the
# kernel does with a nibble. Widened to float32 it still costs arithmetic; with the inputs rounded to 8 bits on the way,
# products of bytes do. At batch {{results.low_bit_speed.int4.1.batch}} the first layer gains
# {{results.low_bit_speed.int4.1.gain:.1f}} and {{results.low_bit_speed.int4.1.int8_gain:.1f}} times: then arithmetic
# counts, and the widening is extra work.
#
# ## Where it does not help
#
# - **Small networks.** Microseconds of arithmetic, and every layer pays the same fee.
# - **A simulation.** Fake quantization saves nothing. Only a file that a runtime fuses does.
# - **Operations without an integer kernel.** A tanh or a local normalisation goes back to float and on again.
# - **Old processors.** Without VNNI, x86 adds products of bytes in 16 bits, and they overflow: ask for 7-bit weights.
# - **Depthwise layers.** Fewer multiplications, and scales that differ: less to gain, more to lose.

# %%
try:
    IntegerNetwork(edu.export_onnx(edu.models.LeNet5(activation=nn.Tanh), X, folder / "tanh.onnx"))
except ValueError as error:
    print(error)

# %% [markdown]
# ## Claims

# %%
road = int8["road_segmentation"]
ours_best = max(road["quantize_static"]["accuracy_change_points"], road["torchao"]["accuracy_change_points"])
edu.claims_table([
    edu.claim("this kit", "int8 AlexNet: 3 times the speed of the fastest float32 form",
              3, int8["alexnet"]["p50_gain"], "higher", tolerance=0, partly_tolerance=1, unit="times"),
    edu.claim("this kit", "int8 heavy road network: 3 times", 3, road["p50_gain"], "higher", tolerance=0,
              partly_tolerance=1, unit="times"),
    edu.claim("this kit", "at 0.3 points of mean IoU or less", -0.3, road["accuracy_change_points"], "higher",
              tolerance=0, partly_tolerance=0.3, unit="points"),
    edu.claim("this kit", "no worse than ONNX Runtime's quantizer and torchao's", ours_best,
              road["accuracy_change_points"], "higher", tolerance=0.1, partly_tolerance=0.3, unit="points"),
    edu.claim("this kit", "4-bit weights within 0.3 points (clothes, trained on)", -0.3, change("lsq_4", 4), "higher",
              tolerance=0, partly_tolerance=0.3, unit="points"),
    edu.claim("this kit", "ternary weights within 0.5 points (clothes)", -0.5, change("ternary", 2), "higher",
              tolerance=0, partly_tolerance=0.5, unit="points"),
    edu.claim("this kit", "4-bit weights within 0.3 points (roads, trained on)", -0.3,
              change("lsq_4", 4, network="road_segmentation"), "higher", tolerance=0, partly_tolerance=0.3,
              unit="points"),
    edu.claim("this kit", "ternary weights within 0.5 points (roads)", -0.5,
              change("ternary", 2, network="road_segmentation"), "higher", tolerance=0, partly_tolerance=0.5,
              unit="points"),
])  # fmt: skip

# %% [markdown]
# ## The ledger

# %% tags=["nbval-ignore-output"]
edu.ledger(upto="09")

# %% [markdown]
# ## Key points
#
# - `r = scale * (q - zero_point)`. Zero stays exact, the inside is off by half a step, the outside is clipped.
# - A scale for each channel costs nothing. Most layers gain little by it; depthwise layers need it.
# - Simulation tells the accuracy. Only a fused file on an integer kernel tells the time.
# - int8 wins where a network multiplies much, and loses where it is small.
# - Below 5 bits train on with the rounding. Four bits shine where weights are fetched and used once.
#
# **Terms.**
#
# - *Scale, zero point*: the step of a grid, and the integer that stands for 0. *Calibration*: images that set ranges.
# - *Static, weight-only, quantization-aware*: rounded after training; weights alone; trained with the rounding.
# - *Straight-through estimator*: a rounding whose gradient is taken to be 1. *LSQ*: learned step size.
# - *QDQ*: pairs of QuantizeLinear and DequantizeLinear in a file. *Fusing*: one operation in the place of several.
# - *VNNI*: instructions that multiply bytes and add in 32 bits. *XNOR, popcount*: products of signs, and counting bits.
#
# **References.**
#
# - F. Li, B. Liu, "Ternary weight networks", arXiv:1605.04711, 2016.
# - M. Rastegari, V. Ordonez, J. Redmon, A. Farhadi, "XNOR-Net", ECCV 2016.
# - S. Migacz, "8-bit inference with TensorRT", GTC 2017.
# - B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
#   CVPR 2018.
# - R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", arXiv:1806.08342, 2018.
# - M. Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019.
# - S. Esser et al., "Learned step size quantization", ICLR 2020.
# - T. Dettmers, L. Zettlemoyer, "The case for 4-bit precision", ICML 2023.
#
# **Next.** [10 Network compression](10_network_compression.ipynb): from bits that one promises to a file that one weighs.
