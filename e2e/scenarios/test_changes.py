"""Changes while clients call: limits, keys, a reservation that begins. No pod is touched."""

import datetime as dt
import json
from typing import Any

from e2e.scenarios.accounts import Line
from e2e.scenarios.clients import Clients, Group
from e2e.scenarios.conftest import Serve
from e2e.scenarios.exec import inside
from e2e.scenarios.fleet import SEATS, START_SECONDS, Fleet, policy, pool
from e2e.wait import wait_until
from e2e.world import reservation

ASK = """
import json, sys, urllib.error, urllib.request
body = {"model": "default", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
asked = urllib.request.Request(
    "http://127.0.0.1:8080/v1/chat/completions",
    data=json.dumps(body).encode(),
    headers={"Authorization": "Bearer " + sys.argv[1]},
)
try:
    print(urllib.request.urlopen(asked).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""

ACME = Group("key-of-acme", callers=2, pause=0.05)
RETAIL = Group("key-of-initech", callers=2, pause=0.05)


LIMIT = 2
"""Requests a minute of retail, over both replicas."""


def refused(clients: Clients, mark: int) -> int:
    """How many of the attempts since then got 429."""
    return sum(a.status == 429 for a in clients.attempts[mark:])


def restarts(fleet: Fleet, name: str) -> set[tuple[str, int]]:
    """Each pod's uid, and how often its containers were started again."""
    return {(pod["metadata"]["uid"], _started(pod["status"])) for pod in fleet.world.pods(name)}


def test_a_limit_holds_from_when_it_is_enforced_and_only_for_its_tier(
    fleet: Fleet, serve: Serve
) -> None:
    followed = serve(pool("changed", 2))
    fleet.enforced("changed", 2)
    before, old = restarts(fleet, "changed"), fleet.version("changed")
    clients = fleet.clients("changed")
    with clients.calling(ACME, RETAIL):
        wait_until(lambda: clients.served() > 50, timeout=START_SECONDS, why="50 answers")
        assert [a for a in clients.attempts if a.refused] == []
        fleet.world.apply(policy(retail={"limits": {"requestsPerMinute": LIMIT}}))
        fleet.enforced("changed", 2, other_than=old)
        mark = len(clients.attempts)
        wait_until(
            lambda: refused(clients, mark) > 50, timeout=START_SECONDS, why="retail to be refused"
        )
        limited = [a for a in clients.attempts[mark:] if a.served and a in clients.of(RETAIL.key)]
        # Those under way when it was reported, and what a minute allows.
        assert len(limited) <= RETAIL.callers + LIMIT
        fleet.world.wait_for_condition("tpool", "changed", "Ready", "True")
        fleet.world.apply(policy())
        mark = len(clients.attempts)
        wait_until(
            lambda: (
                sum(a.served for a in clients.of(RETAIL.key) if a in clients.attempts[mark:]) > 20
            ),
            timeout=START_SECONDS,
            why="retail to be served again",
        )
    assert all(a.served for a in clients.of(ACME.key)), "the others are not touched"
    assert [a for a in clients.attempts if a.lost] == []
    assert restarts(fleet, "changed") == before
    assert followed.agree(clients.attempts).pods == 2


def test_a_key_is_rotated_without_a_refusal(fleet: Fleet, serve: Serve) -> None:
    followed = serve(pool("rotated", 2))
    before = restarts(fleet, "rotated")
    clients = fleet.clients("rotated")
    old, new = Group("key-of-acme", pause=0.05), Group("new-key-of-acme", pause=0.05)

    def everywhere(key: str, status: int) -> None:
        """Return once every replica, asked in its pod, answers so."""
        pods = [pod["metadata"]["name"] for pod in fleet.world.pods("rotated")]
        wait_until(
            lambda: {inside(fleet, pod, ASK, key) for pod in pods} == {str(status)},
            timeout=START_SECONDS,
            why=f"{key} to get {status} from every replica",
        )

    with clients.calling(old):
        more = json.dumps({"stringData": {"next": new.key}})
        fleet.world.kubectl("patch", "secret", "tenant-acme", "--type=merge", f"--patch={more}")
        everywhere(new.key, 200)
    with clients.calling(new):
        less = json.dumps([{"op": "remove", "path": "/data/key"}])
        fleet.world.kubectl("patch", "secret", "tenant-acme", "--type=json", f"--patch={less}")
        everywhere(old.key, 401)
    assert [a for a in clients.attempts if not a.served] == []
    assert restarts(fleet, "rotated") == before
    followed.agree(clients.attempts)


