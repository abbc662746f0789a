"""The container: what is saved comes back, weighs what it must, and a bad file says so."""

import hashlib
import itertools
import subprocess
import sys
import zlib
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import edu_lib as edu
from edu_lib.deploy import container
from edu_lib.deploy.container import NETWORKS, Codebook, Levels, own
from edu_lib.deploy.container.registry import code_network, complete
from edu_lib.deploy.container.schema import code_sizes, sizes_of, with_sizes
from edu_lib.deploy.container.stream import framed
from edu_lib.layers import copied
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.entropy_coding import BitCounter, RangeDecoder, RangeEncoder
from edu_lib.techniques.pruning import prune, prune_channels
from edu_lib.techniques.quantization import quantize_static

SMALL = {
    "LeNet5Caffe": (edu.models.LeNet5Caffe, {}),
    "LeNet300100": (edu.models.LeNet300100, {}),
    "LeNet5": (edu.models.LeNet5, {}),
    "LeNet1998": (edu.models.LeNet1998, {}),
    "SmallAlexNet": (partial(edu.models.SmallAlexNet, width=8), {"width": 8}),
    "RoadNet": (
        partial(RoadNet, ("ego",), width=0.125, kind="inverted"),
        {"tasks": ("ego",), "width": 0.125, "kind": "inverted"},
    ),
}


