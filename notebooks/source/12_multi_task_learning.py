# %% [markdown]
# # One network for all tasks
#
# **Question.** A car must know what is where, how far it is, and where to steer. Does it need three
# networks?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 35 | {{results.chapter_seconds.12_multi_task_learning:.0f}} | [02 LeNet](02_lenet_1998.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. say what two networks share, and compute what sharing saves;
# 2. measure whether tasks help or hinder each other, in quality and in gradients;
# 3. weigh the losses of several tasks, by hand, by search, or by learning the weights, and tell
#    when a study of that says nothing.

# %%
from statistics import stdev

import torch
from matplotlib.patches import Patch

import classroom
import edu_lib as edu
import roads
from edu_lib.models import road_tasks
from edu_lib.models.roadnet import TASKS, RoadNet

torch.set_num_threads(1)
classroom.plots.use_house_style()
print("tasks:", ", ".join(TASKS))

# %% [markdown]
# ## The road
#
# Labelled pictures of real streets cannot be shipped with a kit. So this one draws its own: a
# *scene* is sampled (a road, weather, a time of day, things) and then drawn, and because we drew it
# we know the class of each pixel, its distance and the right steering angle. Below: sixteen scenes,
# each image over its labels.
#
# ![Sixteen road scenes in all weathers, each image over its label colours](../docs/thirty_frames.png)
#
# **A warning that holds for the whole chapter.** Training and test scenes come from one generator.
# A network that reads these scenes well has learned this generator. Nothing here says how it would
# read a real road. What we can compare honestly are networks with each other, and their
# milliseconds are as real as any.
#
# What one scene knows:

# %%
sample = roads.scene(7)
print("image", sample.image.shape, sample.image.dtype, "labels", sample.segmentation.shape)
print("classes:", ", ".join(roads.CLASSES))
print(f"vehicles with a box: {sample.vehicles}")

# %% tags=["hide-input"] slide="One scene, three questions" minutes=1 tour=1
figure = classroom.plots.new_figure(8.6, 2.1)
pictures = [
    (sample.image, "what the camera sees", None),
    (roads.colour_labels(sample.segmentation), "segmentation", None),
    (sample.depth.clip(1, 100), "depth", "cividis"),
]
panels = figure.subplots(1, 3)
for axes, (picture, title, colours) in zip(panels, pictures, strict=True):
    shown = axes.imshow(picture, cmap=colours)
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
figure.colorbar(shown, ax=panels[2], label="metres", shrink=0.7)
patches = [Patch(facecolor=colour / 255, edgecolor=classroom.plots.MUTED, label=name)
           for name, colour in zip(roads.CLASSES, roads.PALETTE, strict=True)]  # fmt: skip
figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=8,
              frameon=False,
              columnspacing=1, handlelength=1, handletextpad=0.4)  # fmt: skip
classroom.show(figure, alt="One scene: the image, the classes in colour, and the depth.")

# %% [markdown]
# ## The way of 2015: a network for each task
#
# Three networks, all of one family, `RoadNet`. An **encoder** halves the image five times and finds
# what is in it. A **decoder** goes back up and joins, at each size, what the encoder saw there:
# that is where thin things such as poles come from. A **head** turns features into the answer of a
# task. Steering needs no decoder: one answer for the whole image. In the tables this task is called
# **ego**: it is about the car itself, not about what it sees.

# %%
IMAGE = (1, 3, 128, 256)
single = {task: RoadNet([task]) for task in TASKS}
costs = {task: edu.count_cost(network, IMAGE) for task, network in single.items()}
for task, cost in costs.items():
    print(f"{task:13s} {cost.params / 1e6:5.2f} M parameters  {cost.macs / 1e9:5.2f} GMACs")
print(
    f"{'three':13s} {sum(c.params for c in costs.values()) / 1e6:5.2f} M parameters  "
    f"{sum(c.macs for c in costs.values()) / 1e9:5.2f} GMACs"
)

# %% [markdown]
# Trained by the study `studies/road_teachers.py`, they read the test scenes like this: segmentation
# {{results.road_teachers.segmentation.miou:.1f}} % mean IoU, depth within 25 % for
# {{results.road_teachers.depth.delta1:.1f}} % of the pixels (**delta1**, for short), steering
# {{results.road_teachers.ego.steering_error_deg:.2f}} degrees off on average. Always answering the
# mean would be off by {{results.multi_task.mean_answer_steering_error_deg:.2f}} degrees.
#
# **IoU**, intersection over union, is the share of the pixels of a class, in the answer or in
# truth, that are in both. It is hard on thin things, and it does not let a network win by answering
# "road" everywhere. Mean IoU, in tables `miou`, is its mean over the nine classes.
#
# ### Exercise 1: intersection over union (2 points, 10 minutes)
#
# Write `intersection_over_union(predicted, true, class_id)` for two label images [H, W]: the
# percentage, among pixels that are `class_id` in at least one of the two, of those that are it in
# both.
#
# *Example.* Predicted `[[1, 1, 0]]`, true `[[0, 1, 1]]`, class 1: one pixel in both, three in at
# least one, so 33.3.
#
# *Hint.* Two masks of True and False. `&` is both, `|` is at least one.


