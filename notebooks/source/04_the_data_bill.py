# %% [markdown]
# # The data bill: what labels buy, and what they cost
#
# **Question.** How many labelled images does a network need, who labels them, and what do they
# cost?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 40, and 10 for labelling | {{results.chapter_seconds.04_the_data_bill:.0f}} | [03 AlexNet 2012](03_alexnet_2012.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. measure a learning curve, and say how many images a trick such as augmentation is worth;
# 2. say when augmentation helps, when it does not, and show why;
# 3. label an image yourself, and turn your minutes into the hours and the money of a data set.

# %%
import json

import numpy as np
import torch

import classroom
import edu_lib as edu
import roads
from edu_lib.data import DATA_FOLDER
from classroom.label_pad import LabelPad
from classroom.labelling import count_segments, hasty_labels

torch.set_num_threads(1)
classroom.plots.use_house_style()
digits, clothes = edu.mnist(), edu.fashion_mnist()
study = edu.load_result("data_hunger")
published = json.loads((DATA_FOLDER / "published" / "data_bill.json").read_text(encoding="utf-8"))
print(f"digits: {len(digits.train):,} labelled images; clothes: {len(clothes.train):,}")
clothes = edu.fashion_mnist()  # a fresh copy, not yet loaded: frees 200 MB until it is used

# %% [markdown]
# ## The story: somebody had to look at every picture
#
# LeNet-5 was ready in 1998. Why did it take until 2012 for such a network to read photographs?
# Faster machines are half of the answer. The other half is data. Before 2012, writes AlexNet's
# paper, sets of labelled images held {{published.data_bill.alexnet_2012.earlier_sets}} of images.
# AlexNet was trained on {{published.data_bill.alexnet_2012.training_images_millions}} million, in
# {{published.data_bill.alexnet_2012.classes:,}} classes.
#
# They came from ImageNet. Its makers collected candidates from the internet and asked people,
# through a market for small jobs, what was in them. Almost
# {{published.data_bill.imagenet_workers.workers:,}} workers from
# {{published.data_bill.imagenet_workers.countries}} countries took part, by the account of Fei-Fei
# Li, who led the project. By 2013 ImageNet held {{published.data_bill.imagenet.images:,}} labelled
# images.
#
# A **label** is what a network is told about an image: here, one word. This chapter asks what a
# label buys, and what it costs. Begin small. Here are all the images of a training set that you
# could label in a few minutes.

# %% slide="A hundred digits: a whole training set" minutes=1
def few_images(split, num_images: int, seed: int = 0):
    """The same random choice of images each time."""
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(1000 + seed))
    return split.subset(order[:num_images])


hundred = few_images(digits.train, 100)
classroom.plots.image_grid(1 - hundred.X, columns=25, cell_inches=0.36,
                     alt="A hundred handwritten digits: a whole training set.")

# %% [markdown]
# ## Predict: how far do a hundred digits carry?

# %%
guess = classroom.predict(
    "04.hundred",
    "LeNet-5 learns from these 100 digits alone. How many of 10,000 new digits does it read?",
    options=["about 30 %", "about 55 %", "about 80 %", "about 98 %"],
)
guess

# %% [markdown]
# Train it: with 100 digits and with 1,000, each as they are and *augmented*. **Augmentation** makes
# new images out of old ones: each time a digit is shown it is turned, stretched, slanted and moved
# a little, at random. The label stays. No person is asked.

# %% slide="One digit, and nine copies that cost nothing" minutes=1
torch.manual_seed(4)
same = hundred.X[3:4].repeat(9, 1, 1, 1)
pictures = torch.cat([same[:1], edu.random_affine(same)])
names = ["as it is"] + [f"copy {i}" for i in range(1, 10)]
classroom.plots.image_grid(1 - pictures, names, columns=10,
                     alt="One digit, and nine copies of it, each turned, stretched and moved.")

# %% [markdown]
# **See:** all of them are the same digit to you. To the network they are ten images. It never sees
# the same one twice.
#
# One thing must be equal for both, or the comparison is worth nothing: the number of training
# steps. A network with 1,000 images sees each of them 30 times, one with 100 images 300 times. Both
# do 600 steps of 50 images.

# %%
def train(split, num_images: int, augment=None, num_steps: int = 600):
    """LeNet-5 after `num_steps` steps of 50 images, drawn from `num_images` labelled ones."""
    part = few_images(split, num_images)
    torch.manual_seed(0)
    model = edu.models.LeNet5()
    edu.fit(
        model, part.X, part.y, num_epochs=num_steps * 50 // num_images, batch_size=50, lr=4e-3,
        augment=augment, device="cpu", seed=0, progress=False,
    )  # fmt: skip
    return model


# %% tags=["nbval-ignore-output"]
reads = {}
for num_images in (100, 1000):
    for name, augment in (("as they are", None), ("augmented", edu.random_affine)):
        model = train(digits.train, num_images, augment)
        reads[num_images, name] = edu.evaluate(model, digits.test.X, digits.test.y).accuracy
        print(f"{num_images:5,} digits, {name:11s}: {reads[num_images, name]:.1f} % right")

# %%
assert 70 < reads[100, "as they are"] < 88
assert all(reads[n, "augmented"] > reads[n, "as they are"] for n in (100, 1000))
guess.reveal(
    "about 80 %", "about ten examples of each digit are enough for four digits out of five"
)

# %% [markdown]
# About ten examples of each digit, and four out of five new digits are read. That is the easy part.
# The price of the rest is what the next figure shows.
#
# ## The learning curve
#
# One training with one choice of images proves little: with 100 images the seeds differ by several
# points. The study `studies/data_hunger.py` trains every point three to five times, with other
# images and other first weights, {{results.data_hunger.steps:,}} steps each. First guess what
# augmentation is worth, in images.

# %%
worth = classroom.predict(
    "04.worth",
    "100 digits, augmented, read 91 of 100 new ones. How many digits, as they are, read as many?",
    options=["about 120", "about 400", "about 1,500", "about 6,000"],
)
worth