def randomize(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for each in model.state_dict().values():
        if each.is_floating_point():
            each.copy_(torch.rand(each.shape, generator=generator) * 0.2 + 0.01)
    return model.eval()


def quantized(model, steps=4, sparsity=0.9):
    """{name: Levels} of a model: magnitude pruned, `steps` steps to each side."""
    tensors = {}
    for name, each in model.state_dict().items():
        if each.dim() > 1:
            kept = each.abs() > each.abs().flatten().quantile(sparsity)
            tensors[name] = Levels.of(each * kept, each.abs().max() / steps)
        else:
            tensors[name] = Levels.of(each, 1 / 64)
    return tensors


def tiny_caffe(widths=(3, 4, 8), seed=0):
    """LeNet-5-Caffe with so few channels left, random, as a file of some hundred bytes."""
    torch.manual_seed(seed)
    model = edu.models.LeNet5Caffe()
    sizes = [(widths[0], 1), (widths[1], widths[0]), (widths[2], 16 * widths[1]), (10, widths[2])]
    with_sizes(model, "LeNet5Caffe", sizes)
    for each in model.parameters():
        nn.init.normal_(each, std=0.1)
    return model.eval()


def tiny_file():
    model = tiny_caffe()
    return container.dumps(model, tensors=quantized(model, 2, 0.8))


def outputs(model, X):
    y = model(X)
    return torch.cat([value.flatten(1) for value in y.values()], 1) if isinstance(y, dict) else y


def same_state(model, again):
    own, other = model.state_dict(), again.state_dict()
    counters = [name for name in own if name.endswith("num_batches_tracked")]
    assert own.keys() == other.keys()
    return all(torch.equal(own[name], other[name]) for name in own if name not in counters)


# What comes back


@pytest.mark.parametrize("name", SMALL)
def test_floats_of_every_network_come_back_exactly(name, tmp_path):
    build, arguments = SMALL[name]
    model = randomize(build())
    path = container.save(model, tmp_path / "network.30f", arguments=arguments)
    state = torch.get_rng_state()
    again = container.load(path)
    assert torch.equal(state, torch.get_rng_state())
    assert type(again) is type(model)
    assert not again.training
    assert same_state(model, again)
    X = NETWORKS[name].example(container.inspect(path).arguments)
    assert torch.equal(outputs(model, X), outputs(again, X))
    assert all(parameter.requires_grad for parameter in again.parameters())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("network", ["AlexNet", "AlexNet2012", "VGG16", "VGG19"])
def test_large_networks_are_in_the_registry_as_the_kit_builds_them(network):
    with torch.device("meta"):
        model = getattr(edu.models, network)()
    blank = NETWORKS[network].make({})
    shapes = {name: each.shape for name, each in blank.state_dict().items()}
    assert shapes == {name: each.shape for name, each in model.state_dict().items()}


@pytest.mark.parametrize("method", ["context", "huffman", "deflate"])
def test_levels_and_codebooks_come_back(method):
    model = tiny_caffe()
    tensors = quantized(model, 3, 0.7)
    tensors["conv2.weight"] = Codebook.of(tensors["conv2.weight"].dense() + 0.25)
    by_row = torch.tensor([0.5, 0.25, 0.125])
    tensors["conv1.weight"] = Levels.of(model.conv1.weight, by_row / 8)
    del tensors["fc2.bias"]
    data = container.dumps(model, tensors=tensors, method=method)
    assert data == container.dumps(model, tensors=tensors, method=method)
    again = container.loads(data).state_dict()
    for name, stored in tensors.items():
        assert torch.equal(again[name], stored.dense()), name
    assert torch.equal(again["fc2.bias"], model.fc2.bias)
    torch.testing.assert_close(
        again["conv1.weight"], model.conv1.weight, atol=float(by_row.max()) / 16, rtol=0
    )


def test_methods_are_as_small_as_they_promise():
    model = edu.load_weights(edu.models.LeNet5(), "lenet5")
    tensors = quantized(model)
    context, huffman, deflate = (
        len(container.dumps(model, tensors=tensors, method=method))
        for method in ("context", "huffman", "deflate")
    )
    assert context < huffman < deflate
    packed = b"".join(q.levels.to(torch.int8).numpy().tobytes() for q in tensors.values())
    assert context < 0.7 * len(zlib.compress(packed, 9))


def test_few_values_are_stored_as_a_codebook_by_themselves(tmp_path):
    model = tiny_caffe()
    values = torch.tensor([-0.3, -0.1, 0.0, 0.2])
    with torch.no_grad():
        model.fc1.weight.copy_(values[torch.randint(4, model.fc1.weight.shape)])
        model.fc1.bias.zero_()
    path = container.save(model, tmp_path / "shared.30f")
    assert same_state(model, container.load(path))
    row = next(row for row in container.inspect(path).rows if row.name == "fc1.weight")
    assert (row.kind, row.symbols) == ("codebook", 4)
    # 2 bits a weight, 4 bytes for each value but 0, and what it takes to learn how often they are
    assert row.num_bytes < model.fc1.weight.numel() / 4 + 40


@pytest.mark.slow
def test_a_fresh_process_makes_the_same_10000_predictions(tmp_path):
    test = edu.mnist().test
    model = edu.load_weights(edu.models.LeNet5(), "lenet5")
    tensors = quantized(model, 31, 0.0)
    path = container.save(model, tmp_path / "lenet5.30f", tensors=tensors)
    model.load_state_dict({name: stored.dense() for name, stored in tensors.items()})
    with torch.inference_mode():
        logits = torch.cat([model(X) for X in test.X.split(500)])
    assert (logits.argmax(1) == test.y).float().mean() > 0.95
    program = """
import sys, hashlib, torch
torch.set_num_threads(1)
from edu_lib.data import mnist
from edu_lib.deploy import container
model = container.load(sys.argv[1])
with torch.inference_mode():
    y_hat = torch.cat([model(X).argmax(1) for X in mnist().test.X.split(500)])
print(len(y_hat), hashlib.sha256(y_hat.numpy().tobytes()).hexdigest())
"""
    told = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    ).stdout.split()
    assert told == ["10000", hashlib.sha256(logits.argmax(1).numpy().tobytes()).hexdigest()]


# Sizes


@pytest.mark.slow
def test_a_network_with_channels_pruned_away_comes_back():
    X = torch.rand(2, 1, 28, 28)
    for model, arguments in (
        (edu.models.LeNet5Caffe(), {}),
        (edu.models.SmallAlexNet(width=16), {}),
        (edu.models.LeNet5(), {}),
    ):
        pruned = prune_channels(model.eval(), X, ratio=0.6)
        data = container.dumps(pruned, arguments=arguments)
        again = container.loads(data)
        assert sizes_of(again) == sizes_of(pruned) != sizes_of(model)
        assert torch.equal(again(X), pruned(X))


