"""Mistakes about seats taken back from who borrowed them, and what that may cost."""

from tests.mutants.mutant import wrong

MUTANTS = (
    wrong(
        "seats on their way back not counted",
        "reclaim.py",
        "self._needed(now) - self.pending",
        "self._needed(now)",
        "test_taking_back.py::test_a_seat_that_is_on_its_way_back_is_not_taken_twice",
    ),
    wrong(
        "thrown out at once",
        "reclaim.py",
        "if now - self._since < PATIENCE:",
        "if now < self._since:",
        "test_taking_back.py"
        "::test_a_guarantee_that_has_waited_20_ms_throws_out_what_may_be_thrown_out",
    ),
    wrong(
        "thrown out again and again",
        "reclaim.py",
        "                        and request.aborted_at < 0\n",
        "",
        "test_taking_back.py::test_a_request_is_thrown_out_once_in_its_life",
    ),
    wrong(
        "the oldest thrown out first",
        "reclaim.py",
        "reversed(tier.running)",
        "tier.running",
        "test_taking_back.py::test_of_one_tier_the_newest_goes_first",
    ),
    wrong(
        "the highest tier thrown out first",
        "reclaim.py",
        "for band in reversed(list(bands))",
        "for band in bands",
        "test_taking_back.py"
        "::test_anytime_goes_before_before_first_byte_and_the_lowest_tier_before_higher_ones",
    ),
    wrong(
        "thrown out after the first byte",
        "reclaim.py",
        "                        and (anytime or not request.sent)\n",
        "",
        "test_taking_back.py::test_of_before_first_byte_nobody_loses_an_answer_that_has_begun",
    ),
    wrong(
        "work thrown away without bound",
        "reclaim.py",
        "<= LOST_PERCENT * work",
        "<= 100 * work",
        "test_taking_back.py::test_at_most_5_percent_of_a_minutes_work_is_thrown_away",
    ),
    wrong(
        "seats taken back though the next one was agreed",
        "contracts.py",
        "entitlement.live and plan.lending.reclaim is Reclaim.ABORT",
        "entitlement.live",
        "test_taking_back.py::test_a_reservation_that_takes_the_next_seat_throws_nobody_out",
    ),
    wrong(
        "lost work charged to who lost it",
        "settlement.py",
        "        self._charge_cost(now, request, 0)\n        request.account",
        "        request.account",
        "test_thrown_out.py::test_lost_work_is_not_charged_to_the_share_of_who_lost_it",
    ),
    wrong(
        "who was thrown out waits behind everybody",
        "core.py",
        "self._waiting.put(now, record, again=True)",
        "self._waiting.put(now, record)",
        "test_thrown_out.py::test_what_the_caller_has_seen_nothing_of_waits_again_at_its_old_place",
    ),
)
