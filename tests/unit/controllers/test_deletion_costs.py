"""What is asked and written before a Deployment shrinks, and that it holds up no shrink."""

import asyncio
import base64
import logging
from typing import Any, cast

import pytest

from tests.unit.controllers import raws
from tests.unit.kube.fake import FakeCluster
from tierfleet.api import InferencePool
from tierfleet.controllers.deletion_costs import MANAGER, DeletionCosts
from tierfleet.controllers.replicas import Answer, SilentError
from tierfleet.controllers.tokens import TokenKeeper
from tierfleet.kube.cluster import Cluster, ConflictError, ForbiddenError
from tierfleet.kube.resources import DEPLOYMENTS, PODS, SECRETS, Raw, ResourceType
from tierfleet.manifests import labels
from tierfleet.manifests.deletion import COST
from tierfleet.planning.published import Report
from tierfleet.planning.snapshot import Pod

NEVER = -1
"""Somebody who has so much to do says nothing."""


class Replicas:
    """Replicas with so many requests; who is not known breaks the connection off."""

    def __init__(self, **work: int) -> None:
        self.work = work
        self.asked: list[str] = []
        self.at_once = self.most = 0

    async def in_flight(self, pod: Pod, token: str) -> int:
        assert token == "open"
        self.asked.append(pod.name)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        if pod.name not in self.work:
            raise SilentError(f"{pod.name} gives no answer.")
        if self.work[pod.name] == NEVER:
            await asyncio.Event().wait()
        self.at_once -= 1
        return self.work[pod.name]

    async def ask(self, pod: Pod, token: str) -> Answer:  # noqa: ARG002
        raise AssertionError("costs are about work")

    async def close(self) -> None:
        pass


