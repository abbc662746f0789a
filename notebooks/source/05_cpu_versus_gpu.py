# %% [markdown]
# # CPU versus GPU: where the milliseconds go
#
# **Question.** A GPU is 66 times faster than a CPU, says a well-known figure. Faster than which
# CPU, running which program?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 50 | {{results.chapter_seconds.05_cpu_versus_gpu:.0f}} | [01 Convolution](01_convolution.ipynb), [03 AlexNet 2012](03_alexnet_2012.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. time a network rightly, also on a device that answers before it has worked;
# 2. predict the time of a layer from its arithmetic and its bytes;
# 3. say when a GPU pays: which batch, which network, and what else the machine has to do.
#
# You need no GPU. Where a number comes from one, it says whose it is: published, or recorded on a
# machine that has one.

# %%
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet18

import classroom
import edu_lib as edu
from classroom.background import BackgroundLoad
from classroom.cloud import stream
from classroom.simulated import SimulatedDevice
from edu_lib.measure import Roofline, layer_table, measure_roofline, time_layers
from edu_lib.techniques.winograd import A_T, B_T, G, winograd

torch.set_num_threads(1)
classroom.plots.use_house_style()
published = edu.load_published("cnn_benchmarks")
study = edu.load_result("cpu_gpu")
cpu = study["cpu"]
print(f"GPUs recorded in data/results/cpu_gpu.json: {len(study['devices'])}, "
      f"and visited: {len(classroom.recorded_gpus())}")  # fmt: skip

# %% [markdown]
# ## The story: two kinds of speed
#
# A CPU has a few cores. Each is quick at one thing after another, guesses which way a program will
# branch, and keeps what it needs in a large cache. A GPU has thousands of small cores. They all do
# the same thing at the same time, each to its own piece of data.
#
# A convolution asks the same question at every place of an image (chapter 01). It is made for the
# second kind. AlexNet was trained on two graphics cards that were built for games, and after 2012
# everybody bought such cards. How much faster were they?
#
# In 2016 Justin Johnson timed ten networks on CPUs and GPUs. His figures stand in many lectures.
# Here are the six networks of this chapter: 16 images of 224x224, the forward pass. AlexNet was not
# timed on the CPU, so it has no row in the table, and one dot in the picture.

# %%
NAMES = {
    "vgg19": "VGG-19", "vgg16": "VGG-16", "resnet50": "ResNet-50", "resnet34": "ResNet-34",
    "resnet18": "ResNet-18", "alexnet": "AlexNet",
}  # fmt: skip
networks = published["networks"]


def forward_ms(device: str) -> dict[str, float]:
    """Published milliseconds of the forward pass on one device, by network."""
    return {key: networks[key][device]["forward_ms"] for key in NAMES if device in networks[key]}


xeon, titan = forward_ms("dual_xeon"), forward_ms("titan_x_cudnn")
for key in xeon:
    print(
        f"{NAMES[key]:10s} 16 Xeon cores {xeon[key]:8.2f} ms   Titan X {titan[key]:6.2f} ms   "
        f"{xeon[key] / titan[key]:.1f} times"
    )


# %% tags=["hide-input"]
def draw_times(columns: list[tuple[str, str, dict]], alt: str, text: str):
    """Milliseconds of every network, one colour a device; labels stand at the top row."""
    figure = classroom.plots.new_figure(8.4, 4.0)
    axes = figure.subplots()
    rows, last_ms, height = list(NAMES), 0.0, 0
    for label, colour, times in sorted(columns, key=lambda column: column[2]["vgg19"]):
        axes.plot(list(times.values()), [rows.index(key) for key in times], "o", ms=9, color=colour)
        # a label beside a near one goes above it
        height = 47 - height if times["vgg19"] < 2.2 * last_ms else 9
        axes.annotate(
            label, (times["vgg19"], 0), (0, height), textcoords="offset points", ha="center",
            va="bottom", color=colour, fontsize=9, fontweight="bold",
        )  # fmt: skip
        last_ms = times["vgg19"]
    row = rows.index("vgg16")
    ends = [columns[0][2]["vgg16"], columns[-1][2]["vgg16"]]
    axes.plot(ends, [row, row], color=classroom.plots.MUTED, lw=1, zorder=0)
    axes.annotate(
        f"{max(ends) / min(ends):.0f} times", (statistics.geometric_mean(ends), row), (0, 5),
        textcoords="offset points", ha="center", fontweight="bold",
    )  # fmt: skip
    axes.set(xscale="log", xlim=(3, 9000), ylim=(len(rows) - 0.5, -2.1), ylabel="network")
    axes.set_xlabel("milliseconds for 16 images, forward (log scale)")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(range(len(rows)), [NAMES[key] for key in rows])
    return classroom.show(figure, alt=alt, text=text)


# %% tags=["hide-input"] slide="2016: what networks took, on which device"
old = [
    ("16 Xeon cores,\nTorch7", classroom.plots.MUTED, xeon),
    ("Titan X,\nTorch7", classroom.plots.ACCENT, forward_ms("titan_x")),
    ("Titan X,\ncuDNN 5.1", classroom.plots.GOOD, titan),
]
draw_times(
    old,
    "Published forward times of six networks at batch 16. For VGG-16: 3,102 ms on 16 Xeon cores, "
    "98 ms on a Titan X with Torch's kernels, 42 ms with cuDNN: 75 times.",
    "Published forward times of six networks on 16 Xeon cores and on a Titan X.",
)

# %% [markdown]
# **See:** the green dots lie 70 to 90 times left of the grey ones. With the backward pass, which
# training needs too, the factor for VGG-16 is 66. Look also at the dots between: the same GPU, with
# other kernels. A **kernel** is here the small program that computes one operation, not the kernel
# of a convolution; **cuDNN** is NVIDIA's library of kernels for its GPUs. A factor of two to four
# is the program's, not the processor's.
#
# What exactly was timed? A number without that is not a result. The code of the benchmark says:
# Torch7, the mean of {{published.cnn_benchmarks.protocol.passes}} passes in training mode, after
# one that is dropped. The CPU ran Torch's own kernels. The images were on the GPU before the clock
# started. So the factor compares two processors **and** two programs.
#
# ## Predict: the same work on your kind of machine
#
# Sixteen Xeon cores of 2014 took
# {{published.cnn_benchmarks.networks.vgg16.dual_xeon.forward_ms:,.0f}} ms for VGG-16. The machine
# of this kit's study, *here* in the figures, has {{results.cpu_gpu.cpu.threads}} cores of today
# ({{results.cpu_gpu.cpu.name}}). It runs the same 16 images in **FP32**, numbers of 32 bits, in the
# fastest form that we found.

# %%
two_cores = classroom.predict(
    "05.two_cores",
    "How long does it take?",
    options=["over 6.2 s", "3.1 to 6.2 s", "1.55 to 3.1 s", "under 1.55 s"],
)
two_cores

