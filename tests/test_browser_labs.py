"""A learner's way through two labs: `kit.py lab` in a folder of their own, and a browser.

Each exercise is met untouched, answered wrongly, then rightly, with no other cell run but the
imports. What was saved outlasts a restart of the lab and a newer edition, and git sees none of it.
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
import time

import nbformat
import pytest
from playwright.sync_api import expect, sync_playwright
from test_browser import (
    FLAGS,
    MILLISECONDS,
    free_port,
    stop,
    wait_for_server,
    watch,
    write_settings,
)

import kit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

START, CONVOLUTION = "00_start_here", "01_convolution"
# by exercise: a right body, a wrong one, and what the check says to the wrong one
ANSWERS = {
    "ch00.frame_budget": (
        "return 1000 / frames_per_second",
        "return 1 / frames_per_second",
        "that is in seconds, and a second has 1000 ms",
    ),
    "ch00.fits": (
        "return 100 * sum(t <= 1000 / fps for t in times_ms) / len(times_ms)",
        "return sum(t <= 1000 / fps for t in times_ms) / len(times_ms)",
        "the share runs from 0 to 100",
    ),
    "ch00.pipeline": (
        "pace = max(stages_ms) if overlapped else sum(stages_ms)\n"
        "return 1000 / pace, sum(stages_ms)",
        "return 1000 / sum(stages_ms), sum(stages_ms)",
        "overlapped stages do not wait for each other: the slowest sets the pace",
    ),
    "ch01.convolve": (
        "return torch.nn.functional.conv2d(X[None, None], kernel[None, None])[0, 0]",
        "return torch.nn.functional.conv2d(X[None, None], kernel.flip(0, 1)[None, None])[0, 0]",
        "do not flip the kernel",
    ),
    "ch01.one_map": (
        "return torch.nn.functional.conv2d(X[None], kernel[None])[0, 0] + bias",
        "return torch.nn.functional.conv2d(X[None], kernel[None])[0, 0]",
        "the bias is missing",
    ),
    "ch01.output_size": (
        "return (input_size + 2 * padding - kernel_size) // stride + 1",
        "return (input_size + 2 * padding - kernel_size) // stride",
        "steps lie between the places: one place more than steps",
    ),
    "ch01.conv_cost": (
        "weights = C_out * C_in // groups * K * K; return weights, weights * H_out * W_out",
        "weights = C_out * C_in * K * K; return weights, weights * H_out * W_out",
        "with groups each kernel sees C_in / groups channels",
    ),
    "ch01.receptive_field": (
        "field, distance = 1, 1\n"
        "for kernel_size, stride in layers:\n"
        "    field += (kernel_size - 1) * distance\n"
        "    distance *= stride\n"
        "return field",
        "return 1 + sum(kernel_size for kernel_size, stride in layers)",
        "a kernel of K adds K - 1 pixels, not K",
    ),
}
LAB = """
import sys
import kit
from tools import venv
kit.ROOT = kit.Path(sys.argv[1])
venv.environment = lambda *names: kit.Path(sys.executable)
sys.exit(kit.main(["lab", "--no-browser", f"--IdentityProvider.token={sys.argv[3]}",
    f"--port={sys.argv[2]}"]))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A clone with two labs, in a folder with a name of the kind that people give."""
    root = tmp_path_factory.mktemp("learner") / "mein Kürs kit"
    labs = root / "notebooks" / "labs"
    labs.mkdir(parents=True)
    shutil.copy(kit.ROOT / ".gitignore", root)
    shutil.copytree(kit.ROOT / "docs", root / "docs")
    for name in (START, CONVOLUTION):
        shutil.copy(kit.ROOT / "notebooks" / "labs" / f"{name}.ipynb", labs)
    git(root, "init", "--quiet")
    commit(root)
    return root


def git(root, *words):
    """What git prints."""
    name = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.check_output(["git", *name, *words], cwd=root, text=True)


def commit(root):
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "An edition")


@pytest.fixture
def open_lab(root, tmp_path):
    """Starts `kit.py lab`; returns a function that opens a chapter of it in a new page."""
    token, port = secrets.token_hex(16), free_port()
    write_settings(tmp_path / "config")
    path = filter(None, [os.environ.get("PYTHONPATH", ""), str(kit.ROOT)])
    variables = os.environ | {
        "PYTHONPATH": os.pathsep.join(path),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "config" / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "config" / "workspaces"),
    }
    command = [sys.executable, "-c", LAB, str(root), str(port), token]
    log = tmp_path / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command, cwd=kit.ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    with sync_playwright() as playwright:
        try:
            wait_for_server(server, f"{address}/api?token={token}", log)
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("KIT_BROWSER") or kit.find_browser(), args=FLAGS
            )

            def open_chapter(name):
                page = browser.new_page(viewport={"width": 1280, "height": 1000})
                page.set_default_timeout(MILLISECONDS)
                expect.set_options(timeout=MILLISECONDS)
                watch(page, address)
                page.goto(f"{address}/lab/tree/work/labs/{name}.ipynb?token={token}&reset")
                page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
                return page

            yield open_chapter
            browser.close()
        finally:
            stop(server)


def code_cells(name):
    """The code cells of a lab."""
    lab = nbformat.read(kit.ROOT / "notebooks" / "labs" / f"{name}.ipynb", 4)
    return [cell for cell in lab.cells if cell.cell_type == "code"]


def exercises(name):
    """(key, number of its cell, number of its check's cell) among the code cells of a lab."""
    sources = [cell.source for cell in code_cells(name)]
    found = []
    for check, source in enumerate(sources):
        key = re.search(r'classroom\.check\("(.+?)"', source)
        if key:
            hole = next(n for n, text in enumerate(sources) if f'"{key[1]}: write your' in text)
            found.append((key[1], hole, check))
    return found


def cell_of(page, number):
    """A code cell of the open notebook."""
    return page.locator(".jp-Notebook .jp-CodeCell").nth(number)


def run(page, number):
    """Run one code cell as with Ctrl+Enter; returns what stands below it when it has run."""
    cell = cell_of(page, number)
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.inner_text()
    prompt.click()
    page.keyboard.press("Control+Enter")
    expect(prompt).not_to_have_text(before)
    expect(prompt).to_have_text(re.compile(r"^\[\d+\]:$"))
    return "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts())


def write(page, number, source):
    """Replace the text of a code cell."""
    cell_of(page, number).locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(source)


def with_body(source, body):
    """An exercise whose hole is filled."""
    filled = body.replace("\n", "\n    ")
    return re.sub(r"raise NotImplementedError\(.*\)", lambda hole: filled, source)


def solve(page, name):
    """Meet each exercise of a lab untouched, wrong and right; returns the keys and the answers."""
    sources = [cell.source for cell in code_cells(name)]
    assert run(page, 0).count("Error") == 0
    solved = {}
    for key, hole, check in exercises(name):
        right, wrong, hint = ANSWERS[key]
        run(page, hole)
        assert run(page, check).strip() == f"{key}: not done yet: replace the line that raises."
        write(page, hole, with_body(sources[hole], wrong))
        run(page, hole)
        assert hint in run(page, check)
        solved[key] = with_body(sources[hole], right)
        write(page, hole, solved[key])
        run(page, hole)
        assert re.fullmatch(rf"{key}: (\d+) of \1 checks pass", run(page, check).strip())
    return solved


def save(page, copy, texts):
    """Save the open notebook until its file holds the texts, and a pass for each of them.

    JupyterLab also saves by itself, and does not save twice at once: one request can come to
    nothing.
    """
    page.locator(".lm-TabBar-tab.jp-mod-current.jp-mod-dirty").wait_for()
    page.keyboard.press("Escape")
    end = time.monotonic() + MILLISECONDS / 1000
    while not is_saved(copy, texts):
        assert time.monotonic() < end, f"{copy.name} was not saved whole"
        page.keyboard.press("Control+s")
        page.wait_for_timeout(500)


def is_saved(copy, texts):
    """Whether the file of a lab has these answers and as many passed checks."""
    cells = nbformat.read(copy, 4).cells
    outputs = [str(cell.get("outputs", "")) for cell in cells]
    passed = sum("checks pass" in output for output in outputs)
    return set(texts) <= {cell.source for cell in cells} and passed >= len(texts)


def use_the_widgets(page):
    """Chapter 00: draw a digit, move a slider, lock a guess."""
    sources = [cell.source for cell in code_cells(START)]
    number = {
        name: next(n for n, text in enumerate(sources) if name in text)
        for name in ("DigitPad", "budget_ms =", "import schedule", "Explorer", "predict(")
    }
    for cell in number.values():
        run(page, cell)
    pad = cell_of(page, number["DigitPad"]).locator(".edu-pad")
    pad.scroll_into_view_if_needed()
    pad.get_by_role("button", name="Clear the drawing").click()
    box = pad.locator(".edu-pad-canvas").bounding_box()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + 0.15 * box["height"])
    page.mouse.down()
    page.mouse.move(middle, box["y"] + 0.85 * box["height"], steps=10)
    page.mouse.up()
    expect(pad.locator(".edu-pad-status")).to_have_text(re.compile(r"^The network reads \d\.$"))

    explorer = cell_of(page, number["Explorer"]).locator(".edu-explorer")
    handle = explorer.get_by_role("slider", name="network ms")
    handle.focus()
    handle.press("ArrowRight")
    expect(explorer.locator("img")).to_have_attribute(
        "alt", re.compile(r"^51 ms, no buffer: 15 of 30 frames answered; ")
    )

    question = cell_of(page, number["predict("]).locator(".edu-question")
    question.get_by_role("button", name="Lock my guess").click()
    expect(question).to_contain_text("Choose an answer first, then lock it.")
    question.get_by_label("1 to 10 ms", exact=True).check()
    question.get_by_role("button", name="Lock my guess").click()
    expect(question).to_contain_text("Locked: 1 to 10 ms.")


