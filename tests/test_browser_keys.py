"""Pads, explorers and predictions by keys alone: JupyterLab in headless Chromium, and no mouse.

Each test puts the focus on a part of a widget, as Tab does, and then only presses keys.
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
---
def draw(**values):
    figure = classroom.plots.new_figure(2, 1)
    return figure, " ".join(map(str, values.values()))
classroom.Explorer(draw, kind=["low", "middle", "high"], size=(1, 9, 1, 5))
---
classroom.predict("keys.one", "Which one?", options=["red", "green", "blue"])
---
classroom.predict("keys.number", "How long?", unit="ms")
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


def number_of_active_cell(page):
    cells = page.locator(".jp-Notebook .jp-Cell")
    return cells.evaluate_all("cells => cells.findIndex(e => e.matches('.jp-mod-active'))")


def test_an_explorer_obeys_the_arrow_keys(page):
    explorer = page.locator(".edu-explorer")
    dropdown, caption = explorer.locator("select"), explorer.locator("p")
    dropdown.focus()
    press(page, "ArrowDown", "ArrowDown", "ArrowUp")
    expect(caption).to_have_text("middle 5")
    press(page, "h")
    expect(caption).to_have_text("high 5")
    press(page, "Tab", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp")
    expect(caption).to_have_text("high 7")
    slider = explorer.get_by_role("slider", name="size")
    expect(slider).to_have_attribute("aria-valuetext", "7")
    press(page, "End")
    expect(caption).to_have_text("high 9")
    press(page, "Home")
    expect(caption).to_have_text("high 1")


def test_no_key_typed_in_a_widget_changes_the_notebook(page):
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    number = cells.count()
    page.locator(".edu-explorer select").focus()
    press(page, *"jkabcxvzddmry")
    expect(page.locator(".edu-explorer")).to_be_visible()
    assert cells.count() == number


def test_the_cells_are_walked_as_ever(page):
    page.locator(".jp-Notebook .jp-Cell").first.focus()
    press(page, "ArrowDown", "ArrowDown", "ArrowDown")
    assert number_of_active_cell(page) == 3
    press(page, "ArrowUp", "k")
    assert number_of_active_cell(page) == 1
    press(page, "b")
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(len(CELLS.split("---")) + 1)
    press(page, "d", "d")
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(len(CELLS.split("---")))


def test_a_guess_is_chosen_and_locked(page):
    question = page.locator(".edu-question").first
    answers = question.get_by_role("radiogroup", name="Which one?").get_by_role("radio")
    page.locator(".edu-explorer").get_by_role("slider").focus()
    press(page, "Tab", "Enter", "ArrowDown", "ArrowDown")
    expect(answers.nth(2)).to_be_checked()
    press(page, "ArrowUp", "Tab", "Enter")
    expect(question).to_contain_text("Locked: green.")
    expect(answers.nth(1)).to_be_checked()
    expect(answers.nth(0)).to_be_disabled()


def test_a_number_is_typed_and_locked(page):
    question = page.locator(".edu-question").last
    question.locator("input").focus()
    press(page, *"12.5", "Tab", " ")
    expect(question).to_contain_text("Locked: 12.5 ms.")


@pytest.mark.parametrize("widget", [".edu-pad", ".edu-label", ".edu-explorer", ".edu-question"])
def test_axe_finds_no_barrier_in_a_widget(page, widget):
    pytest.importorskip("axe_playwright_python", reason="requirements-dev.txt has it")
    assert browser.barriers(page, widget) == []
