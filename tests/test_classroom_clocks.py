"""The two clocks against what can be counted by hand."""

import pytest

from classroom.clocks import schedule, two_clocks


def test_a_network_just_too_slow_answers_every_second_frame():
    # 34 ms at 30 frames a second: the next frame comes 0.67 ms before the network is free
    assert two_clocks(34, 100).answered_per_second == 15
    buffered = two_clocks(34, 100, buffer=True).answered_per_second
    assert round(buffered, 1) == round(1000 / 34, 1) == 29.4


@pytest.mark.parametrize("buffer", [False, True])
def test_a_network_in_time_answers_every_frame(buffer):
    for latency_ms in (1, 20, 33):
        clocks = two_clocks(latency_ms, 90, buffer)
        assert clocks.answered_per_second == 30
        assert clocks.age_ms == clocks.oldest_ms == pytest.approx(latency_ms)
        # 90 km/h is 25 metres a second
        assert clocks.metres == pytest.approx(25 * latency_ms / 1000)


def test_exactly_one_period_is_in_time():
    assert two_clocks(40, 0, camera_fps=25).answered_per_second == 25
    assert two_clocks(40, 0, camera_fps=25).metres == 0


def test_a_buffer_makes_answers_more_frequent_and_older():
    without, buffered = two_clocks(150, 100), two_clocks(150, 100, buffer=True)
    assert without.answered_per_second == 6  # every fifth frame: 166.7 ms
    assert buffered.answered_per_second == pytest.approx(1000 / 150, abs=0.02)
    assert without.oldest_ms == pytest.approx(150)
    # the waiting frame is up to one period old when the network turns to it
    assert 150 < buffered.oldest_ms < 150 + 1000 / 30
    assert buffered.metres > without.metres == pytest.approx(100 / 3.6 * 0.15)


@pytest.mark.parametrize(
    "arguments",
    [{"latency_ms": 0}, {"speed_kmh": -1}, {"camera_fps": 0}, {"frames": 1}],
)
def test_what_makes_no_sense_is_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        two_clocks(**({"latency_ms": 20, "speed_kmh": 50} | arguments))


def test_the_schedule_says_which_frames_are_answered_and_when_their_work_starts():
    # 50 ms: without a buffer every second frame; with one, frame 1 waits until the network is free
    assert [frame for frame, _ in schedule(50)] == list(range(0, 30, 2))
    assert schedule(50, buffer=True, camera_fps=20, frames=4) == [
        (0, 0),
        (1, 50),
        (2, 100),
        (3, 150),
    ]
    started = schedule(50, buffer=True)[:3]
    assert [frame for frame, _ in started] == [0, 1, 3]
    assert [start for _, start in started] == pytest.approx([0, 50, 100])
    with pytest.raises(ValueError, match="latency_ms"):
        schedule(0)
