"""An int8 network in C: the integer engine's answers in every bit, on four processors."""

import re
import subprocess

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import edu_lib as edu
import roads
from classroom.final_network import final_network, one_scene
from edu_lib.deploy import IntegerNetwork, container, export_c, export_int8
from edu_lib.deploy.c import ROUNDING, plan
from edu_lib.models import LeNet5
from edu_lib.models.lenet import LeNet300100
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.quantization import quantize_static
from studies import c_targets

KB = c_targets.KB


def needs(target):
    programs = c_targets.missing(target)
    if programs:
        pytest.skip(f"this machine lacks {' and '.join(programs)}")


class Net(nn.Module):
    """A network from a function of its parts and the input."""

    def __init__(self, run, **parts):
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, X):
        return self.run(self, X)


def conv(inputs, outputs, size=3, **options):
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, **options)


def gated(self, x):
    y = F.relu(self.first(x))
    gates = F.relu6(self.gate(y.mean((2, 3), keepdim=True)))
    return self.last(y * gates)


def enlarged(self, x):
    y = F.interpolate(F.relu(self.down(x)), scale_factor=2.0)
    y = torch.cat([y, F.relu(self.beside(x))], 1)
    return F.interpolate(self.last(y), scale_factor=2.0, mode="bilinear")


def shuffled(self, x):
    y = F.relu(self.first(x))
    y = y.view(y.size(0), 2, 4, 12, 16).transpose(1, 2).reshape(y.size(0), 8, 12, 16)
    return F.pixel_shuffle(self.last(y), 2)


NETWORKS = {
    "windows": lambda: nn.Sequential(
        conv(3, 8, 5, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), conv(8, 6, 3, dilation=1),
        nn.ReLU6(), nn.Conv2d(6, 6, 2, dilation=2, bias=False), nn.Flatten(), nn.Linear(12, 5),
    ),
    "groups": lambda: nn.Sequential(
        conv(3, 9, 3, groups=3), nn.ReLU(), conv(9, 9, 3, groups=9), nn.ReLU(), conv(9, 4, 1),
        nn.ReLU(),
    ),
    "averages": lambda: nn.Sequential(
        conv(3, 4), nn.ReLU(), nn.AvgPool2d(3, 2, 1, count_include_pad=False), conv(4, 4),
        nn.ReLU(), nn.AvgPool2d(2), conv(4, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 3),
    ),
    "largest": lambda: nn.Sequential(
        conv(3, 4), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU(), nn.AdaptiveMaxPool2d(1),
        nn.Flatten(), nn.Linear(4, 3), nn.Hardtanh(-0.1, 0.1),
    ),
    "skip": lambda: Net(
        lambda s, x: (lambda y: s.last(F.relu(y + s.second(y))))(F.relu(s.first(x))),
        first=conv(3, 6), second=conv(6, 6), last=conv(6, 2),
    ),
    "gates": lambda: Net(gated, first=conv(3, 6), gate=conv(6, 6, 1), last=conv(6, 2)),
    "enlarged": lambda: Net(
        enlarged, down=conv(3, 4, stride=2), beside=conv(3, 2), last=conv(6, 2, 1)
    ),
    "shuffles": lambda: Net(shuffled, first=conv(3, 8), last=conv(8, 8)),
    "named as a word of C": lambda: Net(lambda s, x: s.switch(x), switch=conv(3, 2)),
    "answers named as their layers": lambda: Net(
        lambda s, x: (lambda y: {"depth": s.depth(x), "pixels": y})(s.pixels(x)),
        depth=conv(3, 2), pixels=conv(3, 4, stride=2),
    ),
}  # fmt: skip


def written(model, X, folder, name="net"):
    """(int8 file, C file) of a model after calibration on X."""
    int8_file = export_int8(quantize_static(model.eval(), X), X[:1], folder / f"{name}.onnx")
    return int8_file, export_c(int8_file, folder / f"{name}.c")


def random_bytes(*shape):
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)


def engine(int8_file, images):
    """All answers of the integer engine side by side, float32 [N, values]."""
    network = IntegerNetwork(int8_file)
    answers = network.run(images.astype(np.float32) / np.float32(255))
    return np.concatenate([answers[name].reshape(len(images), -1) for name in network.outputs], 1)


