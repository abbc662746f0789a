"""Delay, loss, outages: as published, the same for a seed, and equal in real and virtual time."""

import math

import numpy as np
import pytest

from classroom import cloud
from edu_lib.measure import load_published

PROFILES = cloud.profiles()
SURE = cloud.Profile("sure", rtt_ms=20, jitter_ms=0, loss_percent=0, uplink_mbps=8)


def published(key):
    return load_published("network_profiles")[key]


@pytest.mark.parametrize("key", PROFILES)
def test_each_profile_names_its_source_and_what_was_assumed(key):
    entry = published(key)
    assert entry["source"]
    assert entry["kind"] in ("measured", "teaching")
    if entry["kind"] == "measured":
        assert entry["published"]
    else:
        assert "teaching profile" in entry["source"]


def spread(draws, q):
    return float(np.percentile(draws, q))


@pytest.mark.parametrize("key", ["4g", "4g_weak"])
def test_a_profile_made_from_mean_and_deviation_has_them(key):
    draws = PROFILES[key].draw_rtt(np.random.default_rng(0), 400_000)
    assert draws.mean() == pytest.approx(published(key)["published"]["latency_ms_avg"], rel=0.01)
    assert draws.std() == pytest.approx(published(key)["published"]["latency_ms_stdev"], rel=0.02)
    upload = published(key)["published"]["upload_kbps"] / 1e3
    assert PROFILES[key].uplink_mbps == pytest.approx(upload, rel=0.01)


@pytest.mark.parametrize("key", ["5g", "5g_standalone"])
def test_a_profile_made_from_several_runs_pools_them(key):
    runs = published(key)["published"]
    means, deviations = np.array(runs["ping_avg_ms"]), np.array(runs["ping_mdev_ms"])
    draws = PROFILES[key].draw_rtt(np.random.default_rng(0), 400_000)
    assert draws.mean() == pytest.approx(means.mean(), rel=0.01)
    pooled = math.sqrt((deviations**2).mean() + means.var())
    assert draws.std() == pytest.approx(pooled, rel=0.02)
    assert PROFILES[key].uplink_mbps == np.median(runs["uplink_mbps"])
    lost = 100 * runs["packets_lost"] / runs["packets_sent"]
    assert PROFILES[key].loss_percent == pytest.approx(lost, abs=0.01)


@pytest.mark.parametrize(
    ("key", "slow"), [("wifi", "latency_p90_ms"), ("satellite", "latency_slowest_tenth_ms")]
)
def test_a_profile_made_from_percentiles_has_them(key, slow):
    draws = PROFILES[key].draw_rtt(np.random.default_rng(0), 400_000)
    assert spread(draws, 50) == pytest.approx(
        published(key)["published"]["latency_median_ms"], 0.02
    )
    assert spread(draws, 90) == pytest.approx(published(key)["published"][slow], rel=0.02)


def test_light_needs_a_millisecond_for_about_a_hundred_kilometres_there_and_back():
    assert cloud.fibre_rtt_ms(100) == pytest.approx(0.98, abs=0.005)
    assert cloud.fibre_rtt_ms(0) == 0
    # the two published forms of the same speed
    fact = load_published("network_facts")["light_in_fibre"]
    assert cloud.fibre_rtt_ms(1) == pytest.approx(2e-3 * fact["microseconds_per_km"], rel=1e-3)
    assert SURE.farther(1000).rtt_ms == pytest.approx(20 + cloud.fibre_rtt_ms(1000))
    with pytest.raises(ValueError, match="0 km or more"):
        cloud.fibre_rtt_ms(-1)


def test_the_uplink_takes_its_time_and_a_long_message_is_lost_more_often():
    assert SURE.transmit_ms(1000) == pytest.approx(1.0)  # 8000 bits at 8 Mbit/s
    lossy = cloud.Profile("lossy", 10, 0, 1.0, 10)
    assert lossy.loss_of(100) == pytest.approx(0.01)
    assert lossy.loss_of(10 * 1448) == pytest.approx(1 - 0.99**10)


def test_one_seed_one_fate():
    plans = [cloud.plan_journeys(PROFILES["5g"], 500, 8000, seed=seed) for seed in (3, 3, 4)]
    assert np.array_equal(plans[0].up_ms, plans[1].up_ms)
    assert np.array_equal(plans[0].arrives, plans[1].arrives)
    assert not np.array_equal(plans[0].up_ms, plans[2].up_ms)


def test_latency_is_transmission_plus_round_trip_plus_work():
    result = cloud.simulate(10, server_ms=5.0, profile=SURE, frame_bytes=2000)
    assert result.latency_ms == pytest.approx([2 + 20 + 5] * 10)
    assert result.share_missed == 0
    assert cloud.simulate(10, 5.0, SURE.farther(1000), 2000).share_missed == 100


