"""The ledger grows by chapter, marks the learner's rows, and reads robustly."""

import json
from dataclasses import asdict, replace

import pytest

from classroom.ledger_table import LedgerRow, ledger, read_ledger

LENET = LedgerRow("02", "LeNet-5", 0.95, "% error", 61_706, 416_520, 250_000, 0.13, "PyTorch")
ROADNET = LedgerRow("07", "RoadNet", 73.6, "% mIoU", 11_000_000, 3 * 10**9, 44_000_000, 49.0, "ORT")


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "ledger.json"
    rows = [asdict(LENET), asdict(ROADNET) | {"note": "kept in the file"}]
    path.write_text(json.dumps({"rows": rows, "machine": {"cpu": "some"}}), encoding="utf-8")
    return path


def test_rows_come_back_as_written(stored):
    assert read_ledger(stored) == [LENET, ROADNET]


def test_ledger_stops_at_the_chapter(stored):
    assert repr(ledger("02", path=stored)) == "LeNet-5: inside the 33 ms budget"
    assert repr(ledger("14", path=stored)).splitlines() == [
        "LeNet-5: inside the 33 ms budget",
        "RoadNet: over the 33 ms budget",
    ]


def test_own_rows_are_marked(stored):
    mine = replace(LENET, model="My LeNet", p50_ms=0.2)
    shown = ledger("02", mine=[mine], path=stored)
    assert repr(shown).endswith("My LeNet (yours): inside the 33 ms budget")
    html = shown._repr_html_()
    assert "My LeNet (yours)" in html
    assert "0.95 % error" in html
    assert "<caption>" in html
    assert '<img src="data:image/png' in html
    assert "Inside: LeNet-5 (0.13 ms), My LeNet (yours) (0.2 ms)" in shown.figure().alt


def test_missing_ledger_names_the_command_and_shows_own_rows(tmp_path):
    shown = ledger("02", mine=[LENET], path=tmp_path / "ledger.json")
    assert "`python3 kit.py bench`" in repr(shown)
    assert "LeNet-5 (yours): inside" in repr(shown)
    assert "kit.py bench" in ledger("02", path=tmp_path / "ledger.json")._repr_html_()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"rows": [{"model": "A"}]}'])
def test_damaged_ledger_says_so(tmp_path, content):
    path = tmp_path / "ledger.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"damaged.*kit\.py bench"):
        ledger("02", path=path)


def test_rows_without_quality_or_time_are_refused():
    with pytest.raises(ValueError, match="without its quality"):
        replace(LENET, quality=None)
    with pytest.raises(ValueError, match="p50_ms"):
        replace(LENET, p50_ms=0)
    with pytest.raises(ValueError, match="two digits"):
        ledger("2")
