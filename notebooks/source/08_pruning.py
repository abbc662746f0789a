# %% [markdown]
# # Pruning: nine weights of ten can go
#
# **Question.** I set nine of ten weights to zero, and the network answers as before. Why is it not
# faster?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 50 | {{results.chapter_seconds.08_pruning:.0f}} | [02 LeNet](02_lenet_1998.ipynb), [05 CPU versus GPU](05_cpu_versus_gpu.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. prune weights by a criterion and a schedule, and say what the network lost;
# 2. remove channels from a network with skip connections, and prove that nothing else changed;
# 3. predict which kind of pruning saves milliseconds, and from how many zeros on.

# %%
import torch
from torch import nn

import edu_lib as edu
from edu_lib.models.lenet import LeNet300100
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques import pruning

torch.set_num_threads(1)
edu.plots.use_house_style()
data = edu.mnist()
speed = edu.load_result("pruning_speed")
tickets = edu.load_result("lottery_ticket")
road = edu.load_result("channel_pruning")

# %% [markdown]
# ## The story: networks are too large on purpose
#
# A network with many weights is easier to train than a small one. After the training most of them
# hardly matter. LeCun, Denker and Solla asked in 1990 which ones can go, and called it *optimal brain
# damage*. In 2015 Han and his colleagues took the plainest rule there is: small weights go. They kept
# the error of LeNet-300-100 at {{published.pruning.han_2015.error_lenet_300_100}} % with
# {{published.pruning.han_2015.fewer_parameters}} times fewer weights.
#
# Train that network for a few seconds and look at its weights.

# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
model = LeNet300100()
edu.fit(model, data.fit.X, data.fit.y, num_epochs=2, batch_size=256, lr=6e-3, progress=False)
whole_accuracy = edu.evaluate(model, data.validation.X, data.validation.y).accuracy
assert whole_accuracy > 96
print(f"{whole_accuracy:.1f} % of the validation images")

# %% tags=["hide-input"]
figure = edu.plots.new_figure(7.6, 2.9)
axes = figure.subplots()
weights = model.fc1.weight.detach().flatten()
axes.hist(weights.numpy(), bins=120, range=(-0.2, 0.2), color=edu.plots.FP32)
limit = weights.abs().quantile(0.9).item()
for edge in (-limit, limit):
    axes.axvline(edge, color=edu.plots.COMPRESSED, lw=2)
axes.annotate(
    "nine of ten\nweights", (0, 1), (0, -4), xycoords=("data", "axes fraction"), ha="center",
    va="top", textcoords="offset points", color=edu.plots.COMPRESSED, fontweight="bold",
)  # fmt: skip
axes.set(xlabel="weight of the first layer", ylabel="how many")
edu.show(
    figure,
    alt="Histogram of the first layer's weights: a narrow heap about zero; nine of ten lie between "
    "two orange lines.",
    text="Histogram of the first layer's weights, with lines about nine of ten.",
)

# %% [markdown]
# **See:** between the orange lines lie nine of ten weights. What is outside does most of the work, or
# so the rule says.
#
# ## Build it: a mask
#
# A **mask** is a tensor of the weight's shape, True where a weight stays. *Sparsity* is the share of
# weights that go.
#
# ### Exercise 1: the mask of the smallest magnitudes (2 points)
#
# Write `magnitude_mask(weight, sparsity)`. Exactly `round(sparsity * size)` entries are False, those
# where the magnitude of the weight is smallest.
#
# *Example.* `[-3, 0.5, 0.1, -2]` at sparsity 0.5 gives `[True, False, False, True]`.
#
# *Hint.* `topk(number, largest=False).indices`. A threshold alone fails where weights are equal.


# %% exercise="ch08.mask"
def magnitude_mask(weight: torch.Tensor, sparsity: float) -> torch.Tensor:
    """Bool tensor of weight's shape, True where a weight stays."""
    ### BEGIN SOLUTION
    num_pruned = round(sparsity * weight.numel())
    mask = torch.ones(weight.numel(), dtype=torch.bool)
    mask[weight.abs().flatten().topk(num_pruned, largest=False).indices] = False
    return mask.reshape(weight.shape)
    ### END SOLUTION


# %% check="ch08.mask" points=2
edu.check("ch08.mask", magnitude_mask)

