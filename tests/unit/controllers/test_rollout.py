from tests.unit.controllers import raws
from tierfleet.controllers import child
from tierfleet.controllers.child import Child
from tierfleet.controllers.rollout import next_steps, outdated
from tierfleet.kube.resources import Raw


def wanted(name: str, replicas: int, image: str) -> Raw:
    return {
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "template": {"image": image}},
    }


def is_now(name: str, replicas: int, image: str, *, rolling: bool = False) -> Child:
    """A Deployment with that image, applied by us."""
    stamped = child.stamped(wanted(name, replicas, image))
    status = {"updatedReplicas": replicas - 1} if rolling else {}
    raw = raws.deployment(name, replicas, **status)
    raw["metadata"]["name"] = name
    raw["metadata"]["annotations"] = stamped["metadata"]["annotations"]
    applied: Raw = {"f:metadata": {"f:annotations": {f"f:{child.APPLIED}": {}}}}
    return raws.live(raws.as_applied(raw, applied))


def steps(now: list[Child], *deployments: Raw) -> list[str]:
    live = {found.key[1]: found for found in now}
    found = next_steps(deployments, lambda manifest: live.get(manifest["metadata"]["name"]))
    return [manifest["metadata"]["name"] for manifest in found]


def test_what_is_new_is_made_at_once() -> None:
    assert steps([], wanted("a", 1, "v1"), wanted("b", 1, "v1")) == ["a", "b"]


def test_a_new_template_goes_to_one_deployment_at_a_time() -> None:
    now = [is_now("a", 2, "v1"), is_now("b", 2, "v1")]
    assert steps(now, wanted("a", 2, "v2"), wanted("b", 2, "v2")) == ["a"]
    now = [is_now("a", 2, "v2", rolling=True), is_now("b", 2, "v1")]
    assert steps(now, wanted("a", 2, "v2"), wanted("b", 2, "v2")) == ["a"]
    now = [is_now("a", 2, "v2"), is_now("b", 2, "v1")]
    assert steps(now, wanted("a", 2, "v2"), wanted("b", 2, "v2")) == ["a", "b"]


def test_an_old_pod_that_is_going_away_still_rolls_out() -> None:
    # Of two updated replicas one is not ready yet; the old one beside them counts as available.
    for there, rolling in ((2, False), (3, True)):
        raw = raws.deployment("a", 2, updatedReplicas=2, availableReplicas=2)
        raw["status"]["replicas"] = there
        assert raws.live(raw).rolling is rolling


def test_a_broken_rollout_can_be_mended() -> None:
    now = [is_now("a", 2, "broken", rolling=True), is_now("b", 2, "v1")]
    assert steps(now, wanted("a", 2, "v2"), wanted("b", 2, "v2")) == ["a"]


def test_a_deployment_without_pods_disturbs_nobody() -> None:
    now = [is_now("a", 2, "v1", rolling=True), is_now("b", 0, "v1")]
    assert steps(now, wanted("a", 2, "v1"), wanted("b", 0, "v2")) == ["a", "b"]


def test_devices_are_given_up_even_while_another_one_rolls_out() -> None:
    now = [is_now("a", 2, "v2", rolling=True), is_now("b", 2, "v1")]
    assert steps(now, wanted("a", 2, "v2"), wanted("b", 1, "v2")) == ["b", "a"]


def test_who_shrinks_comes_before_who_grows() -> None:
    now = [is_now("a", 1, "v1"), is_now("b", 2, "v1")]
    assert steps(now, wanted("a", 2, "v1"), wanted("b", 0, "v1")) == ["b", "a"]


def test_the_stamp_tells_a_change_of_the_pods_from_any_other() -> None:
    one, other = wanted("a", 1, "v1"), wanted("a", 2, "v1")
    assert child.stamp(one) != child.stamp(other)
    assert is_now("a", 1, "v1").pods_stamp == child.pods_stamp(other)
    assert child.pods_stamp(one) != child.pods_stamp(wanted("a", 1, "v2"))


def out_of_date(now: Child, manifest: Raw) -> int:
    return outdated([manifest], lambda _: now)


def with_status(generation: int, **status: int) -> Child:
    """Three replicas of v2 as we applied them last, and what the Deployment controller says."""
    stamped = child.stamped(wanted("a", 3, "v2"))
    raw = raws.deployment("a", 3)
    raw["status"] |= {"replicas": 3} | status
    raw["metadata"]["generation"] = generation
    raw["metadata"]["annotations"] = stamped["metadata"]["annotations"]
    applied: Raw = {"f:metadata": {"f:annotations": {f"f:{child.APPLIED}": {}}}}
    return raws.live(raws.as_applied(raw, applied))


def test_replicas_are_out_of_date_until_the_controller_has_replaced_them() -> None:
    new = wanted("a", 3, "v2")
    assert out_of_date(with_status(2), new) == 3, "it has not seen the new template"
    assert out_of_date(with_status(2, observedGeneration=2, updatedReplicas=1), new) == 2
    assert out_of_date(with_status(2, observedGeneration=2), new) == 0
    assert out_of_date(with_status(1), wanted("a", 3, "v3")) == 3, "it waits for its turn"
    started = with_status(1, observedGeneration=0, replicas=0, updatedReplicas=0)
    assert out_of_date(started, new) == 0, "what has no pods yet starts"
    assert outdated([new], lambda _: None) == 0
