"""Right and wrong answers to the exercises of chapter 06, with what the hint must say."""

import math

from edu_lib.teach.checks import ch06

assert ch06  # importing it registers the exercises

RIGHT = {
    "ch06.uplink": lambda num_bytes, fps: 8 * num_bytes * fps / 1e6,
    "ch06.missed": lambda ms, fps: 100 * sum(t is None or t > 1000 / fps for t in ms) / len(ms),
    "ch06.least_rtt": lambda km, speed: 2000 * km / speed,
    "ch06.break_even": lambda start, e, c: start / (c - e) if c > e else math.inf,
}
WRONG = [
    ("ch06.uplink", lambda num_bytes, fps: num_bytes * fps / 1e6, "a byte has 8 bits"),
    ("ch06.uplink", lambda num_bytes, fps: round(8 * num_bytes * fps / 1e6, 1), "do not round"),
    ("ch06.missed", lambda ms, fps: sum(t is None or t > 33.4 for t in ms) / len(ms), "0 to 100"),
    (
        "ch06.missed",
        lambda ms, fps: 100 * sum((t or 0) > 1000 / fps for t in ms) / len(ms),
        "is missed too",
    ),
    ("ch06.least_rtt", lambda km, speed: 1000 * km / speed, "the way twice"),
    ("ch06.least_rtt", lambda km, speed: 2000 * km / 2e5, "the speed given"),
    ("ch06.break_even", lambda start, e, c: start / c, "saves 2 USD"),
    (
        "ch06.break_even",
        lambda start, e, c: start / (c - e) if c != e else math.inf,
        "never comes",
    ),
]
