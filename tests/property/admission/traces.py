"""Random plans, drawn by hypothesis, and random traces, drawn from a seed.

Traces come from a seed because they must be long: queues have to build up before anything can go
wrong, and a list of some hundred drawn events takes longer to draw than to play. What shrinks is
the plan and the length of the trace: a failure comes with the shortest beginning that shows it.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.property.admission.driver import SECOND, TENANTS, TIERS, WALL, Driver, make_plan
from tierfleet.admission.types import EngineReading, Outcome
from tierfleet.plan import Plan

SEEDS = st.integers(0, 2**32)
LENGTHS = st.integers(1, 120)


@st.composite
def tiers(draw: st.DrawFn, *, limited: bool = True) -> list[dict[str, Any]]:
    found = []
    for name, priority in TIERS.items():
        limits: dict[str, Any] = {}
        long: dict[str, Any] = {}
        if limited:
            limits = draw(
                st.sampled_from(
                    [
                        {},
                        {"maxConcurrentRequests": 2},
                        {"requestsPerMinute": 60, "tokensPerMinute": 100_000},
                    ]
                )
            )
            long = {"aboveTokens": 2000, "maxConcurrentRequests": 1} if draw(st.booleans()) else {}
        found.append(
            {
                "name": name,
                "priority": draw(st.sampled_from([priority, priority, 50])),
                "weight": draw(st.integers(1, 4)),
                "minimumPercent": draw(st.sampled_from([0, 0, 10])),
                "preemption": draw(st.sampled_from(["Never", "BeforeFirstByte", "Anytime"])),
                "queue": {"maxRequests": draw(st.sampled_from([2, 1000]))} if limited else {},
                "limits": limits,
                "longContext": long or None,
            }
        )
    return found


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else (WALL + timedelta(seconds=seconds)).isoformat()


@st.composite
def reservations(draw: st.DrawFn, *, terms: bool = True) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(0, 3))):
        prepaid = {"serviceTokens": 20_000, "period": "Hour", "serviceTokensPerSecond": 300}
        term = (
            draw(st.sampled_from([(None, None), (3, None), (None, 9)])) if terms else (None, None)
        )
        spillover = draw(
            st.sampled_from(
                [
                    {"action": "Shared"},
                    {"action": "Shared", "tier": "bronze"},
                    {"action": "Queue"},
                    {"action": "Reject"},
                ]
            )
        )
        found.append(
            {
                "uid": str(number),
                "name": f"contract-{number}",
                "tenants": draw(st.lists(st.sampled_from(TENANTS), min_size=1, max_size=3)),
                "declared": {"prepaid": prepaid}
                if terms and draw(st.booleans())
                else {"percent": 1},
                "granted": draw(st.sampled_from([0, 100, 300, 600])),
                "burstWindowMilliseconds": draw(st.sampled_from([0, 500, 5000])),
                "maxWaitMilliseconds": draw(st.sampled_from([1, 100, 3000])),
                "spillover": spillover,
                "lending": {
                    "lendablePercent": draw(st.sampled_from([None, 0, 100])),
                    "reclaim": draw(st.sampled_from(["NextSeat", "Abort"])),
                },
                "term": {"start": _time(term[0]), "end": _time(term[1])},
            }
        )
    return found


@st.composite
def plans(draw: st.DrawFn, /, *, limited: bool = True, terms: bool = True, **changes: Any) -> Plan:
    long = {"aboveTokens": 3000, "input": "2", "output": "8"}
    rates = st.sampled_from(
        [{}, {"kvResidency": "0.001", "longContext": long}, {"cachedInput": "0", "output": "1.5"}]
    )
    fleet = [
        {
            "name": "h100",
            "accelerator": "h100",
            "desired": draw(st.integers(1, 3)),
            "serviceTokensPerSecond": 1000,
        }
    ]
    tenants = [
        {"name": name, "tier": name.split("-")[0], "weight": draw(st.sampled_from([None, 1, 5]))}
        for name in TENANTS
    ]
    return make_plan(
        **{
            "tiers": draw(tiers(limited=limited)),
            "reservations": draw(reservations(terms=terms)),
            "tenants": tenants,
            "groups": fleet,
            "burndown": draw(rates),
            "scheduling": draw(st.sampled_from([None, {"output": "2"}])),
            **changes,
        }
    )


_KINDS = {
    "arrive": 12,
    "finish": 8,
    "release": 4,
    "first_byte": 3,
    "progress": 3,
    "pass": 6,
    "abort": 2,
    "engine": 1,
    "nonsense": 1,
    "replan": 0,
}


def stir(
    driver: Driver,
    seed: int,
    length: int,
    *,
    sequences: int = 1,
    replans: Sequence[tuple[Plan, int]] = (),
    without: Sequence[str] = (),
) -> Iterator[str]:
    """Plays random events; yields the name of each after it has been played."""
    random = Random(seed)
    kinds = {kind: n for kind, n in _KINDS.items() if kind not in without}
    if replans:
        kinds["replan"] = 1
    counted = 0
    for kind in random.choices([*kinds], [*kinds.values()], k=length):
        match kind:
            case "arrive":
                driver.arrive(
                    random.choice(TENANTS),
                    prompt_tokens=random.choice((1, 50, 500, 2500, 5000)),
                    sequences=random.randint(1, sequences),
                    max_tokens=random.choice((None, 0, 20, 1000)),
                    tier=random.choice((None, None, None, "bronze")),
                    deadline=random.choice((None, None, driver.now + 2 * SECOND)),
                )
            case "finish" if driver.running:
                outcome = random.choice((*[Outcome.COMPLETED] * 6, Outcome.FAILED, Outcome.UNSENT))
                output = random.choice((0, 1, 30, 300, 2000))
                driver.finish(random.choice([*driver.running]), output, outcome)
            case "release" if driver.aborting:
                driver.release(random.choice([*driver.aborting]))
            case "first_byte" if driver.running:
                driver.first_byte(random.choice([*driver.running]))
            case "progress" if driver.running:
                request = random.choice([*driver.running])
                prompt, cached, _ = driver.tokens[request]
                change = random.choice((0, 0, 7, -min(3, prompt - cached)))
                found = random.randint(0, prompt - cached + change)
                driver.progress(request, change, found, random.choice((0, 40, 900)))
            case "pass":
                driver.pass_time(
                    random.choice((10**6, 30 * 10**6, SECOND // 4, SECOND, 3 * SECOND))
                )
            case "abort" if driver.running or driver.waiting or driver.aborting:
                driver.abort(random.choice([*driver.running, *driver.waiting, *driver.aborting]))
            case "engine":
                counted += random.choice((0, 100))
                reading = EngineReading(0, 0, random.choice((0, 300, 800)), counted)
                driver.engine(reading)
            case "nonsense":
                _repeat(driver, random)
            case "replan":
                plan, seats = random.choice(replans)
                driver.replan(plan, seats)
        yield kind


def _repeat(driver: Driver, random: Random) -> None:
    """Says once more what has been said, about what has ended or was never there."""
    request = random.randint(-5, driver.next_id)
    before = driver.core.load()
    gone = request not in {**driver.running, **driver.waiting, **driver.aborting}
    if gone:
        driver.take(driver.core.abort(driver.now, request))
        driver.take(driver.core.first_byte(driver.now, request))
        driver.take(driver.core.finish(driver.now, request, Outcome.COMPLETED))
        driver.take(driver.core.finish(driver.now, request, Outcome.ABORTED))
    elif request in driver.waiting:
        driver.take(driver.core.finish(driver.now, request, Outcome.COMPLETED))
    if not gone:
        driver.take(driver.core.arrive(driver.now, driver.known[request]))
    assert driver.core.load() == before
