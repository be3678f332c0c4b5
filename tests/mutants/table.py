"""Wrong variants of the admission core, each with the test that has to notice it.

A mutant is a mistake that somebody could make, most of them known from other schedulers. The tests
are named by their last words under `tests/unit/admission/`: `file::test`.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One mistake.

    Attributes:
        name: what is wrong.
        file: under `operator/tierfleet/admission/`.
        edits: exact old texts, each there once, and what they become.
        killer: the test that has to fail.
    """

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    killer: str


def _wrong(name: str, file: str, old: str, new: str, killer: str) -> Mutant:
    return Mutant(name, file, ((old, new),), killer)


GUARANTEES = (
    _wrong(
        "start tag reset at dispatch",
        "entitlements.py",
        "self._level -= cost * self._unit",
        "self._level = min(0, self._level) - cost * self._unit",
        "test_guarantees.py::test_a_guarantee_is_kept_though_seats_come_free_at_odd_times",
    ),
    _wrong(
        "what waits is capped like what is idle",
        "entitlements.py",
        "cap = self._cap_waiting if self.waiting else self._cap",
        "cap = self._cap",
        "test_entitlements.py"
        "::test_a_waiting_reservation_goes_on_earning_so_that_waiting_costs_it_nothing",
    ),
    _wrong(
        "idle guarantees save up without bound",
        "entitlements.py",
        "self._level = cap\n",
        "self._level += 0\n",
        "test_entitlements.py::test_an_idle_reservation_saves_up_its_burst_window_and_no_more",
    ),
    _wrong(
        "always owed a seat",
        "entitlements.py",
        "self.tag = now - self._level // self._gain if self._gain else now",
        "self.tag = min(now, now - self._level // self._gain) if self._gain else now",
        "test_order.py::test_a_guarantee_is_served_as_reserved_from_its_start_tag_on",
    ),
    _wrong(
        "spill over for good at arrival",
        "entitlements.py",
        "(flow.reserved.first or flow.share.line.first)",
        "flow.reserved.first",
        "test_guarantees.py"
        "::test_what_exceeds_a_guarantee_is_served_under_it_from_what_would_be_lost",
    ),
    _wrong(
        "label without those that wait before it",
        "entitlements.py",
        "self.patience) // self._unit - self.backlog",
        "self.patience) // self._unit",
        "test_guarantees.py"
        "::test_a_request_conforms_if_it_can_start_within_the_wait_that_is_promised",
    ),
    _wrong(
        "what conforms spills over too",
        "arrivals.py",
        "if record.conforming and record.share.tier is not flow.home:",
        "if not record:",
        "test_guarantees.py"
        "::test_what_conforms_is_of_its_own_tier_wherever_the_rest_spills_over_to",
    ),
    _wrong(
        "tenants of a reservation by arrival",
        "running.py",
        "flow.drawn += record.cost",
        "flow.drawn += 0",
        "test_guarantees.py::test_tenants_of_one_reservation_take_turns_by_what_they_have_drawn",
    ),
    _wrong(
        "tenants of a reservation save up by idling",
        "roster.py",
        "if flow.reserved.first is None:\n            flow.drawn = max(flow.drawn, account.clock)",
        "if flow.reserved.first is None:\n            flow.drawn += 0",
        "test_guarantees.py::test_who_comes_back_to_a_reservation_gets_no_more_than_its_turn",
    ),
    _wrong(
        "debt forgiven to what is made again",
        "roster.py",
        "entitlement.owe(debt)",
        "entitlement.fill()",
        "test_events.py::test_a_reservation_that_is_deleted_and_made_again_finds_its_debt",
    ),
    _wrong(
        "terms ignored",
        "roster.py",
        "            and plan.term.holds_at(wall)\n",
        "",
        "test_guarantees.py::test_when_its_term_ends_what_waits_for_it_competes_in_its_tier",
    ),
    _wrong(
        "prepaid never used up",
        "roster.py",
        "            and (entitlement.balance is None or entitlement.balance > 0)\n",
        "",
        "test_guarantees.py"
        "::test_a_prepaid_balance_that_is_used_up_guarantees_nothing_until_its_period_turns",
    ),
    _wrong(
        "overflow that queues has its full weight",
        "roster.py",
        "                weight = 1\n",
        "                weight *= 1\n",
        "test_guarantees.py::test_overflow_that_queues_has_the_lowest_weight_of_its_tier",
    ),
    _wrong(
        "guarantees use seats that others do not lend",
        "seats.py",
        "self.total - self.kept + entitlement.keep",
        "self.total",
        "test_guarantees.py"
        "::test_one_reservation_does_not_use_the_seats_that_another_does_not_lend",
    ),
    _wrong(
        "seats that are not lent are kept beside those in use",
        "running.py",
        "keep = max(0, account.unlent - account.in_flight)",
        "keep = account.unlent",
        "test_guarantees.py::test_seats_that_their_owner_uses_are_not_kept_twice",
    ),
)

