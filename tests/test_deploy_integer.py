"""Int8 files: every convolution runs on integer kernels, and our integer engine equals them."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

import edu_lib as edu
from edu_lib.deploy import IntegerNetwork, arithmetic, export_int8, export_onnx, session
from edu_lib.deploy.arithmetic import PAIRS, convolve
from edu_lib.models import LeNet5, SmallAlexNet
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.quantization import quantize_static

NETWORKS = {
    "LeNet5": (LeNet5, (1, 28, 28)),
    "SmallAlexNet": (lambda: SmallAlexNet(width=8), (1, 28, 28)),
    "RoadNet": (lambda: RoadNet(["segmentation"], width=0.125), (3, 32, 64)),
}


ALL_NETWORKS = ["LeNet5", "SmallAlexNet", pytest.param("RoadNet", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=ALL_NETWORKS)
def exported(request, tmp_path_factory):
    """(the fake-quantized network, its file, some inputs)."""
    build, shape = NETWORKS[request.param]
    torch.manual_seed(0)
    model = build()
    X = torch.rand(8, *shape)
    model(X)  # batch norm gets statistics
    quantized = quantize_static(model, X)
    path = tmp_path_factory.mktemp("int8") / f"{request.param}.onnx"
    return quantized, export_int8(quantized, X, path), X


def outputs(path, X, names=()):
    """What ONNX Runtime computes with exact sums, with the integers behind `names` too."""
    file = onnx.load(path)
    for name in names:
        file.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None)
        )
    watched = path.with_name(f"watched_{path.name}")
    onnx.save(file, watched)
    opened = session(watched)
    results = opened.run(None, {"X": X.numpy()})
    return {out.name: y for out, y in zip(opened.get_outputs(), results, strict=True)}


def saturated(path, X):
    """What ONNX Runtime computes with the kernel that is fastest here, whatever its sums do."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options).run(None, {"X": X.numpy()})[0]


def optimised_operations(path, X, folder):
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(str(path), options)
    return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def layers_of(quantized, kind):
    return sum(
        kind in str(module)
        for name, module in quantized.named_modules()
        if not list(module.children())
    )


@pytest.mark.slow
def test_no_convolution_and_no_linear_layer_stays_float(exported, tmp_path):
    quantized, path, X = exported
    operations = optimised_operations(path, X, tmp_path)
    convolutions, linears = layers_of(quantized, "conv2d"), layers_of(quantized, "linear")
    assert operations["QLinearConv"] == convolutions > 0
    assert operations["QGemm"] == linears
    floats = {
        "Conv",
        "FusedConv",
        "NhwcFusedConv",
        "Gemm",
        "FusedGemm",
        "MatMul",
        "Relu",
        "Concat",
        "Add",
    }
    assert not floats & set(operations)


def test_a_float_file_would_fail_that_test(tmp_path):
    X = torch.rand(2, 1, 28, 28)
    operations = optimised_operations(export_onnx(LeNet5(), X, tmp_path / "f.onnx"), X, tmp_path)
    assert operations["QLinearConv"] == 0
    assert sum(count for name, count in operations.items() if "Conv" in name) == 3


def test_pytorch_and_onnxruntime_agree_but_for_roundings_that_are_close(exported):
    quantized, path, X = exported
    simulated = quantized(X)
    if isinstance(simulated, dict):
        (simulated,) = simulated.values()
    (computed,) = outputs(path, X).values()
    difference = np.abs(simulated.detach().numpy() - computed)
    spread = computed.max() - computed.min()
    assert difference.max() < 0.05 * spread
    assert difference.mean() < 0.002 * spread


def test_the_integer_engine_equals_onnxruntime_bit_for_bit(exported):
    _, path, X = exported
    X = torch.rand(X[:2].shape, generator=torch.Generator().manual_seed(1))
    names = [n.output[0] for n in onnx.load(path).graph.node if n.op_type == "QuantizeLinear"]
    theirs = outputs(path, X, names=names)
    ours = IntegerNetwork(path).run(X.numpy(), watch=names)
    assert len(names) > 5
    assert ours.keys() == theirs.keys()
    for name in names:
        assert ours[name].dtype == np.uint8
        np.testing.assert_array_equal(ours[name], theirs[name])
    (answer,) = theirs.keys() - set(names)
    if "RoadNet" in path.name:
        # the last step enlarges in float32 there and exactly here: rounding in the 24th bit
        np.testing.assert_allclose(ours[answer], theirs[answer], rtol=0, atol=3e-7)
    else:
        np.testing.assert_array_equal(ours[answer], theirs[answer])


