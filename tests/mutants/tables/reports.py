"""Mistakes about what replicas report of the plan, and what is concluded from it."""

from functools import partial

from tests.mutants.mutant import wrong

_wrong = partial(wrong, package="planning")

MUTANTS = (
    _wrong(
        "one that refuses is waited for",
        "enforcement.py",
        "if report is not None and report.refusal and not report.silence:",
        "if report is None:",
        "test_enforcement.py::test_a_replica_that_refuses_the_plan_is_named_at_once_with_its_words",
    ),
    _wrong(
        "a replica is late a moment too late",
        "enforcement.py",
        "due <= snapshot.now",
        "due < snapshot.now",
        "test_enforcement.py::test_for_two_minutes_the_plan_before_will_do",
    ),
    _wrong(
        "who changes the plan each minute hides a replica that is stuck",
        "enforcement.py",
        "min(index + 1, len(published) - 1)",
        "len(published) - 1",
        "test_enforcement.py::test_a_replica_is_late_by_the_plan_that_followed_its_own",
    ),
    _wrong(
        "a silent replica is late by the plan",
        "enforcement.py",
        "return report.since + PATIENCE",
        "return published[-1].since + PATIENCE",
        "test_enforcement.py::test_a_replica_that_is_silent_is_late_two_minutes_after_it_was_first_asked",
    ),
    _wrong(
        "a report from before a restart of the sidecar counts",
        "enforcement.py",
        "return report if report is not None and report.starts == pod.starts else None",
        "return report",
        "test_enforcement.py::test_what_a_replica_said_before_it_was_started_again_counts_no_more",
    ),
    _wrong(
        "replicas count that are going away",
        "enforcement.py",
        "if asked(pod) and pod.ready",
        "if pod.ready",
        "test_enforcement.py::test_only_replicas_that_are_ready_and_stay_count",
    ),
    _wrong(
        "replicas count that are not ready",
        "enforcement.py",
        "if asked(pod) and pod.ready",
        "if asked(pod)",
        "test_enforcement.py::test_only_replicas_that_are_ready_and_stay_count",
    ),
    _wrong(
        "a plan that is forgotten keeps its promises",
        "enforcement.py",
        "NOTHING_RECORDED if one is None else published[one].plan for one in found",
        "published[-1 if one is None else one].plan for one in found",
        "test_enforcement.py::test_a_plan_that_is_not_known_any_more_promises_nothing",
    ),
    _wrong(
        "a reservation is enforced before its plan is everywhere",
        "enforcement.py",
        "all(one.uid in _uids(other) for other in running)",
        "any(one.uid in _uids(other) for other in running)",
        "test_enforcement.py::test_a_reservation_is_enforced_once_it_is_in_every_plan_that_is_reported",
    ),
    _wrong(
        "an equal plan of before is the one in force",
        "published.py",
        "        and report.number == published[-1].number\n",
        "",
        "test_enforcement.py::test_an_equal_plan_of_before_is_another_one",
    ),
    _wrong(
        "an older form of a contract will do for ever",
        "status/enforced.py",
        "(pool.status is Status.TRUE and uid in found.known)",
        "uid in found.known",
        "test_enforcement.py::test_an_older_form_of_a_contract_will_do_as_long_as_the_plan_before",
    ),
    _wrong(
        "who has not been asked hides what was found before",
        "status/enforced.py",
        "    if found.unasked and _stands(before):\n        return Judgement(before.status, "
        "before.reason, before.message)\n    if not found.heard",
        "    if not found.heard",
        "test_enforcement.py::test_what_was_found_before_a_restart_stands_until_somebody_is_asked",
    ),
)