ORDER = (
    _wrong(
        "borrowing charged to the guarantee",
        "order.py",
        "head.borrowed = True",
        "head.borrowed, head.account = True, head.flow.account",
        "test_order.py::test_borrowing_is_charged_to_the_share_and_not_to_the_guarantee",
    ),
    _wrong(
        "borrowing before ordinary work",
        "order.py",
        "self._floor(now) or self._shared() or self._borrowed()",
        "self._floor(now) or self._borrowed() or self._shared()",
        "test_order.py::test_ordinary_work_of_any_tier_goes_before_borrowing",
    ),
    _wrong(
        "floors after the tiers",
        "order.py",
        "self._floor(now) or self._shared() or self._borrowed()",
        "self._shared() or self._floor(now) or self._borrowed()",
        "test_order.py::test_a_tier_with_a_floor_gets_it_under_a_flood_from_above",
    ),
    _wrong(
        "floors saving their burst only, whoever waits",
        "shares.py",
        "self.floor.join(now)",
        "self.floor.is_owed(now)",
        "test_order.py::test_a_floor_loses_nothing_while_its_tier_waits_for_a_seat",
    ),
    _wrong(
        "floors charged nothing",
        "running.py",
        "floor.pay(now, record.cost)",
        "floor.pay(now, 0)",
        "test_order.py::test_a_tier_with_a_floor_gets_it_under_a_flood_from_above",
    ),
    _wrong(
        "others fill around a guarantee that waits",
        "order.py",
        "if request is not None or self.blocked is not None:",
        "if request is not None:",
        "test_guarantees.py::test_nothing_fills_around_a_guarantee_that_waits_for_seats",
    ),
    _wrong(
        "one clock for all tiers",
        "running.py",
        "        band.clock = max(band.clock, share.v)\n",
        "        for band in self._order._roster.bands:\n"
        "            band.clock = max(band.clock, share.v)\n",
        "test_order.py::test_each_priority_has_a_clock_of_its_own",
    ),
    _wrong(
        "no lift of who comes back",
        "shares.py",
        "self.v = max(self.v, clock)",
        "self.v += 0",
        "test_order.py::test_who_was_idle_has_saved_up_nothing",
    ),
    _wrong(
        "who is ahead of the clock is set back",
        "shares.py",
        "self.v = max(self.v, clock)",
        "self.v = clock",
        "test_order.py::test_who_is_ahead_of_the_clock_stays_ahead_over_a_pause",
    ),
    _wrong(
        "no refund floor",
        "shares.py",
        "self.v = max(self.v, self.base)",
        "self.v = max(self.v, 0)",
        "test_order.py::test_refunds_of_old_work_give_no_head_start_to_who_comes_back",
    ),
    _wrong(
        "weights ignored",
        "running.py",
        "record.weighed = record.cost // share.weight",
        "record.weighed = record.cost",
        "test_order.py::test_tenants_of_a_tier_are_served_by_their_weights",
    ),
    _wrong(
        "turns of requests and not of service tokens",
        "running.py",
        "share.v += record.weighed",
        "share.v += 1",
        "test_order.py::test_fairness_is_of_service_tokens_and_not_of_requests",
    ),
    _wrong(
        "ties by id and not by sequence",
        "arrivals.py",
        "Request(request.id, self._sequence,",
        "Request(request.id, request.id,",
        "test_order.py::test_ties_go_by_arrival_and_not_by_id",
    ),
    _wrong(
        "concurrency not looked at",
        "shares.py",
        "if head is None or not share.flow.may_run() or self.is_too_long(head):",
        "if head is None or self.is_too_long(head):",
        "test_order.py::test_a_tenant_at_its_concurrency_is_passed_over_and_served_when_it_may_run",
    ),
    _wrong(
        "first come first served forgotten in Shadow",
        "core.py",
        "        if not self._shadow:\n            return choice, None\n",
        "        if choice is not None or not self._shadow:\n            return choice, None\n",
        "test_events.py::test_in_shadow_requests_go_first_come_first_served",
    ),
)

