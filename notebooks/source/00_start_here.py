# %% [markdown]
# # Start here: thirty frames a second
#
# **Question.** A camera gives thirty pictures a second. Can a network on this machine keep up?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 10 | {{results.chapter_seconds.00_start_here:.0f}} | a little Python |
#
# **Objectives.** After this chapter you can
#
# 1. turn a frame rate into a time budget, and say which networks fit into it;
# 2. time a network on this machine and compare two ways to run it;
# 3. use what every chapter has: predictions, explorers, checked exercises, the ledger.
#
# Run the cells from top to bottom with Shift+Enter. Nothing is downloaded, now or later.

# %%
import torch

import classroom
import edu_lib as edu

torch.set_num_threads(1)
classroom.plots.use_house_style()

# %% [markdown]
# ## A first result
#
# The cell below loads a small network, LeNet-5, that ships with the kit. Draw a digit on the pad
# with the mouse, a finger or a pen. The network reads it after each stroke.
#
# The small grey picture is what the network sees: your drawing, shrunk to 28x28 pixels and centred,
# as the digits of its training set were.

# %% slide="A network of 1998 reads your digit"
lenet = edu.load_weights(edu.models.LeNet5(), "lenet5")
classroom.DigitPad(lenet)

# %% [markdown]
# Try to fool it. A 1 with a long flag, a 7 with a bar, a 4 drawn small in a corner: which of them
# fail? The network has seen {{results.lenet_weights.lenet5.num_images:,}} digits in training, each
# of them distorted anew every time. On 10,000 digits that it had never seen it makes
# {{results.lenet_weights.lenet5.test_error:.2f}} % errors.
#
# ## The number that runs through this kit
#
# A car's camera, a phone, a drone: thirty frames a second is the usual rate. When the next frame
# arrives, the answer to the last one must be there. That leaves each frame one thirtieth of a
# second: its **budget**.

# %%
budget_ms = 1000 / 30
print(f"the budget of one frame: {budget_ms:.1f} ms")
assert budget_ms == classroom.plots.FRAME_BUDGET_MS

# %% [markdown]
# What happens to a network that needs longer? That is two questions, and each has its clock.
#
# - **Throughput**: how many frames are answered in a second?
# - **Latency**: how old is the picture when its answer comes? A car drives on meanwhile, so age is
#   a distance: 100 ms at 50 km/h are 1.4 metres.
#
# And who keeps a frame that finds the network busy? *No buffer*: nobody. The frame is lost, and the
# network waits for the next one. *A buffer of one frame*: the newest frame waits, and the network
# takes it as soon as it is free. `two_clocks` plays both through, with exact fractions.

# %%
from classroom.clocks import schedule, two_clocks

print("            no buffer                   the newest frame waits")
print("       answered  driven before       answered  driven before")
print("       a second  the answer          a second  the answer")
for network_ms in (10, 33, 34, 50, 66, 150):
    lost, kept = (two_clocks(network_ms, speed_kmh=50, buffer=buffer) for buffer in (False, True))
    print(
        f"{network_ms:3d} ms {lost.answered_per_second:6.1f} {lost.metres:9.2f} m"
        f" {kept.answered_per_second:16.1f} {kept.metres:9.2f} m"
    )

# %% [markdown]
# A network of 34 ms is not "a bit too slow". Without a buffer it loses every second frame. With one
# it answers 29 frames a second, but the oldest picture that it answers is now 67 ms old, and the
# car has driven twice as far. **A buffer mends the throughput, not the latency.** Only a faster
# network mends both. (The metres are those of the oldest answered picture, at 50 km/h.)
#
# **Explore.** Each square is one of the thirty frames of a second, filled if the network answers
# it. The line below is the network at work; where it starts late, the frame has waited. Before you
# move the slider to 40 ms, say how many squares stay filled, with and without the buffer. Then try
# 66 ms and 67 ms.

