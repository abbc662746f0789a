"""The camera of chapter 13 in JupyterLab and headless Chromium: its own test camera, and none."""

import contextlib
import json

import nbformat
import pytest
import test_browser
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from test_browser import FLAGS, MILLISECONDS

from tools import browser

pytestmark = pytest.mark.browser

CELL = """
import numpy as np
import classroom

def strongest(picture):
    light = np.asarray(picture, float).sum((0, 1))
    return [(("red", "green", "blue")[light.argmax()], 100 * light.max() / light.sum())]

classroom.Webcam(strongest)
"""
# a green picture with a moving disc, and nobody is asked whether it may be seen
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab with a notebook of one camera: (its folder, address, token)."""
    folder = tmp_path_factory.mktemp("camera")
    (folder / "notebooks").mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(CELL.strip())]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, folder / "notebooks" / "camera.ipynb")
    with test_browser.running_lab(folder) as (address, token):
        yield folder, address, token


@contextlib.contextmanager
def opened(lab, flags):
    """The widget in a page of Chromium with these flags besides, all cells run."""
    _, address, token = lab
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.path(), args=FLAGS + flags)
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(MILLISECONDS)
        expect.set_options(timeout=MILLISECONDS)
        test_browser.watch(page, address)
        page.goto(f"{address}/lab/tree/camera.ipynb?token={token}&reset")
        test_browser.start_all_cells(page)
        page.locator(".edu-cam").wait_for()
        yield page
        assert page.elsewhere == page.errors == []
        chromium.close()


def is_saved(response):
    place = response.url.partition("?")[0]
    return response.request.method == "PUT" and place.endswith("/camera.ipynb")


def test_a_picture_is_taken_by_keys_read_and_not_saved(lab):
    with opened(lab, CAMERA) as page:
        camera = page.locator(".edu-cam")
        status = camera.locator(".edu-cam-status")
        expect(status).to_have_text("The kit's photograph is read as red.")
        take = camera.get_by_role("button", name="Take a picture")
        expect(take).to_be_disabled()
        camera.get_by_role("button", name="Start the camera").focus()
        page.keyboard.press("Enter")
        expect(take).to_be_focused()
        expect(camera.locator("video")).to_be_visible()
        page.keyboard.press("Enter")
        expect(status).to_have_text("Your picture is read as green.")
        expect(camera.get_by_role("img", name="Your picture")).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(status).to_have_text("The camera is off.")
        expect(camera.locator("video")).to_be_hidden()
        with page.expect_response(is_saved):
            page.keyboard.press("Control+s")
        saved = nbformat.read(lab[0] / "notebooks" / "camera.ipynb", 4)
        assert saved.cells[0].outputs
        assert "buffers" not in json.dumps(saved.metadata)  # the widgets' bytes, if any had some


def test_without_a_camera_a_file_is_read(lab, tmp_path):
    Image.new("RGBA", (300, 200), (0, 0, 255, 255)).save(tmp_path / "own.png")
    (tmp_path / "note.png").write_text("no picture")
    with opened(lab, []) as page:
        camera = page.locator(".edu-cam")
        status = camera.locator(".edu-cam-status")
        camera.get_by_role("button", name="Start the camera").focus()
        page.keyboard.press(" ")
        expect(status).to_contain_text("Open a picture from a file instead.")
        expect(camera.get_by_role("button", name="Take a picture")).to_be_disabled()
        with page.expect_file_chooser() as choice:
            camera.get_by_role("button", name="Open a picture").click()
        choice.value.set_files(tmp_path / "own.png")
        expect(status).to_have_text("Your picture is read as blue.")
        camera.locator("input[type=file]").set_input_files(tmp_path / "note.png")
        expect(status).to_contain_text("note.png cannot be read as a picture")