def test_averages_of_integers_differ_by_at_most_one(tmp_path):
    """ONNX Runtime adds up floats there, whose rounding can turn a half either way."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, groups=1), nn.ReLU(), nn.AvgPool2d(3, 2), nn.Conv2d(4, 4, 1)
    )
    X = torch.rand(8, 1, 24, 24)
    path = export_int8(quantize_static(model, X), X, tmp_path / "average.onnx")
    names = [n.output[0] for n in onnx.load(path).graph.node if n.op_type == "QuantizeLinear"]
    theirs, ours = outputs(path, X, names=names), IntegerNetwork(path).run(X.numpy(), watch=names)
    for name in names:
        difference = np.abs(ours[name].astype(int) - theirs[name].astype(int))
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.01


def test_peak_memory_is_that_of_the_largest_moment(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    X = torch.rand(2, 1, 10, 10)
    network = IntegerNetwork(export_int8(quantize_static(model, X), X, tmp_path / "two.onnx"))
    network.run(X[:1].numpy())
    # rounding the first accumulators: 4 bytes each, beside 1 byte each of the activations they give
    assert network.peak_bytes == 4 * 8 * 8 * (4 + 1)


def test_the_engine_refuses_what_needs_floats(tmp_path):
    X = torch.rand(2, 1, 8, 8)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Conv2d(2, 2, 3))
    path = export_int8(quantize_static(model, X), X, tmp_path / "tanh.onnx")
    with pytest.raises(ValueError, match=r"tanh.onnx needs floats for Tanh"):
        IntegerNetwork(path)


def test_export_refuses_what_is_not_int8(tmp_path):
    X = torch.rand(2, 1, 8, 8)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3))
    with pytest.raises(ValueError, match="Sequential is not quantized"):
        export_int8(model, X, tmp_path / "no.onnx")
    with pytest.raises(ValueError, match="has 4 bits: integer kernels take 8"):
        export_int8(quantize_static(model, X, activation_bits=4), X, tmp_path / "no.onnx")


@pytest.mark.parametrize("scale", [1e-9, 3e-5, 0.0123, 0.5, 1.0, 3.7])
def test_fixed_point_multiplies_as_float32_does(scale):
    generator = np.random.default_rng(0)
    n = np.concatenate([generator.integers(-(2**r), 2**r, 2000) for r in (4, 10, 20, 27)])
    n = n.astype(np.int32)
    M = (generator.random(n.size) + 0.5).astype(np.float32) * np.float32(scale)
    expected = np.rint(n.astype(np.float32) * M).astype(np.int64)
    np.testing.assert_array_equal(arithmetic.scale_integers(n, M), expected)


def test_halves_go_to_the_even_neighbour():
    n = np.array([-6, -3, -2, -1, 1, 2, 3, 5, 6, 7])
    np.testing.assert_array_equal(arithmetic.round_shift(n, np.int64(2)), np.rint(n / 4))
    with pytest.raises(ValueError, match="too large for 24 bits"):
        arithmetic.fixed_point(np.float32(2.0**30))


# Sums that saturate


def by_hand(x, w, order):
    """One output as a Python integer: products added two and two, each sum ended at 16 bits."""
    total = 0
    for first, second in zip(order[::2], [*order[1::2], None], strict=False):
        pair = sum(int(x[tap]) * int(w[tap]) for tap in (first, second) if tap is not None)
        total += max(-32768, min(32767, pair))
    return total


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_saturation_is_that_of_plain_integers(channels):
    generator = np.random.default_rng(0)
    x = generator.integers(100, 256, (1, channels, 3, 3)).astype(np.uint8)
    w = generator.integers(-127, 128, (6, channels, 3, 3)).astype(np.int8)
    options = {"pads": [0] * 4, "strides": [1, 1], "dilations": [1, 1], "groups": 1}
    taps = [(c, i, j) for i in range(3) for j in range(3) for c in range(channels)]
    in_depth = []  # a last channel without a neighbour stands alone
    for i, j in {tap[1:]: None for tap in taps}:
        in_depth += [(c, i, j) for c in range(channels)] + [None] * (channels % 2)
    orders = {"onnxruntime": taps, "openvino": in_depth}
    exact = convolve(x, 0, w, **options)
    np.testing.assert_array_equal(exact.ravel(), (x.astype(int) * w).sum((1, 2, 3)))
    for rule, order in orders.items():
        ours = convolve(x, 0, w, **options, pairs_of=PAIRS[rule]).ravel()
        assert ours.tolist() == [by_hand(x[0], each, order) for each in w], rule
        # one channel has no neighbour in depth; all others lose something
        assert (ours != exact.ravel()).any() != (rule == "openvino" and channels == 1)


def test_an_image_of_one_value_shows_it():
    x, w = np.full((1, 2, 1, 1), 200, np.uint8), np.full((1, 2, 1, 1), 100, np.int8)
    options = {"pads": [0] * 4, "strides": [1, 1], "dilations": [1, 1], "groups": 1}
    for rule, expected in ((None, 40_000), ("onnxruntime", 32_767), ("openvino", 32_767)):
        assert convolve(x, 0, w, **options, pairs_of=PAIRS[rule]).item() == expected


@pytest.fixture(scope="module")
def large_sums(tmp_path_factory):
    """(file, inputs) of a network of large weights, with dense, grouped and depthwise layers."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 7, 3, padding=1), nn.ReLU(), nn.Conv2d(7, 8, 3, dilation=2), nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Conv2d(8, 16, 3, groups=8), nn.ReLU(),
        nn.Conv2d(16, 16, 3, groups=4, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10),
    )  # fmt: skip
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.uniform_(layer.weight, -0.1, 0.3)
    X = torch.rand(3, 3, 16, 16)
    path = tmp_path_factory.mktemp("saturation") / "large_sums.onnx"
    return export_int8(quantize_static(model, X), X, path), X


