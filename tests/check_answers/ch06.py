"""Answers to the exercises of chapter 06: right ones, and wrong ones with what the hint says."""

import itertools
import math

import numpy as np
import torch


def queue(sizes, fps, mbps, bits=8, mega=1000, wait=True, since=True, own=True):
    free, delays = 0.0, []
    for i, size in enumerate(sizes):
        taken = i * 1000 / fps
        send = bits * size / (mbps * mega)
        begin = max(free, taken) if wait else taken
        free = begin + send
        delays.append((free if own else begin) - (taken if since else 0))
    return delays


def queue_lindley(sizes, fps, mbps):
    step, wait, delays = 1000 / fps, 0.0, []
    for size in sizes:
        delays.append(wait + size / (mbps * 125))
        wait = max(0.0, delays[-1] - step)
    return delays


def queue_accumulate(sizes, fps, mbps):
    send = [8e-3 * size / mbps for size in sizes]
    ends = itertools.accumulate(
        enumerate(send), lambda end, frame: max(end, frame[0] * 1000 / fps) + frame[1], initial=0.0
    )
    return np.array(list(ends)[1:]) - np.arange(len(sizes)) * 1000 / fps


def queue_never_idle(sizes, fps, mbps):
    ends = np.cumsum([8 * size / (mbps * 1000) for size in sizes])
    return list(ends - np.arange(len(sizes)) * 1000 / fps)


def servers(cars, budget, other, speed, factor=2.0, ordered=True, rest=True):
    reach = (budget - (other if rest else 0)) / 1000 * speed / factor
    number, end = 0, -math.inf
    for car in sorted(cars) if ordered else cars:
        if car > end:
            number, end = number + 1, car + 2 * reach
    return number


def servers_from_the_right(cars, budget, other, speed):
    reach, left, number = (budget - other) * speed / 2000, set(cars), 0
    while left:
        last = max(left)
        left = {car for car in left if car < last - 2 * reach}
        number += 1
    return number


def servers_numpy(cars, budget, other, speed):
    cars = np.sort(np.array(cars))
    number, first = 0, 0
    while first < len(cars):
        first = np.searchsorted(cars, cars[first] + (budget - other) / 1000 * speed, side="right")
        number += 1
    return number


def servers_sorts_in_place(cars, budget, other, speed):
    cars.sort()
    return servers(cars, budget, other, speed)


def ages(latencies, fps, strict=False, last_arrived=False, since=False, none=None):
    step, result = 1000 / fps, []
    for k in range(len(latencies)):
        there = []
        for j in range(k + 1):
            if latencies[j] is None:
                continue
            arrival = j * step + latencies[j]
            if arrival < k * step or (not strict and arrival == k * step):
                there.append((arrival, j))
        if not there:
            result.append(none)
            continue
        arrival, j = max(there) if last_arrived else max(there, key=lambda pair: pair[1])
        result.append(k * step - (arrival if since else j * step))
    return result


def ages_backwards(latencies, fps):
    def age(k):
        for back in range(k + 1):
            latency = latencies[k - back]
            if latency is not None and latency * fps <= back * 1000:
                return back * 1000 / fps
        return None

    return tuple(age(k) for k in range(len(latencies)))


def ages_of_all_answered(latencies, fps):
    def age(k):
        answered = (back for back in range(k + 1) if latencies[k - back] * fps <= back * 1000)
        return next((back * 1000 / fps for back in answered), None)

    return [age(k) for k in range(len(latencies))]


def ages_newest_kept(latencies, fps):
    step, arrivals = 1000 / fps, {}
    for j, latency in enumerate(latencies):
        if latency is not None:
            arrivals[j] = j * step + latency
    result = []
    for k in range(len(latencies)):
        known = [j for j, at in arrivals.items() if at <= k * step and j <= k]
        result.append(torch.tensor((k - known[-1]) * step) if known else None)
    return result


def first_day(device, per_day, life, bills, start=1, strict=False, renew=True, daily=True):
    edge = cloud = 0.0
    for i, bill in enumerate(bills):
        if (i % life == 0) if renew else (i == 0):
            edge += device
        edge += per_day if daily else 0
        cloud += bill
        if edge < cloud or (not strict and edge == cloud):
            return i + start
    return None


