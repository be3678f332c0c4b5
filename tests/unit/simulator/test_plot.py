"""The picture as data: what is drawn where. That it looks well, eyes have to judge."""

from xml.etree import ElementTree as ET

import pytest

from tests.unit.simulator.worlds import SECOND, engine, flood, merged, plan, setup
from tierfleet.simulator import Report, measure, simulate
from tierfleet.simulator.baselines import Fcfs
from tierfleet.simulator.plot import svg

SVG = "{http://www.w3.org/2000/svg}"
NAMES = [{"name": "a<b", "priority": 1}, {"name": "retail", "priority": 0}]


def report(count: int = 100) -> Report:
    trace = merged(flood("acme", count, gap=SECOND), flood("hobby", count, gap=SECOND))
    tenants = [{"name": "acme", "tier": "a<b"}, {"name": "hobby", "tier": "retail"}]
    ran = setup(plan=plan(tiers=NAMES, tenants=tenants), engine=engine(seats=2))
    return measure(simulate(ran, trace, Fcfs))


def drawn(runs: list[tuple[str, Report]]) -> ET.Element:
    return ET.fromstring(svg(runs))  # noqa: S314 - our own


def texts(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def points(picture: ET.Element, shape: str) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in (p.split(",") for p in e.attrib["points"].split())]
        for e in picture.iter(f"{SVG}{shape}")
    ]


def test_each_run_has_its_heading_and_each_tier_its_name_and_colour() -> None:
    picture = drawn([("base", report()), ("x=1 & more", report())])
    assert {"base", "x=1 & more", "a<b", "retail"} <= set(texts(picture))
    assert texts(picture).count("a<b") == 1
    fills = [element.attrib["fill"] for element in picture.iter(f"{SVG}polygon")]
    assert len(fills) == 4
    assert len(set(fills)) == 2


def test_tiers_are_stacked_and_reach_what_was_served() -> None:
    picture = drawn([("base", report())])
    lower, upper = points(picture, "polygon")
    half = len(upper) // 2
    assert upper[half:] == lower[:half][::-1]
    ground = max(y for _, y in lower)
    heights = [ground - min(y for _, y in area) for area in (lower, upper)]
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.1)


def test_waits_are_curves_that_rise_to_the_border() -> None:
    picture = drawn([("base", report())])
    for curve in points(picture, "polyline"):
        assert len(curve) == 102
        assert curve == sorted(curve, key=lambda point: (point[0], -point[1]))
        assert curve[-1][1] == min(y for _, y in curve)


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_anything_is_drawn_without_a_complaint(count: int) -> None:
    assert "base" in texts(drawn([("base", report(count))]))


def test_everything_stays_inside_of_the_picture() -> None:
    picture = drawn([("one", report()), ("two", report(3))])
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    for shape in ("polygon", "polyline"):
        for outline in points(picture, shape):
            assert all(0 <= x <= width and 0 <= y <= height for x, y in outline)