# %% exercise="ch12.iou"
def intersection_over_union(predicted: torch.Tensor, true: torch.Tensor, class_id: int) -> float:
    """IoU of one class in percent."""
    ### BEGIN SOLUTION
    in_predicted, in_true = predicted == class_id, true == class_id
    both = (in_predicted & in_true).sum()
    return 100 * float(both / (in_predicted | in_true).sum())
    ### END SOLUTION


# %% check="ch12.iou" points=2
classroom.check("ch12.iou", intersection_over_union)

# %% tags=["hide-input"] slide="Night is a little harder, thin and small things are hard"
teachers = edu.load_result("road_teachers")
weathers = list(teachers["segmentation"]["by_weather"])
figure = classroom.plots.new_figure(8.4, 2.9)
left, right = figure.subplots(1, 2)
bars = left.barh(weathers, [teachers["segmentation"]["by_weather"][w]["miou"] for w in weathers])
left.bar_label(bars, fmt="%.0f", padding=3, fontsize=9)
left.set(xlabel="mean IoU (%)", ylabel="weather", xlim=(0, 109))
bars = right.barh(roads.CLASSES, teachers["segmentation"]["ious"])
right.bar_label(bars, fmt="%.0f", padding=3, fontsize=9)
right.set(xlabel="IoU (%)", ylabel="class", xlim=(0, 109))
for axes in (left, right):
    axes.grid(visible=False, axis="y")
classroom.show(
    figure, alt="Mean IoU by weather, and IoU by class: large classes high, thin ones low."
)

# %% [markdown]
# **See:** the weather matters less than the class. People and signs are thin, and a border of one
# pixel is a large part of them.
#
# ## One encoder, one decoder, three heads
#
# Most of what the three networks compute is the same work done three times: edges, corners, wheels,
# kerbs. A shared network does it once. This is **hard parameter sharing**: the same weights serve
# all tasks.

# %%
classroom.plots.draw_multi_task()

# %% [markdown]
# **See:** what is green is computed once. Guess what that saves.

# %%
guess = classroom.predict(
    "12.sharing",
    "One shared network against the three together, in MACs. How many times fewer?",
    options=["1.2 times", "1.7 times", "2.3 times", "3 times"],
)
guess

# %%
shared = RoadNet(TASKS)
shared_cost = edu.count_cost(shared, IMAGE)
fewer = sum(cost.macs for cost in costs.values()) / shared_cost.macs
print(f"shared: {shared_cost.params / 1e6:.2f} M parameters, {shared_cost.macs / 1e9:.2f} GMACs")
print(f"the three together have {fewer:.1f} times the MACs")
guess.reveal("2.3 times", "An encoder and a decoder are saved; the steering network was small.")

# %% [markdown]
# ### Exercise 2: what sharing saves (2 points, 10 minutes)
#
# A network of one task takes `encoder_ms + decoder_ms + head_ms`. Write
# `speedup_of_sharing(encoder_ms, decoder_ms, head_ms, num_tasks)`: how many times faster one
# network with a shared encoder and decoder is than `num_tasks` networks.
#
# *Example.* 10, 5 and 1 ms, three tasks: 48 ms against 18 ms, so 2.67.
#
# *Hint.* What does the shared network do once, and what does it do for every task?


# %% exercise="ch12.sharing"
def speedup_of_sharing(
    encoder_ms: float, decoder_ms: float, head_ms: float, num_tasks: int
) -> float:
    """Time of all single networks over the time of the shared one."""
    ### BEGIN SOLUTION
    single_ms = encoder_ms + decoder_ms + head_ms
    shared_ms = encoder_ms + decoder_ms + num_tasks * head_ms
    return num_tasks * single_ms / shared_ms
    ### END SOLUTION


# %% check="ch12.sharing" points=2
classroom.check("ch12.sharing", speedup_of_sharing)

# %% [markdown]
# The heads cost almost nothing. The two tasks that answer for every pixel each have one cheap layer
# of their own (a 1x1 convolution), so the shared network has hardly more MACs than the largest of
# the three. Do the milliseconds follow? Light networks of the same family, width
# {{results.multi_task.budgets.networks.network_width}}, at 96x192, timed by the protocol in ONNX
# Runtime, one thread, and stored by the study:

