# %% [markdown]
# # Network compression: weigh the file
#
# **Question.** A network of 266,610 numbers fills a megabyte. How few bytes bring it back, number
# for number? And is a small file a fast network?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 50 | {{results.chapter_seconds.10_network_compression:.0f}} | [08 Pruning](08_pruning.ipynb), [09 Quantization](09_quantization.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. take a network through Deep Compression, prune, share, code, and weigh it after each step;
# 2. tell promised bits from weighed bytes, and say what the difference is made of;
# 3. choose between a small file, a thin layer and a fast network, which are three different things.

# %%
import hashlib
import heapq
import lzma
import math
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from torch import nn

import classroom
import edu_lib as edu
from edu_lib.deploy import container
from edu_lib.models.lenet import LeNet300100
from edu_lib.techniques import entropy_coding, factorization, pruning
from edu_lib.techniques import weight_sharing as sharing
from edu_lib.weights import WEIGHTS_FOLDER

torch.set_num_threads(1)
classroom.plots.use_house_style()
data = edu.mnist()
published = edu.load_published("deep_compression")
deep = edu.load_result("deep_compression")
speed = edu.load_result("low_rank_speed")
FILES = ("lenet_caffe_file", "lenet_300_100_file", "smallest_mnist_file")
records = {name: edu.load_result(name)["rows"] for name in FILES}

# %% [markdown]
# ## Guess first
#
# This chapter takes a network and makes its file smaller in three steps: most weights go to zero
# (*prune*), the rest takes a few values only (*share*), and frequent values get short words
# (*code*). How far does that go, if the errors may not grow?

# %%
total = classroom.predict(
    "10.total",
    "LeNet-300-100 fills 1,066,440 bytes. Pruned, shared and coded, about how many bytes is its "
    "file?",
    options=["over 200,000", "60,000 to 200,000", "20,000 to 60,000", "under 20,000"],
)
total

# %% [markdown]
# ## The story: an app store and a hundred megabytes
#
# In 2015 the file of AlexNet has {{published.deep_compression.han_2016.alexnet_whole_kb:,}}
# kilobytes. An app store of the time lets no app above
# {{published.deep_compression.han_2016.app_store_limit_mb}} MB through the phone network. So the
# network stays at home.
#
# Song Han, Huizi Mao and William Dally take three steps. They **prune**: most weights go to zero.
# They **share**: the rest takes a few values only. They **code**: frequent values get short words.
# They call it **Deep Compression**. AlexNet comes out at
# {{published.deep_compression.han_2016.alexnet_kb:,}} kilobytes, and is as good as before.

# %% tags=["hide-input"] slide="2016: what was promised" minutes=1
han = published["han_2016"]
ROWS = [
    ("AlexNet", han["alexnet_whole_kb"], han["alexnet_kb"]),
    ("LeNet-5-Caffe", han["lenet_caffe"]["kb_whole"], han["lenet_caffe"]["kb"]),
    ("LeNet-300-100", han["lenet_300_100"]["kb_whole"], han["lenet_300_100"]["kb"]),
]
figure = classroom.plots.new_figure(7.6, 2.5)
axes = figure.subplots()
for row, (_, whole, small) in enumerate(ROWS):
    axes.plot([small, whole], [row, row], color=classroom.plots.GRID, lw=3, zorder=0)
    axes.plot(whole, row, "o", ms=9, color=classroom.plots.FP32)
    axes.plot(small, row, "o", ms=9, color=classroom.plots.COMPRESSED)
    axes.annotate(f"{whole / small:.0f} times", ((small * whole) ** 0.5, row), (0, 5),
                  textcoords="offset points", ha="center", fontweight="bold")  # fmt: skip
axes.set(xscale="log", xlabel="kilobytes (log scale)", ylabel="network", ylim=(2.5, -0.6))
axes.set_yticks(range(3), [name for name, *_ in ROWS])
axes.xaxis.set_major_formatter("{x:,.0f}")
classroom.show(
    figure,
    alt="Kilobytes before and after Deep Compression, as published: "
    + "; ".join(f"{name} {whole:,} to {small:,}" for name, whole, small in ROWS),
)

# %% [markdown]
# **See:** 35 to 40 times for all three. Do the same now with LeNet-300-100, and weigh. A promise on
# paper is counted in bits. A file has a header, tables, biases, and an end that fills up its last
# byte.

# %%
classroom.plots.draw_deep_compression()

# %% [markdown]
# **See:** each step changes what has to be written down. The whole chapter walks from left to
# right.
#
# ## The scale
#
# The kit has one file format, the **container**. It names a network of the kit, gives sizes,
# tables, codes and biases, and ends with a checksum of it all. It holds no code. `weigh` writes the
# file, reads it back, and demands the same answers. Errors are those on the validation images.

# %%
folder = Path(tempfile.mkdtemp())
weighed = {}


def answers(network: nn.Module, X: torch.Tensor) -> torch.Tensor:
    """The class of each image."""
    with torch.no_grad():
        return torch.cat([network(batch).argmax(1) for batch in X.split(1000)])


def weigh(step: str, network: nn.Module, promised_bits: float, method: str | None = None) -> Path:
    """Write, read back, compare; note the bytes beside what was promised."""
    path = container.save(network.eval(), folder / f"{step}.30f", method=method)
    X, y = data.validation.X, data.validation.y
    assert torch.equal(answers(container.load(path), X), answers(network, X))
    error = 100 - edu.evaluate(network, X, y).accuracy
    row = {"promised": promised_bits / 8, "bytes": os.path.getsize(path), "error": error}
    weighed[step] = row
    print(
        f"{step:8} promised {row['promised']:11,.0f} bytes   weighed {row['bytes']:9,}   "
        f"error {error:.2f} %"
    )
    return path


# %% [markdown]
# Train the network, and weigh it whole: 32 bits for each number.

# %% tags=["nbval-ignore-output"]
fit = partial(
    edu.fit, X=data.fit.X, y=data.fit.y, batch_size=256, weight_decay=1e-4,
    optimizer=partial(torch.optim.Adam, fused=True), progress=False,
)  # fmt: skip
torch.manual_seed(0)
model = LeNet300100()
fit(model, num_epochs=5, lr=5e-3)
num_biases = sum(layer.bias.numel() for layer in (model.fc1, model.fc2, model.fc3))
num_weights = sum(layer.weight.numel() for layer in (model.fc1, model.fc2, model.fc3))
weigh("whole", model, 32 * (num_weights + num_biases))
assert weighed["whole"]["error"] < 3.5

# %% [markdown]
# The file is a little smaller than promised, because the container runs Deflate over it, the method
# of zip. It finds hardly anything. The digits of a trained float look like noise. What does not
# repeat cannot be packed.
#
# ## Step 1: prune
#
# The shares that stay are the paper's: 8 % in the first layer, 9 % in the second, 26 % in the
# third. Prune in two steps, and train after each (chapter 08).

# %% tags=["nbval-ignore-output"]
STAY = {"fc1": 0.08, "fc2": 0.09, "fc3": 0.26}
trained = model
for step in (1, 2):
    model = pruning.prune(model, {name: 1 - share ** (step / 2) for name, share in STAY.items()})
    fit(model, num_epochs=3, lr=2e-3, weight_decay=0.0)
