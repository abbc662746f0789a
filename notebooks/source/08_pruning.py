# %% [markdown]
# # Pruning: nine weights of ten can go
#
# **Question.** I set nine of ten weights to zero and train a little more, and the network answers
# nearly as before. What have I gained: bytes, milliseconds, or neither?
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
import textwrap

import torch
from torch import nn

import classroom
import edu_lib as edu
from edu_lib.models.lenet import LeNet300100
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques import pruning

torch.set_num_threads(1)
classroom.plots.use_house_style()
data = edu.mnist()
speed = edu.load_result("pruning_speed")
tickets = edu.load_result("lottery_ticket")
road = edu.load_result("channel_pruning")

# %% [markdown]
# ## The story: networks are too large on purpose
#
# A network with many weights is easier to train than a small one. After the training most of them
# hardly matter. LeCun, Denker and Solla asked in 1990 which ones can go, and called it *optimal
# brain damage*. In 2015 Han and his colleagues took the plainest rule there is: small weights go.
# They kept the error of LeNet-300-100 at {{published.pruning.han_2015.error_lenet_300_100}} % with
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

# %% tags=["hide-input"] slide="Most weights are close to zero"
figure = classroom.plots.new_figure(7.6, 2.9)
axes = figure.subplots()
weights = model.fc1.weight.detach().flatten()
axes.hist(weights.numpy(), bins=120, range=(-0.2, 0.2), color=classroom.plots.FP32)
limit = weights.abs().quantile(0.9).item()
for edge in (-limit, limit):
    axes.axvline(edge, color=classroom.plots.COMPRESSED, lw=2)
axes.annotate(
    "nine of ten weights lie\nbetween the two lines", (limit, 1), (8, -4),
    xycoords=("data", "axes fraction"), va="top", textcoords="offset points",
    color=classroom.plots.COMPRESSED, fontweight="bold",
    bbox={"facecolor": "white", "edgecolor": "none"},
)  # fmt: skip
axes.set(xlabel="weight of the first layer", ylabel="how many")
classroom.show(
    figure,
    alt="Histogram of the first layer's weights: a narrow heap about zero; nine of ten lie between "
    "two orange lines.",
    text="Histogram of the first layer's weights, with lines about nine of ten.",
)

# %% [markdown]
# **See:** between the orange lines lie nine of ten weights. What is outside does most of the work,
# or so the rule says.
#
# There are two things one can take away: single weights, or whole channels.

# %%
classroom.plots.draw_pruning()

# %% [markdown]
# **See:** zeros leave the matrix as large as it was; this is **unstructured pruning**. Without a
# row and a column the matrix is smaller; this is **structured pruning**. We begin with the zeros.
#
# ## Build it: a mask
#
# A **mask** is a tensor of the weight's shape, True where a weight stays. *Sparsity* is the share
# of weights that go.
#
# ### Exercise 1: the mask of the smallest magnitudes (2 points, 10 minutes)
#
# Write `magnitude_mask(weight, sparsity)`. Exactly `round(sparsity * size)` entries are False,
# those where the magnitude of the weight is smallest.
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
classroom.check("ch08.mask", magnitude_mask)

# %% [markdown]
# ### Train with a mask
#
# The optimiser would move a zero away at its next step. So the mask must stand between the stored
# weight and its use: `used = stored * mask`. Then the gradient of a pruned weight is zero too.
#
# ### Exercise 2: a masked step (2 points, 10 minutes)
#
# A linear layer without a bias answers `X @ (weight * mask).T` for X [N, in] and a weight [out,
# in]. Its loss is the mean of all squares of the differences to y [N, out]. Write
# `masked_step(weight, mask, X, y, lr)`, which returns the *stored* weight after one step against
# the gradient.
#
# *Example.* Where the mask is False, the weight comes back as it was.
#
# *Hint.* Let autograd do it: a clone of `weight` with `requires_grad_()`. Apply the mask inside the
# loss.


# %% exercise="ch08.masked_step"
def masked_step(weight, mask, X, y, lr: float) -> torch.Tensor:
    """The stored weight [out, in] after one step of gradient descent."""
    ### BEGIN SOLUTION
    stored = weight.clone().requires_grad_()
    loss = (X @ (stored * mask).T - y).square().mean()
    (gradient,) = torch.autograd.grad(loss, stored)
    return (stored - lr * gradient).detach()
    ### END SOLUTION


# %% check="ch08.masked_step" points=2
classroom.check("ch08.masked_step", masked_step)

# %% [markdown]
# Before you see it, guess.

# %%
loss_of_pruning = classroom.predict(
    "08.loss",
    "90 % of the weights are set to zero, with no training after. What happens to the accuracy?",
    options=["it falls below 50 %", "it loses 1 to 50 points", "it loses less than 1 point"],
)
loss_of_pruning

# %% [markdown]
# Here is a whole training of three layers with masks, in plain sight. Weights and biases are a
# list; the one thing that is new is `W * mask`.


# %%
def answer(X, layers, masks):
    """Logits of 784-300-100-10 from its (weight, bias) pairs, masked."""
    X = X.flatten(1)
    for number, ((W, b), mask) in enumerate(zip(layers, masks, strict=True)):
        X = X @ (W * mask).T + b
        X = X.relu() if number < len(layers) - 1 else X
    return X