@pytest.mark.slow
def test_a_pruned_road_network_comes_back():
    X = torch.rand(1, 3, 32, 64)
    arguments = {"width": 0.25, "kind": "separable"}
    pruned = prune_channels(randomize(RoadNet(**arguments)), X, ratio=0.4)
    again = container.loads(container.dumps(pruned, arguments=arguments))
    assert torch.equal(outputs(again, X), outputs(pruned, X))


def test_the_head_of_a_small_file_takes_few_bytes(tmp_path):
    model = tiny_caffe((5, 10, 24))
    path = container.save(model, tmp_path / "tiny.30f", tensors=quantized(model, 2, 0.7))
    told = container.inspect(path)
    # 6 of the frame, then the name and the widths 5, 10 and 24
    assert told.head_bytes < 6 + 6
    assert path.stat().st_size == told.num_bytes
    total = told.head_bytes + sum(row.num_bytes for row in told.rows)
    assert total == pytest.approx(told.num_bytes, abs=1)
    assert told.num_values == sum(p.numel() for p in model.parameters())
    full = edu.models.LeNet5Caffe()
    whole = container.dumps(full, tensors={n: Levels.of(0 * p, 1) for n, p in
                                           full.named_parameters()})  # fmt: skip
    assert len(whole) < 40


def test_inspect_tells_what_is_in_the_file(tmp_path):
    model = edu.models.SmallAlexNet(width=8, depth=2).eval()
    arguments = {"width": 8, "depth": 2}
    tensors = {"features.conv1.weight": Levels.of(model.features.conv1.weight, 0.25)}
    path = container.save(model, tmp_path / "a.30f", arguments=arguments, tensors=tensors)
    told = container.inspect(path)
    assert told.network == "SmallAlexNet"
    assert {name: told.arguments[name] for name in arguments} == arguments
    assert told.arguments["activation"] == "relu"
    rows = {row.name: row for row in told.rows}
    assert rows.keys() == model.state_dict().keys()
    assert rows["features.conv1.weight"].kind == "levels"
    assert rows["features.conv1.weight"].shape == (8, 1, 5, 5)
    levels = tensors["features.conv1.weight"].levels
    assert rows["features.conv1.weight"].nonzeros == int(levels.count_nonzero())
    assert "SmallAlexNet(image_size=28" in str(told)
    assert "features.conv1.weight" in str(told)


def test_sizes_run_both_ways_and_cost_little():
    built = sizes_of(NETWORKS["LeNet5Caffe"].make({}))
    for sizes in (built, [(5, 1), (10, 5), (24, 160), (10, 24)], [(7, 2), (9, 3), (1, 4), (2, 99)]):
        encoder, counter = RangeEncoder(), BitCounter()
        assert code_sizes(encoder, built, sizes) == sizes
        code_sizes(counter, built, sizes)
        assert code_sizes(RangeDecoder(encoder.finish()), built) == sizes
        assert counter.bits < (2 if sizes == built else 80)
    with pytest.raises(ValueError, match="at most 65536 channels"):
        code_sizes(BitCounter(), built, [(70_000, 1), *built[1:]])


# What it refuses to save


