"""Mistakes about the engine's room: seats, what is held back, the KV cache, stalls."""

from tests.mutants.mutant import wrong

MUTANTS = (
    wrong(
        "held-back seats given to everybody",
        "order.py",
        "seats, anytime = self._seats, head.share.tier.anytime",
        "seats, anytime = self._seats, True",
        "test_holdback.py::test_ordinary_work_stops_at_the_seats_that_are_held_back",
    ),
    wrong(
        "seats owed to tenants in the order in which they came",
        "entitlements.py",
        "(flow.drawn, head.sequence, head, flow.room())\n            for flow in self.flows\n",
        "(i, head.sequence, head, flow.room())\n            for i, flow in enumerate(self.flows)\n",
        "test_taking_back.py"
        "::test_seats_are_owed_to_tenants_of_a_reservation_in_the_order_of_their_turns",
    ),
    wrong(
        "seats owed beyond what a tenant may have running",
        "entitlements.py",
        "if behind is None or room == 1:",
        "if behind is None:",
        "test_taking_back.py::test_nobody_is_thrown_out_for_what_its_tenant_may_not_have_running",
    ),
    wrong(
        "who is passed over forgotten when its head goes",
        "shares.py",
        "        elif share.place < 0:\n",
        "        elif share.place < -1:\n",
        "test_engine_room.py::test_what_waits_behind_a_long_context_runs_when_that_is_cancelled",
    ),
    wrong(
        "who is back at its old place found too late",
        "shares.py",
        "(first is not None and first.sequence < share.tie)",
        "(first is None)",
        "test_thrown_out.py::test_between_equals_who_was_thrown_out_is_the_older_one",
    ),
    wrong(
        "who is passed over never the heaviest",
        "shares.py",
        "for share in [*self._heap.items, *self._parked]:",
        "for share in self._heap.items:",
        "test_shedding.py::test_who_may_not_run_at_all_is_pushed_out_too",
    ),
    wrong(
        "the last seat kept idle too",
        "core.py",
        "left = max(0, self._seats.total - 1)",
        "left = max(0, self._seats.total)",
        "test_lending.py::test_reservations_that_lend_nothing_leave_a_seat_for_others",
    ),
    wrong(
        "held-back seats lent though nobody is thrown out",
        "reclaim.py",
        "all(e.reclaims for e in self._roster.entitlements if e.live)",
        "True",
        "test_holdback.py::test_seats_that_are_held_back_for_who_throws_nobody_out_are_not_lent",
    ),
    wrong(
        "held-back seats lent until nothing more may be lost",
        "reclaim.py",
        "return self.may_lose(now, self._lost, at_least)",
        "return self.may_lose(now, 0, at_least)",
        "test_holdback.py::test_seats_that_are_held_back_are_lent_while_as_much_again_may_be_lost",
    ),
    wrong(
        "held-back seats lent while throwing out takes long",
        "seats.py",
        "if anytime and not lent:",
        "if False:",
        "test_holdback.py"
        "::test_held_back_seats_are_lent_while_throwing_out_takes_less_than_half_of_the_wait",
    ),
    wrong(
        "guarantees earn while the engine has stalled",
        "entitlements.py",
        "if passed > 0 and not self._frozen:",
        "if passed > 0:",
        "test_stall.py::test_a_guarantee_earns_at_all_times_but_those_of_a_stall",
    ),
    wrong(
        "held-back seats given to what cannot be thrown out at any time",
        "shares.py",
        "self.anytime = plan.preemption is Preemption.ANYTIME",
        "self.anytime = plan.preemption is not Preemption.NEVER",
        "test_holdback.py::test_work_that_can_be_thrown_out_only_before_its_first_byte_may_not",
    ),
    wrong(
        "flex in held-back seats takes those of higher tiers",
        "running.py",
        "record.firm = not tier.anytime",
        "record.firm = True",
        "test_holdback.py::test_lent_seats_are_not_taken_from_higher_tiers",
    ),
    wrong(
        "hold-back without decay",
        "holdback.py",
        "if now - self._last_arrival >= _IDLE:",
        "if now < self._last_arrival:",
        "test_holdback.py::test_nothing_is_held_back_a_minute_after_the_last_reserved_arrival",
    ),
    wrong(
        "hold-back as if nothing ever ended",
        "holdback.py",
        "held_back(share, margin) + at_once",
        "held_back(share, 0.0) + at_once",
        "test_holdback.py::test_an_engine_that_ends_many_requests_needs_fewer_seats_held_back",
    ),
    wrong(
        "ordinary work fills the cache up to the reserved bound",
        "seats.py",
        "self.kv + tokens <= self._kv_shared",
        "self.kv + tokens <= self._kv_reserved",
        "test_engine_room.py::test_ordinary_work_fills_nine_tenths_of_the_kv_cache",
    ),
    wrong(
        "the engine's gauge ignored",
        "seats.py",
        "measured = reading.kv_used_permille * self._kv_total // self.kv",
        "measured = 1000",
        "test_engine_room.py::test_the_engines_gauge_corrects_what_is_counted",
    ),
    wrong(
        "overtaken without bound",
        "order.py",
        "if head.passed >= OVERTAKINGS:",
        "if head.passed < 0:",
        "test_engine_room.py"
        "::test_what_does_not_fit_the_cache_is_passed_by_other_guarantees_eight_times",
    ),
    wrong(
        "long contexts without bound",
        "shares.py",
        "self.long_running >= self.long.most",
        "self.long_running < 0",
        "test_engine_room.py::test_only_so_many_long_contexts_of_a_tier_run_at_once",
    ),
    wrong(
        "a stalled engine is sent more",
        "pulse.py",
        "stalled = busy and now >= self.due()",
        "stalled = False",
        "test_stall.py::test_an_engine_that_gets_on_with_nothing_is_sent_nothing",
    ),
)
