from fractions import Fraction

from tierfleet.admission.limits import MINUTE, Bucket, Limit


def test_a_window_may_be_used_at_once_and_refills_evenly() -> None:
    bucket = Bucket(0, Limit(60, Fraction(1)))
    assert [bucket.take(0, 1) for _ in range(61)] == [0] * 60 + [MINUTE // 60]
    assert bucket.take(MINUTE // 60, 1) == 0
    assert bucket.take(MINUTE // 60, 1) > 0


def test_a_bucket_never_holds_more_than_one_window() -> None:
    bucket = Bucket(0, Limit(60, Fraction(1)))
    assert bucket.allowance(10 * MINUTE).remaining == 60


def test_a_share_of_a_small_limit_still_lets_one_request_through() -> None:
    bucket = Bucket(0, Limit(1, Fraction(1, 3)))
    assert bucket.take(0, 1) == 0
    assert bucket.take(0, 1) == 3 * MINUTE


def test_a_charge_deeper_than_the_bucket_is_taken_when_it_is_full() -> None:
    bucket = Bucket(0, Limit(60, Fraction(1)))
    assert bucket.take(0, 180) == 0
    assert bucket.allowance(0).remaining == 0
    assert bucket.take(2 * MINUTE, 1) > 0
    assert bucket.take(2 * MINUTE + MINUTE // 60, 1) == 0


def test_what_is_shown_is_rounded_against_the_caller() -> None:
    bucket = Bucket(0, Limit(60, Fraction(1, 7)))
    assert bucket.allowance(0).limit == 8
    bucket.take(0, 8)
    shown = bucket.allowance(0)
    assert shown.remaining == 0
    assert shown.reset == 8 * 7 * MINUTE // 60


def test_a_settlement_may_go_below_zero_and_never_above_the_window() -> None:
    bucket = Bucket(0, Limit(60, Fraction(1)))
    bucket.settle(0, 90)
    assert bucket.allowance(0).remaining == 0
    assert bucket.take(0, 1) == 31 * MINUTE // 60
    bucket.settle(0, -1000)
    assert bucket.allowance(0).remaining == 60


def test_a_changed_limit_keeps_what_was_used() -> None:
    bucket = Bucket(0, Limit(60, Fraction(1)))
    for _ in range(50):
        bucket.take(0, 1)
    bucket.change(0, Limit(100, Fraction(1)))
    assert bucket.allowance(0).remaining == 50
    bucket.change(0, Limit(40, Fraction(1)))
    assert bucket.allowance(0).remaining == 0
