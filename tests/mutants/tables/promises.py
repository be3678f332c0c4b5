"""Mistakes about what can be sold, to whom, and what remains of it when capacity is lost."""

from functools import partial

from tests.mutants.mutant import wrong

_wrong = partial(wrong, package="planning")

MUTANTS = (
    _wrong(
        "the last replica is a spare too",
        "capacity.py",
        "max(0, len(replicas) - 1)",
        "len(replicas)",
        "test_capacity.py::test_spare_replicas_are_set_aside_largest_first_but_never_the_last",
    ),
    _wrong(
        "the smallest replica is the spare",
        "capacity.py",
        "reverse=True",
        "reverse=False",
        "test_capacity.py::test_total_is_over_desired_replicas_and_sellable_survives_the_largest",
    ),
    _wrong(
        "what does not survive is sold",
        "capacity.py",
        "sellable=survivable * ",
        "sellable=sum(replicas) * ",
        "test_capacity.py::test_total_is_over_desired_replicas_and_sellable_survives_the_largest",
    ),
    _wrong(
        "a term that begins when another ends overlaps it",
        "promises.py",
        "sorted(changes)",
        "sorted(changes, key=lambda change: (change[0], -change[1]))",
        "test_promises.py::test_a_term_that_starts_when_another_ends_does_not_meet_it",
    ),
    _wrong(
        "a percent is rounded up",
        "promises.py",
        "total * guarantee.percent // 100",
        "-(-total * guarantee.percent // 100)",
        "test_promises.py::test_amounts_are_rates_and_a_percent_is_of_the_total_rounded_down",
    ),
    _wrong(
        "only the first instant of a term is looked at",
        "promises.py",
        "            changes.append((start, promise.amount))\n        if end",
        "            changes.append((start, 0))\n        if end",
        "test_promises.py::test_the_worst_instant_of_a_term_counts",
    ),
    _wrong(
        "percents are cut like the others",
        "contracts.py",
        "return (contract.declared.percent is None, contract.rank, contract.uid)",
        "return (False, contract.rank, contract.uid)",
        "test_reservations.py"
        "::test_lost_capacity_takes_from_absolute_promises_the_last_accepted_first",
    ),
    _wrong(
        "the first accepted is cut first",
        "contracts.py",
        "return (contract.declared.percent is None, contract.rank, contract.uid)",
        "return (contract.declared.percent is None, -contract.rank, contract.uid)",
        "test_reservations.py"
        "::test_lost_capacity_takes_from_absolute_promises_the_last_accepted_first",
    ),
    _wrong(
        "newer reservations are judged before those on record",
        "reservations.py",
        "            contract is None,\n",
        "            contract is not None,\n",
        "test_reservations.py::test_a_raise_is_judged_before_whoever_is_new_however_old",
    ),
    _wrong(
        "a raise that is refused loses what was agreed",
        "reservations.py",
        "kept = before if refused else wanted",
        "kept = None if refused else wanted",
        "test_reservations.py::test_a_raise_that_does_not_fit_leaves_the_old_contract_and_says_so",
    ),
    _wrong(
        "floors are granted once more",
        "reservations.py",
        "taken = [Promise(market.floors, plan.Term())]",
        "taken: list[Promise] = []",
        "test_status.py::test_a_reservation_whose_part_a_floor_has_taken_says_so",
    ),
    _wrong(
        "a contract whose term is over is kept",
        "reservations.py",
        "if kept is not None and not promises.over(kept.term, market.now):",
        "if kept is not None:",
        "test_reservations.py::test_a_term_that_is_over_is_accepted_and_promises_nothing",
    ),
    _wrong(
        "a deleted reservation goes on",
        "reservations.py",
        "if contract.uid in alive and not promises.over(contract.term, snapshot.now)",
        "if not promises.over(contract.term, snapshot.now)",
        "test_reservations.py::test_a_deleted_reservation_frees_what_it_had",
    ),
    _wrong(
        "more is accepted than can be sold",
        "refusals.py",
        "short_by = amount + promised - sellable",
        "short_by = amount - sellable",
        "test_reservations.py::test_one_service_token_more_is_refused_and_the_numbers_are_told",
    ),
    _wrong(
        "floors can be sold",
        "refusals.py",
        "return self.floors + promises.peak(taken, term, self.now)",
        "return promises.peak(taken, term, self.now)",
        "test_reservations.py::test_floors_take_their_part_before_any_contract_and_are_told",
    ),
    _wrong(
        "one contract a tenant for ever",
        "refusals.py",
        "if promises.overlap(wanted.term, other.term, market.now):",
        "if True:",
        "test_reservations.py::test_a_tenant_has_at_most_one_reservation_in_a_pool_at_a_time",
    ),
    _wrong(
        "two contracts of a tenant at once",
        "refusals.py",
        "if promises.overlap(wanted.term, other.term, market.now):",
        "if False:",
        "test_reservations.py::test_a_tenant_has_at_most_one_reservation_in_a_pool_at_a_time",
    ),
    _wrong(
        "a burst comes to all replicas in equal parts",
        "burst.py",
        "tokens = rate * window_milliseconds / _MILLI * math.sqrt(at.part.share)",
        "tokens = rate * window_milliseconds / _MILLI * float(at.part.share)",
        "test_burst.py::test_what_a_replica_has_to_start_is_what_admission_saves_there",
    ),
    _wrong(
        "the whole wait is for finding a seat",
        "burst.py",
        "half = wait_milliseconds / _MILLI / 2",
        "half = wait_milliseconds / _MILLI",
        "test_burst.py::test_a_quarter_of_the_seats_backs_a_burst_however_much_is_reserved",
    ),
    _wrong(
        "a shorter wait asks no more",
        "contracts.py",
        "and wanted.max_wait_milliseconds >= before.max_wait_milliseconds",
        "and True",
        "test_reservations.py::test_a_contract_that_asks_for_more_of_anything_is_judged_anew",
    ),
    _wrong(
        "a longer term asks no more",
        "contracts.py",
        "and promises.within(wanted.term, before.term, now)",
        "and True",
        "test_reservations.py::test_a_contract_that_asks_for_more_of_anything_is_judged_anew",
    ),
    _wrong(
        "a percent of a smaller pool is taken for less than a rate",
        "contracts.py",
        "        return promises.amount(wanted, 0) <= promises.amount(before, 0)\n    return False",
        "        return promises.amount(wanted, 0) <= promises.amount(before, 0)\n    return True",
        "test_reservations.py::test_a_percent_and_a_rate_cannot_be_taken_for_each_other",
    ),
    _wrong(
        "replicas that are not ready keep promises",
        "backing.py",
        "if pod.ready and not pod.terminating",
        "if not pod.terminating",
        "test_backing.py::test_with_fewer_the_last_accepted_is_short_first",
    ),
    _wrong(
        "what one contract takes is there for the next",
        "backing.py",
        "room -= kept[contract.uid]",
        "room -= 0",
        "test_backing.py::test_with_fewer_the_last_accepted_is_short_first",
    ),
    _wrong(
        "the newest Secret decides",
        "tenants.py",
        "key=lambda s: (s.created, s.name))",
        "key=lambda s: (s.created, s.name), reverse=True)",
        "test_tenants.py::test_of_two_tiers_the_older_secret_wins_and_all_keys_work",
    ),
    _wrong(
        "a key of two tenants is one's",
        "tenants.py",
        "for key in secret.keys} - refused",
        "for key in secret.keys}",
        "test_pool.py::test_problems_of_single_tenants_do_not_hold_a_pool",
    ),
    _wrong(
        "a plan has room for every contract",
        "refusals.py",
        "if size <= room:",
        "if True:",
        "test_index.py"
        "::test_a_contract_that_finds_no_room_in_the_plan_is_refused_and_those_before_it_stand",
    ),
    _wrong(
        "others take no room in the plan",
        "index.py",
        "return CONTRACT_BYTES - sum(map(size, contracts))",
        "return CONTRACT_BYTES",
        "test_index.py::test_who_was_accepted_stays_accepted_when_an_older_one_comes",
    ),
    _wrong(
        "what is accepted takes no room in the plan of those after it",
        "reservations.py",
        "            left -= index.size(kept)\n",
        "",
        "test_index.py"
        "::test_a_contract_that_finds_no_room_in_the_plan_is_refused_and_those_before_it_stand",
    ),
    _wrong(
        "tenants take no room in the plan",
        "index.py",
        "+ len(contract.name) + tenants",
        "+ len(contract.name)",
        "test_index.py"
        "::test_a_change_that_finds_no_room_is_refused_and_what_was_agreed_stays_in_force",
    ),
    _wrong(
        "a raise needs room in the plan that its contract has",
        "reservations.py",
        "room = max(left, had)",
        "room = left",
        "test_index.py"
        "::test_what_is_on_record_beyond_the_bound_stays_and_changes_within_its_own_room",
    ),
)
