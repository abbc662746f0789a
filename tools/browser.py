"""Chromium for what the kit builds: it measures slides, prints decks and visits pages.

Playwright drives the Chromium of the machine; none is downloaded.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import kit

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WIDTH, HEIGHT = 1280, 720
SLACK = 2  # pixels
LEAST_SHARE = 0.99  # of a picture's own size: a pixel may be lost in rounding
# for each slide: by how many pixels its content goes beyond it, and to which share of its size its
# picture is shrunk
MEASURE = """async () => {
  await document.fonts.ready;
  const found = [];
  const slides = [...document.querySelectorAll('.slides > section')];
  for (let number = 0; number < slides.length; number++) {
    Reveal.slide(number);
    for (const fragment of slides[number].querySelectorAll('.fragment'))
      fragment.classList.add('visible');
    await Promise.all([...slides[number].querySelectorAll('img')].map(each => each.decode()));
    const scale = Reveal.getScale(), frame = slides[number].getBoundingClientRect();
    let over = 0;
    for (const each of slides[number].querySelectorAll(':not(aside.notes, aside.notes *)')) {
      const box = each.getBoundingClientRect();
      over = Math.max(over, box.bottom - frame.bottom, box.right - frame.right,
                      frame.left - box.left, frame.top - box.top,
                      each.scrollWidth - each.clientWidth > 1 && each.clientWidth
                        ? each.scrollWidth - each.clientWidth : 0);
    }
    const content = slides[number].querySelector('.content');
    over = Math.max(over, content.scrollHeight - content.clientHeight);
    const boxes = [...content.children].map(each => each.getBoundingClientRect());
    const place = content.getBoundingClientRect();
    for (const box of boxes)
      over = Math.max(over, (place.top - box.top) / scale, (box.bottom - place.bottom) / scale);
    const shares = [...slides[number].querySelectorAll('img')].map(each => {
      const box = each.getBoundingClientRect();
      return Math.min(box.width / each.naturalWidth, box.height / each.naturalHeight) / scale;
    });
    found.push([over, Math.min(1, ...shares)]);
  }
  return found;
}"""


def path() -> str | None:
    """Path of Chromium or Chrome, or None."""
    return os.environ.get("KIT_BROWSER") or kit.find_browser()


@contextlib.contextmanager
def opened(chromium: str, width: int = WIDTH, height: int = HEIGHT) -> Iterator:
    """A page of a headless browser, which ends with the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            yield browser.new_page(viewport={"width": width, "height": height})
        finally:
            browser.close()


def too_large(page, deck: Path) -> list[str]:
    """A sentence for each slide of a deck whose content goes beyond it, or must be shrunk to fit.

    A picture in its own size has letters that a room can read.
    """
    page.goto(deck.resolve().as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    found = []
    for number, (over, share) in enumerate(page.evaluate(MEASURE), start=1):
        slide = f"{deck.stem}, slide {number}: its"
        if over > SLACK:
            found.append(f"{slide} content is {over:.0f} pixels too large")
        if share < LEAST_SHARE:
            found.append(f"{slide} picture is shrunk to {100 * share:.0f} %, and its letters too")
    return found


def print_pdf(page, deck: Path) -> Path:
    """Print a deck, one slide a page, beside its HTML."""
    page.goto(deck.resolve().as_uri() + "?print-pdf")
    page.wait_for_selector(".pdf-page")
    page.wait_for_load_state("networkidle")
    target = deck.with_suffix(".pdf")
    page.pdf(path=target, prefer_css_page_size=True, print_background=True)
    return target


def print_decks(decks: list[Path], chromium: str) -> list[str]:
    """Measure and print every deck; returns a sentence for each slide that does not fit."""
    problems = []
    with opened(chromium) as page:
        for deck in decks:
            problems += too_large(page, deck)
            print_pdf(page, deck)
    return problems


def barriers(page, within: str | None = None) -> list[str]:
    """What axe-core finds on the page as it stands: the rule, and where it is broken.

    within: a CSS selector, of the parts that are judged; without it the whole page is.
    """
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=within).response["violations"]
    return [
        f"{each['id']}: {node['html'][:160]} ({node['failureSummary'].splitlines()[-1].strip()})"
        for each in found
        for node in each["nodes"]
    ]