def train_masked(first, masks, num_steps=500, lr=0.3, seed=0):
    """Plain gradient descent from the weights `first`; returns the trained pairs."""
    layers = [(W.clone().requires_grad_(), b.clone().requires_grad_()) for W, b in first]
    generator = torch.Generator().manual_seed(seed)
    for _ in range(num_steps):
        some = torch.randint(len(data.fit.y), (100,), generator=generator)
        loss = nn.functional.cross_entropy(
            answer(data.fit.X[some], layers, masks), data.fit.y[some]
        )
        values = [value for pair in layers for value in pair]
        for value, gradient in zip(values, torch.autograd.grad(loss, values), strict=True):
            value.data -= lr * gradient
    return [(W.detach(), b.detach()) for W, b in layers]


def right(layers, masks) -> float:
    """Percent of the validation images."""
    return 100 * float(
        (answer(data.validation.X, layers, masks).argmax(1) == data.validation.y).float().mean()
    )


# %% tags=["nbval-ignore-output"]
torch.manual_seed(2)
untrained = LeNet300100()
first = [
    (layer.weight.detach(), layer.bias.detach())
    for layer in (untrained.fc1, untrained.fc2, untrained.fc3)
]
everything = [torch.ones_like(W, dtype=torch.bool) for W, _ in first]
dense = train_masked(first, everything)
cut = [magnitude_mask(W, 0.9) for W, _ in dense]
mended = train_masked(dense, cut, num_steps=200, lr=0.1)
print(
    f"trained {right(dense, everything):.1f} %, masked {right(dense, cut):.1f} %, fine-tuned "
    f"{right(mended, cut):.1f} %"
)
assert all(
    torch.equal(W[~mask], V[~mask]) for (W, _), (V, _), mask in zip(mended, dense, cut, strict=True)
)
assert right(mended, cut) > right(dense, cut)

# %% [markdown]
# Training after pruning is called **fine-tuning**. The masked weights did not move by a bit: the
# cell asserts it. This is a short training by plain gradient descent; your guess is judged below,
# on the better trained network above.
#
# `pruning.prune` puts masks into a whole network. Nothing happens to the model that you give it.
# Read on in `edu_lib/techniques/pruning/unstructured.py`, in `masks.py` beside it (`with_masks`
# puts masks of your own on) and in `criteria.py`: `magnitude_scores` is |w|, `lamp_scores` compares
# across layers (Lee et al. 2021).

# %%
masked = pruning.prune(model, 0.9)
print("sparsity of the copy ", round(pruning.sparsity_of(masked), 4))
print("of the model itself  ", pruning.sparsity_of(model))
masks = pruning.masks_of(masked)
print("masks:", {name: tuple(mask.shape) for name, mask in masks.items()})
print(f"weights that stay: {sum(int(mask.sum()) for mask in masks.values()):,}")

# %% tags=["nbval-ignore-output"]
for name, mask in masks.items():
    print(
        f"{name}: {int(mask.sum()):6,} of {mask.numel():7,} stay, {100 * mask.float().mean():4.1f} "
        "%"
    )
assert masks["fc1"].float().mean() < masks["fc3"].float().mean()

# %% [markdown]
# **One threshold or one share?** Above, one threshold was laid through all layers, so that each
# keeps what is large in it. `scope="layer"` takes the same share from each. Which loses less? And
# what does a short training afterwards repair?

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
fallen, left = (
    whole_accuracy - curves[name][3] for name in ("one threshold", "one threshold, one epoch more")
)
assert 1 < fallen < 40
assert left < fallen / 2
print(f"At 90 % zeros it lost {fallen:.1f} points; after one more epoch {left:.1f} are missing.")

# %% tags=["hide-input"] slide="Pruning breaks, training mends" tour=2
figure = classroom.plots.new_figure(7.6, 3.4)
axes = figure.subplots()
COLOURS = (classroom.plots.FP32, classroom.plots.MUTED, classroom.plots.COMPRESSED)
for (label, values), colour in zip(curves.items(), COLOURS, strict=True):
    axes.plot([100 * s for s in SPARSITIES], values, "o-", color=colour, label=label)
axes.axhline(whole_accuracy, color=classroom.plots.GOOD, ls=":", label="whole network")
axes.set(xlabel="weights that are zero, %", ylabel="validation accuracy, %")
axes.legend(loc="lower left")
classroom.show(
    figure,
    alt="Accuracy over sparsity: "
    + "; ".join(f"{label} {values[3]:.1f} % at 90 % zeros" for label, values in curves.items()),
    text="Accuracy over sparsity, by threshold, by layer, and with an epoch of training after.",
)

# %%
loss_of_pruning.reveal(
    "it loses 1 to 50 points",
    "One more epoch of training gave most of them back: the printed line has the numbers.",
)

# %% [markdown]
# **See:** the same share from each layer loses more than one threshold. Then the orange line:
# pruning breaks, and fine-tuning mends. How much of that is mending, and how much is one epoch
# more? This figure cannot say: the whole network had no such epoch. (Chapter 09 has that control.)
# More is kept when you prune little by little with training in between, which is **iterative
# pruning**: `prune_in_steps` with the schedules `geometric` and `cubic`.
#
# ### Which layer can spare most?
#
# Prune one layer at a time, leave the others whole, and look. This is a **sensitivity scan**, and
# it costs no training at all.