pruned = edu.to_plain(model)
print(f"{100 * pruning.sparsity_of(pruned):.1f} % of the weights are zero")
assert pruning.sparsity_of(pruned) > 0.91

# %% [markdown]
# A zero costs nothing only if the file says where the others stand. The paper stores each distance
# to the one before, in 5 bits: 0 to 31 zeros in between. A wider gap takes a **filler**: an entry
# whose weight is 0.
#
# ### Exercise 1: gaps and fillers (2 points, 10 minutes)
#
# Write `to_gaps(row, bits)`. It returns a list of pairs `(zeros before, value)`, one for each
# number that is not zero. No first entry may be above `2**bits - 1`. Where `2**bits` zeros or more
# stand in between, `2**bits` of them become a filler `(2**bits - 1, 0)`, again and again.
#
# *Example.* `[0, 0, 5, 0, 0, 0, 0, 7]` with 2 bits gives `[(2, 5), (3, 0), (0, 7)]`.
#
# *Hint.* Count zeros as you walk. When a zero comes and the count is already `2**bits - 1`, that
# zero is the filler. But zeros at the end of a row, after the last number, need no entry: hold
# fillers back until a number follows.


# %% exercise="ch10.gaps"
def to_gaps(row: list, bits: int) -> list[tuple]:
    """Pairs (zeros before, value) of the numbers in a row that are not zero, and fillers."""
    ### BEGIN SOLUTION
    pairs, zeros = [], 0
    waiting = []  # fillers count only if a number follows
    for value in row:
        if value == 0 and zeros < 2**bits - 1:
            zeros += 1
        elif value == 0:
            waiting.append((zeros, 0))
            zeros = 0
        else:
            pairs += [*waiting, (zeros, value)]
            waiting, zeros = [], 0
    return pairs
    ### END SOLUTION


# %% check="ch10.gaps" points=2
classroom.check("ch10.gaps", to_gaps)

# %% [markdown]
# With gaps each entry promises 32 + 5 bits. How many entries does the network take, fillers
# included?

# %% tags=["nbval-ignore-output"]
GAP_BITS = 5


def entries(network: nn.Module) -> int:
    """How many gaps describe all layers."""
    layers = (network.fc1, network.fc2, network.fc3)
    return sum(
        len(entropy_coding.to_gaps(layer.weight.detach(), GAP_BITS).gaps) for layer in layers
    )


stay = sum(int(layer.weight.count_nonzero()) for layer in (pruned.fc1, pruned.fc2, pruned.fc3))
print(f"{stay:,} weights stay, and {entries(pruned) - stay:,} fillers join them")
weigh("prune", pruned, entries(pruned) * (32 + GAP_BITS) + 32 * num_biases)
assert weighed["prune"]["bytes"] < weighed["whole"]["bytes"] / 4

# %% [markdown]
# Twelve times fewer weights, and not twelve times fewer bytes. The positions are paid for. (The
# container has no form for sparse floats, so Deflate packs the zeros here, and weighs more than the
# paper's gaps would.)
#
# ## Step 2: share
#
# A weight of 32 bits says more than anybody asks. Let the weights of a layer share 64 values, and
# store for each weight *which*, its **code**: 6 bits. The table of values is the **codebook**.
# Which 64? Those that are nearest on average: **k-means**. Each weight goes to the nearest of the
# 64, its **centroid**. Then each centroid moves to the mean of its weights, and again.
#
# ### Exercise 2: one step of k-means (2 points, 10 minutes)
#
# Write `kmeans_step(values, centroids)`. It returns the new centroids. A value that is equally near
# to two goes to the first of them. A centroid that nobody is near stays where it is.
#
# *Example.* Values `[0, 1, 9, 11]` and centroids `[0, 10]` give `[0.5, 10]`.
#
# *Hint.* `(values[:, None] - centroids).abs().argmin(1)` says who is near whom.


# %% exercise="ch10.kmeans"
def kmeans_step(values: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """The centroids [k], moved to the means of the values [n] nearest to them."""
    ### BEGIN SOLUTION
    nearest = (values[:, None] - centroids).abs().argmin(1)
    moved = centroids.clone()
    for k in range(len(centroids)):
        if (nearest == k).any():
            moved[k] = values[nearest == k].mean()
    return moved
    ### END SOLUTION


# %% check="ch10.kmeans" points=2
classroom.check("ch10.kmeans", kmeans_step)

# %% [markdown]
# Where should k-means start? The paper's answer is *linear*: evenly from the smallest weight to the
# largest. Another one, *density*, puts equally many weights between neighbouring starts. See what
# becomes of the large weights.

# %% tags=["nbval-ignore-output"]
values = pruned.fc1.weight.detach().flatten()
values = values[values != 0]
starts = {init: sharing.kmeans(values, 64, init)[0] for init in ("linear", "density")}

# %% tags=["hide-input", "nbval-ignore-output"] slide="Sixty-four values stand for all"
figure = classroom.plots.new_figure(7.6, 3.0)
axes = figure.subplots()
axes.hist(values.numpy(), bins=100, color=classroom.plots.FP32)
top = axes.get_ylim()[1]
for place, (init, colour) in enumerate(
    (("linear", classroom.plots.COMPRESSED), ("density", classroom.plots.INK))
):
    height = -top * (0.09 + 0.11 * place)
    axes.plot(starts[init], [height] * 64, "|", ms=11, color=colour)
    axes.annotate(init, (values.min(), height), (-8, 0), textcoords="offset points", ha="right",
                  va="center", color=colour, fontweight="bold")  # fmt: skip
span = float(values.max() - values.min())
axes.set(xlabel="weight of the first layer, pruned", ylabel="how many", ylim=(-0.28 * top, top))
axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top])
axes.set_xlim(float(values.min()) - 0.16 * span, float(values.max()) + 0.03 * span)
classroom.show(
    figure,
    alt="Histogram of the weights that stay: two heaps with a hole at zero. Below it the 64 shared "
    "values: from a linear start they reach to both ends, from a density start they crowd in the "
    "heaps.",
)

# %% [markdown]
# **See:** the weights have two heaps now, with a hole where pruning was. The orange values reach
# the far ends, where weights are few and large. The lower row crowds in the heaps.
#
# ### A codebook can learn
#
# The values in the codebook are parameters like any other. When a centroid moves, all its weights
# move with it. So its gradient is the sum of theirs:
#
#     dL/dC_k = sum over all ij with code k of dL/dW_ij
#
# The paper's figure 3 works it out for 16 weights. Its numbers, through our k-means and one step of
# learning:

# %%
W = torch.tensor([[2.09, -0.98, 1.48, 0.09], [0.05, -0.14, -1.08, 2.12],
                  [-0.91, 1.92, 0.00, -1.03], [1.87, 0.00, 1.53, 1.49]])  # fmt: skip
G = torch.tensor([[-0.03, -0.01, 0.03, 0.02], [-0.01, 0.01, -0.02, 0.12],
                  [-0.01, 0.02, 0.04, 0.01], [-0.07, -0.02, 0.01, -0.02]])  # fmt: skip