# %% tags=["hide-input"] slide="While a slow network works, frames are lost" tour=2
def draw_second(network_ms: float, buffer: str):
    """One second of frames, one square a frame, and the time the network spends on each."""
    waits = buffer == "newest frame waits"
    started = schedule(network_ms, buffer=waits)
    answered = {frame for frame, _ in started}
    figure = classroom.plots.new_figure(8.4, 1.9)
    axes = figure.subplots()
    for frame in range(30):
        face = classroom.plots.FP32 if frame in answered else "white"
        axes.bar((frame + 0.5) * budget_ms, 0.8, budget_ms - 4, 0.1, color=face,
                 edgecolor=classroom.plots.MUTED)  # fmt: skip
    for _, start_ms in started:
        ends = [start_ms, start_ms + network_ms]
        axes.plot(ends, [-0.25, -0.25], color=classroom.plots.INK, lw=3)
        axes.plot(start_ms, -0.25, "|", color=classroom.plots.INK, ms=9)
    axes.set(xlim=(0, 1000), ylim=(-0.5, 1), yticks=[], xlabel="time (ms)", ylabel="frames")
    axes.grid(visible=False)
    clocks = two_clocks(network_ms, speed_kmh=50, buffer=waits)
    note = (
        f"{network_ms} ms, {buffer}: {len(answered)} of 30 frames answered; "
        f"{clocks.metres:.1f} m driven before the oldest answer"
    )
    axes.set_title(note)
    return figure, note


classroom.Explorer(
    draw_second, network_ms=(5, 160, 1, 50), buffer=["no buffer", "newest frame waits"]
)

# %% [markdown]
# ## Predict, then measure
#
# Every chapter asks you to guess before it shows. Lock a guess: it cannot be changed afterwards. A
# wrong guess teaches more than none.

# %%
guess = classroom.predict(
    "00.lenet_time",
    "LeNet-5 reads one digit on one core of this machine. How long does it take?",
    options=["over 33 ms", "10 to 33 ms", "1 to 10 ms", "under 1 ms"],
)
guess

# %% [markdown]
# Now the measurement. The same network runs in two ways: step by step in PyTorch (**eager**), and
# exported to a file in the format **ONNX**, which the program ONNX Runtime executes. The timer
# warms up, repeats, and gives two numbers. Half of the calls were faster than **p50**, the median,
# and 99 of 100 were faster than **p99**.

# %% tags=["nbval-ignore-output"]
import tempfile
from pathlib import Path

digit = edu.mnist().test.X[:1]
folder = Path(tempfile.mkdtemp())
onnx_file = edu.export_onnx(lenet, digit, folder / "lenet5.onnx")

eager = edu.measure_latency(edu.pytorch_runner(lenet, digit, threads=1, name="PyTorch, eager"))
onnx = edu.measure_latency(edu.onnxruntime_runner(onnx_file, digit, threads=1, name="ONNX Runtime"))
for measured in (eager, onnx):
    print(f"{measured.name:15s} p50 {measured.p50_ms:.3f} ms, p99 {measured.p99_ms:.3f} ms")

# %%
assert min(eager.p50_ms, onnx.p50_ms) < 1
guess.reveal("under 1 ms", "its 416,520 multiplications are little work for a core of today")

# %% [markdown]
# The second line of the measurement is the first surprise of this kit: the same network, the same
# numbers out, and several times faster. For a network this small, eager PyTorch spends most of its
# time between the layers, not in them. That is why we never call a network slow, or a compressed
# one fast, before both ran in a good runtime.
#
# Are the numbers really the same? A network that reads digits gives ten of them, one for each
# digit, its **logits**. The largest wins.

# %%
assert onnx.p50_ms < eager.p50_ms
logits = edu.run_onnx(onnx_file, digit)
same = torch.allclose(torch.from_numpy(logits), lenet(digit), atol=1e-4)
print(f"both read a {int(logits.argmax())}; same logits: {same}")

