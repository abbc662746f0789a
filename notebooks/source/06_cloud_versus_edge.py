# %% [markdown]
# # Cloud versus edge: where should the network run?
#
# **Question.** A camera gives thirty pictures a second. Should the network that reads them stand in
# a data centre, or beside the camera?
#
# | minutes to read | CPU seconds to run | before this |
# |---|---|---|
# | 50 | {{results.chapter_seconds.06_cloud_versus_edge:.0f}} | [00 Start here](00_start_here.ipynb); [05 CPU versus GPU](05_cpu_versus_gpu.ipynb) helps |
#
# **Objectives.** After this chapter you can
#
# 1. put a network behind a real server, and say where the milliseconds of an answer go;
# 2. compute which networks and which distances fit into 33 ms, and what a tunnel does;
# 3. say what somebody on the way sees and can change, with and without encryption, and when the
#    cloud is the right place.

# %%
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import classroom
import edu_lib as edu
from classroom import cloud
from edu_lib.models.roadnet import RoadNet
from roads import drive

torch.set_num_threads(1)
classroom.plots.use_house_style()
BUDGET_MS = classroom.plots.FRAME_BUDGET_MS
print(f"a frame every {BUDGET_MS:.1f} milliseconds")

# %% [markdown]
# ## The story: one network, two places
#
# A car looks ahead and asks a network where to steer. The network needs a computer. One computer
# can stand in a data centre and serve thousands of cars: the **cloud**. Another can ride in the
# car: the **edge**, called so because it is the outermost part of the network.
#
# The cloud has faster machines than a car can carry. So the answer seems clear, until you look at
# the way that a picture must travel to get there. This chapter builds both places on your machine
# and takes the time.
#
# Here is the camera: three seconds of a drive, ninety pictures. And here is a network that was
# trained to steer; chapter 12 says how.

# %%
samples = list(drive(seed=2, seconds=3, fps=30, place="suburb", weather="clear"))
pictures = [sample.image for sample in samples]
model = edu.load_weights(RoadNet(["ego"]), "road_ego")
folder = Path(tempfile.mkdtemp())
path = edu.export_onnx(model, torch.zeros(1, 3, 128, 256), folder / "ego.onnx")
local = cloud.Network(path)
print(f"{len(pictures)} pictures, each {pictures[0].shape} of {pictures[0].dtype}")
print("the network answers:", {name: y.shape for name, y in local.read(pictures[0]).items()})


# %% tags=["hide-input"] slide="A drive that must be answered in time" minutes=1
def for_the_page(picture: np.ndarray) -> np.ndarray:
    """The picture in 64 colours, which makes a smaller page; only for showing."""
    return np.asarray(Image.fromarray(picture).quantize(64).convert("RGB"))


figure = classroom.plots.new_figure(9.2, 1.9)
for axes, n in zip(figure.subplots(1, 3), (0, 30, 60), strict=True):
    axes.imshow(for_the_page(pictures[n]), interpolation="nearest")
    degrees = float(local.read(pictures[n])["ego"][0, 0])
    axes.annotate(
        "",
        (128 + 40 * degrees, 82),
        (128, 126),
        arrowprops={"arrowstyle": "-|>", "color": "white", "lw": 3, "mutation_scale": 16},
    )
    side = "to the right" if degrees > 0 else "to the left"
    turn = "straight on" if abs(degrees) < 0.05 else f"{abs(degrees):.1f}° {side}"
    axes.set_title(f"{n / 30:.0f} s: {turn}", loc="center")
    classroom.plots.picture_axes(axes)
classroom.show(
    figure,
    alt="Three pictures of a drive through a suburb, a second apart, each with an arrow where the "
    "network would steer. On the last one somebody is close beside the car.",
)

# %% [markdown]
# **See:** the arrow follows the road; it is drawn much larger than the angle, which is below two
# degrees. And there is somebody beside the road. They will matter later in this chapter.
#
# ## Predict: a perfect server, a good network
#
# Suppose the server in the data centre answers in no time at all. Between it and the car is 5G, as
# researchers measured it on a drive in 2025.

# %%
guess = classroom.predict(
    "06.instant_server",
    "An instant server, reached over 5G: how many of the frames miss their 33 ms?",
    options=["about 1 in 100", "about 1 in 4", "about 7 in 8", "all of them"],
)
guess

# %% [markdown]
# Lock your guess. We build the way piece by piece, and look at the end.
#
# ## Build it: a picture as a message
#
# A network sends bytes. What are the bytes of a picture? Three forms are in use. **Raw**: the
# pixels as they are, behind a short header. **PNG**: compressed without loss. **JPEG**: compressed,
# with a loss that you hardly see.

# %%
raw = cloud.encode_frame(pictures[0], "raw")
height, width, channels = pictures[0].shape
print(f"raw: {len(raw):,} bytes = 8 of header + {height} x {width} x {channels}")
png = cloud.encode_frame(pictures[0], "png")
print("PNG gives the same pixels back:", np.array_equal(cloud.decode_frame(png), pictures[0]))
jpeg = cloud.encode_frame(pictures[0])
error = cloud.decode_frame(jpeg).astype(int) - pictures[0]
print(f"JPEG at least 8 times smaller than raw: {8 * len(jpeg) < len(raw)};", end=" ")
print(f"its pixels are off by less than 8 of 255 on average: {np.abs(error).mean() < 8}")

# %% [markdown]
# Over the {{results.cloud_edge.frame_bytes.pictures}} pictures of another drive a PNG has
# {{results.cloud_edge.frame_bytes.png:,.0f}} bytes on average and a JPEG
# {{results.cloud_edge.frame_bytes.jpeg:,.0f}}. These pictures are small. A camera of one megapixel
# has thirty times as many pixels, so read all bytes in this chapter as a lower bound.
#
# ### Exercise 1: the queue at the uplink (3 points, 15 minutes)
#
# Networks are sold in megabits a second, files are counted in bytes, and a byte has 8 bits. A
# network of 8 megabits a second (`mbps = 8`, a mega is a million) sends 1,000,000 bytes a second.
# It sends one frame at a time, in order. A frame that comes while another is on its way waits.
#
# Write `uplink_delays_ms(frame_bytes, fps, mbps)`: for each frame the milliseconds from its capture
# until its last bit is sent. Frame `i` is taken at `i * 1000 / fps`.
#
# *Example.* Frames of 50,000 bytes take 50 ms at 8 megabits a second. At 30 frames a second the
# delays of the first three are 50, 66.7 and 83.3 ms: each waits longer than the one before. A
# camera that sends more than its network carries has no delay. It has a queue that grows.
#
# *Hint.* Keep the time at which the line is free again.


# %% exercise="ch06.queue"
def uplink_delays_ms(frame_bytes: list[int], fps: float, mbps: float) -> list[float]:
    """Milliseconds from the capture of each frame until its last bit is sent."""
    ### BEGIN SOLUTION
    free_at, delays = 0.0, []
    for i, num_bytes in enumerate(frame_bytes):
        taken_at = i * 1000 / fps
        free_at = max(free_at, taken_at) + 8 * num_bytes / (mbps * 1000)
        delays.append(free_at - taken_at)
    return delays
    ### END SOLUTION


