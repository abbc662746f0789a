"""What is wrong with a folder of web pages: links that lead nowhere, loads from elsewhere."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

# what a browser fetches by itself, as opposed to a link that a reader follows
LOADED = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src",
    "audio": "src", "embed": "src", "object": "data",
}  # fmt: skip
LOADED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect"}


def problems_of(folder: Path) -> list[str]:
    """All problems of the pages below `folder`, as sentences."""
    pages = [page for page in sorted(folder.rglob("*.html")) if "_static" not in page.parts]
    if not pages:
        return [f"{folder} has no page"]
    found = [problem for page in pages for problem in problems_of_page(page)]
    soup.cache_clear()
    return [f"{problem.removeprefix(f'{folder}/')}" for problem in found]


def problems_of_page(page: Path) -> Iterator[str]:
    """Loads from elsewhere, and links to files or places that are not there."""
    for tag in soup(page).find_all(True):
        address = loaded_by(tag)
        if address and is_elsewhere(address):
            yield f"{page}: loads {address}"
        for target in {address, tag.get("href") if tag.name == "a" else None} - {None}:
            if not is_elsewhere(target) and not leads_somewhere(page, target):
                yield f"{page}: {target} leads nowhere"
    for image in soup(page).find_all("img"):
        if not image.has_attr("alt"):
            yield f"{page}: a picture without alt text"


def loaded_by(tag) -> str | None:
    """The address that a browser fetches for this tag, or None."""
    if tag.name == "link" and set(tag.get("rel", [])) & LOADED_LINKS:
        return tag.get("href")
    return tag.get(LOADED[tag.name]) if tag.name in LOADED else None


def is_elsewhere(address: str) -> bool:
    """Whether an address names another host."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https", "mailto")


def leads_somewhere(page: Path, address: str) -> bool:
    """Whether the file and the place in it are there."""
    parts = urlsplit(address)
    if parts.scheme or address in ("", "#"):
        return True
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_file():
        return False
    place = unquote(parts.fragment)
    return not place or target.suffix != ".html" or place in places(target)


@cache
def soup(page: Path) -> BeautifulSoup:
    """A page, parsed."""
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


@cache
def places(page: Path) -> set[str]:
    """The anchors of a page."""
    named = {tag.get("name") for tag in soup(page).find_all("a")}
    return {tag["id"] for tag in soup(page).find_all(id=True)} | named - {None}