# %%
best_ms = {key: cpu["best"][key]["batch_16"]["p50_ms"] for key in NAMES}
limits = [(6200, "over 6.2 s"), (3100, "3.1 to 6.2 s"), (1550, "1.55 to 3.1 s")]
answer = next((option for limit, option in limits if best_ms["vgg16"] > limit), "under 1.55 s")
two_cores.reveal(
    answer,
    f"{best_ms['vgg16']:,.0f} ms on {cpu['threads']} cores, form: "
    f"{cpu['best']['vgg16']['batch_16']['form']}.",
)

# %% tags=["hide-input"] slide="Two cores of today stand between 16 old ones and a GPU" tour=2
between = titan["vgg16"] < best_ms["vgg16"] < xeon["vgg16"]
place = "between" if between else "not between"
here = (f"{cpu['threads']} cores here,\ntoday", classroom.plots.FP32, best_ms)
draw_times(
    [old[0], here, old[2]],
    f"The same figure with this machine: VGG-16 takes {best_ms['vgg16']:,.0f} ms on "
    f"{cpu['threads']} cores, {place} the 16 Xeon cores and the Titan X.",
    "The published figure, with the times of this machine added.",
)

# %%
ratios = {key: best_ms[key] / titan[key] for key in xeon}
for key, ratio in ratios.items():
    slower = f"{ratio:5.1f} times slower than a Titan X"
    print(f"{NAMES[key]:10s} {cpu['threads']} cores here are {slower}")

# %% [markdown]
# **See:** the blue dots are {{results.cpu_gpu.cpu.threads}} cores of today, timed by this kit's
# study (`data/results/cpu_gpu.json`; the networks are untrained, which changes no time). Compare
# the factors that the cell prints with the 75 of above, and remember that these are
# {{results.cpu_gpu.cpu.threads}} cores, not 16.
#
# NVIDIA itself published a smaller factor in 2015: a Titan X of the generation before was
# {{published.cnn_benchmarks.other_measurement.lowest}} to
# {{published.cnn_benchmarks.other_measurement.highest}} times faster than a 16-core Xeon. The card
# had 60 % of the arithmetic of the later one, the CPU was of the same kind. Most of the rest, from
# less than 7 times to over 70, must be the programs.
#
# ## Faster than its own peak
#
# Divide the work by the time, and you have a speed. The cell counts the MACs of VGG-16; one MAC is
# two operations. The peak in the benchmark's README is what all cores do together at the card's
# **base clock**: two operations a core in each cycle. NVIDIA's own figure, 11 TFLOPS, is that at
# the boost clock of 1,531 MHz, and it is passed too.

# %%
with torch.device("meta"):  # counting needs no weights
    vgg16 = edu.models.VGG16()
vgg16_macs = edu.count_cost(vgg16, (1, 3, 224, 224)).macs
gflop = 2 * vgg16_macs * 16 / 1e9
peak = 1000 * published["devices"]["titan_x_pascal"]["tflops_fp32"]
print(f"VGG-16, 16 images: {gflop:.1f} GFLOP")
for name, ms in (("16 Xeon cores", xeon["vgg16"]), ("Titan X, cuDNN", titan["vgg16"])):
    print(f"{name:15s} {1000 * gflop / ms:8,.0f} GFLOP/s")
cores = published["devices"]["titan_x_pascal"]["cuda_cores"]
base_mhz = 1e3 * peak / 2 / cores
print(f"peak of a Titan X {peak:6,.0f} GFLOP/s, at its base clock of {base_mhz:,.0f} MHz")
needed_mhz = 1e3 * (1000 * gflop / titan["vgg16"]) / 2 / cores
print(f"the same speed as a peak would need {needed_mhz:,.0f} MHz, and no core idle in any cycle")

# %%
over_peak = classroom.predict(
    "05.over_peak",
    "How can a GPU do more operations a second than its peak allows?",
    options=[
        "it computed in half precision",
        "the timer did not wait for it",
        "it did fewer operations than we counted",
    ],
)
over_peak

# %% [markdown]
# The code of the benchmark rules two answers out. It synchronises before and after, and it computes
# in single precision. A higher clock is not ruled out: such cards raise theirs above the base clock
# when they are cool. But by the clock alone the card would have had to run a sixth above it, and to
# waste not one cycle. What else is left?

# %%
over_peak.reveal(
    "it did fewer operations than we counted",
    "cuDNN 5.1 computes 3x3 convolutions by Winograd's algorithm. It gives the same result with up "
    "to four times fewer multiplications.",
)

# %% [markdown]
# ## Build it (optional): a convolution with fewer multiplications
#
# You can skip to "How fast can FP32 get?" without losing the thread.
#
# Take one line of an image, four pixels `d`, and a kernel `g` of three weights. Two outputs need
# six multiplications, or so it seems. Look at these four products:
#
#     m1 = (d0 - d2) g0
#     m2 = (d1 + d2) (g0 + g1 + g2) / 2
#     m3 = (d2 - d1) (g0 - g1 + g2) / 2
#     m4 = (d1 - d3) g2
#
# The two outputs are `m1 + m2 + m3` and `m2 - m3 - m4`. Multiply it out on paper once, or let the
# cell below do it. The sums of `g` are made once for a kernel and used at every place.

# %%
d, g = torch.tensor([2.0, 7.0, 1.0, 8.0]), torch.tensor([3.0, 1.0, 4.0])

direct = [float(d[0:3] @ g), float(d[1:4] @ g)]
m1 = (d[0] - d[2]) * g[0]
m2 = (d[1] + d[2]) * (g[0] + g[1] + g[2]) / 2
m3 = (d[2] - d[1]) * (g[0] - g[1] + g[2]) / 2
m4 = (d[1] - d[3]) * g[2]
print("direct, 6 multiplications:  ", direct)
print("Winograd, 4 multiplications:", [float(m1 + m2 + m3), float(m2 - m3 - m4)])

# %% [markdown]
# Additions replace multiplications. The same idea works on squares. A tile of 6x6 pixels gives 4x4
# outputs of a 3x3 kernel. Directly that takes `16 * 9 = 144` multiplications. With three small
# matrices that turn the tile, the kernel and the result it takes `6 * 6 = 36`:
#
#     Y = A^T [ (G g G^T) * (B^T d B) ] A        * is element by element

# %%
generator = torch.Generator().manual_seed(0)
d = torch.randn(6, 6, dtype=torch.float64, generator=generator)
g = torch.randn(3, 3, dtype=torch.float64, generator=generator)

U = G @ g @ G.T          # the kernel, [6, 6]
V = B_T @ d @ B_T.T      # the tile, [6, 6]
M = U * V                # 36 multiplications
Y = A_T @ M @ A_T.T      # the result, [4, 4]
expected = F.conv2d(d[None, None], g[None, None])[0, 0]
print(f"U {list(U.shape)}, V {list(V.shape)}, M {list(M.shape)}, Y {list(Y.shape)}")
print("the same as the direct convolution:", torch.allclose(Y, expected))
print("multiplications saved:", 16 * 9 / M.numel(), "times")

