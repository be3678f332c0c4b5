import re
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType

from tests.unit.simulator.worlds import SECOND, engine, flood, merged, plan, setup
from tierfleet.admission.core import Core
from tierfleet.simulator import Report, TraceRequest, measure, simulate
from tierfleet.simulator.tables import comparison, summary


def shown(what: RenderableType, width: int = 100) -> list[str]:
    console = Console(file=StringIO(), width=width)
    console.print(what)
    assert isinstance(console.file, StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def report(**changes: Any) -> Report:
    trace = merged(flood("acme", 60, gap=SECOND), flood("hobby", 120, gap=SECOND // 2))
    return measure(simulate(setup(engine=engine(seats=4), **changes), trace, Core))


def test_a_summary_has_a_line_for_each_tier_tenant_and_promise() -> None:
    tiers = [
        {"name": "enterprise", "priority": 1, "objectives": {"queueP99Milliseconds": 100}},
        {"name": "retail", "priority": 0},
    ]
    lines = shown(summary(report(plan=plan(tiers=tiers))))
    assert lines[0].startswith("180 requests in 60 s on 1 x 4 seats: ")
    assert sum(line.startswith("enterprise 60 60 ") for line in lines) == 1
    assert sum(line.startswith("hobby 120 120 ") for line in lines) == 1
    (kept,) = (line for line in lines if line.startswith("acme 300 "))
    assert re.fullmatch(r"acme 300 211\.8 2\d\d\.\d 100\.00%", kept)
    assert "acme by true cost 60 100.00% 100 0 0 0" in lines
    assert "acme by label 60 100.00% 100 0 0 0" in lines
    assert "enterprise: queue p99 ms 100 0 yes" in lines


def test_an_objective_says_never_where_too_many_were_shed_and_nothing_without_a_request() -> None:
    upper = {"name": "enterprise", "priority": 1, "queue": {"maxWaitMilliseconds": 500}}
    promised = {"objectives": {"queueP99Milliseconds": 600}}
    tiers = [{**upper, **promised}, {"name": "retail", "priority": 0}]
    sizes = engine(seats=1, max_model_len=1000)
    for trace, line in (
        (flood("acme", 90, gap=1), "enterprise: queue p99 ms 600 never no"),
        ([TraceRequest(0, "acme", 9999, 1)], "enterprise: queue p99 ms 600 - -"),
    ):
        ran = setup(plan=plan(tiers=tiers), engine=sizes)
        assert line in shown(summary(measure(simulate(ran, trace, Core))))


def test_in_80_columns_names_are_broken_and_figures_are_not() -> None:
    name = "a-customer-with-a-name-of-many-words-" * 2
    tenants = [{"name": "acme", "tier": "enterprise"}, {"name": name, "tier": "retail"}]
    trace = merged(flood("acme", 60, gap=SECOND), flood(name, 12_345, gap=SECOND // 200))
    made = measure(simulate(setup(plan=plan(tenants=tenants)), trace, Core))
    for table in (summary(made), comparison(made, made, "tenant.acme.tier=retail")):
        console = Console(file=StringIO(), width=80)
        console.print(table)
        assert isinstance(console.file, StringIO)
        assert "…" not in console.file.getvalue()
    assert sum(" 12,345 " in line for line in shown(summary(made), 80)) == 2


def test_the_busiest_tenants_are_listed_and_the_others_counted() -> None:
    names = [f"tenant-{number}" for number in range(15)]
    many = plan(tenants=[{"name": name, "tier": "retail"} for name in names])
    trace = merged(*(flood(name, number + 1, gap=1) for number, name in enumerate(names)))
    lines = shown(summary(measure(simulate(setup(plan=many), trace, Core))))
    assert sum(line.startswith("tenant-14 15") for line in lines) == 1
    assert not any(line.startswith("tenant-0 ") for line in lines)
    assert any("3 tenants more are in --json" in line for line in lines)


def test_a_comparison_shows_base_changed_and_the_difference() -> None:
    fewer = plan(tenants=[{"name": "acme", "tier": "enterprise"}])
    lines = shown(comparison(report(), report(plan=fewer), "tenant.hobby=null"))
    assert lines[1] == "What tenant.hobby=null does"
    retail = lines.index("tier retail")
    assert lines[retail + 2].startswith("share 66.")
    assert lines[retail + 3] == "wait p50 0 ms - -"
    assert lines[retail + 7] == "shed 0 0 0"


def test_what_only_one_run_has_is_shown_as_well() -> None:
    without = plan(reservations=[])
    lines = shown(comparison(report(), report(plan=without), "reservation.acme=null"))
    assert lines[lines.index("reservation acme") + 1] == "guaranteed 300 tok/s - -"
    lines = shown(comparison(report(plan=without), report(), "the contract"))
    assert lines[lines.index("reservation acme") + 1] == "guaranteed - 300 tok/s -"
