"""Checks of chapter 14: everything together."""

import math

from classroom.checks.checker import exercise
from classroom.checks.compare import WrongForm, as_number, is_whole, number_case
from classroom.checks.guard import describe


@exercise("ch14.share", points=2, cases=5)
def share(share_of_the_product):
    """share_of_the_product(alone, together) -> the joint gain over the product of the gains."""
    cases = [
        ([2.0, 3.0], 6.0, "2 times 3 is 6, and 6 was measured: all of the product"),
        ([4.0, 1.5], 4.5, "the product of the gains is 6, and 4.5 was measured"),
        ([2.0, 1.25, 1.6], 3.0, "multiply all gains, there may be more than two"),
        ([1.0, 5.0], 5.5, "together they may gain more than the product"),
    ]
    for alone, together, why in cases:
        product = math.prod(alone)
        mistakes = {
            "gains multiply, they do not add up": together / sum(alone),
            "the joint gain over the product, not the other way": product / together,
            "divide by the product, do not subtract": product - together,
            "divide by the product of all, not by the largest gain": together / max(alone),
            "multiply all gains, not the first two alone": together / (alone[0] * alone[1]),
            "a share of 1 is all of it: no percent": 100 * together / product,
            "a share above 1 is right: do not cut it": min(1.0, together / product),
        }
        answer = share_of_the_product(list(alone), together)
        asked = f"gains {alone} alone and {together:g} together"
        yield number_case(answer, together / product, asked, why, mistakes)


FRONTS = [
    ([(10.0, 80.0), (5.0, 85.0)], "the second is faster and better than the first"),
    (
        [(1.0, 60.0), (2.0, 70.0), (4.0, 65.0), (8.0, 90.0)],
        "(4, 65) is slower and worse than (2, 70)",
    ),
    (
        [(3.0, 70.0), (1.0, 50.0), (2.0, 60.0)],
        "a faster one with less quality stays: nobody beats it",
    ),
    (
        [(2.0, 70.0), (2.0, 75.0), (3.0, 75.0)],
        "as fast and worse, or as good and slower, is beaten too",
    ),
    ([(2.0, 70.0), (2.0, 70.0)], "two that are the same do not beat each other"),
]


def _front(networks: list[tuple[float, float]], beats) -> list[int]:
    return [
        at
        for at, one in enumerate(networks)
        if not any(beats(other, one) for other in networks if other is not one)
    ]


def _beats(a, b) -> bool:
    return a[0] <= b[0] and a[1] >= b[1] and a != b


MISTAKES = {
    "look at the quality too, not at the milliseconds alone": lambda a, b: a[0] < b[0],
    "look at the milliseconds too, not at the quality alone": lambda a, b: a[1] > b[1],
    "more quality is better, fewer milliseconds are better": lambda a, b: (
        a[0] <= b[0] and a[1] <= b[1] and a != b
    ),
    "one that is as fast and worse is beaten too": lambda a, b: a[0] < b[0] and a[1] > b[1],
    "one is beaten only by one that is at least as good in both": lambda a, b: (
        a[0] < b[0] or a[1] > b[1]
    ),
    "two that are the same do not beat each other": lambda a, b: a[0] <= b[0] and a[1] >= b[1],
}


@exercise("ch14.front", points=3, cases=6)
def front(pareto_front):
    """pareto_front(networks) -> places of those (ms, quality) that no other beats, in order."""
    for networks, why in FRONTS:
        answer = pareto_front(list(networks))
        try:
            given = [int(each) if is_whole(each) else each for each in answer]
        except TypeError:
            raise WrongForm(
                f"return a list of places such as [0, 2], not {describe(answer)}."
            ) from None
        expected = _front(networks, _beats)
        if given == expected:
            yield True, ""
            continue
        if sorted(map(str, given)) == sorted(map(str, expected)):
            why = "give the places from the first to the last"
        elif given == [networks[at] for at in expected]:
            why = "give their places in the list, not the pairs"
        else:
            known = (name for name, rule in MISTAKES.items() if given == _front(networks, rule))
            why = next(known, why)
        yield False, f"the front of {networks} is {expected}, yours is {given}; {why}."


@exercise("ch14.metres", points=2, cases=4)
def metres(metres_before_answer):
    """metres_before_answer(latency_ms, camera_fps, speed_kmh) -> metres, in the worst case."""
    cases = [
        ((20.0, 30, 50.0), "it waits up to a period of the camera for the next frame"),
        ((3.0, 30, 120.0), "the period of the camera counts more than the network"),
        ((10.0, 60, 36.0), "36 km/h are 10 metres a second"),
        ((0.0, 25, 90.0), "even a network that takes no time waits for the frame"),
    ]
    for (latency, fps, speed), why in cases:
        seconds, wait = latency / 1000, 1 / fps
        speed_ms = speed / 3.6
        right = speed_ms * (wait + seconds)
        mistakes = {
            "the thing appears just after a frame: add a period of the camera": speed_ms * seconds,
            "the worst case waits a whole period, not half of one": speed_ms * (wait / 2 + seconds),
            "km/h to metres a second: divide by 3.6": speed * (wait + seconds),
            "divide by 3.6, do not multiply": speed * 3.6 * (wait + seconds),
            "milliseconds to seconds: divide by 1000": speed_ms * (1000 * wait + latency),
            "the latency is in milliseconds: divide it by 1000": speed_ms * (wait + latency),
            "the network's time counts too, behind the wait": speed_ms * wait,
        }
        answer = metres_before_answer(latency, fps, speed)
        asked = f"metres at {latency:g} ms, {fps} frames a second, {speed:g} km/h"
        yield number_case(answer, right, asked, why, mistakes)


@exercise("ch14.collision", points=2, cases=6)
def collision(seconds_to_collision):
    """seconds_to_collision(earlier_m, now_m, seconds) -> seconds left, infinite if none."""
    cases = [
        ((30.0, 25.0, 1.0), "5 metres a second closer, 25 metres left"),
        ((21.0, 20.0, 0.1), "a metre in a tenth of a second are 10 metres a second"),
        ((12.0, 9.0, 0.5), "closing speed = (earlier - now) / seconds"),
        ((8.0, 7.5, 0.25), "time left = metres left now / closing speed"),
    ]
    for (earlier, now, seconds), why in cases:
        closing = (earlier - now) / seconds
        mistakes = {
            "metres left now, not those of earlier": earlier / closing,
            "divide the metres by the closing speed, not the other way": closing / now,
            "a speed is metres over seconds": now / ((earlier - now) * seconds),
            "a speed needs the seconds between the two": now / (earlier - now),
            "a thing that comes nearer gives a positive time": -now / closing,
        }
        answer = seconds_to_collision(earlier, now, seconds)
        asked = f"from {earlier:g} to {now:g} m in {seconds:g} s"
        yield number_case(answer, now / closing, asked, why, mistakes)
    for earlier, now in ((20.0, 20.0), (20.0, 26.0)):
        answer = seconds_to_collision(earlier, now, 0.5)
        hint = (
            f"from {earlier:g} to {now:g} m nothing comes nearer: return math.inf, "
            f"yours gives {describe(answer)}."
        )
        passed = as_number(answer) == math.inf
        yield passed, "" if passed else hint
