"""The page with --gpu: floats that a GPU computes rightly, and no time of a GPU that errs."""

import functools
import json
import os

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import kit
from edu_lib.deploy import export_int8, export_onnx
from edu_lib.models import LeNet5
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.quantization import FakeQuantize, quantize_static
from tools import devices, phone, phone_gpu
from tools.browser import barriers

pytestmark = pytest.mark.usefixtures("closed_pages")
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--enable-unsafe-webgpu"]
SOFTWARE_FLAGS = [
    *("--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"),
    *("--use-vulkan=swiftshader", "--ignore-gpu-blocklist"),
]
MILLISECONDS = 400_000
# A runtime whose GPU is the page's own processor, so that every machine can test what the page
# makes of right answers, and, with SPOIL, of wrong ones. It keeps what it was given.
STUB = """
export const env = { wasm: {}, webgpu: {} };
export class Tensor { constructor(type, data, dims) { Object.assign(this, { data, dims }); } }
globalThis.seen = [];
export const InferenceSession = { create: async () => ({
  inputNames: ["X"],
  run: async ({ X }) => {
    const call = seen.push(Array.from(X.data));
    const spoil = SPOIL;
    const answers = Object.entries(await window.phone.floats(X.data));
    return Object.fromEntries(answers.map(([name, y]) =>
      [name, { dims: y.dims, data: Float32Array.from(y.data, (v) => spoil(v, call)) }]));
  },
}) };
"""
RIGHT = "(v) => v"
# a GPU that the browser names, in the place of the one that this browser may have
ADAPTER = """Object.defineProperty(navigator, "gpu", { value: {
  requestAdapter: async () => (ADAPTER) } });"""