@pytest.mark.parametrize("name", [START, CONVOLUTION])
def test_a_lab_is_solved_step_by_step_and_saved(root, open_lab, name):
    page = open_lab(name)
    solved = solve(page, name)
    if name == START:
        use_the_widgets(page)
    save(page, root / "work" / "labs" / f"{name}.ipynb", solved.values())
    assert git(root, "status", "--porcelain") == ""
    assert page.errors == page.elsewhere == []


def test_a_term_leads_to_its_entry_and_the_end_to_the_misunderstandings(open_lab):
    page = open_lab(START)
    shown = page.locator(".jp-MarkdownViewer")
    for words, heading in (("budget", "Budget"), ("Check yourself", "00 Start here")):
        page.locator(".jp-Notebook").get_by_role("link", name=words, exact=True).first.click()
        expect(shown.get_by_role("heading", name=heading, exact=True)).to_be_in_viewport()
        page.get_by_role("tab", name="00_start_here.ipynb").click()
    assert page.errors == page.elsewhere == []


def test_answers_outlast_a_newer_edition_and_a_restart(root, request):
    labs, copy = root / "notebooks" / "labs", root / "work" / "labs" / f"{CONVOLUTION}.ipynb"
    lab = nbformat.read(labs / copy.name, 4)
    lab.cells[0].source += "\n\nA newer edition."
    nbformat.write(lab, labs / copy.name)
    commit(root)
    page = request.getfixturevalue("open_lab")(CONVOLUTION)
    for key, hole, check in exercises(CONVOLUTION):
        body = ANSWERS[key][0].partition("\n")[0]
        expect(cell_of(page, hole).locator(".cm-content")).to_contain_text(body)
        expect(cell_of(page, check).locator(".jp-OutputArea-output")).to_contain_text("checks pass")
    newer = copy.with_name(f"{CONVOLUTION}_newer.ipynb")
    assert "A newer edition." in nbformat.read(newer, 4).cells[0].source
    assert git(root, "status", "--porcelain") == ""