# %% tags=["nbval-ignore-output"]
scan = {
    name: [accuracy(pruning.prune(model, {name: sparsity})) for sparsity in SPARSITIES]
    for name in ("fc1", "fc2", "fc3")
}
for name, values in scan.items():
    print(
        f"{name}: "
        + "  ".join(
            f"{100 * s:.0f} % zeros {v:.1f} %" for s, v in zip(SPARSITIES, values, strict=True)
        )
    )
assert scan["fc1"][3] > whole_accuracy - 5

# %% tags=["hide-input", "nbval-ignore-output"]
figure = classroom.plots.new_figure(7.6, 3.0)
axes = figure.subplots()
for (name, values), colour in zip(scan.items(), COLOURS, strict=True):
    size = getattr(model, name).weight.numel()
    axes.plot(
        [100 * s for s in SPARSITIES], values, "o-", color=colour, label=f"{name}, {size:,} weights"
    )
axes.axhline(whole_accuracy, color=classroom.plots.GOOD, ls=":", label="whole network")
axes.set(xlabel="zeros in this layer alone, %", ylabel="validation accuracy, %")
axes.legend(loc="lower left")
classroom.show(
    figure,
    alt="Accuracy over the share of zeros in one layer, the other two whole, a line for each "
    "layer.",
)

# %% [markdown]
# **See:** which line bends first. Give that layer a smaller share:
# `pruning.prune(model, {"fc1": 0.95, "fc3": 0.5})` takes a share for each layer.
#
# Magnitude is one criterion of several. **SNIP** asks the gradient before any training: how much
# would the loss feel this weight's absence, `|w dL/dw|`? **Movement** asks the training: is this
# weight being pulled to zero? The kit has the first two, and SNIP is checked against autograd.

# %%
X, y = data.fit.X[:256], data.fit.y[:256]
torch.manual_seed(1)
fresh = LeNet300100()
snip = pruning.gradient_scores(fresh, lambda network: nn.functional.cross_entropy(network(X), y))
total = sum(scores.sum().item() for scores in snip.values())
print("the scores of all layers sum to", round(total, 3))
by_pixel = snip["fc1"].sum(0).reshape(28, 28)
border = by_pixel.sum() - by_pixel[1:-1, 1:-1].sum()
print(
    "the outermost ring of pixels matters less than average:", bool(border / 108 < by_pixel.mean())
)

# %% [markdown]
# ## The lottery ticket
#
# A pruned network trains badly from new random weights. So people believed that one must train
# large and prune afterwards. In 2019 Frankle and Carbin set the surviving weights back to **their
# own first values** and trained again. It worked: somewhere in the large fresh network a small one
# had been waiting that trains as well. They call it a winning ticket. LeNet-300-100 matches itself
# down to {{published.pruning.lottery_ticket.matches_down_to_percent}} % of its weights.
#
#     train -> prune the smallest -> set the rest back to the start -> train -> ...
#
# ### Exercise 3: one round (3 points, 15 minutes)
#
# Write `next_ticket(first, trained, mask, share)` for one layer: of the weights that `mask` keeps,
# the `share` with the smallest trained magnitude goes (`round(share * number that stay)` of them).
# Return the new mask, and the weight for the next round: the *first* values where the new mask is
# True, 0 elsewhere.
#
# *Hint.* What is masked already must not count among the smallest: give it an infinite magnitude
# before you sort.


# %% exercise="ch08.ticket"
def next_ticket(first, trained, mask, share: float) -> tuple:
    """The smaller mask, and the weight set back to the start."""
    ### BEGIN SOLUTION
    num_gone = round(share * int(mask.sum()))
    size = trained.abs().masked_fill(~mask, torch.inf)
    smaller = mask.flatten().clone()
    smaller[size.flatten().argsort()[:num_gone]] = False
    smaller = smaller.reshape(mask.shape)
    return smaller, first * smaller
    ### END SOLUTION


# %% check="ch08.ticket" points=3
classroom.check("ch08.ticket", next_ticket)

# %% [markdown]
# Two rounds with your function: train, prune half, set back, train. The control is what makes it a
# finding: the same masks on *other* random weights.

# %% tags=["nbval-ignore-output"]
masks, trained = everything, dense
for turn in (1, 2):
    pairs = [
        next_ticket(W, V, mask, 0.5)
        for (W, _), (V, _), mask in zip(first, trained, masks, strict=True)
    ]
    masks = [mask for mask, _ in pairs]
    rewound = [(W, b) for (_, W), (_, b) in zip(pairs, first, strict=True)]
    trained = train_masked(rewound, masks)
    print(
        f"round {turn}: {100 * masks[0].float().mean():.0f} % of fc1 stay, "
        f"{right(trained, masks):.1f} %"
    )
torch.manual_seed(3)
other = LeNet300100()
others = [
    (layer.weight.detach(), layer.bias.detach()) for layer in (other.fc1, other.fc2, other.fc3)
]
print(f"control: the same masks, other weights: {right(train_masked(others, masks), masks):.1f} %")
print(f"whole:   {right(dense, everything):.1f} %")
assert all(not W[~mask].any() for (W, _), mask in zip(rewound, masks, strict=True))

