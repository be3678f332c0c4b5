"""Mistakes about what a reservation is owed, saves up, pays and shares among its tenants."""

from tests.mutants.mutant import wrong

MUTANTS = (
    wrong(
        "start tag reset at dispatch",
        "entitlements.py",
        "self._level -= cost * self._unit",
        "self._level = min(0, self._level) - cost * self._unit",
        "test_guarantees.py::test_a_guarantee_is_kept_though_seats_come_free_at_odd_times",
    ),
    wrong(
        "what waits is capped like what is idle",
        "entitlements.py",
        "cap = self._cap_waiting if self.conforming else self._cap",
        "cap = self._cap",
        "test_entitlements.py"
        "::test_a_waiting_reservation_goes_on_earning_so_that_waiting_costs_it_nothing",
    ),
    wrong(
        "overflow charged to what the next burst needs",
        "entitlements.py",
        "        if conforming:\n            self._level -=",
        "        if True:\n            self._level -=",
        "test_entitlements.py::test_what_does_not_conform_takes_nothing_from_a_burst_that_does",
    ),
    wrong(
        "overflow saves nothing while it waits",
        "entitlements.py",
        "most = self._cap_both - self._level if self.waiting else 0",
        "most = 0",
        "test_entitlements.py"
        "::test_what_does_not_conform_loses_nothing_while_it_waits_for_a_seat_and_saves_nothing",
    ),
    wrong(
        "idle guarantees save up without bound",
        "entitlements.py",
        "self._level = cap\n",
        "self._level += 0\n",
        "test_entitlements.py::test_an_idle_reservation_saves_up_its_burst_window_and_no_more",
    ),
    wrong(
        "always owed a seat",
        "entitlements.py",
        "self.tag = now - self._level // self._gain if self._gain else now",
        "self.tag = min(now, now - self._level // self._gain) if self._gain else now",
        "test_order.py::test_a_guarantee_is_served_as_reserved_from_its_start_tag_on",
    ),
    wrong(
        "spill over for good at arrival",
        "entitlements.py",
        "(flow.reserved.first or flow.share.first)",
        "flow.reserved.first",
        "test_guarantees.py"
        "::test_what_exceeds_a_guarantee_is_served_under_it_from_what_would_be_lost",
    ),
    wrong(
        "label without those that wait before it",
        "entitlements.py",
        "self.patience) // self._unit - self.backlog",
        "self.patience) // self._unit",
        "test_guarantees.py"
        "::test_a_request_conforms_if_it_can_start_within_the_wait_that_is_promised",
    ),
    wrong(
        "what conforms spills over too",
        "arrivals.py",
        "if record.conforming and record.share.tier is not flow.home:",
        "if not record:",
        "test_spillover.py::test_what_conforms_is_of_its_own_tier_wherever_the_rest_spills_over_to",
    ),
    wrong(
        "tenants of a reservation by arrival",
        "running.py",
        "flow.drawn += record.cost",
        "flow.drawn += 0",
        "test_guarantees.py::test_tenants_of_one_reservation_take_turns_by_what_they_have_drawn",
    ),
    wrong(
        "tenants of a reservation save up by idling",
        "flows.py",
        "self.drawn = max(self.drawn, clock)",
        "self.drawn += 0",
        "test_guarantees.py::test_who_comes_back_to_a_reservation_gets_no_more_than_its_turn",
    ),
    wrong(
        "debt forgiven to what is made again",
        "contracts.py",
        "            entitlement.thaw(now)\n",
        "            entitlement.thaw(now)\n            entitlement.fill()\n",
        "test_events.py::test_a_reservation_that_is_deleted_and_made_again_finds_its_debt",
    ),
    wrong(
        "what comes back to a reservation that its tenant has left goes unseen",
        "running.py",
        "if record.account is not None and record.account is not flow.account:",
        "if record.account is not None and record.account is flow.account:",
        "test_events.py"
        "::test_what_comes_back_to_a_reservation_counts_though_its_tenant_has_left_it",
    ),
    wrong(
        "a replica saves its share of the burst and not the root of it",
        "contracts.py",
        "burst_window(reservation.burst_window_milliseconds, self._share)",
        "reservation.burst_window_milliseconds",
        "test_guarantees.py::test_one_of_four_replicas_saves_half_of_the_burst",
    ),
    wrong(
        "a prepaid period that began in the future believed",
        "contracts.py",
        "not wall < entitlement.period_end <= latest",
        "not wall < entitlement.period_end",
        "test_guarantees.py::test_a_clock_that_was_far_ahead_does_not_keep_a_prepaid_period_open",
    ),
    wrong(
        "overflow owed as if it conformed",
        "order.py",
        "            due = entitlement.due(conforming=head.reserved)\n            if",
        "            due = entitlement.tag\n            if",
        "test_guarantees.py"
        "::test_overflow_behind_a_tenant_at_its_limit_is_owed_no_more_than_would_be_lost",
    ),
    wrong(
        "woken for the first guarantee only",
        "order.py",
        "                if now < due < least:",
        "                if False:",
        "test_guarantees.py::test_a_guarantee_that_cannot_be_served_hides_no_wake_up_of_another",
    ),
    wrong(
        "terms ignored",
        "contracts.py",
        "            and plan.term.holds_at(wall)\n",
        "",
        "test_guarantees.py::test_when_its_term_ends_what_waits_for_it_competes_in_its_tier",
    ),
    wrong(
        "prepaid never used up",
        "contracts.py",
        "            and (entitlement.balance is None or entitlement.balance > 0)\n",
        "",
        "test_guarantees.py"
        "::test_a_prepaid_balance_that_is_used_up_guarantees_nothing_until_its_period_turns",
    ),
    wrong(
        "overflow that queues has its full weight",
        "roster.py",
        "                weight = 1\n",
        "                weight *= 1\n",
        "test_spillover.py::test_overflow_that_queues_has_the_lowest_weight_of_its_tier",
    ),
    wrong(
        "guarantees use seats that others do not lend",
        "seats.py",
        "self.total - self.kept + entitlement.keep",
        "self.total",
        "test_lending.py::test_one_reservation_does_not_use_the_seats_that_another_does_not_lend",
    ),
    wrong(
        "seats that are not lent are kept beside those in use",
        "running.py",
        "keep = max(0, account.unlent - account.in_flight)",
        "keep = account.unlent",
        "test_lending.py::test_seats_that_their_owner_uses_are_not_kept_twice",
    ),
)
