"""Conditions over any history of judgements; decimal strings over all that the API accepts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tierfleet.api.common import DECIMAL_PATTERN, DecimalString
from tierfleet.api.conditions import Condition, Judgement, Status, find, judged
from tierfleet.plan import MICRO, Burndown, micro

START = datetime(2026, 11, 22, tzinfo=UTC)
TYPES = ("Accepted", "Placed", "Reconciling")

judgements = st.dictionaries(
    st.sampled_from(TYPES),
    st.builds(Judgement, st.sampled_from(Status), st.sampled_from(["A", "B"]), st.text(max_size=3)),
)
decimals = st.from_regex(DECIMAL_PATTERN, fullmatch=True)


@given(st.lists(st.tuples(judgements, st.integers(1, 10**6)), min_size=1, max_size=6))
def test_a_transition_time_is_the_first_moment_of_the_status_that_holds(
    history: list[tuple[dict[str, Judgement], int]],
) -> None:
    conditions: tuple[Condition, ...] = ()
    since: dict[str, tuple[Status, datetime]] = {}
    now = START
    for generation, (judgement, seconds) in enumerate(history, start=1):
        now += timedelta(seconds=seconds)
        conditions = judged(conditions, judgement, generation=generation, now=now)
        since = {
            type_: before
            if (before := since.get(type_)) is not None and before[0] is said.status
            else (said.status, now)
            for type_, said in judgement.items()
        }
        assert [condition.type for condition in conditions] == [*judgement]
        for type_, (status, moment) in since.items():
            condition = find(conditions, type_)
            assert condition is not None
            assert (condition.status, condition.last_transition_time) == (status, moment)
            assert condition.observed_generation == generation
        later = now + timedelta(days=1)
        assert judged(conditions, judgement, generation=generation, now=later) == conditions


@given(decimals)
def test_every_rate_of_the_api_is_a_whole_number_of_micro_units_in_the_plan(text: str) -> None:
    assert TypeAdapter(DecimalString).validate_python(text) == text
    assert Burndown(input=text).input == text
    assert Decimal(micro(text)) == Decimal(text) * MICRO