APPLE = '{ info: { vendor: "apple", architecture: "metal-3" } }'


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Name -> (quantized network, its int8 file): digits need the mending, and roads do not."""
    folder = tmp_path_factory.mktemp("gpu")

    @functools.cache
    def made(name):
        torch.manual_seed(0)
        model, shape = {
            "digits": (LeNet5, (8, 1, 28, 28)),
            "roads": (lambda: RoadNet(width=0.125), (2, 3, 32, 64)),
        }[name]
        X = torch.rand(shape)
        network = quantize_static(model().eval(), X)
        return network, export_int8(network, X[:1], folder / f"{name}.onnx")

    return made


@pytest.mark.parametrize("name", ["digits", "roads"])
def test_the_float_form_is_the_network_without_rounded_activations(files, name):
    network, path = files(name)
    written = phone_gpu.float_form(path.read_bytes(), path.name)
    operations = {node.op_type for node in onnx.load_model_from_string(written).graph.node}
    assert not {"QuantizeLinear", "DequantizeLinear"} & operations
    for layer in [key for key, each in network.named_modules() if isinstance(each, FakeQuantize)]:
        network.set_submodule(layer, nn.Identity())
    shape = phone.input_shape(path.read_bytes(), name)
    X = phone_gpu.noise(shape, 2)
    with torch.no_grad():
        wanted = [network(torch.from_numpy(image[None])) for image in X]
    for found, y in zip(phone_gpu.answers(written, X), wanted, strict=True):
        outputs = list(y.values()) if isinstance(y, dict) else [y]
        for answer, output in zip(found, outputs, strict=True):
            np.testing.assert_allclose(answer, output.numpy(), rtol=1e-4, atol=1e-4)


def convolution(ins, outs, groups, window=3):
    """(a file with one convolution of small integers, an image for it)."""
    random = np.random.default_rng(ins + outs)
    W = random.integers(-4, 5, (outs, ins // groups, window, window)).astype(np.float32)
    node = helper.make_node("Conv", ["X", "W"], ["y"], group=groups, pads=[1, 1, 1, 1])
    graph = helper.make_graph(
        [node],
        "convolution",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["batch", ins, 7, 9])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", outs, 7, 9])],
        [numpy_helper.from_array(W, "W")],
    )
    opset = [helper.make_opsetid("", 20)]
    content = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    return content, random.integers(0, 8, (1, ins, 7, 9)).astype(np.float32)


@pytest.mark.parametrize(
    ("ins", "outs", "groups", "mended"),
    [
        *((6, 16, 1, True), (9, 16, 1, True), (15, 4, 1, True), (12, 24, 4, True)),
        *((4, 10, 2, True), (6, 12, 2, True), (24, 48, 8, True)),
        *((3, 16, 1, False), (4, 16, 1, False), (12, 16, 1, False), (5, 16, 1, False)),
        *((6, 6, 6, False), (6, 18, 3, False), (8, 16, 2, False), (9, 9, 9, False)),
    ],
)
def test_a_mended_convolution_gives_the_same_sums(ins, outs, groups, mended):
    content, X = convolution(ins, outs, groups)
    model = onnx.load_model_from_string(content)
    phone_gpu.mend_convolutions(model.graph)
    onnx.checker.check_model(model)
    written = model.SerializeToString()
    assert (written != content) == mended
    np.testing.assert_array_equal(
        phone_gpu.answers(written, X)[0][0], phone_gpu.answers(content, X)[0][0]
    )
    weight = numpy_helper.to_array(model.graph.initializer[0])
    if mended:  # one group, whose channels are read four by four or one by one
        assert weight.shape[1] % 4 == 0 or weight.shape[1] % 3
        assert weight.shape[1] >= ins


def test_the_tolerance_is_above_rounding_and_below_a_fault(files):
    _, path = files("digits")
    content = phone_gpu.float_form(path.read_bytes(), path.name)
    X = phone_gpu.checked_images([1, 28, 28], [])
    tolerance = phone_gpu.rounding_moves(content, X)["y_hat"]
    model = onnx.load_model_from_string(content)
    right = np.stack([found[0] for found in phone_gpu.answers(content, X)])

    def off(change):
        for tensor in model.graph.initializer:
            if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 4:
                W = numpy_helper.to_array(tensor)
                tensor.CopyFrom(numpy_helper.from_array(change(W), tensor.name))
        found = np.stack([y[0] for y in phone_gpu.answers(model.SerializeToString(), X)])
        return np.abs(found - right).max()

    half_a_unit = off(lambda W: np.nextafter(W, np.float32(np.inf)))
    assert 0 < half_a_unit <= tolerance < 1e-3 * np.abs(right).max()
    assert off(lambda W: W * np.float32(1.001)) > tolerance


def test_what_has_no_float_form_is_said(tmp_path):
    node = helper.make_node("QuantizeLinear", ["X", "scale", "zero_point"], ["q"])
    back = helper.make_node("DequantizeLinear", ["q", "scale", "zero_point"], ["y"])
    odd = helper.make_node("ConvInteger", ["q", "W"], ["sums"])
    graph = helper.make_graph(
        [node, back, odd],
        "integers",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["batch", 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.float32(0.1), "scale"),
            numpy_helper.from_array(np.uint8(0), "zero_point"),
            numpy_helper.from_array(np.ones((1, 1, 3, 3), np.uint8), "W"),
        ],
    )
    opset = [helper.make_opsetid("", 20)]
    (tmp_path / "odd.onnx").write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    )
    with pytest.raises(ValueError, match=r"odd.onnx has integers in another form than"):
        phone.write_page(tmp_path / "odd.onnx", tmp_path / "page.html", gpu=True)


def launched(playwright, *flags):
    path = os.environ.get("KIT_BROWSER") or kit.find_browser()
    return playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])


@pytest.fixture(scope="module")
def browser(playwright):
    opened = launched(playwright)
    yield opened
    opened.close()


def checked_page(browser, path, before="", **options):
    """(page, the addresses it asked for) once the page has judged the GPU.

    before: a script that runs before those of the page.
    """
    page, asked = browser.new_context(**options).new_page(), []
    page.set_default_timeout(MILLISECONDS)
    page.on("request", lambda request: asked.append(request.url))
    if before:
        page.add_init_script(before)
    page.goto(path.as_uri())
    page.wait_for_selector("#measure:not([disabled])")
    return page, asked


def measured(page):
    """The result, measured by keyboard alone; and what the table shows."""
    page.focus("#measure")
    page.keyboard.press("Enter")
    page.wait_for_selector("#result:not([hidden])")
    return json.loads(page.input_value("#json")), page.inner_text("#times")


@pytest.fixture
def stubbed(files, monkeypatch, tmp_path):
    """Writes a page whose part for the GPU is STUB: (name, what spoils an answer) -> its path."""
    real = phone.part

    def write(name, spoil=RIGHT):
        path = files(name)[1] if isinstance(name, str) else name
        parts = {
            "ort.jspi.bundle.min.mjs.xz": STUB.replace("SPOIL", spoil).encode(),
            "ort-wasm-simd-threaded.jspi.wasm.xz": b"",
        }
        monkeypatch.setattr(
            phone, "part", lambda each: parts[each] if each in parts else real(each)
        )
        return phone.write_page(path, tmp_path / "page.html", gpu=True)

    return write


@pytest.mark.slow
@pytest.mark.browser
def test_right_answers_of_a_gpu_are_timed_and_taken_along(stubbed, browser, tmp_path, capsys):
    pytest.importorskip("axe_playwright_python", reason="requirements-dev.txt has it")
    path = stubbed("digits")
    before = ADAPTER.replace("ADAPTER", APPLE)
    page, asked = checked_page(browser, path, before, bypass_csp=True)
    assert "are the processor's" in page.text_content("#gpu-state")
    seen = np.array(page.evaluate("seen.slice(0, 3)"), np.float32)
    np.testing.assert_allclose(
        seen, phone_gpu.noise([1, 28, 28], phone_gpu.NOISE_IMAGES).reshape(3, -1), atol=1e-7
    )
    result, shown = measured(page)
    assert "GPU (apple metal-3), floats" in shown
    assert result["form"] == "int8"
    assert result["gpu_fp32"]["p50_ms"] > 0
    assert result["gpu_fp32"]["adapter"] == "apple metal-3"
    assert 0 < result["cpu_fp32"]["p50_ms"] <= result["cpu_fp32"]["p90_ms"]
    assert barriers(page) == []
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "phone.json").write_text(page.input_value("#json"))
    rows = devices.read(tmp_path / "class")
    assert {row["form"] for row in rows} == {devices.INT8, devices.FLOATS, devices.GPU}
    assert devices.main([str(tmp_path / "class")]) == 0
    assert "1 devices" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("digits", "(v) => 1.01 * v", "wrong"),
        ("digits", "() => NaN", "wrong"),
        ("digits", "(v, call) => (call > 3 ? 1.01 * v : v)", "wrong"),  # while it is measured
        ("digits", "() => { throw new Error('device lost'); }", "stopped: device lost"),
        ("digits", "() => { throw 25501816; }", "stopped: 25501816"),  # as WebAssembly may
        ("digits", "(v, call) => { if (call > 4) throw new Error('lost'); return v; }", "stopped"),
        ("roads", "(v) => v + 0.01", "pixels change their class"),
    ],
)
def test_wrong_answers_of_a_gpu_give_a_sentence_and_no_time(stubbed, browser, name, spoil, said):
    page, _ = checked_page(browser, stubbed(name, spoil), ADAPTER.replace("ADAPTER", APPLE))
    result, shown = measured(page)
    sentence = page.text_content("#gpu-state")
    assert said in sentence
    assert sentence.endswith("only the processor's times are shown.")
    assert "GPU" not in shown
    assert not {"gpu_fp32", "software_fp32"} & result.keys()
    assert result["no_gpu"] in devices.NO_GPU
    assert result["cpu_fp32"]["p50_ms"] > 0
    assert page.text_content("#measure") == "Measure for 6 seconds"  # int8 and floats are left


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(
    ("before", "why"),
    [
        ('Object.defineProperty(navigator, "gpu", { value: undefined });', "no WebGPU"),
        ("delete WebAssembly.Suspending;" + ADAPTER.replace("ADAPTER", APPLE), "no JSPI"),
        (ADAPTER.replace("ADAPTER", "null"), "no adapter"),
    ],
)
def test_a_browser_without_a_gpu_says_so_in_one_sentence(stubbed, browser, before, why):
    page, _ = checked_page(browser, stubbed("digits"), before)
    result, shown = measured(page)
    assert "only the processor's times are shown" in page.text_content("#gpu-state")
    assert result["no_gpu"] == why
    assert "GPU" not in shown
    assert page.inner_text("#forms").count("processor") == 2


@pytest.mark.slow
@pytest.mark.browser
def test_software_is_not_called_a_gpu(stubbed, browser):
    adapter = '{ info: { vendor: "mesa", architecture: "", description: "llvmpipe (LLVM 19)" } }'
    page, _ = checked_page(browser, stubbed("digits"), ADAPTER.replace("ADAPTER", adapter))
    result, shown = measured(page)
    assert "gpu_fp32" not in result
    assert result["software_fp32"]["adapter"] == "mesa llvmpipe (LLVM 19)"
    assert "software in place of a GPU" in shown
    assert "the time is no GPU's" in page.text_content("#gpu-state")


@pytest.fixture(scope="module")
def webgpu(playwright):
    """Chromium with the adapter that computes on the processor; skips where it has none."""
    opened = launched(playwright, *SOFTWARE_FLAGS)
    page = opened.new_page()
    page.goto(kit.ROOT.joinpath("tools", "phone_page", "page.html").as_uri())
    has = page.evaluate("async () => !!(await navigator.gpu?.requestAdapter())")
    page.close()
    if not has:
        opened.close()
        pytest.skip("this Chromium has no software adapter for WebGPU")
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.browser
def test_webgpu_answers_as_the_processor_does(files, webgpu, tmp_path):
    path = phone.write_page(files("digits")[1], tmp_path / "page.html", gpu=True)
    assert phone.MOST_BYTES < path.stat().st_size < phone.MOST_BYTES_WITH_GPU
    page, asked = checked_page(webgpu, path)
    assert "are the processor's" in page.text_content("#gpu-state")
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}
    result, _ = measured(page)
    assert "swiftshader" in result["software_fp32"]["adapter"]
    assert "gpu_fp32" not in result


@pytest.mark.slow
@pytest.mark.browser
def test_the_runtimes_own_fault_is_found(files, webgpu, monkeypatch, tmp_path):
    monkeypatch.setattr(phone_gpu, "mend_convolutions", lambda graph: None)
    path = phone.write_page(files("digits")[1], tmp_path / "page.html", gpu=True)
    page, _ = checked_page(webgpu, path)
    assert "answers of this GPU, or of its runtime, are wrong" in page.text_content("#gpu-state")
    result, _ = measured(page)
    assert result["no_gpu"] == "wrong"


@pytest.mark.slow
@pytest.mark.browser
def test_a_float_file_is_timed_in_floats_alone(stubbed, browser, tmp_path):
    torch.manual_seed(0)
    path = export_onnx(LeNet5().eval(), torch.rand(1, 1, 28, 28), tmp_path / "floats.onnx")
    page, _ = checked_page(browser, stubbed(path), ADAPTER.replace("ADAPTER", APPLE))
    result, shown = measured(page)
    assert result["form"] == "floats"
    assert "cpu_fp32" not in result
    assert result["gpu_fp32"]["off"] <= 1
    assert "int8" not in shown


GPU_ROW = {"p50_ms": 5.0, "p90_ms": 6.0, "adapter": "apple metal-3", "off": 0.1}


def result_with(**more):
    shared = {"model": "lenet5", "device": "Android 15", "p50_ms": 9.0, "p90_ms": 9.5}
    return shared | {"form": "int8"} | more


def test_a_class_with_gpus_is_drawn_row_by_row(tmp_path, capsys):
    old = {key: value for key, value in result_with().items() if key != "form"}
    (tmp_path / "old.json").write_text(json.dumps(old))
    fp32 = {"p50_ms": 7.0, "p90_ms": 8.0, "runs": 3}
    (tmp_path / "new.json").write_text(json.dumps(result_with(cpu_fp32=fp32, gpu_fp32=GPU_ROW)))
    (tmp_path / "none.json").write_text(json.dumps(result_with(no_gpu="wrong")))
    slow = GPU_ROW | {"adapter": "google swiftshader"}
    (tmp_path / "slow.json").write_text(json.dumps(result_with(software_fp32=slow)))
    rows = devices.read(tmp_path)
    assert [row["file"] for row in rows if row["form"] == devices.GPU] == ["new"]
    assert [row["file"] for row in rows if row["form"] == devices.SOFTWARE] == ["slow"]
    assert [row["form"] for row in rows if row["file"] == "old"] == [""]
    assert devices.main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "4 devices" in said
    assert "none has no bar of a GPU: the GPU's answers were wrong" in said


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"gpu_fp32": GPU_ROW | {"off": 1.5}}, "not the processor's"),
        ({"gpu_fp32": {"p50_ms": 5.0, "p90_ms": 6.0, "adapter": "apple"}}, "'off'"),
        ({"gpu_fp32": GPU_ROW | {"adapter": "google swiftshader"}}, "is no GPU"),
        ({"gpu_fp32": GPU_ROW | {"adapter": "a\nb"}}, "'adapter'"),
        ({"gpu_fp32": GPU_ROW | {"p50_ms": float("nan")}}, "'p50_ms'"),
        ({"gpu_fp32": GPU_ROW | {"p90_ms": True}}, "'p90_ms'"),
        ({"gpu_fp32": GPU_ROW | {"p50_ms": 10**400}}, "'p50_ms'"),
        ({"gpu_fp32": [1]}, "'gpu_fp32'"),
        ({"cpu_fp32": {"p50_ms": -1, "p90_ms": 2}}, "'p50_ms'"),
        ({"device": 7}, "'device'"),
        ({"model": "x" * 2000}, "'model'"),
        ({"p50_ms": float("inf")}, "'p50_ms'"),
        ({"more": "x" * 200_000}, "bytes"),
    ],
)
def test_a_file_from_outside_that_is_wrong_is_refused(tmp_path, more, why):
    (tmp_path / "phone.json").write_text(json.dumps(result_with(**more)))
    with pytest.raises(ValueError, match=r"phone.json is no result of a phone page") as raised:
        devices.read(tmp_path)
    assert why in str(raised.value)
