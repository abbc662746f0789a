"""The page for a phone: one file, no request, the logits of ONNX Runtime; and a class's devices."""

import base64
import gzip
import json
import os
import re

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import kit
import roads
from edu_lib.deploy import export_int8, session
from edu_lib.models import LeNet5
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.quantization import quantize_static
from tools import devices, phone
from tools.browser import barriers

pytestmark = pytest.mark.usefixtures("closed_pages")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
MILLISECONDS = 240_000
ASK = """async (pixels) => Object.fromEntries(
    Object.entries(await window.phone.run(Float32Array.from(pixels))).map(
        ([name, y]) => [name, Array.from(y)]))"""


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """{name: int8 file} for digits and for roads."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("phone")
    files = {}
    for name, model, X in (
        ("digits", LeNet5(), torch.rand(8, 1, 28, 28)),
        ("roads", RoadNet(width=0.125), torch.rand(2, 3, 64, 128)),
    ):
        quantized = quantize_static(model.eval(), X)
        files[name] = export_int8(quantized, X[:1], folder / f"{name}.onnx")
    return files


@pytest.fixture(scope="module")
def browser(playwright):
    path = os.environ.get("KIT_BROWSER") or kit.find_browser()
    opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
    yield opened
    opened.close()


def opened_page(browser, path, **options):
    """(page, the addresses it asked for) when the network of the page is ready."""
    page, asked = browser.new_context(**options).new_page(), []
    page.set_default_timeout(MILLISECONDS)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("#state:has-text('Ready'), #state:has-text('cannot')")
    assert "Ready" in page.text_content("#state")
    return page, asked


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("name", ["digits", "roads"])
def test_the_page_gives_onnxruntimes_logits_in_every_bit(networks, name, browser, tmp_path):
    path = phone.write_page(networks[name], tmp_path / "page.html")
    page, _ = opened_page(browser, path, bypass_csp=True)  # the driver evaluates text
    opened = session(networks[name])
    shape = opened.get_inputs()[0].shape[1:]
    X = np.random.default_rng(0).random((1, *shape), dtype=np.float32)
    expected = opened.run(None, {"X": X})
    found = page.evaluate(ASK, X.ravel().tolist())
    for output, answer in zip(opened.get_outputs(), expected, strict=True):
        got = np.array(found[output.name], np.float32).reshape(answer.shape)
        np.testing.assert_array_equal(got, answer)


@pytest.mark.slow
@pytest.mark.browser
def test_the_network_that_ships_drives_on_its_page(browser, tmp_path):
    path = tmp_path / "drive.html"
    assert phone.main([str(tmp_path / "thirty_frames"), str(path)]) == 0
    assert path.stat().st_size < phone.MOST_BYTES
    page, asked = opened_page(browser, path, bypass_csp=True)
    page.wait_for_selector("#answer:has-text('steer'):has-text('ahead'), #answer:has-text(' m')")
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}
    model = tmp_path / "inside.onnx"
    model.write_bytes(gzip.decompress(base64.b64decode(page.text_content("#packed-model"))))
    opened = session(model)
    X = roads.scene(3).image.transpose(2, 0, 1)[None].astype(np.float32) / 255
    found = page.evaluate(ASK, X.ravel().tolist())
    for output, answer in zip(opened.get_outputs(), opened.run(None, {"X": X}), strict=True):
        got = np.array(found[output.name], np.float32).reshape(answer.shape)
        np.testing.assert_array_equal(got, answer)


@pytest.mark.slow
@pytest.mark.browser
def test_a_digit_is_drawn_timed_and_taken_along(networks, browser, tmp_path):
    path = phone.write_page(networks["digits"], tmp_path / "page.html")
    page, asked = opened_page(browser, path)
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=4)
    page.mouse.up()
    page.wait_for_selector("#answer:has-text('It is')")
    page.click("#measure")
    page.wait_for_selector("#result:not([hidden])")
    result = json.loads(page.input_value("#json"))
    assert result["model"] == "digits"
    assert 0 < result["p50_ms"] <= result["p90_ms"]
    assert page.locator("#code svg").count() == 1
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "laptop.json").write_text(page.input_value("#json"))
    assert [row["file"] for row in devices.read(tmp_path / "results")] == ["laptop"]


@pytest.mark.slow
@pytest.mark.browser
def test_a_drive_that_is_chosen_again_keeps_its_pace(networks, browser, tmp_path):
    path = phone.write_page(networks["roads"], tmp_path / "page.html")
    page, _ = opened_page(browser, path, bypass_csp=True)
    page.evaluate("""() => {
        window.waiting = [];
        window.requestAnimationFrame = (call) => window.waiting.push(call); }""")
    page.wait_for_function("window.waiting.length", polling=100)  # the drive now stands still
    for _ in range(2):
        page.click("nav button[data-source=drive]")
    assert page.evaluate("window.waiting.length") == 1


@pytest.mark.slow
@pytest.mark.browser
def test_a_measurement_that_fails_is_told_and_may_be_tried_again(networks, browser, tmp_path):
    path = phone.write_page(networks["digits"], tmp_path / "page.html")
    page, _ = opened_page(browser, path, bypass_csp=True)
    page.evaluate("""() => {
        window.whole = CanvasRenderingContext2D.prototype.getImageData;
        CanvasRenderingContext2D.prototype.getImageData = () => {
            window.locked = document.querySelector("nav button").disabled;
            throw 25501816; }; }""")
    page.click("#measure")
    page.wait_for_selector("#ms:text-is('not measured: 25501816')")
    assert page.evaluate("window.locked")  # or another image would be drawn while it is timed
    assert page.is_enabled("nav button[data-source=draw]")
    page.evaluate("() => { CanvasRenderingContext2D.prototype.getImageData = window.whole; }")
    page.click("#measure:not([disabled])")
    page.wait_for_selector("#result:not([hidden])")
    assert "median" in page.text_content("#ms")


@pytest.mark.slow
@pytest.mark.browser
def test_axe_finds_no_barrier_before_and_after_a_measurement(networks, browser, tmp_path):
    pytest.importorskip("axe_playwright_python", reason="requirements-dev.txt has it")
    for name, path in networks.items():
        file = phone.write_page(path, tmp_path / f"{name}.html")
        page, _ = opened_page(browser, file, bypass_csp=True)
        assert barriers(page) == [], name
    page.click("#measure")
    page.wait_for_selector("#result:not([hidden])")
    assert barriers(page) == []


def test_a_page_is_one_small_file_that_names_no_other(networks, tmp_path):
    path = phone.write_page(networks["digits"], tmp_path / "page.html")
    text = path.read_text()
    assert path.stat().st_size < phone.MOST_BYTES
    assert not re.search(r"<(?:script|link|iframe)\b[^>]*\b(?:src|href)=", text)
    assert "default-src 'none'" in text
    assert (
        phone.RUNTIME.split()[1].rstrip(",")
        == json.loads((phone.VENDOR / "vendored.json").read_text())["ort.wasm.bundle.min.mjs"][
            "version"
        ]
    )


def test_what_is_no_network_for_images_is_said(networks, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="give a file of export_onnx"):
        phone.write_page(tmp_path / "none.onnx", tmp_path / "page.html")
    (tmp_path / "text.onnx").write_text("no network")
    assert phone.main([str(tmp_path / "text.onnx")]) == 1
    assert "text.onnx" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.html"))
    assert phone.main([]) == 2


def test_a_file_for_four_images_at_once_is_refused(networks, tmp_path):
    model = onnx.load(networks["digits"])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, tmp_path / "four.onnx")
    for gpu in (False, True):
        with pytest.raises(ValueError, match=r"four.onnx takes \[\[4, 1, 28, 28\]\]: the page"):
            phone.write_page(tmp_path / "four.onnx", tmp_path / "page.html", gpu)


def test_a_part_that_was_changed_is_refused(monkeypatch, tmp_path):
    (tmp_path / "qrcode.js").write_text("changed")
    (tmp_path / "vendored.json").write_text((phone.VENDOR / "vendored.json").read_text())
    monkeypatch.setattr(phone, "VENDOR", tmp_path)
    with pytest.raises(ValueError, match=r"qrcode.js is damaged"):
        phone.part("qrcode.js")


def row(ms, **more):
    return {"model": "lenet5", "p50_ms": ms, "p90_ms": ms, "device": "Android 15", **more}


def test_the_devices_of_a_class_come_fastest_first(tmp_path, capsys):
    for name, ms in (("slow", 60.0), ("fast", 0.4)):
        (tmp_path / f"{name}.json").write_text(json.dumps(row(ms)))
    assert [each["file"] for each in devices.read(tmp_path)] == ["fast", "slow"]
    assert devices.main([str(tmp_path)]) == 0
    assert "2 devices" in capsys.readouterr().out
    assert Image.open(tmp_path / "devices.png").size[0] == 760


def test_a_result_that_is_none_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"holds no .json file"):
        devices.read(tmp_path)
    for wrong in (
        "{",
        "[]",
        json.dumps({"model": "x"}),
        json.dumps(row("fast")),
        json.dumps(row(0)),
    ):
        (tmp_path / "phone.json").write_text(wrong)
        with pytest.raises(ValueError, match=r"phone.json is no result"):
            devices.read(tmp_path)
