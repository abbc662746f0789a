"""A card is read quality first; a comparison keeps promise and measurement apart."""

from dataclasses import replace

import pytest

from edu_lib.cost import Cost
from edu_lib.measure import Card, Measurement, compare_cards


def cost(params=1000, macs=8000):
    return Cost(params, macs, 4 * params, 512, [], (1, 1, 28, 28))


def measured(p50, spread=0.01, backend="ONNX Runtime", threads=1, control=1.0):
    return Measurement(
        p50_ms=p50, p90_ms=p50, p99_ms=p50, iqr_ms=0, fps=1000 / p50, threads=threads, batch=1,
        device="CPU X", isa=[], backend=backend, versions={}, date="", name="net",
        p50_interval_ms=(p50 - spread, p50 + spread), control_ratio=control, settled=True,
        warmup_calls=20, blocks=40, calls=40,
    )  # fmt: skip


def card(name="net", quality=98.0, size=4000, rows=(), **counts):
    quality = None if quality is None else {"test accuracy %": quality}
    return Card(name, quality, cost(**counts), size, list(rows))


def test_a_card_without_quality_refuses_to_be_printed_or_compared():
    bare = card(quality=None)
    for show in (repr, str):
        with pytest.raises(ValueError, match="Read quality before speed"):
            show(bare)
    with pytest.raises(ValueError, match="Read quality before speed"):
        compare_cards(card(), bare)


def test_a_card_shows_quality_first():
    lines = repr(card(rows=[measured(2.0)])).splitlines()
    assert lines[2].split() == ["test", "accuracy", "%", "98"]
    assert "2 (ONNX Runtime)" in lines[-1]


def test_promised_and_measured_stand_side_by_side():
    before = card("big", 99.0, 4000, [measured(6.0)])
    after = card("small", 98.5, 2000, [measured(4.0)], params=250, macs=1000)
    compared = compare_cards(before, after)
    assert compared.promised == {"params": 4, "MACs": 8, "weight bytes": 4}
    assert compared.measured == {
        "file bytes": 2,
        "ms, 1 thread, batch 1, CPU X": pytest.approx(1.5),
    }
    text = repr(compared)
    assert "8.00x less" in text
    assert "1.50x less" in text
    assert "-0.50" in text


def test_overlapping_intervals_are_no_difference():
    compared = compare_cards(
        card(rows=[measured(2.0, spread=0.2)]), card(rows=[measured(1.9, spread=0.2)])
    )
    assert "no difference measured" in compared.measured.values()
    assert "no difference measured" in repr(compared)


def test_the_baseline_is_the_fastest_form_and_settings_are_not_mixed():
    before = card(rows=[measured(6.0, backend="PyTorch eager"), measured(3.0)])
    after = card(rows=[measured(1.0), measured(0.1, threads=2)])
    compared = compare_cards(before, after)
    assert compared.measured["ms, 1 thread, batch 1, CPU X"] == pytest.approx(3)
    assert len(compared.measured) == 2


def test_a_void_row_stays_void():
    compared = compare_cards(card(rows=[measured(6.0, control=1.2)]), card(rows=[measured(1.0)]))
    assert compared.measured["ms, 1 thread, batch 1, CPU X"] == "void"
    assert "void" in repr(measured(6.0, control=1.2))
    assert "void (ONNX Runtime)" in repr(compared)


def test_macs_that_no_rule_knows_are_a_lower_bound():
    uncounted = replace(cost(), uncounted=("1 (aten._fft_r2c)",))
    spectral = Card("spectral", {"test accuracy %": 98.0}, uncounted)
    assert "at least 8,000" in repr(spectral)
    assert "MACs of spectral: not all counted" in repr(compare_cards(card(), spectral))
    assert "at least" not in repr(card())


def test_without_a_common_setting_the_comparison_says_so():
    text = repr(compare_cards(card(size=None, rows=[measured(1.0)]), card(rows=[])))
    assert "nothing in the same setting" in text