# %% [markdown]
# In ONNX Runtime LeNet-5 fits into the budget hundreds of times. It reads one grey digit of 28x28
# pixels. The networks at the end of this kit read a whole street: what is road, how far is
# everything, where to steer. They begin several times over the budget. The chapters between are
# about closing that gap.
#
# ## The map
#
# The kit follows the history. Filled stations are chapters that are in your folder.

# %% tags=["hide-input"] slide="The way: from 1998 to a road in 33 milliseconds" minutes=1 tour=1
PARTS = {
    "begin": ["00 start here", "01 convolution"],
    "history": ["02 LeNet 1998", "03 AlexNet 2012", "04 the data bill"],
    "machines": ["05 CPU versus GPU", "06 cloud versus edge"],
    "smaller": ["07 separable conv.", "08 pruning", "09 quantization", "10 compression",
                "11 distillation", "12 multi-task"],
    "finish": ["13 edge networks", "14 thirty frames", "15 scoreboard"],
}  # fmt: skip

kit = Path(edu.__file__).parents[1]
written = {path.name[:2] for path in kit.glob("notebooks/source/*.py")}
figure = classroom.plots.new_figure(8.4, 2.6)
axes = figure.subplots()
colours = [
    classroom.plots.FP32, classroom.plots.GOOD, classroom.plots.ACCENT,
    classroom.plots.COMPRESSED, classroom.plots.BUDGET,
]  # fmt: skip
position = 0
for (part, chapters), colour in zip(PARTS.items(), colours, strict=True):
    axes.plot([position, position + len(chapters) - 1], [0, 0], color=colour, lw=5)
    axes.text(position - 0.25, -0.75, part, color=colour, fontweight="bold", va="top")
    for chapter in chapters:
        face = colour if chapter[:2] in written else "white"
        axes.plot(position, 0, "o", ms=15, markerfacecolor=face, markeredgecolor=colour, mew=2)
        axes.text(position, 0.55, chapter, rotation=35, fontsize=9)
        position += 1
axes.set(xlim=(-0.6, position + 0.9), ylim=(-1.6, 3.6))
axes.set_axis_off()
classroom.show(figure, alt="The sixteen chapters as stations of one line in five parts, 00 to 15.")

# %% [markdown]
# - **begin**: the tools, and what a convolution computes and costs.
# - **history**: why networks of 1998 became practical in 2012, and the price in labelled data.
# - **machines**: where the time goes on a CPU and on a GPU, and why a network leaves the cloud.
# - **smaller**: six ways to make a network small, each weighed as a file and timed.
# - **finish**: a road-perception network from far over the budget to far inside it.
#
# **Your progress.** Each check that passes in your own copies is kept beside them, and nowhere
# else. Run this cell again whenever you want to see how far you are.

# %%
classroom.progress()

# %% [markdown]
# ## Is this machine ready?
#
# The doctor looks at the packages, the processor, the memory and the data, and says what to do
# about each problem. The same report comes from `python3 kit.py doctor`.

# %% tags=["nbval-ignore-output"]
from tools.doctor import print_report

print_report()

# %% [markdown]
# ## Exercises
#
# An exercise is a function with a hole. Fill it in, run the cell, then run the check below it. A
# check says which case failed and gives a hint. You may try as often as you like.
#
# ### Exercise 1: the budget (1 point, 3 minutes)
#
# Write `frame_budget_ms(frames_per_second)`: the milliseconds that one frame may
# take. Thirty frames a second leave 33.33 ms each. Do not round.

# %% exercise="ch00.frame_budget"
def frame_budget_ms(frames_per_second: float) -> float:
    """Milliseconds that one frame may take."""
    ### BEGIN SOLUTION
    return 1000 / frames_per_second
    ### END SOLUTION


# %% check="ch00.frame_budget" points=1
classroom.check("ch00.frame_budget", frame_budget_ms)