# %% [markdown]
# The ticket learns what the whole network learned, with a quarter of its weights. The control has
# as many, and lags behind. This is one seed and a short training, so the size of the gap proves
# nothing. The study goes on for ten rounds, with five seeds.

# %% tags=["hide-input"]
hasty, higher = tickets["in_haste"], tickets["higher_rate"]
BARS = {"fmt": "o-", "capsize": 3, "lw": 1.5, "ms": 5}


def errors_of_means(recipe: dict) -> list[float]:
    """One standard error of each point: deviation over the seeds, by the root of their number."""
    rounds = torch.tensor([run["ticket"] for run in recipe["runs"]])
    return (rounds.std(dim=0) / len(rounds) ** 0.5).tolist()


# %% tags=["hide-input"] slide="A lottery ticket: small, and as good"
figure = classroom.plots.new_figure(8.2, 4.0)
axes = figure.subplots()
for recipe, colour, name in ((tickets, classroom.plots.COMPRESSED, "ticket, the paper's rate"),
                             (higher, classroom.plots.FP32, "ticket, six epochs, twice the rate"),
                             (hasty, classroom.plots.ACCENT, "ticket, six epochs")):  # fmt: skip
    below = [each - recipe["dense_accuracy"] for each in recipe["ticket_accuracies"]]
    left = [100 * share for share in recipe["shares"]]
    axes.errorbar(left, below, errors_of_means(recipe), color=colour, label=name, **BARS)
below = [each - tickets["dense_accuracy"] for each in tickets["control_accuracies"]]
axes.plot([100 * share for share in tickets["control_shares"]], below, "s--",
          color=classroom.plots.MUTED,
          label="the paper's rate, same mask, other weights")  # fmt: skip
axes.axhline(0, color=classroom.plots.GOOD, ls=":")
axes.axhline(-0.1, color=classroom.plots.INK, ls="--", lw=1)
axes.annotate("0.1 points below", (115, -0.1), (0, -3), va="top", textcoords="offset points")
axes.set(xscale="log", xlabel="weights left, % (log scale)")
axes.set_ylabel("test accuracy, points\nabove the whole network")
axes.xaxis.set_major_formatter("{x:g}")
axes.invert_xaxis()
axes.legend(loc="lower left", fontsize=9)
classroom.show(
    figure, alt="Test accuracy against the whole network's over the share of weights left, mean of "
    f"{tickets['seeds']} seeds with one standard error. By the paper's rate the ticket matches "
    f"down to {tickets['smallest_matching_percent']:.1f} %, in six epochs to "
    f"{hasty['smallest_matching_percent']:.1f}, at twice the rate to "
    f"{higher['smallest_matching_percent']:.1f}.",
)

# %%
for name, recipe in (
    ("the paper's rate", tickets),
    ("six epochs, twice the rate", higher),
    ("six epochs", hasty),
):
    print(f"{name:27s} whole {recipe['dense_accuracy']:.2f} %, standard error "
          f"{errors_of_means(recipe)[0]:.2f}; within 0.1 points down to "
          f"{recipe['smallest_matching_percent']:.1f} % of the weights")  # fmt: skip

# %% [markdown]
# **See:** follow the orange line to the dashed one, 0.1 points below the whole network. Down to
# {{results.lottery_ticket.smallest_matching_percent:.1f}} % of its weights the ticket is within
# these 0.1 points, by the mean of {{results.lottery_ticket.seeds}} seeds. The grey squares wear the
# same masks and fall: at {{results.lottery_ticket.reinit_gap_percent:.1f}} % they are
# {{results.lottery_ticket.reinit_gap_points:.1f}} points below.
#
# How sure is that? The bars show one standard error. For the paper's rate the whole network's own
# mean is not known better than the 0.1 points that are allowed. So *which* share is the last that
# matches is undecided by one round. That the next round falls, and that the control falls, is far
# outside the bars.
#
# The recipe is the paper's but for two things: of its 50,000 steps ours takes the first
# {{results.lottery_ticket.recipe.num_steps:,}}, and a round takes
# {{results.lottery_ticket.recipe.pruned_each_round.fc1:.0%}} of the weights, the paper's 20 %. The
# two other lines are six epochs with one cycle of the rate. They train the whole network better, to
# {{results.lottery_ticket.in_haste.dense_accuracy:.1f}} and
# {{results.lottery_ticket.higher_rate.dense_accuracy:.1f}} % instead of
# {{results.lottery_ticket.dense_accuracy:.1f}} %, and their tickets match only down to
# {{results.lottery_ticket.in_haste.smallest_matching_percent:.1f}} and
# {{results.lottery_ticket.higher_rate.smallest_matching_percent:.1f}} %. How small a winning ticket
# is depends on how good the network is that it must match.
#
# ## Measure it: is it faster?
#
# Nine of ten multiplications have a zero in them. How much faster is the network?

# %% tour=2
faster = classroom.predict(
    "08.faster",
    "90 % of the weights are zero. How many times faster does the network run?",
    options=["about 10 times", "about 3 times", "not at all"],
)
faster

