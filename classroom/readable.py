"""Numbers as a person reads them: three digits, and never a power of ten such as 1.65e+03."""

import reprlib
from typing import Any

from torch import Tensor


def readable_number(value: float) -> str:
    """Three digits, or all that stand before the point: 0.0275, 17.3, 1,652."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def readable_count(count: float) -> str:
    """A count in short form: 61706 -> '61.7 k', 416520 -> '417 k', 3.0e9 -> '3 G'."""
    for size, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(count) >= size:
            return f"{count / size:.3g}{suffix}"
    return f"{count:.3g}"


def describe(value: Any, longest: int = 60) -> str:
    """A value in few characters: a tensor by its shape, anything else by its repr."""
    if isinstance(value, Tensor) and value.numel() > 1:
        return f"a tensor of shape {list(value.shape)}"
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = longest
    brief.maxlist = brief.maxtuple = brief.maxdict = longest
    shown = " ".join(brief.repr(value).split())
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."
