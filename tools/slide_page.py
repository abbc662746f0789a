"""Decks as files: one folder that opens from a disk, with reveal.js, fonts and pictures in it."""

import json
import shutil
from html import escape
from pathlib import Path

from tools.copies import write_file
from tools.slide_content import Slide

HERE = Path(__file__).resolve().parent
VENDOR = HERE / "vendor"
NOT_FOR_SLIDES = {"onnxruntime-web", "qrcode-generator"}  # what the page for a phone holds
STYLE = HERE / "pages" / "slides.css"
PARTS = "parts"  # the folder, beside the decks, of all that they load
WIDTH, HEIGHT = 1280, 720

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{parts}/reveal.css">
<link rel="stylesheet" href="{parts}/slides.css">
</head>
<body>
<main class="deck"><div class="reveal" aria-label="{title}"><div class="slides">
{slides}
</div></div></main>
<script src="{parts}/reveal.js"></script>
<script src="{parts}/notes.js"></script>
<script>
Reveal.initialize({{
  width: {width}, height: {height}, margin: 0, center: false, hash: true, slideNumber: "c/t",
  transition: "none", backgroundTransition: "none", controls: false, plugins: [RevealNotes],
  pdfSeparateFragments: false, pdfMaxPagesPerSlide: 1, totalTime: {seconds}
}});
</script>
</body>
</html>
"""

INDEX = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Thirty Frames: slides</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="{parts}/slides.css"></head>
<body><main class="index"><h1>Thirty Frames: slides</h1>
<table><thead><tr><th scope="col">deck</th><th scope="col">slides</th><th scope="col">minutes</th>
<th scope="col">to print</th></tr></thead><tbody>
{rows}
</tbody></table>
<p>Keys: space goes on, S opens the notes of the speaker with a clock, F fills the screen,
Escape shows all slides, B makes the screen black.</p></main></body>
</html>
"""


def write_parts(folder: Path) -> None:
    """Put what every deck loads into `folder`/parts, with the licences and checksums."""
    parts = folder / PARTS
    parts.mkdir(parents=True, exist_ok=True)
    told = json.loads((VENDOR / "vendored.json").read_text(encoding="utf-8"))
    told = {name: entry for name, entry in told.items() if entry["package"] not in NOT_FOR_SLIDES}
    for name in told:
        shutil.copyfile(VENDOR / name, parts / name)
    write_file(parts / "vendored.json", json.dumps(told, indent=1).encode())
    shutil.copyfile(STYLE, parts / STYLE.name)


def write_deck(folder: Path, name: str, title: str, decks: list[tuple[str, list[Slide]]]) -> Path:
    """Write folder/NAME.html and its pictures. decks: (chapter, its slides). Returns the page.

    The page loads nothing but what `write_parts` put beside it and the pictures of the deck.
    """
    sections, minute, number = [], 0.0, 0
    for chapter, slides in decks:
        for slide in slides:
            number += 1
            picture = ""
            if slide.picture is not None:
                picture = f"{PARTS}/{name}_{number:02d}.png"
                write_file(folder / picture, slide.picture)
            sections.append(section(slide, chapter, picture, minute))
            minute += slide.minutes
    page = PAGE.format(
        title=escape(title), slides="\n".join(sections), parts=PARTS,
        width=WIDTH, height=HEIGHT, seconds=round(60 * minute),
    )  # fmt: skip
    target = folder / f"{name}.html"
    write_file(target, page.encode())
    return target


def section(slide: Slide, chapter: str, picture: str, minute: float) -> str:
    """The HTML of one slide. minute: how many minutes of the talk have passed before it."""
    heading = "h1" if slide.kind == "opening" else "h2"
    body = slide.body
    if picture:
        body = f'<img src="{picture}" alt="{escape(slide.alt)}">'
    until = minute + slide.minutes
    clock = f"<p><b>Minute {minute:g} to {until:g}.</b></p>"
    seconds = json.dumps(round(60 * slide.minutes))
    return (
        f'<section class="{slide.kind}" data-timing={seconds}>'
        f'<p class="chapter">{escape(chapter)}</p>'
        f"<{heading}>{escape(slide.title)}</{heading}>"
        f'<div class="content">{body}</div>'
        f'<aside class="notes">{clock}{slide.notes}</aside></section>'
    )


def write_index(folder: Path, rows: list[tuple[str, str, int, float]]) -> Path:
    """Write folder/index.html. rows: (file without its ending, title, slides, minutes)."""
    lines = [
        f'<tr><td><a href="{name}.html">{escape(title)}</a></td><td>{count}</td>'
        f"<td>{minutes:g}</td><td>{print_link(folder, name, title)}</td></tr>"
        for name, title, count, minutes in rows
    ]
    target = folder / "index.html"
    write_file(target, INDEX.format(rows="\n".join(lines), parts=PARTS).encode())
    return target


def print_link(folder: Path, name: str, title: str) -> str:
    """A link to the PDF of a deck, or an empty cell where there is none."""
    if not (folder / f"{name}.pdf").is_file():
        return ""
    return f'<a href="{name}.pdf" aria-label="{escape(title)} as PDF">PDF</a>'
