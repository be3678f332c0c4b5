"""The report as SVG: service over time stacked by tier, and how long each tier waited.

One column per run, on common scales. It must not compute figures.
"""

from collections.abc import Callable, Sequence
from math import ceil, log10

from tierfleet.simulator.drawing import sheet, text, ticks
from tierfleet.simulator.figures import Report

# Okabe and Ito's palette, which colour-blind people can tell apart.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
_WIDTH, _HEIGHT = 420, 220
_LEFT, _TOP, _GAP = 70, 70, 80
_LINE = 20
_CHARACTER = 0.62
"""Width of a bold character, in its size."""
_LEAST_MS = 1.0
"""Left end of the logarithmic axis of waits; shorter ones stand there."""


def svg(runs: Sequence[tuple[str, Report]]) -> str:
    """A picture of one run or of several, each with its heading, of a line or several.

    Raises:
        ValueError: no runs.
    """
    tiers = list(dict.fromkeys(tier for _, report in runs for tier in report.timeline))
    colours = {tier: _COLOURS[number % len(_COLOURS)] for number, tier in enumerate(tiers)}
    most = max(max(map(sum, zip(*r.timeline.values(), strict=True)), default=0) for _, r in runs)
    longest = max((w[-1] for _, report in runs for w in report.waits.values() if w), default=1)
    decades = max(1, ceil(log10(max(longest, 10 * _LEAST_MS) / _LEAST_MS)))
    width = _LEFT + len(runs) * (_WIDTH + _GAP)
    top = _TOP + _LINE * (max(len(heading.splitlines()) for heading, _ in runs) - 1)
    height = top + 2 * (_HEIGHT + _GAP) - 4
    parts = _legend(colours, height - 16)
    for number, (heading, report) in enumerate(runs):
        x = _LEFT + number * (_WIDTH + _GAP)
        parts += _heading(heading, x)
        parts += _service(report, colours, x, top, most or 1)
        parts += _waits(report, colours, x, top + _HEIGHT + _GAP, decades)
    return sheet(width, height, parts)


def _heading(heading: str, left: int) -> list[str]:
    """Its lines in bold, smaller where one is too long for the column."""
    lines = heading.splitlines()
    size = min(15, int(_WIDTH / _CHARACTER / max(map(len, lines), default=1)))
    return [
        text(left, 24 + _LINE * number, line, size=max(size, 1), weight="bold")
        for number, line in enumerate(lines)
    ]


def _service(
    report: Report, colours: dict[str, str], left: int, top: int, most: float
) -> list[str]:
    step, levels = report.timeline_seconds, ticks(most)
    scale = levels[-1]
    points = max(map(len, report.timeline.values()), default=0)
    end = max(points * step, 1)

    def x(seconds: float) -> float:
        return left + _WIDTH * seconds / end

    def y(rate: float) -> float:
        return top + _HEIGHT * (1 - rate / scale)

    parts = _frame(left, top, "service tokens per second", "seconds")
    parts += [_level(left, y(tick), f"{tick:,.0f}") for tick in levels]
    parts += [_mark(x(tick), top, f"{tick:,.0f}") for tick in ticks(end) if tick <= end]
    below = [0.0] * points
    for tier, amounts in report.timeline.items():
        above = [low + amount for low, amount in zip(below, amounts, strict=True)]
        outline = [*_steps(above, step, x, y), *reversed(_steps(below, step, x, y))]
        parts.append(
            f'<polygon points="{" ".join(outline)}" fill="{colours[tier]}" fill-opacity="0.85"/>'
        )
        below = above
    return parts


def _steps(
    rates: Sequence[float],
    step: float,
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> list[str]:
    """A staircase: each rate from the beginning of its bin to the end."""
    return [
        f"{x(at * step):.1f},{y(rate):.1f}"
        for number, rate in enumerate(rates)
        for at in (number, number + 1)
    ]


def _waits(report: Report, colours: dict[str, str], left: int, top: int, decades: int) -> list[str]:
    def x(milliseconds: float) -> float:
        return left + _WIDTH * log10(max(milliseconds, _LEAST_MS) / _LEAST_MS) / decades

    def y(percent: float) -> float:
        return top + _HEIGHT * (1 - percent / 100)

    parts = _frame(left, top, "% of all requests that got a seat within", "")
    parts += [_level(left, y(percent), f"{percent}") for percent in (0, 25, 50, 75, 99)]
    parts += [
        _mark(x(_LEAST_MS * 10**decade), top, _duration(decade)) for decade in range(decades + 1)
    ]
    seated = {row.name: row.wait.count / max(1, row.requests) for row in report.tiers}
    for tier, percentiles in report.waits.items():
        # Of all requests of the tier: the curve of one that is shed ends below 100 %.
        line = [
            f"{x(wait):.1f},{y(percent * seated[tier]):.1f}"
            for percent, wait in enumerate(percentiles)
        ]
        if line:
            line.append(f"{left + _WIDTH},{y(100 * seated[tier]):.1f}")
        parts.append(
            f'<polyline points="{" ".join(line)}" fill="none" stroke="{colours[tier]}"'
            ' stroke-width="2.5" stroke-opacity="0.85" stroke-linejoin="round"/>'
        )
    return parts


def _frame(left: int, top: int, title: str, unit: str) -> list[str]:
    return [
        text(left, top - 12, title, size=12),
        text(left + _WIDTH, top + _HEIGHT + 36, unit, anchor="end"),
    ]


def _level(left: int, y: float, label: str) -> str:
    return (
        f'<line x1="{left}" x2="{left + _WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        + text(left - 6, y + 4, label, anchor="end")
    )


def _mark(x: float, top: int, label: str) -> str:
    bottom = top + _HEIGHT
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}" stroke="#888"/>'
        + text(x, bottom + 18, label, anchor="middle")
    )


def _legend(colours: dict[str, str], y: int) -> list[str]:
    parts, x = [], _LEFT
    for tier, colour in colours.items():
        parts.append(f'<rect x="{x}" y="{y - 11}" width="14" height="14" fill="{colour}"/>')
        parts.append(text(x + 20, y, tier))
        x += 44 + 8 * len(tier)
    return parts


def _duration(decade: int) -> str:
    milliseconds = _LEAST_MS * 10**decade
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:,.0f} s"
    # Shorter waits stand at the left end.
    return f"{'' if decade else '≤ '}{milliseconds:.0f} ms"