class Server(FakeCluster):
    """Keeps what is applied; an answer to who is named in `instead` is this one."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: list[tuple[str, Raw, str]] = []
        self.instead: dict[str, Exception | None] = {}

    async def apply(self, type_: ResourceType, body: Raw, **how: Any) -> Raw:
        assert type_ == PODS
        metadata = body["metadata"]
        if metadata["name"] in self.instead:
            await asyncio.sleep(0)
            error = self.instead[metadata["name"]]
            if error is None:
                await asyncio.Event().wait()
            else:
                raise error
        assert how == {"manager": MANAGER, "status": False}
        self.applied.append((metadata["name"], metadata["annotations"], metadata["uid"]))
        return body

    def costs(self) -> dict[str, str]:
        return {name: annotations[COST] for name, annotations, _ in self.applied}


class World:
    """A pool whose Deployment asks for three replicas, on `gpu`."""

    def __init__(self, bound: float = 60.0, **work: int) -> None:
        self.store, self.replicas, self.server = raws.store(), Replicas(**work), Server()
        cluster = cast("Cluster", self.server)
        tokens = TokenKeeper(cluster, self.store)
        self.costs = DeletionCosts(cluster, self.store, tokens, self.replicas, bound=bound)
        raw = raws.pool("llama", 3)
        self.store.pools.put(raw)
        self.pool = InferencePool.model_validate(raw)
        self.store.observe(DEPLOYMENTS, raws.deployment("llama", 3))
        self.store.observe(SECRETS, secret("llama-tokens", admin=b"open", hook=b"sesame"))

    def pod(self, name: str, cost: str = "", **more: Any) -> None:
        raw = raws.pod("llama", name, **more)
        if cost:
            raw["metadata"]["annotations"] = {COST: cost}
        self.store.pods.put(raw)

    def said(self, starts: int = 0, **silences: str) -> None:
        """What replicas did not say when they were last asked for their plan, by pod."""
        self.store.reports[self.pool.key] = {
            f"uid-{name}": Report(1, starts, raws.NOW, silence=silence)
            for name, silence in silences.items()
        }

    async def before(self, replicas: int) -> None:
        deployment = raws.deployment("llama", replicas)
        deployment["metadata"]["labels"][labels.ACCELERATOR] = "gpu"
        async with asyncio.timeout(30):
            await self.costs.before(self.pool, deployment)


def secret(name: str, **data: bytes) -> Raw:
    owner = {"uid": "uid-llama", "controller": True}
    return {
        "metadata": raws.metadata(name, labels=labels.selector("llama"), ownerReferences=[owner]),
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


async def test_all_are_asked_at_once_and_told_where_it_differs() -> None:
    world = World(x=4, y=0, z=7)
    world.pod("x")
    world.pod("y")
    world.pod("z", cost="7")
    await world.before(2)
    assert sorted(world.replicas.asked) == ["x", "y", "z"]
    assert world.replicas.most == 3
    assert world.server.applied == [("x", {COST: "4"}, "uid-x")]


async def test_a_cost_that_is_out_of_date_is_taken_back() -> None:
    world = World(x=0, y=2)
    world.pod("x", cost="9")
    world.pod("y", cost="9")
    await world.before(1)
    assert world.server.costs() == {"x": "0", "y": "2"}


@pytest.mark.parametrize("replicas", [0, 3, 4])
async def test_nobody_is_asked_where_it_decides_nothing(replicas: int) -> None:
    world = World(x=1, y=2, z=3)
    for name in "xyz":
        world.pod(name)
    await world.before(replicas)
    assert world.replicas.asked == []


async def test_a_deployment_of_somebody_else_is_none_of_ours() -> None:
    world = World(x=1, y=2)
    world.pod("x")
    world.pod("y")
    foreign = raws.deployment("llama", 3)
    foreign["metadata"]["ownerReferences"][0]["uid"] = "uid-other"
    world.store.observe(DEPLOYMENTS, foreign)
    await world.before(1)
    assert world.replicas.asked == []


async def test_who_does_not_answer_keeps_its_cost_and_the_others_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(x=4)
    world.pod("x")
    world.pod("y", cost="3")
    await world.before(1)
    assert world.server.costs() == {"x": "4"}
    (line,) = said(caplog)
    assert line == (
        "inference/llama-gpu shrinks, and Kubernetes was not told how busy all of its replicas "
        "are: y gives no answer."
    )


async def test_who_was_silent_the_last_time_is_not_asked_and_the_others_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(x=4, y=NEVER, z=7)
    world.pod("x")
    world.pod("y", cost="3")
    world.pod("z")
    world.said(x="", y="y is dead.")
    await world.before(1)
    assert sorted(world.replicas.asked) == ["x", "z"]
    assert world.server.costs() == {"x": "4", "z": "7"}
    (line,) = said(caplog)
    assert line.endswith("how busy all of its replicas are: y is dead.")


async def test_nobody_is_waited_for_where_all_were_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(x=NEVER, y=NEVER)
    world.pod("x")
    world.pod("y")
    world.said(x="x is dead.", y="y is dead.")
    await world.before(1)
    assert world.replicas.asked == []
    (line,) = said(caplog)
    assert line.endswith("are: x is dead. (and 1 more)")


async def test_the_silence_of_a_sidecar_that_was_started_again_counts_no_more() -> None:
    world = World(x=4, y=2)
    world.pod("x")
    world.pod("y")
    world.said(starts=7, x="It starts.")
    await world.before(1)
    assert world.server.costs() == {"x": "4", "y": "2"}


async def test_what_is_refused_is_said_once_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(x=1, y=2, z=3)
    for name in "xyz":
        world.pod(name)
    for name in "xy":
        world.server.instead[name] = ForbiddenError(f"{name} is forbidden.", 403)
    await world.before(2)
    assert world.server.costs() == {"z": "3"}
    (line,) = said(caplog)
    assert line.endswith("are: x is forbidden. (and 1 more)")


async def test_one_that_goes_by_itself_is_nothing_to_tell(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(x=1, y=2)
    world.pod("x")
    world.pod("y")
    world.server.instead["x"] = ConflictError("uid mismatch", 409)
    await world.before(1)
    assert world.server.costs() == {"y": "2"}
    assert said(caplog) == []


async def test_neither_a_replica_nor_a_server_that_hangs_holds_up_a_shrink(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(bound=0.05, x=NEVER, y=2, z=3)
    for name in "xyz":
        world.pod(name)
    world.server.instead["y"] = None
    await world.before(2)
    assert world.server.costs() == {"z": "3"}
    (line,) = said(caplog)
    assert line.endswith("are: it took longer than 0.05 s.")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