# %% [markdown]
# In a layer the products of all channels are added up before the last step. So each of the 36
# points becomes a product of two matrices, which every processor does well. `winograd(model)` of
# this kit rewrites a network that way. Here it is on one layer of VGG-16, beside the direct form.

# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
layer = nn.Sequential(nn.Conv2d(512, 512, 3, padding=1))
X = torch.randn(2, 512, 28, 28)
runners = [
    edu.pytorch_runner(layer, X, channels_last=True, name="direct"),
    edu.pytorch_runner(winograd(layer), X, channels_last=True, name="Winograd"),
]
with torch.no_grad():
    direct_y, winograd_y = (runner.call() for runner in runners)
rounding = float((direct_y - winograd_y).abs().max() / direct_y.abs().max())
assert rounding < 1e-4
compared = edu.compare_latency(*runners, blocks=30, block_ms=1)
print(f"direct {compared.reference.p50_ms:.1f} ms, Winograd {compared.candidate.p50_ms:.1f} ms")
print(f"largest difference: {rounding:.0e} of the largest output")
compared

# %% [markdown]
# A `Runner` is what the timer calls, and `LatencyComparison` is the answer; both are in
# `edu_lib/measure/`.
#
# Four times fewer multiplications, and not four times faster. The transforms cost additions and
# memory, and they have no free ride. This gap between promise and milliseconds will come back in
# every chapter. The results differ by rounding alone.
#
# ## How fast can FP32 get?
#
# Set a mark: VGG-16, 16 images, in half the time that the 16 Xeon cores took. The study tried every
# form it knows, on all {{results.cpu_gpu.cpu.threads}} cores.

