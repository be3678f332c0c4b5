"""Whether a real node can run on this machine, and what is missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from e2e.debian import install
from e2e.node.addresses import Slot, slots

PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}
"""Debian's packages, by the program that is wanted from them."""


class UnableError(RuntimeError):
    """A real node cannot run here; the message says why and what would help."""


def prepare() -> None:
    """Return if a real node can run here, after installing what is missing.

    Raises:
        UnableError: it cannot.
    """
    why = why_unable()
    if why is not None:
        raise UnableError(why)
    try:
        install(PACKAGES)
    except RuntimeError as error:
        raise UnableError(f"A real node needs programs that are not here. {error}") from error


def why_unable() -> str | None:
    """Why no real node can run here, as a sentence; None if nothing speaks against it."""
    if os.geteuid():
        return "A real node needs root: it makes namespaces, mounts and cgroups."
    if not Path("/sys/fs/cgroup").is_dir():
        return "A real node needs cgroups below /sys/fs/cgroup."
    if shutil.which("unshare") is None:
        return "A real node needs unshare (Debian: util-linux)."
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        return f"This machine does not allow namespaces: {tried.stderr.strip()}."
    return None


def taken() -> list[IPv4Network]:
    """The networks that this machine has routes to."""
    return list(routes(Path("/proc/net/route").read_text()))


def free_slot(taken: Iterable[IPv4Network]) -> Slot:
    """A slice of addresses that none of these networks touches.

    Raises:
        UnableError: there is none; the message names what is in the way.
    """
    taken = list(taken)
    for slot in slots():
        if not any(network.overlaps(route) for network in _networks(slot) for route in taken):
            return slot
    raise UnableError(
        "The addresses of a real node are taken on this machine (see `ip route`). Remove the "
        "clusters that run (`make cluster-down`, `make demo-down`), or use fake nodes only."
    )


def _networks(slot: Slot) -> Iterable[IPv4Network]:
    return (slot.link, slot.pods, slot.services)


def routes(table: str) -> Iterator[IPv4Network]:
    """The networks in the text of `/proc/net/route`, but the default one.

    Addresses are in the machine's byte order there, see `fib_route_seq_show()` in Linux.
    """
    for line in table.splitlines()[1:]:
        fields = line.split()
        destination, mask = (
            IPv4Address(int.from_bytes(bytes.fromhex(fields[i]), sys.byteorder)) for i in (1, 7)
        )
        if int(mask):
            yield IPv4Network(f"{destination}/{mask}")
