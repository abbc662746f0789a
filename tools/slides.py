"""Decks to present: python3 kit.py slides [NN ...]

Writes build/slides: a deck for each chapter, one of 90 minutes across them, and index.html. The
folder opens from a disk or a stick, with no network. With Chromium each slide is measured, one
that does not fit is named, and each deck is printed as a PDF.
"""

import dataclasses
import sys
from pathlib import Path

from tools import browser
from tools.chapters import ROOT, sources
from tools.slide_content import Slide, slides_of
from tools.slide_page import write_deck, write_index, write_parts

FOLDER = ROOT / "build" / "slides"
TOUR, TOUR_TITLE = "ninety_minutes", "Thirty Frames in ninety minutes"
Decks = list[tuple[str, list[Slide]]]


def main(arguments: list[str]) -> int:
    """Write the decks of the chapters named by their numbers, or all; returns 0 if all fit."""
    chosen = [path for path in sources() if not arguments or path.name[:2] in arguments]
    unknown = sorted(set(arguments) - {path.name[:2] for path in chosen})
    if unknown:
        print(f"There is no chapter {', '.join(unknown)}: give numbers such as 08, or nothing.")
        return 2
    try:
        pages = write_decks(chosen, FOLDER, with_tour=not arguments)
    except ValueError as error:
        print(error)
        return 1
    chromium = browser.path()
    if chromium is None:
        print(f"{FOLDER / 'index.html'}\nNot measured and not printed: there is no Chromium.")
        return 0
    problems = browser.print_decks(pages, chromium)
    for problem in problems:
        print(problem)
    write_decks(chosen, FOLDER, with_tour=not arguments)  # the index names the PDFs now
    print(FOLDER / "index.html")
    return 1 if problems else 0


def write_decks(chosen: list[Path], folder: Path, with_tour: bool) -> list[Path]:
    """Write a deck for each source, the tour if wanted, and the index; returns the decks' pages.

    Raises ValueError naming a cell that is marked as a slide and cannot be one.
    """
    write_parts(folder)
    chapters = []
    for source in chosen:
        slides = slides_of(source)
        chapters.append((f"{source.name[:2]} {slides[0].title}", slides))
    pages, rows = [], []
    for source, chapter in zip(chosen, chapters, strict=True):
        pages.append(write_deck(folder, source.stem, chapter[0], [chapter]))
        rows.append((source.stem, chapter[0], *count([chapter])))
    if with_tour:
        tour = tour_of(chapters)
        pages.insert(0, write_deck(folder, TOUR, TOUR_TITLE, tour))
        rows.insert(0, (TOUR, TOUR_TITLE, *count(tour)))
    write_index(folder, rows)
    return pages


def tour_of(chapters: Decks) -> Decks:
    """The deck across chapters: the slides that have a time in it, with that time."""
    tour = []
    for chapter, slides in chapters:
        kept = [dataclasses.replace(each, minutes=each.tour) for each in slides if each.tour]
        if kept:
            tour.append((chapter, kept))
    return tour


def count(decks: Decks) -> tuple[int, float]:
    """How many slides a deck has, and how many minutes."""
    slides = [slide for _, chapter in decks for slide in chapter]
    return len(slides), sum(slide.minutes for slide in slides)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