# %% slide="Timed on one core: what sharing saves" tour=2
study = edu.load_result("multi_task")
classroom.plots.frame_budget_bar(
    [(f"{task} alone", study["p50_ms"][task], "fp32") for task in TASKS]
    + [
        ("all three, one after another", sum(study["p50_ms"][task] for task in TASKS), "fp32"),
        ("shared network", study["p50_ms"]["shared"], "compressed"),
    ],
    ylabel="network",
)

# %% [markdown]
# The shared network is {{results.multi_task.speed_vs_three:.2f}} times faster than the three
# together, and takes {{results.multi_task.time_vs_slowest:.2f}} times as long as the slowest of
# them. Here MACs and milliseconds agree: what is saved are whole layers, and a layer that does not
# run costs nothing.
#
# Measure the heavy ones yourself, in PyTorch. If the shared network comes out faster than one of
# the others, another program was busy: it has more to compute than any of them.

# %% tags=["nbval-ignore-output"] slide="Heavy networks, one for each task: over the budget"
X = torch.rand(IMAGE)
rows = []
for name, network in [*single.items(), ("shared", shared)]:
    runner = edu.pytorch_runner(network, X, threads=1, channels_last=True, name=name)
    measured = edu.measure_latency(runner, blocks=30)
    rows.append((name, measured.p50_ms, "compressed" if name == "shared" else "fp32"))
rows.insert(3, ("three together", sum(ms for _, ms, _ in rows[:3]), "fp32"))
classroom.plots.frame_budget_bar(rows, ylabel="network")

# %% [markdown]
# ## Is the quality the same?
#
# Speed is only worth something if the answers stay right. The study trains each network three
# times, with three seeds. Labels cost money (chapter 04), so there are only
# {{results.multi_task.budgets.networks.images:,}} scenes; every network sees them for
# {{results.multi_task.budgets.networks.num_epochs}} epochs, half of the batches mirrored.


# %%
def table(tasks: dict) -> None:
    """Quality alone and shared, means over seeds, and the change with its standard error."""
    print(f"{'task':13s} {'measure':20s} {'alone':>7s} {'shared':>7s} {'change':>7s} {'error':>6s}")
    for task, row in tasks.items():
        digits = 3 if task == "ego" else 2
        pairs = zip(row["single_seeds"], row["shared_seeds"], strict=True)
        error = stdev(shared - alone for alone, shared in pairs) / len(row["single_seeds"]) ** 0.5
        verdict = "" if abs(row["change"]) > 2 * error else "  undecided"
        print(
            f"{task:13s} {row['measure']:20s} {row['single']:7.{digits}f} "
            f"{row['shared']:7.{digits}f} {row['change']:+7.{digits}f} {error:6.{digits}f}{verdict}"
        )


table(study["tasks_from_labels"])

# %% [markdown]
# Each change is taken seed by seed; the last column is the standard error of its mean over
# {{results.multi_task.seeds}} seeds. A change below two of them is *undecided*. With three seeds
# that is a mild rule: chance alone passes it about one time in five.
#
# Sharing is not free. Segmentation changes by
# {{results.multi_task.tasks_from_labels.segmentation.change:+.1f}} points, and the steering error
# by {{results.multi_task.tasks_from_labels.ego.change_percent:+.0f}} percent. What happens to
# depth, so few seeds do not tell. A task that gets worse because it shares suffers from **negative
# transfer**. (The three losses are added, and steering counts
# {{results.multi_task.shared_weights.ego}}, chosen by hand on the validation split.) Kendall et al.
# saw it too: on small Cityscapes images, sharing with equal weights brought segmentation from
# 59.4 % down to 50.1 % IoU (their table 1).
#
# Where does it come from? The shared network has the layers of one network and the work of three,
# and every step of training must please all of them.
#
# ## Teach it what the three know
#
# Labels cost money, but pictures are free: the camera makes thirty a second. So ask the three
# networks. They answer {{results.multi_task.budgets.merged.images:,}} scenes, of which only the
# first {{results.multi_task.budgets.networks.images:,}} have labels. Then one shared network
# learns: from the label where there is one, and elsewhere from what the three said. It starts with
# the encoder and the decoder of the segmentation network. This is *distillation*, the subject of
# chapter 11, with three teachers at once.
#
# Depth and steering are numbers, so the loss is the distance to the teacher's number. For classes
# it is a cross-entropy with the teacher's whole distribution: a teacher that hesitates between a
# sign and a vehicle says so.

# %%
table(study["tasks"])

