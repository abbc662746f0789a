# %% [markdown]
# # The scoreboard
#
# **Question.** The chapters judged claims: of papers, of the story that they tell, of this kit.
# Which held?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 25 | {{results.chapter_seconds.15_scoreboard:.0f}} | [14 Thirty frames](14_thirty_frames.ipynb) |
#
# **Objectives.** After this chapter you can
#
# 1. turn a claim and a measurement into a verdict, and say when the answer is "undecided";
# 2. name the claims of this kit's story that did not hold where they were measured, and say why;
# 3. combine the gains of many networks, and say how far a mean of few seeds may lie off.

# %%
import classroom
import edu_lib as edu

classroom.plots.use_house_style()
chapters = classroom.judged_claims(before="15")
print("A verdict is one of: reproduced, partly, undecided, not reproduced.")

# %% [markdown] slide="How a verdict is made"
# ## How a verdict is made
#
# A **claim** has a source, a number, and a tolerance that was written down with it. The verdict is
# computed:
#
# - **reproduced**: the measured number reaches the claimed one, or misses it by no more than the
#   tolerance;
# - **partly**: it misses by more, but by no more than a second, wider tolerance;
# - **not reproduced**: it misses by more than that;
# - **undecided**: the measurement scatters so much that another run could change the verdict.
#
# "Not reproduced" does not say that a paper is wrong. The machine, the data and the budget of
# training are not the paper's here. It says: with what this kit has, the number was not reached. A
# kit that prints only its successes would teach you to distrust it.

# %% tags=["hide-input"]
share = classroom.predict(
    "15.share",
    "Of all claims that the chapters judged, how many percent were reproduced?",
    unit="%",
)
share

# %% [markdown]
# ## All of them
#
# The figure below reads the claims out of the built chapters, so it cannot say anything else than
# they do. One square is one claim.

# %% tags=["nbval-ignore-output"] slide="One square is one claim" tour=1
classroom.plots.verdict_squares(chapters)

# %%
board = classroom.scoreboard(before="15")
counts = board.counts
total = sum(counts.values())
assert total >= 60, "a chapter was built without its claims"
assert counts["reproduced"] > total / 2

# %% tags=["nbval-ignore-output"]
for verdict, number in counts.items():
    print(f"{verdict:<15} {number:3d} of {total}")
share.reveal(100 * counts["reproduced"] / total)

# %% [markdown]
# Each of them, with its source and what was measured:

# %% tags=["nbval-ignore-output"]
board

# %% [markdown]
# ## What did not hold
#
# Read this list as carefully as the other one. Four kinds of reason can stand behind a row: a
# budget that was smaller than the paper's, a machine that is unlike the paper's, a claim that
# depends on what it is compared with, and a target of this kit that its network missed. The chapter
# of each row says which.

# %% tags=["nbval-ignore-output"]
classroom.scoreboard(verdict="not reproduced", before="15")

# %% [markdown]
# And these could not be decided. Their measurements scatter by more than what would settle them.

# %% tags=["nbval-ignore-output"]
classroom.scoreboard(verdict="undecided", before="15")

# %% [markdown]
# ## The promises of the story
#
# The story of this kit makes promises. Each is judged by one number of a result file.

# %%
thirty, quality = edu.load_result("thirty_frames"), edu.load_result("thirty_frames_quality")
pruned = edu.load_result("channel_pruning")
int8 = edu.load_result("int8")
cloud = edu.load_result("cloud_edge")
names = ("lenet5", "small_alexnet", "alexnet", "vgg16", "road_segmentation")
networks = [int8[name] for name in names]
link_ms = cloud["cloud"]["5g"]["p50_ms"]

# %% tags=["hide-input", "nbval-ignore-output"]
classroom.claims_table(
    [
        classroom.claim(
            "chapter 06", "the answer of a server over 5G comes within one frame, 33 ms",
            33.3, link_ms, "lower", tolerance=0, unit="ms",
        ),
        classroom.claim(
            "chapter 08", "the gain in MACs by channel pruning is gain in time: all of it",
            100, pruned["conversion_efficiency"], "higher", tolerance=10, unit="%",
        ),
        classroom.claim(
            "chapter 09", "int8 makes every network faster",
            1, min(network["p50_gain"] for network in networks), "higher", tolerance=0,
            unit="times, the least of five",
        ),
    ]
)  # fmt: skip

# %% [markdown]
# And the finale's own:

# %% tags=["hide-input", "nbval-ignore-output"]
classroom.claims_table(
    [
        classroom.claim(
            "chapter 14", "one network on one core answers thirty frames a second",
            30, thirty["fps"], "higher", tolerance=0, unit="frames a second",
        ),
        classroom.claim(
            "chapter 14", "it segments as well as the heavy network, within 1 point of mean IoU",
            0, thirty["miou_change_points"], "higher", tolerance=1, unit="points",
        ),
        classroom.claim(
            "chapter 14", "the same, where quality comes first",
            0, quality["miou_change_points"], "higher", tolerance=1, unit="points",
        ),
        classroom.claim(
            "chapter 14", "depths within 3 % of the heavy network's, where quality comes first",
            0, quality["depth_change_percent"], "higher", tolerance=3, unit="%",
        ),
        classroom.claim(
            "chapter 14", "gains multiply: pruning and int8 give the product of their single gains",
            1, thirty["combined_share"], "equal", tolerance=0.2, unit="of the product",
        ),
    ]
)  # fmt: skip

