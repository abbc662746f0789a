"""The A/A study resumes where it was interrupted and states its shares from 0 to 100."""

import json
import sys

import pytest

from edu_lib.measure import LatencyComparison
from studies import timer_control as study


def test_an_interrupted_run_continues_and_its_result_is_written(tmp_path, monkeypatch):
    ratios = iter([1.0, 1.01, KeyboardInterrupt, 0.98, 1.05])

    def compare_latency(reference, candidate):
        assert reference is candidate
        ratio = next(ratios)
        if ratio is KeyboardInterrupt:
            raise ratio
        return LatencyComparison(None, None, ratio, (0.99, 1.02), control_ratio=1.0)

    monkeypatch.setattr(study, "compare_latency", compare_latency)
    arguments = ["--repeats", "4", "--folder", str(tmp_path), "--cache", str(tmp_path / "cache")]
    monkeypatch.setattr(sys, "argv", ["timer_control.py", *arguments])
    with pytest.raises(KeyboardInterrupt):
        study.main()
    study.main()
    found = json.loads((tmp_path / "timer_control.json").read_text(encoding="utf-8"))
    assert found["ratios"] == [1.0, 1.01, 0.98, 1.05]
    assert (found["repeats"], found["share_within_3_percent"], found["share_void"]) == (4, 75, 0)
    assert found["command"] == "python3 -m studies.timer_control --repeats 4"
    assert list((tmp_path / "cache").iterdir()) == []
