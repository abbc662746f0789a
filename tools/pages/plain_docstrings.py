"""A Sphinx extension: the kit's docstrings are plain text, and are shown as such.

Single backticks mark code. What is indented is an example. Nothing else is markup.
"""

import re

CODE = re.compile(r"`+([^`]+)`+")
MARKUP = re.compile(r"([*_|\\])")


def setup(app) -> dict:
    """Connect to autodoc."""
    app.connect("autodoc-process-docstring", as_plain_text)
    return {"version": "1", "parallel_read_safe": True}


def as_plain_text(app, what, name, obj, options, lines: list[str]) -> None:
    """Turn the lines of a docstring, in place, into reStructuredText that shows them."""
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip("\n"))
    lines[:] = [*"\n\n".join(map(shown, paragraphs)).splitlines(), ""]


def shown(paragraph: str) -> str:
    """One paragraph: an example if all of it is indented, else text with its code marked."""
    rows = paragraph.splitlines()
    if all(row.startswith("    ") for row in rows):
        return "::\n\n" + paragraph
    text = " ".join(row.strip() for row in rows)
    parts, end = [], 0
    for match in CODE.finditer(text):
        parts += [MARKUP.sub(r"\\\1", text[end : match.start()]), f"``{match[1]}``"]
        end = match.end()
    return "".join(parts) + MARKUP.sub(r"\\\1", text[end:])
