"""Numbers from papers and price lists: data/published/NAME.json, each with its source."""

import functools
import json
from pathlib import Path

PUBLISHED_FOLDER = Path(__file__).resolve().parents[2] / "data" / "published"


@functools.cache
def load_published(name: str) -> dict:
    """The entries of data/published/NAME.json. Raises FileNotFoundError if there is none."""
    path = PUBLISHED_FOLDER / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))