# %% [markdown]
# The same network, the same speed, the same labels, and other answers: segmentation
# {{results.multi_task.tasks.segmentation.change:+.1f}} points against a network of its own, depth
# {{results.multi_task.tasks.depth.change:+.1f}}, and the steering error
# {{results.multi_task.tasks.ego.change_percent:+.0f}} percent.

# %% tags=["hide-input"] slide="What sharing changes in quality" tour=1
figure = classroom.plots.new_figure(9.6, 2.8)
left, right = figure.subplots(1, 2, width_ratios=[2, 1.3])
KINDS = (("from labels", "tasks_from_labels", classroom.plots.ACCENT, -0.2),
         ("from the three networks", "tasks", classroom.plots.COMPRESSED, 0.2))  # fmt: skip
for axes, names, key, form in (
    (left, ("segmentation", "depth"), "change", "+.1f"),
    (right, ("ego",), "change_percent", "+.0f"),
):
    for row, task in enumerate(names):
        for _, tasks, colour, shift in KINDS:
            change = study[tasks][task][key]
            axes.barh(row + shift, change, 0.36, color=colour)
            axes.annotate(f"{change:{form}}", (max(change, 0), row + shift), (5, 0), va="center",
                          textcoords="offset points")  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.axvline(0, color=classroom.plots.MUTED, lw=1)
    axes.margins(x=0.25)
    axes.grid(visible=False, axis="y")
left.set(xlabel="shared minus alone, points: right is better", ylabel="task")
right.set(xlabel="steering error, %: left is better", ylabel="task")
for height, (label, _, colour, _) in zip((0.94, 0.8), KINDS, strict=True):
    left.annotate(label, (0.02, height), xycoords="axes fraction", color=colour, fontweight="bold")
classroom.show(figure,
               alt="What sharing changes in segmentation, depth and steering, learned from labels "
               "and from the three networks: "
               + "; ".join(f"{task} {study['tasks_from_labels'][task]['change']:+.2f} and "
                           f"{study['tasks'][task]['change']:+.2f}"
                           for task in TASKS))  # fmt: skip

# %% [markdown]
# **See:** purple is where sharing ends with labels alone, orange where it ends with the three
# networks' answers. Purple for depth is undecided.
#
# **Is that fair?** Not quite, and you should know why. The merged network is trained last: its
# teachers saw {{results.multi_task.images_seen.three:,}} images in their training, and it saw
# {{results.multi_task.images_seen.merged:,}} more. And a single network could learn from unlabelled
# scenes as well. What the table shows is this: with the labels you have, you can put one network of
# this speed in the car that answers as well as the three.
#
# ## Do the tasks pull in the same direction?
#
# A shared weight gets one gradient from each task. If two of them point apart, a step that helps
# one task can hurt the other. The cosine of their angle tells: 1 the same way, 0 unrelated, below 0
# against each other. Below, the shared network that learned from the three, on sixteen scenes.

# %%
from edu_lib.techniques.multitask import gradient_conflict

light = edu.load_weights(RoadNet(TASKS, 0.5), "road_shared_light")
scenes = [roads.scene(9_000_000 + seed, 96, 192) for seed in range(16)]
images = torch.stack([torch.from_numpy(scene.image).permute(2, 0, 1) for scene in scenes])
labels = {
    "segmentation": torch.stack([torch.from_numpy(s.segmentation) for s in scenes]),
    "depth": torch.stack([torch.from_numpy(s.depth) for s in scenes]),
    "steering": torch.tensor([s.steering for s in scenes]),
}

# %% [markdown]
# ### Exercise 3: gradients that disagree (2 points, 10 minutes)
#
# Write `gradient_cosine(a, b)` for two tensors of the same shape.
#
# *Example.* `[1, 0]` and `[-1, 1]` give -0.707.
#
# *Hint.* Flatten them first; the cosine is the dot product over the product of the lengths.


# %% exercise="ch12.cosine"
def gradient_cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    """Cosine of the angle between two gradients."""
    ### BEGIN SOLUTION
    a, b = a.flatten(), b.flatten()
    return float(a @ b / (a.norm() * b.norm()))
    ### END SOLUTION


# %% check="ch12.cosine" points=2
classroom.check("ch12.cosine", gradient_cosine)

# %% tags=["nbval-ignore-output"]
losses = road_tasks.road_losses(light(road_tasks.as_input(images)), labels)
conflict = gradient_conflict(losses, list(light.encoder.parameters()))
del losses  # behind them stand all feature maps, 300 MB
conflict

# %% [markdown]
# A cosine below 0 is a conflict; the *norm* is the length of each gradient. If the table shows no
# conflict, these tasks do not quarrel in this network at the end of its training. That does not
# explain why the network from labels lost. Compare a network that has learned nothing yet:

# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
fresh = RoadNet(TASKS, 0.5).eval()
losses = road_tasks.road_losses(fresh(road_tasks.as_input(images)), labels)
conflict_at_first = gradient_conflict(losses, list(fresh.encoder.parameters()))
del losses
conflict_at_first

# %% [markdown]
# What to do about a conflict? **PCGrad** (Yu et al. 2020, algorithm 1) takes from each task's
# gradient the part that points against another task: it projects the one onto the normal plane of
# the other, then adds up.
#
# ### Exercise 4: gradient surgery (3 points, 15 minutes)
#
# Write `surgery(g1, g2)` for two gradients [P]. If their dot product is negative, each loses its
# part along the *original* other, `(g1 . g2) / |g2|^2 g2` from g1 and the like from g2. Return the
# sum of the two. Without a conflict that is the plain sum.
#
# *Example.* `[2, 0]` and `[-1, 1]` give `[1, 1] + [0, 1] = [1, 2]`.
#
# *Hint.* `g2 @ g2` is the squared length.


# %% exercise="ch12.pcgrad"
def surgery(g1: torch.Tensor, g2: torch.Tensor) -> torch.Tensor:
    """Sum of two gradients [P], each freed of what points against the other."""
    ### BEGIN SOLUTION
    dot = g1 @ g2
    if dot >= 0:
        return g1 + g2
    return g1 - dot / (g2 @ g2) * g2 + g2 - dot / (g1 @ g1) * g1
    ### END SOLUTION


# %% check="ch12.pcgrad" points=3
classroom.check("ch12.pcgrad", surgery)

# %% [markdown]
# Here are two losses of two shared weights whose gradients, (2, 0) and (-1, 1), pull apart. How
# much does one step lower each loss?

# %%
from edu_lib.techniques.multitask import pcgrad

shared = torch.nn.Parameter(torch.zeros(2))
gradients = {"first": torch.tensor([2.0, 0.0]), "second": torch.tensor([-1.0, 1.0])}
steps = {
    "plain sum": sum(gradients.values()),
    "PCGrad": pcgrad({task: g @ shared for task, g in gradients.items()}, [shared])[0],
}
for name, step in steps.items():
    gains = ", ".join(f"{task} by {g @ step:.0f}" for task, g in gradients.items())
    print(f"{name:9s} ({step[0]:.0f}, {step[1]:.0f}) lowers {gains}")

# %% tags=["hide-input"] slide="Two gradients that pull apart"
figure = classroom.plots.new_figure(4.6, 3.0)
axes = figure.subplots()
for (x, y), label, colour in (
    (gradients["first"], "first task", "FP32"),
    (gradients["second"], "second task", "FP32"),
    (steps["plain sum"], "plain sum", "ACCENT"),
    (steps["PCGrad"], "PCGrad", "COMPRESSED"),
):
    arrow = {"arrowstyle": "-|>", "color": getattr(classroom.plots, colour), "lw": 2}
    axes.annotate("", (float(x), float(y)), (0, 0), arrowprops=arrow)
    axes.annotate(label, (float(x), float(y)), (6, 4), textcoords="offset points", fontsize=10)
axes.set(
    xlim=(-1.4, 3.2),
    ylim=(-0.4, 2.6),
    aspect="equal",
    xlabel="shared weight 1",
    ylabel="shared weight 2",
)
classroom.show(
    figure,
    alt="Two gradients at an obtuse angle; their plain sum is at a right angle to the second, "
    "PCGrad's step lies between the two.",
)

# %% [markdown]
# **See:** the plain sum stands at a right angle to the second gradient: its step does nothing for
# that task. PCGrad's step lowers both. Where no pair of gradients points apart, PCGrad is the plain
# sum, and it costs one backward pass a task. `pcgrad_backward(losses, parameters)` stands in for
# `total.backward()` in a training loop. Read on in `edu_lib/techniques/multitask/gradients.py`:
# `task_gradients`, the table `Conflict`, `project_conflicts`.
#
# ## How much does each task count?
#
# The total loss is a weighted sum, and the weights are yours to choose. A loss in metres counts for
# more than the same loss in kilometres. Three ways to choose:
#
# - **equal** weights: no choice at all;
# - **search**: train with each point of a grid, keep the best on the validation split;
# - **learned**: Kendall, Gal and Cipolla (2018) give each task a trainable log-variance `s` and
#   minimise `exp(-s) loss + s / 2` (half the first term for a regression). A task that stays noisy
#   gets a small weight, and `s / 2` keeps all weights from going to zero.
#
# Read on in `edu_lib/techniques/multitask/weighting.py`: `weighted_sum`, `search_weights`,
# `UncertaintyWeighting`.
#
# ### Exercise 5: the best log-variance (3 points, 15 minutes)
#
# For a fixed loss, which `s` makes `exp(-s) loss + s / 2` smallest? Write it as
# `best_log_variance(loss)`. What does the weighted loss `exp(-s) loss` become then, for every task?
#
# *Hint.* Set the derivative by `s` to 0: `-exp(-s) loss + 1/2 = 0`.