# %% check="ch06.queue" points=3
classroom.check("ch06.queue", uplink_delays_ms)

# %% [markdown]
# ## Build it: a server
#
# A server is a program that waits for questions. Ours is small and real: FastAPI takes the HTTP
# request, ONNX Runtime computes. It runs in a process of its own and listens on this machine only,
# at a free port of 127.0.0.1, the **loopback** address by which a machine reaches itself. `with`
# starts it, and ends it whatever happens inside.

# %%
frames = [cloud.encode_frame(picture) for picture in pictures]
with cloud.serve(path) as server:
    print(server)
    far = server.predict(frames[0])
    try:
        server.predict(b"this is no picture")
    except cloud.RefusedFrame as refused:
        print(f"refused with status {refused.status}: {refused}")
near = local.answer(frames[0])
print("the server says what the network here says:", far["outputs"]["ego"] == near["ego"].tolist())
print(server)

# %% [markdown]
# The same network, the same bits, another process. A server gets bytes from strangers, so it must
# refuse wrong ones with a sentence that helps, and live on.
#
# Does it survive that? A study sent it {{results.edge_server.requests:,}} requests from
# {{results.edge_server.clients}} clients at once, and {{results.edge_server.bad}} of them were bad:
# too large, empty, cut off, no picture. It refused {{results.edge_server.refused_bad}} of those and
# lost {{results.edge_server.lost}} answers. And however the notebook ended, by itself, by an
# interrupt or killed, no server was left running (`studies/edge_server.py`).
#
# What does the server itself add? On the machine of the study below the network computes for
# {{results.cloud_edge.server.compute_p50_ms:.1f}} ms, and HTTP on one and the same machine adds
# {{results.cloud_edge.server.overhead_p50_ms:.1f}} ms.
#
# Here is what surprised us. Our first server lost more than a whole frame budget on each answer,
# with no network at all. It sent its answer in two pieces. The operating system held the second
# piece back until the first was acknowledged, to save packets (**Nagle's algorithm**), and the
# other side waited before it acknowledged, to save packets too. One missing argument of one line.
# **A server is not fast because its network is fast: measure the round trip.**
#
# ## Build it: the network in between
#
# What does a network do to a message? Four things.
#
# - **Delay.** The **round-trip time**, RTT, is what a small message needs there and back.
# - **Jitter.** No two messages take the same time. We give the standard deviation of the RTT.
# - **Loss.** Some packets never arrive. Whoever waits for an answer must ask again.
# - **A narrow uplink.** Bytes leave one after another, at so many megabits a second.
#
# A `Profile` holds these four. All but the last of the list were measured by others, on real
# networks; the file `data/published/network_profiles.json` says by whom and what we derived. Where
# a source does not tell the loss it stands as 0, which is kind to the cloud; Wi-Fi's uplink is our
# choice.

# %%
profiles = cloud.profiles()
print("                                 RTT   jitter   loss   uplink")
print("                                  ms       ms      %   Mbit/s")
for profile in sorted(profiles.values(), key=lambda each: -each.rtt_ms):
    print(
        f"{profile.name:30s} {profile.rtt_ms:5.1f}    {profile.jitter_ms:5.1f}   "
        f"{profile.loss_percent:4.2f}   {profile.uplink_mbps:6.1f}   {profile.kind}"
    )

# %% [markdown]
# Surprised? 5G is advertised with a few milliseconds. The logs of the drive say
# {{published.network_profiles.5g.rtt_ms:.0f}} ms. The radio is only the first hop; behind it lies
# the whole way to a data centre. The newer standalone 5G was no faster on that drive:
# {{published.network_profiles.5g_standalone.rtt_ms:.0f}} ms in the same minutes. Speed tests know
# better days: their world median in 2022 was
# {{published.network_facts.world_medians_2022.mobile_ms}} ms, to a test server nearby. That leaves
# 5 ms of a frame for all the rest.
#
# How are single round trips spread? We draw them from a *lognormal* distribution: most lie near the
# median, some far above, none below zero.

# %% tags=["hide-input"] slide="How long a message travels, there and back"
figure = classroom.plots.new_figure(8.4, 3.5)
axes = figure.subplots()
SHOWN = {"wifi": "good", "5g": "fp32", "satellite": "muted", "4g": "accent"}
PLACES = {"wifi": (4.2, 47), "5g": (35, 12), "satellite": (54, 62), "4g": (66, 28)}
for key, colour in SHOWN.items():
    back = np.sort(profiles[key].draw_rtt(np.random.default_rng(0), 4000))
    share = 100 * np.arange(1, len(back) + 1) / len(back)
    axes.plot(back, share, color=classroom.plots.colour(colour))
    name = profiles[key].name.split(",")[0]
    axes.text(*PLACES[key], name, color=classroom.plots.colour(colour), fontweight="bold")
axes.axvline(BUDGET_MS, color=classroom.plots.BUDGET, linestyle="--")
axes.annotate(
    "33 ms",
    (BUDGET_MS, 101),
    ha="center",
    va="bottom",
    color=classroom.plots.BUDGET,
    fontweight="bold",
    annotation_clip=False,
)
axes.set(xscale="log", xlim=(1, 400), ylim=(0, 100))
axes.set(xlabel="round-trip time (ms, log scale)", ylabel="messages that are back by then (%)")
axes.xaxis.set_major_formatter("{x:g}")
classroom.show(
    figure,
    alt="Share of small messages that are back after so many milliseconds: most of Wi-Fi's are "
    "back within 33 ms, few of 5G's and of Starlink's, hardly any of 4G's.",
)

# %% [markdown]
# **See:** where a curve crosses the red line is the best that any server can do over that network.
# Wi-Fi has the lowest median and the widest spread: one message in a hundred takes about thirty
# times the median.
#
# Two honest simplifications. Each round trip is drawn by itself, while on a real road slow moments
# come in groups. And Wi-Fi's measured tail is longer than our curve: one in a hundred took
# {{published.network_profiles.wifi.published.latency_p99_ms}} ms.
#
# ### How far may the server be?
#
# Part of the delay is physics. Light in glass fibre travels
# {{published.network_facts.light_in_fibre.km_per_second:,}} km a second, two thirds of its speed in
# a vacuum. No machine will ever shorten that.
#
# ### Exercise 2: how many servers does a country need? (3 points, 20 minutes)
#
# Cars stand along a road, at `cars_km`, in any order. Of the budget of a frame, `other_ms` go to
# the network and to the server's work; what is left may be spent on the way there **and back**, at
# `km_per_second`. Servers may stand anywhere on the road. Write `servers_needed(cars_km, budget_ms,
# other_ms, km_per_second)`: the least number of servers, so that each car is in reach of one.
#
# *Example.* 33 ms less 32 ms leave 1 ms there and back: a server reaches 100 km both ways, at
# 200,000 km a second. Cars at 0, 150 and 500 km need two servers.
#
# *Hint.* Begin at the first car. Which place serves it and as many others as possible?