centroids, codes = sharing.kmeans(W.flatten(), 4)
centroids.requires_grad_()
shared_W = sharing.SharedLookup.apply(centroids, codes.reshape(4, 4))
(shared_W * G).sum().backward()  # so that dL/dW is G
print("codes    ", codes.tolist())
print("centroids", [round(c, 2) + 0.0 for c in centroids.tolist()])
print("gradients", [round(g, 2) + 0.0 for g in centroids.grad.tolist()])
print("learned  ", [round(c, 2) + 0.0 for c in (centroids - centroids.grad).tolist()])

# %% [markdown]
# These are the paper's numbers, down to the last digit. Share the network's weights, train the
# codebooks for an epoch, and weigh. Read on in `edu_lib/techniques/weight_sharing.py`.

# %% tags=["nbval-ignore-output"]
shared = sharing.share_weights(pruned, 64)
before = 100 - edu.evaluate(shared, data.validation.X, data.validation.y).accuracy
fit(shared, num_epochs=1, lr=5e-4, weight_decay=0.0)
shared = edu.to_plain(shared)
print(f"error with the codebooks as k-means left them: {before:.2f} %")
codebook_bits = 3 * 64 * 32
weigh(
    "share", shared, entries(shared) * (6 + GAP_BITS) + codebook_bits + 32 * num_biases, "deflate"
)
assert max(len(p.unique()) for p in shared.parameters() if p.dim() > 1) <= 65

# %% [markdown]
# Did the codebooks learn anything? With 64 values hardly: k-means was already as good as they get.
# Take a harder case, two values a layer, and train the codebooks for an epoch.

# %% tags=["nbval-ignore-output"]
two = sharing.share_weights(pruned, 2)
two_before = 100 - edu.evaluate(two, data.validation.X, data.validation.y).accuracy
fit(two, num_epochs=1, lr=2e-3, weight_decay=0.0)
two_after = 100 - edu.evaluate(two, data.validation.X, data.validation.y).accuracy
print(
    f"two values a layer: {two_before:.1f} % errors as k-means left them, {two_after:.1f} % after "
    "an epoch of learning"
)
assert two_after < two_before

# %% [markdown]
# Six numbers and the biases learned, and that was worth it. The fewer the shared values, the more
# learning gives.
#
# Here is one corner of the second layer after each step.

# %% tags=["hide-input", "nbval-ignore-output"] slide="Trained, pruned, shared"
figure = classroom.plots.new_figure(8.6, 2.4)
panels = figure.subplots(1, 3)
limit = float(trained.fc2.weight.detach().abs().max()) / 2
for axes, (title, network) in zip(
    panels, (("trained", trained), ("pruned", pruned), ("shared", shared)), strict=True
):
    corner = network.fc2.weight.detach()[:16, :30]
    axes.imshow(corner, cmap=classroom.plots.SIGNED, vmin=-limit, vmax=limit)
    different = len(corner[corner != 0].unique())
    axes.set(
        title=f"{title}: {different} values", xlabel="input", ylabel="output", xticks=[], yticks=[]
    )
classroom.show(
    figure,
    alt="A corner of 16 x 30 weights of the second layer: trained, all different; pruned, few are "
    "left; shared, the same places with fewer values.",
)

# %% [markdown]
# ## Step 3: code
#
# Some codes are frequent, some gaps too. Give the frequent ones short words. No word may be the
# beginning of another one, or nobody knows where it ends: this is a **prefix code**. **Huffman's**
# rule of 1952: join the two rarest to one. Everything below a join gets one bit longer. Go on until
# one is left.

# %%
COUNTS = {"zero": 40, "small": 25, "middle": 20, "large": 10, "huge": 5}
heap = [(count, symbol) for symbol, count in COUNTS.items()]
heapq.heapify(heap)
while len(heap) > 1:
    rarest, second = heapq.heappop(heap), heapq.heappop(heap)
    joined = (rarest[0] + second[0], f"({rarest[1]} {second[1]})")
    heapq.heappush(heap, joined)
    print(f"{rarest[0]:3} + {second[0]:2} = {joined[0]:3}   {joined[1]}")

# %% [markdown]
# Read the last line: how deep in brackets a symbol stands is how many bits it takes. `huge` takes
# 4, `zero` 1.
#
# ### Exercise 3: Huffman's lengths (3 points, 15 minutes)
#
# Write `code_lengths(counts)`: from `{symbol: how often}` to `{symbol: bits of its word}`. A symbol
# that is alone takes 1 bit.
#
# *Example.* `{"a": 4, "b": 2, "c": 1, "d": 1}` gives `{"a": 1, "b": 2, "c": 3, "d": 3}`.
#
# *Hint.* Keep in the heap, with each count, the list of symbols below it. A running number as the
# second entry settles ties.


