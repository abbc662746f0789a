"""The card of one model: quality, cost, bytes on disk, latency. Read quality before speed."""

from dataclasses import dataclass, field

from edu_lib.cost import Cost, align
from edu_lib.measure.latency import Measurement

NO_DIFFERENCE = "no difference measured"


@dataclass(repr=False)
class Card:
    """All that is known of one model. Taught in chapter 02.

    quality: for example {"test accuracy %": 99.1}; percentages run from 0 to 100.
    bytes_on_disk: size of the one file that rebuilds the network; None if there is no file yet.
    A card without quality cannot be printed: that raises ValueError.
    """

    name: str
    quality: dict[str, float] | None
    cost: Cost
    bytes_on_disk: int | None = None
    measurements: list[Measurement] = field(default_factory=list)

    def __repr__(self) -> str:
        require_quality(self)
        rows = [(self.name, "")]
        rows += [(what, f"{value:g}") for what, value in self.quality.items()]
        rows += [
            ("params", f"{self.cost.params:,}"),
            ("MACs", _macs_text(self.cost)),
            ("peak activation bytes", f"{self.cost.peak_activation_bytes:,}"),
            ("bytes on disk", _measured_text(self, "file bytes")),
        ]
        rows += [(setting(each), latency_text(each)) for each in self.measurements]
        return align(rows)


@dataclass(repr=False)
class CardComparison:
    """What was promised beside what was measured: before over after, above 1 is a gain.

    promised: ratios counted from params, MACs and bytes of the weights.
    measured: "file bytes" and the milliseconds of each setting that both cards have: a ratio, or
    the words "no difference measured", or "void".
    """

    before: Card
    after: Card
    promised: dict[str, float]
    measured: dict[str, float | str]

    def __repr__(self) -> str:
        rows = [("", self.before.name, self.after.name, "")]
        for what in {**self.before.quality, **self.after.quality}:
            old, new = self.before.quality.get(what), self.after.quality.get(what)
            both = old is not None and new is not None
            rows.append((what, _number(old), _number(new), f"{new - old:+.2f}" if both else ""))
        rows.append(("promised", "", "", ""))
        for what, ratio in self.promised.items():
            old, new = (_counted(card, what) for card in (self.before, self.after))
            rows.append((f"  {what}", f"{old:,}", f"{new:,}", gain_text(ratio)))
        for card in (self.before, self.after):
            if card.cost.uncounted:
                rows.append((f"  MACs of {card.name}: not all counted", "", "", ""))
        rows.append(("measured", "", "", ""))
        for what, gain in self.measured.items():
            old, new = (_measured_text(card, what) for card in (self.before, self.after))
            rows.append((f"  {what}", old, new, gain if isinstance(gain, str) else gain_text(gain)))
        if not self.measured:
            rows.append(("  nothing in the same setting", "", "", ""))
        return align(rows)


def compare_cards(before: Card, after: Card) -> CardComparison:
    """Promised and measured gain of `after` over `before`, side by side.

    Latency is compared in each setting (backend aside) that both cards were measured in, with the
    fastest form of each: the baseline is the fastest FP32 form found. Where the intervals of the
    medians overlap there is no difference measured. Raises ValueError for a card without quality.
    """
    require_quality(before)
    require_quality(after)
    promised = {
        what: ratio(_counted(before, what), _counted(after, what))
        for what in ("params", "MACs", "weight bytes")
    }
    measured: dict[str, float | str] = {}
    if before.bytes_on_disk is not None and after.bytes_on_disk is not None:
        measured["file bytes"] = ratio(before.bytes_on_disk, after.bytes_on_disk)
    old, new = _fastest_by_setting(before), _fastest_by_setting(after)
    for where in old:
        if where in new:
            measured[where] = latency_gain(old[where], new[where])
    return CardComparison(before, after, promised, measured)


def latency_gain(before: Measurement, after: Measurement) -> float | str:
    """Ratio of the medians; in words if a row is void or the 95 % intervals overlap."""
    if before.void or after.void:
        return "void"
    (low_before, high_before), (low_after, high_after) = (
        before.p50_interval_ms,
        after.p50_interval_ms,
    )
    if low_before <= high_after and low_after <= high_before:
        return NO_DIFFERENCE
    return before.p50_ms / after.p50_ms


def require_quality(card: Card) -> None:
    """Raises ValueError for a card without quality."""
    if not card.quality:
        raise ValueError(
            f"Read quality before speed: card {card.name!r} has no quality; "
            'give it one, for example {"test accuracy %": 99.1}'
        )


def ratio(before: float, after: float) -> float:
    """before / after; infinite if nothing is left, 1 if there was nothing."""
    if after == 0:
        return 1.0 if before == 0 else float("inf")
    return before / after


def gain_text(gain: float) -> str:
    """3.0 is "3.0x less", 0.5 is "2.0x more", 1 is "equal"."""
    if gain == 1:
        return "equal"
    return f"{gain:.2f}x less" if gain > 1 else f"{1 / gain:.2f}x more"


def setting(measured: Measurement) -> str:
    """The setting of a latency, backend aside: only equal settings are compared."""
    plural = "s" if measured.threads > 1 else ""
    return f"ms, {measured.threads} thread{plural}, batch {measured.batch}, {measured.device}"


def latency_text(measured: Measurement) -> str:
    """For example "2.1 (ONNX Runtime)"."""
    value = "void" if measured.void else f"{measured.p50_ms:.3g}"
    return f"{value} ({measured.backend})"


def _fastest_by_setting(card: Card) -> dict[str, Measurement]:
    found: dict[str, Measurement] = {}
    for measured in sorted(card.measurements, key=lambda each: (each.void, each.p50_ms)):
        found.setdefault(setting(measured), measured)
    return found


def _counted(card: Card, what: str) -> int:
    cost = card.cost
    return {"params": cost.params, "MACs": cost.macs, "weight bytes": cost.bytes}[what]


def _measured_text(card: Card, what: str) -> str:
    if what == "file bytes":
        return "no file" if card.bytes_on_disk is None else f"{card.bytes_on_disk:,}"
    return latency_text(_fastest_by_setting(card)[what])


def _macs_text(cost: Cost) -> str:
    """The MACs; "at least" where some of them are not counted."""
    return f"at least {cost.macs:,}" if cost.uncounted else f"{cost.macs:,}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