# %% tags=["hide-input"] slide="The same network in FP32: which form is fast?"
target = cpu["vgg16_target"]
forms = sorted(
    (row["p50_ms"], row["form"])
    for row in cpu["rows"]
    if (row["network"], row["batch"], row["threads"]) == ("vgg16", 16, cpu["threads"])
)
figure = classroom.plots.new_figure(8.4, 3.9)
axes = figure.subplots()
for place, (ms, form) in enumerate(forms):
    half = form.startswith("bf16")
    colour = classroom.plots.COMPRESSED if half else classroom.plots.FP32
    axes.barh(place, ms, color=colour, height=0.66)
    note = f"{ms:,.0f} ms" + (" (16 bits)" if half else "")
    axes.annotate(note, (ms, place), (4, 0), textcoords="offset points", va="center",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
for x, label in ((target["target_ms"], "target 1,550"), (xeon["vgg16"], "16 Xeon cores 3,102")):
    axes.axvline(x, color=classroom.plots.BUDGET, ls="--", lw=1.5)
    axes.annotate(
        label, (x, 1), (0, 3), xycoords=("data", "axes fraction"), ha="center", va="bottom",
        textcoords="offset points", color=classroom.plots.BUDGET, fontweight="bold", fontsize=9,
    )  # fmt: skip
axes.set(xlabel="milliseconds for 16 images", ylabel="form", ylim=(len(forms) - 0.4, -0.6))
axes.set_yticks(range(len(forms)), [form for _, form in forms])
axes.set_xlim(0, 1.2 * max(forms[-1][0], xeon["vgg16"]))
axes.grid(visible=False, axis="y")
classroom.show(
    figure,
    alt="VGG-16 at batch 16 in every form: " + ", ".join(f"{f} {ms:,.0f} ms" for ms, f in forms),
)

# %%
reached = "reached" if target["reached"] else "missed"
print(f"target of 1,550 ms in FP32: {reached}; fastest form: {target['fastest_form']}")
print(f"fastest form of a library: {target['library_form']}")
print(f"forms that PyTorch refused on that machine: {'; '.join(cpu['failed_forms'])}")

# %% [markdown]
# **See:** the forms of the libraries do every multiplication. The best of them,
# {{results.cpu_gpu.cpu.vgg16_target.library_form}}, works at
# {{results.cpu_gpu.cpu.best.vgg16.batch_16_library.gflops:.0f}} GFLOP/s, and the fastest kernel
# that we found on that machine at {{results.cpu_gpu.cpu.rooflines.all.peak_gflops:.0f}}. That is
# the ceiling for a program that works harder. The way out is to work less: fewer multiplications,
# or fewer bits.
#
# ## How to time a device that answers at once
#
# On a CPU a call returns when the work is done. You warm up, repeat, and take the median. A GPU is
# **asynchronous**: a call hands the work in and returns at once. The GPU works on alone. This is
# good for speed, since the CPU prepares the next layer meanwhile. For a stopwatch it is a trap.

# %%
naive = classroom.predict(
    "05.naive",
    "A device needs 5 ms for a piece of work, and 0.01 ms to be handed one. A loop times ten calls "
    "and never waits. What does it report for one call?",
    options=["5.01 ms", "0.5 ms", "0.01 ms"],
)
naive

# %% [markdown]
# The machine that built this page has no GPU, so the next cell **simulates** a device: its clock is
# a number that only its own methods turn. It shows the logic, and measures nothing.

# %%
device = SimulatedDevice(kernel_ms=5, launch_ms=0.01, first_ms=200)

start = device.now_ms
for _ in range(10):
    device.launch()
naive_ms = (device.now_ms - start) / 10
print(f"simulated, naive:      {naive_ms:6.2f} ms a call")

device.synchronize()
print(f"simulated, work left:  {device.now_ms - start - 10 * naive_ms:6.2f} ms when the loop ended")

device.synchronize()
start = device.now_ms
device.launch()
device.synchronize()
print(f"simulated, waited for: {device.now_ms - start:6.2f} ms a call")

# %%
naive.reveal("0.01 ms", "It timed the handing in: 500 times too fast, and nothing looks wrong.")

# %% [markdown]
# Three rules follow. **Synchronise before** you start the clock, or you pay for work that others
# left. **Synchronise after**, or you time the launch. **Warm up**: the first call loads and chooses
# kernels; here it took 200 ms more. `edu.measure_latency` obeys all three.
#
# Is `edu.measure_latency` right where nothing is hidden, on a CPU? PyTorch has a stopwatch of its
# own, `torch.utils.benchmark`. The study gave both the same callable in turns, ResNet-18 on one
# image and one thread: {{results.cpu_gpu.cpu.timer.kit_ms:.2f}} ms says the kit,
# {{results.cpu_gpu.cpu.timer.torch_benchmark_ms:.2f}} ms says PyTorch. The median difference is
# {{results.cpu_gpu.cpu.timer.difference_percent:.1f}} %.
#
# If your machine has a GPU, this cell shows the same trap on it, with a real network.

# %% tags=["nbval-ignore-output"]
accelerator = edu.pick_device()
if accelerator.type == "cpu":
    print("PyTorch finds no GPU here: the simulation above has to do.")
else:
    network, images = resnet18(weights=None), torch.rand(16, 3, 224, 224)
    runner = edu.pytorch_runner(network, images, accelerator, channels_last=True)
    measured = edu.measure_latency(runner)
    with torch.inference_mode():
        start = time.perf_counter()
        for _ in range(10):
            runner.call()
        naive_ms = 100 * (time.perf_counter() - start)
        runner.synchronize()
    print(f"naive {naive_ms:.2f} ms, right {measured.p50_ms:.2f} ms, {measured.device}")

# %% [markdown]
# ### Exercise 1: a stopwatch that waits (3 points, 15 minutes)
#
# Write `time_kernel(device, repeats)`. The device has `launch()`, `synchronize()` and the clock
# `now_ms`. Return the median milliseconds of one piece of work, from launch to finish. Someone may
# have left work on the device, its first piece is slow, and now and then one is interrupted.
#
# *Example.* For the device above, after its first piece: 5.01.
#
# *Hint.* `statistics.median`. One reading for each launch.


# %% exercise="ch05.timer"
def time_kernel(device, repeats: int) -> float:
    """Median milliseconds from launch to finish of one piece of work."""
    ### BEGIN SOLUTION
    device.launch()
    times = []
    for _ in range(repeats):
        device.synchronize()
        start = device.now_ms
        device.launch()
        device.synchronize()
        times.append(device.now_ms - start)
    return statistics.median(times)
    ### END SOLUTION


# %% check="ch05.timer" points=3
classroom.check("ch05.timer", time_kernel)

# %% [markdown]
# ## Four knobs: batch, threads, layout, bits
#
# The same network, the same processor, and four things to turn. **Batch**: how many images go
# through together. **Threads**: how many cores work on one layer. **channels_last**: the channels
# of a pixel side by side in memory. **bf16**: numbers of 16 bits, with the range of FP32 and fewer
# digits.

# %% tags=["hide-input"] slide="Four knobs: batch, threads, layout, bits"
SHOWN = ["eager", "channels_last", "bf16 channels_last", "ONNX Runtime", "Winograd (ours)"]
figure = classroom.plots.new_figure(9.4, 3.3)
panels = figure.subplots(1, 3, sharey=True)
for axes, key in zip(panels, ("alexnet", "resnet18", "vgg16"), strict=True):
    for row in cpu["rows"]:
        if row["network"] != key or row["form"] not in SHOWN:
            continue
        axes.plot(
            row["images_per_second"], SHOWN.index(row["form"]), "o",
            color=classroom.plots.FP32 if row["threads"] == 1 else classroom.plots.GOOD,
            markerfacecolor="white" if row["batch"] == 1 else None, ms=8,
        )  # fmt: skip
    axes.set(xlabel="images a second", title=NAMES[key], ylim=(len(SHOWN) - 0.5, -0.5))
    axes.set_xlim(0, None)
panels[0].set_yticks(range(len(SHOWN)), SHOWN)
panels[0].set_ylabel("form")
for threads, colour in (("1 thread", classroom.plots.FP32), ("all threads", classroom.plots.GOOD)):
    for batch, fill in ((1, "white"), (16, None)):
        label = f"{threads}, batch {batch}"
        panels[0].plot([], [], "o", color=colour, markerfacecolor=fill, label=label)
figure.legend(loc="outside lower center", ncols=4)
classroom.show(
    figure,
    alt="Images a second of AlexNet, ResNet-18 and VGG-16 in five forms, on one thread and on all, "
    "at batch 1 and 16.",
)


# %%
def images_per_second(network: str, form: str, batch: int, threads: int) -> float:
    """From the study; NaN where the row was left out."""
    setting = (network, form, batch, threads)
    keys = ("network", "form", "batch", "threads")
    found = [row for row in cpu["rows"] if tuple(row[key] for key in keys) == setting]
    return found[0]["images_per_second"] if found else float("nan")


def gain(network: str, before: tuple, after: tuple) -> str:
    """How many times more images a second."""
    ratio = images_per_second(network, *after) / images_per_second(network, *before)
    return f"{ratio:5.2f} times"


n = cpu["threads"]
print(f"                       {'AlexNet':>11s} {'ResNet-18':>11s}")
for knob, before, after in (
    ("batch 1 to 16", ("channels_last", 1, n), ("channels_last", 16, n)),
    (f"1 to {n} threads", ("channels_last", 16, 1), ("channels_last", 16, n)),
    ("channels_last", ("eager", 16, n), ("channels_last", 16, n)),
    ("bf16", ("channels_last", 16, n), ("bf16 channels_last", 16, n)),
):
    print(f"{knob:22s}", *(gain(network, before, after) for network in ("alexnet", "resnet18")))

# %% [markdown]
# **See:** threads, layout and bits help the two networks about alike. The batch does more for
# AlexNet than for ResNet-18. Why? Both networks are convolutions with a linear end, on the same
# cores. The answer is in the bytes.
#
# ## The roofline: arithmetic or memory?
#
# A layer must do its arithmetic, and it must fetch its weights and images and store its result.
# Both go on at the same time, so the longer one decides. Each machine has two limits: how many
# operations it does a second, and how many bytes it moves a second. Measure both on yours.

# %% tags=["nbval-ignore-output"]
roof = measure_roofline(threads=1)
print(f"one core: {roof.peak_gflops:.0f} GFLOP/s, {roof.bandwidth_gb_per_second:.1f} GB/s")
print(f"the two limits meet at {roof.ridge:.1f} FLOP a byte")

# %% [markdown]
# The **arithmetic intensity** of a layer is its operations for each byte it moves. The point where
# the two limits meet is the **ridge**. Left of it the memory is the limit: the core waits for
# bytes. Right of it the arithmetic is. Drawn over the intensity, the two limits look like a roof:
# this is the **roofline** of a machine.
#
# ### Exercise 2: intensity and batch (2 points, 8 minutes)
#
# A layer does `macs` multiply-accumulates for one image. It reads `weight_bytes` once for the whole
# batch, and moves `image_bytes` (input and output) for each image. Return its FLOP a byte at a
# batch.
#
# *Example.* 1000 MACs, 100 bytes of weights, 100 bytes an image, batch 1: 10.
#
# *Hint.* The weights travel once. Everything else grows with the batch.


# %% exercise="ch05.intensity"
def intensity(macs: int, weight_bytes: int, image_bytes: int, batch: int) -> float:
    """FLOPs for each byte that a layer moves."""
    ### BEGIN SOLUTION
    return 2 * macs * batch / (weight_bytes + image_bytes * batch)
    ### END SOLUTION


# %% check="ch05.intensity" points=2
classroom.check("ch05.intensity", intensity)

# %% [markdown]
# ### Exercise 3: the least time (2 points, 10 minutes)
#
# Write `roofline_ms(flops, num_bytes, peak_gflops, gb_per_second)`. Return the least milliseconds,
# and what decides: `"compute"` or `"memory"`.
#
# *Example.* 1e9 FLOP and 1e6 bytes at 100 GFLOP/s and 20 GB/s: `(10.0, "compute")`.
#
# *Hint.* 1 GFLOP/s is a million FLOPs a millisecond.


# %% exercise="ch05.roofline"
def roofline_ms(
    flops: float, num_bytes: float, peak_gflops: float, gb_per_second: float
) -> tuple[float, str]:
    """The least milliseconds of a layer, and what limits it."""
    ### BEGIN SOLUTION
    compute_ms = flops / (peak_gflops * 1e6)
    memory_ms = num_bytes / (gb_per_second * 1e6)
    return max(compute_ms, memory_ms), "compute" if compute_ms >= memory_ms else "memory"
    ### END SOLUTION


# %% check="ch05.roofline" points=2
classroom.check("ch05.roofline", roofline_ms)

# %% [markdown]
# ### Predicted against measured
#
# Now AlexNet, layer by layer, one image, one core of your machine. The prediction uses nothing but
# shapes and the two numbers above.

# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
alexnet = edu.models.AlexNet().eval()
alexnet_layers = time_layers(alexnet, torch.rand(1, 3, 224, 224), channels_last=True, repeats=9)
print(layer_table(alexnet_layers, roof))

# %%
computing = [layer for layer in alexnet_layers if layer.cost.macs]
linear = [layer for layer in computing if layer.cost.kind == "Linear"]
work = sum(layer.cost.macs for layer in linear) / sum(layer.cost.macs for layer in computing)
print(f"the three linear layers do {100 * work:.0f} % of the MACs")
print("FLOP a byte:", [round(layer.intensity, 1) for layer in computing])

# %% tags=["nbval-ignore-output", "hide-input"]
LABELS = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]