# %% tags=["hide-input"]
SIZES = [100, 300, 1000, 3000, 10_000, 60_000]


def draw_curves(name: str, what: str):
    """Error over the number of labelled images, as they are and augmented, with intervals."""
    figure = classroom.plots.new_figure(7.4, 4.0)
    axes = figure.subplots()
    for arm, label, colour in (("plain", "as they are", classroom.plots.FP32),
                               ("augmented", "augmented", classroom.plots.COMPRESSED)):
        points = [study[name][arm][str(size)] for size in SIZES]
        errors = [100 - point["mean"] for point in points]
        spread = [[point["mean"] - point["low"] for point in points],
                  [point["high"] - point["mean"] for point in points]]
        spread = [[min(s, 0.8 * e) for s, e in zip(side, errors, strict=True)] for side in spread]
        axes.errorbar(SIZES, errors, yerr=spread[::-1], color=colour, marker="o", capsize=4)
        below = arm == "augmented"
        place = 1 if below else 0
        offset, side = ((-8, -16), "right") if below else ((12, 2), "left")
        axes.annotate(label, (SIZES[place], errors[place]), offset, color=colour, ha=side,
                      textcoords="offset points", fontweight="bold")
    axes.set(xscale="log", yscale="log", xlabel=f"labelled {what} (log scale)",
             ylabel="test error (%, log scale)")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    return figure, axes


# %% slide="More labels, fewer errors, along a straight line" tour=2
figure, axes = draw_curves("mnist", "digits")
better = 100 - study["mnist"]["augmented"]["100"]["mean"]
factor = study["mnist"]["stretch"]["100"]["factor"]
axes.annotate("", (100 * factor, better), (105, better), arrowprops={"arrowstyle": "->", "lw": 2})
axes.annotate(f"worth {factor:.1f} times\nthe images", (100 * factor, better), (14, 4),
              textcoords="offset points", fontweight="bold")
axes.set(yticks=[1, 2, 5, 10, 20])
classroom.show(
    figure,
    alt="Errors fall along nearly straight lines as digits are added; the line of the augmented "
    "ones lies below, and the two meet at the right end.",
)

# %% [markdown]
# **See:** both axes are logarithmic. Up to 10,000 digits the curve is nearly straight: each ten
# times the labels divide the error by a little less than the ten times before. The last step, to
# 60,000, divides it by far less; it is trained for two passes only, as told below. The first
# thousand labels buy far more than the last ten thousand.

# %%
plain = [study["mnist"]["plain"][str(size)]["mean"] for size in SIZES]
augmented = [study["mnist"]["augmented"][str(size)]["mean"] for size in SIZES]
for fewer, more in ((0, 2), (2, 4)):
    ratio = (100 - plain[fewer]) / (100 - plain[more])
    print(f"from {SIZES[fewer]:,} to {SIZES[more]:,} digits: the error is divided by {ratio:.1f}")
worth.reveal("about 400", "the arrow in the figure: read off the curve of the digits as they are")

# %% [markdown]
# Now the worth of augmentation, for every point. Take the accuracy that it reached, and read off
# the other curve how many images, as they are, reach the same. That factor says how far
# augmentation *stretches* the data. The lowest and highest seed show how sure it is.

# %%
print("digits   worth of augmentation        lowest and highest seed")
for size in SIZES:
    stretch = study["mnist"]["stretch"][str(size)]
    shown = [f"{value:4.1f} times" if value else "more than we have" for value in
             (stretch["factor"], stretch["low"], stretch["high"])]
    print(f"{size:6,}   {shown[0]:27s}  {shown[1]} to {shown[2]}")

# %% [markdown]
# With 100 digits, augmentation is worth {{results.data_hunger.mnist.stretch.100.factor:.1f}} times
# the labels: {{results.data_hunger.mnist.plain.100.mean:.1f}} % become
# {{results.data_hunger.mnist.augmented.100.mean:.1f}} %. With 1,000 it is
# {{results.data_hunger.mnist.plain.1000.mean:.1f}} % to
# {{results.data_hunger.mnist.augmented.1000.mean:.1f}} %. In points the gain shrinks. In labels
# saved it does not: late labels are many and buy little. With all 60,000 the gain is
# {{results.data_hunger.mnist.gain.60000.mean:+.1f}} points, with a 95 % interval from
# {{results.data_hunger.mnist.gain.60000.low:+.1f}} to
# {{results.data_hunger.mnist.gain.60000.high:+.1f}}.
#
# Mind that last point. Every point of the curve has {{results.data_hunger.steps:,}} steps of 50
# images. For 100 digits these are 1,200 passes over the data, for 60,000 digits *two*. Two passes
# are far too few for images that never repeat, so the right end of the curve says what augmentation
# is worth in a hurry, not what it is worth. The clothes below show the difference.
#
# So is augmentation the answer to the data bill? Try it on another set before you believe it.
#
# ## Clothes: does the same trick work?
#
# Fashion-MNIST has the same shape: 60,000 small grey images, ten classes, photographs of clothes
# instead of digits. The augmentation is the same, and half of the clothes are also mirrored: a
# mirrored pullover is a pullover, and a mirrored left shoe is a right one.

# %%
clothes_guess = classroom.predict(
    "04.clothes",
    "1,000 clothes, augmented. How many clothes, as they are, does that replace?",
    options=["fewer than 1,000: it harms", "1,000 to 2,000", "2,000 to 5,000", "more than 5,000"],
)
clothes_guess

# %% slide="With clothes the trick hardly helps"
figure, axes = draw_curves("fashion", "clothes")
axes.set(yticks=[10, 15, 20, 30])
for size, offset in ((1000, (30, 34)), (10_000, (10, 44))):
    gained = study["fashion"]["gain"][str(size)]["mean"]
    worse = 100 - min(study["fashion"][arm][str(size)]["mean"] for arm in ("plain", "augmented"))
    axes.annotate(
        f"{gained:+.1f} points", (size, worse), offset, textcoords="offset points",
        fontweight="bold", arrowprops={"arrowstyle": "->", "color": classroom.plots.MUTED},
    )  # fmt: skip
