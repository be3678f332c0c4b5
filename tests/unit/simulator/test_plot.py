"""The picture as data: what is drawn where. That it looks well, eyes have to judge."""

from xml.etree import ElementTree as ET

import pytest

from tests.unit.simulator.worlds import SECOND, engine, flood, merged, plan, setup
from tierfleet.admission.core import Core
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


def test_the_curve_of_a_tier_that_is_shed_ends_below_a_hundred_percent() -> None:
    """Of 20 at once on two seats the queue holds two: four of 20 are ever served."""
    tiers = [{**NAMES[1], "queue": {"maxRequests": 2}}]
    held = plan(tiers=tiers, tenants=[{"name": "hobby", "tier": "retail"}], reservations=[])
    made = measure(
        simulate(setup(plan=held, engine=engine(seats=2)), flood("hobby", 20, gap=1), Core)
    )
    picture = drawn([("base", made)])
    assert "% of all requests that got a seat within" in texts(picture)
    (curve,) = points(picture, "polyline")
    ground, top = curve[0][1], curve[0][1] - 220
    assert (ground - curve[-1][1]) / (ground - top) == pytest.approx(4 / 20, abs=0.001)


def test_each_change_has_a_line_of_its_own_that_fits_over_its_run() -> None:
    changes = [f"reservation.a-customer-with-a-long-name-{n}.percent=40" for n in range(3)]
    picture = drawn([("base", report()), ("\n".join(changes), report())])
    bold = [e for e in picture.iter(f"{SVG}text") if e.attrib["font-weight"] == "bold"]
    assert [line.text for line in bold] == ["base", *changes]
    assert len({line.attrib["y"] for line in bold[1:]}) == 3
    width = float(picture.attrib["width"])
    for line in bold:
        size = float(line.attrib["font-size"])
        assert float(line.attrib["x"]) + 0.6 * size * len(line.text or "") <= width
    highest = min(y for area in points(picture, "polygon") for _, y in area)
    assert highest > max(float(line.attrib["y"]) for line in bold) + 20


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_anything_is_drawn_without_a_complaint(count: int) -> None:
    assert "base" in texts(drawn([("base", report(count))]))


def test_everything_stays_inside_of_the_picture() -> None:
    picture = drawn([("one", report()), ("two", report(3))])
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    for shape in ("polygon", "polyline"):
        for outline in points(picture, shape):
            assert all(0 <= x <= width and 0 <= y <= height for x, y in outline)
