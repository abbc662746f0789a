"""Checks of chapter 06: cloud versus edge."""

import math

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import as_number, is_close


@exercise("ch06.uplink", points=1)
def uplink(uplink_mbps):
    """uplink_mbps(frame_bytes, fps) -> megabits a second that a camera sends."""
    answer = uplink_mbps(1_000_000, 1)
    yield (
        is_close(answer, 8),
        f"one frame of 1,000,000 bytes a second is 8 megabits a second, yours gives {answer};"
        " a byte has 8 bits, and mega is a million.",
    )
    answer = uplink_mbps(10_000, 30)
    yield is_close(answer, 2.4), f"30 frames of 10,000 bytes: 2.4 megabits a second, not {answer}."
    answer = uplink_mbps(125, 0.5)
    yield (
        is_close(answer, 0.0005),
        f"125 bytes every two seconds: 0.0005 megabits a second, not {answer}; do not round.",
    )


@exercise("ch06.missed", points=2)
def missed(share_missed):
    """share_missed(latencies_ms, fps) -> percent of frames without an answer inside the budget.

    None in the list is a frame that was never answered.
    """
    answer = share_missed([10.0, 20.0, 40.0, 50.0], 30)
    yield (
        is_close(answer, 50),
        f"of 10, 20, 40, 50 ms two are over 33.3 ms: 50 percent, not {answer};"
        " the share runs from 0 to 100.",
    )
    answer = share_missed([10.0, None, None, 50.0], 30)
    yield (
        is_close(answer, 75),
        f"of 10 ms, two never answered and 50 ms three are missed: 75 percent, not {answer};"
        " a frame without an answer is missed too, and counts among all frames.",
    )
    answer = share_missed([None, None], 30)
    yield is_close(answer, 100), f"if nothing is answered, 100 percent are missed, not {answer}."
    answer = share_missed([40.0, 40.0, 41.0], 25)
    yield (
        is_close(answer, 100 / 3),
        f"at 25 frames a second an answer after exactly 40 ms is in time: a third of 40, 40, 41 ms"
        f" is missed, not {answer} percent.",
    )


@exercise("ch06.least_rtt", points=2)
def least_rtt(least_rtt_ms):
    """least_rtt_ms(distance_km, km_per_second) -> the least round trip in ms."""
    answer = least_rtt_ms(100.0, 200_000.0)
    yield (
        is_close(answer, 1),
        f"100 km at 200,000 km a second: 0.5 ms there and 0.5 ms back, 1 ms, not {answer};"
        " a round trip goes the way twice, and a second has 1000 ms.",
    )
    answer = least_rtt_ms(6_000.0, 200_000.0)
    yield is_close(answer, 60), f"6,000 km at 200,000 km a second: 60 ms, not {answer}."
    answer = least_rtt_ms(300.0, 300_000.0)
    yield (
        is_close(answer, 2),
        f"300 km at 300,000 km a second, as in a vacuum: 2 ms, not {answer}; use the speed given.",
    )
    answer = least_rtt_ms(0.0, 200_000.0)
    yield is_close(answer, 0), f"no distance takes no time, yours gives {answer} ms."


@exercise("ch06.break_even", points=2)
def break_even(break_even_days):
    """break_even_days(edge_at_start, edge_per_day, cloud_per_day) -> days, or math.inf."""
    answer = break_even_days(300.0, 0.0, 3.0)
    yield (
        is_close(answer, 100),
        f"300 USD at the start against 3 USD a day: equal after 100 days, not {answer}.",
    )
    answer = break_even_days(300.0, 1.0, 3.0)
    yield (
        is_close(answer, 150),
        f"if the edge costs 1 USD a day itself, it saves 2 USD a day: 150 days, not {answer}.",
    )
    answer = break_even_days(300.0, 3.0, 1.0)
    yield (
        as_number(answer) == math.inf,
        f"if the cloud is cheaper every day, the day never comes: math.inf, not {answer}.",
    )
    answer = break_even_days(300.0, 2.0, 2.0)
    yield (
        as_number(answer) == math.inf,
        f"if both cost the same every day, nothing is ever saved: math.inf, not {answer}.",
    )
    answer = break_even_days(0.0, 1.0, 2.0)
    yield is_close(answer, 0), f"with nothing to pay at the start: 0 days, not {answer}."
