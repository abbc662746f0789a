"""The pads of chapters 00 and 04 by keys alone: JupyterLab in headless Chromium, and no mouse.

Each test puts the focus on a part of a pad, as Tab does, and then only presses keys.
"""

import contextlib
import re

import nbformat
import pytest
import test_browser
from playwright.sync_api import expect, sync_playwright
from test_browser import FLAGS, MILLISECONDS

from tools import browser

pytestmark = pytest.mark.browser

CELLS = """
import classroom
classroom.DigitPad(lambda X: [0.0] * 4 + [1.0] + [0.0] * 5)
---
from classroom.label_pad import LabelPad
LabelPad(seed=22)
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A notebook with both pads, run in JupyterLab."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "notebooks").mkdir()
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS.split("---")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, folder / "notebooks" / "keys.ipynb")
    with test_browser.running_lab(folder) as (address, token), opened() as page:
        test_browser.watch(page, address)
        page.goto(f"{address}/lab/tree/keys.ipynb?token={token}&reset")
        test_browser.start_all_cells(page)
        page.locator(".edu-label canvas").wait_for()
        yield page
        assert page.elsewhere == page.errors == []


@contextlib.contextmanager
def opened():
    """A page of Chromium that waits as long as the other tests in a browser do."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.path(), args=FLAGS)
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(MILLISECONDS)
        expect.set_options(timeout=MILLISECONDS)
        yield page
        chromium.close()


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def test_a_digit_is_drawn_read_and_cleared(page):
    pad = page.locator(".edu-pad")
    pad.locator("canvas").first.focus()
    press(page, " ", *["ArrowDown"] * 5, " ")
    expect(pad.locator(".edu-pad-status")).to_have_text("The network reads 4.")
    press(page, "Tab", "Enter")
    expect(pad.locator(".edu-pad-status")).to_have_text("Draw a digit on the pad.")
    press(page, "Tab", " ")
    expect(pad.locator(".edu-pad-status")).to_have_text("The network reads 4.")


def test_a_scene_is_filled_by_keys(page):
    pad = page.locator(".edu-label")
    pad.get_by_role("button", name="Fill: colour").focus()
    press(page, "Enter")
    pad.locator("canvas").focus()
    press(page, "1", "ArrowRight", "ArrowDown", " ")
    expect(pad.locator(".edu-label-status")).to_contain_text(re.compile("^0 % of the pixels"))
    pad.get_by_role("button", name="Undo the last mark").focus()
    press(page, "Enter")
    expect(pad.locator(".edu-label-status")).to_contain_text("100 % of the pixels")
