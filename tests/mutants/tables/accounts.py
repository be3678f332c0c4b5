"""Mistakes about what is charged, settled and billed, and what must not count twice."""

from tests.mutants.mutant import wrong

MUTANTS = (
    wrong(
        "limits never settled",
        "settlement.py",
        "bucket.settle(now, tokens - request.tokens)",
        "bucket.settle(now, 0)",
        "test_settling.py::test_limits_are_settled_by_what_was_really_used",
    ),
    wrong(
        "limits two windows deep",
        "limits.py",
        "self.depth = max(self.gain * MINUTE, self.unit)",
        "self.depth = max(2 * self.gain * MINUTE, self.unit)",
        "test_shedding.py::test_a_limit_says_exactly_when_it_lets_the_next_request_in",
    ),
    wrong(
        "ended twice, settled twice",
        "core.py",
        "        record.state = ENDED\n        del self._requests[record.id]\n",
        "        if record.state == QUEUED:\n"
        "            record.state = ENDED\n            del self._requests[record.id]\n",
        "test_events.py::test_a_request_that_ends_twice_frees_its_seat_once",
    ),
    wrong(
        "cancelled requests keep their limit",
        "settlement.py",
        "flow.requests.settle(now, -1)",
        "flow.requests.settle(now, 0)",
        "test_settling.py::test_cancelled_while_it_waits_a_request_costs_nothing",
    ),
    wrong(
        "what was charged too much is kept",
        "settlement.py",
        "        self._charge_cost(now, request, cost)\n        billed",
        "        self._charge_cost(now, request, max(cost, request.cost))\n        billed",
        "test_order.py::test_refunds_reach_who_has_been_charged_too_much",
    ),
    wrong(
        "output beyond the estimate charged at the end only",
        "settlement.py",
        "if cost > request.cost:",
        "if cost < 0:",
        "test_guarantees.py::test_what_is_produced_beyond_the_estimate_is_charged_before_the_end",
    ),
    wrong(
        "billed by the rates of scheduling",
        "settlement.py",
        "billed = cost if self.same else self.bill(request)",
        "billed = cost",
        "test_settling.py::test_scheduling_and_billing_may_use_different_rates",
    ),
    wrong(
        "cached prompts never expected",
        "flows.py",
        "self.cached_permille += (permille - self.cached_permille) >> _HORIZON",
        "self.cached_permille = 0",
        "test_settling.py::test_cached_prompts_are_expected_of_who_has_had_them",
    ),
    wrong(
        "each replica takes the limits of the whole fleet",
        "roster.py",
        "return ceil(fleet_wide * self.share)",
        "return fleet_wide",
        "test_plan.py::test_a_replica_takes_its_share_of_queues_and_of_concurrency",
    ),
    wrong(
        "a clock that goes back is believed",
        "core.py",
        "        if now < self._now:\n            return self._now\n",
        "",
        "test_events.py::test_a_clock_that_goes_back_stands_still",
    ),
)
