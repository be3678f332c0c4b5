"""Which tier is asked for."""

import pytest

from tierfleet.sidecar.surfaces.surface import BadBodyError
from tierfleet.sidecar.surfaces.tiers import asked_for

TIERS = {"enterprise", "flex"}


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        (None, None),
        ("auto", None),
        ("default", None),
        ("scale", None),
        ("standard_only", None),
        ("flex", "flex"),
        ("enterprise", "enterprise"),
    ],
)
def test_a_tier_of_the_plan_is_asked_for_by_its_name(name: str | None, tier: str | None) -> None:
    assert asked_for(name, TIERS) == tier


def test_what_nothing_is_meant_by_is_refused_with_what_is_possible() -> None:
    with pytest.raises(BadBodyError, match=r"auto, default, enterprise, flex") as refused:
        asked_for("gold", TIERS)
    assert refused.value.param == "service_tier"
