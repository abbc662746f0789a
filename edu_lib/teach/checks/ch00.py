"""Checks of chapter 00: the frame budget."""

from edu_lib.teach.checks.checker import exercise
from edu_lib.teach.checks.compare import is_close


@exercise("ch00.frame_budget", points=1)
def frame_budget(frame_budget_ms):
    """frame_budget_ms(frames_per_second) -> milliseconds one frame may take."""
    # budget in ms = 1000 / frames per second
    budget = frame_budget_ms(1)
    yield is_close(budget, 1000), f"one frame per second leaves 1000 ms, yours gives {budget}."
    budget = frame_budget_ms(30)
    yield (
        is_close(budget, 1000 / 30),
        f"thirty frames per second leave 33.33 ms each, yours gives {budget};"
        " divide a second, in milliseconds, by the number of frames, and do not round.",
    )
    budget = frame_budget_ms(60)
    yield is_close(budget, 1000 / 60), f"twice the frames leave half the time, not {budget} ms."
    budget = frame_budget_ms(0.5)
    yield is_close(budget, 2000), f"one frame in two seconds leaves 2000 ms, yours gives {budget}."


@exercise("ch00.fits", points=2)
def fits(share_that_fits):
    """fits(times_ms, fps) -> percent of the frames that take at most the budget."""
    share = share_that_fits([10.0, 20.0, 30.0, 50.0], 30)
    yield (
        is_close(share, 75),
        f"three of the four frames 10, 20, 30, 50 ms fit into 33.3 ms: 75 percent, not {share};"
        " the share runs from 0 to 100.",
    )
    share = share_that_fits([40.0, 41.0], 25)
    yield (
        is_close(share, 50),
        f"at 25 fps a frame of exactly 40 ms still fits: 50 percent of 40, 41 ms, not {share}.",
    )
    share = share_that_fits([10.0, 20.0, 30.0], 60)
    yield (
        is_close(share, 100 / 3),
        f"at 60 fps the budget is 16.7 ms: a third of 10, 20, 30 ms fits, not {share} percent;"
        " the budget depends on fps.",
    )
    share = share_that_fits([5.0], 30)
    yield is_close(share, 100), f"a single frame of 5 ms fits: 100 percent, not {share}."
    share = share_that_fits([500.0, 600.0], 30)
    yield is_close(share, 0), f"no frame of 500 or 600 ms fits: 0 percent, not {share}."
