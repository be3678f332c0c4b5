"""The addresses of a real node: a slice of two documentation ranges (RFC 5737), which nobody owns.

Pure. Four slices, so that a standing cluster, a demo and a test run fit beside each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

NODES_AND_PODS = IPv4Network("198.51.100.0/24")
SERVICES = IPv4Network("203.0.113.0/24")
SLOTS = 4


@dataclass(frozen=True)
class Slot:
    """One slice. The machine and the node are the ends of one link; the pods are behind the node.

    Attributes:
        index: 0 to 3.
    """

    index: int

    @property
    def link(self) -> IPv4Network:
        """The network of the link between the machine and the node."""
        return next(self._slice.subnets(new_prefix=30))

    @property
    def machine(self) -> IPv4Address:
        """This machine, as the node and its pods see it: there is the API server."""
        return self.link[1]

    @property
    def node(self) -> IPv4Address:
        """The node."""
        return self.link[2]

    @property
    def pods(self) -> IPv4Network:
        """The addresses of pods: 30, one of which is the node's on their bridge."""
        return list(self._slice.subnets(new_prefix=27))[1]

    @property
    def services(self) -> IPv4Network:
        """The addresses of Services; the first is the API server's."""
        return list(SERVICES.subnets(new_prefix=26))[self.index]

    @property
    def interface(self) -> str:
        """What the machine's end of the link is called."""
        return f"tierfleet{self.index}"

    @property
    def _slice(self) -> IPv4Network:
        return list(NODES_AND_PODS.subnets(new_prefix=26))[self.index]


def slots() -> Iterator[Slot]:
    """All slices."""
    return map(Slot, range(SLOTS))
