"""Lines over time as SVG, one for each scheduler. It must not compute figures."""

from collections.abc import Iterator, Mapping
from html import escape
from math import ceil, floor, log10

Curve = list[tuple[float, float | None]]
# Okabe and Ito's palette, which colour-blind people can tell apart.
_COLOURS = ("#D55E00", "#0072B2", "#56B4E9", "#CC79A7", "#009E73")
# Some curves lie on top of others.
_DASHES = ("", "", "9 6", "3 6", "")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 620, 300, 70, 60, 24, 70


def svg(
    title: str, axis: str, curves: Mapping[str, Curve], seconds: float, *, logarithmic: bool
) -> str:
    """A picture of all curves on common axes.

    Args:
        title: above it.
        axis: what is shown.
        curves: by name; those of value None break the line.
        seconds: right end of the time axis.
        logarithmic: scale of the values; those of 0 and below stand at its lower end then.
    """
    values = [value for curve in curves.values() for _, value in curve if value]
    marks = _decades(values) if logarithmic else _steps(max(values, default=1.0))
    low, high = _place(marks[0], logarithmic), _place(marks[-1], logarithmic)

    def x(at: float) -> float:
        return _LEFT + _WIDTH * at / seconds

    def y(value: float) -> float:
        share = (_place(max(value, marks[0]), logarithmic) - low) / (high - low)
        return _TOP + _HEIGHT * (1 - share)

    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"',
        f' viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(_LEFT, 22, title, size=15, weight="bold"),
        _text(_LEFT, 44, axis, size=12),
        _text(_LEFT + _WIDTH, _TOP + _HEIGHT + 36, "seconds", anchor="end"),
    ]
    for mark in marks:
        parts.append(_line(_LEFT, y(mark), _LEFT + _WIDTH, y(mark)))
        parts.append(_text(_LEFT - 6, y(mark) + 4, _label(mark), anchor="end"))
    parts += [
        _text(x(mark), _TOP + _HEIGHT + 18, _label(mark), anchor="middle")
        for mark in _steps(seconds)
        if mark <= seconds
    ]
    left = float(_LEFT)
    for (name, curve), colour, dash in zip(curves.items(), _COLOURS, _DASHES, strict=False):
        for points in _unbroken(curve):
            line = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"'
                f' stroke-dasharray="{dash or "none"}" stroke-linejoin="round"/>'
            )
        bottom = _TOP + _HEIGHT + 56
        parts.append(f'<rect x="{left}" y="{bottom - 11}" width="14" height="14" fill="{colour}"/>')
        parts.append(_text(left + 20, bottom, name))
        left += 48 + 7 * len(name)
    return "\n".join([*parts, "</svg>\n"])


def _unbroken(curve: Curve) -> Iterator[list[tuple[float, float]]]:
    points: list[tuple[float, float]] = []
    for at, value in curve:
        if value is None:
            yield points
            points = []
        else:
            points.append((at, value))
    yield points


def _place(value: float, logarithmic: bool) -> float:
    return log10(value) if logarithmic else value


def _decades(values: list[float]) -> list[float]:
    """Powers of ten around all values, two at least."""
    low, high = floor(log10(min(values, default=1.0))), ceil(log10(max(values, default=10.0)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def _steps(most: float) -> list[float]:
    """From 0 to at least `most`, in four to ten steps of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(most / 4))
    step = next(power * m for m in (1, 2, 5, 10) if most / (power * m) <= 6)
    return [step * number for number in range(ceil(most / step) + 1)]


def _label(mark: float) -> str:
    return f"{mark:,.0f}" if mark >= 1 else f"{mark:g}"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(
    x: float, y: float, text: str, *, size: int = 11, anchor: str = "start", weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}"'
        f' text-anchor="{anchor}" fill="#333">{escape(text)}</text>'
    )