# %% [markdown]
# The optimiser would move a zero away at its next step. So the mask must stand between the stored
# weight and its use: `used = stored * mask`. Then the gradient of a pruned weight is zero too.
# `pruning.prune` does that to a whole network. Nothing happens to the model that you give it.

# %%
masked = pruning.prune(model, 0.9)
print("sparsity of the copy ", round(pruning.sparsity_of(masked), 4))
print("of the model itself  ", pruning.sparsity_of(model))
for name, mask in pruning.masks_of(masked).items():
    print(f"{name}: {tuple(mask.shape)}, {int(mask.sum()):6,} weights stay")

# %% [markdown]
# **One threshold or one share?** Above, one threshold was laid through all layers, so that each keeps
# what is large in it. `scope="layer"` takes the same share from each. Which loses less? And what does
# a short training afterwards repair?

# %%
loss_of_pruning = edu.predict(
    "08.loss",
    "90 % of the weights are set to zero, with no training after. What happens to the accuracy?",
    options=["it falls below 50 %", "it loses 1 to 50 points", "it loses less than 1 point"],
)
loss_of_pruning

# %% tags=["nbval-ignore-output"]
SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)


def accuracy(network: nn.Module) -> float:
    """Percent of the validation images."""
    return edu.evaluate(network, data.validation.X, data.validation.y).accuracy


def recover(network: nn.Module) -> None:
    """One more epoch, in place."""
    edu.fit(network, data.fit.X, data.fit.y, num_epochs=1, batch_size=256, lr=3e-3, progress=False)


curves = {"one threshold": [], "each layer alike": [], "one threshold, one epoch more": []}
for sparsity in SPARSITIES:
    pruned = pruning.prune(model, sparsity)
    curves["one threshold"].append(accuracy(pruned))
    curves["each layer alike"].append(accuracy(pruning.prune(model, sparsity, scope="layer")))
    recover(pruned)
    curves["one threshold, one epoch more"].append(accuracy(pruned))
assert curves["one threshold, one epoch more"][3] > curves["one threshold"][3]

# %% tags=["hide-input"]
figure = edu.plots.new_figure(7.6, 3.4)
axes = figure.subplots()
COLOURS = (edu.plots.FP32, edu.plots.MUTED, edu.plots.COMPRESSED)
for (label, values), colour in zip(curves.items(), COLOURS, strict=True):
    axes.plot([100 * s for s in SPARSITIES], values, "o-", color=colour, label=label)
axes.axhline(whole_accuracy, color=edu.plots.GOOD, ls=":", label="whole network")
axes.set(xlabel="weights that are zero, %", ylabel="validation accuracy, %")
axes.legend(loc="lower left")
edu.show(
    figure,
    alt="Accuracy over sparsity: "
    + "; ".join(f"{label} {values[3]:.1f} % at 90 % zeros" for label, values in curves.items()),
    text="Accuracy over sparsity, by threshold, by layer, and with an epoch of training after.",
)

# %%
fallen = whole_accuracy - curves["one threshold"][3]
loss_of_pruning.reveal(
    "it falls below 50 %" if curves["one threshold"][3] < 50
    else "it loses 1 to 50 points" if fallen > 1
    else "it loses less than 1 point",
    f"It lost {fallen:.1f} points, and one epoch gave most of them back.",
)  # fmt: skip

# %% [markdown]
# **See:** the orange line. Pruning breaks, and training mends. More is kept when one prunes little by
# little with training in between: `prune_in_steps` with the schedules `geometric` and `cubic`.
#
# Magnitude is one criterion of several. **SNIP** asks the gradient before any training: how much
# would the loss feel this weight's absence, `|w dL/dw|`? **Movement** asks the training: is this weight
# being pulled to zero? The kit has all three, and each is checked against autograd.

# %%
X, y = data.fit.X[:256], data.fit.y[:256]
torch.manual_seed(1)
fresh = LeNet300100()
snip = pruning.gradient_scores(fresh, lambda network: nn.functional.cross_entropy(network(X), y))
total = sum(scores.sum().item() for scores in snip.values())
print("the scores of all layers sum to", round(total, 3))
first = snip["fc1"].sum(0).reshape(28, 28)
border = first[0].sum() + first[-1].sum() + first[:, 0].sum() + first[:, -1].sum()
print("the outermost ring of pixels matters less than average:", bool(border / 108 < first.mean()))

