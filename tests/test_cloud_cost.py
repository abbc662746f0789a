"""The calculator against sums done by hand, and the prices against their file."""

import math

import pytest

from classroom import cloud
from edu_lib.measure import load_published

BY_HAND = cloud.Costs(
    devices=100, frames_per_day=36_000, frame_bytes=10_000, gpu_usd_per_hour=1.0, gpu_ms=10,
    gpu_busy_percent=50, always_on=1, data_usd_per_gb=0.5, device_usd=200, device_watts=20,
    device_ms=50, electricity_usd_per_kwh=0.2, porting_usd=10_000, years=2,
)  # fmt: skip


def test_a_day_in_the_cloud_by_hand():
    # 100 * 36,000 frames * 10 ms = 36,000 s = 10 h of work, at half use 20 h; one GPU: 24 h
    assert BY_HAND.gpu_hours_per_day == pytest.approx(24)
    busier = cloud.Costs(**vars(BY_HAND) | {"devices": 1000})
    assert busier.gpu_hours_per_day == pytest.approx(200)
    # 3.6 million frames * 10 kB = 36 GB at 0.5 USD
    assert BY_HAND.data_usd_per_day == pytest.approx(18)
    assert BY_HAND.cloud_usd_per_day == pytest.approx(24 + 18)


def test_a_day_at_the_edge_by_hand():
    # 3.6 million * 50 ms = 50 h at 20 W = 1 kWh at 0.2 USD
    assert BY_HAND.edge_usd_per_day == pytest.approx(0.2)
    assert BY_HAND.edge_usd_at_start == 100 * 200 + 10_000
    assert BY_HAND.edge_usd(10) == pytest.approx(30_002)


def test_break_even_by_hand():
    # 30,000 USD / (42 - 0.2) USD a day
    assert BY_HAND.break_even_days == pytest.approx(30_000 / 41.8)
    days = BY_HAND.break_even_days
    assert BY_HAND.cloud_usd(days) == pytest.approx(BY_HAND.edge_usd(days))
    assert 365 < days < 730
    assert BY_HAND.cheaper == "edge"
    assert cloud.Costs(**vars(BY_HAND) | {"years": 1}).cheaper == "cloud"


def test_who_asks_rarely_never_earns_a_computer():
    rare = cloud.Costs(**vars(BY_HAND) | {"frames_per_day": 0, "always_on": 0})
    assert rare.cloud_usd_per_day == 0
    assert math.isinf(rare.break_even_days)
    assert rare.cheaper == "cloud"
    assert "never" in repr(rare)


def test_defaults_are_the_prices_of_the_file():
    file = load_published("cloud_costs")
    costs = cloud.Costs()
    for name, entry in file.items():
        assert getattr(costs, name) == entry["value"]
        assert entry["kind"] in ("published", "assumption")
        assert ("assumption" in entry["source"]) == (entry["kind"] == "assumption")


def test_impossible_inputs_are_refused():
    with pytest.raises(ValueError, match="gpu_ms must be 0 or more"):
        cloud.Costs(gpu_ms=-1)
    with pytest.raises(ValueError, match="above 0"):
        cloud.Costs(devices=0)
    with pytest.raises(ValueError, match="1 to 100"):
        cloud.Costs(gpu_busy_percent=0)
