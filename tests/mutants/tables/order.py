"""Mistakes about who is served next: floors, tiers, shares, borrowing and their clocks."""

from tests.mutants.mutant import wrong

MUTANTS = (
    wrong(
        "borrowing charged to the guarantee",
        "order.py",
        "head.borrowed = True",
        "head.borrowed, head.account = True, head.flow.account",
        "test_order.py::test_borrowing_is_charged_to_the_share_and_not_to_the_guarantee",
    ),
    wrong(
        "borrowing before ordinary work",
        "order.py",
        "self._floor(now) or self._shared() or self._borrowed()",
        "self._floor(now) or self._borrowed() or self._shared()",
        "test_order.py::test_ordinary_work_of_any_tier_goes_before_borrowing",
    ),
    wrong(
        "floors after the tiers",
        "order.py",
        "self._floor(now) or self._shared() or self._borrowed()",
        "self._shared() or self._floor(now) or self._borrowed()",
        "test_floors.py::test_a_tier_with_a_floor_gets_it_under_a_flood_from_above",
    ),
    wrong(
        "floors saving their burst only, whoever waits",
        "shares.py",
        "self.floor.join(now)",
        "self.floor.is_owed(now)",
        "test_floors.py::test_a_floor_loses_nothing_while_its_tier_waits_for_a_seat",
    ),
    wrong(
        "floors charged nothing",
        "running.py",
        "floor.pay(now, record.cost)",
        "floor.pay(now, 0)",
        "test_floors.py::test_a_tier_with_a_floor_gets_it_under_a_flood_from_above",
    ),
    wrong(
        "others fill around a guarantee that waits",
        "order.py",
        "if request is not None or self.blocked is not None:",
        "if request is not None:",
        "test_guarantees.py::test_nothing_fills_around_a_guarantee_that_waits_for_seats",
    ),
    wrong(
        "one clock for all tiers",
        "running.py",
        "        band.clock = max(band.clock, share.v)\n",
        "        for band in self._order._roster.bands:\n"
        "            band.clock = max(band.clock, share.v)\n",
        "test_order.py::test_each_priority_has_a_clock_of_its_own",
    ),
    wrong(
        "no lift of who comes back",
        "shares.py",
        "self.v = max(self.v, clock)",
        "self.v += 0",
        "test_order.py::test_who_was_idle_has_saved_up_nothing",
    ),
    wrong(
        "who is ahead of the clock is set back",
        "shares.py",
        "self.v = max(self.v, clock)",
        "self.v = clock",
        "test_order.py::test_who_is_ahead_of_the_clock_stays_ahead_over_a_pause",
    ),
    wrong(
        "no refund floor",
        "shares.py",
        "self.v = max(self.v, self.base)",
        "self.v = max(self.v, 0)",
        "test_order.py::test_refunds_of_old_work_give_no_head_start_to_who_comes_back",
    ),
    wrong(
        "weights ignored",
        "running.py",
        "record.weighed = record.cost // share.weight",
        "record.weighed = record.cost",
        "test_order.py::test_tenants_of_a_tier_are_served_by_their_weights",
    ),
    wrong(
        "turns of requests and not of service tokens",
        "running.py",
        "share.v += record.weighed",
        "share.v += 1",
        "test_order.py::test_fairness_is_of_service_tokens_and_not_of_requests",
    ),
    wrong(
        "ties by id and not by sequence",
        "arrivals.py",
        "Request(request.id, self._sequence,",
        "Request(request.id, request.id,",
        "test_order.py::test_ties_go_by_arrival_and_not_by_id",
    ),
    wrong(
        "concurrency not looked at",
        "shares.py",
        "if head is None or not share.flow.may_run() or self.is_too_long(head):",
        "if head is None or self.is_too_long(head):",
        "test_order.py::test_a_tenant_at_its_concurrency_is_passed_over_and_served_when_it_may_run",
    ),
    wrong(
        "first come first served forgotten in Shadow",
        "shadow.py",
        "            choice.account = choice.floor = None\n",
        "            return choice, None\n",
        "test_shadow.py::test_in_shadow_requests_go_first_come_first_served",
    ),
)