# %% [markdown]
# ## The lottery ticket
#
# Pruned networks train badly from new random weights. So people believed that one must train large and
# prune after. In 2019 Frankle and Carbin set the surviving weights back to **their own first values**
# and trained again. It worked: somewhere in the large fresh network a small one had been waiting that
# trains as well. They call it a winning ticket. LeNet-300-100 matches itself down to
# {{published.pruning.lottery_ticket.matches_down_to_percent}} % of its weights.
#
#     train -> prune the smallest -> set the rest back to the start -> train -> ...
#
# The control is what makes it a finding: the same mask on *other* random weights.

# %% tags=["hide-input"]
figure = edu.plots.new_figure(7.6, 3.6)
axes = figure.subplots()
hasty = tickets["in_haste"]
for recipe, colour, name in ((tickets, edu.plots.COMPRESSED, "ticket, the paper's recipe"),
                             (hasty, edu.plots.ACCENT, "ticket, in haste")):  # fmt: skip
    below = [each - recipe["dense_accuracy"] for each in recipe["ticket_accuracies"]]
    axes.plot([100 * share for share in recipe["shares"]], below, "o-", color=colour, label=name)
below = [each - tickets["dense_accuracy"] for each in tickets["control_accuracies"]]
axes.plot([100 * share for share in tickets["control_shares"]], below, "s--",
          color=edu.plots.MUTED, label="the paper's recipe, same mask, other weights")  # fmt: skip
axes.axhline(0, color=edu.plots.GOOD, ls=":")
axes.text(1.0, 0.02, "whole network", color=edu.plots.GOOD, fontsize=9, ha="right", va="bottom")
axes.axvline(100 * tickets["smallest_matching_share"], color=edu.plots.BUDGET, ls="--")
axes.set(xscale="log", xlabel="weights left, % (log scale)",
         ylabel="test accuracy, points\nabove the whole network")  # fmt: skip
axes.xaxis.set_major_formatter("{x:g}")
axes.invert_xaxis()
axes.legend(loc="lower left", fontsize=8)
edu.show(
    figure,
    alt=f"Test accuracy against the whole network's over the share of weights left, mean of "
    f"{tickets['seeds']} seeds. By the paper's recipe the ticket matches down to "
    f"{100 * tickets['smallest_matching_share']:.1f} %, in haste to {100 * hasty['smallest_matching_share']:.1f} %.",
)

# %% [markdown]
# **See:** follow the orange line to the red one. Down to
# {{results.lottery_ticket.smallest_matching_percent:.1f}} % of its weights the ticket is within 0.1 points
# of the whole network, by the mean of {{results.lottery_ticket.seeds}} seeds. The grey squares wear the
# same masks and fall: at {{results.lottery_ticket.reinit_gap_percent:.1f}} % they are
# {{results.lottery_ticket.reinit_gap_points:.1f}} points below.
#
# The recipe is the paper's: Adam at a constant rate, batches of 60, of 50,000 steps our first
# {{results.lottery_ticket.recipe.num_steps:,}}. The purple line is a recipe in more haste, six epochs with one cycle of
# the rate. It trains the whole network better, to {{results.lottery_ticket.in_haste.dense_accuracy:.1f}} % in place of
# {{results.lottery_ticket.dense_accuracy:.1f}} %, and its tickets match only down to
# {{results.lottery_ticket.in_haste.smallest_matching_percent:.1f}} %. How small a winner is depends on whom it must
# match.
#
# ## Measure it: is it faster?
#
# Nine of ten multiplications have a zero in them. How much faster is the network?

# %%
faster = edu.predict(
    "08.faster",
    "90 % of the weights are zero. How many times faster does the network run?",
    options=["about 10 times", "about 3 times", "not at all"],
)
faster

# %% tags=["nbval-ignore-output"]
batch = torch.rand(64, 1, 28, 28)
compared = edu.compare_latency(
    edu.pytorch_runner(model, batch, name="whole"),
    edu.pytorch_runner(pruning.make_permanent(masked), batch, name="masked"),
    blocks=30, block_ms=2,
)  # fmt: skip
assert compared.ratio < 2
compared