# %% exercise="ch12.uncertainty"
def best_log_variance(loss: float) -> float:
    """The s that minimises exp(-s) * loss + s / 2."""
    ### BEGIN SOLUTION
    import math

    return math.log(2 * loss)
    ### END SOLUTION


# %% check="ch12.uncertainty" points=3
classroom.check("ch12.uncertainty", best_log_variance)

# %% [markdown]
# With that `s` every weighted loss is 1/2, whatever the loss was. So learned weights make tasks
# count alike: a task whose loss is ten times larger gets a tenth of the weight. They do not ask
# which task matters more to you.
#
# ### Try it: two heads, trained here
#
# A small network with one encoder and two heads, in plain sight. It reads what and how far at 64 x
# 128, from 240 scenes. Its learned weights take the form above for both tasks, nothing halved.


# %%
class TwoHeads(torch.nn.Module):
    """Image [N, 3, 64, 128] to classes [N, 9, 64, 128] and depth [N, 1, 64, 128]."""

    def __init__(self):
        super().__init__()
        layers = []
        for before, after in ((3, 16), (16, 32), (32, 64)):
            layers += [torch.nn.Conv2d(before, after, 3, 2, 1), torch.nn.BatchNorm2d(after),
                       torch.nn.ReLU()]  # fmt: skip
        self.encoder = torch.nn.Sequential(*layers)  # what the tasks share
        self.heads = torch.nn.ModuleDict(
            {"segmentation": torch.nn.Conv2d(64, 9, 1), "depth": torch.nn.Conv2d(64, 1, 1)}
        )

    def forward(self, X):
        features = self.encoder(X)
        return {task: torch.nn.functional.interpolate(head(features), scale_factor=8.0,
                                                      mode="bilinear")
                for task, head in self.heads.items()}  # fmt: skip


def drawn(seeds) -> tuple:
    """Images and labels of new scenes."""
    some = [roads.scene(seed, 64, 128) for seed in seeds]
    X = torch.stack([torch.from_numpy(each.image).permute(2, 0, 1) for each in some])
    return road_tasks.as_input(X), {
        "segmentation": torch.stack([torch.from_numpy(each.segmentation) for each in some]),
        "depth": torch.stack([torch.from_numpy(each.depth) for each in some]),
    }


train_X, train_y = drawn(range(7_000_000, 7_000_240))
new_X, new_y = drawn(range(7_100_000, 7_100_060))
print("scenes", tuple(train_X.shape), "parameters",
      f"{sum(p.numel() for p in TwoHeads().parameters()):,}")  # fmt: skip