# %% exercise="ch06.servers"
def servers_needed(
    cars_km: list[float], budget_ms: float, other_ms: float, km_per_second: float
) -> int:
    """Least number of servers on a road, each car in reach of one."""
    ### BEGIN SOLUTION
    reach_km = (budget_ms - other_ms) / 2 * km_per_second / 1000
    number, served_to = 0, float("-inf")
    for car_km in sorted(cars_km):
        if car_km > served_to:
            number += 1
            served_to = car_km + 2 * reach_km  # the server stands one reach further on
    return number
    ### END SOLUTION


# %% check="ch06.servers" points=3
classroom.check("ch06.servers", servers_needed)

# %%
for place, distance_km in (("same city", 30), ("same country", 500), ("across the Atlantic", 6000)):
    print(f"{place:20s} {distance_km:5,} km: at least {cloud.fibre_rtt_ms(distance_km):5.1f} ms")
farthest = BUDGET_MS / cloud.fibre_rtt_ms(1)
print(f"an instant server may be {farthest:,.0f} km away, by straight fibre and no machine between")

# %% [markdown]
# So over some hundred kilometres light is not the problem. Radio, queues and machines are. Across a
# continent or an ocean, the budget is gone before anything is computed.
#
# ### One frame on its way
#
# Add it up for one JPEG over 5G. The picture leaves bit by bit, the message travels, the server
# computes, the answer comes back:
#
#     latency = bytes * 8 / uplink + RTT + server
#
# What if a packet is lost? A frame fills several packets, and it is complete only if all arrive:
#
#     P(frame lost) = 1 - (1 - P(packet lost))^packets
#
# Our client waits half a second for an answer, then sends the frame once more, and then gives up.

