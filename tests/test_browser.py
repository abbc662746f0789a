"""Chapter 00 and the labelling pad as a learner meets them: JupyterLab in headless Chromium."""

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import psutil
import pytest
from playwright.sync_api import expect, sync_playwright

import kit
from tools import lab_settings

pytestmark = pytest.mark.browser

CHAPTER = kit.ROOT / "notebooks" / "00_start_here.ipynb"
PAD = "labelling.ipynb"
SHOW_PAD = "from classroom.label_pad import LabelPad\nLabelPad(seed=22)"
SECONDS = 600
MILLISECONDS = 1000 * SECONDS
# JupyterLab marks an error and a text on stderr alike
ERROR = "[data-mime-type='application/vnd.jupyter.stderr']"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
SETTINGS = lab_settings.SETTINGS | {
    # every cell is in the page, not only those in view
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on chapter 00, unexecuted, and a labelling pad: (address, token)."""
    folder = tmp_path_factory.mktemp("lab")
    write_unexecuted(folder / "notebooks")
    with running_lab(folder) as place:
        yield place


@contextlib.contextmanager
def running_lab(folder):
    """JupyterLab on folder/notebooks, with settings of its own: (address, token)."""
    notebooks, config = folder / "notebooks", folder / "config"
    write_settings(config)
    port, token = free_port(), secrets.token_hex(16)
    path = [os.environ.get("PYTHONPATH", ""), str(kit.ROOT)]
    variables = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTERLAB_SETTINGS_DIR": str(config / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(config / "workspaces"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={notebooks}"]
    log = folder / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(command, env=variables, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for_server(server, f"http://127.0.0.1:{port}/api?token={token}", log)
        yield f"http://127.0.0.1:{port}", token
    finally:
        stop(server)


def write_unexecuted(folder):
    """A copy of the chapter without outputs, so that what the page shows was computed there."""
    notebook = nbformat.read(CHAPTER, 4)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    folder.mkdir()
    nbformat.write(notebook, folder / CHAPTER.name)
    labelling = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SHOW_PAD)])
    labelling.metadata.kernelspec = notebook.metadata.kernelspec
    nbformat.write(labelling, folder / PAD)


def write_settings(config):
    """The settings of JupyterLab, as the defaults that the kit gives a learner."""
    file = config / "labconfig" / "default_setting_overrides.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(SETTINGS), encoding="utf-8")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for_server(server, url, log):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=SECONDS).close()
            return
        except OSError:  # not there yet, or it let go of a connection while it started
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not answer:\n{log.read_text()}")


def stop(server):
    """End the server, and the kernels that it started."""
    family = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
    server.terminate()
    _, remaining = psutil.wait_procs([psutil.Process(server.pid), *family], timeout=20)
    for process in remaining:
        process.kill()
    server.wait(timeout=SECONDS)


@pytest.fixture(scope="module")
def page(lab):
    """The chapter, opened and run; the page keeps what it asked of other hosts, and its errors."""
    address, token = lab
    browser_path = os.environ.get("KIT_BROWSER") or kit.find_browser()
    assert browser_path, "No Chromium was found: install it, or name it in KIT_BROWSER."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.set_default_timeout(MILLISECONDS)
            expect.set_options(timeout=MILLISECONDS)
            watch(page, address)
            page.goto(f"{address}/lab/tree/{CHAPTER.name}?token={token}&reset")
            run_all_cells(page)
            yield page
        finally:
            browser.close()


def watch(page, address):
    """Collect in page.elsewhere the requests to other hosts, in page.errors the page's errors."""
    page.elsewhere, page.errors = [], []
    here = (address, address.replace("http", "ws"), "data:", "blob:")

    def note_request(request):
        if not request.url.startswith(here):
            page.elsewhere.append(request.url)

    page.on("request", note_request)
    page.on("websocket", note_request)
    page.on("pageerror", lambda error: page.errors.append(str(error)))


def run_all_cells(page):
    """Run every cell, and wait until the last one has run or one has failed."""
    start_all_cells(page)
    done = page.locator(".jp-CodeCell .jp-InputPrompt", has_text=last_number())
    done.or_(page.locator(ERROR)).first.wait_for()


def start_all_cells(page):
    """Wait for the kernel, then run every cell through the menu."""
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()


def last_number():
    """The prompt of the last code cell once all have run, such as [17]:"""
    cells = nbformat.read(CHAPTER, 4).cells
    return re.compile(rf"^\[{sum(cell.cell_type == 'code' for cell in cells)}\]:$")


def test_every_cell_runs_without_an_error(page):
    assert page.locator(ERROR).all_inner_texts() == []
    prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").all_inner_texts()
    code = [cell for cell in nbformat.read(CHAPTER, 4).cells if cell.cell_type == "code"]
    # a cell whose input is folded away shows no number
    folded = [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in code]
    numbers = [f"[{number}]:" for number in range(1, len(code) + 1)]
    assert prompts == ["" if fold else number for fold, number in zip(folded, numbers, strict=True)]


def test_a_slider_draws_the_figure_anew(page):
    explorer = page.locator(".edu-explorer").first
    picture = explorer.locator("img")
    before = picture.get_attribute("alt")
    handle = explorer.get_by_role("slider").first
    handle.focus()
    handle.press("ArrowRight")
    expect(picture).not_to_have_attribute("alt", before)
    assert picture.evaluate("picture => picture.naturalWidth") > 100


def test_a_drawn_digit_is_read(page):
    pad, status = page.locator(".edu-pad").first, page.locator(".edu-pad-status").first
    pad.scroll_into_view_if_needed()
    pad.get_by_role("button", name="Clear the drawing").click()
    expect(status).to_have_text("Draw a digit on the pad.")
    box = pad.locator(".edu-pad-canvas").bounding_box()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + 0.15 * box["height"])
    page.mouse.down()
    page.mouse.move(middle, box["y"] + 0.85 * box["height"], steps=10)
    page.mouse.up()
    expect(status).to_have_text(re.compile(r"^The network reads [0-9]\.$"))


