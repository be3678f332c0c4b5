from fractions import Fraction

from tierfleet.admission.entitlements import Entitlement
from tierfleet.plan import MICRO, Guarantee, Reservation

SECOND = 1_000_000_000


def entitlement(rate: int = 1000, *, share: Fraction = Fraction(1), now: int = 0) -> Entitlement:
    plan = Reservation(
        uid="1",
        name="contract",
        tenants=("acme",),
        declared=Guarantee(service_tokens_per_second=rate),
        granted=rate,
        burst_window_milliseconds=500,
        max_wait_milliseconds=100,
    )
    return Entitlement(now, plan, share)


def served_at_once(subject: Entitlement, now: int, cost: int) -> int:
    count = 0
    while subject.may_serve(now):
        subject.pay(now, cost * MICRO)
        count += 1
    return count


def test_an_idle_reservation_saves_up_its_burst_window_and_no_more() -> None:
    subject = entitlement()
    assert served_at_once(subject, 3600 * SECOND, 100) == 6  # 500 tokens saved, then one into debt


def test_a_waiting_reservation_goes_on_earning_so_that_waiting_costs_it_nothing() -> None:
    idle, waiting = entitlement(), entitlement()
    waiting.join(0, 100 * MICRO)
    assert served_at_once(waiting, SECOND, 100) == served_at_once(idle, SECOND, 100) + 1


def test_debt_is_paid_back_at_the_guaranteed_rate() -> None:
    subject = entitlement()
    subject.pay(0, 1500 * MICRO)  # 500 saved, so 1,000 in debt: one second
    assert not subject.may_serve(SECOND - 1)
    assert subject.may_serve(SECOND)


def test_a_changed_rate_or_share_converts_no_debt() -> None:
    subject = entitlement()
    subject.pay(0, 1500 * MICRO)
    subject.change(0, entitlement(2000).plan, Fraction(1, 4))  # 500 a second here
    assert not subject.may_serve(2 * SECOND - 1)
    assert subject.may_serve(2 * SECOND)


def test_a_replica_earns_its_share() -> None:
    whole, third = entitlement(), entitlement(share=Fraction(1, 3))
    assert served_at_once(whole, 0, 1) == 501
    assert served_at_once(third, 0, 1) == 167


def test_a_grant_of_nothing_serves_nothing() -> None:
    subject = entitlement()
    subject.change(0, subject.plan.model_copy(update={"granted": 0}), Fraction(1))
    assert not subject.may_serve(SECOND)
    assert not subject.conforms(SECOND)


def test_requests_conform_while_the_backlog_can_start_within_the_longest_wait() -> None:
    subject = entitlement()
    subject.join(0, 600 * MICRO)  # 500 saved and 100 in the 100 ms it may wait
    assert subject.conforms(0)
    subject.join(0, 1)
    assert not subject.conforms(0)
    subject.leave(0, 1)
    assert subject.conforms(0)
