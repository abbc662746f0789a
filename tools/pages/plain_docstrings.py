"""A Sphinx extension: the kit's docstrings are plain text, and are shown as such.

Single backticks mark code. What is indented is an example. A sentence that begins with the name of
a parameter and a colon starts an item of a list. Nothing else is markup.
"""

import inspect
import re

CODE = re.compile(r"`+([^`]+)`+")
MARKUP = re.compile(r"([*_|\\])")
LAST = r"Raises |Returns |Sources?: |Taught in |Used in "  # what follows the parameters


def setup(app) -> dict:
    """Connect to autodoc."""
    app.connect("autodoc-process-docstring", as_plain_text)
    return {"version": "1", "parallel_read_safe": True}


def as_plain_text(app, what, name, obj, options, lines: list[str]) -> None:
    """Turn the lines of a docstring, in place, into reStructuredText that shows them."""
    names = parameters_of(obj)
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip("\n"))
    lines[:] = [*"\n\n".join(shown(each, names) for each in paragraphs).splitlines(), ""]


def parameters_of(obj) -> list[str]:
    """The names of what a function or a class takes; none for anything else."""
    try:
        return list(inspect.signature(obj).parameters)
    except (TypeError, ValueError):
        return []


def shown(paragraph: str, names: list[str]) -> str:
    """One paragraph: an example if all of it is indented, else text with its code marked.

    names: the parameters, of which each gets a line of its own.
    """
    rows = paragraph.splitlines()
    if all(row.startswith("    ") for row in rows):
        return "::\n\n" + paragraph
    text = " ".join(row.strip() for row in rows)
    either = "|".join(map(re.escape, names)) or "(?!)"
    told = rf"(?:{either})(?:, (?:{either}))*: "
    parts = re.split(rf"(?:(?<=^)|(?<=\. ))(?={told}|{LAST})", text)
    parts = [part.strip() for part in parts if part.strip()]
    items = [re.match(told, part) for part in parts]
    if not any(items):
        return marked(text)
    return "\n\n".join(
        f"- **{marked(item[0][:-2])}**: {marked(part[item.end() :])}" if item else marked(part)
        for item, part in zip(items, parts, strict=True)
    )


def marked(text: str) -> str:
    """Text as reStructuredText: its code marked, everything else as it stands."""
    parts, end = [], 0
    for match in CODE.finditer(text):
        parts += [MARKUP.sub(r"\\\1", text[end : match.start()]), f"``{match[1]}``"]
        end = match.end()
    return "".join(parts) + MARKUP.sub(r"\\\1", text[end:])
