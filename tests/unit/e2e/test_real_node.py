"""The addresses of a real node, and what it says where it cannot run."""

from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest

from e2e import cgroups
from e2e.node import machine
from e2e.node.addresses import NODES_AND_PODS, SERVICES, Slot, slots
from e2e.node.machine import UnableError, free_slot, routes

TABLE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_slots_share_no_address() -> None:
    networks = [n for slot in slots() for n in (slot.link, slot.pods, slot.services)]
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]
    for slot in slots():
        assert slot.link.subnet_of(NODES_AND_PODS)
        assert slot.pods.subnet_of(NODES_AND_PODS)
        assert slot.services.subnet_of(SERVICES)
        assert {slot.machine, slot.node} <= set(slot.link.hosts())


def test_the_routes_of_this_machine_are_read_without_the_default_one() -> None:
    assert list(routes(TABLE)) == [IPv4Network("192.0.2.0/24")]


def test_a_slot_that_a_route_touches_is_not_taken() -> None:
    assert free_slot([Slot(0).pods]) == Slot(1)
    assert free_slot([Slot(0).link, Slot(1).services]) == Slot(2)
    assert free_slot([]) == Slot(0)


def test_without_a_free_slot_the_next_step_is_named() -> None:
    with pytest.raises(UnableError, match="make cluster-down"):
        free_slot([NODES_AND_PODS])


def test_who_is_not_root_is_told_so_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(machine, "install", lambda _: pytest.fail("installed"))
    with pytest.raises(UnableError, match="needs root"):
        machine.prepare()


def test_each_cluster_has_a_cgroup_of_its_own(tmp_path: Path) -> None:
    assert cgroups.name_of(tmp_path / "a") != cgroups.name_of(tmp_path / "b")
    assert cgroups.name_of(tmp_path / "a") == cgroups.name_of(tmp_path / "b" / ".." / "a")