classroom.show(
    figure,
    alt="Errors of the clothes, as they are and augmented: two curves that nearly coincide up to "
    "3,000 clothes; from 10,000 on the augmented ones do worse.",
)

# %%
stretch_clothes = study["fashion"]["stretch"]["1000"]["factor"]
assert 1 < stretch_clothes < 2
clothes_guess.reveal(
    "1,000 to 2,000", "and with 10,000 clothes, augmented, it replaces fewer than 10,000"
)

# %% [markdown]
# **See:** the curves nearly coincide, then cross. For 1,000 digits the trick was worth
# {{results.data_hunger.mnist.stretch.1000.factor:.1f}} times the data, for 1,000 clothes
# {{results.data_hunger.fashion.stretch.1000.factor:.1f}} times. With 10,000 clothes it is a loss:
# {{results.data_hunger.fashion.gain.10000.mean:+.1f}} points (95 % interval
# {{results.data_hunger.fashion.gain.10000.low:+.1f}} to
# {{results.data_hunger.fashion.gain.10000.high:+.1f}}). That surprised us: the clothes are the
# harder set, with far more errors left to remove.
#
# Part of that loss is haste. Augmented images never repeat, so they take longer to learn. With
# {{results.data_hunger.longer.times}} times the steps (10,000 clothes, one seed) the network reads
# {{results.data_hunger.longer.plain:.1f}} % as they are and
# {{results.data_hunger.longer.augmented:.1f}} % augmented: {{results.data_hunger.longer.gain:+.1f}}
# points. The loss has become a small gain, and it is paid for in computing. One seed does not
# settle how large it is. What stays at every size is the question: why are the same changes worth
# so little for clothes?
#
# ## Why: does a copy look like anything in the test set?
#
# A copy can help only if it looks like an image that will be asked for. That can be measured
# without any network. For each test image, how far away is the nearest labelled image? Distance is
# the plain one: subtract, square, sum over the pixels, take the root. Then add nineteen distorted
# copies of each labelled image, and ask again. And, for comparison, nineteen times more real
# images.

# %%
def nearest(test, X, y) -> tuple[float, float]:
    """Mean distance from a test image to the nearest of X, and percent whose label that one has."""
    distance, index = torch.cdist(test.X.flatten(1), X.flatten(1)).min(dim=1)
    return float(distance.mean()), 100 * float((y[index] == test.y).float().mean())


def compare_copies(data) -> dict[str, tuple[float, float]]:
    """`nearest` for 1,000 images, for their copies too, and for 20,000 real ones."""
    torch.manual_seed(0)
    test, few, many = (few_images(split, n) for split, n in
                       ((data.test, 500), (data.train, 1000), (data.train, 20_000)))
    copies = torch.cat([few.X] + [edu.random_affine(few.X) for _ in range(19)])
    return {"1,000 images": nearest(test, few.X, few.y),
            "and 19 copies of each": nearest(test, copies, few.y.repeat(20)),
            "20,000 real images": nearest(test, many.X, many.y)}


# %% tags=["nbval-ignore-output"]
found = {"digits": compare_copies(digits)}
digits = edu.mnist()  # a fresh copy, not yet loaded: frees 200 MB until it is used
found["clothes"] = compare_copies(clothes)
for name, rows in found.items():
    for kind, (distance, right) in rows.items():
        print(f"{name:8s} {kind:22s} nearest at {distance:.2f}, with the right label {right:.0f} %")

# %% tags=["nbval-ignore-output"] slide="A copy must resemble what is to come"
figure = classroom.plots.new_figure(7.4, 2.6)
axes = figure.subplots()
shares = [study[name]["nearest"]["share_of_the_way"] for name in ("mnist", "fashion")]
axes.barh([1, 0], shares, color=[classroom.plots.COMPRESSED] * 2, height=0.55)
for place, share in zip((1, 0), shares, strict=True):
    axes.annotate(f"{share:.0f} %", (share, place), (5, 0), textcoords="offset points", va="center",
                  fontweight="bold")
axes.set(xlim=(0, 100), yticks=[1, 0], yticklabels=["digits", "clothes"],
         xlabel="how much nearer 19 copies bring a test image,\nin % of what 19 new images bring",
         ylabel="data set")
axes.grid(visible=False, axis="y")
classroom.show(
    figure,
    alt="Copies bring a test digit most of the way that new digits bring, a test garment about "
    "half as much.",
)

# %% tags=["nbval-ignore-output"]
def share_of_the_way(rows) -> float:
    """How much nearer the copies bring a test image, in percent of what real images bring."""
    few, copies, many = (distance for distance, _ in rows.values())
    return 100 * (few - copies) / (few - many)


share_digits, share_clothes = (share_of_the_way(found[name]) for name in ("digits", "clothes"))
print(f"copies of digits go {share_digits:.0f} % of the way that real images go")
print(f"copies of clothes go {share_clothes:.0f} %")
assert share_digits > 50 > share_clothes

# %% [markdown]
# **See:** people write slanted, wide, small and turned digits, and the copies are slanted, wide,
# small and turned digits. They lie where the test digits lie. The clothes were photographed by one
# shop, in one pose, centred and scaled alike. A turned pullover looks like nothing in the test set.
# What test pullovers differ in is cut and cloth, and no copy brings a new cut.
#
# And the mirrored shoes? Take the mean of all boots, and its mirror image. Which of the two is a
# boot nearer to?

# %% tags=["nbval-ignore-output"]
for kind, name in ((9, "boots"), (7, "sneakers")):
    shoes = clothes.train.X[clothes.train.y == kind]
    mean = shoes.mean(dim=0)
    near, far = ((shoes - each).flatten(1).norm(dim=1) for each in (mean, mean.flip(-1)))
    turned = int((far < near).sum())
    print(f"{turned} of {len(shoes):,} {name} are nearer to the mirrored mean")
    assert turned < len(shoes) / 100

