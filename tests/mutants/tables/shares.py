"""Mistakes about who may be added before the others have smaller shares."""

from functools import partial

from tests.mutants.mutant import wrong

_wrong = partial(wrong, package="planning")

MUTANTS = (
    _wrong(
        "a replica is added whatever the others still run",
        "shares.py",
        "room = _smallest(snapshot, key, there)",
        "room = Fraction(1)",
        "test_shares.py::test_more_are_allowed_once_all_report_the_plan_that_counts_them",
    ),
    _wrong(
        "the sum of the shares is looked at, not what each plan counts",
        "shares.py",
        "smallest = min(smallest, now / then)",
        "smallest = max(smallest, now / then)",
        "test_shares.py::test_room_in_the_sum_alone_is_no_room",
    ),
    _wrong(
        "a plan does not count who is leaving",
        "shares.py",
        "len(self.ready) + max(len(self.starting), len(self.leaving))",
        "len(self.ready) + len(self.starting)",
        "test_shares.py::test_those_that_leave_count_until_they_are_gone_or_their_time_is_over",
    ),
    _wrong(
        "a pod reads the plan once it has an address",
        "shares.py",
        "if pod.node is None and",
        "if not pod.address and",
        "test_shares.py::test_one_that_starts_may_be_ready_before_it_has_the_plan",
    ),
    _wrong(
        "a successor counts beside its predecessor",
        "shares.py",
        "len(self.ready) + max(len(self.starting), len(self.leaving))",
        "len(self.ready) + len(self.starting) + len(self.leaving)",
        "test_shares.py::test_a_rollout_counts_nobody_twice",
    ),
    _wrong(
        "a pod on a lost node counts for ever",
        "shares.py",
        "elif pod.gone_by is None or now < pod.gone_by:",
        "else:",
        "test_shares.py::test_those_that_leave_count_until_they_are_gone_or_their_time_is_over",
    ),
    _wrong(
        "what a Deployment asks for is not counted before it is there",
        "shares.py",
        "name: max(count, deployed.get(name, 0), there[name].at_once)",
        "name: max(count, there[name].at_once)",
        "test_shares.py::test_a_plan_counts_whoever_is_there_or_is_to_come",
    ),
    _wrong(
        "a Deployment that is not known has no replicas",
        "shares.py",
        "name: max(deployed.get(name, 0), there[name].at_once) for name in desired",
        "name: deployed.get(name, 0) for name in desired",
        "test_shares.py::test_who_is_there_stays_though_the_deployment_is_not_known",
    ),
    _wrong(
        "room is given twice",
        "shares.py",
        "room -= more * (share or 0)",
        "room -= 0 * (share or 0)",
        "test_shares.py::test_room_is_given_once",
    ),
    _wrong(
        "only those that are ready keep a share",
        "shares.py",
        "(*pods.ready, *pods.starting, *pods.leaving)",
        "(*pods.ready,)",
        "test_shares.py::test_one_that_starts_may_be_ready_before_it_has_the_plan",
    ),
    _wrong(
        "a report outlives the process that made it",
        "shares.py",
        "report if report is not None and report.starts == pod.starts else None",
        "report",
        "test_shares.py::test_what_was_said_before_a_sidecar_was_started_again_counts_no_more",
    ),
    _wrong(
        "after a restart the plan in force is taken for all there was",
        "published.py",
        "return [None, *(one.plan for one in published)]",
        "return [one.plan for one in published]",
        "test_shares.py::test_after_a_restart_nothing_is_known_of_the_plans_before",
    ),
    _wrong(
        "a replica stays at what it reported",
        "published.py",
        "return [one.plan for one in published[first:]]",
        "return [one.plan for one in published[first : first + 1]]",
        "test_shares.py::test_a_replica_may_run_what_it_said_or_what_followed",
    ),
    _wrong(
        "what was said of a plan holds for an equal one later",
        "published.py",
        "published[index].number <= report.number\n            and ",
        "",
        "test_shares.py::test_a_replica_may_run_what_it_said_or_what_followed",
    ),
    _wrong(
        "a plan that is written again is a new one",
        "published.py",
        "Published(published[-1].number, plan, published[-1].since)",
        "Published(number, plan, now)",
        "test_shares.py::test_a_plan_is_forgotten_two_minutes_after_the_next_one",
    ),
)
