# %% [markdown]
# # Convolution: one small window, used everywhere
#
# **Question.** How can a layer look at a whole image with 25 weights, and what does that cost?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 40 | {{results.chapter_seconds.01_convolution:.0f}} | tensors, a first `nn.Module`; [00 Start here](00_start_here.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. compute a convolution by hand, and write it in Python so that it agrees with PyTorch;
# 2. count its output size, weights, MACs and bytes, and say which input pixels an output depends
#    on;
# 3. say why two layers with equal MACs can take very different times.

# %%
import tempfile
from pathlib import Path

import torch
from matplotlib.patches import Rectangle
from torch import nn
from torch.nn import functional as F

import classroom
import edu_lib as edu

torch.set_num_threads(1)
classroom.plots.use_house_style()
digit = edu.mnist().test.X[34:35]
print(f"digit: {list(digit.shape)} = [images N, channels C, height H, width W]")

# %% [markdown]
# ## The story: the same question at every place
#
# Where are the edges of this seven? You can answer without looking at all of it at once. At each
# place you ask the same small question: is it bright on my left and dark on my right?
#
# In 1962 Hubel and Wiesel reported cells in the visual cortex of the cat that ask such questions.
# Each looks at a small patch of the visual field and answers to an edge of one direction. Fukushima
# made a network of such cells in 1980. In 1989 LeCun and others let back-propagation find the
# questions.
#
# Here are four questions, written by hand. Each is a **kernel**: a small grid of weights. A kernel
# is laid on each place of the image, multiplied with the pixels below it, and the products are
# summed.

# %%
kernels = {
    "left-right edges": [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
    "up-down edges": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    "blur": [[1 / 9, 1 / 9, 1 / 9]] * 3,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
}
weight = torch.tensor(list(kernels.values()))[:, None]
maps = F.conv2d(digit, weight)
print(f"kernels {list(weight.shape)}, answers {list(maps.shape)}")

# %% tags=["hide-input"] slide="One small question, asked at every place" tour=2
figure = classroom.plots.new_figure(9, 3.3)
grid = figure.subplots(2, 5, height_ratios=[1, 2.4])
for axes in grid.ravel():
    classroom.plots.picture_axes(axes)
grid[1, 0].imshow(digit[0, 0], cmap="gray")
grid[1, 0].set_title("input", loc="center")
for column, (name, kernel) in enumerate(kernels.items(), start=1):
    grid[0, column].imshow(kernel, cmap=classroom.plots.SIGNED, vmin=-3, vmax=3)
    for row in range(3):
        for place in range(3):
            shown = "1/9" if name == "blur" else f"{kernel[row][place]:g}"
            grid[0, column].text(place, row, shown, ha="center", va="center", fontsize=8)
    response = maps[0, column - 1]
    limit = float(response.abs().max())
    grid[1, column].imshow(response, cmap=classroom.plots.SIGNED, vmin=-limit, vmax=limit)
    grid[1, column].set_title(name, loc="center")
classroom.show(
    figure,
    alt="A handwritten seven and the answers of four kernels: two find edges of one "
    "direction, with opposite signs on both sides of a stroke; one blurs, one sharpens.",
)

# %% [markdown]
# **See:** the first kernel finds the two sides of the stem and is nearly silent along the bar. The
# second is loudest above and below the bar. The stem is slanted, so it answers to both. Blue is a
# positive answer, orange a negative one, white is zero. Such a picture of answers is called a
# **feature map**.
#
# Nothing was learned here. In a trained network nobody writes the kernels: training finds them.
#
# ## Predict: what does sharing save?
#
# LeNet-5, the digit reader of 1998, begins with a layer called C1. It takes an image of 32x32
# pixels and makes six feature maps of 28x28, with one kernel of 5x5 for each map. A **fully
# connected** layer would do it otherwise: its own weight from every input pixel to every output
# value.

# %%
sharing = classroom.predict(
    "01.sharing",
    "How many times more weights would the fully connected layer need?",
    options=["about 30 times", "about 1,000 times", "about 30,000 times"],
)
sharing

# %% [markdown]
# Lock your guess, then count.

# %%
shared_weights = 6 * 5 * 5
full_weights = (32 * 32) * (6 * 28 * 28)
print(f"shared: {shared_weights}, fully connected: {full_weights:,}")
print(f"ratio: {full_weights / shared_weights:,.0f}")
sharing.reveal(
    "about 30,000 times",
    "Two savings multiply: each output sees 25 pixels instead of "
    "1,024 (41 times fewer), and 784 places share one kernel.",
)

# %% [markdown]
# ## Build it: one window, by hand
#
# Begin with one number of the output. Take a tiny image with a bright stroke in its middle. Cut out
# the window at row 1, column 0. Multiply it with the kernel, pixel by pixel. Add up the nine
# products.

# %%
tiny = torch.zeros(6, 6)
tiny[1:5, 2:4] = 1
edge = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])

window = tiny[1:4, 0:3]
print("window:", window.int().tolist())
print("products:", (window * edge).int().tolist())
print("sum:", int((window * edge).sum()))

# %% [markdown]
# The sum is negative: the bright pixels lie under the negative column. The image gets brighter from
# left to right here, and the kernel asks for the opposite.
#
# **Explore.** Move `step`. The kernel slides from left to right, then down, as one reads a page.
# Before you reach step 6, say which sign its answer will have.


# %% slide="Slide the window: multiply, and sum"
def walk(step: int):
    """The kernel at one place of the image, and the output so far."""
    shown = classroom.plots.kernel_walk(tiny, edge, step)
    return shown, shown.alt


classroom.Explorer(walk, step=(0, 15, 1, 4))