# %%
faster.reveal("not at all", "A dense kernel multiplies whatever stands there. Zero times x is work.")

# %% [markdown]
# The kernel does not look. To gain anything, the zeros must not be stored. **Compressed sparse rows**
# (CSR) keep three lists: the values that are not zero, row after row; the column of each; and where in
# those lists each row starts.
#
# ### Exercise 2: sparse rows (3 points)
#
# Write `to_csr(matrix)`, which returns the lists `values`, `columns` and `row_starts`. The last has one
# entry more than there are rows: the end.
#
# *Example.* `[[0, 7, 0], [1, 0, 2]]` gives `[7, 1, 2]`, `[1, 0, 2]`, `[0, 1, 3]`.


# %% exercise="ch08.csr"
def to_csr(matrix: torch.Tensor) -> tuple[list, list, list]:
    """values, columns and row_starts of a matrix [rows, columns]."""
    ### BEGIN SOLUTION
    values, columns, row_starts = [], [], [0]
    for row in matrix.tolist():
        for column, value in enumerate(row):
            if value != 0:
                values.append(value)
                columns.append(column)
        row_starts.append(len(values))
    return values, columns, row_starts
    ### END SOLUTION


# %% check="ch08.csr" points=3
edu.check("ch08.csr", to_csr)

# %% [markdown]
# A value takes 4 bytes in float32, and its column 4 more. So CSR is smaller than the dense matrix only
# when more than half of it is zero. And each nonzero fetches a row of the input from somewhere else in
# memory, where a dense kernel walks straight on. From how many zeros on is it faster?

# %%
sparse = pruning.to_csr(masked.fc1.weight.detach())
dense_bytes = 4 * masked.fc1.weight.numel()
print(f"fc1 dense {dense_bytes:,} bytes, as CSR {sparse.num_bytes():,} bytes")
csr_layer = pruning.to_csr_linear(masked.fc1)
flat = data.validation.X[:8].flatten(1)
print("same answers:", torch.allclose(csr_layer(flat), masked.fc1(flat), atol=1e-4))

# %% tags=["hide-input"]
figure = edu.plots.new_figure(9.0, 3.4)
panels = figure.subplots(1, 2)
for axes, part in zip(panels, speed["sparse"], strict=True):
    axes.plot([row["sparsity"] for row in part["rows"]], [row["csr_ms"] for row in part["rows"]],
              "o-", color=edu.plots.COMPRESSED, label="CSR, PyTorch")  # fmt: skip
    for key, label, colour in (
        ("eager_ms", "dense, PyTorch", edu.plots.MUTED),
        ("onnxruntime_ms", "dense, ONNX Runtime", edu.plots.FP32),
    ):
        axes.axhline(part["dense"][key], color=colour, ls="--", label=label)
    axes.set(yscale="log", xlabel="zeros, %", ylabel="milliseconds (log scale)", title=part["layer"])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
panels[0].legend(loc="lower left", fontsize=8)
edu.show(
    figure,
    alt="Time of a sparse product over its share of zeros, beside dense products: "
    + "; ".join(
        f"{part['layer']}: break-even with PyTorch at {part['break_even_eager'] or 0:.0f} %, with "
        f"ONNX Runtime at {part['break_even_onnxruntime'] or 0:.0f} %"
        for part in speed["sparse"]
    ),
)

# %% [markdown]
# **See:** where the orange line crosses the dashed ones. Against ONNX Runtime's dense kernel that is at
# {{results.pruning_speed.sparse.0.break_even_onnxruntime:.0f}} % zeros for the 1x1 convolution and at
# {{results.pruning_speed.sparse.1.break_even_onnxruntime:.0f}} % for the linear layer. With fewer zeros than that, the
# sparse form is the slower one, although it multiplies less.
#
# ### A pattern that hardware can use: 2 of 4
#
# Of every four neighbours two stay. Then the position is two bits, and a circuit can be built for it.
# NVIDIA's sparse tensor cores do this. On a CPU nothing happens.

# %%
mask = pruning.nm_mask(model.fc2.weight.detach(), n=2, m=4)
print(mask[0, :12].int().tolist(), "-> in each four, two stay")
print("share that stays:", mask.float().mean().item())