def test_a_reservation_begins_in_the_middle_of_a_flood(fleet: Fleet, serve: Serve) -> None:
    followed = serve(pool("begun", 1))
    before = restarts(fleet, "begun")
    clients = fleet.clients("begun")
    ours = Group("key-of-hooli", tokens=(8, 16), pause=0.1)
    flood = Group("key-of-initech", callers=4 * SEATS)

    def reserved() -> list[str]:
        return [line["id"] for line in followed.log() if line["reservation"] == "hooli"]

    with clients.calling(ours, flood):
        wait_until(lambda: clients.of(ours.key), timeout=START_SECONDS, why="the flood")
        start = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=20)
        term: dict[str, Any] = {"start": start.strftime("%Y-%m-%dT%H:%M:%SZ")}
        fleet.world.apply(
            reservation(
                *("hooli", "begun", ["hooli"], {"percent": 30}),
                term=term,
                burst={"windowMilliseconds": 50},
            )
        )
        wait_until(lambda: len(reserved()) > 20, timeout=START_SECONDS, why="reserved requests")
    fleet.world.wait_for_condition("capres", "hooli", "Accepted", "True")
    assert all(a.served for a in clients.of(ours.key))
    agreed = followed.agree(clients.attempts)
    second = len("2026-11-28T00:00:00")
    early = [line for line in agreed.lines if line["time"][:second] < term["start"][:second]]
    assert [line for line in early if line["tenant"] == "hooli"], "it called before its term"
    assert {line["reservation"] for line in early} <= {None, ""}, "not before its term"
    assert {line["tenant"] for line in agreed.lines if line["reservation"]} == {"hooli"}
    assert restarts(fleet, "begun") == before


def test_a_contract_is_raised_and_lowered_and_ends_under_traffic(
    fleet: Fleet, serve: Serve
) -> None:
    followed = serve(pool("termed", 1))
    before = restarts(fleet, "termed")
    clients = fleet.clients("termed")
    ours = Group("key-of-hooli", tokens=(8, 16), pause=0.1)
    flood = Group("key-of-initech", callers=4 * SEATS)

    def contract(percent: int, **more: Any) -> None:
        fleet.world.apply(
            reservation(
                *("hooli", "termed", ["hooli"], {"percent": percent}),
                burst={"windowMilliseconds": 50},
                **more,
            )
        )

    def last() -> Line | None:
        return next((line for line in reversed(followed.log()) if line["tenant"] == "hooli"), None)

    def under(reserved: bool) -> None:
        """Return once hooli is served under its contract, or without one."""
        start = len(clients.of(ours.key))
        wait_until(
            lambda: (
                len(clients.of(ours.key)) > start + 5
                and (line := last()) is not None
                and bool(line["reservation"]) is reserved
            ),
            timeout=START_SECONDS,
            why=f"hooli to be served {'under its contract' if reserved else 'without one'}",
        )

    with clients.calling(ours, flood):
        # A replica of 4,000 service tokens/s, all of which survives.
        for percent in (20, 60, 10):
            contract(percent)
            wait_until(
                lambda p=percent: fleet.world.status("capres", "hooli").get("granted") == 40 * p,  # type: ignore[misc]
                timeout=START_SECONDS,
                why=f"{percent} percent to be granted",
            )
            under(reserved=True)
        contract(95)
        fleet.world.wait_for_condition(
            "capres", "hooli", "Accepted", "False", "InsufficientCapacity"
        )
        under(reserved=True)
        end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)
        contract(10, term={"end": end.strftime("%Y-%m-%dT%H:%M:%SZ")})
        fleet.world.wait_for_condition("capres", "hooli", "Active", "False", "Expired")
        under(reserved=False)
    assert all(a.served for a in clients.of(ours.key))
    followed.agree(clients.attempts)
    assert restarts(fleet, "termed") == before


def _started(status: dict[str, Any]) -> int:
    kinds = ("containerStatuses", "initContainerStatuses")
    return sum(c["restartCount"] for kind in kinds for c in status.get(kind, []))