def test_the_page_asked_no_other_host_and_raised_no_error(page):
    assert page.elsewhere == []
    assert page.errors == []


def test_a_scene_is_painted_filled_and_scored(lab, page):
    address, token = lab
    tab = page.context.browser.new_page(viewport={"width": 1280, "height": 1000})
    tab.set_default_timeout(MILLISECONDS)
    watch(tab, address)
    tab.goto(f"{address}/lab/workspaces/labelling/tree/{PAD}?token={token}")
    start_all_cells(tab)
    pad = tab.locator(".edu-label")
    status, done = pad.locator(".edu-label-status"), pad.get_by_role("button", name="Done: stop")
    expect(status).to_contain_text("100 % of the pixels have no label yet.")
    expect(done).to_be_disabled()
    canvas = pad.locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    pad.get_by_role("button", name="Class 1: sky").click()
    pad.get_by_role("button", name="Brush of 41 pixels").click()
    tab.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.2 * box["height"])
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.2 * box["height"], steps=10)
    tab.mouse.up()
    # 41 of 256 rows over 4 of 5 columns, and a disc of radius 20 at the ends: 13.8 %
    expect(status).to_contain_text("86 % of the pixels have no label yet.")
    pad.get_by_role("button", name="Class 2: road").click()
    pad.get_by_role("button", name="Fill: colour").click()
    canvas.click(position={"x": box["width"] / 2, "y": 0.8 * box["height"]})
    expect(status).to_contain_text("0 % of the pixels have no label yet.")
    done.click()
    expect(pad.locator(".edu-label-verdict")).to_contain_text("0.0 % of the pixels have no label")
    assert pad.locator(".edu-label-row").count() == 9
    assert tab.errors == tab.elsewhere == []
