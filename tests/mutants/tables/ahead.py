"""Mistakes about how far ahead of a term its promise counts, and when that is looked at again."""

from functools import partial

from tests.mutants.mutant import wrong

_wrong = partial(wrong, file="ahead.py", package="planning")

MUTANTS = (
    _wrong(
        "replicas for a term come when it begins",
        old="until = snapshot.now + lead(pool) + timedelta.resolution",
        new="until = snapshot.now + timedelta.resolution",
        killer="test_scaling.py"
        "::test_replicas_for_a_promise_come_before_its_term_by_the_time_that_they_load",
    ),
    _wrong(
        "a term that begins just when the engine is loaded is late",
        old="until = snapshot.now + lead(pool) + timedelta.resolution",
        new="until = snapshot.now + lead(pool)",
        killer="test_ahead.py"
        "::test_contracts_of_now_and_those_that_begin_before_an_engine_is_loaded_count_together",
    ),
    _wrong(
        "only what the operator scales is planned ahead",
        old="seconds=pool.spec.engine.startup_timeout_seconds)",
        new="seconds=pool.spec.engine.startup_timeout_seconds "
        'if pool.spec.scaling.mode == "Automatic" else 0)',
        killer="test_devices.py"
        "::test_a_promise_gives_precedence_as_long_before_its_term_as_the_engine_loads",
    ),
    _wrong(
        "promises of terms that begin at some time count",
        old="plan.Term(end=until)",
        new="plan.Term()",
        killer="test_devices.py"
        "::test_a_promise_gives_precedence_as_long_before_its_term_as_the_engine_loads",
    ),
    _wrong(
        "a contract and the one that follows it are added up",
        old="return promises.peak(kept, plan.Term(end=until), snapshot.now)",
        new="soon = plan.Term(end=until)\n"
        "    return sum(p.amount for p in kept if promises.overlap(p.term, soon, snapshot.now))",
        killer="test_ahead.py"
        "::test_a_contract_and_the_one_that_follows_it_are_served_by_the_same_replicas",
    ),
    _wrong(
        "a promise outlives its reservation",
        old="if contract.uid in alive:",
        new="if True:",
        killer="test_devices.py::test_a_promise_whose_reservation_is_deleted_counts_no_more",
    ),
    _wrong(
        "a term is looked at when it begins and not when it comes into sight",
        old="yield start - lead(pool)",
        new="yield start",
        killer="test_ahead.py::test_it_changes_where_a_term_comes_into_sight_and_where_one_ends",
    ),
    _wrong(
        "the end of a term is not looked at",
        old="        if end is not None:\n            yield end\n",
        new="",
        killer="test_ahead.py::test_it_changes_where_a_term_comes_into_sight_and_where_one_ends",
    ),
)
