"""Draw the README's picture: python3 -m tools.readme_picture writes docs/thirty_frames.png."""

from pathlib import Path

from roads import contact_sheet
from tools.chapters import ROOT

PICTURE = ROOT / "docs" / "thirty_frames.png"


def main(path: Path = PICTURE) -> None:
    """Sixteen road scenes, each image over its labels."""
    path.parent.mkdir(exist_ok=True)
    contact_sheet().save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