def draw_roofline(roof: Roofline, points: list[tuple[str, float, float]]):
    """Layers as points under the two limits of a machine."""
    figure = classroom.plots.new_figure(8.0, 4.2)
    axes = figure.subplots()
    x = torch.logspace(-1, 3, 200)
    axes.plot(x, torch.minimum(x * roof.bandwidth_gb_per_second, torch.tensor(roof.peak_gflops)),
              color=classroom.plots.INK)  # fmt: skip
    axes.axvline(roof.ridge, color=classroom.plots.MUTED, lw=0.8, ls=":")
    for waits, colour in ((True, classroom.plots.COMPRESSED), (False, classroom.plots.FP32)):
        side = [point for point in points if (point[1] < roof.ridge) == waits]
        # labels stand one below the other, the fastest layer first
        for place, (name, *point) in enumerate(sorted(side, key=lambda each: -each[2])):
            axes.plot(*point, "o", ms=8, color=colour)
            at = 1.5 * max(each[1] for each in side), max(each[2] for each in side)
            axes.annotate(name, point, (min(at[0], 400), at[1] / 1.38 ** (place + 1)), va="center",
                          arrowprops={"arrowstyle": "-", "lw": 0.8, "color": colour},
                          bbox={"fc": "white", "ec": "none", "pad": 1})
    arithmetic = f"arithmetic {roof.peak_gflops:.0f} GFLOP/s"
    axes.annotate(arithmetic, (1.3 * roof.ridge, roof.peak_gflops), (0, 5), fontweight="bold",
                  textcoords="offset points")  # fmt: skip
    memory = f"memory {roof.bandwidth_gb_per_second:.0f} GB/s"
    axes.annotate(memory, (roof.ridge / 5, roof.peak_gflops / 5), (-6, 4), ha="right",
                  textcoords="offset points", fontweight="bold")  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(0.1, 1000), ylim=(1, 3 * roof.peak_gflops))
    axes.set(xlabel="FLOP for each byte moved (log scale)", ylabel="GFLOP/s reached (log scale)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    return figure


# %% tags=["nbval-ignore-output", "hide-input"] slide="The roofline: arithmetic or memory?" minutes=3 tour=3
points = [
    (name, layer.intensity, layer.gflops)
    for name, layer in zip(LABELS, computing, strict=True)
    if name not in ("fc7", "conv4")  # they lie on their neighbours
]
classroom.show(
    draw_roofline(roof, points),
    alt="Roofline of one core with AlexNet's layers: convolutions under the flat roof, linear "
    "layers far left, on the slope.",
)

# %% [markdown]
# **See:** fc6 to fc8 sit at the far left, with half an operation a byte. Each weight is fetched,
# used once, and dropped. (A point may lie a little above the slope: a linear layer only reads, and
# the bandwidth was measured by copying, which also writes.) They do a twelfth of the arithmetic and
# take a large part of the time. At batch 16 each fetched weight works 16 times, and the point moves
# to the right along the slope. That is what the batch does for AlexNet. ResNet-18 has one small
# linear layer, so it gains less.
#
# **Explore.** Choose a layer and move the batch. Watch for the batch at which a linear layer
# reaches the flat roof. Does a convolution care? The roof is that of the study's machine.

# %% tags=["hide-input"]
page_roof = Roofline(**{
    key: cpu["rooflines"]["1"][key] for key in ("peak_gflops", "bandwidth_gb_per_second", "threads")
})
LAYERS = {
    "AlexNet fc6, 9216 to 4096": (nn.Linear(9216, 4096), (9216,)),
    "AlexNet conv2, 5x5, 64 to 192": (nn.Conv2d(64, 192, 5, padding=2), (64, 27, 27)),
    "VGG-16 conv3x3, 512 to 512": (nn.Conv2d(512, 512, 3, padding=1), (512, 14, 14)),
    "1x1, 256 to 64": (nn.Conv2d(256, 64, 1), (256, 56, 56)),
    "depthwise 3x3, 64": (nn.Conv2d(64, 64, 3, padding=1, groups=64), (64, 112, 112)),
}
COSTS = {
    name: (edu.count_cost(layer.to("meta"), (1, *shape)).layers[0])
    for name, (layer, shape) in LAYERS.items()
}


def under_the_roof(layer: str, batch: int):
    """One layer at one batch: how fast it can be at most."""
    cost = COSTS[layer]
    image_bytes = cost.input_bytes + cost.output_bytes
    flop_per_byte = 2 * cost.macs * batch / (cost.weight_bytes + image_bytes * batch)
    reachable = min(page_roof.peak_gflops, flop_per_byte * page_roof.bandwidth_gb_per_second)
    figure = draw_roofline(page_roof, [(f"batch {batch}", flop_per_byte, reachable)])
    limit = "arithmetic" if flop_per_byte >= page_roof.ridge else "memory"
    return figure, f"{layer}, batch {batch}: {flop_per_byte:.1f} FLOP a byte, limited by {limit}."


classroom.Explorer(under_the_roof, layer=list(LAYERS), batch=(1, 64, 1, 1))

# %% [markdown]
# How good are such predictions? Here is every computing layer of three networks, from the study.

# %% tags=["hide-input"] slide="Predicted, and measured"
figure = classroom.plots.new_figure(9.4, 3.5)
panels = figure.subplots(1, 3, sharex=True, sharey=True)
for axes, (key, part) in zip(panels, cpu["layers"].items(), strict=True):
    inks = {"compute": classroom.plots.FP32, "memory": classroom.plots.COMPRESSED}
    for limit, colour in inks.items():
        rows = [row for row in part["rows"] if row["limit"] == limit]
        axes.plot([row["predicted_ms"] for row in rows], [row["measured_ms"] for row in rows], "o",
                  color=colour, label=f"limit: {limit}")  # fmt: skip
    axes.plot([0.01, 100], [0.01, 100], color=classroom.plots.INK, lw=1)
    axes.set(xscale="log", yscale="log", xlim=(0.02, 60), ylim=(0.02, 60), aspect="equal")
    axes.set(xlabel="predicted (ms)")
    axes.set_title(f"{NAMES[key]}: {part['predicted_ms']:.0f} ms, really {part['measured_ms']:.0f}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
panels[0].set_ylabel("measured (ms)")
panels[0].legend(loc="lower right")
classroom.show(
    figure,
    alt="Measured over predicted milliseconds of each layer of AlexNet, VGG-16 and ResNet-18; the "
    "titles say what the layers add up to.",
)

# %% [markdown]
# **See:** a point on the line is a layer that takes what it must. Above the line something else
# costs time. Of VGG-16's layers
# {{results.cpu_gpu.cpu.layers.vgg16.share_of_layers_within_25_percent:.0f}} % are within 25 % of
# the prediction, of ResNet-18's
# {{results.cpu_gpu.cpu.layers.resnet18.share_of_layers_within_25_percent:.0f}} %, of AlexNet's
# {{results.cpu_gpu.cpu.layers.alexnet.share_of_layers_within_25_percent:.0f}} %. In ResNet-18 most
# of the missing time lies in the last block's 3x3 convolutions: many weights, and only 7x7 places
# to use them. The roofline does not say why. No point lies below the line: nothing ran faster than
# its roofline.
#
# ## When does a GPU pay?
#
# A GPU is a separate processor with its own memory. To use it you hand in work, and you bring the
# images over and the answers back. Handing in costs the same for any batch; the way there takes
# longer the more images go. If the fixed part is large enough, there is a batch below which the CPU
# is faster: the **crossover**. A large card may win from the first image on.
#
# First the published times of AlexNet beside the study's machine. The Titan X is the one of 2015,
# the Tegra X1 the GPU of a small board for robots and drones. The CPU's times are those of one
# program, PyTorch in `channels_last`, at every batch; the next figure adds its fastest one.

# %%
mobile = edu.load_published("mobile_gpu")
alexnet_ms = {
    (row["batch"], "CPU here, PyTorch"): row["p50_ms"]
    for row in cpu["sweep"]
    if (row["network"], row["threads"]) == ("alexnet", cpu["threads"])
}
for key in ("titan_x", "tegra_x1", "tegra_x1_fp16"):
    for batch in (1, 64, 128):
        alexnet_ms[batch, mobile[key]["name"]] = mobile[key][f"batch_{batch}_ms"]["alexnet"]
one = {device: ms for (batch, device), ms in alexnet_ms.items() if batch == 1}
for device in sorted(one, key=one.get)[1:]:
    print(f"one image of AlexNet: {min(one, key=one.get)} is faster than {device}")

# %% tags=["hide-input"] slide="A batch shares the weights, and the time falls"
figure = classroom.plots.new_figure(8.4, 3.7)
axes = figure.subplots()
colours = [
    classroom.plots.FP32, classroom.plots.GOOD, classroom.plots.COMPRESSED, classroom.plots.ACCENT,
]  # fmt: skip
devices = list(dict.fromkeys(device for _, device in alexnet_ms))
lifts = {devices[0]: 14}  # the lines of two devices end close together
for device, colour in zip(devices, colours, strict=True):
    line = sorted((batch, ms / batch) for (batch, each), ms in alexnet_ms.items() if each == device)
    axes.plot(*zip(*line, strict=True), "o-", color=colour)
    axes.annotate(device, line[-1], (8, lifts.get(device, 0)), textcoords="offset points",
                  color=colour, va="center", fontweight="bold")  # fmt: skip
for name, part in (study["devices"] | classroom.recorded_gpus()).items():
    line = [(row["batch"], row["p50_ms"] / row["batch"]) for row in part["sweep"]
            if row["network"] == "alexnet"]  # fmt: skip
    axes.plot(*zip(*line, strict=True), "s--", color=classroom.plots.INK)
    axes.annotate(name, line[-1], (8, 0), textcoords="offset points", va="center")
axes.set(xscale="log", yscale="log", xlim=(0.9, 700), ylabel="milliseconds an image (log scale)")
axes.set_xlabel("batch (log scale); GPU times are published, CPU times measured")
axes.set_xticks([1, 2, 4, 8, 16, 32, 64, 128])
axes.xaxis.set_major_formatter("{x:g}")
axes.yaxis.set_major_formatter("{x:g}")
axes.minorticks_off()
classroom.show(
    figure,
    alt="AlexNet, milliseconds an image over the batch: the CPU of this machine, a Titan X, and a "
    "Tegra X1 in FP32 and FP16. All fall with the batch, the Titan X most.",
)

# %% [markdown]
# **See:** the lines fall, because the weights are shared by more images. Against the Titan X there
# is no crossover: it is ahead at every batch. (The way there and back is not in its times.) Against
# the board's GPU the CPU is about level in FP32; the board's FP16 is faster at every batch that was
# timed on both. The Titan X falls far: it needs a large batch to have enough to do. A camera has a
# batch of one. It is the worst case for a GPU, and the only case that this kit's road networks
# know.
#
# ### The way there and back
#
# The published times begin when the images are on the GPU. Yours begin at the camera. So transfer
# is timed apart: copy, synchronise, stop the clock; the first copy is dropped.

# %% tags=["nbval-ignore-output"]
if accelerator.type == "cpu":
    print("No GPU here, nothing to transfer. Recorded transfers:")
else:
    print(edu.measure.measure_transfer(torch.rand(16, 3, 224, 224), accelerator))
for name, part in study["devices"].items():
    for row in part["transfers"]:
        print(f"{name}, batch {row['batch']}: {row['to_device_ms']:.3f} ms there")
if not study["devices"]:
    print("none yet. On a machine with a GPU: python3 kit.py bench --save")

# %% [markdown]
# ### A GPU for eight minutes
#
# You may have a GPU for a short time only, borrowed or rented. `python3 -m studies.gpu_visit` asks
# it all that this chapter asks, and ends by itself within eight minutes: naive and right timing,
# the way there and back, formats, the roofline, how many kernels one image starts, and joules where
# the device counts them. What it finds is shown here, and its sweep joins the figure above.

# %%
print(classroom.gpu_lines("timing", "transfer", "precisions", "roofline", "launches", "energy",
                          networks=("lenet5", "alexnet", "vgg16")))  # fmt: skip

# %% [markdown]
# ### Exercise 4: the crossover (3 points, 12 minutes)
#
# A simple model: the CPU takes `cpu_ms` for each image. The GPU takes `gpu_fixed_ms` for a batch of
# any size (launching, and the start of a copy) and `gpu_ms` for each image, its own copy included.
# Return the smallest batch at which the GPU is faster, or `None` if there is none.
#
# *Example.* `crossover(1.0, 5.0, 0.5)` is 11: at a batch of 10 both take 10 ms, and equal is not
# faster.
#
# *Hint.* `//` rounds down, or try one batch after the other; mind the case in which the GPU never
# wins.


# %% exercise="ch05.crossover"
def crossover(cpu_ms: float, gpu_fixed_ms: float, gpu_ms: float) -> int | None:
    """Smallest batch at which the GPU is faster; None if it never is."""
    ### BEGIN SOLUTION
    if gpu_ms >= cpu_ms:
        return None
    batch = 1
    while gpu_fixed_ms + batch * gpu_ms >= batch * cpu_ms:
        batch += 1
    return batch
    ### END SOLUTION


# %% check="ch05.crossover" points=3
classroom.check("ch05.crossover", crossover)

# %% [markdown]
# ## Down the ladder: from a Titan to 33 milliseconds
#
# So far every processor was free and large. Now put the network where the camera is. One image, the
# budget of one frame at thirty a second, and three rungs: a graphics card, the GPU of a small
# board, the CPU of the study's machine.

# %% slide="Down the ladder, from a Titan to a small board"
rows = []
for key, name in (("vgg16", "VGG-16"), ("alexnet", "AlexNet")):
    for gpu in ("titan_x", "tegra_x1", "tegra_x1_fp16"):
        colour = "compressed" if gpu.endswith("fp16") else "fp32"
        rows.append((f"{name}, {mobile[gpu]['name']}", mobile[gpu]["batch_1_ms"][key], colour))
    best = cpu["best"][key]["batch_1"]
    rows.append((f"{name}, CPU here, {best['form']}", best["p50_ms"], "fp32"))
    plain = next(row["p50_ms"] for row in cpu["rows"] if (row["network"], row["form"], row["batch"],
                 row["threads"]) == (key, "channels_last", 1, cpu["threads"]))  # fmt: skip
    rows.append((f"{name}, CPU here, PyTorch", plain, "fp32"))
classroom.plots.frame_budget_bar(rows, ylabel="network, processor")

# %% [markdown]
# **See:** VGG-16 leaves two thirds of the frame free on the Titan X. On the board it needs almost
# five frames, and half the bits do not save it. The network did not change. The GPU of the board
# has its own numbers from 2015; boards became faster since, and so did what people want to run on
# them.
#
# The CPU stands here twice, with PyTorch as in the figure before and in the fastest form found:
# whether it beats the board's GPU depends on the program, for AlexNet in FP16 too. (The PyTorch
# bars of the two figures come from two runs of the study, some per cent apart.) A third program,
# OpenVINO, is no faster than ONNX Runtime in FP32 on one road network, and far faster in integers:
# {{results.openvino_peers.road_segmentation.times.kit_openvino.p50_ms:.1f}} ms against
# {{results.openvino_peers.road_segmentation.times.kit_onnxruntime.p50_ms:.1f}} ms, on one core of
# another processor (chapter 09).
#
# ### And the processor is not yours alone
#
# A car's computer also decodes video, plans a path, writes a log. Then the network gets what is
# left. How bad is that? We really run other work: processes that keep cores busy with arithmetic,
# or that copy memory over and over.

# %% tour=2
share = classroom.predict(
    "05.share",
    "ResNet-18 alone on all cores misses hardly any frame. Now another program "
    "keeps one core busy. How many of 120 frames miss their 33 ms?",
    options=["none", "up to a quarter", "a quarter to three quarters", "nearly all"],
)
share

# %% [markdown]
# A short run on your machine first: 45 frames arrive in real time, one and a half seconds. A frame
# that finds the network busy is lost, as in chapter 00.

# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
frame = torch.rand(1, 3, 224, 224)
runner = edu.pytorch_runner(resnet18(weights=None), frame, channels_last=True, threads=None)
torch.set_num_threads(runner.threads)
for kind, processes in (("compute", 0), ("compute", 1), ("memory", 1)):
    with BackgroundLoad(kind, processes) as load, torch.inference_mode():
        runner.call()
        seen = stream(lambda _: runner.call(), [b""] * 45)
    print(f"{load!r:25s} p50 {seen.p50_ms:5.1f} ms, p99 {seen.p99_ms:5.1f} ms, "
          f"{seen.share_missed:3.0f} % missed")  # fmt: skip
torch.set_num_threads(1)

# %% [markdown]
# And the study, on another machine with nothing else running. Its milliseconds and yours need not
# agree: other cores, and on yours the notebook, the browser and whatever else is open run beside
# the load. Compare how the rows *change*.

# %% tags=["hide-input"] slide="The processor is not yours alone"
figure = classroom.plots.new_figure(9.2, 3.4)
panels = figure.subplots(1, 2, sharey=True)
budget_ms = classroom.plots.FRAME_BUDGET_MS
for axes, key in zip(panels, ("resnet18", "alexnet"), strict=True):
    rows = [row for row in cpu["background"] if row["network"] == key]
    for place, row in enumerate(rows):
        axes.plot([row["p50_ms"], row["p99_ms"]], [place, place], "o-", ms=9, markevery=[0],
                  color=classroom.plots.FP32)  # fmt: skip
        axes.plot(row["p99_ms"], place, "|", ms=12, mew=2.5, color=classroom.plots.FP32)
        note = f"{row['missed']} of {row['frames']} missed"
        axes.annotate(note, (row["p99_ms"], place), (9, 0), va="center", fontsize=9,
                      textcoords="offset points", backgroundcolor="white")  # fmt: skip
    axes.axvline(budget_ms, color=classroom.plots.BUDGET, ls="--", lw=1.6)
    axes.text(budget_ms, -0.56, "33 ms", color=classroom.plots.BUDGET, ha="center", va="bottom",
              fontweight="bold")  # fmt: skip
    axes.set(xlabel="milliseconds: dot p50, bar p99", ylim=(len(rows) - 0.5, -0.5))
    axes.set_xlim(0, 1.7 * max(row["p99_ms"] for row in rows))
    axes.set_title(NAMES[key], pad=16)
labels = ["no load" if row["load"] == "none" else f"{row['processes']} x {row['load']}"
          for row in rows]  # fmt: skip
panels[0].set_yticks(range(len(rows)), labels)
panels[0].set_ylabel("other work")
classroom.show(
    figure,
    alt="Median and 99th percentile of ResNet-18 and AlexNet under other work, and frames missed: "
    + "; ".join(
        f"{row['network']} with {row['processes']} x {row['load']}: {row['missed']} missed"
        for row in cpu["background"]
    ),
)

# %%
alone, loaded = (
    next(row for row in cpu["background"]
         if (row["network"], row["load"], row["processes"]) == ("resnet18", kind, processes))
    for kind, processes in (("none", 0), ("compute", 1))
)  # fmt: skip
missed = loaded["missed"] / loaded["frames"]
limits = [(0.75, "nearly all"), (0.25, "a quarter to three quarters"), (0, "up to a quarter")]
share.reveal(
    next((option for limit, option in limits if missed > limit), "none"),
    f"Alone {alone['missed']} of {alone['frames']} were missed, with one busy core "
    f"{loaded['missed']}. p50 went from {alone['p50_ms']:.0f} to {loaded['p50_ms']:.0f} ms.",
)

# %% [markdown]
# **See:** follow the dots down a panel, and the bars. A layer on all cores is ready when its last
# core is. If one core is shared, all wait for it, in every layer. A neighbour that copies takes no
# arithmetic away, and costs time all the same: the memory is shared too. AlexNet at batch 1 waits
# for it anyway. (Each row is one run of 120 frames. That two loads hurt AlexNet no more than one
# may be chance.)
#
# So a budget is not 33 ms. It is what is left of it beside the others, at the 99th percentile. How
# fast must a network be alone, so that 99 of 100 frames are in time beside *one* busy neighbour?
# AlexNet's rows say it, roughly: one run, one network, and a stretch that need not be the same for
# a faster one.

# %%
alone, busy = (
    next(row for row in cpu["background"]
         if (row["network"], row["load"], row["processes"]) == ("alexnet", kind, processes))
    for kind, processes in (("none", 0), ("compute", 1))
)  # fmt: skip
stretch = busy["p99_ms"] / alone["p50_ms"]
print(f"AlexNet alone, p50:        {alone['p50_ms']:.1f} ms")
print(f"beside one load, p99:      {busy['p99_ms']:.1f} ms")
print(f"that is {stretch:.1f} times; missed: {busy['missed']} of {busy['frames']} frames")
print(f"33 ms at the 99th percentile ask for {budget_ms / stretch:.0f} ms alone")

# %% [markdown]
# Little more than a quarter of the budget is left to plan with. This is why the networks of the
# next chapters aim far below the red line.
#
# ### Where a GPU does not help
#
# - **One small image at a time.** Launching and transfer stay, the work is over before they pay.
# - **Layers that move bytes.** A linear layer at batch 1, a depthwise convolution, an activation:
#   they wait for the memory, on any processor. A GPU gains by its faster memory alone.
# - **Work that branches.** Decoding, sorting, planning: a thousand cores that must do the same
#   thing cannot.
# - **When the answer must not wait.** A batch of 64 is fast for each image and slow for the first.
#
# And Winograd? It does not help 1x1 kernels or strides. At batch 1 its kernels, four times as
# large, must be fetched for a few tiles: in the study VGG-16 won by it on one core and lost on two.
# In 8 bits its rounding hurts.
#
# ## Claims
#
# What the sources say, beside what was counted or measured for this page.

# %%
multiplications = 16 * 9 / 36
fastest_layer = min(
    row["measured_ms"] / row["predicted_ms"]
    for part in cpu["layers"].values()
    for row in part["rows"]
)
fewer = published["winograd"]
classroom.claims_table([
    classroom.claim(
        "Lavin, Gray 2016, abstract", "up to 4 times less arithmetic for 3x3 layers "
        "(here: multiplications of a 6x6 tile)", fewer["factor"], multiplications, "equal",
        tolerance=0, unit="times",
    ),
    classroom.claim(
        "the mark set above", "VGG-16, 16 images, in half the time of the 16 Xeon cores, in FP32",
        target["target_ms"], target["fastest_ms"], "lower", tolerance=0, unit="ms",
    ),
    classroom.claim(
        "Williams et al. 2009", "no layer runs faster than its roofline allows (the smallest "
        "measured/predicted of all layers)", 1, fastest_layer, "higher", tolerance=0.1,
        partly_tolerance=0.3, unit="",
    ),
])  # fmt: skip

# %% [markdown]
# The famous factor itself has no row. "A Titan X is {{published.cnn_benchmarks.conclusion.lowest}}
# to {{published.cnn_benchmarks.conclusion.highest}} times faster than CPUs" was measured rightly in
# 2016, against sixteen cores and one program. We have two cores and other programs, so whatever we
# found would neither confirm nor refute it. It is a fact about two processors and two programs, and
# it was quoted as a fact about processors.
#
# ## The ledger
#
# This chapter adds no network of its own. Its tools time all rows to come.

# %% tags=["nbval-ignore-output"]
classroom.ledger(upto="05")

# %% [markdown]
# ## Key points
#
# - Ask of every factor: which processor, which program, which batch, what was inside the clock.
# - A GPU returns before it has worked. Synchronise before and after, warm up, take the median.
# - A layer takes the longer of two times: its arithmetic, and its bytes. Intensity says which.
# - The batch helps layers that fetch many weights. A camera has a batch of one.
# - The fastest multiplication is the one that is not done: Winograd needs a quarter of them.
# - The budget is what others leave, at the 99th percentile.
#
# **Terms.**
#
# - *Kernel* (of a processor): a small program that computes one operation; a GPU runs it on all its
#   cores, each with other data. Not the kernel of a convolution.
# - *Asynchronous*: a call returns before its work is done. *Synchronise*: wait until it is.
# - *Roofline*: the two limits of a machine, drawn over the arithmetic intensity. *Ridge*: where
#   they meet.
# - *Crossover*: the batch at which a GPU becomes faster than a CPU.
# - *bf16*: a number of 16 bits with the exponent of FP32. *channels_last*: a pixel's channels side
#   by side.
# - *cuDNN*: NVIDIA's library of GPU kernels for networks. *oneDNN*: Intel's, for CPUs; PyTorch uses
#   both.
# - *p99*: the time that one call in a hundred exceeds.
#
# **References.**
#
# - J. Johnson, cnn-benchmarks, github.com/jcjohnson/cnn-benchmarks, 2016 to 2017.
# - S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for
#   multicore architectures", Communications of the ACM 52(4), 2009.
# - A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.
# - S. Gray, U. Köster, "Still not slowing down: benchmarking optimized Winograd implementations",
#   2016.
# - NVIDIA, "GPU-based deep learning inference: a performance and power analysis", white paper,
#   November 2015; retraced with public sources in github.com/weishengchong/Embedded-Deep-Learning.
#
# **Next.** [06 Cloud versus edge](06_cloud_versus_edge.ipynb): could the work be done far away?
