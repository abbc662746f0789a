"""Checks of chapter 06: cloud versus edge."""

import math

import torch

from classroom.checks.checker import exercise
from classroom.checks.compare import WrongForm, as_number, is_whole, number_case, tensor_case


@exercise("ch06.queue", points=3, cases=7)
def queue(delays_of):
    """delays_of(frame_bytes, fps, mbps) -> ms from the capture of each frame to its last bit."""
    cases = [
        ([10_000] * 4, 10, 8.0, "each frame is gone before the next: 10 ms each"),
        ([50_000] * 4, 30, 8.0, "a frame takes 50 ms and the next comes after 33: all wait"),
        ([90_000, 1000, 1000, 1000], 30, 8.0, "behind a large frame the small ones wait"),
        ([1000, 1000, 90_000, 1000, 1000, 1000], 10, 4.0, "the queue empties again"),
        ([12_500], 50, 1.0, "a single frame: its bits over the speed"),
        ([25_000, 0, 25_000], 20, 8.0, "a frame without bytes waits too"),
    ]
    for frame_bytes, fps, mbps, why in cases:
        send = [8 * size / (mbps * 1000) for size in frame_bytes]
        expected = _delays(send, 1000 / fps)
        mistakes = {
            "a frame waits until the one before it is sent": send,
            "count from the capture of each frame, not from the first": [
                delay + i * 1000 / fps for i, delay in enumerate(expected)
            ],
            "a byte has 8 bits": _delays([ms / 8 for ms in send], 1000 / fps),
            "those are seconds, and a second has 1000 ms": [ms / 1000 for ms in expected],
            "a frame cannot leave before it is taken": _never_idle(send, 1000 / fps),
            "its own bits take time too, not the waiting alone": [
                delay - own for delay, own in zip(expected, send, strict=True)
            ],
        }
        asked = f"delays of {frame_bytes} bytes at {fps} fps over {mbps:g} Mbit/s"
        answer = delays_of(list(frame_bytes), fps, mbps)
        yield _list_case(answer, expected, asked, why, mistakes)


def _delays(send_ms, frame_ms):
    """Each frame begins when it is taken and the line is free; its delay counts from the take."""
    free, delays = 0.0, []
    for number, own in enumerate(send_ms):
        free = max(free, number * frame_ms) + own
        delays.append(free - number * frame_ms)
    return delays


def _never_idle(send_ms, frame_ms):
    """The mistake of a line that sends on without a frame to send."""
    return [sum(send_ms[: i + 1]) - i * frame_ms for i in range(len(send_ms))]


def _list_case(answer, expected, asked, why, mistakes):
    """The case that an answer is this list of numbers, None where there is none."""
    numbers = _numbers(answer, len(expected))
    known = {name: _numbers(wrong, len(expected)) for name, wrong in mistakes.items()}
    return tensor_case(numbers, _numbers(expected, len(expected)), asked, why, known, 1e-3)


def _numbers(answer, length):
    """A list of numbers as a tensor, -1 where it has None; raises WrongForm if it is none."""
    if hasattr(answer, "tolist"):
        answer = answer.tolist()
    if not isinstance(answer, list | tuple) or len(answer) != length:
        raise WrongForm(f"return a list with one entry for each of the {length} frames.")
    values = [-1.0 if each is None else as_number(each) for each in answer]
    return torch.tensor(values, dtype=torch.float64)


@exercise("ch06.servers", points=3, cases=10)
def servers(servers_needed):
    """servers_needed(cars_km, budget_ms, other_ms, km_per_second) -> least number of servers."""
    cases = [
        ([0.0, 700.0, 1400.0, 2800.0], 13.0, 10.0, 4, "3 ms there and back are 300 km each way"),
        ([0.0, 300.0, 900.0], 13.0, 10.0, 2, "one server from 0 to 600 km, one at 900"),
        ([50.0], 33.0, 30.0, 1, "one car needs one server"),
        ([0.0, 700.0, 1400.0], 13.0, 10.0, 3, "each car is more than 600 km from the next"),
        ([900.0, 0.0, 300.0, 600.0], 13.0, 10.0, 2, "the cars come in any order"),
        ([0.0, 200.0, 400.0], 12.0, 10.0, 1, "a server in the middle reaches 200 km both ways"),
        ([0.0, 401.0], 12.0, 10.0, 2, "a server reaches 200 km both ways, together 400"),
        ([10.0, 10.0, 10.0], 12.0, 11.0, 1, "cars in one place share a server"),
    ]
    for cars, budget, other, expected, why in cases:
        reach = (budget - other) / 2000 * 200_000
        mistakes = {
            "sort the cars first: they come in any order": _cover(cars, reach, ordered=False),
            "a message goes there and back: half the time is one way": _cover(cars, 2 * reach),
            "a server stands in the middle and reaches both ways": _cover(cars, reach / 2),
            "what the network and the server need is gone from the budget": _cover(
                cars, budget / 2000 * 200_000
            ),
            "one server can serve several cars": len(cars),
        }
        asked = f"servers for cars at {cars} km, {budget:g} ms less {other:g} ms"
        answer = servers_needed(list(cars), budget, other, 200_000.0)
        yield number_case(answer, expected, asked, why, mistakes)
    yield is_whole(answer), "a number of servers is a whole number (int)."