# %% tags=["nbval-ignore-output"]
batch = torch.rand(64, 1, 28, 28)
compared = edu.compare_latency(
    edu.pytorch_runner(model, batch, name="whole"),
    edu.pytorch_runner(edu.to_plain(masked), batch, name="masked"),
    blocks=30, block_ms=2,
)  # fmt: skip
compared

# %%
faster.reveal(
    "not at all", "A dense kernel multiplies whatever stands there. Zero times x is work."
)

# %% [markdown]
# The kernel does not look. To gain anything, the zeros must not be stored. **Compressed sparse
# rows** (CSR) keep three lists: the values that are not zero, row after row; the column of each;
# and where in those lists each row starts.
#
# ### Exercise 4: sparse rows (3 points, 15 minutes)
#
# Write `to_csr(matrix)`, which returns the lists `values`, `columns` and `row_starts`. The last has
# one entry more than there are rows: the end.
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
classroom.check("ch08.csr", to_csr)

# %% [markdown]
# A value takes 4 bytes in float32, and its column 4 more. So CSR is smaller than the dense matrix
# only when more than half of it is zero. And each nonzero fetches a row of the input from somewhere
# else in memory, where a dense kernel walks straight on: `csr_matmul` in
# `edu_lib/techniques/pruning/masks.py` has that walk. From how many zeros on is it faster?

# %%
tenth = pruning.prune(model, 0.9, scope="layer").fc1  # exactly one weight in ten stays
sparse = pruning.to_csr(tenth.weight.detach())
dense_bytes = 4 * tenth.weight.numel()
print(f"fc1 dense {dense_bytes:,} bytes, as CSR {sparse.num_bytes():,} bytes")
csr_layer = pruning.to_csr_linear(tenth)
flat = data.validation.X[:8].flatten(1)
print("same answers:", torch.allclose(csr_layer(flat), tenth(flat), atol=1e-4))

# %% tags=["hide-input"] slide="From how many zeros on is sparse faster?"
figure = classroom.plots.new_figure(9.0, 3.4)
panels = figure.subplots(1, 2)
for axes, part in zip(panels, speed["sparse"], strict=True):
    axes.plot([row["sparsity"] for row in part["rows"]], [row["csr_ms"] for row in part["rows"]],
              "o-", color=classroom.plots.COMPRESSED, label="CSR, PyTorch")  # fmt: skip
    for key, label, colour in (
        ("eager_ms", "dense, PyTorch", classroom.plots.MUTED),
        ("onnxruntime_ms", "dense, ONNX Runtime", classroom.plots.FP32),
    ):
        axes.axhline(part["dense"][key], color=colour, ls="--", label=label)
    axes.set(
        yscale="log", xlabel="zeros, %", ylabel="milliseconds (log scale)", title=part["layer"]
    )
    low, high = axes.get_ylim()
    axes.set_yticks([ms for ms in (0.1, 0.2, 0.5, 1, 2, 5, 10) if low < ms < high])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
panels[0].legend(loc="lower left", fontsize=8)
classroom.show(
    figure,
    alt="Time of a sparse product over its share of zeros, beside dense products: "
    + "; ".join(
        f"{part['layer']}: break-even with PyTorch at {part['break_even_eager'] or 0:.0f} %, with "
        f"ONNX Runtime at {part['break_even_onnxruntime'] or 0:.0f} %"
        for part in speed["sparse"]
    ),
)

# %% [markdown]
# **See:** where the orange line crosses the dashed ones. Against ONNX Runtime's dense kernel that
# is at {{results.pruning_speed.sparse.0.break_even_onnxruntime:.0f}} % zeros for the 1x1
# convolution and at {{results.pruning_speed.sparse.1.break_even_onnxruntime:.0f}} % for the linear
# layer. With fewer zeros than that, the sparse form is the slower one, although it multiplies less.
#
# ### A pattern that hardware can use: 2 of 4
#
# Of every four neighbours two stay. Then the position is two bits, and a circuit can be built for
# it. NVIDIA's sparse tensor cores do this. On a CPU nothing happens.

# %%
row = torch.tensor([[0.875, -0.125, 0.25, -0.75, 0.375, 0.125, -0.5, 0.625]])
print(row[0].tolist())
print(pruning.nm_mask(row, n=2, m=4)[0].int().tolist(), "-> in each four, two stay")
mask = pruning.nm_mask(model.fc2.weight.detach(), n=2, m=4)
print("share of fc2 that stays:", mask.float().mean().item())

# %% [markdown]
# ## Take away the channel
#
# Now whole channels. A road network goes through four states: whole; 75 % of its weights masked;
# half its channels set to zero; the same channels removed, so that the layers are smaller. The last
# three all keep about a quarter of the weights.

# %%
ladder_guess = classroom.predict(
    "08.ladder",
    "Which of the three is faster than the whole network?",
    options=["all three", "zeroed and removed channels", "removed channels alone"],
)
ladder_guess

# %% [markdown]
# A channel is made by one layer and read by the next. To remove it, both must be cut.
#
# ### Exercise 5: remove a channel (3 points, 15 minutes)
#
# Two convolutions follow each other: `weight1` [out, in, k, k] with `bias1` [out], then `weight2`
# [out2, out, k, k]. Write `remove_channel(weight1, bias1, weight2, channel)`. Return the three
# tensors without that output channel of the first layer. Leave the arguments alone.
#
# *Hint.* Which dimension of `weight1` counts what the layer makes? Which one of `weight2` counts
# what it reads?


