"""Mistakes about which devices are free, who gets them, and when replicas move."""

from functools import partial

from tests.mutants.mutant import wrong

_wrong = partial(wrong, package="planning")
_granting = partial(wrong, file="devices.py", package="controllers")

MUTANTS = (
    _wrong(
        "devices of a pod that is going away are free",
        "inventory.py",
        "if not pod.finished\n                )",
        "if not (pod.finished or pod.terminating)\n                )",
        "test_devices.py::test_a_terminating_replica_leaves_nothing_to_another_pool",
    ),
    _wrong(
        "the emptiest node is filled first",
        "inventory.py",
        "names.sort(key=self._free.__getitem__)",
        "names.sort(key=self._free.__getitem__, reverse=True)",
        "test_devices.py"
        "::test_small_replicas_fill_nodes_that_are_in_use_and_leave_whole_ones_to_larger_ones",
    ),
    _wrong(
        "what runs on a cordoned node loses its devices",
        "inventory.py",
        "whole = min(len(live), _devices(live, accelerator.resource) // each)",
        "whole = 0",
        "test_devices.py::test_replicas_on_a_cordoned_node_stay_until_somebody_deletes_them",
    ),
    _wrong(
        "what is going away from a cordoned node leaves its devices",
        "inventory.py",
        "live = [pod for pod in here if not pod.terminating]",
        "live = here",
        "test_devices.py::test_a_terminating_replica_leaves_nothing_on_a_cordoned_node",
    ),
    _wrong(
        "free devices are summed over nodes",
        "inventory.py",
        "here = min(count - grown, (self._free[name] + own) // self._each)",
        "here = min(count - grown, -(-(self._free[name] + own) // self._each))",
        "test_devices.py::test_free_devices_that_no_single_node_can_give_are_not_counted",
    ),
    _wrong(
        "a product is any that begins like it",
        "nodes.py",
        "node.labels.get(accelerator.product_label) in accelerator.products",
        'node.labels.get(accelerator.product_label, "").startswith(accelerator.products)',
        "test_devices.py::test_a_product_is_compared_exactly",
    ),
    _wrong(
        "a node that is not ready takes replicas",
        "nodes.py",
        "        node.ready\n        and node.schedulable",
        "        node.schedulable",
        "test_devices.py::test_nodes_that_take_no_pods_give_no_devices",
    ),
    _wrong(
        "taints keep nobody away",
        "nodes.py",
        "and _tolerated(node.taints, tolerations(accelerator, template))",
        "and True",
        "test_devices.py"
        "::test_the_taint_of_the_devices_is_tolerated_and_others_only_if_the_template_does",
    ),
    _wrong(
        "who promised less comes first",
        "devices.py",
        "-_promised(snapshot, pool),",
        "_promised(snapshot, pool),",
        "test_devices.py::test_the_last_devices_go_to_the_pool_that_promised_more",
    ),
    _wrong(
        "the lighter pool comes first",
        "devices.py",
        "-pool.spec.placement_weight,",
        "pool.spec.placement_weight,",
        "test_devices.py::test_without_promises_weight_decides_then_age_then_the_name",
    ),
    _wrong(
        "a pool that is not accepted is placed anew",
        "devices.py",
        "if acceptance.of_pool(snapshot, pool).status is not Status.TRUE:",
        "if False:",
        "test_devices.py::test_a_pool_that_is_not_accepted_keeps_its_replicas_and_gets_no_more",
    ),
    _wrong(
        "replicas move at once",
        "preference.py",
        "if standing.settled:",
        "if True:",
        "test_preference.py"
        "::test_replicas_stay_where_they_are_when_a_preferred_accelerator_comes_free",
    ),
    _granting(
        "replicas move as soon as there is room",
        old="if now - since >= self._move_after}",
        new="if now - since >= timedelta()}",
        killer="test_devices.py"
        "::test_replicas_move_once_there_has_been_room_for_five_whole_minutes",
    ),
    _granting(
        "replicas move a moment early",
        old="if now - since >= self._move_after}",
        new="if now - since >= self._move_after - timedelta(seconds=1)}",
        killer="test_devices.py"
        "::test_replicas_move_once_there_has_been_room_for_five_whole_minutes",
    ),
    _granting(
        "each look at a group begins to count anew",
        old="self._movable.setdefault(key, now)",
        new="self._movable[key] = now",
        killer="test_devices.py"
        "::test_replicas_move_once_there_has_been_room_for_five_whole_minutes",
    ),
    _granting(
        "room that went is counted on",
        old="            else:\n                self._movable.pop(key, None)\n",
        new="",
        killer="test_devices.py"
        "::test_room_that_goes_before_that_moves_nothing_and_is_waited_for_anew",
    ),
    _granting(
        "nobody looks again when the five minutes are over",
        old="at_next(chain(edges, waiting), now)",
        new="at_next(chain(edges, ()), now)",
        killer="test_devices.py"
        "::test_replicas_move_once_there_has_been_room_for_five_whole_minutes",
    ),
    _granting(
        "nobody looks again when promises change",
        old="at_next(chain(edges, waiting), now)",
        new="at_next(waiting, now)",
        killer="test_devices.py"
        "::test_a_group_is_looked_at_again_when_a_term_comes_into_sight_and_when_it_ends",
    ),
    _granting(
        "a pool counts on from one that had its name",
        old="        self._waiting.discard(pool)\n        self._movable.pop(pool, None)\n",
        new="        self._waiting.discard(pool)\n",
        killer="test_devices.py::test_a_pool_that_takes_the_name_of_one_that_is_gone_counts_anew",
    ),
    _granting(
        "what was taken out of a spec is asked for by nobody",
        old="if claim.replicas > most:",
        new="if claim.replicas > most and claim.products == wanted.get(claim.accelerator):",
        killer="test_devices.py"
        "::test_what_was_taken_out_of_a_spec_counts_as_long_as_a_deployment_asks_for_it",
    ),
    _granting(
        "what runs of what was taken out of a spec holds others up",
        old="most = self._bound(pool.key, claim.accelerator)",
        new="most = 0",
        killer="test_devices.py"
        "::test_what_was_taken_out_of_a_spec_and_runs_has_its_devices_and_holds_nobody_up",
    ),
    _granting(
        "an accelerator is asked for by two names",
        old="if other != pool.key or claim.accelerator not in own",
        new="if other != pool.key",
        killer="test_devices.py::test_an_accelerator_that_is_called_otherwise_is_asked_for_once",
    ),
    _granting(
        "a pool leaves its group with its spec",
        old="                self.claims.products,\n",
        new="",
        killer="test_devices.py"
        "::test_what_was_taken_out_of_a_spec_counts_as_long_as_a_deployment_asks_for_it",
    ),
    wrong(
        "what got no answer was not done",
        "claims.py",
        "if not _may_be_done(error):",
        "if True:",
        "test_pool.py"
        "::test_a_deployment_that_may_have_been_written_counts_until_somebody_has_looked",
        "controllers",
    ),
    wrong(
        "the end of a pool leaves its grant",
        "operator.py",
        "            self._devices.forget(key)\n",
        "            pass\n",
        "test_operator.py::test_a_grant_is_forgotten_when_the_end_of_its_pool_is_told_and_no_other",
        "controllers",
    ),
    wrong(
        "a change of a pool takes its grant",
        "operator.py",
        "if _uid(old) != _uid(new):",
        "if True:",
        "test_operator.py::test_a_pool_that_is_changed_or_about_to_go_keeps_its_grant",
        "controllers",
    ),
    _wrong(
        "replicas move without bound",
        "preference.py",
        "target.take(min(count, unready[here] + max(0, spare)))",
        "target.take(count)",
        "test_preference.py::test_once_that_has_lasted_one_moves_and_the_next_when_it_is_ready",
    ),
    _wrong(
        "what is not ready does not count as missing",
        "preference.py",
        "spare = max_unavailable - sum(unready.values())",
        "spare = max_unavailable",
        "test_preference.py::test_once_that_has_lasted_one_moves_and_the_next_when_it_is_ready",
    ),
    _wrong(
        "moving away from a minimum",
        "preference.py",
        "spare = planned[here] - _least(source)",
        "spare = planned[here]",
        "test_preference.py::test_a_minimum_that_is_raised_later_is_reached_by_moving_too",
    ),
    _wrong(
        "moving beyond a maximum",
        "preference.py",
        "count = min(spare, most - planned[there], room[there])",
        "count = min(spare, room[there])",
        "test_preference.py"
        "::test_replicas_stay_where_they_are_when_a_preferred_accelerator_comes_free",
    ),
    _wrong(
        "what stands is placed anew",
        "preference.py",
        "in _steps(standing):",
        "in list(_steps(standing))[2:]:",
        "test_preference.py"
        "::test_replicas_stay_where_they_are_when_a_preferred_accelerator_comes_free",
    ),
    _wrong(
        "preference before minimums",
        "preference.py",
        "    yield _least\n    yield _most",
        "    yield _most\n    yield _least",
        "test_devices.py::test_minimums_are_placed_before_the_order_of_preference",
    ),
    _wrong(
        "a replica of several nodes may have some of its places",
        "inventory.py",
        "places = min(count, there // self._places) * self._places",
        "places = min(count * self._places, self._there())",
        "test_several_nodes.py::test_a_replica_takes_its_devices_on_each_of_its_nodes",
    ),
    _wrong(
        "workers hold nothing of their pool's",
        "inventory.py",
        "own = chain(self._snapshot.pods_of(pool.key), self._snapshot.workers_of(pool.key))",
        "own = self._snapshot.pods_of(pool.key)",
        "test_several_nodes.py"
        "::test_both_pods_of_a_replica_hold_their_devices_against_whoever_wants_them",
    ),
    _wrong(
        "places on nodes that take no new pods are lost",
        "inventory.py",
        "return self._open() + sum(self._seats[name] // self._each for name in elsewhere)",
        "return self._open() + 0 * len(elsewhere)",
        "test_several_nodes.py::test_a_replica_that_runs_keeps_its_place_on_a_cordoned_node",
    ),
    _wrong(
        "replicas are placed that nothing can be made from",
        "inventory.py",
        "makeable = accelerator.nodes_per_replica == 1 or self._snapshot.leader_worker_sets",
        "makeable = True",
        "test_several_nodes.py"
        "::test_without_leader_worker_set_there_is_none_and_what_fits_elsewhere_runs",
    ),
    _wrong(
        "room is counted in places",
        "inventory.py",
        "return self._open() // self._places if self._makeable else 0",
        "return self._open() if self._makeable else 0",
        "test_several_nodes.py"
        "::test_room_where_replicas_are_preferred_is_counted_in_whole_replicas",
    ),
)
