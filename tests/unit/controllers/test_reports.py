"""Who is asked, how often, and what is kept of the answers."""

import asyncio
import base64
from typing import Any, cast

from tests.unit.controllers import raws
from tests.unit.kube.fake import FakeCluster
from tierfleet.controllers import reports
from tierfleet.controllers.replicas import Answer, SilentError
from tierfleet.controllers.reports import Reports
from tierfleet.controllers.tokens import TokenKeeper
from tierfleet.controllers.worker import DONE, RequeueAfter
from tierfleet.kube.cluster import Cluster
from tierfleet.kube.resources import SECRETS, Raw
from tierfleet.planning.published import Report
from tierfleet.planning.snapshot import Pod

POOL = (raws.NAMESPACE, "llama")


class Replicas:
    """Replicas that say what they are told to say."""

    def __init__(self) -> None:
        self.says: dict[str, Answer | str] = {}
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.at_once = 0

    async def ask(self, pod: Pod, token: str) -> Answer:
        self.asked.append(pod.name)
        self.tokens.add(token)
        await asyncio.sleep(0)
        said = self.says[pod.name]
        if isinstance(said, str):
            raise SilentError(said)
        return said

    async def in_flight(self, pod: Pod, token: str) -> int:  # noqa: ARG002
        raise AssertionError("reports are about plans")

    async def close(self) -> None:
        pass


class World:
    """A pool with a plan, and the clock of who asks."""

    def __init__(self) -> None:
        self.store = raws.store()
        self.replicas = Replicas()
        self.woken = 0
        self.now = 0.0
        tokens = TokenKeeper(cast("Cluster", FakeCluster()), self.store)
        self.reports = Reports(
            self.store, tokens, self.replicas, wake=self._woken, clock=lambda: self.now
        )
        self.store.pools.put(raws.pool("llama", 2))
        self.store.observe(SECRETS, secret("llama-tokens", admin=b"open", hook=b"sesame"))

    def plan(self, version: str) -> None:
        self.store.observe(SECRETS, raws.index("llama", version=version))

    def pod(self, name: str, *, ready: bool = True, starts: int = 0, **metadata: Any) -> None:
        self.store.pods.put(
            {
                "metadata": raws.metadata(name, labels={"tierfleet.dev/pool": "llama"}, **metadata),
                "spec": {},
                "status": {
                    "podIP": "10.0.0.1",
                    "conditions": [{"type": "Ready", "status": str(ready)}],
                    "initContainerStatuses": [{"name": "sidecar", "restartCount": starts}],
                },
            }
        )

    def reconcile(self) -> Any:
        """Who was asked, and when to come back (None: never)."""
        del self.replicas.asked[:]
        result = asyncio.run(self.reports.reconcile(POOL))
        after = result.seconds if isinstance(result, RequeueAfter) else None
        return sorted(self.replicas.asked), after

    def known(self) -> dict[str, Report]:
        return {uid.removeprefix("uid-"): r for uid, r in self.store.reports.get(POOL, {}).items()}

    def _woken(self, _: object) -> None:
        self.woken += 1


