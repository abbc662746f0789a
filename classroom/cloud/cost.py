"""What it costs to answer frames in the cloud, and beside the camera. Taught in chapter 06."""

import math
from dataclasses import dataclass, field
from functools import partial

from edu_lib.measure import load_published

DAYS_A_YEAR = 365


def price(name: str) -> float:
    """A price or assumption of data/published/cloud_costs.json."""
    return load_published("cloud_costs")[name]["value"]


def _default(name: str) -> float:
    return field(default_factory=partial(price, name))


@dataclass(frozen=True)
class Costs:
    """A fleet of cameras and its prices, in US dollars. Chapter 06 has sliders for them.

    devices: cameras sold. frames_per_day: that one camera wants answered. frame_bytes: sent for
    each. gpu_ms: a GPU's time for one frame. gpu_busy_percent: how much of a rented GPU's time is
    used; the rest waits for the busy hour. always_on: GPUs rented day and night in any case.
    device_usd: what the computer adds to the price of a camera. device_watts: while it computes.
    device_ms: its time for one frame. porting_usd: once, to make the network run on the device.
    Defaults come from data/published/cloud_costs.json, each with its source or called an
    assumption. Raises ValueError for a negative input.
    """

    devices: int = 1000
    frames_per_day: float = 108_000.0
    frame_bytes: float = 10_000.0
    gpu_usd_per_hour: float = _default("gpu_usd_per_hour")
    gpu_ms: float = _default("gpu_ms")
    gpu_busy_percent: float = _default("gpu_busy_percent")
    always_on: int = 1
    data_usd_per_gb: float = _default("data_usd_per_gb")
    device_usd: float = _default("device_usd")
    device_watts: float = _default("device_watts")
    device_ms: float = _default("device_ms")
    electricity_usd_per_kwh: float = _default("electricity_usd_per_kwh")
    porting_usd: float = _default("porting_usd")
    years: float = _default("years")

    def __post_init__(self):
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be 0 or more, got {value}")
        if self.devices < 1 or not 0 < self.gpu_busy_percent <= 100 or self.years == 0:
            raise ValueError("devices and years are above 0, gpu_busy_percent is 1 to 100")

    @property
    def gpu_hours_per_day(self) -> float:
        """GPU time that the whole fleet rents in a day."""
        # hours of work / share of the rented time that works
        work = self.devices * self.frames_per_day * self.gpu_ms / 3.6e6
        return max(24.0 * self.always_on, work / (self.gpu_busy_percent / 100))

    @property
    def data_usd_per_day(self) -> float:
        """Mobile data of the whole fleet, a day."""
        gigabytes = self.devices * self.frames_per_day * self.frame_bytes / 1e9
        return gigabytes * self.data_usd_per_gb

    @property
    def cloud_usd_per_day(self) -> float:
        """GPU rent and mobile data of the whole fleet, a day."""
        return self.gpu_hours_per_day * self.gpu_usd_per_hour + self.data_usd_per_day

    @property
    def edge_usd_per_day(self) -> float:
        """Electricity of the whole fleet, a day."""
        # watts x hours / 1000 = kWh
        hours = self.devices * self.frames_per_day * self.device_ms / 3.6e6
        return self.device_watts * hours / 1e3 * self.electricity_usd_per_kwh

    @property
    def edge_usd_at_start(self) -> float:
        """The computers of the whole fleet and the work of porting, paid before the first frame."""
        return self.devices * self.device_usd + self.porting_usd

    def cloud_usd(self, days: float) -> float:
        """All that the cloud has cost after that many days."""
        return self.cloud_usd_per_day * days

    def edge_usd(self, days: float) -> float:
        """All that the edge has cost after that many days."""
        return self.edge_usd_at_start + self.edge_usd_per_day * days

    @property
    def break_even_days(self) -> float:
        """The day on which the edge has cost no more than the cloud; infinite if it never comes."""
        saved_per_day = self.cloud_usd_per_day - self.edge_usd_per_day
        return self.edge_usd_at_start / saved_per_day if saved_per_day > 0 else math.inf

    @property
    def cheaper(self) -> str:
        """ "edge" or "cloud": which has cost less after all the years."""
        days = self.years * DAYS_A_YEAR
        return "edge" if self.edge_usd(days) < self.cloud_usd(days) else "cloud"

    def __repr__(self) -> str:
        days = self.years * DAYS_A_YEAR
        gpu = self.gpu_hours_per_day
        reached = math.isfinite(self.break_even_days)
        when = f"{self.break_even_days:,.0f} days" if reached else "never"
        return "\n".join(
            (
                f"{self.devices:,} devices, {self.frames_per_day:,.0f} frames a day each,"
                f" {self.years:g} years",
                f"  cloud: {gpu:,.1f} GPU-hours a day, {gpu * self.gpu_usd_per_hour:,.2f} USD;"
                f" data {self.data_usd_per_day:,.2f} USD a day",
                f"         {self.cloud_usd(days):,.0f} USD in all",
                f"  edge:  {self.edge_usd_at_start:,.0f} USD at the start,"
                f" electricity {self.edge_usd_per_day:,.2f} USD a day",
                f"         {self.edge_usd(days):,.0f} USD in all",
                f"  the edge has paid for itself after: {when}",
            )
        )