# %% [markdown]
# ## Take away the channel
#
# There is a way that every kernel likes: a layer with fewer channels. It is dense, and smaller. But a
# channel is made by one layer and read by the next, and both must be cut.
#
# ### Exercise 3: remove a channel (3 points)
#
# Two convolutions follow each other: `weight1` [out, in, k, k] with `bias1` [out], then `weight2`
# [out2, out, k, k]. Write `remove_channel(weight1, bias1, weight2, channel)`. Return the three tensors
# without that output channel of the first layer. Leave the arguments alone.
#
# *Hint.* The channel is a row of `weight1` and a column of `weight2`.


# %% exercise="ch08.remove"
def remove_channel(weight1, bias1, weight2, channel: int) -> tuple:
    """weight1, bias1 and weight2 without one channel between them."""
    ### BEGIN SOLUTION
    stay = [i for i in range(len(weight1)) if i != channel]
    return weight1[stay], bias1[stay], weight2[:, stay]
    ### END SOLUTION


# %% check="ch08.remove" points=3
edu.check("ch08.remove", remove_channel)

# %% [markdown]
# In a network with skip connections it is harder. What is added must have the same channels on both
# sides, so that they go **together**. What is concatenated moves up. Who depends on whom? The kit runs
# the network once with *numbers in place of values*: a convolution makes new numbers, an addition ties
# the two sides, a concatenation puts them in a row. What carries the same numbers is one group.

# %%
torch.manual_seed(0)
small_road = RoadNet(["segmentation"], width=0.25).eval()
image = torch.rand(1, 3, 64, 64)
graph = pruning.trace_channels(small_road, image)
for group in graph.groups[:4]:
    print(group)
print("... and", len(graph.groups) - 4, "groups more")

# %% [markdown]
# Read the third line: three layers make its channels, since two of them are added to what the third
# made. A plan says what would go. Zeroed and removed must give the same answer.

# %%
plan = pruning.plan_channels(small_road, image, ratio=0.5)
zeroed = pruning.zero_channels(small_road, plan)
removed = pruning.remove_channels(small_road, plan)
with torch.no_grad():
    outputs = [network(image)["segmentation"] for network in (zeroed, removed)]
print("same output to 1e-5:", torch.allclose(*outputs, atol=1e-5))
for name, network in (("whole", small_road), ("zeroed", zeroed), ("removed", removed)):
    cost = edu.count_cost(network, tuple(image.shape))
    print(f"{name:8s} {cost.params:9,} parameters {cost.macs:12,} MACs")

# %% [markdown]
# ## The ladder
#
# One network, four states: whole; 75 % of its weights masked; half its channels set to zero; the same
# channels removed. The last three all keep about a quarter of the weights.

# %%
ladder_guess = edu.predict(
    "08.ladder",
    "Which of the three is faster than the whole network?",
    options=["all three", "zeroed and removed channels", "removed channels alone"],
)
ladder_guess

# %% tags=["hide-input"]
figure = edu.plots.new_figure(9.0, 3.4)
panels = figure.subplots(1, 2, sharey=True)
RUNGS = {"masked": edu.plots.MUTED, "zeroed": edu.plots.ACCENT, "removed": edu.plots.COMPRESSED}
LADDER = {(row["rung"], row["batch"], row["threads"]): row["onnxruntime_ms"] for row in speed["ladder"]}
batches = sorted({row["batch"] for row in speed["ladder"]})
for axes, threads in zip(panels, sorted({row["threads"] for row in speed["ladder"]}), strict=False):
    for rung, colour in RUNGS.items():
        gains = [LADDER["whole", b, threads] / LADDER[rung, b, threads] for b in batches]
        axes.plot(batches, gains, "o-", color=colour, label=rung)
    axes.axhline(1, color=edu.plots.GRID)
    axes.set(xscale="log", xlabel="batch (log scale)", title=f"threads: {threads}")
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.minorticks_off()
    axes.set_ylim(0, None)
panels[0].set_ylabel("times faster than whole")
panels[0].legend()
edu.show(
    figure,
    alt="How many times faster than the whole network, by batch: masked and zeroed about 1, removed "
    f"{LADDER['whole', 1, 1] / LADDER['removed', 1, 1]:.1f} at batch 1 on one thread.",
)