def _cover(cars, reach, ordered=True):
    """Least number of intervals of twice the reach that cover all cars, from the left."""
    number, end = 0, -math.inf
    for car in sorted(cars) if ordered else cars:
        if car > end + 1e-9:
            number, end = number + 1, car + 2 * reach
    return number


@exercise("ch06.ages", points=3, cases=9)
def ages(ages_of):
    """ages_of(latencies_ms, fps) -> at each capture, the age in ms of the newest answered frame.

    None in latencies_ms is a frame that was never answered; None in the answer: nothing yet.
    """
    cases = [
        ([20.0, 20.0, 20.0], 25, "after 20 ms the frame before is answered: 40 ms old"),
        ([60.0, 60.0, 60.0, 60.0], 25, "at 80 ms the first answer is there"),
        ([10.0, None, 10.0, 10.0], 25, "a lost frame leaves the older one"),
        ([10.0, 100.0, 10.0, 10.0, 10.0], 25, "a late answer to an old frame does not count"),
        ([None, None], 25, "nothing is ever answered"),
        ([40.0, 40.0], 25, "an answer at the very moment of the capture is there"),
        ([0.0, 5.0], 50, "an answer may come at once: 0 ms is no missing answer"),
        ([10.0, 10.0, 10.0], 50, "at 50 fps a frame comes each 20 ms"),
    ]
    for latencies, fps, why in cases:
        answer = ages_of(list(latencies), fps)
        mistakes = {
            "the newest frame counts, not the one whose answer came last": _ages(
                latencies, fps, "arrived"
            ),
            "a lost frame has no answer, not one after 0 ms": _ages(
                [each or 0.0 for each in latencies], fps
            ),
            "an answer at the very moment of the capture is there": _ages(
                latencies, fps, strict=True
            ),
            "an age counts from the capture of the frame, not from its answer": _ages(
                latencies, fps, "since"
            ),
            "before the first answer there is none: None": [
                each or 0.0 for each in _ages(latencies, fps)
            ],
        }
        asked = f"ages for {latencies} ms at {fps} fps"
        yield _list_case(answer, _ages(latencies, fps), asked, why, mistakes)


def _ages(latencies, fps, kind="newest", strict=False):
    """At each capture, the age of the newest answered frame. kind: or of what a mistake takes."""
    step, found = 1000 / fps, []
    for k in range(len(latencies)):
        there = [
            (j * step + ms, j * step)
            for j, ms in enumerate(latencies[: k + 1])
            if ms is not None
            and (j * step + ms < k * step or (not strict and j * step + ms <= k * step))
        ]
        if not there:
            found.append(None)
            continue
        arrival, taken = max(there) if kind == "arrived" else max(there, key=lambda pair: pair[1])
        found.append(k * step - (arrival if kind == "since" else taken))
    return found


@exercise("ch06.break_even_day", points=3, cases=9)
def break_even_day(day_of):
    """day_of(device_usd, edge_per_day, life_days, cloud_bills) -> first day, from 1, or None."""
    cases = [
        ((300.0, 0.0, 1000), [3.0] * 120, "100 days of 3 USD pay for the device"),
        ((300.0, 1.0, 1000), [3.0] * 200, "the edge costs 1 USD a day itself, so it saves 2"),
        ((100.0, 0.0, 30), [3.0] * 90, "after 30 days the device is bought again"),
        ((100.0, 0.0, 30), [4.0] * 90, "4 USD a day pay for it before it breaks"),
        ((50.0, 2.0, 1000), [1.0] * 50, "the cloud is cheaper every day: None"),
        ((20.0, 0.0, 1000), [0.0] * 5 + [30.0], "a quiet time, then one dear day"),
        ((0.0, 1.0, 1000), [1.0] * 3, "equal is no more: it has paid on the first day"),
        ((10.0, 0.0, 3), [3.5] * 9, "a new device is bought on the day after the old one's last"),
    ]
    for (device, per_day, life), bills, why in cases:
        expected = _first_day(device, per_day, life, bills)
        wrong = {
            "a device that has lived its days is bought again": (device, per_day, 10**9, bills),
            "the edge costs something each day too": (device, 0.0, life, bills),
            "the device itself must be paid": (0.0, per_day, life, bills),
        }
        mistakes = {name: _first_day(*values) for name, values in wrong.items()}
        if expected is not None:
            mistakes["days count from 1"] = expected - 1
            mistakes["when both have cost the same, it has paid"] = expected + 1
        answer = day_of(device, per_day, life, list(bills))
        shown = f"{device:g} USD each {life} days and {per_day:g} a day against {bills[0]:g}, ..."
        yield _day_case(answer, expected, f"first day for {shown}", why, mistakes)


def _day_case(answer, expected, asked, why, mistakes):
    """The case that an answer is this day, or None."""
    if expected is None:
        near = [name for name, day in mistakes.items() if day is not None and day == answer]
        return answer is None, f"{asked}: None, that day does not come; {[*near, why][0]}."
    if answer is None:
        return False, f"{asked}: {expected}, yours gives None; {why}."
    known = {name: day for name, day in mistakes.items() if day is not None}
    return number_case(answer, expected, asked, why, known)


def _first_day(device, per_day, life, bills):
    """The first day at whose end the edge has cost no more than the cloud, or None."""
    edge = cloud = 0.0
    for day, bill in enumerate(bills, 1):
        edge += per_day + (device if (day - 1) % life == 0 else 0)
        cloud += bill
        if edge <= cloud + 1e-9:
            return day
    return None