# %% [markdown]
# Nearly all boots and sneakers of this shop face one way. A mirrored shoe is a shoe in the world,
# and in this data set it is one that hardly ever comes. Half of our copies of shoes prepared the
# network for images that nobody asks for.
#
# Two cautions. Turning an image blurs it, and a blurred image is nearer to everything: that
# flatters the copies of digits and of clothes alike, which is why we compare the two. And nearer is
# not yet right. In the study, on 1,000 test images, the label of the nearest image is right for
# {{results.data_hunger.mnist.nearest.few.accuracy:.1f}} % of the digits, with copies for
# {{results.data_hunger.mnist.nearest.copies.accuracy:.1f}} %; for clothes it is
# {{results.data_hunger.fashion.nearest.few.accuracy:.1f}} % and
# {{results.data_hunger.fashion.nearest.copies.accuracy:.1f}} %. Differences of a point or two on
# 1,000 images are within chance. The distances are the evidence here, not these labels.
#
# The same shows in what goes wrong. Train two small networks on clothes and look at their errors.

# %%
def augment_clothes(X: torch.Tensor) -> torch.Tensor:
    """Distort each image, then mirror half of them."""
    chosen = torch.rand(len(X), 1, 1, 1) < 0.5
    X = edu.random_affine(X)
    return torch.where(chosen, X.flip(-1), X)


def answers(model, X: torch.Tensor) -> torch.Tensor:
    """The class that the model gives to each image of X."""
    with torch.no_grad():
        return torch.cat([model(part) for part in X.split(1000)]).argmax(dim=1)


clothes_networks = {"as they are": train(clothes.train, 1000),
                    "augmented": train(clothes.train, 1000, augment_clothes)}

# %% tags=["nbval-ignore-output"]
TOPS = torch.tensor([0, 2, 3, 4, 6])
print("tops:", ", ".join(clothes.test.classes[i] for i in TOPS))
among_tops = {}
for name, model in clothes_networks.items():
    given = answers(model, clothes.test.X)
    wrong = given != clothes.test.y
    both_tops = torch.isin(given, TOPS) & torch.isin(clothes.test.y, TOPS) & wrong
    among_tops[name] = 100 * int(both_tops.sum()) / int(wrong.sum())
    share = f"{among_tops[name]:.0f} % of them one top for another"
    print(f"{name:11s}: {int(wrong.sum()):,} errors, {share}")

    assert among_tops[name] > 60

# %% [markdown]
# (No surprise if the augmented network makes more errors here than the other one. These two had
# 600 steps, a quarter of the study's, and images that never repeat take longer to learn.) Shirt,
# pullover, coat, dress, T-shirt: moving a shirt does not show the network how shirts differ from
# coats.
#
# ### Then what did it buy?
#
# It bought something that the test set does not ask for. Move the *test* images and ask again.

# %%
def move(X: torch.Tensor, pixels: int) -> torch.Tensor:
    """Images moved by `pixels`, in turn to the right, left, down and up; 0 moves in."""
    moved = torch.zeros_like(X)
    keep = 28 - pixels
    moved[0::4, :, :, pixels:] = X[0::4, :, :, :keep]
    moved[1::4, :, :, :keep] = X[1::4, :, :, pixels:]
    moved[2::4, :, pixels:] = X[2::4, :, :keep]
    moved[3::4, :, :keep] = X[3::4, :, pixels:]
    return moved


# %% tags=["nbval-ignore-output"]
test = few_images(clothes.test, 4000)
right = {name: [100 * float((answers(model, move(test.X, pixels)) == test.y).float().mean())
                for pixels in range(7)]
         for name, model in clothes_networks.items()}
loses = {name: values[0] - values[3] for name, values in right.items()}
for name, points in loses.items():
    print(f"moved by 3 pixels, the network trained on clothes {name} loses {points:.0f} points")
assert loses["as they are"] > 20
assert loses["augmented"] < loses["as they are"] / 2

# %% [markdown]
# **Explore.** Move the test clothes, pixel by pixel. At which distance would you still trust each
# network?

# %% tags=["hide-input"]
def draw_moved(pixels: int):
    """Eight test clothes, moved, and what each network reads of 4,000 moved like them."""
    figure = classroom.plots.new_figure(8.2, 2.7)
    pictures, curve = figure.subplots(1, 2, width_ratios=[1, 1.5])
    rows = [torch.cat(list(1 - move(test.X[:8], pixels)[i : i + 4, 0]), dim=1) for i in (0, 4)]
    pictures.imshow(torch.cat(rows), cmap="gray", vmin=0, vmax=1)
    classroom.plots.picture_axes(pictures)
    pictures.set_title("moved right, left, down, up", loc="center", fontsize=10)
    inks = {"as they are": classroom.plots.FP32, "augmented": classroom.plots.COMPRESSED}
    for name, colour in inks.items():
        curve.plot(range(7), right[name], color=colour, marker="o")
        curve.plot(pixels, right[name][pixels], "o", color=colour, markersize=11)
        curve.annotate(name, (6, right[name][6]), (6, -3), color=colour, textcoords="offset points")
    curve.axvline(pixels, color=classroom.plots.MUTED, linestyle=":", linewidth=1.2)
    curve.set(xlabel="test clothes moved by (pixels)", ylabel="right (%)")
    curve.set(ylim=(0, 100), xlim=(-0.2, 8))
    curve.set_xticks(range(7))
    return figure, f"Test clothes moved by {pixels} pixels, and what two networks read of them."


classroom.Explorer(draw_moved, pixels=(0, 6, 1, 3))

# %% [markdown]
# **See:** on clothes as they come from the shop the augmented network is a little behind. Three
# pixels off, the other one is lost. More data would have helped less: on clothes moved by
# {{results.data_hunger.shift_pixels}} pixels, 1,000 clothes as they are give
# {{results.data_hunger.fashion.plain.1000.moved:.0f}} % in the study, *60,000* give
# {{results.data_hunger.fashion.plain.60000.moved:.0f}} %, and 1,000 augmented ones give
# {{results.data_hunger.fashion.augmented.1000.moved:.0f}} %.
#
# So an augmentation is a statement about the world: *this change happens, and the label survives
# it*. Where the statement is true of the images you will meet, it is worth labels. Where it is true
# but never happens, it buys insurance. Where it is false, it harms. Mirrored digits are no digits:

