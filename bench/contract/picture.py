"""The claw-back as SVG: what was dispatched under the reservation since its owner returned.

Both axes are logarithmic, because a return takes milliseconds or seconds.
"""

from collections.abc import Sequence
from math import log10

from bench.contract.clawback import WATCHED, Return
from tierfleet.simulator.drawing import sheet, text

_WIDTH, _HEIGHT, _LEFT, _TOP = 560, 330, 70, 40
_FROM = 0.01
"""Seconds, at the lower left."""
_TICKS = (0.01, 0.1, 1, 10)
_RATE, _BOUND = "6 4", "2 4"
"""How the reserved rate is dashed, and how bounds are."""
# Okabe and Ito's palette, which colour-blind people can tell apart.
_COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00")


def svg(returns: Sequence[Return]) -> str:
    """One curve for each; a line below the axis says what dashes and dots are."""
    left, right, top, bottom = _LEFT, _LEFT + _WIDTH, _TOP, _TOP + _HEIGHT

    def part(seconds: float) -> float:
        return log10(max(_FROM, seconds) / _FROM) / log10(WATCHED / _FROM)

    def at(seconds: float, served: float = _FROM) -> tuple[float, float]:
        return left + _WIDTH * part(seconds), bottom - _HEIGHT * part(served)

    parts = [
        text(left, 22, "Dispatched since the return, in seconds of the reserved rate", size=13),
        text(right, bottom + 40, "seconds since the return", anchor="end"),
    ]
    for tick in _TICKS:
        (x, _), (_, y) = at(tick), at(_FROM, tick)
        parts += [_line([(left, y), (right, y)], "#ddd"), _line([(x, top), (x, bottom)], "#ddd")]
        parts += [text(left - 8, y + 4, f"{tick:g}", anchor="end")]
        parts += [text(x, bottom + 19, f"{tick:g}", anchor="middle")]
    parts += [_line([at(_FROM), at(WATCHED, WATCHED)], "#333", dashes=_RATE)]
    for number, (one, colour) in enumerate(zip(returns, _COLOURS, strict=True)):
        steps, before = [], _FROM
        for when, tokens in one.dispatched:
            steps += [at(when, before), at(when, tokens / one.rate)]
            before = tokens / one.rate
        bound, y = at(one.bound)[0], top + 14 + 20 * number
        parts += [
            _line(steps, colour),
            _line([(bound, bottom), (bound, top + 100)], colour, dashes=_BOUND),
        ]
        parts += [_line([(left + 12, y), (left + 38, y)], colour)]
        label = f"{one.lent}, {one.reclaim}: {one.seconds:.3f} s, bound {one.bound:.3f} s"
        parts += [text(left + 46, y + 4, label)]
    y = bottom + 64
    parts += [
        _line([(left, y), (left + 28, y)], "#333", dashes=_RATE),
        text(left + 36, y + 4, "the reserved rate"),
        _line([(left + 170, y), (left + 198, y)], "#333", dashes=_BOUND),
        text(left + 206, y + 4, "bound on when the curve of that colour is at its rate"),
    ]
    return sheet(right + 30, bottom + 84, parts)


def _line(points: Sequence[tuple[float, float]], colour: str, *, dashes: str = "none") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"'
        f' stroke-dasharray="{dashes}"/>'
    )