# %% [markdown]
# ### Exercise 2: the share that fits (2 points, 8 minutes)
#
# A network does not need the same time for every frame. Write
# `share_that_fits(times_ms, fps)`: the percentage of the measured times, 0 to 100, that are within
# the budget of one frame. A frame of exactly the budget fits.
#
# *Hint.* `sum(condition for ...)` counts how often a condition holds.

# %% exercise="ch00.fits"
def share_that_fits(times_ms: list[float], fps: float) -> float:
    """Percentage of the times that are within the budget of one frame."""
    ### BEGIN SOLUTION
    budget = 1000 / fps
    return 100 * sum(time <= budget for time in times_ms) / len(times_ms)
    ### END SOLUTION


# %% check="ch00.fits" points=2
classroom.check("ch00.fits", share_that_fits)

# %% [markdown]
# ### Exercise 3: work in a line (2 points, 10 minutes)
#
# A camera, a network and a screen each need some milliseconds for a frame. One after the other, the
# next frame begins when this one is through. *Overlapped*, each stage works on a frame of its own,
# as in a factory: a new frame enters whenever the slowest stage is done, and none waits on its way.
# Write `in_a_line(stages_ms, overlapped)`: `(frames a second, milliseconds from the camera to the
# screen)`.
#
# *Example.* Stages of 10, 30 and 10 ms: one after the other 20 frames a second, overlapped 33.3. In
# both cases a frame needs 50 ms. Overlap brings more frames, and none of them sooner.

# %% exercise="ch00.pipeline"
def in_a_line(stages_ms: list[float], overlapped: bool) -> tuple[float, float]:
    """Frames a second, and milliseconds from the camera to the screen."""
    ### BEGIN SOLUTION
    pace_ms = max(stages_ms) if overlapped else sum(stages_ms)
    return 1000 / pace_ms, sum(stages_ms)
    ### END SOLUTION


# %% check="ch00.pipeline" points=2
classroom.check("ch00.pipeline", in_a_line)

# %% [markdown]
# ## The ledger
#
# Each chapter adds rows to one table: a model, its quality, the numbers that it stores (*params*),
# its multiplications for one frame (**MACs**: each with an addition), its size as a file and its
# time. Bars show the time on a logarithmic axis, the red line is the budget. Your first row:

# %% tags=["nbval-ignore-output"]
cost = edu.count_cost(lenet, (1, 1, 28, 28))
mine = classroom.LedgerRow(
    chapter="00",
    model="LeNet-5",
    quality=edu.load_result("lenet_weights")["lenet5"]["test_accuracy"],
    quality_unit="% of MNIST",
    params=cost.params,
    macs=cost.macs,
    file_bytes=onnx_file.stat().st_size,
    p50_ms=onnx.p50_ms,
    backend="ONNX Runtime, 1 thread",
)
classroom.ledger(upto="00", mine=[mine])

# %% [markdown]
# ## Key points
#
# - Thirty frames a second leave 33 ms for each. A network that needs 34 ms loses every second frame
#   if nothing keeps it. A buffer brings the frames back, and makes the answers older.
# - Keep two clocks: frames answered a second, and metres driven before the answer.
# - How fast a network is depends on what runs it, so we measure in more than one runtime.
# - Measure, and read the quality before the speed.
#
# **Terms.** *Frame*: one picture of a video. *Budget*: the time that one frame may take. *Latency*:
# the time from a frame to its answer. *Throughput*: answers a second. *Buffer*: a place where a
# frame waits. *p50, p99*: half, or 99 %, of the calls were faster than this. *Eager*: PyTorch runs
# a network one operation after another, as Python reaches them. *ONNX*: a file format for networks.
# *ONNX Runtime*: a program that executes such files. *MAC*: one multiplication and one addition,
# the unit in which the work of a network is counted.
#
# **References.** Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
# document recognition", Proceedings of the IEEE 86(11), 1998. · ONNX Runtime, onnxruntime.ai.
#
# **Next.** [01 Convolution](01_convolution.ipynb): what such a network computes, and what it costs.
