"""Shrink before grow: what is in force never adds up to more than was promised, and it settles."""

from hypothesis import given
from hypothesis import strategies as st

from tests.property.planning.scaling import Scaling

SETTLING_ROUNDS = 12
"""A round is two minutes, so that all who leave are gone after three."""

RATES = st.sampled_from(
    [{"a": 1000}, {"a": 1000, "b": 2400}, {"a": 0, "b": 0}, {"a": 700, "b": 1000, "c": 333}]
)
OF_THE_POOL = ("publish", "deploy", "reconcile", "reconcile", "sync", "sync", "restart", "limit")
OF_A_REPLICA = ("start", "become_ready", "read", "ask", "ask", "end", "evict", "crash", "lose")
STEP = st.sampled_from(
    [*OF_THE_POOL, *OF_A_REPLICA, "scale", "scale", "scale", "wait", "all", "arrive", "arrive"]
)


def step(scaling: Scaling, data: st.DataObject) -> str:
    what = data.draw(STEP)
    if what == "scale":
        name = data.draw(st.sampled_from(sorted(scaling.rates)))
        scaling.scale(name, data.draw(st.integers(0, 5)))
    elif what == "wait":
        scaling.wait(data.draw(st.sampled_from([1, 30, 59, 61, 119, 120, 121, 400])))
    elif what == "all":
        serve(scaling)
    elif what == "arrive":
        arrive(scaling)
    elif what in OF_THE_POOL:
        getattr(scaling, what)()
    elif scaling.replicas:
        getattr(scaling, what)(data.draw(st.sampled_from(sorted(scaling.replicas))))
    return what


def arrive(scaling: Scaling) -> None:
    """All pods that there are to be start and are ready; those that serve know of nothing."""
    scaling.reconcile()
    scaling.sync()
    for name in list(scaling.replicas):
        scaling.start(name)
        scaling.become_ready(name)


def serve(scaling: Scaling) -> None:
    """The same, and all run the plan in force."""
    arrive(scaling)
    for name in list(scaling.replicas):
        scaling.read(name)


@given(RATES, st.data())
def test_the_shares_in_force_never_add_up_to_more_than_one(
    rates: dict[str, int], data: st.DataObject
) -> None:
    scaling = Scaling(rates)
    steps = []
    for _ in range(60):
        steps.append(step(scaling, data))
        assert scaling.in_force() <= 1, steps


@given(RATES, st.data())
def test_it_always_settles_on_what_is_desired_with_or_without_reports(
    rates: dict[str, int], data: st.DataObject
) -> None:
    scaling = Scaling(rates)
    for _ in range(30):
        step(scaling, data)
    for _ in range(SETTLING_ROUNDS):
        serve(scaling)
        scaling.wait(121)
    scaling.reconcile()
    assert scaling.settled()
    before = len(scaling.plans)
    serve(scaling)
    assert len(scaling.plans) == before, "and stays there"
    assert scaling.in_force() == (1 if any(scaling.desired.values()) else 0), "all is handed out"