def assert_equal_bits(int8_file, c_file, images, target, folder, **memory):
    outcome = c_targets.run(c_file, target, images, folder, **memory)
    expected = engine(int8_file, images)
    assert outcome.answers.shape == expected.shape
    np.testing.assert_array_equal(outcome.answers, expected)
    assert np.unique(expected).size > len(images)  # not one answer for all
    return outcome


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_operation_gives_the_engines_bits(name, tmp_path):
    needs("computer")
    torch.manual_seed(0)
    X = torch.rand(8, 3, 12, 16)
    files = written(NETWORKS[name](), X, tmp_path)
    assert_equal_bits(*files, random_bytes(8, 3, 12, 16), "computer", tmp_path / "run")


@pytest.mark.slow
def test_a_flat_input_and_two_answers(tmp_path):
    needs("computer")
    torch.manual_seed(0)
    X = torch.rand(4, 1, 28, 28)
    files = written(LeNet300100(), X, tmp_path, "300-100")
    assert_equal_bits(*files, random_bytes(4, 1, 28, 28), "computer", tmp_path / "flat")
    X, images = torch.rand(2, 3, 32, 64), random_bytes(1, 3, 32, 64)
    model = RoadNet(["segmentation", "depth"], width=0.125)
    model(X)
    files = written(model, X, tmp_path, "road")
    assert_equal_bits(*files, images, "computer", tmp_path / "road")


@pytest.fixture(scope="module")
def digits():
    return edu.mnist()


@pytest.fixture(scope="module", params=["lenet5", "tiny"])
def trained(request, digits, tmp_path_factory):
    """(int8 file, C file) of a trained network."""
    if request.param == "lenet5":
        model = edu.load_weights(LeNet5(), "lenet5")
    else:
        model = container.load(edu.files.DATA_FOLDER / "weights" / "tiny.30f")
    return written(model, digits.fit.X[:64].float(), tmp_path_factory.mktemp("c"), request.param)


@pytest.mark.slow
@pytest.mark.parametrize("target", c_targets.TARGETS)
def test_a_hundred_digits_on_every_processor(trained, digits, target, tmp_path):
    needs(target)
    images = (digits.test.X[:100].float() * 255).round().byte().numpy()
    arduino = {"flash_bytes": 256 * KB, "ram_bytes": 32 * KB}
    outcome = assert_equal_bits(*trained, images, target, tmp_path, **arduino)
    right = (outcome.answers.argmax(1) == digits.test.y[:100].numpy()).sum()
    assert right > 90
    if target.startswith("cortex"):
        int8_weights = trained[0].stat().st_size
        assert outcome.flash_bytes < 256 * KB
        assert c_targets.STACK_BYTES + 784 < outcome.ram_bytes < 32 * KB
        assert outcome.instructions > int8_weights  # each weight is used at least once


@pytest.mark.slow
def test_the_network_that_ships_reads_a_scene(tmp_path):
    needs("computer")
    int8_file = export_int8(final_network(), one_scene(), tmp_path / "final.onnx")
    c_file = export_c(int8_file, tmp_path / "final.c")
    image = np.ascontiguousarray(roads.scene(3).image.transpose(2, 0, 1))
    assert_equal_bits(int8_file, c_file, image[None], "computer", tmp_path / "run")


@pytest.mark.slow
def test_a_chip_that_is_too_small_is_said_so(trained, tmp_path):
    needs("cortex_m0plus")
    with pytest.raises(RuntimeError, match=r"region `RAM' overflowed"):
        c_targets.run(trained[1], "cortex_m0plus", random_bytes(1, 1, 28, 28), tmp_path,
                      ram_bytes=4 * KB)  # fmt: skip


@pytest.mark.slow
def test_no_heap_and_no_floats_but_at_the_door(trained):
    text = trained[1].read_text()
    assert re.findall(r"#include (.*)", text) == ["<stdint.h>"]
    assert "malloc" not in text
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    functions = re.findall(r"^static void run_(\w+)\((.*?)\) {(.*?)^}", code, re.M | re.S)
    assert len(functions) > 5
    for name, argument, body in functions:
        assert ("float" in argument + body) == name.startswith("answer_"), name


