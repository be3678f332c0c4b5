"""The benchmark of the contract measures what it says."""

import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.contract import __main__ as command
from bench.contract import azure, picture
from bench.contract.clawback import Return, at_the_rate, measure_return
from bench.contract.floods import Flood, Load
from bench.contract.measure import Figures, capacity_of, figures, run
from bench.contract.scenario import FLOODING, OWNER, From, flood_rates, offered, plan, trace
from tierfleet.admission.core import Core
from tierfleet.plan import Spillover, SpilloverAction
from tierfleet.simulator.baselines import Fcfs
from tierfleet.simulator.log import End, Label
from tierfleet.simulator.trace import SECOND, TraceRequest

CAPACITY = 35_000
MEAN = 1550.0
KEPT = Figures(
    wait_ok=1.0,
    conforming=1000,
    true_wait_ok=0.9,
    true_conforming=990,
    paid_served=1.0,
    served=100.0,
)
MISSED = replace(KEPT, wait_ok=0.5, paid_served=0.5)


def test_without_anybody_else_all_is_served_in_time() -> None:
    requests = trace(60, {OWNER: 2.0})
    contract = plan(CAPACITY, From.LOWER)
    found = figures(run(contract, requests, Core), contract)
    assert (found.wait_ok, found.paid_served) == (1.0, 1.0)
    assert 0 < found.conforming <= len(requests)


def test_first_come_first_served_misses_the_contract_under_a_flood() -> None:
    requests = trace(60, {OWNER: 6.0, **flood_rates(200)})
    contract = plan(CAPACITY, From.LOWER)
    found = figures(run(contract, requests, Fcfs), contract)
    assert found.wait_ok < 0.5
    assert found.paid_served < 0.5


def test_under_a_flood_from_above_only_the_contract_gets_the_owner_served() -> None:
    requests = trace(40, {OWNER: 6.0, **flood_rates(100)})
    contract = plan(CAPACITY, From.HIGHER)
    kept = figures(run(contract, requests, Core, drain=True), contract)
    without = plan(CAPACITY, From.HIGHER, reserved=False)
    bare = figures(run(without, requests, Core), contract)
    assert kept.wait_ok > 0.95
    assert bare.wait_ok < 0.5
    assert kept.paid_served > 0.9
    assert bare.paid_served < 0.3


