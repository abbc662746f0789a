"""Networks as people write them, through quantize_static, the int8 file and the integer engine."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import edu_lib as edu
from edu_lib.deploy import IntegerNetwork, export_int8, export_onnx
from edu_lib.layers import to_plain
from edu_lib.techniques.quantization import (
    FakeQuantize,
    QuantizedLayer,
    convert,
    correct_biases,
    entropy_range,
    equalize,
    fold_batch_norm,
    prepare_qat,
    quantize_static,
    quantize_weights,
)


class Net(nn.Module):
    """A network from a function of its parts and the inputs."""

    def __init__(self, run, **parts):
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs):
        return self.run(self, *inputs)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def conv(inputs, outputs, size=3):
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


def share(ours, theirs):
    """The relative difference of two tensors of one shape."""
    ours, theirs = (torch.as_tensor(each).detach().double() for each in (ours, theirs))
    assert ours.shape == theirs.shape
    return float((ours - theirs).norm() / theirs.norm().clamp(min=1e-12))


X = normal(8, 3, 16, 16)


def middle(layer):
    return lambda: nn.Sequential(conv(3, 8), nn.ReLU(), layer, nn.Conv2d(8, 4, 3))


def shuffled(self, x):
    y = self.conv(x)
    y = y.view(y.size(0), 2, 4, 16, 16).transpose(1, 2).reshape(y.size(0), 8, 16, 16)
    return self.out(y)


def split(self, x):
    left, right = self.conv(x).chunk(2, 1)
    return self.out(torch.cat([left, F.relu(self.inner(right))], 1))


def option_a(self, x):
    x = F.relu(self.stem(x))
    y = self.pool(x)
    return self.out(F.relu(self.body(x) + torch.cat([y, torch.zeros_like(y)], 1)).mean((2, 3)))


def added_in_place(self, x):
    x = F.relu(self.stem(x), inplace=True)
    y = self.body(x)
    y += x
    return self.out(F.relu_(y))


TREATED = {
    "view(size(0), -1)": lambda: Net(
        lambda s, x: s.out(F.relu(s.conv(x)).view(x.size(0), -1)),
        conv=conv(3, 4), out=nn.Linear(1024, 5),
    ),
    "channel shuffle": lambda: Net(shuffled, conv=conv(3, 8), out=conv(8, 4)),
    "channel split": lambda: Net(split, conv=conv(3, 8), inner=conv(4, 4), out=conv(8, 4)),
    "average of single pixels": middle(nn.AvgPool2d(1, 2)),
    "option A": lambda: Net(
        option_a, stem=conv(3, 8), body=nn.Conv2d(8, 16, 3, 2, 1), pool=nn.AvgPool2d(1, 2),
        out=nn.Linear(16, 5),
    ),
    "in place": lambda: Net(added_in_place, stem=conv(3, 8), body=conv(8, 8), out=conv(8, 4)),
    "ceil_mode without a cut window": middle(nn.AvgPool2d(2, 2, ceil_mode=True)),
    "divisor_override": middle(nn.AvgPool2d(2, divisor_override=2)),
    "batch norm without statistics": lambda: nn.Sequential(
        conv(3, 8), nn.BatchNorm2d(8, track_running_stats=False), nn.ReLU(), conv(8, 4)
    ),
    "attention": lambda: Net(
        lambda s, x: (lambda t: s.out(s.mha(t, t, t)[0].mean(1)))(
            s.stem(x).flatten(2).transpose(1, 2)
        ),
        stem=nn.Conv2d(3, 8, 4, 4), mha=nn.MultiheadAttention(8, 2, batch_first=True),
        out=nn.Linear(8, 2),
    ),
    "a convolution of one dimension": lambda: Net(
        lambda s, x: s.out(s.mix(F.relu(s.stem(x)).flatten(2)).mean(2)),
        stem=nn.Conv2d(3, 8, 4, 4), mix=nn.Conv1d(8, 8, 3, padding=1), out=nn.Linear(8, 4),
    ),
    "a transposed convolution": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 8, 2, 2), nn.ReLU(), conv(8, 2)
    ),
    "an LSTM": lambda: Net(
        lambda s, x: s.out(s.read(s.stem(x).flatten(2).transpose(1, 2))[0][:, -1]),
        stem=nn.Conv2d(3, 8, 4, 4), read=nn.LSTM(8, 8, batch_first=True), out=nn.Linear(8, 2),
    ),
    "a dict of outputs": lambda: Net(
        lambda s, x: {"a": s.a(F.relu(s.stem(x))), "b": s.b(s.stem(x))},
        stem=conv(3, 8), a=conv(8, 2), b=conv(8, 2),
    ),
    "a tuple of outputs": lambda: Net(
        lambda s, x: (s.a(F.relu(s.stem(x))), s.stem(x).mean((2, 3))), stem=conv(3, 8), a=conv(8, 2)
    ),
}  # fmt: skip


def answers(model, inputs=X):
    y = model(inputs)
    y = list(y.values()) if isinstance(y, dict) else y
    return list(y) if isinstance(y, tuple | list) else [y]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:only Conv2d and Linear get integers")
@pytest.mark.parametrize("name", TREATED)
def test_networks_of_every_kind_answer_as_before(name, tmp_path):
    torch.manual_seed(0)
    model = TREATED[name]().eval()
    quantized = quantize_static(model, X)
    assert any(isinstance(part, QuantizedLayer) for part in quantized.modules())
    trained = convert(prepare_qat(model, X, method="ste"))
    for wanted, ours, after in zip(
        *(answers(each) for each in (model, quantized, trained)), strict=True
    ):
        assert share(ours, wanted) < 0.1
        assert share(after, wanted) < 0.1
    # the export compares its file with the network itself
    export_int8(quantized, X, tmp_path / "network.onnx")


def test_layers_that_stay_float_are_named_and_can_be_chosen():
    torch.manual_seed(0)
    model = TREATED["a transposed convolution"]()
    with pytest.warns(UserWarning, match=r"in float stay '2' \(conv_transpose2d\)"):
        quantize_static(model, X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quantized = quantize_static(model, X, skip=["2", "4"])
    assert isinstance(quantized.get_submodule("0"), QuantizedLayer)
    assert isinstance(quantized.get_submodule("4"), nn.Conv2d)
    with pytest.raises(ValueError, match="Sequential has no part 'head' to skip"):
        quantize_static(model, X, skip=["head"])


def test_several_inputs_and_inputs_that_are_integers(tmp_path):
    torch.manual_seed(0)
    model = Net(
        lambda s, x, ids: s.out(torch.cat([s.conv(x).mean((2, 3)), s.table(ids)], 1)),
        conv=conv(3, 8), table=nn.Embedding(5, 4), out=nn.Linear(12, 3),
    ).eval()  # fmt: skip
    inputs = (X, torch.arange(8) % 5)
    with pytest.warns(UserWarning, match="'table'"):
        quantized = quantize_static(model, inputs)
    assert share(quantized(*inputs), model(*inputs)) < 0.1
    path = export_int8(quantized, inputs, tmp_path / "two.onnx")
    assert share(edu.run_onnx(path, inputs), model(*inputs)) < 0.1
    with pytest.raises(ValueError, match="the network takes 2 inputs, got 1"):
        edu.run_onnx(path, X)


def test_windows_that_are_cut_are_refused():
    pool = nn.AvgPool2d(3, 2, ceil_mode=True)
    model = nn.Sequential(conv(3, 8), pool, conv(8, 4))
    with pytest.raises(ValueError, match="layer '1' averages with ceil_mode"):
        quantize_static(model, X)
    assert share(fold_batch_norm(model, X)(X), model(X)) < 1e-4


def test_a_file_that_answers_otherwise_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"answers otherwise than the network: by 75\.0 %"):
        export_onnx(nn.AvgPool2d(2, divisor_override=1), X, tmp_path / "wrong.onnx")
    assert not list(tmp_path.iterdir())


def test_parts_that_change_a_view_are_refused():
    def changed(self, x):
        y = self.conv(x)
        y[:, 0] += 1
        return self.out(y)

    with pytest.raises(ValueError, match=r"Net (computes something else|cannot be traced)"):
        fold_batch_norm(Net(changed, conv=conv(3, 4), out=conv(4, 2)), X)


SPELLINGS = {
    "F.relu6": F.relu6,
    "nn.ReLU6": nn.ReLU6(),
    "clamp(0, 6)": lambda x: x.clamp(0, 6),
    "clamp_": lambda x: x.clamp_(0, 6),
    "hardtanh": lambda x: F.hardtanh(x, 0.0, 6.0),
}


def test_every_spelling_of_relu6_gives_the_same_integers():
    torch.manual_seed(0)
    parts = {"a": conv(3, 8), "b": conv(8, 8), "out": nn.Linear(8, 4)}
    for name in ("a", "b"):
        parts[name].weight.data *= 4
    found = {}
    for name, rectify in SPELLINGS.items():
        model = Net(lambda s, x, f=rectify: s.out(f(s.b(f(s.a(x)))).mean((2, 3))), **parts).eval()
        quantized = quantize_static(model, X)
        assert sum(isinstance(part, FakeQuantize) for part in quantized.modules()) == 4, name
        found[name] = quantized(X)
    for name, answer in found.items():
        assert torch.equal(answer, found["nn.ReLU6"]), name
    plain, bounded = (
        quantize_static(nn.Sequential(parts["a"], rectify, parts["b"]).eval(), X)(X)
        for rectify in (nn.ReLU(), Net(lambda s, x: x.clamp(min=0)))
    )
    assert torch.equal(plain, bounded)


def test_an_answer_behind_a_pooling_stays_float():
    torch.manual_seed(0)
    body = [conv(3, 8), nn.ReLU(), conv(8, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    alone, flat = nn.Sequential(*body).eval(), nn.Sequential(*body, nn.Flatten()).eval()
    ours, theirs = quantize_static(flat, X)(X), quantize_static(alone, X)(X)
    torch.testing.assert_close(ours, theirs.flatten(1))
    assert len(ours.unique()) > 20


# Ranges, biases, steps


@pytest.mark.parametrize("observer", ["minmax", "percentile", "mse", "entropy"])
def test_activations_that_are_nowhere_positive(observer):
    torch.manual_seed(0)
    model = nn.Sequential(conv(3, 8), conv(8, 4, 1)).eval()
    nn.init.constant_(model[0].bias, -20.0)
    assert share(quantize_static(model, X, observer=observer)(X), model(X)) < 0.05
    low, high = entropy_range(-1 - torch.rand(1000, generator=torch.Generator().manual_seed(0)))
    assert (low, high) != (0, 0)
    assert high == 0


@pytest.mark.parametrize("features", [8, 16])
def test_biases_of_tokens_are_corrected_feature_by_feature(features):
    torch.manual_seed(0)
    model = Net(
        lambda s, x: s.b(F.relu(s.a(s.stem(x).flatten(2).transpose(1, 2)))).mean(1),
        stem=nn.Conv2d(3, features, 4, 4), a=nn.Linear(features, features),
        b=nn.Linear(features, features),
    ).eval()  # fmt: skip
    inputs = normal(64, 3, 16, 16, seed=1)
    rounded = quantize_static(model, inputs, weight_bits=3)
    corrected = correct_biases(rounded, model, inputs)
    before, after = ((q(inputs) - model(inputs)).mean(0).abs().max() for q in (rounded, corrected))
    assert after < before / 10
    in_one = quantize_static(model, inputs, weight_bits=3, correct_bias=True)
    assert torch.equal(in_one(inputs), corrected(inputs))


def test_a_learned_step_never_ends_at_zero():
    torch.manual_seed(0)
    y = torch.randint(0, 4, (8,))
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU6(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    ).eval()  # fmt: skip
    trained = prepare_qat(model, X, method="lsq").train()
    for name, step in trained.named_parameters():
        if name.endswith("step"):
            step.data.neg_()  # as a large step of an optimizer leaves it
    optimizer = torch.optim.Adam(trained.parameters(), 0.01)
    for _ in range(20):
        optimizer.zero_grad()
        F.cross_entropy(trained(X), y).backward()
        optimizer.step()
    finished = convert(trained)
    assert all((part.scale > 0).all() for part in finished.modules() if hasattr(part, "scale"))
    assert finished(X).std(0).max() > 1e-3


# One technique after another


def test_what_is_quantized_is_not_quantized_again_but_can_be_made_plain():
    torch.manual_seed(0)
    model = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 4)).eval()
    quantized = quantize_static(model, X)
    for again in (quantize_static, prepare_qat):
        for network in (quantized, prepare_qat(model, X)):
            with pytest.raises(
                ValueError, match=r"is quantized already: edu_lib.to_plain\(model\)"
            ):
                again(network, X)
    plain = to_plain(quantized)
    assert isinstance(plain.get_submodule("0"), nn.Conv2d)
    assert not any(isinstance(part, FakeQuantize) for part in plain.modules())
    assert share(plain(X), model(X)) < 0.05
    assert share(quantize_static(plain, X)(X), model(X)) < 0.05
    # weights of few bits are weights: their network is quantized like any other
    assert share(quantize_static(quantize_weights(model), X)(X), model(X)) < 0.05
    assert share(equalize(quantize_weights(model), X)(X), model(X)) < 0.05


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("width", [8, 32])
def test_weights_of_few_bits_make_a_valid_file(bits, width, tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(conv(3, width), nn.ReLU(), conv(width, width), nn.ReLU(), conv(width, 2))
    quantized = quantize_weights(model.eval(), bits, block_size=32)
    path = export_onnx(quantized, X, tmp_path / "few_bits.onnx")
    np.testing.assert_allclose(edu.run_onnx(path, X), quantized(X).detach(), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.uint8, torch.float16])
def test_another_type_of_input_is_refused_in_one_sentence(dtype, tmp_path):
    path = export_onnx(conv(3, 4), X, tmp_path / "network.onnx")
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(ValueError, match=f"the network takes float32, got an input of {name}"):
        edu.run_onnx(path, X.abs().to(dtype))


# The integer engine


ENDS = {
    "in a ReLU": lambda: nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 1), nn.ReLU()),
    "in linear and ReLU": lambda: nn.Sequential(
        conv(3, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3), nn.ReLU()
    ),
    "in input + residual": lambda: Net(
        lambda s, x: x + s.b(F.relu(s.a(x))), a=conv(3, 8), b=conv(8, 3)
    ),
    "in add and ReLU": lambda: Net(
        lambda s, x: F.relu(s.a(x) + s.b(x)), a=conv(3, 8), b=conv(3, 8, 1)
    ),
    "in a concatenation": lambda: Net(
        lambda s, x: torch.cat([s.a(x), s.b(x)], 1), a=conv(3, 8), b=conv(3, 8, 1)
    ),
    "in a max pooling": lambda: nn.Sequential(conv(3, 8), nn.MaxPool2d(2)),
    "in a mean": lambda: nn.Sequential(conv(3, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "in bilinear x2": lambda: nn.Sequential(
        conv(3, 8), nn.ReLU(), conv(8, 4), nn.Upsample(scale_factor=2, mode="bilinear")
    ),
    "relu(max_pool(conv))": lambda: nn.Sequential(
        conv(3, 8), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)
    ),
    "padding not counted": middle(nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "padding counted": middle(nn.AvgPool2d(3, 2, 1)),
    "dilated max pooling": middle(nn.MaxPool2d(3, 1, dilation=2)),
    "max pooling, ceil_mode": middle(nn.MaxPool2d(3, 2, 1, ceil_mode=True)),
    "bilinear x2": middle(nn.Upsample(scale_factor=2, mode="bilinear")),
    "nearest x1.5": middle(nn.Upsample(scale_factor=1.5)),
    "nearest x0.5": middle(nn.Upsample(scale_factor=0.5)),
    "gates": lambda: Net(
        lambda s, x: s.c(s.a(x) * F.relu(s.b(x.mean((2, 3), keepdim=True)))),
        a=conv(3, 8), b=nn.Conv2d(3, 8, 1), c=conv(8, 4),
    ),
}  # fmt: skip
NEED_FLOATS = {
    "align_corners": middle(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
    "conv + 0.5": lambda: Net(lambda s, x: s.b(s.a(x) + 0.5), a=conv(3, 8), b=conv(8, 4)),
    "conv - conv": lambda: Net(
        lambda s, x: s.c(s.a(x) - s.b(x)), a=conv(3, 8), b=conv(3, 8), c=conv(8, 4)
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_engine_answers_as_onnxruntime(name, tmp_path):
    torch.manual_seed(0)
    path = export_int8(quantize_static(ENDS[name]().eval(), X), X, tmp_path / "network.onnx")
    (ours,) = IntegerNetwork(path).run(X.numpy()).values()
    assert share(ours, edu.run_onnx(path, X)) < 5e-3


@pytest.mark.parametrize("name", NEED_FLOATS)
def test_what_needs_floats_is_refused_when_the_file_is_opened(name, tmp_path):
    torch.manual_seed(0)
    path = export_int8(quantize_static(NEED_FLOATS[name]().eval(), X), X, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=r"net.onnx needs floats for (Resize|Add|Sub)"):
        IntegerNetwork(path)


def test_the_engine_runs_mobilenet_v2_bit_for_bit(tmp_path):
    from torchvision.models import mobilenet_v2

    torch.manual_seed(0)
    model = mobilenet_v2(width_mult=0.35, num_classes=10)
    images = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    model(images)  # batch norm gets statistics
    path = export_int8(quantize_static(model.eval(), images), images, tmp_path / "mobile.onnx")
    (ours,) = IntegerNetwork(path).run(images[:2].numpy()).values()
    np.testing.assert_array_equal(ours, edu.run_onnx(path, images[:2]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_network_of_another_type_is_refused_in_one_sentence(dtype):
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval().to(dtype)
    X = torch.rand(2, 3, 8, 8, dtype=dtype)
    calls = (
        lambda: edu.quantize_static(network, X),
        lambda: edu.prepare_qat(network, X),
        lambda: edu.quantize_weights(network),
        lambda: edu.ternarize(network),
        lambda: edu.binarize(network),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"model\.float\(\) first"):
            call()
    assert edu.quantize_weights(network.float())(X.float()).dtype == torch.float32
