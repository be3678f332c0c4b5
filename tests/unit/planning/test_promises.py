"""Sums of promises over time."""

from datetime import timedelta

from tests.unit.planning.world import NOW
from tierfleet.plan import Guarantee, Prepaid, Term
from tierfleet.planning.promises import Promise, amount, begin, over, overlap, peak, within


def term(start: int | None, end: int | None) -> Term:
    """In days from now; None is open."""
    return Term(
        start=None if start is None else NOW + timedelta(days=start),
        end=None if end is None else NOW + timedelta(days=end),
    )


ALWAYS = term(None, None)


def test_the_worst_instant_of_a_term_counts() -> None:
    promises = (Promise(10, term(0, 5)), Promise(20, term(3, 8)), Promise(5, ALWAYS))
    assert peak(promises, ALWAYS, NOW) == 35
    assert peak(promises, term(0, 3), NOW) == 15
    assert peak(promises, term(5, 8), NOW) == 25
    assert peak(promises, term(8, None), NOW) == 5


def test_a_term_that_starts_when_another_ends_does_not_meet_it() -> None:
    assert peak((Promise(10, term(0, 5)), Promise(20, term(5, 8))), ALWAYS, NOW) == 20
    assert peak((Promise(10, term(0, 5)),), term(5, 8), NOW) == 0
    assert peak((Promise(10, term(5, 8)),), term(0, 5), NOW) == 0


def test_what_is_past_needs_no_room() -> None:
    past = Promise(10, term(-9, -1))
    assert peak((past, Promise(20, term(-5, 3))), ALWAYS, NOW) == 20
    assert peak((Promise(10, ALWAYS),), term(-9, 0), NOW) == 0


def test_amounts_are_rates_and_a_percent_is_of_the_total_rounded_down() -> None:
    prepaid = Prepaid(service_tokens=10**9, period="Month", service_tokens_per_second=3000)
    assert amount(Guarantee(percent=30), 1001) == 300
    assert amount(Guarantee(service_tokens_per_second=9000), 1) == 9000
    assert amount(Guarantee(prepaid=prepaid), 1) == 3000


def test_terms_are_compared_from_now_on() -> None:
    assert within(term(1, 2), term(0, 3), NOW)
    assert within(term(-5, 2), term(-1, 3), NOW)
    assert not within(term(0, 4), term(0, 3), NOW)
    assert not within(term(0, None), term(0, 3), NOW)
    assert not within(term(0, 3), term(1, 3), NOW)
    assert overlap(term(0, 3), term(2, 5), NOW)
    assert not overlap(term(0, 3), term(3, 5), NOW)
    assert not overlap(term(-5, -1), ALWAYS, NOW)
    assert over(term(-5, 0), NOW)
    assert not over(term(-5, 1), NOW)
    assert begin(term(2, 3), NOW) == NOW + timedelta(days=2)
