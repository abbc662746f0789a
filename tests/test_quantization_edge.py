"""Int8 for thin networks: borders of zeros, grids without what nobody hears, the good recipe."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import edu_lib as edu
from edu_lib.deploy import IntegerNetwork, export_int8, qdq
from edu_lib.deploy.qdq import rounding_scatter
from edu_lib.models.mobile import ConvNorm, InvertedResidual
from edu_lib.techniques.quantization import (
    FakeQuantize,
    affine_qparams,
    dequantize,
    quantize_static,
)


def grids(model):
    """The lowest and the highest value of each grid, in order."""
    found = [part.qparams for part in model.modules() if isinstance(part, FakeQuantize)]
    ends = [dequantize(torch.tensor([each.qmin, each.qmax]), each) for each in found]
    return [tuple(each.tolist()) for each in ends]


@pytest.mark.parametrize(
    ("activation", "lowest", "highest"), [(nn.Hardswish(), -3, None), (nn.Hardsigmoid(), -3, 3)]
)
def test_a_grid_leaves_out_what_the_activation_makes_equal(activation, lowest, highest):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), activation, nn.Conv2d(4, 2, 1)).eval()
    X = 30 * torch.randn(8, 2, 8, 8)  # far more than 3 on both sides
    before = model[0](X).aminmax()
    low, high = grids(quantize_static(model, X))[1]
    assert before.min < -10
    assert low == pytest.approx(lowest, abs=0.2)
    assert high == pytest.approx(highest or before.max.item(), rel=0.05)


def test_a_grid_that_is_read_as_it_is_keeps_all():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, X):
            y = self.conv(X)
            return self.last(F.hardswish(y) + y)

    torch.manual_seed(0)
    model, X = Both().eval(), 30 * torch.randn(8, 2, 8, 8)
    low, _ = grids(quantize_static(model, X))[1]
    assert low == pytest.approx(model.conv(X).min().item(), rel=0.05)


def test_a_border_of_zeros_becomes_a_part_of_the_integer_convolution(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(ConvNorm(3, 16, 3, 2), InvertedResidual(16, 16, 5, 2, 2)).eval()
    X = torch.randn(8, 3, 32, 32)
    path = export_int8(quantize_static(model, X), X, tmp_path / "padded.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert "QLinearConv" in kinds
    assert not kinds & {"Pad", "Conv", "FusedConv"}
    ours = next(iter(IntegerNetwork(path).run(X.numpy()).values()))
    assert np.array_equal(ours, edu.run_onnx(path, X))


def test_a_border_that_is_not_zero_stays_what_it_is():
    torch.manual_seed(0)
    model = nn.Sequential(nn.ConstantPad2d(1, 5.0), nn.Conv2d(2, 4, 3)).eval()
    X = torch.rand(8, 2, 8, 8)
    y, y_hat = model(X), quantize_static(model, X)(X)
    assert (y_hat - y).norm() < 0.02 * y.norm()


def test_the_accurate_recipe_is_percentile_ranges_and_right_biases():
    torch.manual_seed(0)
    model = nn.Sequential(ConvNorm(3, 8, 3, 2), InvertedResidual(8, 8, 3, 1, 2)).eval()
    X = torch.randn(8, 3, 16, 16)
    recipe = quantize_static(model, X, accurate=True)(X)
    by_hand = quantize_static(model, X, observer="percentile", correct_bias=True)(X)
    assert torch.equal(recipe, by_hand)
    chosen = quantize_static(model, X, observer="mse", accurate=True)(X)
    assert torch.equal(chosen, quantize_static(model, X, observer="mse", correct_bias=True)(X))
    y = model(X)
    plain = quantize_static(model, X)(X)
    # mean output of each channel: what a right bias brings back
    offset, offset_plain = ((each - y).mean((0, 2, 3)).abs().max() for each in (recipe, plain))
    assert offset < offset_plain


class Fragile(nn.Module):
    """Answers 255 times what one grid of steps of 1 gives above `offset`. [N, 4] to [N, 4]."""

    def __init__(self, offset):
        super().__init__()
        self.grid, self.offset = FakeQuantize(affine_qparams(0.0, 255.0)), offset

    def forward(self, X):
        return 255 * (self.grid(X) - self.offset)


def test_the_scatter_of_rounding_is_how_far_one_step_goes():
    halves = torch.tensor([[2.5, 7.0, 8.0, 9.0]])
    # 2.5 goes to 2, the even neighbour, or to 3: one step of answers whose size is the root of 195
    one_step = 1 / torch.tensor([2.0, 7.0, 8.0, 9.0]).norm()
    assert rounding_scatter(Fragile(0), halves) == pytest.approx(one_step.item())
    assert rounding_scatter(Fragile(2), halves) > one_step  # the same step of smaller answers
    assert rounding_scatter(Fragile(2), halves + 0.1) == 0


def test_an_int8_file_may_differ_by_what_rounding_does_and_no_more(tmp_path, monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1)).eval()
    X = torch.rand(4, 2, 8, 8)
    quantized = quantize_static(model, X)
    shifted = quantize_static(model, X)
    layer = next(part for part in shifted.modules() if hasattr(part, "bias_scale"))
    write = qdq.write_onnx

    def written_wrongly(written, model, *rest):
        return write(written, shifted, *rest)

    export_int8(quantized, X, tmp_path / "right.onnx")
    monkeypatch.setattr(qdq, "write_onnx", written_wrongly)
    bias, one = layer.bias.clone(), 1 / layer.bias_scale
    for off, scatter, refused in ((0.1, None, True), (0.1, 10.0, False), (1.0, 10.0, True)):
        layer.bias.copy_(bias + (off * one).to(bias.dtype))  # each of its outputs too large
        if scatter is not None:
            monkeypatch.setattr(qdq, "rounding_scatter", lambda *_, scatter=scatter: scatter)
        path = tmp_path / f"{off}_{scatter}.onnx"
        if refused:
            with pytest.raises(ValueError, match="answers otherwise"):
                export_int8(quantized, X, path)
        else:
            export_int8(quantized, X, path)
        assert path.exists() != refused