ROOM = (
    _wrong(
        "held-back seats given to everybody",
        "order.py",
        "seats, anytime = self._seats, head.share.tier.anytime",
        "seats, anytime = self._seats, True",
        "test_holdback.py::test_ordinary_work_stops_at_the_seats_that_are_held_back",
    ),
    _wrong(
        "seats owed to tenants in the order in which they came",
        "entitlements.py",
        "(flow.drawn, head.sequence, head, flow.room())\n            for flow in self.flows\n",
        "(i, head.sequence, head, flow.room())\n            for i, flow in enumerate(self.flows)\n",
        "test_taking_back.py"
        "::test_seats_are_owed_to_tenants_of_a_reservation_in_the_order_of_their_turns",
    ),
    _wrong(
        "seats owed beyond what a tenant may have running",
        "entitlements.py",
        "if behind is None or room == 1:",
        "if behind is None:",
        "test_taking_back.py::test_nobody_is_thrown_out_for_what_its_tenant_may_not_have_running",
    ),
    _wrong(
        "who is passed over forgotten when its head goes",
        "shares.py",
        "                self.offer(share)\n\n    def offer(",
        "                pass\n\n    def offer(",
        "test_engine_room.py::test_what_waits_behind_a_long_context_runs_when_that_is_cancelled",
    ),
    _wrong(
        "who is passed over never the heaviest",
        "shares.py",
        "if _lives(entry)] + list(self._parked):",
        "if _lives(entry)]:",
        "test_shedding.py::test_who_may_not_run_at_all_is_pushed_out_too",
    ),
    _wrong(
        "the last seat kept idle too",
        "core.py",
        "left = max(0, self._seats.total - 1)",
        "left = max(0, self._seats.total)",
        "test_guarantees.py::test_reservations_that_lend_nothing_leave_a_seat_for_others",
    ),
    _wrong(
        "held-back seats lent though nobody is thrown out",
        "reclaim.py",
        "all(e.reclaims for e in self._roster.entitlements if e.live)",
        "True",
        "test_holdback.py::test_seats_that_are_held_back_for_who_throws_nobody_out_are_not_lent",
    ),
    _wrong(
        "held-back seats lent until nothing more may be lost",
        "reclaim.py",
        "return self.may_lose(now, self._lost, at_least)",
        "return self.may_lose(now, 0, at_least)",
        "test_holdback.py::test_seats_that_are_held_back_are_lent_while_as_much_again_may_be_lost",
    ),
    _wrong(
        "held-back seats lent while throwing out takes long",
        "seats.py",
        "if anytime and not lent:",
        "if False:",
        "test_holdback.py::test_held_back_seats_are_lent_to_nobody_while_throwing_out_takes_long",
    ),
    _wrong(
        "guarantees earn while the engine has stalled",
        "entitlements.py",
        "if passed > 0 and not self._frozen:",
        "if passed > 0:",
        "test_engine_room.py::test_a_guarantee_earns_nothing_in_a_stall_even_if_its_requests_arrive_meanwhile",
    ),
    _wrong(
        "held-back seats given to what cannot be thrown out at any time",
        "shares.py",
        "self.anytime = plan.preemption is Preemption.ANYTIME",
        "self.anytime = plan.preemption is not Preemption.NEVER",
        "test_holdback.py::test_work_that_can_be_thrown_out_only_before_its_first_byte_may_not",
    ),
    _wrong(
        "flex in held-back seats takes those of higher tiers",
        "running.py",
        "record.firm = not tier.anytime",
        "record.firm = True",
        "test_holdback.py::test_lent_seats_are_not_taken_from_higher_tiers",
    ),
    _wrong(
        "hold-back without decay",
        "holdback.py",
        "if now - self._last_arrival >= _IDLE:",
        "if now < self._last_arrival:",
        "test_holdback.py::test_nothing_is_held_back_a_minute_after_the_last_reserved_arrival",
    ),
    _wrong(
        "hold-back as if nothing ever ended",
        "holdback.py",
        "held_back(share, margin) + at_once",
        "held_back(share, 0.0) + at_once",
        "test_holdback.py::test_an_engine_that_ends_many_requests_needs_fewer_seats_held_back",
    ),
    _wrong(
        "ordinary work fills the cache up to the reserved bound",
        "seats.py",
        "self.kv + tokens <= self._kv_shared",
        "self.kv + tokens <= self._kv_reserved",
        "test_engine_room.py::test_ordinary_work_fills_nine_tenths_of_the_kv_cache",
    ),
    _wrong(
        "the engine's gauge ignored",
        "seats.py",
        "measured = reading.kv_used_permille * self._kv_total // self.kv",
        "measured = 1000",
        "test_engine_room.py::test_the_engines_gauge_corrects_what_is_counted",
    ),
    _wrong(
        "overtaken without bound",
        "order.py",
        "if head.passed >= OVERTAKINGS:",
        "if head.passed < 0:",
        "test_engine_room.py"
        "::test_what_does_not_fit_the_cache_is_passed_by_other_guarantees_eight_times",
    ),
    _wrong(
        "long contexts without bound",
        "shares.py",
        "self.long_running >= long.most",
        "self.long_running < 0",
        "test_engine_room.py::test_only_so_many_long_contexts_of_a_tier_run_at_once",
    ),
    _wrong(
        "a stalled engine is sent more",
        "pulse.py",
        "stalled = busy and now >= self.due()",
        "stalled = False",
        "test_engine_room.py::test_an_engine_that_gets_on_with_nothing_is_sent_nothing",
    ),
)