# %%
ladder_guess.reveal("removed channels alone", "Zeros are multiplied like any number.")

# %% [markdown]
# **See:** two lines lie on 1, at every batch. The third is where the milliseconds are.
#
# ## The staircase
#
# A processor works on 8 or 16 channels at a time. A layer of 63 channels is a layer of 64 with one lane
# idle, or worse: it takes a slower path.

# %% tags=["hide-input"]
figure = edu.plots.new_figure(7.6, 3.2)
axes = figure.subplots()
widths = [row["channels"] for row in speed["staircase"]]
times = [row["onnxruntime_ms"] for row in speed["staircase"]]
axes.plot(widths, times, "-", color=edu.plots.GRID, zorder=0)
for width, ms in zip(widths, times, strict=True):
    axes.plot(width, ms, "o", color=edu.plots.GOOD if width % 16 == 0 else edu.plots.FP32)
axes.set(xlabel="channels of three 3x3 convolutions", ylabel="milliseconds")
axes.set_ylim(0, None)
STEPS = dict(zip(widths, times, strict=True))
edu.show(
    figure,
    alt=f"Time over channels, in steps: 63 channels take {STEPS[63]:.2f} ms, 64 take {STEPS[64]:.2f} "
    f"ms, 65 take {STEPS[65]:.2f} ms.",
)

# %% [markdown]
# **See:** the green dots are multiples of 16. Compare 63, 64 and 65.
#
# ### Exercise 4: widths that processors like (2 points)
#
# Of `channels` channels a `share` is wanted. Write `rounded_width(channels, share, multiple_of)`: the
# next multiple at or above what is wanted, one multiple at least, and never more than there are.


# %% exercise="ch08.width"
def rounded_width(channels: int, share: float, multiple_of: int) -> int:
    """How many channels stay."""
    ### BEGIN SOLUTION
    wanted = -(-channels * share // multiple_of) * multiple_of
    return min(channels, max(multiple_of, int(wanted)))
    ### END SOLUTION


# %% check="ch08.width" points=2
edu.check("ch08.width", rounded_width)

# %% [markdown]
# ## A network that reads roads
#
# The heavy road network of chapter 12 reads what is where, with
# {{results.channel_pruning.heavy_miou:.1f}} % mean IoU. The study `studies/channel_pruning.py` removes
# channels, in multiples of 16, until less than a quarter of its MACs is left, and trains what is left on its labels
# and on the heavy network's answers (chapter 11). Torch-Pruning gets as many MACs and the same
# training.

# %%
print(f"MACs           {road['mac_gain']:.2f} times fewer")
print(f"milliseconds   {road['p50_gain']:.2f} times fewer (p50, ONNX Runtime, one thread)")
print(f"of the promise {road['conversion_efficiency']:.0f} % became time")
print(f"mean IoU       {road['miou_change_points']:+.2f} points, seeds: {road['seeds']}")
theirs = road["torch_pruning"]
print(f"Torch-Pruning  {theirs['miou_change_points']:+.2f} points at {theirs['mac_gain']:.2f} times")

# %% [markdown]
# ## Explore: when do zeros save bytes?
#
# Choose how many bits a position takes. CSR spends 32. A mask spends one bit for every weight, zero or
# not.


# %% tags=["hide-input"]
def stored_bytes(position_bits: int, value_bits: int):
    """Bytes of a layer over its sparsity, beside the dense layer and a mask of bits."""
    figure = edu.plots.new_figure(6.4, 3.0)
    axes = figure.subplots()
    zeros = list(range(0, 100))
    positions = [(1 - z / 100) * (value_bits + position_bits) / value_bits * 100 for z in zeros]
    mask = [(1 - z / 100) * 100 + 100 / value_bits for z in zeros]
    axes.plot(zeros, positions, color=edu.plots.COMPRESSED, label="values and positions")
    axes.plot(zeros, mask, color=edu.plots.ACCENT, label="values and a mask")
    axes.axhline(100, color=edu.plots.FP32, ls="--", label="dense")
    axes.set(xlabel="zeros, %", ylabel="bytes, % of dense")
    axes.legend(loc="lower left", fontsize=8)
    even = 100 * position_bits / (value_bits + position_bits)
    return figure, f"Positions of {position_bits} bits, values of {value_bits}: even at {even:.0f} % zeros."


edu.Explorer(stored_bytes, position_bits=(4, 32, 4, 32), value_bits=(4, 32, 4, 32))

# %% [markdown]
# ## Where pruning does not help
#
# - **Zeros in a dense kernel.** No time, no memory, and the file shrinks only if something packs it
#   (chapter 10).
# - **A layer that waits for bytes of its images.** Fewer weights change nothing there.
# - **A network that is already lean.** A MobileNet has few channels to spare.
# - **Shared weights and channels picked by number.** `prune_channels` says which layer, and stops.
# - **A better small network.** A network built small and trained long is the rival to beat, every time.

# %%
class Twice(nn.Module):
    """One layer used two times: its channels cannot go for one use alone."""

    def __init__(self):
        super().__init__()
        self.start, self.again = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, X):
        return self.again(self.again(self.start(X)))


