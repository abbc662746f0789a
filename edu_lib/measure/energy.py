"""Joules, read from a counter of the machine, or the words "not measured". Taught in chapter 06.

RAPL is the counter of Intel and AMD processors (Linux: /sys/class/powercap); NVML is NVIDIA's.
A formula is never called joules.
"""

import re
from pathlib import Path

import torch

POWERCAP = Path("/sys/class/powercap")
NOT_MEASURED = "not measured"


class EnergyMeter:
    """Measures the energy spent inside a `with` block.

    with EnergyMeter() as meter:
        work()
    meter.joules is a float, or None where no counter can be read; str(meter) says which.

    device: "cpu" reads the RAPL counters of all processor packages, "cuda" NVML's counter.
    The counter covers the whole package, other programs included. It starts over at its largest
    value: one such turn is corrected, so a block must be shorter than a turn (many minutes).
    """

    def __init__(self, device: torch.device | str = "cpu", powercap: str | Path = POWERCAP):
        self.device = torch.device(device)
        self.joules: float | None = None
        self.source: str | None = None
        self._counter = None
        if self.device.type == "cpu":
            self._counter = _rapl_counter(Path(powercap))
        elif self.device.type == "cuda":
            self._counter = _nvml_counter(self.device.index or 0)

    def __enter__(self) -> "EnergyMeter":
        self.joules, self.source = None, None
        self._start = self._read()
        return self

    def __exit__(self, *error) -> None:
        end = self._read()
        if self._start is None or end is None:
            return
        self.source = self._counter.source
        self.joules = sum(
            _spent(before, after, largest)
            for before, after, largest in zip(self._start, end, self._counter.largest, strict=True)
        )

    def __str__(self) -> str:
        return NOT_MEASURED if self.joules is None else f"{self.joules:.3g} J ({self.source})"

    __repr__ = __str__

    def _read(self) -> list[float] | None:
        if self._counter is None:
            return None
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)
        try:
            return self._counter.read()
        except (OSError, ValueError):
            return None


def _spent(before: float, after: float, largest: float | None) -> float:
    # a counter that went down has started over once: spent = (largest - before) + after
    if after < before:
        return largest - before + after
    return after - before


class _Rapl:
    source = "RAPL"

    def __init__(self, zones: list[Path]):
        self.zones = zones
        self.largest = [_microjoules(zone / "max_energy_range_uj") for zone in zones]

    def read(self) -> list[float]:
        return [_microjoules(zone / "energy_uj") for zone in self.zones]


def _rapl_counter(powercap: Path) -> _Rapl | None:
    """The packages alone (intel-rapl:0, intel-rapl:1): their parts and "psys" would count twice."""
    try:
        zones = [
            zone
            for zone in sorted(powercap.iterdir())
            if re.fullmatch(r"intel-rapl:\d+", zone.name)
            and (zone / "name").read_text(encoding="ascii").startswith("package")
        ]
        counter = _Rapl(zones)
        counter.read()  # energy_uj is closed to ordinary users on many systems
    except (OSError, ValueError):
        return None
    return counter if zones else None


def _microjoules(path: Path) -> float:
    return int(path.read_text(encoding="ascii")) / 1e6


class _Nvml:
    source = "NVML"
    largest = (None,)  # 64 bits of millijoules never start over

    def __init__(self, pynvml, index: int):
        self.pynvml = pynvml
        self.handle = _nvml_handle(pynvml, index)

    def read(self) -> list[float]:
        return [self.pynvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1e3]


def _nvml_handle(pynvml, index: int):
    """The device that PyTorch calls cuda:`index`.

    NVML knows nothing of CUDA_VISIBLE_DEVICES, which numbers them anew: the uuid tells which it is.
    """
    try:
        uuid = torch.cuda.get_device_properties(index).uuid
    except (AssertionError, AttributeError, RuntimeError):  # no CUDA here, or an older PyTorch
        return pynvml.nvmlDeviceGetHandleByIndex(index)
    return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")


def _nvml_counter(index: int) -> _Nvml | None:
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        counter = _Nvml(pynvml, index)
        counter.read()
    except pynvml.NVMLError:
        return None
    return counter
