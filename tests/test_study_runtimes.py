"""The study of runtimes finds what differs, where it begins, and why."""

import platform
import shutil
import sys

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import edu_lib as edu
from edu_lib.deploy import IntegerNetwork
from studies import runtimes, runtimes_converted, runtimes_emulated, runtimes_sessions
from studies.runtimes import RUNTIMES, Runtime


@pytest.fixture(scope="module")
def large_sums(tmp_path_factory):
    """(int8 file, inputs) of a network whose sums of two products pass 16 bits."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5))
    nn.init.uniform_(model[0].weight, 0.1, 0.3)
    X = torch.rand(4, 3, 8, 8)  # of an odd number of channels the rules pair otherwise
    path = tmp_path_factory.mktemp("runtimes") / "large.onnx"
    edu.export_int8(edu.quantize_static(model, X), X, path)
    return path, X.numpy()


def following(rule):
    """A runtime that computes as the engine does under a rule."""

    def answers(path, X):
        engine = IntegerNetwork(path, rule)
        inner = [name for name in engine.outputs if name != "y_hat"]
        engine.outputs = ["y_hat"]
        return engine.run(X, watch=inner)

    return answers


def judged(large_sums, monkeypatch, answers):
    path, X = large_sums
    monkeypatch.setitem(RUNTIMES, "tried", Runtime("A runtime", "numpy", answers))
    return runtimes.judge(path, X, "tried", runtimes.engines_answers(path, X))


def test_an_exact_runtime_keeps_the_contract(large_sums, monkeypatch):
    for answers in (following(None), runtimes.as_the_kit):
        row = judged(large_sums, monkeypatch, answers)
        assert row["equal_to_rule"] == "exact"
        assert (row["values_different"], row["answers_changed"], row["values"]) == (0, 0, 20)
        assert "reason" not in row


def test_saturating_sums_are_found_with_their_layer(large_sums, monkeypatch):
    row = judged(large_sums, monkeypatch, following("openvino"))
    assert row["equal_to_rule"] == "openvino"
    assert row["reason"] == "sums of two products end at 16 bits"
    assert row["first_layer"] == 1  # behind the pixels
    assert row["values_different"] > 0


def test_a_step_and_a_mistake_are_told_apart(large_sums, monkeypatch):
    def off_by(steps):
        def answers(path, X):
            found = following(None)(path, X)
            return {
                name: y + np.uint8(steps) * (y < 200)
                if y.dtype == np.uint8
                else y + np.float32(1e-3)
                for name, y in found.items()
            }

        return answers

    assert judged(large_sums, monkeypatch, off_by(1))["reason"].startswith("one step")
    assert judged(large_sums, monkeypatch, off_by(9))["reason"] == "not found"


def test_a_file_that_does_not_load_is_a_row(large_sums, monkeypatch):
    def refuses(path, X):
        raise RuntimeError("no such operation\nand more")

    row = judged(large_sums, monkeypatch, refuses)
    assert not row["loads"]
    assert row["error"] == "no such operation"


def test_a_converter_says_in_one_sentence_what_it_could_not(tmp_path):
    def ends(code):
        return pytest.raises(RuntimeError, match=f"^python.* ended with {code}$")

    wrong = "print('ValueError: a size is wrong'); print('bye'); raise SystemExit(3)"
    with ends("code 3: ValueError: a size is wrong"):
        runtimes_converted.call([sys.executable, "-c", wrong], tmp_path)
    with ends("signal 6: nothing was said"):
        runtimes_converted.call([sys.executable, "-c", "import os; os.abort()"], tmp_path)
    inner = "raise RuntimeError('mnnconvert ended with signal 6: no such size')"
    with pytest.raises(RuntimeError, match=r"^mnnconvert ended with signal 6: no such size$"):
        runtimes_converted.call([sys.executable, "-c", inner], tmp_path)


def test_a_converted_file_takes_one_image_and_its_answers_go_by_shape(tmp_path):
    X = torch.rand(2, 3, 8, 8)
    model = nn.ModuleDict({"a": nn.Conv2d(3, 2, 1), "b": nn.Conv2d(3, 4, 1)})
    model.forward = lambda x: {name: part(x) for name, part in model.items()}
    path = edu.export_onnx(model.eval(), X[:1], tmp_path / "two.onnx")
    runtimes_converted.one_image(path, tmp_path / "one.onnx")
    found = [np.ones((2, 4, 8, 8)), np.zeros((2, 2, 8, 8))]
    answers = runtimes_converted.by_shape(tmp_path / "one.onnx", found)
    assert {name: y.shape[1] for name, y in answers.items()} == {"a": 2, "b": 4}
    channels_last = [y.transpose(0, 2, 3, 1) for y in found]
    answers = runtimes_converted.by_shape(tmp_path / "one.onnx", channels_last)
    assert {name: y.shape[1] for name, y in answers.items()} == {"a": 2, "b": 4}
    with pytest.raises(RuntimeError, match="output b has the shape"):
        runtimes_converted.by_shape(tmp_path / "one.onnx", found[1:])
    entry = onnx.load(tmp_path / "one.onnx").graph.input[0].type.tensor_type.shape
    assert [size.dim_value for size in entry.dim] == [1, 3, 8, 8]


def test_what_a_converter_did_becomes_the_reason(large_sums, monkeypatch):
    def floats(path, X):
        exact = following(None)(path, X)
        note = np.array("it computes in float32")
        return {"y_hat": exact["y_hat"] + 1, runtimes_converted.NOTE: note}

    path, X = large_sums
    monkeypatch.setitem(RUNTIMES, "tried", Runtime("A runtime", "numpy", floats, False))
    row = runtimes.judge(path, X, "tried", runtimes.engines_answers(path, X))
    assert row["reason"] == "it computes in float32"
    assert row["values_different"] == row["values"] == 20


def test_a_long_batch_is_cut_and_joined_again(large_sums, monkeypatch):
    path, X = large_sums
    whole = runtimes_sessions.exact(path, X)
    monkeypatch.setattr(runtimes_sessions, "BATCH", 3)
    assert np.array_equal(runtimes_sessions.exact(path, X)["y_hat"], whole["y_hat"])
    assert len(whole["y_hat"]) == 4


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("qemu-x86_64") is None or platform.machine() != "x86_64",
    reason="no qemu-x86_64 here: apt-get install qemu-user",
)
def test_an_emulated_processor_without_vnni_ends_its_sums_at_16_bits(large_sums, monkeypatch):
    for session, rule in (("fastest", "onnxruntime"), ("exact", "exact")):
        row = judged(large_sums, monkeypatch, runtimes_emulated.emulated("x86", session))
        assert row["equal_to_rule"] == rule


def test_a_study_that_lacks_a_runtime_writes_no_file(monkeypatch, capsys):
    lacking = Runtime("A runtime", "a_module_that_nobody_has", following(None))
    monkeypatch.setitem(RUNTIMES, "lacking", lacking)
    monkeypatch.setattr("sys.argv", ["runtimes"])
    monkeypatch.setattr(runtimes.edu, "save_result", lambda *_: pytest.fail("a file was written"))
    assert runtimes.main() == 1
    assert "a_module_that_nobody_has" in capsys.readouterr().out
