"""Whether callers do as they are told, and are told right."""

from tierfleet.sidecar.retries import Retries

S = 1_000_000_000


def came(retries: Retries, first: int, again: int, at: int = 0) -> None:
    for number in range(first + again):
        retries.came(at, "acme", again=number >= first)


def test_a_tenant_whose_tries_are_mostly_repeated_ones_is_told_to_stop() -> None:
    retries = Retries()
    came(retries, 90, 9)
    assert not retries.exhausted("acme")
    came(retries, 0, 2)
    assert retries.exhausted("acme")
    assert not retries.exhausted("other")


def test_a_few_requests_say_nothing() -> None:
    retries = Retries()
    came(retries, 1, 10)
    assert not retries.exhausted("acme")


def test_what_is_long_ago_is_forgotten() -> None:
    retries = Retries()
    came(retries, 20, 20)
    assert retries.exhausted("acme")
    came(retries, 40, 0, at=200 * S)
    assert not retries.exhausted("acme")


def test_the_hint_is_compared_with_when_the_seat_came() -> None:
    retries = Retries()
    came(retries, 1, 0)
    assert retries.served(S, "acme") is None
    retries.refused(S, "acme", 2 * S)
    retries.refused(S, "acme", 9 * S)
    assert retries.served(4 * S, "acme") == S
    assert retries.served(5 * S, "acme") is None
    retries.refused(5 * S, "acme", 2 * S)
    assert retries.served(6 * S, "acme") == -S
    retries.refused(7 * S, "acme", S)
    assert retries.served(100 * S, "acme") is None, "nobody waits for so long"
