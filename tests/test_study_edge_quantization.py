"""The study of int8 for thin networks: what is stored can be written without a run."""

import pytest

from studies import edge_quantization as study

NETWORK = "efficientnet_lite0"


@pytest.mark.parametrize("noisy", [False, True])
def test_with_finished_nothing_runs(monkeypatch, noisy):
    row = {"agreement_percent": 90.0, "logit_distance_percent": 5.0}
    saved = {}

    def finished(function, runs, name):
        return {} if function is study.yardstick and not noisy else dict.fromkeys(runs, row)

    monkeypatch.setattr(study.frame, "finished", finished)
    monkeypatch.setattr(study.frame, "run_all", lambda *_, **__: pytest.fail("a run was started"))
    monkeypatch.setattr(study.frame, "stored_result", lambda name: {})
    monkeypatch.setattr(study.edu, "save_result", lambda name, found, _: saved.update(found))
    monkeypatch.setattr(study, "inputs_of", lambda network, draw: ([], [0, 1]))
    monkeypatch.setattr("sys.argv", ["edge_quantization", NETWORK, "--finished"])
    study.main()
    assert saved[NETWORK]["accurate"]["draws"] == study.DRAWS
    assert saved[NETWORK]["judged"] == 2
    assert ("noise" in saved[NETWORK]) == noisy