# %% [markdown]
# A server over 5G took {{results.cloud_edge.cloud.5g.p50_ms:.0f}} ms in the median, most of it on
# the way. Channel pruning made the MACs {{results.channel_pruning.mac_gain:.1f}} times fewer and
# the network {{results.channel_pruning.p50_gain:.1f}} times faster. And int8 made LeNet-5 slower:
# {{results.int8.lenet5.p50_gain:.2f}} times as fast, because a network of
# {{results.int8.lenet5.p50_ms_fp32:.2f}} ms spends its time between the layers.

# %% [markdown]
# ## From LeNet to the final network
#
# The whole ledger, one line per network: what it weighs as a file, and what a frame takes.

# %% tags=["nbval-ignore-output"] slide="Each line is a network: its file, and its time for a frame"
classroom.plots.ledger_poster(classroom.read_ledger())

# %% [markdown]
# Blue is as trained, orange is what a technique made of it. The dashed line is the budget of one
# frame. Three things can be read off at once. The heavy road networks stand right of the line.
# Every technique moves its network left of it. And file and time shrink, but not in step: int8 took
# the heavy network's file to a quarter and its time to about a third. (LeNet-5, in chapter 09, got
# a smaller file too, and became slower.)

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: the mean of gains (2 points, 5 minutes)
#
# Write `mean_gain(gains)`: the geometric mean of how many times faster
# each of several networks became.
#
# *Example.* One network 4 times as fast, one as fast as before: as if both were 2 times as fast.
#
# *Hint.* Multiply all, then take the n-th root.

# %% exercise="ch15.mean"
def mean_gain(gains: list[float]) -> float:
    """The geometric mean."""
    ### BEGIN SOLUTION
    product = 1.0
    for gain in gains:
        product *= gain
    return product ** (1 / len(gains))
    ### END SOLUTION


# %% check="ch15.mean" points=2
classroom.check("ch15.mean", mean_gain)

# %% [markdown]
# ### Exercise 2: how far it may lie off (3 points, 10 minutes)
#
# Write `two_standard_errors(values)`: a study ran with several seeds, and their mean is what a
# table prints. How far may it lie from the mean of very many seeds? Twice the **standard error** is
# the usual answer: `2 s / sqrt(n)`, where `s` is the standard deviation of the sample of `n`.
#
# *Example.* `[1, 2, 3]`: s is 1, so 2 / sqrt(3) or 1.15.
#
# *Hint.* A sample's sum of squares is divided by `n - 1`; `statistics.stdev` does that.

# %% exercise="ch15.scatter"
def two_standard_errors(values: list[float]) -> float:
    """2 s / sqrt(n)."""
    ### BEGIN SOLUTION
    import statistics

    return 2 * statistics.stdev(values) / len(values) ** 0.5
    ### END SOLUTION


# %% check="ch15.scatter" points=3
classroom.check("ch15.scatter", two_standard_errors)

# %% [markdown]
# ### Exercise 3: judge (3 points, 10 minutes)
#
# Lower is better. Write `judge(target, measured, scatter)`, where the true value lies anywhere from
# `measured - scatter` to `measured + scatter`. Answer `"reproduced"` if all of that range is at the
# target or below it, `"not reproduced"` if all of it is above, else `"undecided"`.
#
# *Example.* Target 33 ms, measured 32 with a scatter of 2: from 30 to 34, so "undecided".
#
# *Hint.* Two ends decide. With a scatter of 0 the answer is never "undecided".

# %% exercise="ch15.verdict"
def judge(target: float, measured: float, scatter: float) -> str:
    """The verdict, where lower is better."""
    ### BEGIN SOLUTION
    if measured + scatter <= target:
        return "reproduced"
    if measured - scatter > target:
        return "not reproduced"
    return "undecided"
    ### END SOLUTION


# %% check="ch15.verdict" points=3
classroom.check("ch15.verdict", judge)

# %% [markdown]
# ## Where to go from here
#
# - Measure on your own machine: `python3 kit.py bench` puts your times beside these. Which verdicts
#   change?
# - Take a network of your own through the techniques: the README shows the ten lines.
# - Pick one square that is not green and try to turn it green. Write down the tolerance before you
#   measure.
#
# ## Key points
#
# - A claim is judged by a number, a tolerance that was fixed before, and the scatter of the
#   measurement.
# - What did not hold is part of the result. So is what nobody could decide.
# - Gains of two techniques came near their product here. That is no law: measure them together.
# - Bytes shrink with certainty; milliseconds must be measured, on the machine that will run the
#   network.
#
# **Terms.**
#
# - *Verdict*: what follows from a claim and a measurement.
# - *Scatter*: how far a repeated measurement may lie from this one.
# - *Standard error*: the standard deviation of a mean.
# - *Geometric mean*: the n-th root of a product.
#
# **References.**
#
# - P. Fleming, J. Wallace, "How not to lie with statistics: the correct way to summarize benchmark
#   results", Communications of the ACM 29, 1986.
# - J. Pineau et al., "Improving reproducibility in machine learning research", JMLR 22, 2021.
