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
# 3. weigh the losses of several tasks, by hand, by search, or by learning the weights.

# %%
import torch

import edu_lib as edu
from edu_lib import roads
from edu_lib.models import road_tasks
from edu_lib.models.roadnet import TASKS, RoadNet

torch.set_num_threads(1)
edu.plots.use_house_style()
print("tasks:", ", ".join(TASKS))

# %% [markdown]
# ## The road
#
# Labelled pictures of real streets cannot be shipped with a kit. So this one draws its own: a *scene* is
# sampled (a road, weather, a time of day, things) and then drawn, and because we drew it we know the
# class of each pixel, its distance and the right steering angle. Below: sixteen scenes, each image over its
# labels.
#
# ![Sixteen road scenes in all weathers, each image over its label colours](../docs/thirty_frames.png)
#
# **A warning that holds for the whole chapter.** Training and test scenes come from one generator. A network
# that reads these scenes well has learned this generator. Nothing here says how it would read a real road. What
# we can compare honestly are networks with each other, and their milliseconds are as real as any.
#
# What one scene knows:

# %%
sample = roads.scene(7)
print("image", sample.image.shape, sample.image.dtype, "labels", sample.segmentation.shape)
print("classes:", ", ".join(roads.CLASSES))
print(f"vehicles with a box: {sample.vehicles}")

# %%
figure = edu.plots.new_figure(8.4, 1.9)
pictures = [
    (sample.image, "what the camera sees", None),
    (roads.colour_labels(sample.segmentation), "segmentation", None),
    (sample.depth.clip(1, 100), "depth, dark is near", "cividis"),
]
for axes, (picture, title, colours) in zip(figure.subplots(1, 3), pictures, strict=True):
    axes.imshow(picture, cmap=colours)
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
edu.show(figure, alt="One scene: the image, the classes in colour, and the depth.")

# %% [markdown]
# ## The way of 2015: a network for each task
#
# Three networks, all of one family, `RoadNet`. An **encoder** halves the image five times and finds what is in
# it. A **decoder** goes back up and joins, at each size, what the encoder saw there: that is where thin things
# such as poles come from. A **head** turns features into the answer of a task. Steering needs no decoder:
# one answer for the whole image.

# %%
IMAGE = (1, 3, 128, 256)
single = {task: RoadNet([task]) for task in TASKS}
costs = {task: edu.count_cost(network, IMAGE) for task, network in single.items()}
for task, cost in costs.items():
    print(f"{task:13s} {cost.params / 1e6:5.2f} M parameters  {cost.macs / 1e9:5.2f} GMACs")
print(f"{'three':13s} {sum(c.params for c in costs.values()) / 1e6:5.2f} M parameters  "
      f"{sum(c.macs for c in costs.values()) / 1e9:5.2f} GMACs")

# %% [markdown]
# Trained by the study `studies/road_teachers.py`, they read the test scenes like this: segmentation
# {{results.road_teachers.segmentation.miou:.1f}} % mean IoU, depth within 25 % for
# {{results.road_teachers.depth.delta1:.1f}} % of the pixels, steering
# {{results.road_teachers.ego.steering_error_deg:.2f}} degrees off on average. Always answering the mean would be off
# by {{results.multi_task.mean_answer_steering_error_deg:.2f}} degrees.
#
# *IoU*, intersection over union, is the share of the pixels of a class, in the answer or in truth, that are in
# both. It is hard on thin things, and it does not let a network win by answering "road" everywhere.

# %%
teachers = edu.load_result("road_teachers")
weathers = list(teachers["segmentation"]["by_weather"])
figure = edu.plots.new_figure(8.4, 2.9)
left, right = figure.subplots(1, 2)
left.barh(weathers, [teachers["segmentation"]["by_weather"][w]["miou"] for w in weathers])
left.set(xlabel="mean IoU (%)", ylabel="weather", xlim=(0, 100))
right.barh(roads.CLASSES, teachers["segmentation"]["ious"], color=edu.plots.GOOD)
right.set(xlabel="IoU (%)", ylabel="class", xlim=(0, 100))
edu.show(figure, alt="Mean IoU by weather, and IoU by class: large classes high, thin ones low.")

