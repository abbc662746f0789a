"""An exported network computes what PyTorch computes, from one file, without noise."""

import warnings

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edu_lib.deploy.onnx import export_onnx, run_onnx, session


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 13 * 13, 10))


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    return export_onnx(model, torch.zeros(1, 1, 28, 28), tmp_path_factory.mktemp("onnx") / "n.onnx")


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_equal_to_pytorch_for_every_batch(model, path, batch):
    X = torch.randn(batch, 1, 28, 28)
    with torch.no_grad():
        expected = model.eval()(X).numpy()
    for network in (path, str(path), session(path, threads=None)):
        y_hat = run_onnx(network, X)
        np.testing.assert_allclose(y_hat, expected, atol=1e-5)
    model.train()


def test_the_argument_model_is_not_touched_and_nothing_is_printed(model, tmp_path, capfd):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_onnx(model.train(), torch.randn(2, 1, 28, 28), tmp_path / "new" / "n.onnx")
    assert capfd.readouterr() == ("", "")
    assert all(module.training for module in model.modules())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_one_file_without_traces_of_the_machine(path):
    assert [file.name for file in path.parent.iterdir()] == ["n.onnx"]
    written = onnx.load(path)
    onnx.checker.check_model(written)
    assert written.opset_import[0].version == 20
    assert b".py" not in path.read_bytes()


def test_a_damaged_file_and_a_missing_one_are_told_apart(path, tmp_path):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="is damaged or is not an ONNX file; write it again"):
        session(damaged)
    with pytest.raises(FileNotFoundError, match="there is no ONNX file"):
        run_onnx(tmp_path / "none.onnx", torch.zeros(1, 1, 28, 28))


def test_an_input_that_does_not_fit_is_refused(path):
    with pytest.raises(ValueError, match=r"the network takes .* got an input of \[1, 3, 28, 28\]"):
        run_onnx(path, torch.zeros(1, 3, 28, 28))


class Named(nn.Linear):
    def forward(self, X):
        return {"X": super().forward(X)}


@pytest.mark.parametrize(
    ("model", "X", "message"),
    [
        (nn.Linear(4, 2), torch.zeros(1, 3), r"Linear does not take an input of \[1, 3\]: mat1"),
        (nn.Linear(4, 2), torch.zeros(0, 4), "example_input is empty: give a batch of one image"),
        (Named(4, 2), torch.zeros(1, 4), "Named names an output 'X', as the file names an input"),
    ],
)
def test_what_cannot_be_written_is_told_and_leaves_no_file(model, X, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_onnx(model, X, tmp_path / "n.onnx")
    assert list(tmp_path.iterdir()) == []


class Undecidable(nn.Module):
    def forward(self, X):
        return X + 1 if X.sum() > 0 else X


def test_a_network_that_cannot_be_exported_is_named(tmp_path):
    with pytest.raises(ValueError, match="Undecidable cannot be exported to ONNX"):
        export_onnx(Undecidable(), torch.zeros(1, 3), tmp_path / "n.onnx")
    assert list(tmp_path.iterdir()) == []
