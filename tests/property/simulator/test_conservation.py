"""Whatever the load, the core and the callers do: nothing is lost, nothing is counted twice."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.simulator.worlds import MILLISECOND, document, engine
from tierfleet.admission.core import Core
from tierfleet.plan import parse
from tierfleet.simulator import Setup, TraceRequest, measure, simulate
from tierfleet.simulator.baselines import Fcfs, Vtc
from tierfleet.simulator.log import NEVER, End, Log
from tierfleet.simulator.service import Price
from tierfleet.simulator.simulation import MakeCore

requests = st.builds(
    TraceRequest,
    arrival=st.integers(0, 4000).map(lambda ms: ms * MILLISECOND),
    tenant=st.sampled_from(["acme", "hobby", "stranger", None]),
    prompt_tokens=st.integers(1, 200),
    output_tokens=st.integers(1, 60),
    cached_tokens=st.integers(0, 200),
    sequences=st.integers(1, 3),
    hangs_up_after=st.none() | st.integers(0, 3000).map(lambda ms: ms * MILLISECOND),
)
traces = st.lists(requests, max_size=40).map(
    lambda trace: sorted(
        (r._replace(cached_tokens=min(r.cached_tokens, r.prompt_tokens)) for r in trace),
        key=lambda r: r.arrival,
    )
)
cores = st.sampled_from([Core, Fcfs, Vtc])
# So little memory that the engine preempts, and contexts that it cannot hold.
engines = st.builds(
    engine,
    seats=st.integers(2, 6),
    num_blocks=st.integers(14, 40),
    max_model_len=st.just(220),
    max_num_batched_tokens=st.sampled_from([64, 512]),
)


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    tiers = document()["tiers"]
    tiers[1]["queue"] = {"maxRequests": 5, "maxWaitMilliseconds": 1500}
    return Setup(
        parse(document(tiers=tiers)),
        draw(engines),
        "h100",
        replicas=draw(st.integers(1, 3)),
        drain=draw(st.booleans()),
    )


@given(traces, setups(), cores)
def test_every_request_ends_exactly_once_and_in_order(
    trace: list[TraceRequest], setup: Setup, core: MakeCore
) -> None:
    """`Log.close` raises at a second end; here that none is missing, and that times make sense."""
    ended: list[int] = []
    log = simulate(setup, trace, core, lambda: ended.append(1)).log
    assert End.PENDING not in log.end
    assert len(ended) == len(trace)
    for position, request in enumerate(trace):
        wait, ttft, whole = log.wait[position], log.ttft[position], log.ended[position]
        assert whole >= request.arrival or log.end[position] == End.UNSERVED
        if log.end[position] == End.COMPLETED:
            assert 0 <= wait < ttft <= whole - request.arrival
            assert log.output[position] == request.output_tokens * request.sequences
        else:
            assert log.output[position] <= request.output_tokens * request.sequences
        if ttft == NEVER:
            assert log.output[position] == 0


@given(traces, setups(), cores)
def test_the_report_counts_every_request_token_and_price_once(
    trace: list[TraceRequest], setup: Setup, core: MakeCore
) -> None:
    result = simulate(setup, trace, core)
    report = measure(result)
    for rows in (report.tiers, report.tenants):
        assert sum(row.requests for row in rows) == len(trace)
        assert sum(row.output_tokens for row in rows) == sum(result.log.output)
        for row in rows:
            assert row.requests == (
                row.completed
                + sum(row.shed.values())
                + row.evicted
                + row.hung_up
                + row.refused
                + row.unserved
            )
    price = Price(setup.plan.burndown)
    late = max(result.log.ended, default=0) > result.horizon
    served = sum(
        price(r.prompt_tokens, r.cached_tokens, tokens)
        for r, tokens in zip(trace, result.log.output, strict=True)
        if tokens
    )
    metered = result.service.total(result.service.bins)
    assert metered <= served if late else metered == served


@given(st.lists(requests, max_size=40), st.integers(1, 8), cores)
def test_what_the_engine_computed_is_what_callers_got(
    trace: list[TraceRequest], seats: int, core: MakeCore
) -> None:
    """With no preemption, caching or hanging up: each prompt once, each later token once."""
    plain = sorted(
        (r._replace(cached_tokens=0, sequences=1, hangs_up_after=None) for r in trace),
        key=lambda r: r.arrival,
    )
    setup = Setup(parse(document()), engine(seats=seats), "h100")
    result = simulate(setup, plain, core)
    answered = [n for n in range(len(plain)) if result.log.end[n] == End.COMPLETED]
    computed = sum(plain[n].prompt_tokens + plain[n].output_tokens - 1 for n in answered)
    assert measure(result).utilisation.computed_tokens == computed
    assert sum(result.log.output) == sum(plain[n].output_tokens for n in answered)


@given(traces, setups(), cores)
def test_the_same_seed_gives_the_same_run(
    trace: list[TraceRequest], setup: Setup, core: MakeCore
) -> None:
    first, second = (simulate(setup, trace, core) for _ in range(2))
    assert columns(first.log) == columns(second.log)
    assert measure(first) == measure(second)


def columns(log: Log) -> list[bytes]:
    return [bytes(log.end), bytes(log.reason), log.wait.tobytes(), log.ended.tobytes()]


@given(traces, setups())
def test_no_more_is_served_than_the_engine_has_seats_for(
    trace: list[TraceRequest], setup: Setup
) -> None:
    """Seats in use at any time, from what became of the requests of one replica."""
    one = Setup(setup.plan, setup.engine, "h100")
    log = simulate(one, trace, Fcfs).log
    changes: Counter[int] = Counter()
    for position, request in enumerate(trace):
        if log.wait[position] != NEVER and log.end[position] != End.REFUSED:
            changes[request.arrival + log.wait[position]] += request.sequences
            changes[log.ended[position]] -= request.sequences
    taken = 0
    for time in sorted(changes):
        taken += changes[time]
        assert taken <= one.seats