# %%
alone = study["mnist"]["alone"]
for name in ("shift", "mirror"):
    gain = alone[name]["gain"]["mean"]
    print(f"1,000 digits, {name:6s} alone: {'helps' if gain > 0 else 'harms'}")
print(f"mirror costs {-alone['mirror']['gain']['mean']:.1f} points, shift wins "
      f"{alone['shift']['gain']['mean']:.1f}")

# %% [markdown]
# ## What a label costs
#
# One word for an image is the cheapest label there is. A car needs more: where is the road, where
# does the person end? For that, every *pixel* gets a class. This is **semantic segmentation**, and
# its labels are made by hand, outline by outline. Published times, per label:

# %% tags=["hide-input"] slide="What one label costs in time" tour=1
TIMES = [
    ("a box, four clicks", published["boxes"]["clicks_seconds"]),
    ("a box, drawn", published["boxes"]["drawn_seconds"]),
    ("one object's outline (COCO)", 3.6 * published["coco"]["hours_per_1000_segments"]),
    ("a PASCAL image, all pixels", published["pascal_image"]["seconds"]),
    ("a Cityscapes image, coarse", 60 * published["cityscapes"]["coarse_minutes"]),
    ("a Cityscapes image, fine", 3600 * published["cityscapes"]["fine_hours"]),
]
figure = classroom.plots.new_figure(7.6, 3.0)
axes = figure.subplots()
for row, (_, seconds) in enumerate(TIMES):
    axes.barh(row, seconds - 1, left=1, color=classroom.plots.FP32, height=0.6)
    text = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min".replace(".0", "")
    axes.annotate(text, (seconds, row), (5, 0), textcoords="offset points", va="center")
axes.set(xscale="log", xlim=(1, 20_000), xlabel="seconds of one person (log scale)", ylabel="label")
axes.set_yticks(range(len(TIMES)), [name for name, _ in TIMES])
axes.set_ylim(len(TIMES) - 0.4, -0.6)
axes.xaxis.set_major_formatter("{x:,g}")
axes.grid(visible=False, axis="y")
classroom.show(
    figure,
    alt="Time of a label, from 7 seconds for a box to an hour and a half for a finely labelled "
    "street image.",
)

# %% [markdown]
# **See:** from a box to a finely labelled street lies a factor of several hundred. Sources are in
# `data/published/data_bill.json`. The times of PASCAL, of outlines and of fine streets are reported
# as *over* that value, the coarse one as *under* it. Cityscapes' times are quoted here from texts
# that cite its paper, and the fine one includes the check of each image's quality.
#
# ## Label one scene yourself
#
# Numbers of this kind are quickly read and quickly forgotten. Ten minutes with a brush are not.
# Below is a road scene that the kit has drawn, so its true labels are known for every pixel.

# %%
minutes_guess = classroom.predict(
    "04.minutes",
    "How long will you need to label this scene so that you would let a car learn from it?",
    unit="minutes",
)
minutes_guess

# %% [markdown]
# Choose a class, then paint. *Polygon* is the fastest tool for large areas: set corners along the
# outline, then close the shape. *Fill* colours a whole area that touches, so leave the largest one
# for the end. The clock starts with your first mark. *Done* stops it and shows the truth.

# %%
sample = roads.scene(22, 256, 512)
pad = LabelPad(sample)
pad

# %% [markdown]
# Have you labelled it? Then look at the truth, as the program knows it that drew the scene.

# %% tags=["hide-input"]
figure = classroom.plots.new_figure(6.0, 1.7)
pictures = ((sample.image, "the scene"), (roads.colour_labels(pad.truth), "its true labels"))
for axes, (picture, title) in zip(figure.subplots(1, 2), pictures, strict=True):
    axes.imshow(picture[::4, ::4], interpolation="nearest")
    axes.set_title(title, loc="center")
    classroom.plots.picture_axes(axes)
classroom.show(figure, alt="A drawn road scene, and beside it the class of every pixel in colours.")

# %% [markdown]
# The score is **IoU**, intersection over union: of all pixels that you *or* the truth call road,
# the percent that you *and* the truth call road. A road can be half right and look fine. A pole one
# pixel wide, painted one pixel off, scores nothing.
#
# Not in the mood? Then look at a *simulated* annotator in a hurry. It paints squares: each gets the
# class that most of its pixels have. The larger the squares, the faster the work.

# %% tags=["hide-input"]
def draw_hurry(square: int):
    """Labels in squares, where they are wrong, and the IoU of each class."""
    labels = hasty_labels(pad.truth, square)
    score = pad.score(labels, 0)
    figure = classroom.plots.new_figure(8.6, 3.3)
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 1.25])
    wrong = np.where((labels == pad.truth)[..., None], 255, (214, 40, 57)).astype(np.uint8)
    pictures = ((roads.colour_labels(labels), "labels"), (wrong, "wrong"))
    for row, (picture, title) in enumerate(pictures):
        axes = figure.add_subplot(grid[row, 0])
        axes.imshow(picture[::4, ::4], interpolation="nearest")
        classroom.plots.picture_axes(axes)
        axes.set_title(title, fontsize=10)
    bars = figure.add_subplot(grid[:, 1])
    names = list(score.ious)
    colours = [roads.PALETTE[roads.CLASSES.index(name)] / 255 for name in names]
    bars.barh(range(len(names)), list(score.ious.values()), color=colours,
              edgecolor=classroom.plots.MUTED)  # fmt: skip
    for row, iou in enumerate(score.ious.values()):
        bars.annotate(f"{iou:.0f}", (iou, row), (4, 0), textcoords="offset points", va="center")
    bars.set(xlim=(0, 108), xlabel=f"IoU (%); mean {score.miou:.0f} %", ylabel="class")
    bars.set_yticks(range(len(names)), names)
    bars.invert_yaxis()
    bars.grid(visible=False, axis="y")
    return figure, f"A simulated annotator paints squares of {square} pixels."