# %% exercise="ch08.remove"
def remove_channel(weight1, bias1, weight2, channel: int) -> tuple:
    """weight1, bias1 and weight2 without one channel between them."""
    ### BEGIN SOLUTION
    stay = [i for i in range(len(weight1)) if i != channel]
    return weight1[stay], bias1[stay], weight2[:, stay]
    ### END SOLUTION


# %% check="ch08.remove" points=3
classroom.check("ch08.remove", remove_channel)

# %% [markdown]
# In a network with skip connections it is harder. What is added must have the same channels on both
# sides, so that they go **together**. What is concatenated moves up. Who depends on whom? The kit
# runs the network once with *labels that travel with each channel* instead of values: a convolution
# makes new numbers, an addition ties the two sides, a concatenation puts them in a row. What
# carries the same numbers is one group. The rule of each operation stands in
# `edu_lib/techniques/pruning/channel_rules.py`.

# %%
torch.manual_seed(0)
small_road = RoadNet(["segmentation"], width=0.25).eval()
image = torch.rand(1, 3, 64, 64)
graph = pruning.trace_channels(small_road, image)
for group in graph.groups[:4]:
    print(textwrap.fill(str(group), 92, subsequent_indent="    ", break_long_words=False))
print("... and", len(graph.groups) - 4, "groups more")

# %% [markdown]
# Read the third group: three layers make its channels, since two of them are added to what the
# third made. A plan says what would go. Zeroed and removed must give the same answer. Plan and
# removal stand in `edu_lib/techniques/pruning/channels.py`.
#
# ### Which channels go?
#
# A **criterion** scores each channel, and the lowest go. `l1_scores` adds up |w| (Li et al. 2017).
# `batchnorm_scores` reads |gamma| (Liu et al. 2017). `taylor_scores` asks what the loss would feel
# (Molchanov et al. 2019): put a gate z = 1 on each channel, and take (dL/dz)^2. `channel_scores` in
# `channel_choice.py` has all three. The road study below uses the Taylor criterion, compared within
# each group.
#
# ### Exercise 6: what the loss feels (2 points, 10 minutes)
#
# A gate z_c multiplies channel c, which a convolution with `weight` [D, C, k, k] reads. By the
# chain rule, dL/dz_c is the sum of `weight * gradient` over all weights that read channel c, where
# `gradient` is dL/dweight. Write `gate_scores(weight, gradient)`: the squares (dL/dz_c)^2, a tensor
# [C].
#
# *Hint.* Three of the four dimensions are summed over. Which one stays?