class Own(nn.Module):
    pass


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (Own(), {}, "Own is none of the kit's networks .*: give example_input"),
        (edu.models.LeNet5Caffe(), {"arguments": {"dropout": 0.5}}, "no argument 'dropout'"),
        (edu.models.LeNet5(), {"arguments": {"pool": "sum"}}, "pool of LeNet5 is one of 'max'"),
        (edu.models.SmallAlexNet(depth=3), {}, r"other layers than SmallAlexNet\(.*give the arg"),
        (edu.models.LeNet5(), {"tensors": {"c9": torch.ones(1)}}, "no tensor 'c9'"),
        (edu.models.LeNet5(), {"tensors": {"c1.bias": torch.ones(7)}}, r"c1.bias has shape \(7,\)"),
        (edu.models.LeNet5(), {"method": "zip"}, "method is one of context"),
        (prune(edu.models.LeNet5(), 0.5), {}, "edu_lib.to_plain"),
        (
            edu.models.LeNet5(),
            {"tensors": {"c1.bias": torch.full((6,), torch.inf)}},
            "infinite or not a number",
        ),
    ],
)
def test_save_refuses(model, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        container.save(model, tmp_path / "x.30f", **options)
    assert not list(tmp_path.iterdir())


def test_levels_refuse_what_is_no_quantized_tensor():
    with pytest.raises(ValueError, match="levels are whole numbers, got"):
        Levels(torch.ones(6), torch.tensor(1.0))
    with pytest.raises(ValueError, match="a scale is one number or one for each"):
        Levels(torch.ones(6).int(), torch.ones(5))


# Networks that are not the kit's


class Residual(nn.Module):
    """A learner's network: depthwise, batch norm, a tied layer, whole numbers, two heads."""

    def __init__(self, activation=nn.ReLU, width=8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.second.weight = self.first.weight
        self.register_buffer("order", torch.tensor([2, 0, 1]))
        self.act, self.head = activation(), nn.Linear(width, 3)

    def forward(self, X):
        X = self.act(self.norm(self.stem(X)))
        X = (X + self.depthwise(X)).mean((2, 3))
        X = self.second(self.act(self.first(X)))
        return {"classes": self.head(X)[:, self.order], "features": X}


IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def residual(seed=0, **arguments):
    torch.manual_seed(seed)
    return randomize(Residual(**arguments), seed)


def test_a_network_of_the_callers_class_comes_back(tmp_path):
    model = residual()
    path = container.save(model, tmp_path / "own.30f", example_input=IMAGES)
    fresh = residual(seed=1).train()
    again = container.load(path, into=fresh)
    assert again is fresh
    assert not again.training
    assert same_state(model, again)
    assert again.second.weight is again.first.weight
    assert again.order.dtype == torch.int64
    assert torch.equal(outputs(again, IMAGES), outputs(model, IMAGES))
    told = container.inspect(path)
    assert told.network == "Residual"
    assert {row.name for row in told.rows} == model.state_dict().keys() - {
        "second.weight",  # stored once, with first.weight
        "norm.num_batches_tracked",
    }
    total = told.head_bytes + sum(row.num_bytes for row in told.rows)
    assert total == pytest.approx(path.stat().st_size, abs=1)


class WithEmpty(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)
        self.register_buffer("places", torch.zeros(0, dtype=torch.int64))


def test_an_empty_tensor_of_whole_numbers_comes_back():
    model, X = WithEmpty(), torch.rand(1, 3)
    again = container.loads(container.dumps(model, example_input=X), WithEmpty())
    assert torch.equal(again(X), model(X))
    assert again.places.shape == (0,)
    assert again.places.dtype == torch.int64


@pytest.mark.parametrize("method", ["context", "huffman", "deflate"])
def test_its_tensors_can_be_levels(method):
    model = residual()
    stored = {name: Levels.of(each, 1 / 64) for name, each in model.named_parameters()}
    data = container.dumps(model, example_input=IMAGES, tensors=stored, method=method)
    again = container.loads(data, into=residual(1)).state_dict()
    for name, each in stored.items():
        assert torch.equal(again[name], each.dense())
    assert len(data) < len(container.dumps(model, example_input=IMAGES))


def test_a_pruned_network_of_any_class_comes_back_into_a_fresh_whole_one():
    pruned = prune_channels(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
                      nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 6, 1), nn.Flatten(),
                      nn.Linear(6 * 144, 5)).eval(), IMAGES, ratio=0.5)  # fmt: skip
    whole = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
                          nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 6, 1), nn.Flatten(),
                          nn.Linear(6 * 144, 5))  # fmt: skip
    again = container.loads(container.dumps(pruned, example_input=IMAGES), into=whole)
    assert again[3].groups == again[3].in_channels == pruned[3].in_channels < 8
    assert torch.equal(again(IMAGES), pruned(IMAGES))


def test_a_network_of_the_kit_fills_a_fresh_one_of_its_class():
    model = randomize(edu.models.LeNet5())
    fresh = edu.models.LeNet5()
    assert container.loads(container.dumps(model), into=fresh) is fresh
    assert same_state(model, fresh)
    with pytest.raises(ValueError, match=r"holds a LeNet5, fits LeNet5 .* answers otherwise"):
        container.loads(container.dumps(model), into=edu.models.LeNet5(activation=nn.Sigmoid))


