# %% [markdown]
# # Quantization: eight bits are enough, and then four
#
# **Question.** A weight takes 32 bits. How many of them does a network need, and who gets faster
# when the others go?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 55 | {{results.chapter_seconds.09_quantization:.0f}} | [02 LeNet](02_lenet_1998.ipynb), [07 Separable convolutions](07_separable_convolutions.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. put a tensor on a grid of integers, choose its range, and say what was lost;
# 2. turn a trained network into a file that integer kernels run, and prove that nothing in it
#    stayed float;
# 3. say where int8 is faster, where it is slower, and how many bits the accuracy needs.

# %%
import gc
import tempfile
import textwrap
from collections import Counter
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

import classroom
import edu_lib as edu
from edu_lib.deploy import IntegerNetwork, export_int8
from edu_lib.deploy.arithmetic import PAIRS, convolve
from edu_lib.techniques import quantization as q
from edu_lib.techniques.factorization import DepthwiseSeparable, conv_norm

torch.set_num_threads(1)
classroom.plots.use_house_style()
digits = edu.mnist()
int8 = edu.load_result("int8")
low = edu.load_result("low_bit_speed")
bits_study = edu.load_result("bits")
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## The story: arithmetic for small machines
#
# A float32 number has 24 bits of precision. A network learns to read noisy pixels, and noise of its
# own does not scare it. Speech networks ran in 8 bits on CPUs in 2011 (Vanhoucke and others);
# around 2015 people saw that trained networks hardly notice when their weights are rounded to 8
# bits. Then the hardware followed: a core that multiplies 16 floats in one instruction multiplies
# 64 bytes in one. In 2018 Benoit Jacob and his colleagues wrote down how a network runs with
# **integers alone**, and that recipe is what phones use today.
#
# We build it from the grid up. At the end stand a file, a runtime and a clock.
#
# ## A grid of integers

# %%
classroom.plots.draw_number_grid()

# %% [markdown]
# **See:** every real number goes to the nearest tick, and only the tick's number is stored. An
# integer q stands for a real number r:
#
#     r = scale * (q - zero_point)
#
# The **scale** is the width of a step. The **zero point** is the integer that stands for 0. Walk it
# for the numbers from -1 to 3 with 3 bits, so with the integers 0 to 7.

# %%
grid = q.affine_qparams(torch.tensor(-1.0), torch.tensor(3.0), bits=3)
print(f"scale {float(grid.scale):.3f}, zero point {int(grid.zero_point)}")
for value in (-1.0, 0.0, 0.3, 1.0, 2.9, 7.0):
    integer = q.quantize(torch.tensor(value), grid)
    print(f"{value:5.1f} -> {int(integer)} -> {float(q.dequantize(integer, grid)):6.3f}")

# %% [markdown]
# 0 stays exactly 0: padding and ReLU make zeros, and a network is full of them. What lies outside,
# like 7, is **clipped** to the end. What lies inside is off by half a step at most.
#
# ### Exercise 1: quantize (3 points, 15 minutes)
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
classroom.check("ch09.quantize", quantize)

# %% [markdown]
# **Weights** lie about zero, so their grid is symmetric: zero point 0, integers -127 to 127. And
# each output channel gets a scale of its own (**per-channel** scales, against one scale **per
# tensor**), because one large channel would take the steps away from all small ones.

# %%
model = edu.load_weights(edu.models.LeNet5(), "lenet5").eval()
weight = model.c3.weight.detach()
for name, per_channel in (("one scale per layer", False), ("one scale per channel", True)):
    grid = q.weight_qparams(weight, bits=4, per_channel=per_channel)
    error = (q.fake_quantize(weight, grid) - weight).square().mean().sqrt()
    print(
        f"{name:22s} scales: {grid.scale.numel():2d}   error: {float(error / weight.std()):.3f} of "
        "the spread"
    )

# %% [markdown]
# ### Exercise 2: scales of the channels (2 points, 10 minutes)
#
# Write `channel_scales(weight, bits)` for a weight [out_channels, ...]: for each output channel the
# scale of the symmetric grid that reaches exactly to its largest magnitude. The largest integer is
# `2^(bits - 1) - 1`.


