"""Serving, draining, refusing."""

from tierfleet.sidecar.lifecycle import Lifecycle, State


def test_a_process_serves_until_it_drains() -> None:
    lifecycle = Lifecycle()
    assert lifecycle.state(1e9) is State.SERVING
    assert lifecycle.serving
    assert not lifecycle.over(1e9, 0)


def test_a_drain_goes_on_accepting_before_it_refuses() -> None:
    lifecycle = Lifecycle()
    lifecycle.drain(100.0, accept_seconds=10, timeout_seconds=300)
    assert not lifecycle.serving
    assert lifecycle.state(100.0) is State.LEAVING
    assert lifecycle.state(109.9) is State.LEAVING
    assert lifecycle.state(110.0) is State.REFUSING


def test_a_drain_is_over_when_nothing_is_in_flight_or_at_its_deadline() -> None:
    lifecycle = Lifecycle()
    lifecycle.drain(100.0, accept_seconds=10, timeout_seconds=300)
    assert not lifecycle.over(105.0, 0)
    assert lifecycle.over(110.0, 0)
    assert not lifecycle.over(399.9, 1)
    assert lifecycle.over(400.0, 1)


def test_asked_again_a_drain_is_never_longer() -> None:
    lifecycle = Lifecycle()
    lifecycle.drain(100.0, accept_seconds=10, timeout_seconds=300)
    lifecycle.drain(105.0, accept_seconds=10, timeout_seconds=300)
    assert lifecycle.state(110.0) is State.REFUSING
    lifecycle.drain(106.0, accept_seconds=0, timeout_seconds=10)
    assert lifecycle.state(106.0) is State.REFUSING
    assert lifecycle.over(116.0, 1)


def test_a_drain_accepts_at_least_as_long_as_it_is_told_to() -> None:
    lifecycle = Lifecycle()
    lifecycle.drain(0.0, accept_seconds=10, timeout_seconds=5)
    assert not lifecycle.over(9.9, 0)
