"""deploy.export_int4: the file runs ONNX Runtime's int4 kernel and answers as our layers do."""

import onnx
import pytest
import torch
from torch import nn

import edu_lib as edu
from edu_lib.deploy import export_int4
from edu_lib.techniques.quantization import quantize_weights


class Reader(nn.Module):
    """A convolution and two linear layers; the inputs of the first fill no whole block."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 5, 3, stride=2, padding=1)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(5 * 7 * 7, 96)
        self.fc2 = nn.Linear(96, 10, bias=False)

    def forward(self, X):
        return self.fc2(torch.relu(self.fc1(self.flatten(self.conv(X)))))


@pytest.fixture
def model() -> Reader:
    torch.manual_seed(0)
    return Reader().eval()


@pytest.mark.parametrize("block_size", [16, 32])
def test_file_answers_as_the_quantized_network(model, block_size, tmp_path):
    quantized = quantize_weights(model, 4, block_size=block_size)
    X = torch.randn(3, 1, 14, 14)
    path = export_int4(quantized, X[:1], tmp_path / "int4.onnx")
    with torch.no_grad():
        expected = quantized(X)
    torch.testing.assert_close(
        torch.from_numpy(edu.run_onnx(path, X)), expected, atol=1e-4, rtol=1e-4
    )
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("MatMulNBits") == 2
    assert "Gemm" not in kinds
    assert "MatMul" not in kinds


@pytest.mark.slow
def test_int8_activations_are_near_and_not_equal(model, tmp_path):
    quantized = quantize_weights(model, 4, block_size=32)
    X = torch.randn(3, 1, 14, 14)
    exact = edu.run_onnx(export_int4(quantized, X, tmp_path / "exact.onnx"), X)
    path = export_int4(quantized, X, tmp_path / "fast.onnx", int8_activations=True)
    levels = [
        attribute.i
        for node in onnx.load(path).graph.node
        for attribute in node.attribute
        if attribute.name == "accuracy_level"
    ]
    assert levels == [4, 4]
    assert abs(edu.run_onnx(path, X) - exact).max() < 0.05 * exact.std()


@pytest.mark.slow
def test_weights_take_an_eighth_and_their_scales(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(1024, 512, bias=False)).eval()
    X = torch.rand(1, 1, 32, 32)
    whole = edu.export_onnx(model, X, tmp_path / "whole.onnx").stat().st_size
    small = export_int4(quantize_weights(model, 4, block_size=32), X, tmp_path / "int4.onnx")
    # half a byte a weight, and four bytes for each 32 of them
    expected = 1024 * 512 // 2 + 1024 * 512 // 32 * 4
    assert expected < small.stat().st_size < expected + 5000
    assert whole > 6 * small.stat().st_size


def test_what_it_cannot_write_is_named(model, tmp_path):
    X = torch.rand(1, 1, 14, 14)
    with pytest.raises(ValueError, match="'fc1' has 8 bits in blocks of 32"):
        export_int4(quantize_weights(model, 8, block_size=32), X, tmp_path / "no.onnx")
    with pytest.raises(ValueError, match="'fc1' has 4 bits in blocks of 245"):
        export_int4(quantize_weights(model, 4), X, tmp_path / "no.onnx")
    with pytest.raises(ValueError, match="Reader has no linear layer of 4 bits"):
        export_int4(model, X, tmp_path / "no.onnx")
    assert not (tmp_path / "no.onnx").exists()
