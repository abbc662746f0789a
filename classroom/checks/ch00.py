"""Checks of chapter 00: the frame budget."""

from classroom.checks.checker import exercise
from classroom.checks.compare import number_case, parts


@exercise("ch00.frame_budget", points=1, cases=4)
def frame_budget(frame_budget_ms):
    """frame_budget_ms(frames_per_second) -> milliseconds one frame may take."""
    cases = [
        (1, "one frame per second leaves a whole second"),
        (30, "divide a second, in milliseconds, by the number of frames"),
        (60, "twice the frames leave half the time"),
        (0.5, "one frame in two seconds leaves two seconds"),
    ]
    for fps, why in cases:
        # budget in ms = 1000 / frames per second
        mistakes = {
            "that is in seconds, and a second has 1000 ms": 1 / fps,
            "divide the second by the frames, not the frames by the second": fps / 1000,
            "use frames_per_second, not 30 in every case": 1000 / 30,
        }
        budget = frame_budget_ms(fps)
        yield number_case(budget, 1000 / fps, f"ms a frame at {fps} fps", why, mistakes)


@exercise("ch00.fits", points=2, cases=8)
def fits(share_that_fits):
    """fits(times_ms, fps) -> percent of the frames that take at most the budget."""
    cases = [
        ([10.0, 20.0, 30.0, 50.0], 30, "three of four fit into 33.3 ms, which are 75 percent"),
        ([40.0, 41.0], 25, "at 25 fps a frame of exactly 40 ms still fits"),
        ([10.0, 20.0, 30.0], 60, "the budget depends on fps: 16.7 ms at 60"),
        ([33.32, 33.5, 10.0, 20.0], 30, "the budget is 33.33 ms; do not round it"),
        ([30.0, 5.0], 30, "both fit"),
        ([5.0], 30, "a single frame that fits"),
        ([500.0, 600.0], 30, "no frame fits"),
    ]
    for times, fps, why in cases:
        fitting = sum(time <= 1000 / fps for time in times)
        share = 100 * fitting / len(times)
        mistakes = {
            "the share runs from 0 to 100": share / 100,
            "return a share in percent, not a count": fitting,
            "count the frames that fit, not those that miss": 100 - share,
        }
        if share in (0, 50, 100):  # here the two mistakes above cannot be told from others
            mistakes = {"the share runs from 0 to 100": share / 100}
        asked = f"percent of {times} ms that fit at {fps} fps"
        yield number_case(share_that_fits(times, fps), share, asked, why, mistakes)


@exercise("ch00.pipeline", points=2, cases=13)
def pipeline(in_a_line):
    """in_a_line(stages_ms, overlapped) -> (frames a second, ms from the camera to the screen)."""
    cases = [
        ([10.0, 30.0, 10.0], False, "the next frame begins when this one is through: 50 ms"),
        ([10.0, 30.0, 10.0], True, "a frame leaves whenever the slowest stage is done"),
        ([40.0, 5.0], True, "the slowest stage may be the first"),
        ([20.0, 20.0, 20.0, 20.0], True, "four stages, each at a frame of its own"),
        ([25.0], True, "a single stage has nothing to overlap with"),
        ([8.0, 4.0], False, "one after the other: 12 ms a frame"),
    ]
    for stages_ms, overlapped, why in cases:
        total, slowest = sum(stages_ms), max(stages_ms)
        fps = 1000 / (slowest if overlapped else total)
        given = parts(in_a_line(list(stages_ms), overlapped), "frames a second", "milliseconds")
        shown = f"{stages_ms} ms, {'overlapped' if overlapped else 'one after the other'}"
        mistakes = {
            "a frame leaves whenever the slowest stage is done, not the fastest": 1000
            / min(stages_ms),
            "overlapped stages do not wait for each other: the slowest sets the pace": 1000 / total,
            "without overlap a frame takes all stages together": 1000 / slowest,
            "return frames a second, not a frame's milliseconds": 1000 / fps,
            "a second has 1000 ms": fps / 1000,
            "the slowest stage sets the pace, not the mean": 1000 * len(stages_ms) / total,
        }
        yield number_case(given[0], fps, f"frames a second of {shown}", why, mistakes)
        mistakes = {
            "overlap shortens no frame's own way: it still passes every stage": slowest,
            "no frame waits in this line: add the stages": slowest * len(stages_ms),
        }
        why = "a frame passes every stage, overlapped or not"
        yield number_case(given[1], total, f"ms from camera to screen of {shown}", why, mistakes)