RECLAIM = (
    _wrong(
        "seats on their way back not counted",
        "reclaim.py",
        "self._needed(now) - self.pending",
        "self._needed(now)",
        "test_taking_back.py::test_a_seat_that_is_on_its_way_back_is_not_taken_twice",
    ),
    _wrong(
        "thrown out at once",
        "reclaim.py",
        "if now - self._since < PATIENCE:",
        "if now < self._since:",
        "test_taking_back.py"
        "::test_a_guarantee_that_has_waited_20_ms_throws_out_what_may_be_thrown_out",
    ),
    _wrong(
        "thrown out again and again",
        "reclaim.py",
        "                        and request.aborted_at < 0\n",
        "",
        "test_taking_back.py::test_a_request_is_thrown_out_once_in_its_life",
    ),
    _wrong(
        "the oldest thrown out first",
        "reclaim.py",
        "reversed(tier.running)",
        "tier.running",
        "test_taking_back.py::test_of_one_tier_the_newest_goes_first",
    ),
    _wrong(
        "the highest tier thrown out first",
        "reclaim.py",
        "for band in reversed(list(bands))",
        "for band in bands",
        "test_taking_back.py"
        "::test_anytime_goes_before_before_first_byte_and_the_lowest_tier_before_higher_ones",
    ),
    _wrong(
        "thrown out after the first byte",
        "reclaim.py",
        "                        and (anytime or not request.sent)\n",
        "",
        "test_taking_back.py::test_of_before_first_byte_nobody_loses_an_answer_that_has_begun",
    ),
    _wrong(
        "work thrown away without bound",
        "reclaim.py",
        "<= LOST_PERCENT * work",
        "<= 100 * work",
        "test_taking_back.py::test_at_most_5_percent_of_a_minutes_work_is_thrown_away",
    ),
    _wrong(
        "seats taken back though the next one was agreed",
        "roster.py",
        "entitlement.live and plan.lending.reclaim is Reclaim.ABORT",
        "entitlement.live",
        "test_taking_back.py::test_a_reservation_that_takes_the_next_seat_throws_nobody_out",
    ),
    _wrong(
        "lost work charged to who lost it",
        "settlement.py",
        "        self._charge_cost(now, request, 0)\n        request.account",
        "        request.account",
        "test_taking_back.py::test_lost_work_is_not_charged_to_the_share_of_who_lost_it",
    ),
    _wrong(
        "who was thrown out waits behind everybody",
        "core.py",
        "self._enqueue(now, record, again=True)",
        "self._enqueue(now, record)",
        "test_taking_back.py"
        "::test_what_the_caller_has_seen_nothing_of_waits_again_at_its_old_place",
    ),
)

