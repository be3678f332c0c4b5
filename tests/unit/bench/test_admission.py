import json
import re

import pytest

from bench.admission import __main__ as command
from bench.admission import compiled
from bench.admission.load import LIMITS, OWNERS, plan, requests
from bench.admission.measure import Load, bytes_per_tenant, digest
from tierfleet.admission.core import Core
from tierfleet.admission.supported import unsupported
from tierfleet.simulator.baselines import Fcfs

SMALL = ["--pure", "--rounds", "1", "--cycles", "200", "--divide", "1000"]


def test_the_plan_switches_everything_on_that_the_core_can_do() -> None:
    made = plan(40)
    assert not unsupported(made)
    assert made.scheduling is not None
    assert {tier.preemption for tier in made.tiers} == {"Never", "Anytime"}
    assert any(tier.minimum_percent for tier in made.tiers)
    assert all(tier.long_context and tier.limits.tokens_per_minute for tier in made.tiers)
    assert any(one.declared.prepaid for one in made.reservations)
    assert {one.lending.reclaim for one in made.reservations} == {"Abort"}


def test_a_fifth_of_the_requests_is_of_tenants_with_a_reservation() -> None:
    made = requests(40)
    owned = [next(made).tenant in OWNERS for _ in range(1000)]
    assert sum(owned) == 200


@pytest.mark.parametrize("waiting", [0, 300])
def test_as_many_requests_come_as_end(waiting: int) -> None:
    load = Load(Core, 40, 40, waiting)
    load.cycles(load.batch(2000))
    assert load.shed == 0
    assert load.in_core == (LIMITS.seats + waiting if waiting else LIMITS.seats // 2)


def test_the_same_load_gives_the_same_decisions_and_another_core_others() -> None:
    assert digest(Core, 300) == digest(Core, 300)
    assert digest(Core, 300) != digest(Fcfs, 300)


def test_a_tenant_without_requests_takes_less_than_a_kilobyte() -> None:
    assert 0 < bytes_per_tenant(Core, 2000) <= 1024


def test_the_command_ends_with_its_figures(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", *SMALL])
    assert command.main() == 0
    lines = capfd.readouterr().out.splitlines()
    cases = [json.loads(line)["case"] for line in lines if line.startswith("{")]
    assert cases == ["ten", "flat", "combined", "fcfs", "vtc", "memory", "decisions"]
    last = r"admission cycles_per_s=\d+ flat_ratio=\d\.\d+ combined_ratio=\d\.\d+"
    assert re.fullmatch(last, lines[-1])


def test_builds_that_decide_otherwise_are_no_result(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = command._measure
    runs: list[str] = []

    def differing(*arguments: object) -> list[dict[str, object]]:
        runs.append("run")
        found = measured(*arguments)  # type: ignore[arg-type]
        return [one | {"sha256": str(len(runs))} if "sha256" in one else one for one in found]

    monkeypatch.setattr("sys.argv", ["bench", *SMALL[1:]])
    monkeypatch.setattr(command, "build", lambda: compiled.SOURCE.parent)
    monkeypatch.setattr(command, "_measure", differing)
    assert command.main() == 1
    assert capfd.readouterr().out.endswith("decides otherwise than its source.\n")