def test_onnxruntimes_fastest_kernel_does_what_the_rule_says(large_sums):
    """Where the processor adds in 16 bits, the rule gives every bit; elsewhere exact sums do."""
    path, X = large_sums
    rule = "onnxruntime" if edu.measure.machine.int8_dot_product_saturates() else None
    (ours,) = IntegerNetwork(path, rule).run(X.numpy()).values()
    np.testing.assert_array_equal(ours, saturated(path, X))
    one_by_one = np.concatenate([saturated(path, x[None]) for x in X])
    np.testing.assert_array_equal(ours, one_by_one)


def test_the_kits_session_adds_exactly_on_every_machine(large_sums):
    path, X = large_sums
    (exact,) = IntegerNetwork(path).run(X.numpy()).values()
    np.testing.assert_array_equal(exact, edu.run_onnx(path, X))
    answers = {rule: IntegerNetwork(path, rule).run(X.numpy())["y_hat"] for rule in PAIRS}
    assert (answers["onnxruntime"] != exact).any()
    assert (answers["openvino"] != exact).any()
    assert (answers["openvino"] != answers["onnxruntime"]).any()


def test_seven_bits_are_exact_under_every_rule(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    for layer in (model[0], model[2]):
        nn.init.uniform_(layer.weight, 0.2, 0.3)
    X = torch.rand(2, 4, 9, 9)
    quantized = quantize_static(model, X, weight_bits=7)
    path = export_int8(quantized, X, tmp_path / "seven.onnx")
    answers = [IntegerNetwork(path, rule).run(X.numpy())["y_hat"] for rule in PAIRS]
    answers.append(saturated(path, X))
    for answer in answers[1:]:
        np.testing.assert_array_equal(answers[0], answer)


def test_layers_of_one_width_have_zero_points_of_their_own(tmp_path):
    """ONNX Runtime cannot open a file for exact sums in which layers share one."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 1))
    X = torch.rand(2, 3, 9, 9)
    path = export_int8(quantize_static(model, X), X, tmp_path / "equal.onnx")
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    ort.InferenceSession(str(path), options)


def test_a_file_that_cannot_be_run_exactly_warns(tmp_path, monkeypatch):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 1))
    X = torch.rand(2, 3, 9, 9)
    path = export_int8(quantize_static(model, X), X, tmp_path / "shared.onnx")
    file = onnx.load(path)
    weights = {tensor.name for tensor in file.graph.initializer if tensor.data_type == 3}
    read = [n for n in file.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in weights]
    for node in read:
        node.input[2] = read[0].input[2]
    onnx.save(file, path)
    monkeypatch.setattr("edu_lib.measure.runner.int8_dot_product_saturates", lambda: True)
    with pytest.warns(UserWarning, match="saturate at 16 bits on this processor"):
        session(path)


def test_an_unknown_rule_is_refused(large_sums):
    with pytest.raises(ValueError, match="saturating is one of None, 'onnxruntime', 'openvino'"):
        IntegerNetwork(large_sums[0], "tensorrt")
