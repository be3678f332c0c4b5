"""Distributions of times as SVG, a curve for each run.

Time is logarithmic: one run waits for milliseconds and another for a minute.
"""

from collections.abc import Mapping, Sequence
from math import log10

from tierfleet.simulator.drawing import sheet, text

_WIDTH, _HEIGHT, _LEFT, _TOP = 600, 320, 60, 50
_FROM, _TO = 0.01, 100.0
"""Seconds, at both ends of the axis."""
# Okabe and Ito's palette, which colour-blind people can tell apart.
_COLOURS = ("#009E73", "#56B4E9", "#0072B2", "#D55E00")


def svg(heading: str, runs: Mapping[str, Sequence[float]]) -> str:
    """Seconds in order, by what the curve is called; the heading ends with "within"."""
    bottom = _TOP + _HEIGHT

    def x(seconds: float) -> float:
        part = log10(min(max(seconds, _FROM), _TO) / _FROM) / log10(_TO / _FROM)
        return _LEFT + _WIDTH * part

    parts = [text(_LEFT, 22, heading, size=13)]
    for percent in (0, 25, 50, 75, 99):
        y = bottom - _HEIGHT * percent / 100
        parts += [_line([(_LEFT, y), (_LEFT + _WIDTH, y)], "#ddd", 1)]
        parts += [text(_LEFT - 8, y + 4, f"{percent} %", anchor="end")]
    for seconds, name in (
        (0.01, "10 ms"), (0.1, "100 ms"), (1, "1 s"), (10, "10 s"), (100, "100 s"),
    ):  # fmt: skip
        parts += [_line([(x(seconds), _TOP), (x(seconds), bottom)], "#ddd", 1)]
        parts += [text(x(seconds), bottom + 18, name, anchor="middle")]
    for number, (name, times) in enumerate(runs.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [(x(times[0]), float(bottom))] if times else []
        for index, seconds in enumerate(times):
            points.append((x(seconds), bottom - _HEIGHT * (index + 1) / len(times)))
        parts += [_line(points, colour, 2)]
        row = bottom + 44 + 20 * number
        parts += [_line([(_LEFT, row - 4), (_LEFT + 26, row - 4)], colour, 2)]
        parts += [text(_LEFT + 34, row, name)]
    return sheet(_LEFT + _WIDTH + 40, bottom + 44 + 20 * len(runs), parts)


def _line(points: Sequence[tuple[float, float]], colour: str, width: float) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