def test_a_contract_of_half_the_rate_is_not_taken_for_all_that_was_paid_for() -> None:
    requests = trace(40, {OWNER: 9.0, **flood_rates(100)})
    half = plan(CAPACITY // 2, From.HIGHER)
    assert figures(run(half, requests, Core), plan(CAPACITY, From.HIGHER)).paid_served < 0.7


def test_what_conforms_is_what_the_core_called_so_of_the_owner() -> None:
    requests = trace(30, {OWNER: 14.0, **flood_rates(20)})
    contract = plan(CAPACITY, From.LOWER)
    result = run(contract, requests, Core, drain=True)
    labels = result.log.label
    labelled = [requests[at].tenant for at, one in enumerate(labels) if one == Label.CONFORMING]
    assert set(labelled) == {OWNER}
    # It asks for twice its rate.
    assert 0.2 < len(labelled) / sum(one.tenant == OWNER for one in requests) < 0.8
    assert figures(result, contract).conforming == len(labelled)


def test_a_conforming_request_that_expires_has_missed_and_is_not_left_out() -> None:
    """All seats are lent for long when the owner returns, and a request waits a second at most."""
    own = [TraceRequest(at * SECOND, OWNER, 100, 50) for at in (0, 70, 71)]
    lent = [TraceRequest(at * SECOND // 10, "flood-0", 100, 8000) for at in range(800)]
    contract = plan(CAPACITY, From.LOWER, queue_seconds=1)
    requests = sorted([*own, *lent], key=lambda request: request.arrival)
    result = run(contract, requests, Core, 75)
    assert [result.log.end[requests.index(one)] for one in own[1:]] == [End.SHED, End.SHED]
    found = figures(result, contract)
    assert (found.conforming, found.true_conforming) == (3, 3)
    assert found.wait_ok == found.true_wait_ok == pytest.approx(1 / 3)


def flooded_with_known_lengths(**changes: object) -> Figures:
    """The owner's requests are equal and state their length: nothing is estimated."""
    requests = [
        one._replace(prompt_tokens=600, output_tokens=240, max_tokens=240)
        if one.tenant == OWNER
        else one
        for one in trace(40, {OWNER: 6.8, **flood_rates(100)})
    ]
    contract = plan(CAPACITY, From.HIGHER)
    (owed,) = contract.reservations
    contract = contract.model_copy(update={"reservations": (owed.model_copy(update=changes),)})
    return figures(run(contract, requests, Core, drain=True), contract)


@pytest.mark.parametrize("spillover", [SpilloverAction.QUEUE, SpilloverAction.REJECT])
def test_where_lengths_are_known_a_meter_beside_the_core_finds_the_contract_kept_too(
    spillover: SpilloverAction,
) -> None:
    """Whatever becomes of what exceeds it: that takes nothing from what conforms."""
    found = flooded_with_known_lengths(spillover=Spillover(action=spillover))
    assert (found.wait_ok, found.true_wait_ok) == (1.0, 1.0)
    assert found.conforming == pytest.approx(found.true_conforming, rel=0.05)


@pytest.mark.parametrize(
    "missed",
    [replace(KEPT, wait_ok=0.998), replace(KEPT, paid_served=0.98), replace(KEPT, served=96.0)],
)
def test_each_of_the_three_figures_may_fail_the_contract(missed: Figures) -> None:
    assert Flood(From.SAME, MISSED, MISSED, KEPT).kept
    assert not Flood(From.SAME, MISSED, MISSED, missed).kept


def test_a_flood_that_the_tier_alone_withstands_proves_nothing_except_from_below() -> None:
    assert not Flood(From.SAME, MISSED, KEPT, KEPT).needed
    assert not Flood(From.HIGHER, MISSED, replace(KEPT, wait_ok=0.5), KEPT).needed
    assert Flood(From.LOWER, MISSED, KEPT, KEPT).needed
    assert Flood(From.SAME, MISSED, MISSED, KEPT).needed


def test_throughput_above_that_of_first_come_first_served_is_told_as_it_is() -> None:
    assert Flood(From.SAME, MISSED, MISSED, replace(KEPT, served=104.0)).throughput == 1.04


def test_a_floor_is_measured_over_its_rate_and_over_all_that_was_served() -> None:
    of_rate, of_all = Load(CAPACITY, MEAN, 80).floor(20)
    assert of_rate == pytest.approx(1, abs=0.15)
    assert of_all == pytest.approx(0.2, abs=0.04)


def test_the_owner_offers_its_rate_on_average_and_twice_as_much_in_bursts() -> None:
    requests = trace(2000, {OWNER: 3.0})
    assert len(requests) / 2000 == pytest.approx(3.0, rel=0.1)
    seconds = [0] * 2000
    for request in requests:
        seconds[request.arrival // SECOND] += 1
    assert seconds.count(0) > 500
    assert offered(requests, OWNER, 2000) > 0


def test_the_capacity_is_what_a_busy_engine_does() -> None:
    probe = plan(1000, From.LOWER, reserved=False)
    busy = capacity_of(trace(40, flood_rates(200)), probe, range(20, 40))
    assert busy == pytest.approx(35_848, rel=0.05)
    assert capacity_of(trace(40, flood_rates(2)), probe, range(20, 40)) < busy / 5


# Claw-back


def test_dispatches_run_at_the_rate_from_the_first_after_which_they_keep_up() -> None:
    """One of 10 a second, a slack of one: two in 2 s are still on time, none in 2 s are not."""
    assert at_the_rate([0.5, 1.5, 2.5, 3.5], 10, 10, 10) == 0.5
    assert at_the_rate([0.5, 2.4, 2.5, 3.5], 10, 10, 10) == 0.5
    assert at_the_rate([0.5, 3.5, 4.5, 5.5], 10, 10, 10) == 3.5
    assert at_the_rate([0.5, 10.0], 10, 10, 10) == 10.0
    assert at_the_rate([30.0], 10, 10, 10) == 30.0


def test_throwing_out_brings_lent_seats_back_long_before_they_come_free() -> None:
    waited = measure_return(CAPACITY, MEAN, "young", "NextSeat")
    thrown = measure_return(CAPACITY, MEAN, "young", "Abort")
    assert thrown.kept
    assert waited.kept
    assert thrown.bound < 0.1
    assert waited.seconds > 1
    assert waited.lost == 0 < thrown.lost
    assert thrown.first_token > thrown.seconds


def returned(**changes: object) -> Return:
    kept = Return("steady", "Abort", 0.02, 0.021, 0.1, 0.01, ((0.02, 10.0), (1.0, 20.0)), 10.0)
    return replace(kept, **changes)  # type: ignore[arg-type]


def test_a_return_misses_its_bound_by_its_time_or_by_what_it_threw_away() -> None:
    assert returned().kept
    assert not returned(seconds=0.022).kept
    assert not returned(lost=0.06).kept


def test_the_picture_has_a_curve_and_a_bound_for_each_return_and_a_legend() -> None:
    returns = [returned(), returned(lent="young", dispatched=((2.0, 10.0),))] * 2
    drawn = ET.fromstring(picture.svg(returns))  # noqa: S314 - ours
    lines = [one.attrib for one in drawn if one.tag.endswith("polyline")]
    assert sum(line["stroke-dasharray"] == "2 4" for line in lines) == len(returns) + 1
    text = " ".join(one.text or "" for one in drawn)
    assert "young, Abort: 0.020 s, bound 0.021 s" in text
    assert "  the reserved rate  bound on when the curve" in text


# The Azure trace


def test_the_synthetic_trace_has_the_shape_of_the_one_that_it_stands_in_for() -> None:
    """8,819 requests in 3,436 s; a second has none in 73 of 100; medians of 1,469 and 13 tokens."""
    requests = azure.synthetic()
    assert len(requests) == pytest.approx(8819, rel=0.1)
    seconds = {request.arrival // SECOND for request in requests}
    assert 1 - len(seconds) / 3436 == pytest.approx(0.73, abs=0.08)
    for tokens, median, mean in (
        ([request.prompt_tokens for request in requests], 1469, 2048),
        ([request.output_tokens for request in requests], 13, 28),
    ):
        assert sorted(tokens)[len(tokens) // 2] == pytest.approx(median, rel=0.1)
        assert sum(tokens) / len(tokens) == pytest.approx(mean, rel=0.1)


def test_an_overload_is_a_multiple_of_the_capacity_and_the_owner_asks_for_its_part() -> None:
    capacity, requests = azure.overload(azure.synthetic(), 2)
    seconds = requests[-1].arrival / SECOND
    asked = {one: offered(requests, one, seconds) / capacity for one in (OWNER, "flood-0")}
    assert asked[OWNER] == pytest.approx(0.3, abs=0.01)
    assert asked["flood-0"] == pytest.approx(1.7 / FLOODING, rel=0.2)


@pytest.mark.parametrize("content", [None, "TIMESTAMP,ContextTokens\n"])
def test_a_trace_that_cannot_be_read_is_told_at_once(
    content: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "code.csv"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(sys, "argv", ["contract", "--azure", str(path)])
    with pytest.raises(SystemExit) as exit_:
        command.main()
    assert exit_.value.code == 2
    assert "--azure: " in capsys.readouterr().err


def test_a_run_too_short_for_a_floor_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["contract", "--seconds", "60"])
    with pytest.raises(SystemExit) as exit_:
        command.main()
    assert exit_.value.code == 2
    assert "--seconds: give 90 at least" in capsys.readouterr().err


def test_an_interrupt_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: float) -> Load:
        raise KeyboardInterrupt

    monkeypatch.setattr(Load, "probed", interrupted)
    monkeypatch.setattr(sys, "argv", ["contract"])
    assert command.main() == 130
    assert capsys.readouterr().err == "Interrupted: nothing was judged.\n"