# %%
profile, num_bytes = profiles["5g"], 10_000
packets = -(-num_bytes // 1448)
leaving_ms, lost = profile.transmit_ms(num_bytes), 100 * profile.loss_of(num_bytes)
print(f"leaving the car: {leaving_ms:.1f} ms, median round trip: {profile.rtt_ms} ms")
print(f"{num_bytes:,} bytes are {packets} packets: {lost:.1f} % of frames lost")
fates = cloud.plan_journeys(profile, 18_000, num_bytes, seed=6)
retried = fates.arrives & (fates.lost_attempts > 0)
print(
    f"of 18,000 frames {retried.sum()} had to be sent twice, {(~fates.arrives).sum()} never arrived"
)

# %% [markdown]
# A packet loss that sounds like nothing becomes one frame in a hundred, and each of them is half a
# second late. For a camera a retry saves nothing: when the old picture arrives, fifteen newer ones
# exist. Two cautions. The rate stands on *one* lost ping of
# {{published.network_profiles.5g.published.packets_sent}}: its 95 % interval runs from 0.004 to
# 0.9 %. And the half second is our client's: HTTP runs over TCP, which sends a lost packet again by
# itself, often after about one more round trip. That too is later than a frame.
#
# ## Measure it: three seconds, for real
#
# `cloud.stream` sends the ninety frames at thirty a second. It really waits, really asks the
# server, and really drops what is lost. A frame that finds the uplink busy is dropped here, not
# queued as in exercise 1. What happens to each frame is decided by a seed before it
# leaves, so that you can run the same three seconds again.

# %% tags=["nbval-ignore-output"]
with cloud.serve(path) as server:
    live = cloud.stream(server.predict, frames, profiles["5g"], seed=6)
live

# %% [markdown]
# If your machine needs more than 33 ms for a frame, questions pile up before the server, and the
# median above is in the seconds. That is no fault of the network: it is what a server does that is
# asked too often.
#
# Three seconds are enough to see the median, and far too few for rare events. Waiting for ten
# minutes would be slow. But all that is slow here is waiting. So `cloud.simulate` does the same on
# a **virtual clock**: it adds the milliseconds and waits for none. First the proof that both agree:
# the same seed, and for each frame the server's own time as it was measured in real time.

# %%
sizes = np.array([len(frame) for frame in frames])
server_ms = np.nan_to_num(live.server_ms)
replay = cloud.simulate(len(frames), server_ms, profiles["5g"], sizes, seed=6)
print("the same frames answered:", np.array_equal(live.answered, replay.answered))
overslept = (live.latency_ms - replay.latency_ms)[live.answered]
print("the virtual clock was never slower than the real one:", overslept.min() > -0.1)

# %% [markdown]
# The real one is a little slower: a thread that sleeps is woken late, never early.
#
# Now ten minutes, 18,000 frames, and the instant server of your prediction.

# %%
instant = cloud.simulate(18_000, 0.0, profiles["5g"], 10_000, seed=6)
of_eight = round(8 * instant.share_missed / 100)
print(f"missed: about {of_eight} in 8")
guess.reveal(
    f"about {of_eight} in 8",
    "The median round trip alone is longer than the budget; a few lucky messages fit in.",
)

# %% [markdown]
# ### Exercise 3: how old is what the car knows? (3 points, 20 minutes)
#
# A missed frame is not the end: the car goes on with the newest answer that it has. Frame `i` is
# taken at `i * 1000 / fps` and answered `latencies_ms[i]` later; `None` stands for a frame that was
# never answered. Write `ages_ms(latencies_ms, fps)`: at the capture of each frame, the milliseconds
# since the capture of the **newest frame** that is answered by then, or `None` while nothing is. An
# answer at exactly that moment is there.
#
# *Example.* `ages_ms([60.0, 60.0, None, 10.0, 10.0], 25)` is `[None, None, 80.0, 80.0, 40.0]`:
# frames come each 40 ms, the first answer arrives at 60, the second at 100, the fourth at 130.
#
# *Hint.* Answers may overtake each other. A late answer to an old frame tells the car nothing new.


# %% exercise="ch06.ages"
def ages_ms(latencies_ms: list[float | None], fps: float) -> list[float | None]:
    """Age of the newest answered frame at the capture of each frame."""
    ### BEGIN SOLUTION
    step_ms, ages = 1000 / fps, []
    for now in range(len(latencies_ms)):
        answered = [
            i for i, latency in enumerate(latencies_ms[: now + 1])
            if latency is not None and i * step_ms + latency <= now * step_ms
        ]  # fmt: skip
        ages.append((now - max(answered)) * step_ms if answered else None)
    return ages
    ### END SOLUTION


# %% check="ch06.ages" points=3
classroom.check("ch06.ages", ages_ms)

# %% [markdown]
# ## All networks, ten minutes each
#
# The study `studies/cloud_edge.py` did this for every profile, with the server's times as measured
# on its own machine ({{results.cloud_edge.machine.cpu}}). The upper bar of each pair is an instant
# server, the lower bound for any cloud; the lower bar is the server that you started above.

# %% tags=["hide-input"] slide="How many frames miss 33 milliseconds" tour=2
study = edu.load_result("cloud_edge")
keys = ["wifi", "satellite", "5g", "5g_standalone", "4g", "4g_weak"]
figure = classroom.plots.new_figure(8.4, 3.4)
axes = figure.subplots()
for row, key in enumerate(keys):
    found = study["cloud"][key]
    both = (
        (found["share_missed_by_an_instant_server"], -0.2, "muted"),
        (found["share_missed"], 0.2, "fp32"),
    )
    for share, shift, colour in both:
        axes.barh(row + shift, share, 0.38, color=classroom.plots.colour(colour))
        axes.annotate(f"{share:.0f} %", (share, row + shift), (4, 0),
                      textcoords="offset points", va="center", fontsize=9)  # fmt: skip
axes.set_yticks(range(len(keys)), [profiles[key].name for key in keys])
axes.set(xlabel="frames that miss the 33 ms (%)", ylabel="network", xlim=(0, 112), ylim=(5.6, -0.6))
axes.grid(visible=False, axis="y")
axes.legend(
    [axes.patches[0], axes.patches[1]],
    ["instant server", "our server"],
    loc="lower left",
    bbox_to_anchor=(0, 1),
    ncols=2,
)
classroom.show(
    figure,
    alt="Share of frames that miss 33 ms over six networks, for an instant server and for ours: "
    "Wi-Fi to a server in the building misses the fewest; over the others nearly all are missed.",
)

# %% [markdown]
# **See:** over Wi-Fi to a server in the same building
# {{results.cloud_edge.cloud.wifi.share_missed:.0f}} % of the frames miss. Over every network that
# reaches a moving car at least
# {{results.cloud_edge.cloud.5g.share_missed_by_an_instant_server:.0f}} % miss, however fast the
# server is. A faster GPU in the cloud changes nothing about the upper bars.
#
# **Late is not lost.** These bars count frames whose answer comes after more than 33 ms. Over 5G
# nearly all do, and nearly all *are* answered: many frames are on their way at the same time.
# Chapter 00's two clocks tell them apart: frames answered, and metres driven before the answer.

# %% tags=["hide-input"]
SPEED_KMH = 50
figure = classroom.plots.new_figure(9.2, 3.2)
left, right = figure.subplots(1, 2, sharey=True)
for row, key in enumerate(keys):
    found = study["cloud"][key]
    answered = 30 * (1 - found["share_dropped"] / 100)
    metres = SPEED_KMH / 3.6 * found["p50_ms"] / 1000
    for axes, value, text, colour in ((left, answered, f"{answered:.0f}", "good"),
                                      (right, metres, f"{metres:.1f} m", "fp32")):  # fmt: skip
        axes.barh(row, value, 0.62, color=classroom.plots.colour(colour))
        axes.annotate(text, (value, row), (4, 0), textcoords="offset points", va="center",
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
at_budget = SPEED_KMH / 3.6 * BUDGET_MS / 1000
right.axvline(at_budget, color=classroom.plots.BUDGET, linestyle="--")
right.annotate("33 ms", (at_budget, -0.6), (0, 3), textcoords="offset points", ha="center",
               color=classroom.plots.BUDGET, fontweight="bold", va="bottom")  # fmt: skip
left.set_yticks(range(len(keys)), [profiles[key].name for key in keys])
left.set(xlabel="frames sent and not dropped, of 30 a second", ylabel="network", xlim=(0, 36))
right.set(xlabel=f"metres driven before the answer, at {SPEED_KMH} km/h", ylim=(5.6, -0.6))
right.set_xlim(0, 2.6)
for axes in (left, right):
    axes.grid(visible=False, axis="y")
classroom.show(
    figure,
    alt="Two clocks for six networks. Frames sent: 30 of 30 a second over all but weak 4G, which "
    "drops half. Metres driven before the answer at 50 km/h: from a third of a metre over Wi-Fi to "
    "two metres over weak 4G; the red line is the budget, half a metre.",
)

# %% [markdown]
# **See:** on the left nothing is wrong with 5G, on the right everything: the car has gone twice as
# far as it may before it hears what was seen. A doorbell lives on the left clock, a brake on the
# right one. (The metres are those of the median answer. One in a hundred over 5G takes
# {{results.cloud_edge.cloud.5g.p99_ms:.0f}} ms: our client's half second, for a loss that stands on
# one lost ping. For 4G and Starlink no loss was published, so they show no such tail.)
#
# Look at the last row for another reason. With a bad signal the median round trip of 4G is no
# longer than with a good one. What collapses is the uplink, to
# {{published.network_profiles.4g_weak.uplink_mbps:.1f}} Mbit/s: one JPEG keeps it busy for longer
# than a frame lasts, and {{results.cloud_edge.cloud.4g_weak.share_dropped:.0f}} % of the frames
# never leave the car. Raw pictures would not even fit through good 4G:
# {{results.cloud_edge.cloud_raw_4g.share_dropped:.0f}} % never leave.
#
# ## Then comes a tunnel
#
# Averages hide the worst seconds. A tunnel of 500 m takes
# {{published.network_profiles.tunnel.outage_seconds}} seconds at 90 km/h; let there be no signal
# inside. This profile is not measured: we chose it. In the next cells both places compute for the
# same 16 ms, half of the budget, so that only the way differs.

# %%
tunnel_guess = classroom.predict(
    "06.tunnel",
    "600 frames are taken inside the tunnel. How many of them are never answered by the cloud?",
    unit="frames",
)
tunnel_guess

# %%
tunnel = cloud.tunnel(start_s=300)
away = cloud.simulate(18_000, 16.0, profiles["5g"], 10_000, seed=6, outages=[tunnel])
beside = cloud.simulate(18_000, 16.0)
inside = away.between(tunnel.start_s, tunnel.start_s + tunnel.seconds)
print(f"cloud: {inside.unanswered} of {len(inside)} frames in the tunnel never answered")
print(f"edge:  {beside.between(300, 320).unanswered} of {len(inside)}")
tunnel_guess.reveal(
    inside.unanswered,
    "Those of the last half second are sent again after the tunnel, and answered far too late.",
    digits_in_text=True,
)

# %% tags=["hide-input"] slide="Then comes a tunnel" tour=2
figure = classroom.plots.new_figure(8.4, 3.1)
axes = figure.subplots()
window = (away.taken_ms > 292e3) & (away.taken_ms < 328e3)
seconds = away.taken_ms[window] / 1e3
axes.plot(seconds, away.latency_ms[window], ".", ms=3, color=classroom.plots.FP32)
axes.plot(seconds, beside.latency_ms[window], color=classroom.plots.GOOD)
axes.axhline(BUDGET_MS, color=classroom.plots.BUDGET, linestyle="--")
axes.axvspan(300, 320, color=classroom.plots.GRID)
axes.text(310, 110, "no signal: no answer for\n500 m of road", ha="center", fontweight="bold")
axes.text(328.2, 16, "edge", color=classroom.plots.GOOD, va="center", fontweight="bold")
axes.text(328.2, 62, "cloud\n(5G)", color=classroom.plots.FP32, va="center", fontweight="bold")
axes.text(328.2, BUDGET_MS, "33 ms", color=classroom.plots.BUDGET, va="center", fontweight="bold")
axes.set(yscale="log", ylim=(10, 1000), xlim=(292, 328))
axes.yaxis.set_major_formatter("{x:g}")
axes.set(xlabel="time of the frame (s)", ylabel="latency (ms, log scale)")
classroom.show(
    figure,
    alt="Latency of each frame before, in and after a tunnel: the cloud's answers lie above the "
    "33 ms and stop in the tunnel; the edge's stay at 16 ms throughout.",
)

# %% [markdown]
# **See:** for twenty seconds and 500 m the cloud is silent, and no retry helps. The small cloud of
# points at the tunnel's end are frames of its last half second, answered half a second late.
# Shorter gaps are common without any tunnel: when a phone changes to the next LTE cell, data stops
# for {{published.network_facts.lte_handover.median_ms}} ms at the median, more than a frame.
#
# **A product that must work in a tunnel must be able to work without the cloud.** Whatever the
# averages say, this decides for a car.
#
# ## Explore
#
# Choose a network, a distance and a server. The distance adds fibre to the network's own round
# trip. Try these three:
#
# - "light alone", server 0 ms: at which distance does it break?
# - Wi-Fi: from which server time on are more than half of the frames missed?
# - 5G: is there any server that helps?

# %% tags=["hide-input"]
by_name = {profile.name: profile for profile in profiles.values()}
STARTS_WITH = "Wi-Fi, server in the building"
names = [STARTS_WITH, *sorted(set(by_name) - {STARTS_WITH})]


def missed(network: str, distance_km: int, server_ms: int):
    """A minute of frames: how many are late, and how late."""
    result = cloud.simulate(
        1800, float(server_ms), by_name[network].farther(distance_km), 10_000, seed=6
    )
    figure = classroom.plots.new_figure(7.8, 2.5)
    axes = figure.subplots()
    edges = np.geomspace(1, 1000, 61)
    counts, _ = np.histogram(result.latency_ms[result.answered], edges)
    inside = edges[1:] <= BUDGET_MS * 1.05
    colours = [classroom.plots.GOOD if fits else classroom.plots.FP32 for fits in inside]
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours)
    axes.axvline(BUDGET_MS, color=classroom.plots.BUDGET, linestyle="--")
    axes.set(xscale="log", xlim=(1, 1000), xlabel="latency (ms, log scale)", ylabel="frames")
    axes.xaxis.set_major_formatter("{x:g}")
    share = round(result.share_missed)
    axes.set_title(f"{share} % of the frames miss the 33 ms")
    note = f"{network}, {distance_km:,} km, server {server_ms} milliseconds: {share} % missed"
    return figure, note + f", {result.dropped.sum()} of 1,800 frames never sent"


classroom.Explorer(missed, network=names, distance_km=(0, 8000, 100, 0), server_ms=(0, 100, 1, 10))

# %% [markdown]
# ## The other place: beside the camera
#
# No radio, no tunnel, no bytes sent. But the computer is small, and it must keep up alone. Here is
# the same network on one core of your machine, for the same three seconds. A frame that comes while
# it computes is dropped.

# %% tags=["nbval-ignore-output"]
here = cloud.stream(local.read, pictures, name="this machine, one core")
here

# %% [markdown]
# Whether that fits depends on the network. Three of them, timed by the study on one core, beside
# the way through the cloud.

# %% tags=["nbval-ignore-output"] slide="Beside the camera there is no way to go"
NAMES = {
    "light": "edge: light segmentation",
    "ego": "edge: steering",
    "heavy": "edge: heavy segmentation",
}
rows = [(name, study["beside"][key]["p50_ms"], "good") for key, name in NAMES.items()]
for key in ("wifi", "5g", "4g"):
    name = profiles[key].name.split(",")[0]
    rows.append((f"cloud: steering, {name}", study["cloud"][key]["p50_ms"], "fp32"))
classroom.plots.frame_budget_bar(rows, ylabel="place and network")

# %% [markdown]
# **See:** be fair to the cloud. The heavy network is too slow beside the camera as well: one core
# needs {{results.cloud_edge.beside.heavy.p50_ms:.0f}} ms for it, and
# {{results.cloud_edge.beside.heavy.share_missed:.0f}} % of its frames miss. Moving a network to the
# edge does not make it fast. The steering network takes
# {{results.cloud_edge.beside.ego.p50_ms:.0f}} ms, and the light one, which has fifteen times fewer
# multiplications than the heavy one, {{results.cloud_edge.beside.light.p50_ms:.1f}} ms. (Its
# weights are untrained: it serves for time only.)
#
# So the edge asks for light networks. How to make one without losing its quality is what chapters
# 07 to 13 are about.
#
# ## Privacy: who can see the picture?
#
# The picture travels through machines that are not yours: a router, a mast, a provider. Let us be
# one of them. `cloud.eavesdrop` is a relay. It passes every byte on unchanged and keeps a copy. The
# client talks to the relay, the relay talks to the server.

# %%
with cloud.serve(path) as server, cloud.eavesdrop(server.port) as tap:
    client = server.client(tap.port)
    plain_answer = client.predict(frames[60])["outputs"]
    client.close()
heard = tap.bytes_of(cloud.UP)
print(heard[:23])
stolen = cloud.find_pictures(heard)
sent = cloud.decode_frame(frames[60])
print(f"pictures found in the bytes: {len(stolen)}")
print("pixel for pixel what was sent:", np.array_equal(stolen[0], sent))

# %% tags=["hide-input"] slide="Who stands in between sees the picture"
figure = classroom.plots.new_figure(8.4, 2.4)
shown = ((sent, "what the car sent"), (stolen[0], "what the relay found"))
for axes, (picture, title) in zip(figure.subplots(1, 2), shown, strict=True):
    axes.imshow(for_the_page(picture), interpolation="nearest")
    axes.set_title(title, loc="center")
    classroom.plots.picture_axes(axes)
classroom.show(
    figure,
    alt="Left the picture that the car sent, with somebody beside the road, right the picture that "
    "the relay found in the bytes: the same.",
)

# %% [markdown]
# **See:** this person never agreed to be sent anywhere, and now a stranger has their picture.
# Nothing was broken into. The bytes were in the open, and a JPEG begins and ends with known marks.
# (The tool that you use right now is often no better: a notebook may talk to its kernel without
# encryption, which is why both keep to 127.0.0.1.)
#
# ### Predict: what is left when it is encrypted?
#
# **TLS** is the S of HTTPS. Client and server agree on a key, and every byte after that is
# encrypted.

# %%
tls_guess = classroom.predict(
    "06.tls",
    "With TLS, what can the one on the way still learn?",
    options=["nothing at all", "how many bytes and when", "a blurred picture"],
)
tls_guess

# %%
with cloud.serve(path, tls=True) as server, cloud.eavesdrop(server.port) as tap:
    client = server.client(tap.port)
    answer = client.predict(frames[60])["outputs"]
    client.close()
    print(server)
heard = tap.bytes_of(cloud.UP)
print(f"pictures found in the bytes: {len(cloud.find_pictures(heard))}")
pieces = [frames[60][at : at + 16] for at in range(0, len(frames[60]) - 16, 16)]
print("pieces of 16 bytes of the JPEG found:", sum(piece in heard for piece in pieces))
print("the server's answer is the same as before:", answer == plain_answer)

# %% [markdown]
# The **certificate**, the proof that a server is who it says, was made for this cell; in the world,
# an authority signs it. The client checks it, so the relay cannot pretend to be the server.
#
# ### And who may change it?
#
# So far the relay has only listened. It holds the answer in its hands, so it can pass on another
# one. This one turns the sign of the steering angle. It keeps the length, so that nobody misses a
# byte.

# %%
import re


def turn_round(data: bytes) -> bytes:
    """The same bytes, with the sign of the steering angle changed."""
    found = re.search(rb'"ego":\s*\[\[(-?)([0-9.]+)', data)
    if not found:
        return data
    sign, number = found.groups()
    # JSON allows spaces before a number; a minus takes the place of the last digit
    changed = b" " + number if sign else b"-" + number[:-1]
    return data[: found.start(1)] + changed + data[found.end(2) :]


with cloud.serve(path) as server, cloud.eavesdrop(server.port, turn_round) as tap:
    client = server.client(tap.port)
    forged = client.predict(frames[60])["outputs"]
    client.close()
angles = plain_answer["ego"][0][0], forged["ego"][0][0]
print("the answer has another sign:", angles[0] * angles[1] < 0)
print("and the client took it without a word")

# %% tags=["hide-input", "nbval-ignore-output"]
figure = classroom.plots.new_figure(8.4, 2.4)
titles = ("what the server answered", "what the car was told")
for axes, degrees, title in zip(figure.subplots(1, 2), angles, titles, strict=True):
    axes.imshow(for_the_page(sent), interpolation="nearest")
    axes.annotate("", (128 + 60 * degrees, 82), (128, 126),
                  arrowprops={"arrowstyle": "-|>", "color": classroom.plots.COMPRESSED, "lw": 4,
                              "mutation_scale": 18})  # fmt: skip
    axes.set_title(f"{title}: {degrees:+.2f}°", loc="center")
    classroom.plots.picture_axes(axes)
classroom.show(
    figure,
    alt="The same picture twice, with an arrow for the steering: the server's answer, and the "
    "forged one, which points to the other side.",
)

# %% [markdown]
# **See:** one character, and the car steers to the other side. The client cannot know: the message
# has the right form. Now the same with TLS. The relay finds no angle in the encrypted bytes, so it
# tries something cruder: it flips one bit of the answer. What will the client do?

# %%
tamper_guess = classroom.predict(
    "06.tamper",
    "One bit of an encrypted answer is flipped on the way. What does the client get?",
    options=["a slightly wrong angle", "random numbers", "no answer at all: it refuses"],
)
tamper_guess

# %%
awake = False


def flip_one_bit(data: bytes) -> bytes:
    """The last bit of what comes, flipped once the relay is awake."""
    return data[:-1] + bytes([data[-1] ^ 1]) if awake else data


with cloud.serve(path, tls=True) as server, cloud.eavesdrop(server.port, flip_one_bit) as tap:
    client = server.client(tap.port)
    print("before, the answer is right:", client.predict(frames[60])["outputs"] == plain_answer)
    awake = True
    try:
        client.predict(frames[60])
    except ConnectionError:
        print("one bit flipped: the client refuses the answer")
    client.close()
tamper_guess.reveal(
    "no answer at all: it refuses",
    "each piece carries a code that only the holder of the key can make",
)

# %% [markdown]
# This is **integrity**, and encryption alone would not give it: TLS adds to each piece a **message
# authentication code**, computed from the bytes and the key. Whoever changes a bit cannot make the
# code that fits. The relay can still do one thing: let nothing through. A car must be able to drive
# without an answer.
#
# What is left is the envelope: how many bytes, and when. Is that much? A JPEG of a foggy road is
# smaller than one of a street full of trees. Let two cars drive, both with TLS, and let the relay
# try to tell them apart by size alone. It learns a threshold from the first half of each drive and
# is tested on the second half.


# %%
def seen_by_the_relay(server, tap, scenes: list) -> list[int]:
    """Bytes of each encrypted question, as the relay counts them."""
    before = len(tap.chunks)
    client = server.client(tap.port)
    for sample in scenes:
        client.predict(cloud.encode_frame(sample.image))
    client.close()
    part = cloud.Tap(0, tap.chunks[before:])
    return [one.bytes_up for one in part.exchanges()][-len(scenes) + 1 :]


ROADS = {
    "suburb, clear": {"place": "suburb", "weather": "clear"},
    "country, fog": {"place": "rural", "weather": "fog"},
    "city, clear": {"place": "city", "weather": "clear"},
    "highway, night": {"place": "highway", "weather": "night"},
}
sizes_seen = {}
with cloud.serve(path, tls=True) as server, cloud.eavesdrop(server.port) as tap:
    for name, road in ROADS.items():
        sizes_seen[name] = seen_by_the_relay(server, tap, list(drive(3, 3, 8, **road)))
print({name: len(sizes) for name, sizes in sizes_seen.items()})


# %% tags=["nbval-ignore-output"]
def told_apart(first: list[int], second: list[int]) -> float:
    """Percent of the later frames that a threshold from the earlier ones puts on the right side."""
    half = len(first) // 2
    threshold = (np.median(first[:half]) + np.median(second[:half])) / 2
    above, below = (first, second) if np.median(first[:half]) > threshold else (second, first)
    right = np.sum(np.array(above[half:]) > threshold) + np.sum(np.array(below[half:]) <= threshold)
    return 100 * right / (len(above[half:]) + len(below[half:]))


clear_or_fog = told_apart(sizes_seen["suburb, clear"], sizes_seen["country, fog"])
day_or_night = told_apart(sizes_seen["city, clear"], sizes_seen["highway, night"])
print(f"clear suburb or foggy country, told apart: {clear_or_fog:.0f} % (chance: 50 %)")
print(f"city by day or highway by night: {day_or_night:.0f} %")
every = np.concatenate(list(sizes_seen.values()))
more = 100 * (every.max() / every.mean() - 1)
print(f"all frames filled up to the size of the largest: {more:.0f} % more bytes")
assert clear_or_fog > 75 > day_or_night
tls_guess.reveal(
    "how many bytes and when", "The envelope stays visible, and its size says something."
)

# %% tags=["hide-input"] slide="Encrypted, the sizes still speak"
figure = classroom.plots.new_figure(8.4, 2.9)
colours = dict(zip(ROADS, ("good", "muted", "fp32", "accent"), strict=True))
panels = figure.subplots(1, 2, sharey=True)
pairs = (("suburb, clear", "country, fog"), ("city, clear", "highway, night"))
for axes, pair, right in zip(panels, pairs, (clear_or_fog, day_or_night), strict=True):
    for name, height in zip(pair, (11_000, 5_500), strict=True):
        colour = classroom.plots.colour(colours[name])
        axes.plot(sizes_seen[name], ".-", lw=1, color=colour)
        axes.text(1, height, name, color=colour, fontweight="bold")
    axes.set(xlabel="frame", ylim=(0, 12_500))
    axes.set_title(f"{right:.0f} % told apart")
panels[0].set_ylabel("encrypted bytes of a frame")
classroom.show(
    figure,
    alt="Encrypted bytes of each frame of four drives: a clear suburb and a foggy country road are "
    "far apart, a city by day and a highway by night nearly overlap.",
)

# %% [markdown]
# **See:** size alone tells these two drives apart, a foggy country road and a clear suburb; the
# place differs there too, not the fog alone. It does not tell a city by day from a highway by
# night, whose pictures compress about equally well: a coin does that well too. What is learned
# without reading the content comes through a **side channel**. This one leaks *sometimes*: when
# scenes differ in detail, and when the compression adapts to it. Video leaks more, since it sends
# only what changes: researchers recognised the daily activities in a home from the traffic of an
# encrypted camera (Li and others, 2016).
#
# The cure costs bytes. Raw pictures all have the same size, and so have JPEGs that are filled up to
# that of the largest; the cell above says how much that adds. What the size no longer says, the
# clock still does: a camera that sends is a camera that is on.
#
# And one thing TLS does not touch. **The server decrypts, or it could not answer.** Whoever runs it
# has every picture.
#
# | who | plain HTTP | HTTPS (TLS) | edge |
# |---|---|---|---|
# | someone on the way | reads the picture, changes the answer | sizes and times | nothing |
# | who runs the server | the picture | the picture | nothing, unless you send it |
# | who holds the device | the picture | the picture | the picture, and your network's weights |
#
# The last cell is the edge's own weakness: a network that is given away can be copied.
#
# ## What does it cost?
#
# In the cloud you rent GPUs by the hour and pay for the data. At the edge you buy a computer for
# each camera, once, and somebody must make the network run on it. `cloud.Costs` adds this up. Its
# prices come from `data/published/cloud_costs.json`: some are published, some are assumptions of
# ours, and the file says which. Prices change; the sums do not.

# %%
cars = cloud.Costs(devices=1000, frames_per_day=3600 * 30, frame_bytes=10_000)
cars

# %% [markdown]
# A thousand cars, an hour a day each. Look at the cloud's line: the GPUs are not the expensive
# part. The **mobile data** is, at {{published.cloud_costs.data_usd_per_gb.value}} USD a gigabyte,
# the average in the United Kingdom in 2023. In the United States it was
# {{published.cloud_costs.data_usd_per_gb.united_states:.2f}} USD.
#
# Now cameras that ask rarely: a doorbell, with fifty pictures a day.

# %%
doorbells = cloud.Costs(devices=1000, frames_per_day=50, frame_bytes=10_000, years=5)
doorbells

# %% [markdown]
# Fifty pictures cost a doorbell almost nothing, and one GPU that idles serves all of them. A
# computer in each door would wait for decades to be paid for. **How often you ask decides.**
#
# ### Exercise 4: when has the edge paid for itself? (3 points, 15 minutes)
#
# A computer in each device costs `device_usd` when it is bought, then `edge_per_day`. It lives
# `life_days` days, then a new one is bought. The cloud sends a bill each day, `cloud_bills[0]` for
# day 1. Write `break_even_day(device_usd, edge_per_day, life_days, cloud_bills)`. It returns the
# **break-even**, the first day at whose end the edge has cost no more than the cloud, all days
# together; `None` if the bills end before.
#
# *Example.* 300 USD, then 1 USD a day, against bills of 3 USD: day 150. If the device lives 100
# days only, a second one is bought on day 101.
#
# *Hint.* Keep two sums and go through the days.


# %% exercise="ch06.break_even_day"
def break_even_day(
    device_usd: float, edge_per_day: float, life_days: int, cloud_bills: list[float]
) -> int | None:
    """First day at whose end the edge has cost no more than the cloud; None if there is none."""
    ### BEGIN SOLUTION
    edge_usd = cloud_usd = 0.0
    for day, bill in enumerate(cloud_bills, start=1):
        if (day - 1) % life_days == 0:
            edge_usd += device_usd
        edge_usd += edge_per_day
        cloud_usd += bill
        if edge_usd <= cloud_usd:
            return day
    return None
    ### END SOLUTION


# %% check="ch06.break_even_day" points=3
classroom.check("ch06.break_even_day", break_even_day)

# %% [markdown]
# **Explore.** Move one slider at a time. What must happen so that the cloud wins for a thousand
# cars? And from how many minutes of camera a day on does the edge win?


# %% tags=["hide-input"]
def costs_over_time(
    devices, minutes_per_day, data_usd_per_gb, gpu_ms, gpu_usd_per_hour, device_usd, years
):
    """Money spent after so many years, cloud and edge."""
    costs = cloud.Costs(
        devices=devices, frames_per_day=minutes_per_day * 60 * 30, gpu_ms=gpu_ms,
        gpu_usd_per_hour=gpu_usd_per_hour, data_usd_per_gb=data_usd_per_gb,
        device_usd=device_usd, years=years,
    )  # fmt: skip
    figure = classroom.plots.new_figure(7.8, 2.7)
    axes = figure.subplots()
    days = np.linspace(0, 365 * years, 60)
    lines = (("cloud", costs.cloud_usd, "fp32"), ("edge", costs.edge_usd, "good"))
    for name, spent, colour in lines:
        thousands = [spent(day) / 1e3 for day in days]
        axes.plot(days / 365, thousands, color=classroom.plots.colour(colour))
        axes.annotate(name, (years, thousands[-1]), (4, 0), textcoords="offset points",
                      va="center", color=classroom.plots.colour(colour),
                      fontweight="bold")  # fmt: skip
    axes.set(xlabel="years", ylabel="thousand USD in all", xlim=(0, years), ylim=(0, None))
    when = costs.break_even_days / 365
    paid = f"paid for after {when:.1f} years" if when <= years else "not paid for in that time"
    axes.set_title(f"the edge is {paid}")
    rented = f"{costs.gpu_hours_per_day:,.0f} GPU-hours a day"
    about = f"{devices:,} devices, {minutes_per_day} minutes a day, {rented}"
    return figure, f"{about}: the edge is {paid}"


# %% tags=["hide-input"] slide="When is the edge paid for?"
default = cloud.Costs()  # every price with its source: data/published/cloud_costs.json
classroom.Explorer(
    costs_over_time,
    devices=(10, 5000, 10, 1000),
    minutes_per_day=(1, 600, 1, 60),
    data_usd_per_gb=(0.0, 6.0, 0.02, default.data_usd_per_gb),
    gpu_ms=(1, 100, 1, int(default.gpu_ms)),
    gpu_usd_per_hour=(0.1, 5.0, 0.002, default.gpu_usd_per_hour),
    device_usd=(5, 1000, 1, int(default.device_usd)),
    years=(1, 10, 1, int(default.years)),
)

# %% [markdown]
# **See:** set the data price to 0, as on a camera with a cable, and it is GPU against computer: for
# an hour a day the cloud is now the cheaper one. More minutes a day, and the edge wins again. And a
# device of 30 dollars is not a smaller computer of the same kind: it is one on which the network
# must be much lighter.
#
# ### Watts and dollars beside the road
#
# The computer beside the camera must be carried and fed. The one in these sums is a developer kit
# of {{published.cloud_costs.device_usd.value}} dollars that takes
# {{published.cloud_costs.device_watts.least}} to {{published.cloud_costs.device_watts.value}}
# watts. Is that much?

# %%
prices = edu.load_published("cloud_costs")
watts, per_kwh = prices["device_watts"], prices["electricity_usd_per_kwh"]["value"]
for name, power in (("least", watts["least"]), ("most", watts["value"])):
    kwh = power * 24 * 365 / 1000
    print(f"{name:5s} {power:3d} W for a year: {kwh:4.0f} kWh, {kwh * per_kwh:5.2f} dollars")
battery_wh = 50
hours = [battery_wh / watts[key] for key in ("least", "value")]
lasts = f"{hours[0]:.1f} hours at least power, {hours[1]:.1f} at most"
print(f"a battery of {battery_wh} Wh lasts {lasts}")

# %% [markdown]
# At a plug it is next to nothing. From a battery (50 Wh, our choice) it is the whole question, and
# heat is the next one: what takes 25 W inside a closed box must get rid of them. A light network
# asks for less of all three. And mind who buys. A company that puts a board into each of a million
# products pays its price a million times and counts cents; somebody with one camera pays once, and
# counts evenings.
#
# ## When the cloud is the right answer
#
# This chapter has been hard on the cloud, because a moving camera is its worst case. It is the
# right place
#
# - **when the network is too large** for any device: a language model of hundreds of gigabytes does
#   not fit into a doorbell;
# - **when requests are rare**, so that a computer in each device would idle;
# - **when the answer may take a second**: sorting last year's photographs has no frame budget;
# - **when the network changes every week**: one server is updated in a minute, a million devices in
#   months, and some never;
# - **when the data of many must meet**: whether there is a jam ahead is known to the cars ahead.
#
# Most products are both. The edge answers at once, with a light network. The cloud gets a few
# chosen pictures, without hurry, to train the next one.
#
# ## Claims
#
# What sources say, beside what was measured.

# %%
through_5g = cloud.simulate(18_000, 16.0, profiles["5g"], 10_000, seed=6)
through_4g = cloud.simulate(18_000, 16.0, profiles["4g"], 10_000, seed=6)
over_50 = 100 * float((~(through_4g.latency_ms <= 50)).mean())
within_150 = 100 * float((through_5g.latency_ms <= 150).mean())

# %%
table = classroom.claims_table([
    classroom.claim(
        source="Ookla, November 2022",
        says="28 ms is the world's median over mobile networks, to a test server nearby (here: the "
        "median of a drive's pings over 5G)",
        target=28, measured=profiles["5g"].rtt_ms, better="lower", tolerance=5, unit="ms",
    ),
    classroom.claim(
        source="Smith et al. 2022, abstract",
        says="commercial 4G fails to reliably meet 50 ms (here: over 1 % of frames take longer)",
        target=1, measured=over_50, better="higher", tolerance=0, unit="% over 50 ms",
    ),
    classroom.claim(
        source="Dettinger et al. 2025, abstract",
        says="offloading over 5G suits what can wait 150 ms (here: at least 95 % answered by then)",
        target=95, measured=within_150, better="higher", tolerance=0, unit="% within 150 ms",
    ),
    classroom.claim(
        source="Li et al. 2016, abstract",
        says="daily activities are recognised from the size of encrypted traffic (here: two pairs "
        "of drives, the worse pair; chance is 50 %)",
        target=75, measured=min(clear_or_fog, day_or_night), better="higher", tolerance=0,
        unit="% told apart",
    ),
])  # fmt: skip
wanted = ["not reproduced", "reproduced", "reproduced", "not reproduced"]
assert [row.verdict for row in table.claims] == wanted
table

# %% [markdown]
# The first row is no contradiction: a phone at rest with a server around the corner is one thing, a
# car on the road with a data centre at the other end is another. It shows what a median of the
# world is worth for *your* place. In the last row one pair was told apart and the other was not;
# the paper's rooms and days are not our two. Others can be read kindly: the numbers behind "here"
# are our reading of a sentence. The networks of this chapter were measured in Norway, the United
# States and China, in certain years; yours differs. Measure it: `ping` is on every computer.
#
# ## The ledger
#
# No new model in this chapter: where a network runs does not change its row. It changes whether the
# row's milliseconds are all.

# %% tags=["nbval-ignore-output"]
classroom.ledger(upto="06")

# %% [markdown]
# ## Key points
#
# - An answer from the cloud takes: bytes over the uplink, the round trip, the server. Over the
#   mobile networks of this chapter the round trip alone is mostly longer than a frame.
# - A faster server does not help a slow way. Light in fibre leaves room for hundreds of kilometres,
#   not for an ocean.
# - A small packet loss is a larger frame loss, and a retry comes too late for a camera.
# - In a tunnel the cloud is silent. What must always work must work without it.
# - Late is not lost: count frames answered, and metres driven before the answer.
# - Plain HTTP shows the picture to everyone on the way, and lets them change the answer. TLS hides
#   it, but not its size and time, and not from the server.
# - Who asks thirty times a second over mobile data is better off at the edge, who asks fifty times
#   a day in the cloud. Without a price on data, the hours a day decide.
# - The edge is no miracle: the heavy network misses the budget there too. It needs light networks.
#
# **Terms.**
#
# - *Cloud*: rented computers in a data centre. *Edge*: the computer beside the camera.
# - *Round-trip time, RTT*: from sending a small message to its answer. *Jitter*: how much it
#   varies.
# - *Uplink*: the way from the device to the network, and its megabits a second.
# - *Loopback*: the address 127.0.0.1, by which a machine reaches itself.
# - *Integrity*: what arrives is what was sent. *Message authentication code*: the proof of it, made
#   with a key.
# - *TLS*: encryption between client and server. *Certificate*: the proof that a server is who it
#   says.
# - *Side channel*: what can be learned without reading the content, such as from sizes and times.
# - *Break-even*: when what costs more at the start has saved as much.
#
# **References.**
#
# - D. Giordano, M. Trevisan, "ERRANT: Realistic emulation of radio access networks", RIPE Labs, and
#   its profiles (4G).
# - M. Ghoshal et al., "A first large-scale study of operational 5G standalone networks", CoNEXT
#   2025, and its logs (5G).
# - K. Sui et al., "Characterizing and improving WiFi latency in large-scale operational networks",
#   MobiSys 2016.
# - Ookla, "Above Maine, Starlink twinkles", 2024 (satellite).
# - "From LTE to 5G for connected mobility" (handovers).
# - S. Smith et al., "Segmenting latency in a private 4G LTE network", CMU-CS-22-115, 2022.
# - F. Dettinger et al., "Directives for function offloading in 5G networks based on a performance
#   characteristics analysis", arXiv:2508.03287, 2025.
# - H. Li et al., "Side-channel information leakage of encrypted video stream in video surveillance
#   systems", INFOCOM 2016.
# - A. Reed, M. Kranch, "Identifying HTTPS-protected Netflix videos in real-time": films told from
#   encrypted traffic.
# - Cable.co.uk, "Worldwide mobile data pricing", 2023; U.S. Energy Information Administration,
#   January 2024.
#
# **Next.** [07 Separable convolutions](07_separable_convolutions.ipynb): the first way to a light
# network.
