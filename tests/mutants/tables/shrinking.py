"""Mistakes about whose work decides when a Deployment shrinks."""

from functools import partial

from tests.mutants.mutant import wrong

_wrong = partial(wrong, package="planning")

MUTANTS = (
    _wrong(
        "replicas are asked while a pool grows",
        "shrinking.py",
        "wanted < deployed and 0 < wanted < len(ready)",
        "0 < wanted < len(ready)",
        "test_shrinking.py::test_nobody_is_while_nothing_shrinks",
    ),
    _wrong(
        "replicas are asked that all go",
        "shrinking.py",
        "0 < wanted < len(ready)",
        "wanted < len(ready)",
        "test_shrinking.py::test_nobody_is_when_all_go",
    ),
    _wrong(
        "replicas are asked that all stay",
        "shrinking.py",
        "0 < wanted < len(ready)",
        "0 < wanted",
        "test_shrinking.py::test_nobody_is_when_enough_are_not_ready_for_these_go_first",
    ),
    _wrong(
        "replicas elsewhere are rivals",
        "shrinking.py",
        "if pod.accelerator == accelerator and pod.ready",
        "if pod.ready",
        "test_shrinking.py::test_only_replicas_on_that_accelerator_that_stay_otherwise_are",
    ),
    _wrong(
        "a cost is no int32",
        "shrinking.py",
        "return min(in_flight, LARGEST_COST)",
        "return in_flight",
        "test_shrinking.py::test_a_cost_is_the_number_of_requests_as_far_as_kubernetes_can_count",
    ),
)