@pytest.mark.parametrize(
    ("fresh", "message"),
    [
        (lambda: None, r"holds a Residual, a class that is not the kit's: .*into=Residual\("),
        (edu.models.LeNet5, "holds a Residual, does not fit LeNet5: the network has 'c1.weight'"),
        (lambda: Residual(nn.Sigmoid), "fits Residual by its shapes and answers otherwise"),
        (lambda: nn.Sequential(Residual()), "does not fit Sequential"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_and_stays_as_it_was(fresh, message):
    data = container.dumps(residual(), example_input=IMAGES)
    into = fresh()
    before = {} if into is None else {n: each.clone() for n, each in into.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        container.loads(data, into=into)
    for name, each in before.items():
        assert torch.equal(into.state_dict()[name], each)


def test_a_forgotten_argument_or_another_class_of_the_name_is_found():
    with pytest.raises(ValueError, match=r"answers otherwise than LeNet5\(activation='relu'"):
        container.dumps(edu.models.LeNet5(activation=nn.Sigmoid))
    with pytest.raises(ValueError, match="answers otherwise than SmallAlexNet"):
        container.dumps(edu.models.SmallAlexNet(lrn=True))
    parts = {"activation": nn.Sigmoid, "pool": nn.AvgPool2d}  # as the constructor takes them
    again = container.loads(container.dumps(edu.models.LeNet5(**parts), arguments=parts))
    assert type(again.act1) is nn.Sigmoid
    assert type(again.s2) is nn.AvgPool2d
    namesake = type("LeNet5", (edu.models.LeNet5,), {})
    with pytest.raises(ValueError, match="LeNet5 is none of the kit's networks"):
        container.dumps(namesake())


class Noisy(nn.Linear):
    def forward(self, X):
        return super().forward(X) + torch.rand(1)


@pytest.mark.parametrize(
    ("model", "X", "message"),
    [
        (nn.Linear(4, 2), torch.rand(1, 3), r"Linear does not run on \[1, 3\]"),
        (Noisy(4, 2), torch.rand(1, 4), "Noisy answers otherwise from call to call"),
        (nn.Linear(4, 2), torch.full((1, 4), torch.nan), "example_input is finite numbers"),
        (nn.Linear(4, 2), "an image", "example_input is a tensor"),
        (nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2049, 2048), "give a smaller one"),
    ],
)
def test_what_cannot_be_stored_as_an_own_network_is_refused(model, X, message):
    with pytest.raises(ValueError, match=message):
        container.dumps(model, example_input=X)


def test_the_registry_follows_the_constructors():
    for name, network in NETWORKS.items():
        told = complete(name, {})
        assert list(told) == list(network.arguments)
        blank = network.make(told)
        assert type(blank).__name__ == name
    order = ["LeNet5Caffe", "LeNet300100", "LeNet5", "LeNet1998", "SmallAlexNet", "AlexNet",
             "AlexNet2012", "VGG16", "VGG19", "RoadNet", "TinyNet"]  # fmt: skip
    assert list(NETWORKS)[: len(order)] == order  # a number in every file: append only


# What it refuses to load


def test_every_cut_and_every_flipped_bit_is_found(tmp_path):
    data = tiny_file()
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"no container|checksum"):
            container.loads(data[:length])
    for at, bit in itertools.product(range(len(data)), range(8)):
        altered = bytearray(data)
        altered[at] ^= 1 << bit
        with pytest.raises(ValueError, match=r"no container|checksum"):
            container.loads(bytes(altered))
    with pytest.raises(ValueError, match="checksum"):
        container.loads(data + b"\0")
    path = tmp_path / "empty.30f"
    path.touch()
    with pytest.raises(ValueError, match="no container"):
        container.load(path)
    with pytest.raises(FileNotFoundError):
        container.inspect(tmp_path / "missing.30f")


def test_a_file_too_large_is_not_even_read(tmp_path):
    path = tmp_path / "large.30f"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)  # a sparse file: no bytes on the disk
    with pytest.raises(ValueError, match="at most"):
        container.load(path)


def with_checksum(head, body):
    checksum = zlib.crc32(head + body).to_bytes(4, "big")
    return head + checksum + body


def test_a_version_to_come_is_told():
    data = tiny_file()
    with pytest.raises(ValueError, match="version 2, and this kit reads version 1"):
        container.loads(with_checksum(b"\x1e\x02", data[6:]))


def hostile(network="LeNet5Caffe", sizes=None, arguments=None, extra=b""):
    """A file with a right checksum whose content asks for what it should not."""
    coder = RangeEncoder()
    filled = complete(network, arguments or {})
    code_network(coder, network, filled)
    built = sizes_of(NETWORKS[network].make(filled))
    code_sizes(coder, built, sizes or built)
    return framed(coder.finish() + extra, b"")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: hostile("VGG16"), "ask for 138357544 values"),
        (
            lambda: hostile(sizes=[(65536, 1), (65536, 65536), (65536, 65536), (10, 65536)]),
            "values, too many to be true",
        ),
        (lambda: hostile("SmallAlexNet", arguments={"width": 1024}), "too many to be true"),
        (lambda: hostile(sizes=[(5, 1), (10, 6), (24, 160), (10, 24)]), "do not fit together"),
        (lambda: hostile(sizes=[(5, 3), (10, 5), (24, 160), (10, 24)]), "do not fit together"),
        (
            lambda: hostile("LeNet1998", sizes=[(60_000, 60_000), (60_000, 60_000), (84, 120)]),
            "one size, as published",
        ),
        (lambda: hostile(), r"ends early|float32 has 23 digits"),
        (lambda: framed(b"", b""), "ends early"),
        (lambda: framed(b"", b"tail"), "ends early"),
        (lambda: with_checksum(b"\x1e\x81", b"\xff\xff\xff\xffabc"), "coded bits follow"),
        (lambda: with_checksum(b"\x1e\x81", b"\x01"), "coded bits follow"),
        (lambda: framed(tiny_file()[6:] + b"more", b""), "bytes follow the message"),
        (lambda: framed(tiny_file()[6:], b"more"), "bytes follow the deflated part"),
    ],
)
def test_hostile_files_are_refused_before_they_take_memory(data, message):
    content = data()
    before = peak_bytes()
    with pytest.raises(ValueError, match=message):
        container.loads(content)
    assert peak_bytes() - before < 64 << 20