def first_day_numpy(device, per_day, life, bills):
    days = np.arange(len(bills))
    edge = device * (days // life + 1) + per_day * (days + 1)
    paid = np.flatnonzero(edge <= np.cumsum(bills))
    return int(paid[0]) + 1 if len(paid) else None


def first_day_next(device, per_day, life, bills):
    clouds = itertools.accumulate(bills)
    enough = (
        day
        for day, cloud in enumerate(clouds, 1)
        if device * math.ceil(day / life) + per_day * day <= cloud
    )
    return next(enough, None)


RIGHT = [
    ("ch06.queue", "loop", queue),
    ("ch06.queue", "waiting time carried on", queue_lindley),
    ("ch06.queue", "accumulate, array", queue_accumulate),
    ("ch06.servers", "from the left", servers),
    ("ch06.servers", "from the right", servers_from_the_right),
    ("ch06.servers", "searchsorted", servers_numpy),
    ("ch06.ages", "loops", ages),
    ("ch06.ages", "looks back, tuple", ages_backwards),
    ("ch06.ages", "arrivals kept, tensors", ages_newest_kept),
    ("ch06.break_even_day", "loop", first_day),
    ("ch06.break_even_day", "numpy", first_day_numpy),
    ("ch06.break_even_day", "generator", first_day_next),
]
WRONG = [
    (
        "ch06.queue",
        "nobody waits",
        lambda b, f, m: queue(b, f, m, wait=False),
        "a frame waits until the one before it is sent",
    ),
    ("ch06.queue", "bytes", lambda b, f, m: queue(b, f, m, bits=1), "a byte has 8 bits"),
    (
        "ch06.queue",
        "seconds",
        lambda b, f, m: [delay / 1000 for delay in queue(b, f, m)],
        "those are seconds, and a second has 1000 ms",
    ),
    (
        "ch06.queue",
        "from the start",
        lambda b, f, m: queue(b, f, m, since=False),
        "count from the capture of each frame, not from the first",
    ),
    (
        "ch06.queue",
        "waiting alone",
        lambda b, f, m: queue(b, f, m, own=False),
        "its own bits take time too, not the waiting alone",
    ),
    ("ch06.queue", "never idle", queue_never_idle, "a frame cannot leave before it is taken"),
    ("ch06.queue", "mean", lambda b, f, m: sum(queue(b, f, m)) / len(b), "one entry for each"),
    (
        "ch06.servers",
        "there and back forgotten",
        lambda c, b, o, s: servers(c, b, o, s, factor=1),
        "a message goes there and back",
    ),
    (
        "ch06.servers",
        "at the first car",
        lambda c, b, o, s: servers(c, b, o, s, factor=4),
        "a server stands in the middle and reaches both ways",
    ),
    (
        "ch06.servers",
        "whole budget",
        lambda c, b, o, s: servers(c, b, o, s, rest=False),
        "what the network and the server need is gone from the budget",
    ),
    (
        "ch06.servers",
        "not sorted",
        lambda c, b, o, s: servers(c, b, o, s, ordered=False),
        "sort the cars first: they come in any order",
    ),
    ("ch06.servers", "one each", lambda c, b, o, s: len(c), "one server can serve several cars"),
    (
        "ch06.servers",
        "float",
        lambda c, b, o, s: float(servers(c, b, o, s)),
        "a number of servers is a whole number",
    ),
    ("ch06.servers", "sorts in place", servers_sorts_in_place, "changes its argument"),
    (
        "ch06.ages",
        "strictly before",
        lambda items, f: ages(items, f, strict=True),
        "an answer at the very moment of the capture is there",
    ),
    (
        "ch06.ages",
        "answer that came last",
        lambda items, f: ages(items, f, last_arrived=True),
        "the newest frame counts, not the one whose answer came last",
    ),
    (
        "ch06.ages",
        "since the answer",
        lambda items, f: ages(items, f, since=True),
        "an age counts from the capture of the frame, not from its answer",
    ),
    (
        "ch06.ages",
        "0 before the first answer",
        lambda items, f: ages(items, f, none=0.0),
        "before the first answer there is none: None",
    ),
    (
        "ch06.ages",
        "lost is 0",
        lambda items, f: ages([each or 0.0 for each in items], f),
        "a lost frame has no answer, not one after 0 ms",
    ),
    (
        "ch06.ages",
        "0 ms is lost",
        lambda items, f: ages([each or None for each in items], f),
        "0 ms is no missing answer",
    ),
    ("ch06.ages", "lost frames not handled", ages_of_all_answered, "raised TypeError"),
    (
        "ch06.break_even_day",
        "days from 0",
        lambda d, e, n, b: first_day(d, e, n, b, start=0),
        "days count from 1",
    ),
    (
        "ch06.break_even_day",
        "never renewed",
        lambda d, e, n, b: first_day(d, e, n, b, renew=False),
        "a device that has lived its days is bought again",
    ),
    (
        "ch06.break_even_day",
        "edge costs nothing a day",
        lambda d, e, n, b: first_day(d, e, n, b, daily=False),
        "the edge costs something each day too",
    ),
    (
        "ch06.break_even_day",
        "must be less",
        lambda d, e, n, b: first_day(d, e, n, b, strict=True),
        "when both have cost the same, it has paid",
    ),
    (
        "ch06.break_even_day",
        "device forgotten",
        lambda d, e, n, b: first_day(0, e, n, b),
        "the device itself must be paid",
    ),
    (
        "ch06.break_even_day",
        "inf for never",
        lambda d, e, n, b: first_day(d, e, n, b) or math.inf,
        "None, that day does not come",
    ),
]
