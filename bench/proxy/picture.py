"""Processor time a request and a chunk, as bars in SVG."""

from collections.abc import Mapping

from tierfleet.simulator.drawing import sheet, text

_LEFT, _WIDTH, _ROW, _TOP = 120, 420, 22, 30
_COLOURS = {"sidecar": "#0072B2"}
_OTHERS = "#999"


def svg(groups: Mapping[str, Mapping[str, float]]) -> str:
    """For each group, by its title, a bar for each server: microseconds."""
    parts: list[str] = []
    y = _TOP
    for title, values in groups.items():
        most = max(values.values(), default=1.0) or 1.0
        parts += [text(_LEFT, y, title, size=13)]
        y += 10
        for name, value in values.items():
            width = _WIDTH * value / most
            colour = _COLOURS.get(name, _OTHERS)
            size = f'width="{width:.1f}" height="{_ROW - 6}"'
            parts += [
                text(_LEFT - 8, y + 14, name, anchor="end"),
                f'<rect x="{_LEFT}" y="{y + 2}" {size} fill="{colour}"/>',
                text(_LEFT + width + 6, y + 14, f"{value:.1f}"),
            ]
            y += _ROW
        y += 30
    return sheet(_LEFT + _WIDTH + 60, y, parts)