def test_loss_costs_a_timeout_and_two_losses_the_answer():
    lossy = cloud.Profile("lossy", 20, 0, 20.0, 8)
    result = cloud.simulate(20_000, 5.0, lossy, frame_bytes=1000)
    # one packet: sent twice at most, so 0.2 * 0.2 never arrive and 0.2 * 0.8 wait once
    assert result.unanswered / 20_000 == pytest.approx(0.04, abs=0.005)
    once = np.isclose(result.latency_ms, 1 + 20 + 5 + 500)
    assert once.mean() == pytest.approx(0.16, abs=0.01)
    assert cloud.simulate(100, 5.0, cloud.Profile("dead", 20, 0, 100, 8)).unanswered == 100


def test_an_outage_answers_nobody_but_those_who_try_again_after_it():
    tunnel = cloud.Outage(start_s=2, seconds=3)
    result = cloud.simulate(300, 5.0, SURE, 1000, fps=30, outages=[tunnel])
    inside = result.between(2, 4.5)
    assert inside.unanswered == len(inside) == 75
    # within one timeout of the end, the second attempt finds the way open
    at_the_end = result.between(4.5, 5)
    assert at_the_end.unanswered == 0
    assert at_the_end.latency_ms.min() > 500
    assert result.between(0, 2).share_missed == result.between(5, 10).share_missed == 0
    assert result.longest_blind_s == pytest.approx(2.5)


def test_the_edge_does_not_notice_the_tunnel():
    assert cloud.simulate(300, 5.0).unanswered == 0
    assert cloud.tunnel(10).seconds == 20


def test_a_busy_uplink_and_a_busy_device_drop_frames():
    # 8,000 bytes at 1.6 Mbit/s take 40 ms: longer than the 33 ms between frames
    narrow = cloud.Profile("narrow", 0, 0, 0, 1.6)
    assert cloud.simulate(300, 0.0, narrow, 8000).dropped.sum() == 150
    assert cloud.simulate(300, 50.0).dropped.sum() == 150
    assert cloud.simulate(300, 33.0).dropped.sum() == 0
    assert cloud.simulate(300, 50.0).share_missed == 100


def test_more_distance_or_a_slower_server_never_helps():
    shares = [cloud.simulate(2000, 5.0, PROFILES["wifi"].farther(km)).share_missed
              for km in (0, 500, 1000, 2000)]  # fmt: skip
    assert shares == sorted(shares)
    shares = [cloud.simulate(2000, ms, PROFILES["5g"]).share_missed for ms in (0, 5, 10, 30)]
    assert shares == sorted(shares)


def test_the_result_says_the_numbers_it_stands_for():
    result = cloud.simulate(300, 5.0, SURE, 1000, outages=[cloud.Outage(1, 2)])
    shown = repr(result)
    assert "sure: 300 frames at 30 a second" in shown
    assert f"missed the 33 ms budget: {result.share_missed:.1f} %" in shown
    assert "0 never sent" in shown
    assert "1,000 bytes a frame: 0.24 Mbit/s" in shown
    silent = cloud.simulate(3, 5.0, cloud.Profile("dead", 20, 0, 100, 8))
    assert math.isnan(silent.p50_ms)
    assert silent.share_missed == 100


def test_real_time_and_virtual_clock_agree():
    lossy = cloud.Profile("lossy", 30, 10, 10.0, 50)
    frames = [bytes([n]) * 3000 for n in range(24)]
    options = {"profile": lossy, "fps": 60, "seed": 1, "outages": [cloud.Outage(0.1, 0.1)]}
    asked = []

    def predict(frame):
        asked.append(frame)
        return frame[0]

    live = cloud.stream(predict, frames, **options)
    replayed = cloud.simulate(
        len(frames), np.nan_to_num(live.server_ms), frame_bytes=3000, **options
    )
    assert np.array_equal(live.answered, replayed.answered)
    assert 0 < live.unanswered < len(frames)
    assert len(asked) == live.answered.sum()
    assert [a for a in live.answers if a is not None] == list(np.flatnonzero(live.answered))
    # sleeping ends on time or late, never early; 0.1 ms for the clock's grain
    both = live.answered
    assert (live.latency_ms[both] >= replayed.latency_ms[both] - 0.1).all()


def test_streaming_beside_the_camera_takes_one_frame_at_a_time():
    result = cloud.stream(lambda frame: frame, [b"a", b"b", b"c"], fps=200)
    assert len(result) == 3
    assert result.answers[0] == b"a"
    assert result.unanswered == result.dropped.sum()


def test_an_error_of_predict_is_not_swallowed():
    def predict(frame):
        raise cloud.RefusedFrame(422, "no picture")

    with pytest.raises(cloud.RefusedFrame, match="no picture"):
        cloud.stream(predict, [b"x"], cloud.Profile("n", 1, 0, 0, 10))
    with pytest.raises(ValueError, match="at least one frame"):
        cloud.stream(predict, [])


def test_impossible_networks_are_refused():
    with pytest.raises(ValueError, match="uplink above 0"):
        cloud.Profile("x", 1, 1, 0, 0)
    with pytest.raises(ValueError, match="loss is 0 to 100"):
        cloud.Profile("x", 1, 1, 101, 1)
    with pytest.raises(ValueError, match="above 0"):
        cloud.plan_journeys(SURE, 0, 10)
    with pytest.raises(ValueError, match="at least one byte"):
        cloud.plan_journeys(SURE, 3, [5, 0, 5])