def test_the_rounding_in_c_is_that_of_float32(tmp_path):
    needs("computer")
    generator = np.random.default_rng(0)
    n = np.concatenate([generator.integers(-(2**r), 2**r, 4000) for r in (2, 8, 16, 24, 31)])
    M = (generator.random(n.size, np.float32) + np.float32(0.5)) * np.float32(2.0) ** (
        -generator.integers(1, 24, n.size)
    ).astype(np.float32)
    mantissa, shift = edu.deploy.arithmetic.fixed_point(M)
    program = """
#include <stdio.h>
int main(void) {
    long long n, mantissa; int shift;
    while (scanf("%lld %lld %d", &n, &mantissa, &shift) == 3)
        printf("%lld\\n", (long long)round_shift(to_24_bits(to_24_bits(n) * mantissa), shift));
    return 0;
}"""
    (tmp_path / "rounding.c").write_text(f"#include <stdint.h>\n{ROUNDING}{program}")
    subprocess.run(["gcc", *c_targets.STRICT, "rounding.c", "-o", "r"], cwd=tmp_path, check=True)
    asked = "\n".join(f"{a} {b} {c}" for a, b, c in zip(n, mantissa, shift, strict=True))
    told = subprocess.run([tmp_path / "r"], input=asked, capture_output=True, text=True, check=True)
    expected = np.rint(n.astype(np.float32) * M).astype(np.int64)
    np.testing.assert_array_equal(np.array(told.stdout.split(), np.int64), expected)


def test_what_lives_together_never_shares_a_byte():
    generator = np.random.default_rng(0)
    sizes = {f"at_{i}": int(size) for i, size in enumerate(generator.integers(1, 100, 40))}
    lives = {name: sorted(generator.integers(0, 20, 2).tolist()) for name in sizes}
    offsets, arena = plan(sizes, lives)
    most = 0
    for moment in range(20):
        alive = [name for name, (first, last) in lives.items() if first <= moment <= last]
        taken = [
            byte for name in alive for byte in range(offsets[name], offsets[name] + sizes[name])
        ]
        assert len(taken) == len(set(taken))
        assert max(taken, default=0) < arena
        most = max(most, len(taken))
    assert most <= arena < 1.5 * most


def test_a_chain_needs_its_two_largest_neighbours():
    sizes, lives = {"a": 10, "b": 60, "c": 20, "d": 5}, {"a": [0, 1], "b": [1, 2], "c": [2, 3],
                                                        "d": [3]}  # fmt: skip
    assert plan(sizes, lives)[1] == 80


def test_what_c_has_no_loop_for_is_said(tmp_path):
    X = torch.rand(2, 3, 8, 8)
    ends_in_a_sum = Net(lambda s, x: s.a(x) + s.b(x), a=conv(3, 2), b=conv(3, 2))
    with pytest.raises(ValueError, match="no loop for Add"):
        written(ends_in_a_sum, X, tmp_path)
    tanh = nn.Sequential(conv(3, 2), nn.Tanh(), conv(2, 2))
    with pytest.raises(ValueError, match="needs floats for Tanh"):
        written(tanh, X, tmp_path)
    assert not list(tmp_path.glob("*.c"))


def test_the_stored_study_found_no_other_bit():
    stored = edu.load_result("c_export")
    for name in ("lenet5", "tinynet", "road_eighth", "thirty_frames"):
        rows = stored[name]["targets"]
        assert rows.keys() == c_targets.TARGETS.keys()
        assert {row["values_different"] for row in rows.values()} == {0}
    for name in ("lenet5", "tinynet"):
        chip = stored[name]["targets"]["cortex_m0plus"]
        assert chip["flash"] < stored[name]["flash_bytes"] == 256 * KB
        assert chip["ram"] < stored[name]["ram_bytes"] == 32 * KB
    final = stored["thirty_frames"]
    needed = final["arena_bytes"] + final["image_bytes"] + final["answer_bytes"]
    assert 32 * KB < needed <= final["targets"]["cortex_m0plus"]["ram"] < final["ram_bytes"]