# %% [markdown]
# **See:** the weather matters less than the class. People and signs are thin, and a border of one pixel is
# a large part of them.
#
# ## One encoder, one decoder, three heads
#
# Most of what the three networks compute is the same work done three times: edges, corners, wheels, kerbs. A
# shared network does it once. Guess what that saves.

# %%
guess = edu.predict(
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
guess.reveal("2.3 times", "an encoder and a decoder are saved; the steering network was small")

# %% [markdown]
# The heads cost almost nothing. The two tasks that answer for every pixel each have one cheap layer of their own
# (a 1x1 convolution), and still the shared network has hardly more MACs than the largest of the three. Do the
# milliseconds follow? Light networks of the same family, width {{results.multi_task.budgets.networks.network_width}},
# at 96x192, timed by the protocol in ONNX Runtime, one thread, and stored by the study:

# %%
study = edu.load_result("multi_task")
edu.plots.frame_budget_bar(
    [(f"{task} alone", study["p50_ms"][task], "fp32") for task in TASKS]
    + [("all three, one after another", sum(study["p50_ms"][task] for task in TASKS), "fp32"),
       ("shared network", study["p50_ms"]["shared"], "compressed")],
    ylabel="network",
)

# %% [markdown]
# The shared network is {{results.multi_task.speed_vs_three:.2f}} times faster than the three together, and takes
# {{results.multi_task.time_vs_slowest:.2f}} times as long as the slowest of them. Here MACs and milliseconds agree:
# what is saved are whole layers, and a layer that does not run costs nothing.
#
# Measure the heavy ones yourself, in PyTorch:

# %% tags=["nbval-ignore-output"]
X = torch.rand(IMAGE)
rows = []
for name, network in [*single.items(), ("shared", shared)]:
    runner = edu.pytorch_runner(network, X, threads=1, channels_last=True, name=name)
    measured = edu.measure_latency(runner, blocks=30)
    rows.append((name, measured.p50_ms, "compressed" if name == "shared" else "fp32"))
rows.insert(3, ("three together", sum(ms for _, ms, _ in rows[:3]), "fp32"))
edu.plots.frame_budget_bar(rows, ylabel="network")

# %% [markdown]
# ## Is the quality the same?
#
# Speed is only worth something if the answers stay right. The study trains each network three times, with
# three seeds. Labels are dear (chapter 04), so there are only {{results.multi_task.budgets.networks.images:,}} scenes; every
# network sees them for {{results.multi_task.budgets.networks.num_epochs}} epochs, half of the batches mirrored.

# %%
def table(tasks: dict) -> None:
    """Quality alone and shared, mean over seeds, and the change."""
    print(f"{'task':13s} {'measure':20s} {'alone':>7s} {'shared':>7s} {'change':>7s}")
    for task, row in tasks.items():
        digits = 3 if task == "ego" else 2
        print(f"{task:13s} {row['measure']:20s} {row['single']:7.{digits}f} "
              f"{row['shared']:7.{digits}f} {row['change']:+7.{digits}f}")


table(study["tasks_from_labels"])

# %% [markdown]
# Sharing is not free. Segmentation changes by {{results.multi_task.tasks_from_labels.segmentation.change:+.1f}} points, depth by
# {{results.multi_task.tasks_from_labels.depth.change:+.1f}}, and the steering error by
# {{results.multi_task.tasks_from_labels.ego.change_percent:+.0f}} percent. A task that gets worse because it shares suffers from
# **negative transfer**. Kendall et al. saw it too: on small Cityscapes images, sharing with equal weights brought
# segmentation from 59.4 % down to 50.1 % IoU (their table 1).
#
# Where does it come from? The shared network has the layers of one network and the work of three, and every step of
# training must please all of them.
#
# ## Teach it what the three know
#
# Labels are dear, but pictures are free: the camera makes thirty a second. So ask the three networks. They answer
# {{results.multi_task.budgets.merged.images:,}} scenes, of which only the first {{results.multi_task.budgets.networks.images:,}}
# have labels. Then one shared network learns: from the label where there is one, and elsewhere from what the three
# said. It starts with the encoder and the decoder of the segmentation network. This is *distillation*, the subject of
# chapter 11, with three teachers at once.
#
# Depth and steering are numbers, so the loss is the distance to the teacher's number. For classes it is a
# cross-entropy with the teacher's whole distribution: a teacher that hesitates between pole and wall says so.

# %%
table(study["tasks"])

# %% [markdown]
# The same network, the same speed, the same labels, and other answers: segmentation
# {{results.multi_task.tasks.segmentation.change:+.1f}} points against a network of its own, depth
# {{results.multi_task.tasks.depth.change:+.1f}}, and the steering error {{results.multi_task.tasks.ego.change_percent:+.0f}} percent.

# %%
figure = edu.plots.new_figure(8.0, 2.6)
axes = figure.subplots()
dense = ("segmentation", "depth")
for row, task in enumerate(dense):
    for shift, tasks, colour, label in (
        (-0.2, study["tasks_from_labels"], edu.plots.ACCENT, "from labels"),
        (0.2, study["tasks"], edu.plots.COMPRESSED, "from the three networks"),
    ):
        change = tasks[task]["change"]
        axes.barh(row + shift, change, 0.36, color=colour)
        axes.annotate(f"{label}: {change:+.1f}", (max(change, 0), row + shift), (6, 0),
                      textcoords="offset points", va="center", fontsize=10)
axes.set_yticks(range(len(dense)), dense)
axes.axvline(0, color=edu.plots.colour("muted"), lw=1)
axes.margins(x=0.45)
axes.set(xlabel="shared minus alone (points)", ylabel="task")
edu.show(figure, alt="What sharing changes: segmentation and depth, from labels and from networks.")

# %% [markdown]
# **See:** purple is the price of sharing, orange what the three networks' answers bring back.
#
# **Is that fair?** Not quite, and you should know why. The merged network is trained last: its teachers saw
# {{results.multi_task.images_seen.three:,}} images in their training, and it saw {{results.multi_task.images_seen.merged:,}} more. And a
# single network could learn from unlabelled scenes as well. What the table shows is this: with the labels you have, you
# can put one network of this speed in the car that answers as well as the three.
#
# ## Do the tasks pull in the same direction?
#
# A shared weight gets one gradient from each task. If two of them point apart, a step that helps one task hurts
# the other. The cosine of their angle tells: 1 the same way, 0 unrelated, below 0 against each other. Below, the
# trained shared network on sixteen scenes.

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

# %% tags=["nbval-ignore-output"]
losses = road_tasks.road_losses(light(road_tasks.as_input(images)), labels)
conflict = gradient_conflict(losses, list(light.encoder.parameters()))
conflict

# %% [markdown]
# A cosine below 0 is a conflict. If the table shows none, then what sharing costs here is not a quarrel between tasks:
# three tasks have the layers and the steps of one. Compare a network that has learned nothing yet:

# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
fresh = RoadNet(TASKS, 0.5).eval()
losses = road_tasks.road_losses(fresh(road_tasks.as_input(images)), labels)
gradient_conflict(losses, list(fresh.encoder.parameters()))

# %% [markdown]
# ## How much does each task count?
#
# The total loss is a weighted sum, and the weights are yours to choose. A loss in metres counts for more than the
# same loss in kilometres. Three ways to choose:
#
# - **equal** weights: no choice at all;
# - **search**: train with each point of a grid, keep the best on the validation split;
# - **learned**: Kendall, Gal and Cipolla (2018) give each task a trainable log-variance `s` and minimise
#   `exp(-s) loss + s / 2` (half the first term for a regression). A task that stays noisy gets a small weight, and
#   `s / 2` keeps all weights from going to zero.
#
# The study gives each run the same small budget: {{results.multi_task.budgets.weights.images:,}} scenes,
# {{results.multi_task.budgets.weights.num_epochs}} epochs. One score for three tasks: the mean of mean IoU, delta, and the
# share of the steering error that is removed, each out of 100.

# %%
grid = study["grid"]
figure = edu.plots.new_figure(8.0, 3.2)
axes = figure.subplots()
axes.plot(sorted(point["score"] for point in grid), "o", color=edu.plots.FP32,
          label="grid, one seed each")
for name, colour in (("equal", edu.plots.ACCENT), ("learned", edu.plots.COMPRESSED),
                     ("grid_best", edu.plots.GOOD)):
    value = study["scores"][name]["mean"]
    label = f"{name.replace('_', ' ')}, mean of 3 seeds: {value:.1f}"
    axes.axhline(value, color=colour, label=label)
axes.legend(loc="lower right")
axes.set(xlabel="the 25 grid points, worst to best", ylabel="score (0 to 100)")
edu.show(figure, alt="Scores of 25 grid points from worst to best, with equal and learned weights.")

# %% [markdown]
# Learned weights reach {{results.multi_task.learned_weights_vs_grid:.1f}} % of the score of the best grid point; the
# grid cost {{results.multi_task.grid_cost_vs_learned:.0f}} times as much training. Look at the spread of the grid
# too: a bad choice of weights costs more than any of the three methods gains.
#
# And look at the seeds: learned weights scatter by {{results.multi_task.scores.learned.spread:.1f}} points (standard deviation),
# equal ones by {{results.multi_task.scores.equal.spread:.1f}}. Three seeds do not tell the two apart.
#
# ## Explore
#
# A network of {{results.multi_task.macs.shared:,}} MACs reads new scenes, none of them seen in training. Choose a
# scene and a weather.

# %%
def read_scene(seed: int, weather: str):
    """The scene, what the light network sees in it, and where it steers."""
    sample = roads.scene(8_000_000 + seed, 96, 192, weather=weather)
    image = torch.from_numpy(sample.image).permute(2, 0, 1)[None]
    with torch.no_grad():
        answer = light(road_tasks.as_input(image))
    classes = answer["segmentation"][0].argmax(dim=0).to(torch.uint8).numpy()
    figure = edu.plots.new_figure(8.4, 3.4)
    panels = figure.subplots(2, 2).flat
    depth = road_tasks.metres(answer["depth"])[0, 0].clip(1, 100)
    shown = [(sample.image, "camera"), (roads.colour_labels(classes), "its segmentation"),
             (depth, "its depth"), (roads.colour_labels(sample.segmentation), "the truth")]
    for axes, (picture, title) in zip(panels, shown, strict=True):
        axes.imshow(picture, cmap="cividis")
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    right = float((classes == sample.segmentation).mean())
    return figure, f"scene {seed}, {weather}: more than 80 % of the pixels right: {right > 0.8}"


edu.Explorer(read_scene, seed=(0, 20, 1, 3), weather=list(roads.WEATHERS))

# %% [markdown]
# ## When to share
#
# - **Share** when the tasks look at the same picture at the same moment, and when time or memory is what you lack.
# - **Share less** when one task is much harder than the others, or much rarer: it is outvoted in every step. Give it
#   its own decoder before you give it its own network.
# - **Do not share** what must be certified, updated or trained apart. One network is one thing to go wrong.
#
# ## Claims
#
# YOLOP, a network for three road tasks, reports 24.4 ms for all of them where the three single tasks take 15.7,
# 14.8 and 14.8 ms. Kendall et al. report, on small Cityscapes images, that learned weights beat a grid search
# in all three tasks, 63.4 against 62.8 % IoU in segmentation.

# %%
scatter = study["scores"]["learned"]["spread"]
edu.claims_table([
    edu.claim(
        source="YOLOP, read-me of the authors, 2021", unit="times",
        says="one network for three tasks is 1.86 times faster than three",
        target=45.3 / 24.4, measured=study["speed_vs_three"], better="higher", tolerance=0.1,
    ),
    edu.claim(
        source="Kendall et al. 2018, table 1", unit="% of the grid's score",
        says="learned weights are at least as good as a grid search",
        target=100.0, measured=study["learned_weights_vs_grid"], better="higher", tolerance=1.0,
        partly_tolerance=5.0,
    ),
    edu.claim(
        source="the same", unit="points",
        says="learned weights beat equal ones (here: by more than seeds scatter)",
        target=scatter, better="higher", tolerance=0.0, partly_tolerance=scatter,
        measured=study["scores"]["learned"]["mean"] - study["scores"]["equal"]["mean"],
    ),
])  # fmt: skip

# %% [markdown]
# The first two are other networks on other data; only the direction can be compared. YOLOP's lane accuracy fell
# from 79.6 to 70.5 when the tasks were trained together, by its authors' table: sharing is not free of charge
# everywhere.
#
# ## Exercises
#
# **1. Intersection over union.** Write `intersection_over_union(predicted, true, class_id)` for two label images
# [H, W]: the percentage, among pixels that are `class_id` in at least one of the two, of those that are it in both.

# %% exercise="ch12.iou"
def intersection_over_union(predicted: torch.Tensor, true: torch.Tensor, class_id: int) -> float:
    """IoU of one class in percent."""
    ### BEGIN SOLUTION
    in_predicted, in_true = predicted == class_id, true == class_id
    both = (in_predicted & in_true).sum()
    return 100 * float(both / (in_predicted | in_true).sum())
    ### END SOLUTION


# %% check="ch12.iou" points=2
edu.check("ch12.iou", intersection_over_union)

# %% [markdown]
# **2. What sharing saves.** A network of one task takes `encoder_ms + decoder_ms + head_ms`. Write
# `speedup_of_sharing(encoder_ms, decoder_ms, head_ms, num_tasks)`: how many times faster one network with a shared
# encoder and decoder is than `num_tasks` networks.

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
edu.check("ch12.sharing", speedup_of_sharing)

# %% [markdown]
# **3. Gradients that disagree.** Write `gradient_cosine(a, b)` for two tensors of the same shape.
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
edu.check("ch12.cosine", gradient_cosine)

# %% [markdown]
# **4. The best log-variance.** For a fixed loss, which `s` makes `exp(-s) loss + s / 2` smallest? Write it as
# `best_log_variance(loss)`. What does the weighted loss `exp(-s) loss` become then, for every task?

# %% exercise="ch12.uncertainty"
def best_log_variance(loss: float) -> float:
    """The s that minimises exp(-s) * loss + s / 2."""
    ### BEGIN SOLUTION
    import math

    return math.log(2 * loss)
    ### END SOLUTION


# %% check="ch12.uncertainty" points=3
edu.check("ch12.uncertainty", best_log_variance)

# %% [markdown]
# ## The ledger

# %%
edu.ledger(upto="12")

# %% [markdown]
# ## Key points
#
# - Tasks that look at the same picture can share the encoder, often the decoder too; heads are nearly free.
# - What sharing saves are whole layers, so the MACs saved are milliseconds saved.
# - Quality must be compared task by task, with seeds. Gradients that point apart warn you early.
# - Learned task weights come close to a search at a fraction of its cost.
#
# **Terms.** *Encoder, decoder, head*: the parts that find features, bring them back to full size, and answer.
# *Segmentation*: the class of every pixel. *IoU*: intersection over union. *Delta below 1.25*: the share of pixels whose
# depth is within 25 %. *Negative transfer*: a task that gets worse because it shares. *Log-variance*: the logarithm
# of how noisy a task is.
#
# **References.** A. Kendall, Y. Gal, R. Cipolla, "Multi-task learning using uncertainty to weigh losses", CVPR 2018. · T. Yu
# et al., "Gradient surgery for multi-task learning", NeurIPS 2020. · D. Wu et al., "YOLOP: You only look once for panoptic
# driving perception", 2021. · K. He et al., "Deep residual learning", CVPR 2016. · O. Ronneberger et al., "U-Net", 2015.
