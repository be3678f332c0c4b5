from fractions import Fraction

from tierfleet.admission.entitlements import Entitlement
from tierfleet.plan import MICRO

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


def entitlement(rate: int = 1000, *, share: Fraction = Fraction(1), now: int = 0) -> Entitlement:
    subject = Entitlement(now, 0)
    subject.guarantee(now, rate, share, 500, 100)
    subject.fill()
    subject.live = True
    return subject


def served_at_once(subject: Entitlement, now: int, cost: int) -> int:
    count = 0
    while subject.is_owed(now):
        subject.pay(now, cost * MICRO)
        count += 1
    return count


def test_an_idle_reservation_saves_up_its_burst_window_and_no_more() -> None:
    subject = entitlement()
    assert served_at_once(subject, 3600 * SECOND, 100) == 6  # 500 tokens saved, then one into debt


def test_a_waiting_reservation_goes_on_earning_so_that_waiting_costs_it_nothing() -> None:
    idle, waiting = entitlement(), entitlement()
    waiting.join(0)
    # 500 saved, and what comes in the 100 ms that it may wait.
    assert served_at_once(waiting, SECOND, 100) == served_at_once(idle, SECOND, 100) + 1


def test_what_does_not_conform_takes_nothing_from_a_burst_that_does() -> None:
    subject = entitlement()
    untouched = subject.spare(0)
    subject.pay(0, 300 * MICRO, conforming=False)
    assert subject.spare(0) == untouched
    assert (
        subject.due(conforming=False) == 300 * MILLISECOND
    )  # when what would have been lost has paid for it
    assert subject.is_owed(0)


def test_what_does_not_conform_loses_nothing_while_it_waits_for_a_seat_and_saves_nothing() -> None:
    waiting, idle = entitlement(), entitlement()
    waiting.join(0, conforming=False)
    counts = []
    for subject in (waiting, idle):
        subject.leave_all(SECOND)
        counts.append(0)
        while subject.due(conforming=False) <= SECOND:
            subject.pay(SECOND, 100 * MICRO, conforming=False)
            counts[-1] += 1
    # One from a full balance, and what came in the 600 ms of window and wait.
    assert counts == [7, 1]


def test_both_balances_together_save_what_one_would_and_nothing_once_nobody_waits() -> None:
    """r·(2β + ω) is 1,100: 600 of it beyond, until one that conforms waits too."""
    subject = entitlement()
    subject.join(0, conforming=False)
    subject.join(SECOND, conforming=True)
    now = SECOND + 100 * MILLISECOND
    spent = 100 * served_at_once(subject, now, 100)
    while subject.due(conforming=False) <= now + 500 * MILLISECOND:
        subject.pay(now, 100 * MICRO, conforming=False)
        spent += 100
    assert spent <= 1_100 + 500 + 2 * 100
    subject = entitlement()
    subject.join(0, conforming=False)
    subject.leave(SECOND, conforming=False)
    subject.pay(SECOND, 500 * MICRO)
    subject.join(SECOND + 1, conforming=False)
    assert subject.due(conforming=False) == SECOND + 500 * MILLISECOND


def test_debt_is_paid_back_at_the_guaranteed_rate() -> None:
    subject = entitlement()
    subject.pay(0, 1500 * MICRO)  # 500 saved, so 1,000 in debt: one second
    assert subject.tag == SECOND
    assert not subject.is_owed(SECOND - 1)
    assert subject.is_owed(SECOND)


def test_a_changed_rate_or_share_converts_no_debt() -> None:
    subject = entitlement()
    subject.pay(0, 1500 * MICRO)
    subject.guarantee(0, 2000, Fraction(1, 4), 500, 100)  # 500 a second here
    assert not subject.is_owed(2 * SECOND - 1)
    assert subject.is_owed(2 * SECOND)


def test_a_replica_earns_its_share() -> None:
    whole, third = entitlement(), entitlement(share=Fraction(1, 3))
    assert served_at_once(whole, 0, 1) == 501
    assert served_at_once(third, 0, 1) == 167


def test_a_grant_of_nothing_guarantees_nothing() -> None:
    subject = entitlement()
    subject.guarantee(0, 0, Fraction(1), 500, 100)
    assert not subject.guarantees


def test_requests_conform_while_the_backlog_can_start_within_the_longest_wait() -> None:
    subject = entitlement()
    subject.backlog = 550 * MICRO  # 500 saved and 50 in half of the 100 ms it may wait
    assert subject.spare(0) == 0
    assert subject.time_until_conforming(0) == 0
    subject.backlog += 1
    assert subject.spare(0) == -1
    assert subject.time_until_conforming(0) == 1  # 1,000 tokens a second


def test_time_that_stood_still_earns_nothing() -> None:
    subject = entitlement()
    subject.pay(0, 1500 * MICRO)
    subject.thaw(5 * SECOND)
    assert not subject.is_owed(6 * SECOND - 1)
    assert subject.is_owed(6 * SECOND)