# %% exercise="ch10.huffman"
def code_lengths(counts: dict) -> dict:
    """Bits of the code word of each symbol, by Huffman's rule."""
    ### BEGIN SOLUTION
    heap = [(count, i, [symbol]) for i, (symbol, count) in enumerate(counts.items())]
    heapq.heapify(heap)
    lengths = dict.fromkeys(counts, 1 if len(counts) == 1 else 0)
    order = len(heap)
    while len(heap) > 1:
        (a, _, left), (b, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in left + right:
            lengths[symbol] += 1
        heapq.heappush(heap, (a + b, order, left + right))
        order += 1
    return lengths
    ### END SOLUTION


# %% check="ch10.huffman" points=3
classroom.check("ch10.huffman", code_lengths)

# %% [markdown]
# Now the two messages of each layer, gaps and codes. The picture shows the gaps of the first layer:
# the bar is how often a gap occurs, the number on it how many bits it gets instead of 5.

# %% tags=["nbval-ignore-output"]
promised = codebook_bits + 32 * num_biases
for layer in (shared.fc1, shared.fc2, shared.fc3):
    ranks = container.Codebook.of(layer.weight).signed_ranks()[0].long()
    positions = entropy_coding.to_gaps(ranks, GAP_BITS)
    for symbols in (positions.gaps, positions.values - positions.values.min()):
        counts = symbols.bincount().tolist()
        promised += entropy_coding.HuffmanCode.of(counts).num_bits(counts)
weigh("huffman", shared, promised, "huffman")
assert weighed["huffman"]["bytes"] < 0.95 * weighed["share"]["bytes"]

# %% tags=["hide-input", "nbval-ignore-output"] slide="Frequent things get short words"
gaps = entropy_coding.to_gaps(shared.fc1.weight.detach(), GAP_BITS).gaps
counts = gaps.bincount(minlength=32)
lengths = entropy_coding.code_lengths(counts.tolist())
figure = classroom.plots.new_figure(8.6, 2.8)
axes = figure.subplots()
axes.bar(range(32), counts, color=classroom.plots.COMPRESSED)
for gap, (count, bits) in enumerate(zip(counts.tolist(), lengths, strict=True)):
    axes.annotate(
        str(bits), (gap, count), (0, 2), textcoords="offset points", ha="center", fontsize=8
    )
axes.set(
    xlabel="zeros before the next weight", ylabel="how often", ylim=(0, 1.1 * int(counts.max()))
)
classroom.show(
    figure,
    alt="How often each gap occurs in the first layer, 0 the most frequent. Bits of its Huffman "
    f"word: {lengths[0]} for gap 0, {max(lengths)} for the rarest.",
)

# %% [markdown]
# **See:** gap 31 sticks out. Nearly all of its entries are fillers. Gap 0 is the most frequent:
# weights that stay are neighbours. Remember that.

# %% tags=["nbval-ignore-output"]
size = weighed["huffman"]["bytes"]
assert 20_000 < size < 60_000
total.reveal(
    "20,000 to 60,000", f"After prune, share and Huffman's code the file has {size:,} bytes."
)

# %% [markdown]
# ## Beyond Huffman: a fraction of a bit
#
# Is this weight zero? The answer is yes for 92 of 100, so it should cost `-log2(0.92)`, an eighth
# of a bit. Huffman cannot: a word has one bit at least. Gaps are a way around. **Range coding**
# needs none. The whole message is one number between 0 and 1. Each symbol keeps a part of the
# interval, as wide as it is probable.

# %% tags=["hide-input"] slide="A fraction of a bit: one number for a message"
MESSAGE, P0 = (0, 0, 1, 0), 0.8
figure = classroom.plots.new_figure(7.6, 2.5)
axes = figure.subplots()
low, width = 0.0, 1.0
for row, symbol in enumerate(MESSAGE):
    for part, (start, share) in enumerate(((low, P0), (low + P0 * width, 1 - P0))):
        kept = part == symbol
        axes.barh(row, share * width, left=start, height=0.72, edgecolor="white",
                  color=classroom.plots.COMPRESSED if kept else classroom.plots.GRID)  # fmt: skip
        if share * width > 0.05:
            axes.annotate(str(part), (start + share * width / 2, row), ha="center", va="center",
                          color="white" if kept else classroom.plots.INK)  # fmt: skip
    low, width = (low, P0 * width) if symbol == 0 else (low + P0 * width, (1 - P0) * width)
axes.set(xlabel="number", ylabel="symbol", yticks=range(4), xlim=(0, 1), ylim=(3.6, -0.6))
axes.set_yticklabels(["first", "second", "third", "fourth"])
classroom.show(
    figure,
    alt="Nested intervals of the message 0, 0, 1, 0 with probability 0.8 for 0: each symbol keeps "
    f"its part, and in the end a width of {width:.3f} is left.",
)

# %% [markdown]
# **See:** a probable symbol hardly narrows the interval. In the end any number inside will do, and
# about `-log2(width)` bits name one, rounded up.
#
# Encoder and decoder need the same probabilities. They can learn them: both have seen the same
# symbols so far, so both count alike, and no table is sent. This is **adaptive coding**.
#
# ### Exercise 4: what learning costs (2 points, 10 minutes)
#
# Write `learned_bits(message)` for a list of 0 and 1. A bit that follows `n0` zeros and `n1` ones
# has `p(1) = (n1 + 0.5) / (n0 + n1 + 1)`, the rule of Krichevsky and Trofimov, and costs `-log2` of
# the probability of what it is. Return the sum.
#
# *Example.* `[0, 0]` costs 1 bit, then `-log2(0.75)`: 1.415 in all.


# %% exercise="ch10.learned"
def learned_bits(message: list[int]) -> float:
    """Bits that an adaptive coder spends on a message."""
    ### BEGIN SOLUTION
    seen, bits = [0, 0], 0.0
    for bit in message:
        bits -= math.log2((seen[bit] + 0.5) / (sum(seen) + 1))
        seen[bit] += 1
    return bits
    ### END SOLUTION


# %% check="ch10.learned" points=2
classroom.check("ch10.learned", learned_bits)

# %% [markdown]
# A message of 10,000 bits, of which 2 % are ones. Its **entropy**, Shannon's bound, is what a code
# needs at least that knows how frequent the symbols are, and nothing else:

# %%
generator = torch.Generator().manual_seed(0)
message = (torch.rand(10_000, generator=generator) < 0.02).int().tolist()
encoder, model_of_bits = entropy_coding.RangeEncoder(), entropy_coding.AdaptiveBit()
for bit in message:
    model_of_bits.code(encoder, bit)
coded = encoder.finish()
decoder, model_of_bits = entropy_coding.RangeDecoder(coded), entropy_coding.AdaptiveBit()
again = [model_of_bits.code(decoder) for _ in message]
print("one bit each, Huffman's least:", len(message) // 8, "bytes")
print(
    "Shannon's bound:              ",
    round(entropy_coding.entropy_bits(torch.tensor(message)) / 8),
    "bytes",
)
print("range coder that learns:      ", len(coded), "bytes")
print("decoded alike:                ", again == message)

# %% [markdown]
# So why not let the *neighbours* say how probable a weight is? Look where the weights of the first
# layer are:

# %% tags=["hide-input", "nbval-ignore-output"]
by_pixel = shared.fc1.weight.detach().count_nonzero(dim=0).reshape(28, 28)
figure = classroom.plots.new_figure(4.6, 3.2)
axes = figure.subplots()
picture = axes.imshow(by_pixel, cmap="viridis")
axes.set(xlabel="pixel, x", ylabel="pixel, y")
axes.grid(visible=False)
figure.colorbar(picture, ax=axes, label="weights that stay, of 300")
classroom.show(
    figure,
    alt="For each pixel, how many of its 300 weights stay: none at the border, "
    f"{int(by_pixel.max())} at most in the middle.",
)

# %% [markdown]
# **See:** at the border of the image nothing is ever written, and nothing stays. A coder that asks
# the row, the column and the neighbours knows most zeros beforehand. The kit mixes what several
# such **contexts** say.

# %% tags=["nbval-ignore-output"]
ranks = [container.Codebook.of(layer.weight).signed_ranks()[0]
         for layer in (shared.fc1, shared.fc2, shared.fc3)]  # fmt: skip
promised = codebook_bits + 32 * num_biases + sum(entropy_coding.levels_bits(each) for each in ranks)
smallest = weigh("context", shared, promised, "context")
assert weighed["context"]["bytes"] < weighed["huffman"]["bytes"]

# %% [markdown]
# ## Measure it: promised and weighed
#
# Every step of yours, and below it the same steps in the study `studies/deep_compression.py`, with
# the paper's size as a dotted line. In the study the errors are those on the test images: means of
# {{results.deep_compression.lenet_300_100.seeds}} seeds for LeNet-300-100, and
# {{results.deep_compression.lenet_caffe.seeds}} seed for LeNet-5-Caffe.

# %% tags=["nbval-ignore-output"]
first = weighed["whole"]["promised"]
print(f"{'step':8} {'promised':>10} {'weighed':>10} {'smaller':>8} {'error':>7}")
for step, row in weighed.items():
    print(f"{step:8} {row['promised']:10,.0f} {row['bytes']:10,} "
          f"{first / row['bytes']:6.1f} x {row['error']:5.2f} %")  # fmt: skip

# %% tags=["hide-input"] slide="Promised and weighed, step by step" tour=2
LABELS = {"train": "whole", "prune": "prune", "share": "share", "huffman": "Huffman",
          "context": "contexts"}  # fmt: skip
figure = classroom.plots.new_figure(9.2, 3.4)
panels = figure.subplots(1, 2, sharey=True)
for axes, (key, title) in zip(
    panels, (("lenet_300_100", "LeNet-300-100"), ("lenet_caffe", "LeNet-5-Caffe")), strict=True
):
    rows = deep[key]["steps"]
    places = range(len(rows))
    axes.bar([p - 0.2 for p in places], [row["promised_bytes"] for row in rows], 0.4,
             color=classroom.plots.MUTED, label="promised")  # fmt: skip
    axes.bar([p + 0.2 for p in places], [row["bytes"] for row in rows], 0.4,
             color=classroom.plots.COMPRESSED, label="weighed")  # fmt: skip
    for place, row in zip(places, rows, strict=True):
        axes.annotate(f"{row['error']:.2f} %", (place, max(row["bytes"], row["promised_bytes"])),
                      (0, 3), textcoords="offset points", ha="center", fontsize=9, zorder=5,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
    axes.axhline(1000 * han[key]["kb"], color=classroom.plots.GOOD, ls=":", label="paper, coded")
    axes.set(yscale="log", ylim=(1e4, 4e6), title=title, xlabel="step", ylabel="bytes (log scale)")
    axes.set_xticks(places, [LABELS[row["step"]] for row in rows])
panels[0].legend(loc="upper right", fontsize=8)
classroom.show(
    figure,
    alt="Promised and weighed bytes after each step, with the test error. "
    + "; ".join(
        f"{title}: {deep[key]['steps'][0]['bytes']:,.0f} to {deep[key]['steps'][-1]['bytes']:,.0f} "
        "bytes"
        for key, title in (("lenet_300_100", "LeNet-300-100"), ("lenet_caffe", "LeNet-5-Caffe"))
    ),
)

# %% [markdown]
# **See:** pruning brings most, sharing comes next, and coding takes off the last quarter at no
# error at all.
#
# With Huffman's code LeNet-300-100 weighs
# {{results.deep_compression.lenet_300_100.steps.3.bytes:,.0f}} bytes, and the paper says
# {{published.deep_compression.han_2016.lenet_300_100.kb}} KB at
# {{published.deep_compression.han_2016.lenet_300_100.error}} %. With contexts it is
# {{results.deep_compression.lenet_300_100.steps.4.bytes:,.0f}} bytes at
# {{results.deep_compression.lenet_300_100.steps.4.error:.2f}} %: nothing was retrained, the same
# numbers are told better. LeNet-5-Caffe, one seed:
# {{results.deep_compression.lenet_caffe.steps.4.bytes:,.0f}} bytes at
# {{results.deep_compression.lenet_caffe.steps.4.error:.2f}} %.
#
# With the last two codes promise and file agree within a few percent. The header costs a handful of
# bytes, tables some hundred, and the coder gains a little on biases and codebooks, whose exponents
# are alike.
#
# Where do the bytes go? `inspect` reads a file without building the network.

# %% tags=["nbval-ignore-output"]
report = container.inspect(smallest)
print(report)

# %% [markdown]
# The biases are few and cost much: nobody shared or rounded them.
#
# ### The whole protocol
#
# A file counts only if another process, which has never seen the network, decodes it to the same
# 10,000 answers.

# %%
PROGRAM = """
import hashlib, sys, torch
import edu_lib as edu
from edu_lib.deploy import container
torch.set_num_threads(1)
network, X = container.load(sys.argv[1]), edu.mnist().test.X
with torch.no_grad():
    read = torch.cat([network(batch).argmax(1) for batch in X.split(1000)])
print(hashlib.sha256(read.numpy().tobytes()).hexdigest())
"""
place = dict(os.environ, PYTHONPATH=str(Path(edu.__file__).parents[1]))
other = subprocess.run(
    [sys.executable, "-c", PROGRAM, str(smallest)],
    env=place,
    capture_output=True,
    text=True,
    check=True,
)
own = hashlib.sha256(answers(shared, data.test.X).numpy().tobytes()).hexdigest()
print("another process gives the same 10,000 answers:", other.stdout.strip() == own)

# %% [markdown]
# ### And the decoder?
#
# A small file needs a program that reads it. The protocol does not count it, since it is the same
# for every network of the kit, as a zip program is for every archive. But you should know its size.

# %% tags=["nbval-ignore-output"]
parts = [Path(module.__file__).parent for module in (container, entropy_coding)]
source = b"".join(file.read_bytes() for part in parts for file in sorted(part.glob("*.py")))
print(
    f"source of the container and the coders: {len(source):,} bytes, "
    f"{len(lzma.compress(source)):,} packed"
)

# %% [markdown]
# It is larger than many a file that it reads. For one network of a few kilobytes a decoder of its
# own would be the honest thing to count; for the tenth network it no longer matters.
#
# ### A file from a stranger
#
# A pickle can run any program when it is loaded. A container holds numbers only, and a wrong one
# must be refused before it costs memory. Flip one bit anywhere:

# %%
content = bytearray(smallest.read_bytes())
refused, places = 0, range(0, len(content), len(content) // 100)
for at in places:
    content[at] ^= 1
    try:
        container.loads(bytes(content))
    except ValueError as error:
        refused += 1
        message = str(error)
    content[at] ^= 1
print("every flipped bit was refused:", refused == len(places))
print(message)

# %%
fuzz = edu.load_result("container_fuzz")
print(f"{fuzz['trials']:,} damaged files: {fuzz['crashes']} crashes, {fuzz['hangs']} hangs, "
      f"{fuzz['wrong_models']} wrong models")  # fmt: skip

# %% [markdown]
# A wrong model is one that loads although its checksum was not made anew. In some files it was made
# anew, as one who means harm would do: {{results.container_fuzz.remade_loaded:,}} of
# {{results.container_fuzz.checksum_remade:,}} such files load, as some network, and the others are
# refused for their content. A checksum finds accidents. It does not say who wrote the file.
#
# ## Beyond: let the loss count bits
#
# Prune, share, code are three decisions, and none knows of the next. Why not one? Let each weight
# be a whole number times a step that is learned, and put the price of the bits into the loss:
#
#     loss = errors + price * bits            bits of a weight of level z: about log2(1 + 4 |z|)
#
# A weight that is not worth its bits goes to 0 by itself. A step that is too fine grows. This is
# **rate-distortion training** (`techniques.rate_distortion`). The convolutional networks start with
# few channels, LeNet-300-100 at full size. All of them learn from a better network (chapter 11) and
# from nine shifted or distorted versions of each image, which the three steps did not have. The
# study `studies/network_files.py` trains the rows below; of each row one file ships with the kit.
# Read them:

# %% tags=["nbval-ignore-output"]
for rows in records.values():
    for row in rows:
        path = WEIGHTS_FOLDER / row["file"]
        network = container.load(path)
        error = 100 - edu.evaluate(network, data.test.X, data.test.y).accuracy
        seeds = "1 seed" if row["seeds"] == 1 else f"of {row['seeds']} seeds best on validation"
        print(f"{path.stat().st_size:6,} bytes  {error:.2f} % of the test images wrong  "
              f"{row.get('name', type(network).__name__)}, {seeds}")  # fmt: skip

# %% tags=["hide-input"]
MARKS = {"lenet_caffe_file": "o", "lenet_300_100_file": "s", "smallest_mnist_file": "D"}
NAMES = dict(zip(MARKS, ("LeNet-5-Caffe", "LeNet-300-100", "any network"), strict=True))
OTHERS = [("MIRACLE", row, "o") for row in published["miracle"]["lenet_caffe"]]
for key, mark in (("lenet_caffe", "o"), ("lenet_300_100", "s")):
    OTHERS.append(("Oktay et al.", published["oktay_2020"][key], mark))
    by_han = {"bytes": 1000 * han[key]["kb"], "error": han[key]["error"]}
    OTHERS.append(("Han et al.", by_han, mark))
SHIFTS = {"MIRACLE": (0, -14), "Oktay et al.": (0, 7), "Han et al.": (0, -15)}

# %% tags=["hide-input"] slide="How small can a file be?" tour=1
figure = classroom.plots.new_figure(8.6, 4.0)
axes = figure.subplots()
for key, rows in records.items():
    label = f"{NAMES[key]}, trained for bits"
    places = [r["bytes"] for r in rows], [r["error_mean"] for r in rows]
    axes.plot(*places, MARKS[key], label=label, color=classroom.plots.COMPRESSED, ms=9)
hollow = {"ms": 9, "mfc": "white", "color": classroom.plots.COMPRESSED}
for key, mark in (("lenet_caffe", "o"), ("lenet_300_100", "s")):
    last = deep[key]["steps"][-1]
    axes.plot(last["bytes"], last["error"], mark, **hollow)
style = {"ha": "center", "color": classroom.plots.MUTED, "fontsize": 8}
for name, row, mark in OTHERS:
    at = row["bytes"], row["error"]
    axes.plot(*at, mark, ms=8, color=classroom.plots.MUTED)
    axes.annotate(name, at, SHIFTS[name], textcoords="offset points", **style)
axes.set(xscale="log", xlabel="bytes (log scale)", ylabel="test error, %", ylim=(0, 2.2))
ticks = [1000, 2000, 5000, 10_000, 20_000, 50_000]
axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
axes.minorticks_off()
axes.legend(loc="upper left", fontsize=8)
said = [f"{NAMES[key]} {r['bytes']:,} bytes at {r['error_mean']:.2f} %"
        for key, rows in records.items() for r in rows]  # fmt: skip
classroom.show(
    figure,
    alt="Test error over bytes. Grey: published. Orange: this kit; hollow: prune, share, code. "
    + "; ".join(said),
    text="Test error over bytes, published and of this kit.",
)  # fmt: skip

# %% [markdown]
# **See:** circles are LeNet-5-Caffe, squares LeNet-300-100, diamonds any network at all. Hollow is
# what three separate steps gave; filled is what one loss, a teacher and more images gave. Grey is
# published, in bytes as the papers count them: Han et al. 2016, MIRACLE (Havasi et al. 2019), Oktay
# et al. 2020.
#
# A filled orange point stands at the mean error of its seeds and at the size of the largest of
# their files, a hollow one at the means of both; the list says how many seeds the filled ones have.
# On 10,000 images one standard error at 1 % is 0.1 points, so
# points that near are equal.
#
# Is it still LeNet-5-Caffe? The layers are, and so is what each does. The channels are fewer:
# 6-14-40 stands for 6 and 14 channels and 40 units, where Caffe has 20, 50 and 500. Pruning would
# leave such a network too, and a file holds only what is left.
#
# ## Another way to be small: thin layers
#
# Zeros and codebooks change how a layer is *told*. A **low-rank** layer changes what it *is*: a
# matrix `[out, in]` becomes the product of `[out, r]` and `[r, in]`. That is `r (out + in)` weights
# and MACs instead of `out * in`, and both parts are dense. Which product is nearest? The one of the
# largest **singular values** (Eckart and Young 1936), which the **singular value decomposition**,
# SVD, finds. By hand, on the second layer that you trained:

# %% tags=["nbval-ignore-output"]
W = trained.fc2.weight.detach()
U, S, Vh = torch.linalg.svd(W, full_matrices=False)
for r in (10, 30, 100):
    first_part, second_part = Vh[:r], U[:, :r] * S[:r]
    off = float((second_part @ first_part - W).norm() / W.norm())
    dropped = float(S[r:].norm() / S.norm())
    print(f"rank {r:3}: {second_part.numel() + first_part.numel():6,} of {W.numel():,} weights, "
          f"off by {off:.3f}, the dropped singular values say {dropped:.3f}")  # fmt: skip
    assert abs(off - dropped) < 1e-3

# %% [markdown]
# The error is what was dropped, and nothing can be nearer. What does it save in the first linear
# layer of AlexNet?

# %%
layer = nn.Linear(9216, 4096, device="meta")
for rank in (1024, 256, 64):
    thin = factorization.LowRankLinear.num_weights(layer, rank)
    print(
        f"rank {rank:4}: {thin:10,} of {9216 * 4096:,} MACs, {9216 * 4096 / thin:.1f} times fewer"
    )

# %% tags=["nbval-ignore-output"]
ranks = factorization.ranks_by_energy(trained, 0.9)
thin = factorization.factor(trained, ranks)
print("ranks that hold 90 % of the energy:", ranks)
print("left whole:", factorization.stays_whole(trained, ranks))
errors = [100 - edu.evaluate(thin, data.validation.X, data.validation.y).accuracy]
fit(thin, num_epochs=1, lr=1e-3)
errors.append(100 - edu.evaluate(thin, data.validation.X, data.validation.y).accuracy)
print(f"error {errors[0]:.2f} %, and {errors[1]:.2f} % after one epoch more")
path = container.save(thin, folder / "thin.30f")
print(f"{path.stat().st_size:,} bytes, and it comes back:",
      torch.equal(answers(container.load(path), data.validation.X),
                  answers(thin, data.validation.X)))  # fmt: skip
assert errors[1] < 4

# %% [markdown]
# That file is large: low rank saves less than pruning does. Its gift is another one. The first
# linear layer of AlexNet, 9216 to 4096, at rank 256 has 11 times fewer MACs. (Its weights are
# random here. How long a product takes does not depend on them; how good it is does, so this is no
# offer for AlexNet yet.)

# %%
faster = classroom.predict(
    "10.low_rank",
    "How many times faster is it, for one image on one thread?",
    options=["about 4 times", "about 11 times", "20 times or more"],
)
faster

# %% tags=["hide-input"]
BATCHES = (1, classroom.plots.COMPRESSED, "o"), (64, classroom.plots.ACCENT, "s")
network, small = speed["network"], speed["small"]

# %% tags=["hide-input"] slide="Thin layers: faster than their work says"
figure = classroom.plots.new_figure(7.6, 3.8)
axes = figure.subplots()
for batch, colour, mark in BATCHES:
    rows = [row for row in speed["rows"] if row["batch"] == batch]
    gains = [r["mac_gain"] for r in rows], [r["p50_gain"] for r in rows]
    axes.plot(*gains, f"{mark}-", color=colour, label=f"9216 to 4096, batch {batch}")
    for row in rows if batch == 1 else ():
        shift, side = ((-7, 4), "right") if row["rank"] < 2048 else ((7, -11), "left")
        axes.annotate(f"rank {row['rank']}", (row["mac_gain"], row["p50_gain"]), shift, ha=side,
                      textcoords="offset points", fontsize=8)  # fmt: skip
gains = [r["mac_gain"] for r in network], [r["p50_gain"] for r in network]
axes.plot(*gains, "^", color=classroom.plots.GOOD, label="AlexNet, three layers thin")
axes.plot(small["mac_gain"], small["p50_gain"], "D", color=classroom.plots.MUTED,
          label="784 to 300, batch 1")  # fmt: skip
ends = [1, max(row["mac_gain"] for row in speed["rows"])]
axes.plot(ends, ends, "--", color=classroom.plots.INK, lw=1)
end = ends[1], ends[1]
axes.annotate("as promised", end, (-20, -44), textcoords="offset points", ha="center")
axes.set(xscale="log", yscale="log", ylabel="times faster (log scale)")
axes.set_xlabel("times fewer MACs (log scale)")
axes.xaxis.set_major_formatter("{x:g}")
axes.yaxis.set_major_formatter("{x:g}")
axes.legend(loc="upper left", fontsize=8)
classroom.show(
    figure,
    alt="Times faster over times fewer MACs. For 9216 to 4096 at batch 1: "
    + "; ".join(f"rank {r['rank']}: {r['mac_gain']:.1f} and {r['p50_gain']:.1f}"
                for r in speed["rows"] if r["batch"] == 1),
    text="Times faster over times fewer MACs, for thin linear layers.",
)  # fmt: skip

# %%
at_256 = next(row for row in speed["rows"] if row["batch"] == 1 and row["rank"] == 256)
faster.reveal(
    "20 times or more" if at_256["p50_gain"] >= 20
    else "about 11 times" if at_256["p50_gain"] > 7 else "about 4 times",
    f"Measured: {at_256['p50_gain']:.1f} times, with {at_256['mac_gain']:.1f} times fewer MACs.",
)  # fmt: skip

# %% [markdown]
# **See:** the orange line lies above the dashed one. At batch 1 each weight is used once, so the
# layer waits for its bytes: {{results.low_rank_speed.rows.2.whole_bytes:,}} of them come from
# memory at {{results.low_rank_speed.rows.2.whole_gb_per_s:.0f}} GB/s. The thin layer has
# {{results.low_rank_speed.rows.2.thin_bytes:,}}. They fit into the cache and arrive at
# {{results.low_rank_speed.rows.2.thin_gb_per_s:.0f}} GB/s. Fewer bytes, *and* each byte is quicker.
#
# The whole AlexNet (triangles) has {{results.low_rank_speed.network.0.mac_gain:.2f}} times fewer
# MACs with three layers of rank {{results.low_rank_speed.network.0.rank}}, and is
# {{results.low_rank_speed.network.0.p50_gain:.1f}} times faster: the convolutions have the MACs,
# the linear layers have the bytes. At batch 64 weights are used 64 times, and the gain falls to the
# promise. A layer that was in the cache before (grey) gains
# {{results.low_rank_speed.small.p50_gain:.1f}} times of the
# {{results.low_rank_speed.small.mac_gain:.0f}} promised.
#
# Convolutions can be thin as well: `k x 1` then `1 x k` (Jaderberg et al. 2014), `1 x 1` then
# `k x k` (Denton et al. 2014), `k x k` then `1 x 1` (Zhang et al. 2015).
# `factorization.factor(model, ranks, kind)` does all three, and `ranks_by_budget` chooses ranks for
# a share of the MACs. Read on in `edu_lib/techniques/factorization/factor.py` (`low_rank_from`
# treats one layer), `conv_pairs.py` (`ChannelPair`, `FilterPair`) and `ranks.py`.
#
# ## Explore: what does a weight cost?
#
# Choose the share of weights that stay, the bits of a code and of a gap. Find the gap width that is
# cheapest at 8 %, then at 2 %.


# %% tags=["hide-input"]
def promised_parts(weights_that_stay: int, code_bits: int, gap_bits: int):
    """Bytes of LeNet-300-100 by what they are spent on, with the fillers that chance would need."""
    share, span = weights_that_stay / 100, 2**gap_bits
    num_stay = share * 266_200
    wide = (1 - share) ** span  # the chance that a gap takes one more filler
    fillers = num_stay * wide / (1 - wide)
    parts = {
        "codes": num_stay * code_bits / 8,
        "gaps": num_stay * gap_bits / 8,
        "fillers": fillers * (code_bits + gap_bits) / 8,
        "codebooks": 3 * 2**code_bits * 4,
        "biases": 410 * 4,
    }
    figure = classroom.plots.new_figure(6.6, 2.6)
    axes = figure.subplots()
    colours = [classroom.plots.COMPRESSED, classroom.plots.ACCENT, classroom.plots.BUDGET,
               classroom.plots.GOOD, classroom.plots.MUTED]  # fmt: skip
    axes.barh(list(parts), [size / 1000 for size in parts.values()], color=colours)
    axes.set(xlabel="kilobytes", ylabel="spent on")
    axes.invert_yaxis()
    whole = sum(parts.values()) / 1000
    return figure, (
        f"{weights_that_stay} % stay, codes of {code_bits} bits, gaps of {gap_bits}: {whole:.1f} "
        "kB."
    )


classroom.Explorer(
    promised_parts, weights_that_stay=(1, 30, 1, 8), code_bits=(1, 8, 1, 6), gap_bits=(1, 10, 1, 5)
)

# %% [markdown]
# ## Where it does not help
#
# **A small file is not a fast network.** Once it is loaded, every weight is a float again.

# %% tags=["nbval-ignore-output"]
batch = data.validation.X[:64]
compared = edu.compare_latency(
    edu.pytorch_runner(trained.eval(), batch, name="a megabyte"),
    edu.pytorch_runner(container.load(folder / "huffman.30f"), batch, name="thirty kilobytes"),
    blocks=30, block_ms=2,
)  # fmt: skip
assert 0.2 < compared.ratio < 5, "thirty times smaller is not even five times faster"
compared

# %% [markdown]
# - **Memory at run time.** Decoded, the network is as large as ever. Only a kernel that computes
#   with codes or skips zeros would change that (chapter 08).
# - **Start-up.** Contexts are decoded bit by bit. That is some seconds for a quarter of a million
#   weights, in Python.
# - **Noise.** Nothing packs the digits of a float. First the network must need fewer of them.
# - **A network that is small already.** Tables, header and biases have a price of their own.
# - **Low rank** in a kernel that is thin already. In a layer that lies in the cache it gains less
#   than it promises; at a large batch it gains what it promises, and no more.
#
# ## Claims


# %%
def smallest_at(rows: list[dict], error: float, otherwise: float) -> float:
    """Bytes of the smallest row with at most this mean error; `otherwise` if no row is so good."""
    return min((row["bytes"] for row in rows if row["error_mean"] <= error), default=otherwise)


caffe, lenet_300_100 = records["lenet_caffe_file"], records["lenet_300_100_file"]
any_network = [row for rows in records.values() for row in rows]
steps = {
    key: {row["step"]: row for row in deep[key]["steps"]}
    for key in ("lenet_300_100", "lenet_caffe")
}
table = "Han et al. 2016, table 1"
last = {key: rows["context"]["bytes"] for key, rows in steps.items()}
classroom.claims_table([
    classroom.claim(table, "LeNet-300-100, 40 times smaller", 40,
              steps["lenet_300_100"]["huffman"]["times_smaller"], "higher", 1, 8, "times, a file"),
    classroom.claim(table, "at 1.58 % error", 1.58, steps["lenet_300_100"]["huffman"]["error"],
              "lower", 0.13, unit="%"),
    classroom.claim(table, "LeNet-5-Caffe, 39 times smaller", 39,
              steps["lenet_caffe"]["huffman"]["times_smaller"], "higher", 1, 8, "times, a file"),
    classroom.claim(table, "at 0.74 % error", 0.74, steps["lenet_caffe"]["huffman"]["error"],
              "lower", 0.09, unit="%"),
    classroom.claim("this kit", "LeNet-5-Caffe in 2,000 bytes at 1.0 % error or less", 2000,
              smallest_at(caffe, 1.0, last["lenet_caffe"]), "lower", 0, 1500, "bytes"),
    classroom.claim("this kit", "... in 3,500 bytes at 0.80 %", 3500,
              smallest_at(caffe, 0.8, last["lenet_caffe"]), "lower", 0, 1500, "bytes"),
    classroom.claim("this kit", "LeNet-300-100 in 8,560 bytes at 1.9 % or less", 8560,
              smallest_at(lenet_300_100, 1.9, last["lenet_300_100"]), "lower", 0, 3000, "bytes"),
    classroom.claim("this kit", "any network, 99.0 % right, in 1,024 bytes", 1024,
              smallest_at(any_network, 1.0, last["lenet_caffe"]), "lower", 0, 512, "bytes"),
])  # fmt: skip

# %%
classroom.claims_table([
    classroom.claim("this kit", "any network in 8,192 bytes: 0.5 % error", 0.5,
              min(row["error_mean"] for row in any_network if row["bytes"] <= 8192), "lower", 0,
              0.07, "%"),
    classroom.claim("this kit",
                    "AlexNet's first linear layer at rank 256 gains more than its MACs promise", 1,
              at_256["p50_gain"] / at_256["mac_gain"], "higher", 0, 0.2, "times the promise"),
    classroom.claim("this kit", "100,000 damaged files: no crash, no hang, no wrong model", 0,
              fuzz["crashes"] + fuzz["hangs"] + fuzz["wrong_models"], "equal", 0, unit="of these"),
])  # fmt: skip

# %% [markdown]
# A standard error on 10,000 images is 0.13 points at 1.6 %, 0.09 at 0.8 % and 0.07 at 0.5 %: about
# so much is allowed. The errors of the files are means over their seeds.
#
# ## The ledger
#
# Stored rows were measured by the protocol on an idle machine (`python3 kit.py bench`). Yours
# stands below them: the network as it comes out of its smallest file. The bytes are those of that
# file; the time is that of the whole network, as the comparison above says.

# %% tags=["nbval-ignore-output"]
decoded, X = container.load(smallest).eval(), data.test.X[:1]
file = edu.export_onnx(decoded, X, folder / "decoded.onnx")
cost = edu.count_cost(decoded, (1, 1, 28, 28))
mine = classroom.LedgerRow(
    chapter="10", model="LeNet-300-100, prune, share, code", params=cost.params, macs=cost.macs,
    quality=edu.evaluate(decoded, data.test.X, data.test.y).accuracy, quality_unit="% of MNIST",
    file_bytes=smallest.stat().st_size,
    p50_ms=edu.measure_latency(edu.onnxruntime_runner(file, X, threads=1)).p50_ms,
    backend="ONNX Runtime, 1 thread", compressed=True,
)  # fmt: skip
classroom.ledger(upto="10", mine=[mine])

# %% [markdown]
# ## Key points
#
# - Prune, share, code: each step makes the next one cheaper. Pruning saves most, coding costs no
#   error at all.
# - Promised bits are not bytes. Weigh one file, decode it in another process, compare all answers.
# - The gradient of a shared value is the sum of the gradients of its weights.
# - Huffman spends whole bits. A range coder spends `-log2 p`, learns p on the way, and asks the
#   neighbours.
# - One loss for errors and bits, with a teacher and more images, gave far smaller files than the
#   three steps. How much of that is the loss alone was not measured.
# - A small file runs as fast as a large one. A thin layer runs faster, most of all when it comes to
#   fit in the cache.
#
# **Terms.**
#
# - *Codebook*: the shared values of a layer; a weight stores a *code*, its number in there.
# - *Gap*, *filler*: zeros before the next weight, and an entry of value 0 where a gap is too wide.
# - *k-means*, *centroid*: groups around means, and such a mean.
# - *Prefix code*: no word begins another. *Entropy*: the fewest bits per symbol, by Shannon.
# - *Range coding*: a message as one number in nested intervals. *Context*: what is known when a
#   symbol comes. *Adaptive coding*: the probabilities are learned on the way, on both sides.
# - *Rate-distortion*: bits against errors, in one sum. *Container*: the kit's file of a network.
# - *Rank*, *singular value*: how many terms a matrix is a sum of, and the weight of each.
#
# **References.**
#
# - S. Han, H. Mao, W. Dally, "Deep Compression: compressing deep neural networks with pruning,
#   trained quantization and Huffman coding", ICLR 2016.
# - D. Huffman, "A method for the construction of minimum-redundancy codes", Proceedings of the IRE,
#   1952.
# - C. Shannon, "A mathematical theory of communication", 1948.
# - S. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory, 1982.
# - G. Martin, "Range encoding: an algorithm for removing redundancy from a digitised message",
#   1979.
# - M. Mahoney, "Adaptive weighing of context models for lossless data compression", 2005.
# - S. Wiedemann et al., "DeepCABAC", 2020.
# - M. Havasi, R. Peharz, J. Hernández-Lobato, "Minimal random code learning", ICLR 2019.
# - D. Oktay et al., "Scalable model compression by entropy penalized reparameterization", ICLR
#   2020.
# - C. Eckart, G. Young, "The approximation of one matrix by another of lower rank", Psychometrika,
#   1936.
# - E. Denton et al., "Exploiting linear structure within convolutional networks", NIPS 2014.
# - M. Jaderberg, A. Vedaldi, A. Zisserman, "Speeding up convolutional neural networks with low rank
#   expansions", 2014.
# - X. Zhang et al., "Efficient and accurate approximations of nonlinear convolutional networks",
#   CVPR 2015.
#
# **Next.** [11 Knowledge distillation](11_knowledge_distillation.ipynb): the teacher that the
# smallest files had.