classroom.Explorer(draw_hurry, square=(2, 40, 2, 12))

# %%
careful, hurried = (pad.score(hasty_labels(pad.truth, square), 0) for square in (4, 24))
large = [hurried.ious[name] for name in ("sky", "road", "building")]
thin = [hurried.ious[name] for name in ("marking", "person", "sign")]
print(f"mean IoU, squares of 4 pixels: {careful.miou:.0f} %, of 24 pixels: {hurried.miou:.0f} %")
print(f"of 24 pixels, sky, road, building at least {min(large):.0f} %,", end=" ")
print(f"marking, person, sign at most {max(thin):.0f} %")
assert hurried.miou < careful.miou - 20
assert max(thin) < min(large) - 20

# %% [markdown]
# **See:** with squares of 12 pixels the road is nearly right, while markings, people and signs
# score about half as much. Mind the order: what suffers most is what a car must not miss. The
# people of the scene are small, thin and expensive.
#
# ## From your minutes to a data set
#
# The calculation is short. `votes` is how many people label the same image, because one alone makes
# mistakes.
#
#     hours = images * minutes / 60 * votes
#     money = hours * wage
#     years = hours / 1,760        220 days of 8 hours: our assumption

# %%
HOURS_A_YEAR = 220 * 8


def labelling_bill(images: int, minutes: float, wage: float, votes: int = 1):
    """(hours, money, years of one person) for a data set."""
    hours = images * minutes / 60 * votes
    return hours, hours * wage, hours / HOURS_A_YEAR


fine_minutes = 60 * published["cityscapes"]["fine_hours"]
fine_images = published["cityscapes"]["fine_images"]
fine_hours, _, fine_years = labelling_bill(fine_images, fine_minutes, wage=0)
print(f"5,000 fine street images: {fine_hours:,.0f} hours, {fine_years:.1f} years of one person")
coco_hours = published["coco"]["segments"] * published["coco"]["hours_per_1000_segments"] / 1000
print(f"2.5 million outlines: {coco_hours:,.0f} hours, {coco_hours / HOURS_A_YEAR:.0f} years")

# %% [markdown]
# Four years of one person for the fine part of Cityscapes, 31 for the outlines of COCO. Now with
# your own minutes. If you have labelled the scene above, the slider begins at your time; else at
# the {{published.data_bill.cityscapes.fine_hours}} hours of Cityscapes. The wage is ours, not a
# figure from a source: move it.

# %%
minutes = min(max(round(pad.result.minutes), 1), 120) if pad.result else round(fine_minutes)
print("minutes for one image:", minutes)
minutes_guess.reveal(minutes, "your time on the pad, or the 90 minutes that Cityscapes reports")

