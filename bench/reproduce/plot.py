"""Lines over time as SVG, one for each scheduler. It must not compute figures."""

from collections.abc import Iterator, Mapping
from math import ceil, floor, log10

from tierfleet.simulator.drawing import sheet, text, ticks

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
    marks = _decades(values) if logarithmic else ticks(max(values, default=1.0))
    low, high = _place(marks[0], logarithmic), _place(marks[-1], logarithmic)

    def x(at: float) -> float:
        return _LEFT + _WIDTH * at / seconds

    def y(value: float) -> float:
        share = (_place(max(value, marks[0]), logarithmic) - low) / (high - low)
        return _TOP + _HEIGHT * (1 - share)

    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    parts = [
        text(_LEFT, 22, title, size=15, weight="bold"),
        text(_LEFT, 44, axis, size=12),
        text(_LEFT + _WIDTH, _TOP + _HEIGHT + 36, "seconds", anchor="end"),
    ]
    for mark in marks:
        parts.append(_line(_LEFT, y(mark), _LEFT + _WIDTH, y(mark)))
        parts.append(text(_LEFT - 6, y(mark) + 4, _label(mark), anchor="end"))
    parts += [
        text(x(mark), _TOP + _HEIGHT + 18, _label(mark), anchor="middle")
        for mark in ticks(seconds)
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
        parts.append(text(left + 20, bottom, name))
        left += 48 + 7 * len(name)
    return sheet(width, height, parts)


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


def _label(mark: float) -> str:
    return f"{mark:,.0f}" if mark >= 1 else f"{mark:g}"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'