# %% exercise="ch09.scales"
def channel_scales(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """One scale for each output channel [out_channels]."""
    ### BEGIN SOLUTION
    return weight.abs().flatten(1).amax(dim=1) / (2 ** (bits - 1) - 1)
    ### END SOLUTION


# %% check="ch09.scales" points=2
classroom.check("ch09.scales", channel_scales)

# %% [markdown]
# ## Which range?
#
# **Activations** are known only when images come. So some dozens of images are shown, and an
# *observer* chooses the range. The smallest and the largest value clip nothing, but one outlier
# makes all steps wide. The other three observers give up the outlier. Which range has the smallest
# error, with 4 bits?

# %%
values = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
values[0] = 12.0  # one outlier
for name in ("minmax", "percentile", "mse", "entropy"):
    low_end, high_end = getattr(q, f"{name}_range")(values, bits=4)
    grid = q.affine_qparams(low_end, high_end, bits=4)
    error = (q.fake_quantize(values, grid) - values).square().mean().sqrt()
    print(f"{name:10s} {float(low_end):6.1f} to {float(high_end):5.1f}   error {float(error):.2f}")


# %% tags=["hide-input"] slide="A grid of integers: round inside, clip outside" tour=1
def draw_grid(bits: int, clip: float):
    """How many of the values fall on each step of a grid that is cut off at `clip`."""
    grid = q.affine_qparams(torch.tensor(-clip), torch.tensor(clip), bits=bits)
    rounded = q.fake_quantize(values, grid)
    error = float((rounded - values).square().mean().sqrt())
    figure = classroom.plots.new_figure(6.8, 3.6)
    before, after = figure.subplots(2, 1, sharex=True)
    before.hist(values.numpy(), bins=120, range=(-5, 5), color=classroom.plots.FP32)
    before.set(title="the values", ylabel="how many")
    points, counts = rounded.unique(return_counts=True)
    after.vlines(points, 0, counts, color=classroom.plots.COMPRESSED, lw=2)
    after.set(title="on the grid", xlim=(-5, 5), ylim=(0, None), xlabel="value", ylabel="how many")
    return figure, f"{bits} bits up to {clip:g}: error {error:.3f}"


classroom.Explorer(draw_grid, bits=(2, 8, 1, 4), clip=(1.0, 12.0, 0.5, 3.0))

# %% [markdown]
# **Explore:** with few bits, cut early. With 8 bits, cut late. The best range depends on the bits.
#
# Look at the printed errors again: `percentile` is a little ahead of `mse`, which searches for the
# smallest error. It searches along one line: it shrinks both ends by one factor, and here one end
# alone has the outlier. Cut both ends at 2.5 in the explorer, and you beat all four. An observer is
# a heuristic, not an optimum.
#
# ## Fold the batch norm
#
# In use, batch norm multiplies each channel by a number and adds another. The convolution before it
# can do that itself. With `gain = gamma / sqrt(variance + eps)`:
#
#     W' = gain * W        b' = gain * (b - mean) + beta
#
# ### Exercise 3: fold (3 points, 15 minutes)
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
classroom.check("ch09.fold", fold)

# %% [markdown]
# ## A whole network
#
# `quantize_static` does all of it: fold, observe some images, choose grids, make the integers. No
# weight is trained, so this is **post-training quantization**, and since the ranges are fixed
# before use it is *static*. Biases become int32 with the scale `s_in * s_w`, that of the sums they
# are added to. Activations are unsigned, and their grid begins at 0 behind a ReLU: the clipping
# *is* the ReLU, and it costs nothing. `edu.fold_batch_norm` does the folding alone.

# %%
quantized = q.quantize_static(model, digits.fit.X[:64].clone())
for name, part in list(quantized.named_modules())[1:5]:
    print(f"{name:14s} {part}")

# %% tags=["nbval-ignore-output"]
whole_error = edu.evaluate(model, digits.validation.X, digits.validation.y).error
small_error = edu.evaluate(quantized, digits.validation.X, digits.validation.y).error
print(f"float32 {whole_error:.2f} % errors, int8 {small_error:.2f} %")
assert abs(small_error - whole_error) < 0.3

# %%
simulation = classroom.predict(
    "09.simulation",
    "This int8 network runs in PyTorch. Is it faster than the float network?",
    options=["yes, about three times", "about as fast", "no, slower"],
)
simulation

# %% tags=["nbval-ignore-output"]
X = digits.validation.X[:1].clone()  # a view would keep all the digits in memory
compared = edu.compare_latency(
    edu.pytorch_runner(model, X, name="float32"),
    edu.pytorch_runner(quantized, X, name="simulated"),
    blocks=30, block_ms=2,
)  # fmt: skip
assert compared.void or compared.ratio < 1  # void: another program kept the processor busy
compared

# %%
simulation.reveal(
    "no, slower",
    "It rounds in float32 what an integer kernel would round: all the old work, and the rounding "
    "on top.",
)

# %% [markdown]
# This is where most lessons on quantization stop: **fake quantization**, a simulation. It tells the
# accuracy, and nothing about time.
#
# ## A file that integer kernels run
#
# `export_int8` writes an ONNX file with pairs of *QuantizeLinear* and *DequantizeLinear* around
# each operation. ONNX Runtime looks for such patterns and puts one integer operation in the place
# of each. It does so only where the pattern is complete. Did it? Ask the optimised graph.

# %%
path = export_int8(quantized, X, folder / "lenet5_int8.onnx")
options = onnxruntime.SessionOptions()
options.optimized_model_filepath = str(folder / "optimised.onnx")
options.log_severity_level = 3
onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
kinds = Counter(node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node)
print(
    "integer:",
    {kind: n for kind, n in sorted(kinds.items()) if kind.startswith("QLinear") or kind == "QGemm"},
)
print(
    "float:  ",
    {kind: n for kind, n in kinds.items() if kind in ("Conv", "FusedConv", "Gemm", "MatMul")},
)
whole_path = edu.export_onnx(model, X, folder / "lenet5.onnx")
print(f"{whole_path.stat().st_size:,} bytes before, {path.stat().st_size:,} after")

# %% [markdown]
# No convolution stayed float. What is easy to get wrong?
#
# - An output that is not quantized again leaves its layer in float: the pattern is not complete.
# - A ReLU is absorbed where the grid begins at 0, for then the clipping does its work. What decides
#   is the zero point, not the type: signed activations with zero point -128 absorb it, unsigned
#   ones with a zero point above 0 do not.
# - A bias in float is no trap any more. ONNX Runtime 1.32 makes it an integer when it loads the
#   file.
# - An int32 bias with another scale than `s_in * s_w` is the worst trap. A linear layer with one is
#   fused, its scale is ignored, and the answers are wrong, without a message.
#
# ### Integers, all the way

# %%
classroom.plots.draw_integer_layer()

# %% [markdown]
# **See:** the sums are large, and the outputs are bytes again. What stands between them is the step
# that Jacob's paper is about, **requantization**. The real factor `s_in s_w / s_out` becomes an
# integer `m0` and a shift: multiply, then drop `shift` bits.
#
# ### Exercise 4: a linear layer on integers (4 points, 20 minutes)
#
# Write `int_linear(qx, zx, qw, bias32, m0, shift)` in int64: inputs qx [N, in] from 0 to 255 with
# zero point zx, weights qw [out, in], biases bias32 [out] at the scale of the sums, multipliers m0
# [out]. Return outputs [N, out] from 0 to 255, whose own zero point is 0. Round to the nearest: add
# half of `2**shift` before you shift.
#
# *Example.* One input 10 with zx = 2, weight 5, bias 4: the sum is 44. With m0 = 3 and shift = 2,
# `(132 + 2) >> 2` is 33.
#
# *Hint.* Four steps in this order: the sums, the bias, `m0` with the rounding shift, the clamp.


# %% exercise="ch09.int_linear"
def int_linear(qx, zx: int, qw, bias32, m0, shift: int) -> torch.Tensor:
    """uint8 values, as int64 [N, out], of a quantized linear layer with a ReLU."""
    ### BEGIN SOLUTION
    total = (qx - zx) @ qw.T + bias32
    return ((total * m0 + (1 << (shift - 1))) >> shift).clamp(0, 255)
    ### END SOLUTION


# %% check="ch09.int_linear" points=4
classroom.check("ch09.int_linear", int_linear)

# %% [markdown]
# The kit has an engine of its own, in NumPy, that reads the same file and computes with integers
# alone. Does your layer answer as its layer `f6` does, on 200 digits?

# %% tags=["hide-input"]
engine = IntegerNetwork(path)
images = digits.test.X[:200].clone()
# find layer f6 in the file: what goes in, what comes out behind its ReLU, and the scales
nodes = list(onnx.load(path).graph.node)
gemm = next(node for node in nodes if node.op_type == "Gemm")
dequantized = next(node for node in nodes if gemm.input[0] in node.output)
relu = next(node.output[0] for node in nodes if gemm.output[0] in node.input)
quantized_again = next(node for node in nodes if relu in node.input)
before, after = dequantized.input[0], quantized_again.output[0]
inside = engine.run(images.numpy(), [before, after])
constants = engine.constants
s_in, s_w = constants[dequantized.input[1]], constants["f6.weight_scale"]
s_out = constants[quantized_again.input[1]]
print("f6 takes", inside[before].shape, inside[before].dtype, "and gives", inside[after].shape)

# %%
SHIFT = 31
m0 = torch.tensor(np.rint((s_in * s_w / s_out).astype(np.float64) * 2**SHIFT), dtype=torch.int64)
qx, qw, bias32 = (
    torch.tensor(each, dtype=torch.int64)
    for each in (inside[before], constants["f6.weight"], constants["f6.bias"])
)
mine = int_linear(qx, 0, qw, bias32, m0, SHIFT).numpy()
print("more than 99.9 % of the outputs equal the engine's:",
      bool((mine == inside[after]).mean() > 0.999))  # fmt: skip

# %% [markdown]
# And the whole network? The paper's kernels round *twice*, after a fixed-point multiplication and
# after the shift; the built-in kernels of LiteRT (once TensorFlow Lite) do so, and in a few outputs
# of a thousand that makes a difference of one step. ONNX Runtime rounds once, and our engine does
# as ONNX Runtime does. So these two should agree to the last bit.

# %%
ours = next(iter(engine.run(images.numpy()).values()))
theirs = edu.run_onnx(path, images)
print("equal in every bit:", bool(np.array_equal(ours, theirs)), "for", ours.size, "logits")
engine.run(images[:1].numpy())
print(f"working memory for one image: {engine.peak_bytes:,} bytes")

# %% [markdown]
# ### A trap: sums that end at 16 bits
#
# To agree to the last bit, both must add exactly. **VNNI** is a set of newer instructions that add
# products of bytes in 32 bits. x86 processors with AVX2 or AVX-512 and without it, as in many
# laptops sold before 2022, have another fast one for bytes. It multiplies two pairs and adds the
# two products **in 16 bits**. The sum of two products can reach 2 * 255 * 127 = 64,770. What is
# above 32,767 counts as 32,767: the sum *saturates*.

# %%
pixels, weights = np.full((1, 2, 1, 1), 200, np.uint8), np.full((1, 2, 1, 1), 100, np.int8)
window = {"pads": [0] * 4, "strides": [1, 1], "dilations": [1, 1], "groups": 1}
print("200 * 100 + 200 * 100, added in 32 bits:", convolve(pixels, 0, weights, **window).item())
in_pairs = convolve(pixels, 0, weights, **window, pairs_of=PAIRS["onnxruntime"])
print("200 * 100 + 200 * 100, added in 16 bits:", in_pairs.item())

# %% [markdown]
# The engine can follow that rule: `IntegerNetwork(path, saturating="onnxruntime")` answers as such
# a laptop does, to the last bit, on any machine. Here is one digit behind the first layer.

# %% tags=["hide-input"] slide="Sums that end at 16 bits, and no warning"
quantizers = [node for node in onnx.load(path).graph.node if node.op_type == "QuantizeLinear"]
first = quantizers[1].output[0]
maps = [IntegerNetwork(path, rule).run(images[:1].numpy(), [first])[first][0].astype(int)
        for rule in (None, "onnxruntime")]  # fmt: skip
worst = int(np.abs(maps[1] - maps[0]).sum(axis=(1, 2)).argmax())
exact, saturated = (each[worst] for each in maps)
figure = classroom.plots.new_figure(7.6, 2.7)
panels = (
    (exact, "added exactly"),
    (saturated, "added in 16 bits"),
    (np.abs(saturated - exact), "difference"),
)
for axes, (values_shown, title) in zip(figure.subplots(1, 3), panels, strict=True):
    axes.imshow(values_shown, cmap="gray", vmin=0, vmax=255)
    axes.set_title(title, fontsize=10)
    axes.axis("off")
classroom.show(
    figure,
    alt="One channel behind the first layer of LeNet-5, three maps: added exactly, added in 16 "
    "bits, and their difference, which is large along the bright strokes of the digit.",
)

# %% tags=["hide-input"]
trap = edu.load_result("int8_saturation")
num_images = trap["lenet5"]["images"]
print(
    f"{f'right answers of {num_images:,d}':28s}{'exact':>9s}{'ONNX Runtime':>15s}{'OpenVINO':>11s} "
    "  first layer differs (ONNX Runtime)"
)
for key, title in (("lenet5", "LeNet-5"), ("small_alexnet", "small AlexNet")):
    for bits in (8, 7):
        row = trap[key][f"weights_{bits}_bits"]
        rights = [row[rule]["right"] for rule in ("exact", "onnxruntime", "openvino")]
        print(f"{title + f', {bits}-bit weights':28s}{rights[0]:9,d}{rights[1]:15,d}"
              f"{rights[2]:11,d}"
              f"   {row['onnxruntime']['first_layer_percent_different']:.1f} %")  # fmt: skip

# %% [markdown]
# **See:** nothing warns, and the accuracy hardly moves: the network answers a little otherwise, and
# only on some machines. Brightness saturates first, since a pair needs two large inputs and two
# large weights of one sign. Two runtimes pair other products, so that even they differ: ONNX
# Runtime takes neighbours in the window, OpenVINO neighbouring input channels.
#
# There are two ways out. Weights of 7 bits make pairs that fit: 2 * 255 * 63 = 32,130. Or the
# runtime is asked for another kernel, which adds in 32 bits. `edu.run_onnx` does that on such
# machines, so that the cell above says "equal in every bit" on all of them.
#
# ### An int8 file is a contract. Who keeps it?
#
# The file says which integers come out. Here are the runtimes that read it, on an Intel Xeon that
# adds in 32 bits (VNNI, and AMX, which multiplies tiles of bytes), compared with the exact engine.
# *No VNNI* and *Arm* are other processors, which a program emulates: it shows what they compute,
# not how fast.

# %% tags=["hide-input"]
kept = edu.load_result("runtimes_amx")
SHOWN_FILES = {"lenet5_8": "LeNet-5, 8 bits", "small_alexnet_8": "AlexNet, 8 bits",
               "thirty_frames_7": "road, 7 bits"}  # fmt: skip


def kept_or_not(row: dict) -> str:
    """How much of a file's answers one runtime changes."""
    if not row["loads"]:
        return "not loaded"
    if not row["values_different"]:
        return "exact"
    return f"{100 * row['values_different'] / row['values']:.1f} %, {row['answers_changed']}"


asked = [f"{kept[key]['onnxruntime']['answers']:,}" for key in SHOWN_FILES]
print(f"logits that differ, and how many of {asked[0]} answers or of {asked[2]} pixels change")
print(" " * 45 + "".join(f"{title:>17s}" for title in SHOWN_FILES.values()))
for runtime, first in kept["lenet5_8"].items():
    cells = (kept_or_not(kept[key][runtime]) for key in SHOWN_FILES)
    name, _, after = first["title"].partition(", ")
    print(f"{name} {first['version']}, {after}".rstrip(", ").ljust(45)
          + "".join(f"{cell:>17s}" for cell in cells))  # fmt: skip

# %% tags=["hide-input"]
seven = [kept[f"{network}_7"]["onnxruntime_avx2"] for network in ("lenet5", "small_alexnet")]
print("weights of 7 bits, no VNNI, ONNX Runtime: equal in every bit:",
      all(row["equal_to_rule"] == "exact" for row in seven))  # fmt: skip
print("\nwhat differs first, for LeNet-5 with 8 bits:")
for row in kept["lenet5_8"].values():
    if reason := row.get("reason") or row.get("error"):
        print(textwrap.fill(f"{row['title']}: {reason}", 92, subsequent_indent="    "))

# %% [markdown]
# **See:** a file that loads and answers is not yet a file that is computed as it was written. Run a
# hundred images through the runtime that you ship, and compare them with the engine before you look
# at the accuracy: a wrong integer hides well behind right answers. Where sums have 32 bits, ONNX
# Runtime gives every bit, on x86, on Arm and in the browser. Elsewhere ask for exact sums, or take
# weights of 7 bits.
#
# OpenVINO, and ONNX Runtime without its optimizations, round a few halves the other way. That is no
# fault, and still it grows with depth: in OpenVINO
# {{results.runtimes_amx.thirty_frames_7.openvino.answers_changed}} of
# {{results.runtimes_amx.thirty_frames_7.openvino.answers:,}} pixels of the last network change
# their class. Without VNNI, OpenVINO's sums seem to saturate as well, behind the first layer: with
# weights of 8 bits it changes more logits there than with VNNI, with 7 bits the same ones.
#
# A **converter** is one more place where a contract gets lost. One aborts; one ends without an
# error and leaves a file that its own runtime does not load; one keeps the grids and leaves every
# convolution in floats: the answers are close, and the integer arithmetic is gone.
#
# ### And who computes it fast?
#
# Three networks on that Xeon, one thread: floats and the kit's int8 file in two runtimes, and the
# int8 file that OpenVINO's own quantizer, NNCF, makes of the same network with the same inputs.
# *Logits off* is the distance from floats, in percent of their length.

# %% tags=["hide-input"]
peers = edu.load_result("openvino_peers")
FORMS = {"fp32_onnxruntime": "floats, ONNX Runtime", "fp32_openvino": "floats, OpenVINO",
         "kit_onnxruntime": "int8, ONNX Runtime", "kit_openvino": "int8, OpenVINO",
         "nncf_openvino": "NNCF's int8, OpenVINO"}  # fmt: skip
names = {"road_segmentation": "heavy road", "resnet18": "ResNet-18", "mobilenet_v2": "MobileNetV2"}
print(f"{'milliseconds':26s}" + "".join(f"{name:>14s}" for name in names.values()))
for form, title in FORMS.items():
    print(f"{title:26s}" + "".join(f"{peers[key]['times'][form]['p50_ms']:14.2f}" for key in names))
for maker, title in (("kit", "logits off, kit, %"), ("nncf", "logits off, NNCF, %")):
    print(f"{title:26s}" + "".join(f"{peers[key]['quality'][maker]['logits_off_percent']:14.2f}"
                                  for key in names))  # fmt: skip

# %% [markdown]
# **See:** the same int8 file of the heavy road network takes
# {{results.openvino_peers.road_segmentation.times.kit_onnxruntime.p50_ms:.1f}} ms in one runtime
# and {{results.openvino_peers.road_segmentation.times.kit_openvino.p50_ms:.1f}} ms in the other. In
# OpenVINO itself NNCF's files are slower than the kit's, by factors of
# {{results.openvino_peers.road_segmentation.nncf_over_kit:.2f}},
# {{results.openvino_peers.resnet18.nncf_over_kit:.2f}} and
# {{results.openvino_peers.mobilenet_v2.nncf_over_kit:.2f}}, and not clearly closer to the floats in
# any of the three. OpenVINO can be asked what it executes, and the study did: between the layers of
# NNCF's MobileNetV2 it converts {{results.openvino_peers.mobilenet_v2.conversions.nncf}} times
# between layouts or precisions (*Reorder*), of the kit's
# {{results.openvino_peers.mobilenet_v2.conversions.kit}} times. For the first two networks the
# runtime decides more than the quantizer. For MobileNetV2 it is the other way round. **Time the
# file and the runtime that you ship, together.**
#
# ### The same in C
#
# What is left of a network on a chip without an operating system? `edu.export_c` writes the int8
# file once more, as **one file in C** that needs no library: the weights as arrays, one loop a
# layer, and the rounding from above in three lines. Maps lie in one array of bytes, the **arena**.
# Two maps share bytes when the first is no longer needed.

# %%
c_file = edu.export_c(path, folder / "lenet5.c")
text = c_file.read_text()
plan = text[text.index("/* Where each map"):]
print(plan[: plan.index("\n\n")])
layer = text[text.index("/* c3, Conv"):]
print("\n" + layer[: layer.index("\n}") + 2])

# %% [markdown]
# Read it from the inside out. The innermost line multiplies a byte by a byte and adds in 32 bits.
# `requantize` brings the sum to the grid of the next layer; its `low` of 0 is the ReLU. There is no
# float in it, and no heap.
#
# A compiler makes a program of it for any chip. Here are four: this computer, a 64-bit Arm, a
# Cortex-M0+, the core of small Arduino boards, and a Cortex-M4, which has a wider multiplier. All
# but the first are emulated, so nobody measures seconds: the emulator **counts instructions**.

# %% tags=["hide-input"]
in_c = edu.load_result("c_export")
titles = {"lenet5": "LeNet-5", "tinynet": "TinyNet", "road_eighth": "road network, 1/8 width",
          "thirty_frames": "network of chapter 14"}  # fmt: skip
print(f"{'':24s}{'different bits on':>26s}{'Cortex-M0+:':>23s}{'instructions an image':>30s}")
print(f"{'':24s}{'PC':>6s}{'Arm 64':>8s}{'M0+':>6s}{'M4':>6s}{'flash':>12s}{'memory':>11s}"
      f"{'M0+':>17s}{'M4':>13s}")  # fmt: skip
for key, title in titles.items():
    told = in_c[key]["targets"]
    off = [told[chip]["values_different"] for chip in told]
    chip, wider = told["cortex_m0plus"], told["cortex_m4"]
    print(f"{title:24s}{off[0]:6d}{off[1]:8d}{off[2]:6d}{off[3]:6d}{chip['flash']:12,d}"
          f"{chip['ram']:11,d}{chip['instructions']:17,d}{wider['instructions']:13,d}")  # fmt: skip

# %% [markdown]
# **See:** all four give the engine's answers in every bit. LeNet-5 takes
# {{results.c_export.lenet5.targets.cortex_m0plus.flash:,}} bytes of flash and
# {{results.c_export.lenet5.targets.cortex_m0plus.ram:,}} bytes of memory, stack and image included:
# it fits a board with {{results.c_export.lenet5.flash_bytes:,}} and
# {{results.c_export.lenet5.ram_bytes:,}}. TinyNet needs less than a sixth of the flash and more
# instructions: its windows see more places. The road network fits no such board.
#
# And the network that chapter 14 ends with? Its flash would fit,
# {{results.c_export.thirty_frames.targets.cortex_m0plus.flash:,}} bytes with the program. Its
# memory would not: the arena alone has {{results.c_export.thirty_frames.arena_bytes:,}} bytes, and
# one image {{results.c_export.thirty_frames.image_bytes:,}}. A small file is not a small network:
# maps take room, too. On an emulated board with more memory, and with a budget of
# {{results.c_export.budget_instructions_a_second:,}} instructions a second, a Cortex-M4 would
# answer {{results.c_export.thirty_frames.targets.cortex_m4.images_a_second_in_budget:.1f}} frames a
# second. A real one has about 200 million cycles a second or fewer: a fifth of that at best. These
# loops are made for reading. A runtime's kernels do many products in one instruction.
#
# ## Measure it: where int8 wins, and where it loses

# %%
winner = classroom.predict(
    "09.winner",
    "LeNet-5 in int8, against LeNet-5 in float32, both in ONNX Runtime on one thread. What is its "
    "speed?",
    options=["three times faster", "about the same", "slower"],
)
winner

# %% tags=["hide-input"] slide="Where int8 wins, and where it loses" tour=2
SHOWN = {"lenet5": "LeNet-5", "small_alexnet": "small AlexNet", "alexnet": "AlexNet",
         "vgg16": "VGG-16", "road_segmentation": "road segmentation"}  # fmt: skip
figure = classroom.plots.new_figure(8.2, 3.8)
axes = figure.subplots()
for place, key in enumerate(SHOWN):
    gain = int8[key]["p50_gain"]
    axes.barh(place, gain, color=classroom.plots.COMPRESSED)
    axes.annotate(
        f"{gain:.2f} times: {int8[key]['p50_ms_fp32']:.3g} ms to {int8[key]['p50_ms']:.3g} ms",
        (max(gain, 1), place), (6, 0), textcoords="offset points", va="center",
    )  # fmt: skip
axes.axvline(1, color=classroom.plots.INK, ls="--")
axes.annotate("as fast as float32", (1, 1), (0, 3), xycoords=("data", "axes fraction"),
              textcoords="offset points", ha="center", va="bottom")  # fmt: skip
axes.set_yticks(range(len(SHOWN)), list(SHOWN.values()))
axes.set(
    xlabel="times faster than the fastest float32 form",
    ylabel="network",
    ylim=(len(SHOWN) - 0.4, -0.6),
)
axes.set_xlim(0, 1.8 * max(int8[key]["p50_gain"] for key in SHOWN))
axes.grid(visible=False, axis="y")
classroom.show(
    figure,
    alt="Gain of int8 over the fastest float32 form: "
    + "; ".join(f"{name} {int8[key]['p50_gain']:.2f} times" for key, name in SHOWN.items()),
)

# %%
lenet_gain = int8["lenet5"]["p50_gain"]
winner.reveal(
    "slower"
    if lenet_gain < 0.9
    else "about the same"
    if lenet_gain < 1.2
    else "three times faster",
    "All its layers together are some hundred thousand multiplications: microseconds.",
)

# %% [markdown]
# (AlexNet and VGG-16 have random weights here. A product takes its time whatever the numbers are;
# their accuracy is not shown.)
#
# **See:** the dashed line. A bar that ends left of it is slower than float. A small network has
# little to multiply, and each layer still pays for starting a kernel and for moving its numbers
# onto the next grid. A large network spends its time multiplying, and there four bytes fit where
# one float was.
#
# And the quality? Our quantizer saw {{results.int8.road_segmentation.calibration_inputs}} images,
# and so did two others: ONNX Runtime's own and torchao's. That was done
# {{results.int8.road_segmentation.calibrations}} times, each time with other images; the table has
# the means.

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
# The first column is percent (of digits, of clothes, mean IoU), the others are points of change.
# The road network goes from {{results.int8.road_segmentation.p50_ms_fp32:.1f}} ms to
# {{results.int8.road_segmentation.p50_ms:.1f}} ms,
# {{results.int8.road_segmentation.accuracy_change_points:+.2f}} points. It was over the budget of a
# frame, and now it is inside.
#
# ## How many bits?
#
# Eight were easy. With fewer, rounding after training is not enough, and the network must go on
# training *with* the rounding: **quantization-aware training** (QAT). But a rounding is flat
# between its steps, so that its gradient is zero. The **straight-through estimator** acts as if it
# were not there: forward it rounds, backward it does nothing.
#
# ### Exercise 5: straight through (2 points, 10 minutes)
#
# Write `round_ste(X)`: it returns `torch.round(X)`, and its gradient is that of X.
#
# *Hint.* `.detach()` hides a tensor from autograd. What must be added to X to make it round(X), and
# must not be seen?


# %% exercise="ch09.ste"
def round_ste(X: torch.Tensor) -> torch.Tensor:
    """round(X) with a gradient of 1."""
    ### BEGIN SOLUTION
    return X + (torch.round(X) - X).detach()
    ### END SOLUTION


# %% check="ch09.ste" points=2
classroom.check("ch09.ste", round_ste)

# %%
numbers = torch.tensor([0.2, 1.7, -2.4], requires_grad=True)
for name, rounding in (("torch.round", torch.round), ("round_ste", round_ste)):
    (gradient,) = torch.autograd.grad(
        (rounding(numbers) * torch.tensor([1.0, 2.0, 3.0])).sum(), numbers
    )
    print(f"{name:12s} {rounding(numbers).tolist()}  gradient {gradient.tolist()}")

# %% [markdown]
# Use it. A small network learns digits, its weights are rounded to 2 bits (three values), and then
# it trains on with the rounding. A *control* trains on as long without any, or else one would
# credit the rounding with what more training gives.


# %%
def two_bits(W: torch.Tensor) -> torch.Tensor:
    """W on the grid -s, 0, s, one scale per output channel; its gradient goes straight through."""
    scale = W.detach().abs().mean(dim=1, keepdim=True) * 1.5
    return scale * round_ste((W / scale).clamp(-1, 1))


def train_on(pairs, rounding, num_steps, lr):
    """Gradient descent of 784-100-10 on digits; `rounding` is between a weight and its use."""
    values = [value.clone().requires_grad_() for value in pairs]
    generator = torch.Generator().manual_seed(0)
    for _ in range(num_steps):
        some = torch.randint(len(digits.fit.y), (100,), generator=generator)
        loss = nn.functional.cross_entropy(
            forward(digits.fit.X[some], values, rounding), digits.fit.y[some]
        )
        for value, gradient in zip(values, torch.autograd.grad(loss, values), strict=True):
            value.data -= lr * gradient
    return [value.detach() for value in values]


def forward(X, values, rounding):
    """Logits; values: W1, b1, W2, b2."""
    W1, b1, W2, b2 = values
    return (X.flatten(1) @ rounding(W1).T + b1).relu() @ rounding(W2).T + b2


# %% tags=["nbval-ignore-output"]
def digits_right(values, rounding) -> float:
    """Percent of the validation images."""
    return 100 * float(
        (forward(digits.validation.X, values, rounding).argmax(1) == digits.validation.y)
        .float()
        .mean()
    )


torch.manual_seed(0)
start = [
    value.detach()
    for layer in (nn.Linear(784, 100), nn.Linear(100, 10))
    for value in (layer.weight, layer.bias)
]
floats = train_on(start, lambda W: W, 1500, 0.3)
aware = train_on(floats, two_bits, 1000, 0.1)
control = train_on(floats, lambda W: W, 1000, 0.1)
print(f"float                                    {digits_right(floats, lambda W: W):.1f} %")
print(f"rounded to 2 bits                        {digits_right(floats, two_bits):.1f} %")
print(f"rounded, trained on with the rounding    {digits_right(aware, two_bits):.1f} %")
print(f"control: float, trained on as long       {digits_right(control, lambda W: W):.1f} %")
assert digits_right(aware, two_bits) > digits_right(floats, two_bits) + 2

# %% [markdown]
# Now the small AlexNet of chapter 03, which reads clothes. Its weights get fewer and fewer bits:
# rounded after training, with one scale per layer or one per channel, and then trained one epoch
# more with the rounding. **LSQ** learns the step too; it rounds every layer, and activations to 8
# bits. The ternary and the binary networks keep their activations, their first and their last layer
# in float. The control trains the epoch more in float. The study does all of it with three networks
# of one recipe, which differ in their seeds alone.


# %% tags=["hide-input"]
def row_of(
    method: str, bits: int, scales: str = "channel", network: str = "small_alexnet"
) -> dict:
    """One row of the study."""
    named = {"network": network, "method": method, "bits": bits, "scales": scales}
    return next(row for row in bits_study["rows"] if named.items() <= row.items())


# %% tags=["hide-input"] slide="How few bits are enough?" tour=1
figure = classroom.plots.new_figure(9.6, 3.8)
left, right = figure.subplots(1, 2)
for scales, colour, shift in (("layer", classroom.plots.MUTED, 0.07),
                              ("channel", classroom.plots.FP32, -0.07)):  # fmt: skip
    chosen = [row_of("rounded", bits, scales) for bits in (8, 6, 5, 4, 3, 2)]
    left.plot([row["bits"] for row in chosen], [row["quality"] for row in chosen], color=colour,
              label=f"a scale per {scales}, mean of three")  # fmt: skip
    for row in chosen:
        left.plot([row["bits"] + shift] * row["seeds"], row["qualities"], "o", color=colour, ms=5)
left.set(xlabel="bits per weight", ylabel="test accuracy, %", xlim=(8.4, 1.6), ylim=(0, 100),
         title="rounded after training")  # fmt: skip
left.legend(loc="lower left", fontsize=9)
TRAINED = {"float": ("float", 32), "4 bits": ("lsq_4", 4), "3 bits": ("lsq_3", 3),
           "2 bits": ("lsq_2", 2), "ternary": ("ternary", 2), "binary": ("binary", 1)}  # fmt: skip
for place, row in enumerate(row_of(*named) for named in TRAINED.values()):
    colour = classroom.plots.FP32 if row["method"] == "float" else classroom.plots.COMPRESSED
    right.plot([place - 0.15] * row["seeds"], row["changes"], "o", color=colour, ms=5)
    right.errorbar(place + 0.15, row["change_points"], row["sd_points"], fmt="s", color=colour,
                   capsize=4)  # fmt: skip
right.axhline(0, color=classroom.plots.MUTED, lw=1)
right.set_xticks(range(len(TRAINED)), list(TRAINED))
right.set(ylabel="points, against its own float network", title="trained one epoch more",
          xlabel="dots: a network each; squares: mean and sd")  # fmt: skip
right.grid(visible=False, axis="x")
classroom.show(
    figure, alt="Small AlexNet, three networks. Left, accuracy over bits per weight, rounded after "
    "training: level down to 6 bits, then the networks part, and at 2 bits all fail. Right, change "
    "after one more epoch with the rounding, the means: "
    + "; ".join(f"{name} {row_of(*key)['change_points']:+.2f}" for name, key in TRAINED.items()),
)

# %% tags=["hide-input"]
ROUNDED = {
    f"{bits} bits, a scale per {scales}": ("rounded", bits, scales)
    for bits in (6, 5, 4, 3) for scales in ("layer", "channel")
}  # fmt: skip
print(f"{'points against its own float network':40s}{'mean':>8s}{'sd':>7s}   each network")
for title, rows in (("rounded", ROUNDED), ("one epoch more", TRAINED)):
    for name, named in rows.items():
        row = row_of(*named)
        each = "  ".join(f"{change:+7.2f}" for change in row["changes"])
        print(f"{f'{title}: {name}':40s}{row['change_points']:+8.2f}{row['sd_points']:7.2f} {each}")

# %%
def compare(name: str, ours: dict, theirs: dict) -> None:
    """The mean difference of two rows, network by network, with two standard errors of it."""
    gaps = [mine - other for mine, other in zip(ours["changes"], theirs["changes"], strict=True)]
    error = 2 * stdev(gaps) / len(gaps) ** 0.5
    verdict = "decided" if abs(mean(gaps)) > error else "undecided"
    print(f"{name:40s}{mean(gaps):+8.2f}{error:9.2f}   {verdict}")


print(f"{'points, network by network':40s}{'mean':>8s}{'2 errors':>9s}")
for bits in (5, 4, 3):
    name = f"{bits} bits: scales per channel over layer"
    compare(name, row_of("rounded", bits, "channel"), row_of("rounded", bits, "layer"))
control = row_of("float", 32)
for name, named in TRAINED.items():
    if name != "float":
        compare(f"{name}: trained, over the control", row_of(*named), control)

# %% [markdown]
# **See:** left, down to 6 bits no network loses more than a quarter of a point, and 5 bits cost
# each less than a point. At 4 bits the networks part. Two of them lose less than three points; the
# third, the one that ships, loses a sixth to a fifth of all answers. From that one alone you would
# conclude that 4 bits ruin such a network, from the others that they are nearly free. At 3 bits all
# three fall, each by another amount.
#
# How sure is what the table calls *decided*? A mean of three networks scatters too, and the usual
# measure of that is its **standard error**, the deviation over the root of three. A difference of
# two of them or more is called decided here. With three networks that is a low bar: chance alone
# passes it about once in five or six times. So at 3 bits a scale per channel is ahead, by more than
# a third of all answers. At 4 bits it is ahead in each of the three networks, and yet that is
# **undecided**; so is which of the two is ahead at 5.
#
# Right, with the rounding in training. At 4 bits a network ends where its control ends, which
# learned as long in float: the difference is a hundredth of a point, two errors of it are a tenth.
# At 3 bits it ends a little lower, and that is undecided. Three values in the inner layers
# (ternary) cost somewhat less than half a point, two values (binary) or 2 bits in every layer about
# a point: these are decided.
#
# To train with the rounding, `edu.prepare_qat` puts it into a network, and `edu.convert` makes the
# integers afterwards; `edu.ternarize` and `edu.binarize` give three values and two. Read on in
# `aware_training.py` and `low_bit.py` of `edu_lib/techniques/quantization/`.
#
# Now a large network. The heavy road network has sixty times the weights of the small AlexNet, and
# it is to keep its mean IoU. The activations stay float; with LSQ they have 8 bits.

# %% tags=["hide-input"]
ROAD_ROWS = {
    "8 bits, rounded, a scale per channel": ("rounded", 8, "channel"),
    "4 bits, rounded, a scale per channel": ("rounded", 4, "channel"),
    "4 bits, rounded, a scale per block of 32": ("rounded", 4, "block"),
    "3 bits, rounded, a scale per block of 32": ("rounded", 3, "block"),
    "4 bits, trained with the rounding (LSQ)": ("lsq_4", 4, "channel"),
    "ternary, trained with the rounding": ("ternary", 2, "channel"),
}
for name, row in ROAD_ROWS.items():
    change = row_of(*row, network="road_segmentation")["change_points"]
    print(f"{name:42s} {change:+6.2f} points of mean IoU")

# %% [markdown]
# One network here, one seed per row, and no control that learned as long in floats. The recipe was
# chosen on validation scenes, but a first one, with larger steps, had been read on the test scenes
# before: the two trained rows are not as untouched as the others.
#
# **See:** the same order. Rounded to 4 bits this network loses a little; a scale for each block of
# 32 weights gives a good part of it back. Three bits after training are too few. Training with the
# rounding is worth more than any scale. With 4 bits the network is nearly where it was and wants
# small steps of the optimiser; with three values it has to find its way again, in larger steps and
# four times as many.
#
# ## One scale per layer, on a depthwise network
#
# A depthwise layer has one small kernel a channel (chapter 07), and after batch norm is folded,
# their sizes differ by a lot. Train such a network for some seconds and round it with one scale per
# layer.

# %% tags=["nbval-ignore-output"]
digits = edu.mnist()  # read anew if asked: the memory of what was read goes back
clothes = edu.fashion_mnist()
torch.manual_seed(0)
light = nn.Sequential(
    conv_norm(1, 16, stride=2), DepthwiseSeparable(16, 32), DepthwiseSeparable(32, 64, stride=2),
    DepthwiseSeparable(64, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
)  # fmt: skip
edu.fit(
    light, clothes.fit.X[:30_000], clothes.fit.y[:30_000], num_epochs=2, lr=1e-2, progress=False
)


def clothes_accuracy(network: nn.Module) -> float:
    """Percent of the validation images."""
    return edu.evaluate(network, clothes.validation.X, clothes.validation.y).accuracy


calibration = clothes.fit.X[:64].clone()  # a view would keep all 55,000 in memory
results = {"float32": clothes_accuracy(light)}
results["a scale per channel"] = clothes_accuracy(
    q.quantize_static(light, calibration, weight_bits=4)
)
layer_wise = q.quantize_static(light, calibration, weight_bits=4, per_channel=False)
results["a scale per layer"] = clothes_accuracy(layer_wise)
equal = q.equalize(light, calibration[:2])
rounded = q.quantize_static(equal, calibration, weight_bits=4, per_channel=False)
results["... equalised"] = clothes_accuracy(rounded)
results["... and biases corrected"] = clothes_accuracy(
    q.correct_biases(rounded, equal, calibration)
)
for name, value in results.items():
    print(f"{name:26s} {value:5.1f} %")
assert results["a scale per channel"] > results["a scale per layer"] + 2

# %% [markdown]
# With 4 bits, one scale for all channels ruins it. **Equalisation** divides a channel in one layer
# and multiplies it in the next, so that all become equally large; the network computes the same.
# **Bias correction** takes back what the rounding added on average. Neither needs a label.
#
# ## One bit
#
# With weights and activations of -1 and +1, 64 products are one XOR of two words, and their sum is
# a count of bits. That is a real kernel, and it gives the same integer.

# %%
generator = np.random.default_rng(0)
a, b = (np.sign(generator.standard_normal((n, 1000))) for n in (3, 4))
by_counting = q.xnor_dot(q.pack_signs(a), q.pack_signs(b), 1000)
print("bytes:", a.astype(np.float32).nbytes, "->", q.pack_signs(a).nbytes)
print("same products:", bool(np.array_equal(by_counting, (a @ b.T).astype(int))))

# %% tags=["hide-input"]
for row in low["xnor"]:
    print(f"4,096 x 4,096 signs, batch {row['batch']:2d}: float {row['float_ms']:.2f} ms, XNOR "
          f"{row['xnor_ms']:.2f} ms, {row['gain']:.1f} times")  # fmt: skip

# %% [markdown]
# The paper on XNOR networks speaks of 58 times fewer operations, and counts them. At batch 1 the
# float product waits for its {{results.low_bit_speed.xnor.0.float_bytes:,.0f}} bytes, and few bytes
# win. At batch 64 the float kernel uses each weight 64 times, while NumPy, which counts bits here,
# walks through memory once for each step. Then float wins.
#
# ## Four bits where bytes are the time
#
# AlexNet's linear layers fetch each weight once and use it once (chapter 05). They wait for bytes.
# So their weights may be 4-bit integers that are widened on their way into the multiplication, with
# one scale for each block of 32.

# %%
clothes = edu.fashion_mnist()  # read anew if asked
gc.collect()  # 200 MB of images go back
torch.manual_seed(0)
fc7 = nn.Sequential(nn.Linear(4096, 4096, bias=False))
fc7_int4 = q.quantize_weights(fc7, bits=4, block_size=32)
print(f"fc7: {4 * fc7[0].weight.numel():,} bytes -> {fc7_int4[0].weight_bytes:,}")

# %% tags=["hide-input"] slide="Four bits shine where weights are used once"
figure = classroom.plots.new_figure(7.6, 3.2)
axes = figure.subplots()
single = [row for row in low["int4"] if row["batch"] == 1]
FORMS = (("fp32_ms", None, classroom.plots.FP32), ("int4_ms", "gain", classroom.plots.COMPRESSED),
         ("int4_int8_ms", "int8_gain", classroom.plots.ACCENT))  # fmt: skip
for place, row in enumerate(single):
    for shift, (key, gain, colour) in enumerate(FORMS):
        y = place + 0.27 * (shift - 1)
        axes.barh(y, row[key], height=0.25, color=colour)
        if gain:
            axes.annotate(f"{row[gain]:.1f} times", (row[key], y), (4, 0), va="center", fontsize=9,
                          textcoords="offset points")  # fmt: skip
axes.set_yticks(range(len(single)), [row["layer"] for row in single])
axes.set(xlabel="milliseconds at batch 1", ylabel="layer", ylim=(len(single) - 0.4, -0.6))
for height, label, colour in ((0.34, "float32", classroom.plots.FP32),
                              (0.2, "int4 weights", classroom.plots.COMPRESSED),
                              (0.06, "int4 weights, int8 activations",
                               classroom.plots.ACCENT)):  # fmt: skip
    axes.annotate(label, (0.98, height), xycoords="axes fraction", ha="right", color=colour,
                  fontweight="bold")  # fmt: skip
axes.grid(visible=False, axis="y")
classroom.show(
    figure,
    alt="AlexNet's linear layers at batch 1 with 4-bit weights: "
    + "; ".join(
        f"{row['layer']} {row['gain']:.1f} times faster, with 8-bit activations "
        f"{row['int8_gain']:.1f} times"
        for row in single
    ),
)

# %% [markdown]
# **See:** a sixth of the bytes, scales included, and the large layers are faster. How much depends
# on what the kernel does with four bits. If it widens each weight to float32, that costs arithmetic
# (orange). If it rounds the inputs to 8 bits as well, it multiplies bytes, which is cheaper
# (purple). At batch {{results.low_bit_speed.int4.1.batch}} the first layer runs at
# {{results.low_bit_speed.int4.1.gain:.1f}} and {{results.low_bit_speed.int4.1.int8_gain:.1f}} times
# the speed of floats: then arithmetic counts, and the widening is extra work.
#
# ## Where it does not help
#
# - **Small networks.** Microseconds of arithmetic, and every layer pays the same fee.
# - **A simulation.** Fake quantization saves nothing. Only a file that a runtime fuses does.
# - **Operations without an integer kernel.** A tanh or a local normalisation goes to float and
#   back.
# - **Processors without VNNI.** With AVX2 or AVX-512 alone, sums of two products saturate: ask for
#   exact sums, or for 7-bit weights.
# - **Depthwise layers.** Fewer multiplications, and scales that differ: less to gain, more to lose.

# %%
try:
    IntegerNetwork(edu.export_onnx(edu.models.LeNet5(activation=nn.Tanh), X, folder / "tanh.onnx"))
except ValueError as error:
    print(error)

# %% [markdown]
# ## Claims

# %%
def two_errors(row: dict) -> float:
    """Two standard errors of a mean over networks, in points; 0 where there is one network."""
    return 2 * stdev(row["changes"]) / row["seeds"] ** 0.5 if row["seeds"] > 1 else 0.0


road = int8["road_segmentation"]
ours_best = max(
    road["quantize_static"]["accuracy_change_points"], road["torchao"]["accuracy_change_points"]
)
classroom.claims_table([
    classroom.claim("this kit", "int8 AlexNet: 3 times the speed of the fastest float32 form",
              3, int8["alexnet"]["p50_gain"], "higher", 0, partly_tolerance=1, unit="times"),
    classroom.claim("this kit", "int8 heavy road network: 3 times", 3, road["p50_gain"], "higher",
              tolerance=0, partly_tolerance=1, unit="times"),
    classroom.claim("this kit", "at 0.3 points of mean IoU or less", -0.3,
              road["accuracy_change_points"], "higher", 0, partly_tolerance=0.3, unit="points"),
    classroom.claim("this kit", "within 0.1 points of ONNX Runtime's quantizer and torchao's",
              ours_best, road["accuracy_change_points"], "higher", 0.1, partly_tolerance=0.3,
              unit="points"),
    *(classroom.claim("this kit", f"{name} weights within {-least} points ({where})", least,
                      row["change_points"], "higher", tolerance=0, partly_tolerance=-least,
                      unit="points", scatter=two_errors(row))
      for name, least, where, row in (
          ("4-bit", -0.3, "clothes, QAT, 3 networks", row_of("lsq_4", 4)),
          ("ternary", -0.5, "clothes, 3 networks", row_of("ternary", 2)),
          ("4-bit", -0.3, "roads, QAT, 1 seed", row_of("lsq_4", 4, network="road_segmentation")),
          ("ternary", -0.5, "roads, 1 seed", row_of("ternary", 2, network="road_segmentation")))),
])  # fmt: skip

# %% [markdown]
# ## The ledger

# %% tags=["nbval-ignore-output"]
classroom.ledger(upto="09")

# %% [markdown]
# ## Key points
#
# - `r = scale * (q - zero_point)`. Zero stays exact, the inside is off by half a step, the outside
#   is clipped.
# - A scale per channel costs nothing. The fewer the bits, the more it gives; depthwise layers need
#   it at 4 bits already.
# - Simulation tells the accuracy. Only a fused file on an integer kernel tells the time.
# - int8 wins where a network multiplies much, and loses where it is small.
# - Below 5 bits use quantization-aware training: what rounding alone costs there differs from
#   network to network. Four bits shine where weights are fetched and used once.
# - One network proves little. Compare several with a control, and with two standard errors.
#
# **Terms.**
#
# - *Scale, zero point*: the step of a grid, and the integer that stands for 0. *Calibration*:
#   images that set ranges.
# - *Post-training quantization (PTQ)*: rounded after training; *static* if activations too, with
#   ranges fixed beforehand; *weight-only* if not. *Quantization-aware training (QAT)*: trained with
#   the rounding. *Per-channel, per-tensor*: how many share a scale. *Requantization*: from 32-bit
#   sums back to bytes.
# - *Control*: the same training without what is to be judged.
# - *Straight-through estimator*: a rounding whose gradient is taken to be 1. *LSQ*: learned step
#   size.
# - *QDQ*: pairs of QuantizeLinear and DequantizeLinear in a file. *Fusing*: one operation in the
#   place of several.
# - *VNNI*: instructions that multiply bytes and add in 32 bits. *Saturate*: end at the largest
#   number there is.
# - *Arena*: one array in which activations take turns. *Flash*: where a chip keeps program and
#   weights.
# - *XNOR, popcount*: products of signs, and counting bits.
#
# **References.**
#
# - V. Vanhoucke, A. Senior, M. Mao, "Improving the speed of neural networks on CPUs", NIPS
#   workshop, 2011.
# - F. Li, B. Liu, "Ternary weight networks", arXiv:1605.04711, 2016.
# - M. Rastegari, V. Ordonez, J. Redmon, A. Farhadi, "XNOR-Net", ECCV 2016.
# - S. Migacz, "8-bit inference with TensorRT", GTC 2017.
# - B. Jacob et al., "Quantization and training of neural networks for efficient
#   integer-arithmetic-only inference", CVPR 2018.
# - R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference",
#   arXiv:1806.08342, 2018.
# - M. Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV
#   2019.
# - S. Esser et al., "Learned step size quantization", ICLR 2020.
# - T. Dettmers, L. Zettlemoyer, "The case for 4-bit precision", ICML 2023.
#
# **Next.** [10 Network compression](10_network_compression.ipynb): from bits that one promises to a
# file that one weighs.