def peak_bytes():
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def test_deflate_gives_no_more_than_was_asked_for():
    model = edu.models.LeNet300100()
    tensors = {name: Levels.of(0 * each, 1) for name, each in model.named_parameters()}
    data = container.dumps(model, tensors=tensors, method="deflate")
    bits = data[10 : 10 + int.from_bytes(data[6:10], "big")]
    bomb = zlib.compress(bytes(50_000_000), 9)
    with pytest.raises(ValueError, match="does not hold 235200 bytes"):
        container.loads(framed(bits, bomb))


@pytest.mark.slow
def test_random_bytes_with_a_right_checksum_never_crash():
    data = bytearray(tiny_file())
    rng = np.random.default_rng(0)
    outcomes = {"loaded": 0, "refused": 0}
    for _ in range(300):
        body = bytearray(data[6:])
        for _ in range(rng.integers(1, 4)):
            body[rng.integers(len(body)) if rng.random() < 0.5 else rng.integers(12)] ^= int(
                rng.integers(1, 256)
            )
        try:
            container.loads(framed(bytes(body), b""))
            outcomes["loaded"] += 1
        except ValueError:
            outcomes["refused"] += 1
    # the checksum was made anew, so that a file may hold another network; it must say or be one
    assert outcomes["refused"] > 100


@pytest.mark.parametrize(("on_grids", "read"), [(True, True), (False, False)])
def test_grids_pass_on_what_another_processor_rounds_otherwise(monkeypatch, on_grids, read):
    """One step of an 8-bit grid is 0.4 % of the largest answer; floats differ by far less."""
    X = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()
    form = quantize_static(model, X) if on_grids else model
    data = container.dumps(form, example_input=X)
    here = own.outputs_of

    def elsewhere(model, inputs):
        answers = here(model, inputs)
        return answers + 0.01 * answers.abs().max() * torch.tensor([1, 0, -1, 0, 1])

    monkeypatch.setattr(own, "outputs_of", elsewhere)
    fresh = copied(form)
    if read:
        assert container.loads(data, into=fresh) is fresh
        return
    with pytest.raises(ValueError, match="answers otherwise"):
        container.loads(data, into=fresh)