# %%
def train_heads(weigh, more=(), num_epochs=10):
    """A network whose total loss is weigh(losses); more: further parameters that learn."""
    torch.manual_seed(0)
    network = TwoHeads()
    optimizer = torch.optim.Adam([*network.parameters(), *more], lr=5e-3)
    for _ in range(num_epochs):
        for some in torch.randperm(len(train_X)).split(16):
            y = {task: labels[some] for task, labels in train_y.items()}
            loss = weigh(road_tasks.road_losses(network(train_X[some]), y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


@torch.no_grad()
def judge(network) -> tuple[float, float]:
    """Percent of the new scenes' pixels whose class is right, and whose depth is within 25 %."""
    answer = network(new_X)
    right = (answer["segmentation"].argmax(1) == new_y["segmentation"]).float().mean()
    ratio = (road_tasks.metres(answer["depth"])[:, 0] / new_y["depth"]).log().abs()
    near = (ratio < torch.tensor(1.25).log())[new_y["segmentation"] != road_tasks.SKY]
    return 100 * float(right), 100 * float(near.float().mean())


# %% tags=["nbval-ignore-output"]
s = torch.zeros(2, requires_grad=True)  # a log-variance for each task
WAYS = {
    "classes alone": (lambda losses: losses["segmentation"], ()),
    "depth alone": (lambda losses: losses["depth"], ()),
    "equal weights": (lambda losses: losses["segmentation"] + losses["depth"], ()),
    "learned weights": (
        lambda losses: (
            torch.exp(-s) * torch.stack([losses["segmentation"], losses["depth"]]) + s / 2
        ).sum(),
        (s,),
    ),
}
found = {name: judge(train_heads(*way)) for name, way in WAYS.items()}
for name, (classes, near) in found.items():
    print(f"{name:16s} classes {classes:5.1f} %   depth {near:5.1f} %")
print("learned weights, classes and depth:", [round(w, 2) for w in torch.exp(-s).tolist()])
assert found["equal weights"][0] > found["depth alone"][0] + 20

# %% [markdown]
# A head that was not trained answers without meaning: see the first two rows. The last two have
# both tasks for the price of one encoder. One seed each: which way of weighing is better, such a
# run cannot tell. Can the study?
#
# ### The study of weights, and why it says nothing
#
# The study gives each run the same small budget: {{results.multi_task.budgets.weights.images:,}}
# scenes, {{results.multi_task.budgets.weights.num_epochs}} epochs, width
# {{results.multi_task.budgets.weights.network_width}}. One score for three tasks: the mean of mean
# IoU, delta1, and the share that is removed of the steering error of always answering the mean,
# each out of 100.

# %% tags=["hide-input"]
grid = study["grid"]
places = {"equal": 29, "learned": 36, "grid_best": 43}

# %% tags=["hide-input"] slide="A study of weights that decides nothing"
figure = classroom.plots.new_figure(8.4, 3.6)
axes = figure.subplots()
axes.plot(
    sorted(point["score"] for point in grid),
    "o",
    color=classroom.plots.FP32,
    label="grid, one seed each",
)
for name, colour in (
    ("equal", classroom.plots.ACCENT),
    ("learned", classroom.plots.COMPRESSED),
    ("grid_best", classroom.plots.GOOD),
):
    score = study["scores"][name]
    axes.errorbar(places[name], score["mean"], score["spread"], fmt="s", color=colour, capsize=5,
                  label="three seeds, mean and sd" if name == "equal" else None)  # fmt: skip
    axes.annotate(f"{score['mean']:.1f}\nsd {score['spread']:.1f}", (places[name], score["mean"]),
                  (7, 0), textcoords="offset points", va="center", color=colour)  # fmt: skip
axes.legend(loc="lower right", fontsize=9)
axes.set(
    xlabel="25 grid points, worst to best, then three ways",
    ylabel="score (0 to 100)",
    xlim=(-1, 48),
)
axes.set_xticks([0, 12, 24, *places.values()],
                ["1", "13", "25", "equal", "learned", "best of the grid"])  # fmt: skip
classroom.show(figure,
               alt="Scores of 25 grid points from worst to best, one seed each; beside them the "
               "means of equal, learned and searched weights with standard deviations, which "
               "overlap.")  # fmt: skip

# %%
best_point = max(grid, key=lambda point: point["score"])
print("classes the best grid point finds (IoU, %):")
print(
    "  "
    + ", ".join(
        f"{name} {iou:.0f}"
        for name, iou in zip(roads.CLASSES, best_point["test"]["ious"], strict=True)
    )
)
for name in ("person", "sign"):
    ious = [point["test"]["ious"][roads.CLASSES.index(name)] for point in grid]
    print(f"best IoU of {name} in all {len(grid)} networks: {max(ious):.1f} %")
print(
    "learned weights began at",
    dict.fromkeys(("segmentation", "depth", "ego"), 1.0) | {"depth": 0.5, "ego": 0.5},
)
print(
    "and ended at           ",
    {
        task: round(study["learned_weights"][0][task], 2)
        for task in ("segmentation", "depth", "ego")
    },
)

# %% [markdown]
# **See:** three things, and each of them is enough to distrust the figure.
#
# - With so little training no network of the grid finds people or signs, and the best one finds no
#   markings. A score of networks that see so little says nothing about networks you would use.
# - Equal and learned weights scatter by six points from seed to seed, as much as the better half of
#   the grid spans. A grid point has one seed.
# - The learned weights were still on their way: in all three seeds they moved in the same
#   direction, by up to a third, and then the training was over.
#
# So whether to search, to learn or to leave the weights alone is **undecided** here. What a search
# costs is known: this one took {{results.multi_task.grid_cost_vs_learned:.0f}} times as much
# training as one run.
#
# ## Explore
#
# A network of {{results.multi_task.macs.shared:,}} MACs reads new scenes, none of them seen in
# training. Choose a scene and a weather.


# %%
def read_scene(seed: int, weather: str):
    """The scene, what the light network sees in it, and where it steers."""
    sample = roads.scene(8_000_000 + seed, 96, 192, weather=weather)
    image = torch.from_numpy(sample.image).permute(2, 0, 1)[None]
    with torch.no_grad():
        answer = light(road_tasks.as_input(image))
    classes = answer["segmentation"][0].argmax(dim=0).to(torch.uint8).numpy()
    figure = classroom.plots.new_figure(8.4, 3.4)
    panels = figure.subplots(2, 2).flat
    depth = road_tasks.metres(answer["depth"])[0, 0].clip(1, 100)
    shown = [
        (sample.image, "camera"),
        (roads.colour_labels(classes), "its segmentation"),
        (depth, "its depth"),
        (roads.colour_labels(sample.segmentation), "the truth"),
    ]
    for axes, (picture, title) in zip(panels, shown, strict=True):
        axes.imshow(picture, cmap="cividis")
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    right = float((classes == sample.segmentation).mean())
    return figure, f"scene {seed}, {weather}: more than 80 % of the pixels right: {right > 0.8}"


classroom.Explorer(read_scene, seed=(0, 20, 1, 3), weather=list(roads.WEATHERS))

# %% [markdown]
# ## When to share
#
# - **Share** when the tasks look at the same picture at the same moment, and when time or memory is
#   what you lack.
# - **Share less** when one task is much harder than the others, or much rarer: it is outvoted in
#   every step. Give it its own decoder before you give it its own network.
# - **Do not share** what must be certified, updated or trained apart. One network is one thing to
#   go wrong.
#
# ## Claims
#
# YOLOP, a network for three road tasks, reports 24.4 ms for all of them where the three single
# tasks take 15.7, 14.8 and 14.8 ms. Kendall et al. report, on small Cityscapes images, that learned
# weights beat a grid search in all three tasks, 63.4 against 62.8 % IoU in segmentation.

# %%
# two standard errors of a mean of three seeds
scatter = {name: 2 * row["spread"] / study["seeds"] ** 0.5 for name, row in study["scores"].items()}
classroom.claims_table([
    classroom.claim(
        source="YOLOP, read-me of the authors, 2021", unit="times",
        says="one network for three tasks is 1.86 times faster than three",
        target=45.3 / 24.4, measured=study["speed_vs_three"], better="higher", tolerance=0.1,
    ),
    classroom.claim(
        source="Kendall et al. 2018, table 1", unit="% of the grid's score",
        says="learned weights are at least as good as a grid search",
        target=100.0, measured=study["learned_weights_vs_grid"], better="higher", tolerance=1.0,
        partly_tolerance=5.0,
        scatter=100 * scatter["learned"] / study["scores"]["grid_best"]["mean"],
    ),
    classroom.claim(
        source="the same", unit="points", says="learned weights beat equal ones",
        target=0.0, better="higher", tolerance=0.0, scatter=scatter["learned"],
        measured=study["scores"]["learned"]["mean"] - study["scores"]["equal"]["mean"],
    ),
])  # fmt: skip

# %% [markdown]
# The first two are other networks on other data; only the direction can be compared. YOLOP's lane
# accuracy fell from 79.6 to 70.5 when the tasks were trained together, by its authors' table:
# sharing is not free of charge everywhere.
#
# ## The ledger

# %%
classroom.ledger(upto="12")

# %% [markdown]
# ## Key points
#
# - Tasks that look at the same picture can share the encoder, often the decoder too; heads are
#   nearly free.
# - What sharing saves are whole layers, so the MACs saved are milliseconds saved.
# - Quality must be compared task by task, with seeds. A cosine below 0 shows a conflict; none below
#   0 does not prove that sharing is free.
# - Learned task weights make tasks count alike. Whether that beats equal weights or a search is
#   undecided here.
#
# **Terms.**
#
# - *Encoder, decoder, head*: the parts that find features, bring them back to full size, and
#   answer.
# - *Segmentation*: the class of every pixel.
# - *IoU*: intersection over union.
# - *delta1, delta below 1.25*: the share of pixels whose depth is within 25 %.
# - *Negative transfer*: a task that gets worse because it shares.
# - *Log-variance*: the logarithm of how noisy a task is.
# - *Hard parameter sharing*: the same weights serve all tasks.
# - *Ego*: the task about the car itself, here its steering.
# - *PCGrad*: gradient surgery, which takes away what points against another task.
#
# **References.**
#
# - A. Kendall, Y. Gal, R. Cipolla, "Multi-task learning using uncertainty to weigh losses", CVPR
#   2018.
# - T. Yu et al., "Gradient surgery for multi-task learning", NeurIPS 2020.
# - D. Wu et al., "YOLOP: You only look once for panoptic driving perception", 2021.
# - K. He et al., "Deep residual learning", CVPR 2016.
# - O. Ronneberger et al., "U-Net", 2015.
#
# **Next.** [13 Edge networks](13_edge_networks.ipynb): ten years of blocks that make a network
# small.