# %% exercise="ch08.taylor"
def gate_scores(weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """(dL/dz)^2 of a gate on each channel that the weight reads, [C]."""
    ### BEGIN SOLUTION
    return (weight * gradient).sum(dim=(0, 2, 3)).square()
    ### END SOLUTION


# %% check="ch08.taylor" points=2
classroom.check("ch08.taylor", gate_scores)

# %% [markdown]
# Now let a plan take half of the channels of each group.

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
# The four states of your prediction, timed.

# %% tags=["hide-input"] slide="Only what is taken away saves milliseconds" tour=2
figure = classroom.plots.new_figure(9.0, 3.4)
panels = figure.subplots(1, 2, sharey=True)
RUNGS = {  # a large hollow marker shows behind a small filled one
    "masked": {"color": classroom.plots.MUTED, "ms": 11, "markerfacecolor": "white"},
    "zeroed": {"color": classroom.plots.ACCENT, "ms": 5},
    "removed": {"color": classroom.plots.COMPRESSED},
}
LADDER = {
    (row["rung"], row["batch"], row["threads"]): row["onnxruntime_ms"] for row in speed["ladder"]
}
batches = sorted({row["batch"] for row in speed["ladder"]})
for axes, threads in zip(panels, sorted({row["threads"] for row in speed["ladder"]}), strict=False):
    axes.axhline(1, color=classroom.plots.GRID)
    for rung, style in RUNGS.items():
        gains = [LADDER["whole", b, threads] / LADDER[rung, b, threads] for b in batches]
        axes.plot(batches, gains, "o-", label=rung, **style)
    axes.set(xscale="log", xlabel="batch (log scale)", title=f"threads: {threads}")
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.minorticks_off()
    axes.set_ylim(0, None)
panels[0].set_ylabel("times faster than whole")
panels[0].legend()
classroom.show(
    figure,
    alt="How many times faster than the whole network, by batch: masked and zeroed about 1, "
    f"removed {LADDER['whole', 1, 1] / LADDER['removed', 1, 1]:.1f} at batch 1 on one thread.",
)

# %%
ladder_guess.reveal("removed channels alone", "Zeros are multiplied like any number.")

# %% [markdown]
# **See:** two lines lie on 1, at every batch. The third is where the milliseconds are.
#
# ## The staircase
#
# A processor works on 4, 8 or 16 channels at a time. What does a layer cost whose channels are not
# such a multiple?

# %% tags=["hide-input"] slide="Widths that processors like"
figure = classroom.plots.new_figure(8.0, 3.4)
axes = figure.subplots()
STEPS = {row["channels"]: row["onnxruntime_ms"] for row in speed["staircase"]}
fours = [width for width in STEPS if width % 4 == 0]
axes.plot([0, *fours], [STEPS[fours[0]], *(STEPS[width] for width in fours)],
          color=classroom.plots.GRID, drawstyle="steps-pre", zorder=0)  # fmt: skip
for kind, colour, mark, label in (
    (lambda width: width % 16 == 0, classroom.plots.GOOD, "o", "multiples of 16"),
    (
        lambda width: width % 4 == 0 and width % 16,
        classroom.plots.FP32,
        "o",
        "other multiples of 4",
    ),
    (lambda width: width % 4, classroom.plots.COMPRESSED, "D", "all others"),
):
    chosen = [width for width in STEPS if kind(width)]
    axes.plot(chosen, [STEPS[width] for width in chosen], mark, color=colour, label=label)
axes.set(
    xlabel="channels of three 3x3 convolutions", ylabel="milliseconds, ONNX Runtime", xlim=(12, 84)
)
axes.set_ylim(0, None)
axes.legend(loc="upper left", fontsize=9)
classroom.show(
    figure,
    alt="Time over channels, two series. Multiples of 4 climb in stairs of 16: 56 channels take "
    f"{STEPS[56]:.2f} ms, 60 "
    f"{STEPS[60]:.2f}, 64 {STEPS[64]:.2f}. Other widths rise steadily: 63 take {STEPS[63]:.2f} ms, "
    f"above the stairs, 65 {STEPS[65]:.2f}, below them.",
)

# %% [markdown]
# **See:** two series. The round dots climb in stairs: a multiple of 4 pays for the next multiple of
# 16, so that 24 channels cost as much as 32, and 56 as much as 64. The orange diamonds, all other
# widths, rise with every channel instead. Shortly before a multiple of 16 they lie above the stairs
# (63 channels cost more than 64), shortly after it below them (65 cost less than 72). This runtime
# seems to have another path for them.
#
# ### Exercise 7: widths that processors like (2 points, 10 minutes)
#
# Of `channels` channels a `share` is wanted. Write `rounded_width(channels, share, multiple_of)`:
# the next multiple at or above what is wanted, one multiple at least, and never more than there
# are.


# %% exercise="ch08.width"
def rounded_width(channels: int, share: float, multiple_of: int) -> int:
    """How many channels stay."""
    ### BEGIN SOLUTION
    wanted = -(-channels * share // multiple_of) * multiple_of
    return min(channels, max(multiple_of, int(wanted)))
    ### END SOLUTION


# %% check="ch08.width" points=2
classroom.check("ch08.width", rounded_width)

# %% [markdown]
# ## A network that reads roads
#
# The heavy road network of chapter 12 reads what is where, with
# {{results.channel_pruning.heavy_miou:.1f}} % mean IoU. The study `studies/channel_pruning.py`
# removes channels by the Taylor criterion, in multiples of 16, until less than a quarter of its
# MACs is left, and trains what is left on its labels and on the heavy network's answers (chapter
# 11). Torch-Pruning gets as many MACs and the same training.

# %%
print(f"MACs           {road['mac_gain']:.2f} times fewer")
print(f"milliseconds   {road['p50_gain']:.2f} times fewer (p50, ONNX Runtime, one thread)")
print(f"of the promise {road['conversion_efficiency']:.0f} % became time")
print(f"mean IoU       {road['miou_change_points']:+.2f} points, seeds: {road['seeds']}")
theirs = road["torch_pruning"]
print(
    f"Torch-Pruning  {theirs['miou_change_points']:+.2f} points at {theirs['mac_gain']:.2f} times, "
    f"seeds: {theirs['seeds']}"
)

# %% [markdown]
# Torch-Pruning was trained with one seed, ours with three, so their difference of about a tenth of
# a point is undecided. All of them learn from the heavy network's answers too. The control, the
# same training from labels alone, was not measured, so what the teacher adds is not known.

# %% [markdown]
# ## Explore: when do zeros save bytes?
#
# Choose how many bits a position takes. CSR spends 32. A mask spends one bit for every weight, zero
# or not.


# %% tags=["hide-input"] slide="Positions cost bytes too"
def stored_bytes(position_bits: int, value_bits: int):
    """Bytes of a layer over its sparsity, beside the dense layer and a mask of bits."""
    figure = classroom.plots.new_figure(6.4, 3.0)
    axes = figure.subplots()
    zeros = list(range(0, 100))
    positions = [(1 - z / 100) * (value_bits + position_bits) / value_bits * 100 for z in zeros]
    mask = [(1 - z / 100) * 100 + 100 / value_bits for z in zeros]
    axes.plot(zeros, positions, color=classroom.plots.COMPRESSED, label="values and positions")
    axes.plot(zeros, mask, color=classroom.plots.ACCENT, label="values and a mask")
    axes.axhline(100, color=classroom.plots.FP32, ls="--", label="dense")
    axes.set(xlabel="zeros, %", ylabel="bytes, % of dense")
    axes.legend(loc="lower left", fontsize=8)
    even = 100 * position_bits / (value_bits + position_bits)
    return (
        figure,
        f"Positions of {position_bits} bits, values of {value_bits}: even at {even:.0f} % zeros.",
    )


classroom.Explorer(stored_bytes, position_bits=(4, 32, 4, 32), value_bits=(4, 32, 4, 32))

# %% [markdown]
# ## Where pruning does not help
#
# - **Zeros in a dense kernel.** No time, no memory, and the file shrinks only if something packs it
#   (chapter 10).
# - **A layer that waits for the bytes of its maps.** Fewer weights change nothing there; fewer
#   channels do.
# - **A network that is already lean.** A MobileNet has few channels to spare.
# - **Channels that are tied, or picked by number.** A layer used twice loses the same channels each
#   time, or none. For channels counted by position `prune_channels` names the layers to `skip`.
# - **A better small network.** A network built small and trained long is the rival to beat, every
#   time.


# %%
class Twice(nn.Module):
    """One layer used two times: what it reads is what it makes, and that is the output."""

    def __init__(self):
        super().__init__()
        self.start, self.again = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, X):
        return self.again(self.again(self.start(X)))


try:
    pruning.prune_channels(Twice(), torch.rand(1, 3, 8, 8), ratio=0.5)
except ValueError as error:
    print(textwrap.fill(str(error), 92))

# %% [markdown]
# ## Claims
#
# The last share that matches is known only to within one round of pruning, and that is the scatter
# of the first claim.

# %% slide="What the sources say, and what we measured"
one_round = 100 * next(
    larger - share for larger, share in zip(tickets["shares"], tickets["shares"][1:], strict=False)
    if share == tickets["smallest_matching_share"]
)  # fmt: skip
classroom.claims_table([
    classroom.claim(
        "Frankle, Carbin 2019, section 2",
        "LeNet-300-100 matches itself down to 3.6 % of its weights",
        3.6, 100 * tickets["smallest_matching_share"], "lower", tolerance=0, partly_tolerance=10,
        unit="%", scatter=one_round,
    ),
    classroom.claim(
        "Frankle, Carbin 2019, section 2", "the same mask on other random weights does worse",
        0.1, tickets["reinit_gap_points"], "higher", tolerance=0, unit="points",
    ),
    classroom.claim(
        "this kit", "4 times less p50 for the heavy road network by removing channels",
        4, road["p50_gain"], "higher", tolerance=0, partly_tolerance=1, unit="times",
    ),
    classroom.claim(
        "this kit", "at 0.5 points of mean IoU or less",
        -0.5, road["miou_change_points"], "higher", tolerance=0, partly_tolerance=0.5,
        unit="points",
    ),
    classroom.claim(
        "this kit", "at least 80 % of the MAC gain becomes time",
        80, road["conversion_efficiency"], "higher", tolerance=0, partly_tolerance=20, unit="%",
    ),
])  # fmt: skip

# %% [markdown]
# ## The ledger

# %% tags=["nbval-ignore-output"]
classroom.ledger(upto="08")

# %% [markdown]
# ## Key points
#
# - Most weights can go, if the network may train again. Small magnitude is a good guess at which.
# - A masked network is as slow as a whole one. A dense kernel does not look.
# - Sparse kernels need many zeros before they win. The better the dense kernel, the more they need.
# - A removed channel is dense and small: its MACs become milliseconds, in multiples of 16.
# - Channels that are added together go together. Zeroed and removed must answer alike.
#
# **Terms.**
#
# - *Sparsity*: share of the weights that are zero. *Mask*: which of them stay.
# - *Structured* pruning removes whole channels, *unstructured* single weights. *N:M*: N of M stay.
# - *Fine-tuning*, also *recovery*: training after pruning. *Iterative pruning*: prune, train,
#   prune, ...
# - *Sensitivity scan*: one layer pruned at a time. *Criterion*: what scores a weight or a channel.
#   *Winning ticket*: a small part of a fresh network that trains as well as the whole.
# - *CSR*: compressed sparse rows. *Break-even*: the sparsity from which a sparse kernel is faster.
# - *Conversion efficiency*: gain in time over gain in MACs.
#
# **References.**
#
# - Y. LeCun, J. Denker, S. Solla, "Optimal brain damage", NIPS 1989, printed in 1990.
# - S. Han, J. Pool, J. Tran, W. Dally, "Learning both weights and connections for efficient neural
#   networks", NIPS 2015.
# - J. Frankle, M. Carbin, "The lottery ticket hypothesis", ICLR 2019.
# - N. Lee, T. Ajanthan, P. Torr, "SNIP: single-shot network pruning based on connection
#   sensitivity", ICLR 2019.
# - V. Sanh, T. Wolf, A. Rush, "Movement pruning", NeurIPS 2020.
# - J. Lee et al., "Layer-adaptive sparsity for the magnitude-based pruning", ICLR 2021.
# - H. Li et al., "Pruning filters for efficient ConvNets", ICLR 2017.
# - Z. Liu et al., "Learning efficient convolutional networks through network slimming", ICCV 2017.
# - P. Molchanov et al., "Importance estimation for neural network pruning", CVPR 2019.
# - G. Fang et al., "DepGraph: towards any structural pruning", CVPR 2023.
# - A. Mishra et al., "Accelerating sparse deep neural networks", 2021.
#
# **Next.** [09 Quantization](09_quantization.ipynb): the weights that stay, in fewer bits.