def secret(name: str, **data: bytes) -> Raw:
    return {
        "metadata": raws.metadata(
            name,
            labels={"tierfleet.dev/pool": "llama"},
            ownerReferences=[{"uid": "uid-llama", "controller": True}],
        ),
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def test_each_is_asked_until_it_reports_the_plan_in_force_and_then_never() -> None:
    world = World()
    world.plan("1")
    world.pod("x")
    world.pod("y")
    world.replicas.says = {"x": Answer("1"), "y": Answer("0")}
    assert world.reconcile() == (["x", "y"], 1.0)
    assert world.woken == 1
    assert world.replicas.tokens == {"open"}
    assert world.reconcile() == ([], 1.0), "not before its time"
    world.now = 1.0
    assert world.reconcile() == (["y"], 2.0)
    assert world.woken == 1, "it said the same"
    world.now, world.replicas.says["y"] = 3.0, Answer("1")
    assert world.reconcile() == (["y"], None)
    assert world.woken == 2
    for later in (4.0, 400.0):
        world.now = later
        assert world.reconcile() == ([], None)
    assert {name: report.version for name, report in world.known().items()} == {
        "x": "1",
        "y": "1",
    }


def test_another_plan_another_replica_and_another_start_are_asked_about() -> None:
    world = World()
    world.plan("1")
    world.pod("x")
    world.replicas.says = {"x": Answer("1"), "y": Answer("1")}
    assert world.reconcile() == (["x"], None)
    world.pod("y")
    assert world.reconcile() == (["y"], None)
    world.pod("x", starts=1)
    assert world.reconcile() == (["x"], None)
    world.plan("2")
    assert world.reconcile() == (["x", "y"], 1.0)
    world.replicas.says = {"x": Answer("2"), "y": Answer("2")}
    world.plan("1")
    world.plan("2")
    assert world.reconcile() == (["x", "y"], None), "at once: it is another plan"


def test_only_ready_replicas_that_stay_are_asked() -> None:
    world = World()
    world.plan("1")
    world.pod("starts", ready=False)
    world.pod("goes", deletionTimestamp="2026-11-01T00:00:00Z")
    assert world.reconcile() == ([], None)


def test_nobody_is_asked_without_a_plan_a_pool_or_a_token() -> None:
    world = World()
    world.pod("x")
    assert asyncio.run(world.reports.reconcile(POOL)) == DONE
    world.plan("1")
    world.replicas.says = {"x": Answer("1")}
    assert world.reconcile() == (["x"], None)
    world.store.pools.remove(POOL, 10**9)
    assert world.reconcile() == ([], None)
    assert world.known() == {}


def test_what_it_said_before_is_kept_while_it_is_silent() -> None:
    world = World()
    world.plan("1")
    world.pod("x")
    world.replicas.says = {"x": Answer("1")}
    world.reconcile()
    said = world.known()["x"]
    world.plan("2")
    world.replicas.says = {"x": "nobody is there."}
    assert world.reconcile() == (["x"], 1.0)
    kept = world.known()["x"]
    assert (kept.version, kept.number, kept.silence) == ("1", said.number, "nobody is there.")
    world.now, world.replicas.says = 1.0, {"x": Answer("1", "it is bad.")}
    world.reconcile()
    refused = world.known()["x"]
    assert (refused.silence, refused.refusal, refused.number > said.number) == (
        "",
        "it is bad.",
        True,
    )
    world.now, world.replicas.says = 9.0, {"x": Answer("2", "of another plan")}
    world.reconcile()
    assert (world.known()["x"].version, world.known()["x"].refusal) == ("2", "")


def test_one_that_was_never_heard_of_keeps_when_it_was_first_asked() -> None:
    world = World()
    world.plan("1")
    world.pod("x")
    world.replicas.says = {"x": "no."}
    world.reconcile()
    first = world.known()["x"]
    assert (first.version, first.since) == ("", raws.NOW)
    world.now, world.store.clock = 60.0, lambda: raws.NOW.replace(year=2027)
    world.replicas.says = {"x": "still no."}
    world.reconcile()
    assert world.known()["x"].since == first.since


def test_what_is_known_of_a_pod_goes_with_it_and_stays_while_it_leaves() -> None:
    world = World()
    world.plan("1")
    world.pod("x")
    world.pod("y")
    world.replicas.says = {"x": Answer("1"), "y": Answer("1")}
    world.reconcile()
    world.pod("x", ready=False, deletionTimestamp="2026-11-01T00:00:00Z")
    world.reconcile()
    assert set(world.known()) == {"x", "y"}
    world.store.pods.remove((raws.NAMESPACE, "x"), 10**9)
    world.reconcile()
    assert set(world.known()) == {"y"}


def test_it_is_asked_soon_then_every_quarter_of_a_minute_then_ever_less_often() -> None:
    pauses = [reports.pause(times) for times in range(1, 40)]
    assert pauses[:6] == [1, 2, 4, 8, 15, 15]
    assert sum(pauses[:12]) > 120, "a kubelet may take that long"
    assert max(pauses[:12]) == 15
    assert pauses == sorted(pauses)
    assert pauses[-1] == 300
    assert reports.pause(10_000) == 300
