"""Mistakes about who is turned away, when, and when to come again."""

from tests.mutants.mutant import Mutant, wrong

MUTANTS = (
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
                "share.heavy = (-len(list(share)),",
            ),
            ("-entry[0] == share.backlog // share.weight", "-entry[0] == len(list(share))"),
        ),
        "test_shedding.py::test_the_largest_backlog_is_of_service_tokens_and_not_of_requests",
    ),
    wrong(
        "conforming requests wait among the others",
        "waiting.py",
        "self._roster.reserve(request, account, again=again)",
        "request.share.put(now, request)",
        "test_shedding.py"
        "::test_a_conforming_request_is_turned_away_by_no_full_queue_and_counts_in_none",
    ),
    wrong(
        "Shadow counts what Enforce would have turned away",
        "shares.py",
        "return self.waiting - self.refused > self.bound",
        "return self.waiting > self.bound",
        "test_shadow.py::test_what_only_shadow_let_wait_is_served_when_enforce_comes",
    ),
    wrong(
        "Shadow keeps the limits of whom Enforce would have turned away",
        "shadow.py",
        "            self._settlement.give_back(now, newest)\n",
        "",
        "test_shadow.py::test_shadow_gives_back_the_limits_of_whom_enforce_would_turn_away",
    ),
    wrong(
        "Shadow notes the newest of all, whatever its tenant",
        "shadow.py",
        "newest = None if heaviest is None else self._newest(heaviest.share)",
        "newest = None if heaviest is None else self._line[-1]",
        "test_shadow.py::test_shadow_says_whom_enforce_would_turn_away_for_a_full_queue",
    ),
    wrong(
        "deadlines not looked at",
        "arrivals.py",
        "if wait is not None and now + wait > record.deadline:",
        "if wait is not None and wait < 0:",
        "test_shedding.py::test_a_deadline_that_cannot_be_met_is_refused_at_arrival",
    ),
    wrong(
        "retry times without chance",
        "arrivals.py",
        "nanoseconds + self._random.randrange(nanoseconds // _JITTER + 1)",
        "nanoseconds + nanoseconds // _JITTER",
        "test_shedding.py::test_callers_that_were_refused_together_do_not_come_back_together",
    ),
)