try:
    pruning.prune_channels(Twice(), torch.rand(1, 3, 8, 8), ratio=0.5)
except ValueError as error:
    print(error)

# %% [markdown]
# ## Claims

# %%
edu.claims_table([
    edu.claim(
        "Frankle, Carbin 2019, section 2", "LeNet-300-100 matches itself down to 3.6 % of its weights",
        3.6, 100 * tickets["smallest_matching_share"], "lower", tolerance=0, partly_tolerance=10,
        unit="%",
    ),
    edu.claim(
        "Frankle, Carbin 2019, section 2", "the same mask on other random weights does worse",
        0.1, tickets["reinit_gap_points"], "higher", tolerance=0, unit="points",
    ),
    edu.claim(
        "this kit", "4 times less p50 for the heavy road network by removing channels",
        4, road["p50_gain"], "higher", tolerance=0, partly_tolerance=1, unit="times",
    ),
    edu.claim(
        "this kit", "at 0.5 points of mean IoU or less",
        -0.5, road["miou_change_points"], "higher", tolerance=0, partly_tolerance=0.5, unit="points",
    ),
    edu.claim(
        "this kit", "at least 80 % of the MAC gain becomes time",
        80, road["conversion_efficiency"], "higher", tolerance=0, partly_tolerance=20, unit="%",
    ),
])  # fmt: skip

# %% [markdown]
# ## The ledger

# %% tags=["nbval-ignore-output"]
edu.ledger(upto="08")

# %% [markdown]
# ## Key points
#
# - Most weights can go, if the network may train again. Small magnitude is a good guess at which.
# - A masked network is as slow as a whole one. A dense kernel does not look.
# - Sparse kernels need many zeros before they win, and the better the dense kernel, the more.
# - A removed channel is dense and small: its MACs become milliseconds, in multiples of 16.
# - Channels that are added together go together. Zeroed and removed must answer alike.
#
# **Terms.**
#
# - *Sparsity*: share of the weights that are zero. *Mask*: which of them stay.
# - *Structured* pruning removes whole channels, *unstructured* single weights. *N:M*: N of M stay.
# - *Recovery*: training after pruning. *Winning ticket*: a small part of a fresh network that trains as
#   well as the whole.
# - *CSR*: compressed sparse rows. *Break-even*: the sparsity from which a sparse kernel is faster.
# - *Conversion efficiency*: gain in time over gain in MACs.
#
# **References.**
#
# - Y. LeCun, J. Denker, S. Solla, "Optimal brain damage", NIPS 1990.
# - S. Han, J. Pool, J. Tran, W. Dally, "Learning both weights and connections for efficient neural
#   networks", NIPS 2015.
# - J. Frankle, M. Carbin, "The lottery ticket hypothesis", ICLR 2019.
# - N. Lee, T. Ajanthan, P. Torr, "SNIP: single-shot network pruning based on connection sensitivity",
#   ICLR 2019.
# - V. Sanh, T. Wolf, A. Rush, "Movement pruning", NeurIPS 2020.
# - P. Molchanov et al., "Importance estimation for neural network pruning", CVPR 2019.
# - G. Fang et al., "DepGraph: towards any structural pruning", CVPR 2023.
# - A. Mishra et al., "Accelerating sparse deep neural networks", 2021.
#
# **Next.** [09 Quantization](09_quantization.ipynb): the weights that stay, in fewer bits.
