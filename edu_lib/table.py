"""Aligned text tables and round numbers for what a learner reads."""


def align(rows: list[tuple[str, ...]], left: int = 1) -> str:
    """Rows of text as columns, a line under the first row.

    left: that many columns are set flush left, the others flush right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def big(number: float) -> str:
    """A count in words a person keeps: 1,234 is "1,234", 1_500_000 is "1.50 million"."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.2f} {word}"
    return f"{number:,.0f}"