# %% tags=["hide-input"] slide="From minutes to years: what a data set costs"
def draw_bill(images: int, minutes: int, wage: int, votes: int):
    """Money for three data sets: as set, one tenth of it, and ten times of it."""
    hours, money, years = labelling_bill(images, minutes, wage, votes)
    sets = [images // 10, images, images * 10]
    figure = classroom.plots.new_figure(7.8, 2.5)
    axes = figure.subplots()
    for row, number in enumerate(sets):
        cost = labelling_bill(number, minutes, wage, votes)
        colour = classroom.plots.COMPRESSED if row == 1 else classroom.plots.FP32
        axes.barh(row, cost[1] - 10, left=10, color=colour, height=0.6)
        text = f"{cost[1]:,.0f}; {cost[2]:,.1f} years"
        axes.annotate(text, (cost[1], row), (5, 0), textcoords="offset points", va="center")
    most = labelling_bill(images * 10, minutes, wage, votes)[1]
    axes.set(xscale="log", xlim=(10, max(most, 100) * 4000), ylabel="data set")
    axes.set_xlabel("wages, in the currency of the hourly wage (log scale)")
    axes.xaxis.set_major_formatter(lambda value, _: classroom.plots.readable_count(value))
    axes.set_yticks(range(3), [f"{number:,} images" for number in sets])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    text = f"{images:,} images, {minutes} minutes each, {votes} to an image: {hours:,.0f} hours"
    paid = f"{money:,.0f} in wages at {wage} an hour"
    return figure, f"{text}, {years:,.1f} years of one person, {paid}."


classroom.Explorer(draw_bill, images=(1000, 50_000, 1000, 5000), minutes=(1, 120, 1, minutes),
             wage=(2, 60, 1, 15), votes=(1, 5, 1, 1))

# %% [markdown]
# **Explore.** Set 5,000 images and 90 minutes, then 7. What would you have to give up for the
# cheaper one? Then three votes. Which of the four sliders would you rather move?
#
# ## A price list
#
# Some sell labels by the piece. A price list by Google Cloud asked, for 1,000 units and one
# labeler: {{published.data_bill.price_list.class_per_1000}} dollars for a class,
# {{published.data_bill.price_list.box_per_1000}} for a box,
# {{published.data_bill.price_list.polygon_per_1000}} for a polygon and
# {{published.data_bill.price_list.segment_per_1000}} for a segment. And an image has one class but
# many segments. How many has our scene? Count the areas that touch, as the pad's *Fill* would find
# them.

# %% tags=["nbval-ignore-output"]
segments = count_segments(pad.truth, min_pixels=20)
prices = published["price_list"]
class_dollars = prices["class_per_1000"] / 1000
scene_dollars = segments * prices["segment_per_1000"] / 1000
times_dearer = scene_dollars / class_dollars
print(f"one class for the scene: {class_dollars:.3f} dollars")
print(f"its {segments} segments: {scene_dollars:.2f} dollars, {times_dearer:,.0f} times as much")

assert times_dearer > 100

# %% [markdown]
# A single segment costs 25 times a class; this whole scene more than a thousand times. This is why
# chapter 12 counts its tasks, and why most networks begin their life on cheap labels.
#
# ### The market of labels
#
# Labels are a product, with sellers, price lists and workers. How large is the purchase behind a
# famous network? By Li's account the workers of ImageNet cleaned, sorted and labelled *nearly a
# billion* candidate images; {{published.data_bill.imagenet.images:,}} stayed. Nobody paid for these
# by the price list above. What if one had to?

# %%
images = published["imagenet"]["images"]
print(f"ImageNet, one class an image: {images * prices['class_per_1000'] / 1000:12,.0f} dollars")
print(f"ImageNet, one segment each:   {images * prices['segment_per_1000'] / 1000:12,.0f} dollars")
print("a small laboratory with 10,000 dollars buys")
for unit in ("class", "box", "polygon", "segment"):
    print(f"    {1000 * 10_000 / prices[unit + '_per_1000']:9,.0f} labels of the kind: {unit}")

# %% [markdown]
# That is the gap. Whoever can spend half a million has an ImageNet of classes, whoever has ten
# thousand dollars has eleven thousand segments, and shares data sets, or looks for the ways out
# below. (One price list, one labeler for each image, the price of its first tier for all. The list
# does not say what the workers get. How many labels large companies buy, and what the sellers earn
# by them, we found in no source that we could read, so no such figure stands here.)
#
# ## Ways out
#
# | way | what it does to the bill | where |
# |---|---|---|
# | augmentation | true statements about the world instead of labels | this chapter |
# | coarse labels | many hasty images instead of few fine ones | below |
# | transfer | learn from a cheap, large set first | below |
# | distillation | a large network labels for a small one | [11](11_knowledge_distillation.ipynb) |
# | multi-task learning | one image, several cheap labels | [12](12_multi_task_learning.ipynb) |
# | synthetic images | the program that draws knows the labels | below, and [12](12_multi_task_learning.ipynb) |
#
# **Coarse labels.** Zlateski and others (2018) drew streets with perfect labels, spoiled the labels
# on purpose, and report that what counts is mostly the *time* spent on labelling: many coarse
# images can do what fewer fine ones do. We have not tried to repeat it.
#
# **Transfer learning.** Start from a network that has learned something else, and **fine-tune** it:
# train on with the new images. The study took the LeNet-5 trained on 60,000 clothes, and taught it
# digits.

# %%
for size in ("100", "1000"):
    gain = study["transfer"][size]["gain"]
    sure = "surely" if gain["low"] > 0 or gain["high"] < 0 else "not surely"
    print(f"{int(size):5,} digits, after clothes: {gain['mean']:+.1f} points, 95 % interval "
          f"{gain['low']:+.1f} to {gain['high']:+.1f}: {sure} different from 0")

# %% [markdown]
# No help: with 100 digits, clothes are a worse beginning than a random one. What transfers is what
# two tasks share, and coats share little with sevens. It is one pair of small sets and one learning
# rate, with all layers trained on. It says that a cheap first task is not always a good one, not
# that transfer fails.
#
# **Synthetic images.** The scene above was drawn by a program, which knows what it drew. How long
# does a perfectly labelled scene take?

# %% tags=["nbval-ignore-output"]
import time

start = time.perf_counter()
for seed in range(20):
    roads.scene(seed, 256, 512)
scene_seconds = (time.perf_counter() - start) / 20
by_hand = f"fine by hand: {fine_minutes:.0f} minutes"
print(f"{1000 * scene_seconds:.0f} ms for a scene with all its labels; {by_hand}")
core_minutes = 5000 * scene_seconds / 60
print(f"5,000 scenes: {core_minutes:.0f} minutes of one core, not {fine_hours:,.0f} hours")

# %% [markdown]
# Free labels, perfect to the pixel. And they say *nothing about real roads*. A network that scores
# well on drawn streets has learned how this program draws. In 2016 Richter and others took
# {{published.data_bill.games.images:,}} images from a computer game. With them and a third of a
# real data set a network did better than with the whole real set. A third: it was not replaced, it
# was stretched, as by augmentation.
#
# ## Where this chapter may mislead you
#
# - The curves are those of one small network on images of 28x28. A larger one needs more data, and
#   can use more.
# - Intervals of three seeds are wide, and the test set is the same for all of them.
# - Ten thousand test digits are fewer than they seem. The second half of MNIST's test set stands in
#   the order of its writers, so neighbours come from one hand and are read or misread together.
#   Parts of the training set do too, and a random choice of digits has the same writers in training
#   and in validation.
# - The factor reads a curve. At its right end it is flat, and a small error of accuracy is a large
#   one of factor.
# - IoU treats the scene's classes alike. A car does not.
#
# ## Claims

# %%
moved_few = study["fashion"]["augmented"]["1000"]["moved"]
moved_many = study["fashion"]["plain"]["60000"]["moved"]
gains = {name: study[name]["gain"] for name in ("mnist", "fashion")}
early, late = (gains["mnist"][size]["mean"] for size in ("100", "10000"))
geiping = "Geiping et al. 2023, abstract"
classroom.claims_table([
    classroom.claim(
        geiping, "off the test distribution, augmentation can be worth more than more data"
        " (here: 1,000 augmented against 60,000 clothes, moved)", 0, moved_few - moved_many,
        "higher", tolerance=0, unit="points more",
    ),
    classroom.claim(
        geiping, "invariances are worth most on small and medium sets (here: digits, points gained"
        " at 100 above points gained at 10,000)", 0, early - late, "higher", tolerance=0,
        unit="points more",
    ),
    classroom.claim(
        geiping, "the same for clothes", 0,
        gains["fashion"]["100"]["mean"] - gains["fashion"]["10000"]["mean"],
        "higher", tolerance=0, unit="points more",
    ),
    classroom.claim(
        "Bearman et al. 2016, abstract", "class labels are an order of magnitude cheaper than"
        " pixels (here: by the price list, for our scene)", 10, round(times_dearer), "higher",
        tolerance=0, unit="times",
    ),
])  # fmt: skip

# %% [markdown]
# The first three set directions from a paper against our small network: they agree, and that is all
# they show. The second holds in points alone: in labels saved the digits' gain hardly changes from
# 100 to 10,000. Part of the third comes from the short training at 10,000 clothes. The last one
# compares two prices of one list with a scene full of small parts. With another list or an empty
# road the factor changes.
#
# ## Exercises
#
# ### Exercise 1: mirror some (2 points, 8 minutes)
#
# Write `mirror_some(X, chosen)`: the images of X [N, C, H, W] for which `chosen` [N], a tensor of
# bools, is True come back mirrored, left to right; the others as they are. X stays as it was.
#
# *Hint.* `X.flip(-1)` mirrors all of them. `torch.where` takes from one or from the other.

# %% exercise="ch04.mirror"
def mirror_some(X: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """X [N, C, H, W], mirrored where chosen [N] is True."""
    ### BEGIN SOLUTION
    return torch.where(chosen[:, None, None, None], X.flip(-1), X)
    ### END SOLUTION


# %% check="ch04.mirror" points=2
classroom.check("ch04.mirror", mirror_some)

# %% [markdown]
# ### Exercise 2: read off the curve (3 points, 20 minutes)
#
# Write `needed(sizes, accuracies, wanted)`: how many images reach `wanted` percent. Both lists
# rise, and `wanted` is not below the first accuracy. Between two points, `log(100 - accuracy)` is a
# straight line over `log(size)`. What no point of the curve reaches needs `math.inf` images.
#
# *Example.* 100 images give 80 %, 1,000 give 95 %. 90 % has half the error of 80 %, and that is
# half of the way in logarithms: 316 images.
#
# *Hint.* Find the two points around `wanted`. Which share of the way in log error is it? Take the
# same share in log size.

# %% exercise="ch04.images_needed"
import math


def needed(sizes: list[int], accuracies: list[float], wanted: float) -> float:
    """Images that reach `wanted` percent, on the measured curve."""
    ### BEGIN SOLUTION
    if wanted > accuracies[-1]:
        return math.inf
    log_errors = [math.log(100 - accuracy) for accuracy in accuracies]
    for i in range(len(sizes) - 1):
        if wanted <= accuracies[i + 1]:
            way = (log_errors[i] - math.log(100 - wanted)) / (log_errors[i] - log_errors[i + 1])
            return sizes[i] * (sizes[i + 1] / sizes[i]) ** way
    ### END SOLUTION


# %% check="ch04.images_needed" points=3
classroom.check("ch04.images_needed", needed)

# %% [markdown]
# ### Exercise 3: a budget (2 points, 8 minutes)
#
# Write `images_for_budget(money, minutes_per_image, wage_per_hour, labels_per_image)`: how many
# whole images the money pays for, each labelled `labels_per_image` times.
#
# *Example.* 900 at a wage of 15 pay 60 hours: 40 images of 90 minutes, or 13 with three labels
# each.

# %% exercise="ch04.budget"
def images_for_budget(
    money: float, minutes_per_image: float, wage_per_hour: float, labels_per_image: int = 1
) -> int:
    """Whole images that can be labelled for this money."""
    ### BEGIN SOLUTION
    minutes_paid = money / wage_per_hour * 60
    return int(minutes_paid // (minutes_per_image * labels_per_image))
    ### END SOLUTION


# %% check="ch04.budget" points=2
classroom.check("ch04.budget", images_for_budget)

# %% [markdown]
# **4. Spend it** (no check). You have 900 hours of wages for a delivery robot that must not run
# into people. Fine labels for 600 images, coarse ones for 7,700, or boxes around 460,000 people?
# Check these numbers against the chapter, and say which class of the scene decides.
#
# ## The ledger
#
# No new row. More data, or better data, changes what a network knows, and not one of its
# milliseconds. That is worth remembering: it is the one way to a better network that costs nothing
# at run time.

# %% tags=["nbval-ignore-output"]
classroom.ledger(upto="04")

# %% [markdown]
# ## Key points
#
# - Errors fall along a nearly straight line in logarithms until the curve flattens: each factor of
#   ten in labels divides the error by less than the one before.
# - Augmentation says what may change without changing the label. True and frequent: worth several
#   times the labels. True and rare: insurance. False: harm.
# - Measure its worth in images, by reading the curve of the plain data, and on data that resembles
#   what you will meet.
# - A class costs a glance, a finely labelled street an hour and a half. Thin and small things cost
#   most and suffer first.
# - Drawn scenes have perfect labels for nothing, and prove nothing about real roads.
#
# **Terms.** *Label*: what a network is told about an image. *Augmentation*: new images out of
# labelled ones, with the same label. *Learning curve*: quality over the number of training images.
# *Semantic segmentation*: a class for every pixel. *Annotator*: a person who labels. *IoU*: pixels
# in both areas, divided by the pixels in at least one. *Transfer*: to begin a training with the
# weights of another task.
#
# **References.** A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep
# convolutional neural networks", NIPS 2012. · T.-Y. Lin et al., "Microsoft COCO: common objects in
# context", ECCV 2014. · M. Cordts et al., "The Cityscapes dataset for semantic urban scene
# understanding", CVPR 2016. · A. Bearman et al., "What's the point: semantic segmentation with
# point supervision", ECCV 2016. · S. Richter et al., "Playing for data: ground truth from computer
# games", ECCV 2016. · D. Papadopoulos et al., "Extreme clicking for efficient object annotation",
# ICCV 2017. · A. Zlateski et al., "On the importance of label quality for semantic segmentation",
# CVPR 2018. · J. Geiping et al., "How much data are augmentations worth?", ICLR 2023. · H. Xiao, K.
# Rasul, R. Vollgraf, "Fashion-MNIST", arXiv 1708.07747, 2017.
#
# **Next.** [05 CPU versus GPU](05_cpu_versus_gpu.ipynb): who does the arithmetic.
