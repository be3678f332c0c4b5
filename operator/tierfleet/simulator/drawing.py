"""What our pictures share, as SVG: the sheet, text, and where the ticks of an axis stand.

Drawn by hand: a few kinds of chart are less than a plotting library is worth. It must not know what
is drawn.
"""

from collections.abc import Iterable
from html import escape
from math import ceil, floor, log10


def sheet(width: float, height: float, parts: Iterable[str]) -> str:
    """A white sheet with these elements on it."""
    lines = (
        '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"',
        f' viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *parts,
        "</svg>\n",
    )
    return "\n".join(lines)


def text(
    x: float,
    y: float,
    content: str,
    *,
    size: int = 11,
    anchor: str = "start",
    weight: str = "normal",
) -> str:
    """A line of text that starts, ends or has its middle there; `content` may be anything."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}"'
        f' text-anchor="{anchor}" fill="#333">{escape(content)}</text>'
    )


def ticks(most: float) -> list[float]:
    """From 0 to at least `most`, in four to ten steps of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(most / 4)) if most > 0 else 1.0
    step = next(power * m for m in (1, 2, 5, 10) if most / (power * m) <= 6)
    return [step * number for number in range(ceil(most / step) + 1)]