# %% [markdown]
# **See:** the kernel of 3x3 fits at 4x4 places of an image of 6x6, so the output is smaller than
# the input. And the middle of the output is not silent: the stroke is two pixels wide, so each
# window sees one of its two edges.
#
# ### Exercise 1: slide the window (3 points, 20 minutes)
#
# Write `convolve2d(X, kernel)` for one image `X` of `[H, W]` and one kernel of `[K_h, K_w]`. The
# output has `[H - K_h + 1, W - K_w + 1]` values, and
#
# > `output[i, j] = sum over u and v of X[i + u, j + v] * kernel[u, v]`
#
# *Example.* `X = [[1, 2, 3]]` and `kernel = [[1, -1]]` give `[[-1, -1]]`.
#
# *Hint.* Two loops, over `i` and `j`. The window is a slice: `X[i : i + K_h, j : j + K_w]`.


# %% exercise="ch01.convolve"
def convolve2d(X: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Slides `kernel` [K_h, K_w] over `X` [H, W]; returns [H - K_h + 1, W - K_w + 1]."""
    ### BEGIN SOLUTION
    K_h, K_w = kernel.shape
    output = torch.zeros(X.shape[0] - K_h + 1, X.shape[1] - K_w + 1)
    for i in range(output.shape[0]):
        for j in range(output.shape[1]):
            output[i, j] = (X[i : i + K_h, j : j + K_w] * kernel).sum()
    return output
    ### END SOLUTION


# %% check="ch01.convolve" points=3
classroom.check("ch01.convolve", convolve2d)

# %% [markdown]
# A word on the name. In mathematics a convolution flips the kernel first. What you wrote does not:
# it is a **cross-correlation**. Every deep learning library computes this one and calls it
# convolution. A network that learns its kernels does not mind: it would learn the flipped one.
#
# ## Build it: channels in, maps out
#
# A colour image has three channels, and a hidden layer may have hundreds. Then a window is a block
# of `[C_in, K, K]`, and so is the kernel. Take one window of a colour image, with small numbers.

# %%
window = torch.tensor([[[2, 0, 1], [1, 2, 0], [3, 1, 1]],   # red
                       [[0, 1, 0], [2, 1, 1], [1, 3, 0]],   # green
                       [[1, 1, 0], [0, 3, 1], [2, 0, 1]]])  # blue
kernel = torch.tensor([[[1, 0, -1], [1, 0, -1], [1, 0, -1]],
                       [[0, 1, 0], [0, 1, 0], [0, -1, 0]],
                       [[-1, 0, 0], [0, 1, 0], [0, 0, -1]]])
bias = 1

products = window * kernel
sums = products.sum(dim=(1, 2))
print("sum of each channel:", sums.tolist())
print(f"output: {' + '.join(map(str, sums.tolist()))} + bias {bias} = {int(sums.sum()) + bias}")

# %% tags=["hide-input"]
figure = classroom.plots.new_figure(8.4, 4.2)
grid = figure.subplots(3, 4, width_ratios=[1, 1, 1, 0.9])
columns = (("window", window), ("kernel", kernel), ("products", products))
for row, channel in enumerate(("red", "green", "blue")):
    for axes, (name, block) in zip(grid[row], columns, strict=False):
        shown = block[row]
        axes.imshow(shown, cmap=classroom.plots.SIGNED, vmin=-4, vmax=4)
        for i in range(3):
            for j in range(3):
                axes.text(j, i, f"{shown[i, j]}", ha="center", va="center", fontsize=11)
        classroom.plots.picture_axes(axes)
        if row == 0:
            axes.set_title(name, loc="center")
    grid[row, 0].text(-0.7, 1, channel, ha="right", va="center", fontsize=12)
    grid[row, 3].set_axis_off()
    grid[row, 3].text(0, 0.5, f"sum {int(sums[row])}", fontsize=13, va="center")
total = f"{' + '.join(map(str, sums.tolist()))} + {bias} = {int(sums.sum()) + bias}"
grid[2, 3].text(0, -0.05, f"together\n{total}", fontsize=13, va="top", fontweight="bold")
classroom.show(
    figure,
    alt="One window of three channels, one kernel of three channels, and their products: three "
    f"sums, and with the bias one number, {total}.",
)

# %% [markdown]
# **See:** three channels, three sums, **one** number. The colours are gone after the first layer:
# what comes out is one answer to one question about all three. Slide the block over the image and
# you have **one** map. `C_out` kernels give `C_out` maps, and each map has one more number, its
# **bias**.
#
# ### Exercise 2: many channels, one map (2 points, 5 minutes)
#
# Write `one_map(X, kernel, bias)`. X is `[C, H, W]`, the kernel `[C, K, K]`, the bias one number.
# Return the map `[H - K + 1, W - K + 1]`.
#
# *Example.* For the window above, as an image of 3x3 pixels, the map has one value, the one in the
# figure.
#
# *Hint.* The loops of exercise 1 again. The window is now `X[:, i : i + K, j : j + K]`. Where does
# the bias go: to each product, to each channel, or to each output?


# %% exercise="ch01.one_map"
def one_map(X: torch.Tensor, kernel: torch.Tensor, bias: float) -> torch.Tensor:
    """The one map that a kernel [C, K, K] makes of X [C, H, W]."""
    ### BEGIN SOLUTION
    K = kernel.shape[-1]
    y = torch.zeros(X.shape[1] - K + 1, X.shape[2] - K + 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = bias + (X[:, i : i + K, j : j + K] * kernel).sum()
    return y
    ### END SOLUTION


# %% check="ch01.one_map" points=2
classroom.check("ch01.one_map", one_map)

# %% [markdown]
# A layer is this, once for each of its kernels:


# %%
def conv2d(X: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """X [C_in, H, W], weight [C_out, C_in, K, K], bias [C_out] -> [C_out, H_out, W_out]."""
    C_out, _, K, _ = weight.shape
    H_out, W_out = X.shape[1] - K + 1, X.shape[2] - K + 1
    y = torch.zeros(C_out, H_out, W_out)
    for i in range(H_out):
        for j in range(W_out):
            window = X[:, i : i + K, j : j + K]
            for c in range(C_out):
                # y[c, i, j] = bias[c] + sum over channels, rows, columns of window * kernel c
                y[c, i, j] = bias[c] + (window * weight[c]).sum()
    return y


layer = nn.Conv2d(in_channels=3, out_channels=4, kernel_size=5)
image = torch.randn(3, 12, 10, generator=torch.Generator().manual_seed(0))
ours, theirs = conv2d(image, layer.weight, layer.bias), layer(image)
print(f"X {list(image.shape)}, weight {list(layer.weight.shape)}, bias {list(layer.bias.shape)}")
print(f"y {list(theirs.shape)}; the same as ours: {torch.allclose(ours, theirs, atol=1e-5)}")

# %% [markdown]
# Walk the shapes once. Three channels go in, and each kernel is three deep, so the 3 disappears in
# the sum. Four kernels make four maps. The 12x10 pixels lose `K - 1 = 4` on each axis.
#
# ### What sharing promises
#
# One kernel for all places means: if the digit moves, the map moves with it. This is called
# **translation equivariance**. Does it hold? Move the seven, and compare.

# %%
moved = torch.roll(digit, shifts=1, dims=-1)
every = F.conv2d(digit, weight, padding=1)
every_moved = F.conv2d(moved, weight, padding=1)
follows = torch.allclose(every_moved, torch.roll(every, 1, dims=-1), atol=1e-5)
print("every place asked: the maps move with the digit:", follows)

second = F.conv2d(digit, weight, padding=1, stride=2)
second_moved = F.conv2d(moved, weight, padding=1, stride=2)
candidates = [torch.roll(second, shift, dims=-1) for shift in (-1, 0, 1)]
follows = any(torch.allclose(second_moved, one, atol=1e-5) for one in candidates)
print("every second place asked: the maps move with the digit:", follows)

# %% [markdown]
# The promise breaks as soon as the kernel skips places. The digit moved by one pixel, and a map
# that asks at every second pixel cannot move by half a step. Its numbers change instead.
#
# Why skip places at all? Because half the places on each axis are a quarter of the work. That is
# the next step.
#
# ## Build it: stride and padding
#
# **Stride** is the step between two places: with stride 2 the kernel goes two pixels at a time.
# **Padding** is a border of zeros around the image, so that the kernel can also stand on the edge.
# How many places are there?
#
# > `output = floor((input + 2 * padding - kernel) / stride) + 1`
#
# Read it from right to left: one place is there in any case. Each further place needs one stride of
# room. Half a stride of room is no place, so `floor` rounds down.
#
# But are all pixels seen equally often? Count for each pixel the places of the kernel that cover
# it.


# %%
def count_places(kernel_size: int, stride: int, padding: int, size: int = 8) -> torch.Tensor:
    """How many places of the kernel see each pixel of the padded image."""
    seen = torch.zeros(size + 2 * padding, size + 2 * padding, dtype=torch.int64)
    for row in range(0, len(seen) - kernel_size + 1, stride):
        for column in range(0, len(seen) - kernel_size + 1, stride):
            seen[row : row + kernel_size, column : column + kernel_size] += 1
    return seen


print("kernel 3, stride 1:", count_places(3, 1, 0)[0].tolist(), "in the first row")
print("kernel 3, stride 2:", count_places(3, 2, 0)[0].tolist(), "in the first row")


# %% tags=["hide-input"] slide="Stride and padding decide the size"
def draw_places(kernel_size: int, stride: int, padding: int, size: int = 8):
    """Left: how many places of the kernel see each pixel. Right: the output, one cell a place."""
    seen = count_places(kernel_size, stride, padding, size)
    places = (len(seen) - kernel_size) // stride + 1
    figure = classroom.plots.new_figure(8, 4.3)
    left, right = figure.subplots(1, 2)
    most = 1.6 * kernel_size**2
    left.imshow(seen, cmap=classroom.plots.SIGNED, vmin=-most, vmax=most)
    for row in range(len(seen)):
        for column in range(len(seen)):
            left.text(column, row, f"{seen[row, column]}", ha="center", va="center", fontsize=8)
    frames = [
        (padding - 0.5, padding - 0.5, size, classroom.plots.INK),
        (-0.5, -0.5, kernel_size, "#E07B39"),
    ]
    frames += [(stride - 0.5, -0.5, kernel_size, "#E07B39")] * (places > 1)
    for x, y, side, colour in frames:
        left.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=colour, lw=2.4))
    right.hlines([line - 0.5 for line in range(places + 1)], -0.5, places - 0.5, color="#2A9D8F")
    right.vlines([line - 0.5 for line in range(places + 1)], -0.5, places - 0.5, color="#2A9D8F")
    left.set_title(f"input {size}x{size}, padding {padding}")
    right.set_title(f"output {places}x{places}")
    for axes in (left, right):
        classroom.plots.picture_axes(axes)
        axes.set(xlim=(-0.7, len(seen) - 0.3), ylim=(len(seen) - 0.3, -0.7), aspect="equal")
    unseen = int((seen[padding : padding + size, padding : padding + size] == 0).sum())
    sum_text = f"floor(({size} + 2*{padding} - {kernel_size}) / {stride}) + 1 = {places}"
    return figure, f"{sum_text}; {unseen} of {size * size} image pixels are never seen."


classroom.Explorer(draw_places, kernel_size=(1, 5, 1, 3), stride=(1, 4, 1, 1), padding=(0, 3, 1, 0))

# %% [markdown]
# **Explore.** Orange frames are the first two places of the kernel, the dark frame is the image,
# and the number in a cell says how many places see that pixel. Try these three:
#
# - kernel 3, stride 1, padding 0: corner pixels are seen once, pixels of the middle nine times;
# - kernel 3, stride 1, padding 1: the output is as large as the input ("same" padding);
# - kernel 3, stride 2, padding 0: the last row and column are never seen. Nobody warns you.
#
# ### Exercise 3: the size of the output (2 points, 8 minutes)
#
# Write `output_size(input_size, kernel_size, stride, padding)`. It returns the pixels on a side, an
# `int`.
#
# *Example.* AlexNet's first layer: 224 pixels, kernel 11, stride 4, padding 2 give 55.
#
# *Hint.* `//` divides and rounds down.


# %% exercise="ch01.output_size"
def output_size(input_size: int, kernel_size: int, stride: int, padding: int) -> int:
    """Pixels on a side of a convolution's output."""
    ### BEGIN SOLUTION
    return (input_size + 2 * padding - kernel_size) // stride + 1
    ### END SOLUTION


# %% check="ch01.output_size" points=2
classroom.check("ch01.output_size", output_size)

# %% [markdown]
# ## Build it: pooling
#
# A stride asks at fewer places. There is a second way to a smaller map: look everywhere, then keep
# one number for each square of 2x2. This is **pooling**. It has no weights. **Maximum pooling**, or
# max pooling, keeps the largest number: "was the edge seen anywhere in this square?" **Average
# pooling** keeps the mean.

# %%
answers = torch.tensor([[1.0, 3.0, 0.0, 0.0], [2.0, 8.0, 0.0, 4.0],
                        [0.0, 0.0, 5.0, 5.0], [0.0, 4.0, 5.0, 1.0]])  # fmt: skip
print("largest of each square:", F.max_pool2d(answers[None], 2)[0].int().tolist())
print("mean of each square:   ", F.avg_pool2d(answers[None], 2)[0].tolist())

# %% [markdown]
# LeNet-5 pools after each of its first two convolutions: 28x28 become 14x14, a quarter of the work
# for the next layer. What else does it buy? Move the seven by one pixel, and see how much of the
# picture changes, before and after pooling. Will it be more, less, or as much?

# %%
shift_guess = classroom.predict(
    "01.pooling",
    "The digit moves by one pixel. What share of the picture changes after maximum pooling?",
    options=["a larger share changes", "the same share", "a smaller share changes"],
)
shift_guess


# %%
def share_changed(size: int) -> float:
    """Change by a shift of one pixel, in percent of all that is there, pooled by `size`."""
    before, after = (F.max_pool2d(each, size) for each in (digit, moved_digit))
    return 100 * float((after - before).abs().sum() / before.sum())


moved_digit = torch.roll(digit, shifts=1, dims=-1)
for size in (1, 2, 4):
    name = "no pooling" if size == 1 else f"squares of {size}x{size}"
    print(f"{name:14s}: {share_changed(size):3.0f} % of the picture changes")
shift_guess.reveal(
    "a smaller share changes", "what moves within a square leaves its largest number alone"
)

# %% [markdown]
# So pooling makes a network less sensitive to where exactly a stroke is. The price is the same:
# where exactly it was, no later layer can know. Chapter 03 lets you write it yourself, and asks
# whether squares that overlap are better.
#
# ## Build it: groups
#
# So far every kernel looks at every channel. Must it? With `groups=g` the channels are split into
# `g` teams, and a kernel sees the channels of its own team. The extreme is one team for each
# channel, `g = C`: a **depthwise** convolution. The cell counts both from PyTorch's own layers.

# %%
groups = (1, 2, 4, 8)
layers = [nn.Conv2d(8, 8, 3, padding=1, groups=g, bias=False) for g in groups]
for g, layer in zip(groups, layers, strict=True):
    cost = edu.count_cost(layer, (1, 8, 16, 16))
    print(
        f"groups {g}: weight {list(layer.weight.shape)}, {cost.params} weights, {cost.macs:,} MACs"
    )

# %% tags=["hide-input"] slide="Groups: channels that do not see each other"
figure = classroom.plots.new_figure(8.4, 2.5)
for axes, g, layer in zip(figure.subplots(1, 4), groups, layers, strict=True):
    # kernel c of team t sees the channels of team t
    sees = torch.block_diag(*[torch.ones(8 // g, 8 // g)] * g)
    axes.imshow(sees, cmap=classroom.plots.SIGNED, vmin=-1, vmax=1)
    axes.set_xticks(torch.arange(-0.5, 8), minor=True)
    axes.set_yticks(torch.arange(-0.5, 8), minor=True)
    axes.grid(visible=False)
    axes.grid(which="minor")
    axes.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
    axes.set(xlabel="input channel", ylabel="output channel")
    axes.set_title(f"groups {g}: {layer.weight.numel()} weights", fontsize=10)
classroom.show(
    figure,
    alt="Which of eight input channels each of eight output channels sees, for 1, 2, 4 "
    "and 8 groups: blocks on the diagonal that shrink to single cells.",
)

# %% [markdown]
# **See:** weights and MACs fall by the factor `g`. The price is in the picture: outside the blocks
# nothing flows. In a depthwise layer no channel hears of another one. Chapter 07 pays that debt
# with a second, cheap layer, and networks for phones are built that way.
#
# ## Count the cost
#
# Three counts describe a layer before it ever runs.
#
# - **Parameters**: weights and biases. They are what a file stores.
# - **MACs**: multiply-accumulates, one multiplication and one addition each. They are the work.
# - **Bytes**: input, output and weights must travel between memory and processor. The values of
#   input and output are called **activations**. A value in `float32` takes 4 bytes.
#
# > `weights = C_out * (C_in / groups) * K * K`
# >
# > `MACs = weights * H_out * W_out`
#
# The second equation is the one to keep: **each weight works once for each output pixel.**

# %%
c1 = nn.Conv2d(1, 6, 5)
cost = edu.count_cost(c1, (1, 1, 32, 32))
print(cost)
assert cost.params == 6 * 1 * 5**2 + 6
assert cost.macs == 6 * 1 * 5**2 * 28 * 28

# %% [markdown]
# ### Exercise 4: weights and MACs (3 points, 12 minutes)
#
# Write `conv_cost(C_in, C_out, K, H_out, W_out, groups)`. Return two whole numbers: the weights
# without biases, and the MACs.
#
# *Example.* `conv_cost(1, 6, 5, 28, 28, 1)` is `(150, 117600)`: C1 again.
#
# *Hint.* How many channels does one kernel see when there are `groups` teams?


# %% exercise="ch01.conv_cost"
def conv_cost(
    C_in: int, C_out: int, K: int, H_out: int, W_out: int, groups: int
) -> tuple[int, int]:
    """Weights without biases, and MACs, of one convolution layer on one image."""
    ### BEGIN SOLUTION
    weights = C_out * (C_in // groups) * K * K
    return weights, weights * H_out * W_out
    ### END SOLUTION


# %% check="ch01.conv_cost" points=3
classroom.check("ch01.conv_cost", conv_cost)

# %% [markdown]
# **Explore.** Set all numbers yourself. Three questions to answer with the sliders: what does a
# stride of 2 do to the parameters, and to the MACs? When do the activation bytes matter more than
# the parameters? Which `groups` are allowed for 12 input and 8 output channels?

# %%
classroom.conv_cost_explorer()

# %% [markdown]
# Now a whole network. LeNet-5 in its modern form has convolutions first (C1, C3, and C5, whose
# kernel is as large as its input) and fully connected layers last. Where are its weights, and where
# is its work?

# %% slide="The work sits in front, the weights at the end"
lenet_cost = edu.count_cost(edu.models.LeNet5(), (1, 1, 28, 28))
classroom.plots.cost_bars(lenet_cost)

# %% [markdown]
# **See:** the layer with the most weights is not the layer with the most work. C1 has almost no
# parameters and more than a quarter of the MACs, because its weights work at 784 places. Chapter 08
# meets this again: removing weights and removing work are two different things.
#
# ## Measure it: three ways to the same numbers
#
# How fast is C1? Compare three programs that compute the same numbers. The first is the definition,
# as six loops in plain Python.


# %%
def conv_loops(X: list, weight: list) -> list:
    """X [C_in][H][W] and weight [C_out][C_in][K][K] as nested lists -> [C_out][H_out][W_out]."""
    K = len(weight[0][0])
    H_out, W_out = len(X[0]) - K + 1, len(X[0][0]) - K + 1
    y = [[[0.0] * W_out for _ in range(H_out)] for _ in weight]
    for c_out, kernel in enumerate(weight):
        for i in range(H_out):
            for j in range(W_out):
                total = 0.0
                for channel, plane in zip(X, kernel, strict=True):
                    for u in range(K):
                        for v in range(K):
                            total += channel[i + u][j + v] * plane[u][v]
                y[c_out][i][j] = total
    return y


X = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
W = c1.weight.detach()
y = F.conv2d(X, W)
y_loops = torch.tensor(conv_loops(X[0].tolist(), W.tolist()))
print("loops agree with torch:", torch.allclose(y_loops, y[0], atol=1e-5))

# %% [markdown]
# The second way turns the convolution into one matrix product. Copy each window into a column: this
# is called **im2col** (image to columns; `unfold` in PyTorch). Write each kernel as a row. Row
# times column is the sum of products, so one product of two matrices computes all outputs.
# Processors are very good at that.


# %%
def conv_im2col(X: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """X [N, C_in, H, W], weight [C_out, C_in, K, K] -> [N, C_out, H_out, W_out]."""
    K = weight.shape[-1]
    columns = F.unfold(X, K)  # [N, C_in * K * K, H_out * W_out]
    # y = weight as rows @ windows as columns
    y = weight.flatten(1) @ columns
    return y.unflatten(-1, (X.shape[2] - K + 1, X.shape[3] - K + 1))


columns = F.unfold(X, 5)
print(f"columns {list(columns.shape)}: {columns.numel():,} values, from {X.numel():,} pixels")
print("im2col agrees with torch:", torch.allclose(conv_im2col(X, W), y, atol=1e-5))

# %% [markdown]
# The price shows in the first line: overlapping windows copy most pixels 25 times. The third way is
# `F.conv2d` itself, which calls code written for this processor. The timer warms up, repeats, and
# takes the median; chapter 05 explains how.

# %% tags=["nbval-ignore-output"] slide="The same numbers, three times, at very different speed"
from edu_lib.measure import Runner

X_list, W_list = X[0].tolist(), W.tolist()
programs = [
    Runner("Python loops", lambda: conv_loops(X_list, W_list)),
    Runner("im2col and matrix product", lambda: conv_im2col(X, W)),
    Runner("F.conv2d", lambda: F.conv2d(X, W)),
]
loops, im2col, builtin = [edu.measure_latency(each, blocks=30, block_ms=5) for each in programs]
assert loops.p50_ms > 20 * builtin.p50_ms, "torch is more than 20 times faster than Python loops"
print(f"F.conv2d is {loops.p50_ms / builtin.p50_ms:.0f} times faster than the loops")
rows = [(each.name, each.p50_ms, "fp32") for each in (loops, im2col, builtin)]
classroom.plots.frame_budget_bar(rows, ylabel="program")

# %% [markdown]
# **See:** the axis is logarithmic, one grid line is a factor of ten. The MACs are the same in all
# three bars. What differs is everything else: Python's own work for each multiplication, and how
# many multiplications the processor does at once.
#
# Compare the lower two bars. We expected `F.conv2d` to win clearly. On a layer this small either
# may win, because most of the time goes into the call, not into the arithmetic.
#
# ## Which pixels does an output see?
#
# One output of a 3x3 convolution sees 3x3 pixels. Stack a second layer on top: its window covers
# 3x3 outputs of the first, and each of these sees 3x3 pixels. The part of the input that can change
# an output is its **receptive field**.
#
# You need no formula to find it. Ask **autograd**, the part of PyTorch that computes gradients
# (chapter 02 shows how): where is the gradient of one output not zero? With all weights set to one,
# the gradient even counts the paths from a pixel to the output.


# %%
def paths_to_one_output(stack: list[tuple[int, int]], size: int = 13) -> torch.Tensor:
    """Paths from each input pixel to the middle output. stack: (kernel_size, stride) a layer."""
    X = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    y = X
    for kernel_size, stride in stack:
        ones = torch.ones(1, 1, kernel_size, kernel_size, dtype=torch.float64)
        y = F.conv2d(y, ones, stride=stride)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    return X.grad[0, 0]


stacks = {
    "3x3": [(3, 1)],
    "3x3, 3x3": [(3, 1)] * 2,
    "3x3, 3x3, 3x3": [(3, 1)] * 3,
    "3x3, 2x2 stride 2, 3x3": [(3, 1), (2, 2), (3, 1)],
}
paths = {name: paths_to_one_output(stack) for name, stack in stacks.items()}
fields = {name: int((grid > 0).any(dim=0).sum()) for name, grid in paths.items()}
print(fields)

# %% tags=["hide-input"] slide="Depth and stride widen what an output sees"
figure = classroom.plots.new_figure(9.4, 2.8)
for axes, (name, grid) in zip(figure.subplots(1, 4), paths.items(), strict=True):
    axes.imshow(grid, cmap=classroom.plots.SIGNED, vmin=-1.5 * grid.max(), vmax=1.5 * grid.max())
    for row, column in (grid > 0).nonzero().tolist():
        axes.text(column, row, f"{grid[row, column]:g}", ha="center", va="center", fontsize=7)
    axes.set_xticks(torch.arange(-0.5, 13), minor=True)
    axes.set_yticks(torch.arange(-0.5, 13), minor=True)
    axes.grid(visible=False)
    axes.grid(which="minor")
    axes.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
    axes.set(xlabel="input column", ylabel="input row")
    axes.set_title(f"{name}\nsees {fields[name]}x{fields[name]}", fontsize=9.5)
classroom.show(
    figure,
    alt="Input pixels that reach one output: 3x3, 5x5, 7x7 for one, two, three layers of "
    "3x3, and 8x8 with a stride of 2 between two of them. Paths are most in the middle.",
)

# %% [markdown]
# **See:** each further 3x3 layer adds two pixels. After a stride of 2 it adds four: one step on the
# smaller map is two steps on the image. Keep two numbers: the `field`, and the `distance` in input
# pixels between two neighbours on the present map. Both begin at 1, and each layer does
#
# > `field = field + (K - 1) * distance`
# >
# > `distance = distance * stride`
#
# ### Exercise 5: the receptive field (3 points, 20 minutes)
#
# Write `receptive_field(layers)`. Its argument is a list of `(kernel_size, stride)`, first layer
# first. It returns the pixels on a side.
#
# *Example.* `receptive_field([(3, 1), (2, 2), (3, 1)])` is 8, the last picture above.
#
# *Hint.* Mind the order: a layer's own stride counts for the layers after it.


# %% exercise="ch01.receptive_field"
def receptive_field(layers: list[tuple[int, int]]) -> int:
    """Input pixels on a side that one output sees. layers: (kernel_size, stride), first to last."""
    ### BEGIN SOLUTION
    field, distance = 1, 1
    for kernel_size, stride in layers:
        field += (kernel_size - 1) * distance
        distance *= stride
    return field
    ### END SOLUTION


# %% check="ch01.receptive_field" points=3
classroom.check("ch01.receptive_field", receptive_field)

# %% [markdown]
# Here is what surprised us: the numbers inside the field. A corner pixel reaches the output on one
# path, a pixel of the middle on many. Ten layers make it extreme.

# %%
deep = paths_to_one_output([(3, 1)] * 10, size=21)
inner = deep[5:16, 5:16]
print(f"field: {len(deep)}x{len(deep)}")
print(f"paths from a corner: {deep[0, 0]:,.0f}; from the middle: {deep[10, 10]:,.0f}")
print(
    f"inner 11x11: {100 * inner.numel() / deep.numel():.0f} % of the pixels, "
    f"{100 * inner.sum() / deep.sum():.0f} % of the paths"
)

# %% [markdown]
# So "it sees 21x21 pixels" is true and misleading: it hears the middle, and hardly the rim. Luo and
# others (2016) call the part that counts the **effective receptive field**. Trained weights are not
# all ones, but the number of paths is the same.
#
# ## Why MACs are not milliseconds
#
# You can count MACs on paper. Can you read the time from them? Here are three layers, made so that
# their MACs are equal to the last digit. A kernel of 1x1, as in the second one, is called
# **pointwise**. Each layer will run in several forms, programs that compute the same numbers.

# %%
same_macs = {
    "3x3, 64 to 64": (nn.Conv2d(64, 64, 3, padding=1), 40),
    "1x1, 64 to 576": (nn.Conv2d(64, 576, 1), 40),
    "depthwise 3x3, 64": (nn.Conv2d(64, 64, 3, padding=1, groups=64), 320),
}
counted = {}
for name, (layer, size) in same_macs.items():
    counted[name] = edu.count_cost(layer, (1, 64, size, size))
    print(f"{name:18s} on {size:3d}x{size:3d}: {counted[name].macs:,} MACs")

# %%
equal_macs = classroom.predict(
    "01.equal_macs",
    "Each in the fastest form found: how does the depthwise layer compare with the 3x3 layer?",
    options=["faster", "as fast, within 20 %", "1.2 to 3 times slower", "over 3 times slower"],
)
equal_macs

# %% [markdown]
# A fair race needs the best form of each runner. Three forms run here: PyTorch as you write it
# ("eager"), PyTorch with the channels of a pixel side by side in memory (`channels_last`), and the
# same layer in ONNX Runtime. A row marked *void* was disturbed by another program: run the cell
# again.


# %% tags=["nbval-ignore-output"]
def time_forms(layer: nn.Module, in_channels: int, size: int) -> dict:
    """Measurements of one layer on one core: eager, channels_last, ONNX Runtime."""
    X = torch.rand(1, in_channels, size, size, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        path = edu.export_onnx(layer, X, Path(folder) / "layer.onnx")
        runners = {
            "eager": edu.pytorch_runner(layer, X),
            "channels_last": edu.pytorch_runner(layer, X, channels_last=True),
            "ONNX Runtime": edu.onnxruntime_runner(path, X),
        }
    return {form: edu.measure_latency(each, 30, 5) for form, each in runners.items()}


timed = {name: time_forms(layer, 64, size) for name, (layer, size) in same_macs.items()}
best_ms = {}
for name, forms in timed.items():
    calm = [each for each in forms.values() if not each.void] or list(forms.values())
    best_ms[name] = min(measured.p50_ms for measured in calm)
    print(f"{name}, milliseconds:")
    for form, measured in forms.items():
        print(f"    {form:14s} {measured.p50_ms:6.2f}", "void" if measured.void else "")

# %% tags=["nbval-ignore-output"]
dense, pointwise, depthwise = best_ms
slower = best_ms[depthwise] / best_ms[dense]
limits = [
    (3, "over 3 times slower"),
    (1.2, "1.2 to 3 times slower"),
    (1 / 1.2, "as fast, within 20 %"),
]
answer = next((option for limit, option in limits if slower > limit), "faster")
equal_macs.reveal(answer, f"Measured here: {slower:.1f} times the time, for the same MACs.")

# %% tags=["nbval-ignore-output", "hide-input"] slide="Equal work on paper is not equal time" tour=2
figure = classroom.plots.new_figure(8.4, 2.2)
left, right = figure.subplots(1, 2, sharey=True)
macs = [cost.macs / 1e6 for cost in counted.values()]
left.barh(list(counted), macs, color=classroom.plots.FP32)
right.barh(list(best_ms), list(best_ms.values()), color=classroom.plots.ACCENT)
for position, (count, ms) in enumerate(zip(macs, best_ms.values(), strict=True)):
    left.annotate(
        f"{count:.1f}", (count, position), (4, 0), textcoords="offset points", va="center"
    )
    right.annotate(f"{ms:.2f}", (ms, position), (4, 0), textcoords="offset points", va="center")
left.set(xlabel="million MACs", ylabel="layer", xlim=(0, 1.25 * max(macs)))
right.set(xlabel="milliseconds, fastest form", xlim=(0, 1.2 * max(best_ms.values())))
left.invert_yaxis()
for axes in (left, right):
    axes.grid(visible=False, axis="y")
classroom.show(
    figure,
    alt="Three layers with equal MACs on the left, and their different times on the right; the"
    f" slowest is {max(best_ms, key=best_ms.get)}.",
)

# %% [markdown]
# **See:** the bars on the left are equal, those on the right are not. Where does the time go?
# Divide the work by the bytes that it needs. This ratio is the **arithmetic intensity**: operations
# for each byte that travels. One MAC counts as two operations (FLOP).

# %%
for name, cost in counted.items():
    moved = cost.layers[0].bytes_moved
    # intensity = 2 * MACs / (bytes of input, weights and output)
    print(f"{name:18s} {moved:11,} bytes, {2 * cost.macs / moved:6.1f} FLOP a byte")

# %% [markdown]
# The 3x3 layer uses each value it fetched up to 576 times: at nine places, for 64 output channels.
# The depthwise layer fetches a value, uses it nine times, and drops it. Whatever program runs it,
# 54 times as many bytes must travel for the same arithmetic. Chapter 05 measures both limits of
# your machine and draws them as a roofline.
#
# Bytes are not the whole story. Look again at the depthwise rows of the table: one layer, the same
# weights, the same result, three forms. On the machine that built this page its slowest form is
# further from its fastest than one layer is from another. That surprised us most.
#
# So a slow layer may be a slow program. Never judge a layer by one runtime.
#
# ### Where convolution does not help
#
# - **Where the place itself matters.** A kernel does not know where it stands. A form whose
#   top-left field is a date needs more than one shared kernel.
# - **Where far things must meet.** Two pixels that are 200 apart meet in one output after 100
#   layers of 3x3, or sooner after strides, which lose detail.
# - **Where images are small and channels many.** Then sharing saves little: on a 1x1 map a
#   convolution is a fully connected layer.
# - **Where you count and do not time.** Fewer MACs promise a faster layer. The promise is not kept
#   by itself.
#
# ## Claims
#
# What the papers say, beside what you counted and timed here.

# %%
connections = sum(p.numel() for p in c1.parameters()) * 28 * 28
stack_7x7 = nn.Sequential(*[nn.Conv2d(16, 16, 3, bias=False) for _ in range(3)])
stack_weights = sum(p.numel() for p in stack_7x7.parameters())
single_weights = nn.Conv2d(16, 16, 7, bias=False).weight.numel()
assert connections == 122_304
assert (stack_weights, single_weights) == (27 * 16**2, 49 * 16**2)
print(f"C1: {connections:,} connections share {sum(p.numel() for p in c1.parameters())} parameters")
print(f"16 channels: three 3x3 {stack_weights:,} weights, one 7x7 {single_weights:,}")

# %%
LECUN, VGG = "LeCun et al. 1998, section II.B", "Simonyan, Zisserman 2015, section 2.3"
parameters = sum(p.numel() for p in c1.parameters())
shares = connections / parameters
more = 100 * (single_weights / stack_weights - 1)
rows = [
    (LECUN, "C1 has 156 trainable parameters", 156, parameters, "parameters"),
    (LECUN, "C1 has 122,304 connections: 784 for each parameter", 784, shares, "for each"),
    (VGG, "two 3x3 layers see 5x5", 5, fields["3x3, 3x3"], "pixels"),
    (VGG, "three 3x3 layers see 7x7", 7, fields["3x3, 3x3, 3x3"], "pixels"),
    (VGG, "one 7x7 layer (49 C^2) has 81 % more weights than three 3x3 (27 C^2)", 81, more, "%"),
]
classroom.claims_table(
    [
        classroom.claim(source, says, target, measured, "equal", tolerance=0.5, unit=unit)
        for source, says, target, measured, unit in rows
    ]
)

# %% [markdown]
# The last claim has a catch that the paper names too: three layers of 3x3 are not one layer of 7x7.
# Between them stand non-linear functions, and the 7x7 kernel has more freedom. Equal field, fewer
# weights, another function.
#
# One more claim is not counted but timed, on your machine.

# %% tags=["nbval-ignore-output"]
longest_to_shortest = max(best_ms.values()) / min(best_ms.values())
assert longest_to_shortest > 1.2
classroom.claims_table(
    [
        classroom.claim(
            source="Ma et al. 2018 (ShuffleNet V2), section 1",
            says="operations with equal FLOPs can take different times (here: more than 1.2 times)",
            target=1.2,
            measured=longest_to_shortest,
            better="higher",
            tolerance=0,
            unit="times, longest to shortest",
        )
    ]
)

# %% [markdown]
# ## The frame budget
#
# A camera with 30 frames a second leaves 33 ms for each frame (chapter 00). How much of it does one
# single layer take, on one core? Here are four layers, each in its fastest form, and two of them
# again as eager PyTorch runs them. AlexNet's is that of 2014, with 64 kernels in one tower; the
# network of 2012 had 96 in two (chapter 03).

# %% tags=["nbval-ignore-output"] slide="One layer of VGG-16 fills a good part of a frame" tour=1
vgg = time_forms(nn.Conv2d(64, 64, 3, padding=1), 64, 224)
alexnet = time_forms(nn.Conv2d(3, 64, 11, stride=4, padding=2), 3, 224)
lenet = time_forms(c1, 1, 32)


def fastest_row(name: str, forms: dict) -> tuple[str, float, str]:
    """A row of the frame-budget figure: the fastest form of a layer."""
    calm = [each for each in forms if not forms[each].void] or list(forms)
    form = min(calm, key=lambda each: forms[each].p50_ms)
    return f"{name} ({form})", forms[form].p50_ms, "fp32"


classroom.plots.frame_budget_bar(
    [
        fastest_row("LeNet-5 C1, 32x32", lenet),
        fastest_row("AlexNet conv1 (64 kernels), 224x224", alexnet),
        fastest_row("depthwise, 320x320", timed[depthwise]),
        ("depthwise, 320x320 (eager)", timed[depthwise]["eager"].p50_ms, "fp32"),
        fastest_row("VGG-16 conv1_2, 224x224", vgg),
        ("VGG-16 conv1_2, 224x224 (eager)", vgg["eager"].p50_ms, "fp32"),
    ],
    ylabel="layer",
)

# %% [markdown]
# **See:** from the first bar to VGG's lie 16 years and several factors of ten. One layer of VGG-16
# takes a good part of a frame, or all of it, and VGG-16 has 13 convolution layers. The eager bars
# show how much a careless choice of runtime adds.
#
# On one core, a network that must answer thirty times a second cannot be built like that. The rest
# of this kit is about how to build it.
#
# ## Key points
#
# - A convolution asks one small question at every place: multiply a window with a kernel, and sum.
# - Few weights, much work: each weight works once for each output pixel.
# - Output size: `(input + 2 * padding - kernel) // stride + 1`. Groups divide weights and MACs by
#   `g`.
# - The receptive field grows with depth, and faster after a stride. Its middle counts most.
# - Equal MACs are not equal milliseconds. Bytes count too, and so does the program that runs the
#   layer.
#
# **Terms.**
#
# - *Kernel*: a small block of weights, `[C_in / groups, K, K]`. *Feature map*: the answers of one
#   kernel.
# - *Cross-correlation*: a convolution without flipping the kernel; what deep learning libraries
#   compute.
# - *Pooling*: one number for each small square of a map, its largest or its mean.
# - *Stride*: pixels between two places. *Padding*: a border of zeros. *Groups*: teams of channels.
# - *Depthwise*: as many groups as channels. *Pointwise*: a kernel of 1x1, which mixes channels
#   alone.
# - *MAC*: one multiplication and one addition; two FLOPs.
# - *Activation*: a value that goes into a layer or comes out of it.
# - *Receptive field*: the input pixels that can change an output.
# - *Translation equivariance*: when the input moves, the output moves with it.
# - *im2col*: windows copied into the columns of a matrix, so that one matrix product convolves.
# - *Arithmetic intensity*: operations for each byte moved between memory and processor.
#
# **References.**
#
# - D. Hubel, T. Wiesel, "Receptive fields, binocular interaction and functional architecture in the
#   cat's visual cortex", Journal of Physiology 160, 1962.
# - K. Fukushima, "Neocognitron", Biological Cybernetics 36, 1980.
# - Y. LeCun et al., "Backpropagation applied to handwritten zip code recognition", Neural
#   Computation 1(4), 1989.
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
#   recognition", Proceedings of the IEEE 86(11), 1998.
# - K. Chellapilla, S. Puri, P. Simard, "High performance convolutional neural networks for document
#   processing", IWFHR 2006 (im2col).
# - K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition",
#   ICLR 2015.
# - W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the effective receptive field in deep
#   convolutional neural networks", NeurIPS 2016.
# - N. Ma, X. Zhang, H.-T. Zheng, J. Sun, "ShuffleNet V2: practical guidelines for efficient CNN
#   architecture design", ECCV 2018.
#
# **Next.** [02 LeNet 1998](02_lenet_1998.ipynb): a network of such layers learns to read.
