from tierfleet.admission.drain import LEAST, MOST, UNKNOWN, DrainRate

SECOND = 1_000_000_000


def busy(rate: DrainRate, start: int, ends: int, gap: int = SECOND // 10) -> int:
    now = start
    for _ in range(ends):
        now += gap
        rate.ended(now, waiting=True)
    return now


def test_the_time_for_some_requests_is_that_of_the_ends_seen() -> None:
    rate = DrainRate()
    busy(rate, 0, 50)
    assert rate.time_for(20) == 2 * SECOND


def test_an_idle_hour_says_nothing_about_the_rate() -> None:
    rate = DrainRate()
    now = busy(rate, 0, 50)
    rate.ended(now + 3600 * SECOND, waiting=False)
    busy(rate, now + 7200 * SECOND, 2)
    assert rate.time_for(20) == 2 * SECOND


def test_before_anything_is_known_it_says_a_second() -> None:
    rate = DrainRate()
    rate.ended(0, waiting=True)
    assert rate.time_for(1000) == UNKNOWN


def test_it_never_says_less_than_a_blink_or_more_than_a_minute() -> None:
    rate = DrainRate()
    busy(rate, 0, 10)
    assert rate.time_for(0) == LEAST
    assert rate.time_for(10**6) == MOST