SHEDDING = (
    Mutant(
        "the least weight turned away first",
        "shares.py",
        (
            ("share.heavy = (-(share.backlog // share.weight),", "share.heavy = (share.weight,"),
            ("-entry[0] == share.backlog // share.weight", "entry[0] == share.weight"),
        ),
        "test_shedding.py::test_a_flood_with_a_large_weight_does_not_push_out_who_sends_little",
    ),
    Mutant(
        "the newest turned away whatever its tenant",
        "shares.py",
        (
            (
                "share.heavy = (-(share.backlog // share.weight),",
                "share.heavy = (-newest.sequence,",
            ),
            ("-entry[0] == share.backlog // share.weight", "-entry[0] == newest.sequence"),
        ),
        "test_shedding.py::test_a_full_queue_turns_away_the_newest_of_who_has_the_largest_backlog",
    ),
    Mutant(
        "the longest queue turned away first",
        "shares.py",
        (
            (
                "share.heavy = (-(share.backlog // share.weight),",
                "share.heavy = (-len(list(share.line)),",
            ),
            ("-entry[0] == share.backlog // share.weight", "-entry[0] == len(list(share.line))"),
        ),
        "test_shedding.py::test_the_largest_backlog_is_of_service_tokens_and_not_of_requests",
    ),
    _wrong(
        "conforming requests wait among the others",
        "waiting.py",
        "self._roster.reserve(request, account, again=again)",
        "request.share.put(now, request)",
        "test_shedding.py"
        "::test_a_conforming_request_is_turned_away_by_no_full_queue_and_counts_in_none",
    ),
    _wrong(
        "deadlines not looked at",
        "arrivals.py",
        "if wait is not None and now + wait > deadline:",
        "if wait is not None and wait < 0:",
        "test_shedding.py::test_a_deadline_that_cannot_be_met_is_refused_at_arrival",
    ),
    _wrong(
        "retry times without chance",
        "arrivals.py",
        "nanoseconds + self._random.randrange(nanoseconds // _JITTER + 1)",
        "nanoseconds + nanoseconds // _JITTER",
        "test_shedding.py::test_callers_that_were_refused_together_do_not_come_back_together",
    ),
)

ACCOUNTS = (
    _wrong(
        "limits never settled",
        "settlement.py",
        "bucket.settle(now, tokens - request.tokens)",
        "bucket.settle(now, 0)",
        "test_settling.py::test_limits_are_settled_by_what_was_really_used",
    ),
    _wrong(
        "limits two windows deep",
        "limits.py",
        "self.depth = max(self.gain * MINUTE, self.unit)",
        "self.depth = max(2 * self.gain * MINUTE, self.unit)",
        "test_shedding.py::test_a_limit_says_exactly_when_it_lets_the_next_request_in",
    ),
    _wrong(
        "ended twice, settled twice",
        "core.py",
        "        record.state = ENDED\n        del self._requests[record.id]\n",
        "        if record.state == QUEUED:\n"
        "            record.state = ENDED\n            del self._requests[record.id]\n",
        "test_events.py::test_a_request_that_ends_twice_frees_its_seat_once",
    ),
    _wrong(
        "cancelled requests keep their limit",
        "settlement.py",
        "flow.requests.settle(now, -1)",
        "flow.requests.settle(now, 0)",
        "test_settling.py::test_cancelled_while_it_waits_a_request_costs_nothing",
    ),
    _wrong(
        "what was charged too much is kept",
        "settlement.py",
        "        self._charge_cost(now, request, cost)\n        billed",
        "        self._charge_cost(now, request, max(cost, request.cost))\n        billed",
        "test_order.py::test_refunds_reach_who_has_been_charged_too_much",
    ),
    _wrong(
        "output beyond the estimate charged at the end only",
        "settlement.py",
        "if cost > request.cost:",
        "if cost < 0:",
        "test_guarantees.py::test_what_is_produced_beyond_the_estimate_is_charged_before_the_end",
    ),
    _wrong(
        "billed by the rates of scheduling",
        "settlement.py",
        "billed = cost if self.same else self.bill(request)",
        "billed = cost",
        "test_settling.py::test_scheduling_and_billing_may_use_different_rates",
    ),
    _wrong(
        "cached prompts never expected",
        "flows.py",
        "self.cached_permille += (permille - self.cached_permille) >> _HORIZON",
        "self.cached_permille = 0",
        "test_settling.py::test_cached_prompts_are_expected_of_who_has_had_them",
    ),
    _wrong(
        "each replica takes the limits of the whole fleet",
        "roster.py",
        "return ceil(fleet_wide * self.share)",
        "return fleet_wide",
        "test_core.py::test_a_replica_takes_its_share_of_queues_and_of_concurrency",
    ),
    _wrong(
        "a clock that goes back is believed",
        "core.py",
        "        if now < self._now:\n            return self._now\n",
        "",
        "test_events.py::test_a_clock_that_goes_back_stands_still",
    ),
)

MUTANTS = (*GUARANTEES, *ORDER, *ROOM, *RECLAIM, *SHEDDING, *ACCOUNTS)
