"""Devices while they are being granted: free ones by node, and the seats that pools have already.

A *seat* is the devices that a pool's pod has on a node. A live pod keeps its seat, wherever it is;
the seat of a terminating one goes to its successor if the node still takes new pods. Everything
else that is in use, by whoever, is not free before it is gone. Which pool is served first is not
known here.

A replica of several nodes takes as many *places*, each with its devices on one node. Two may be on
the same node, if it is that large: the scheduler may put them there, and it decides.
"""

from collections import defaultdict
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import chain

from tierfleet.api import InferencePool
from tierfleet.api.accelerator import Accelerator
from tierfleet.planning import nodes
from tierfleet.planning.placement import Limit, Shortfall
from tierfleet.planning.snapshot import Pod, Snapshot

Free = MutableMapping[str, int]
"""Free devices of one resource by node; nodes without any are left out."""


@dataclass(slots=True)
class _Site:
    """The nodes of an accelerator, as pods of one kind of template see them.

    Attributes:
        names: those that take new pods and may have free devices; once used, the fullest first.
        carrying: how many have the product.
        closed: how many of these take no new pods.
    """

    names: list[str]
    carrying: int
    closed: int


class Inventory:
    """What can still be granted; `offer` one accelerator after the other, and take from it."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Nothing is granted yet."""
        self._snapshot = snapshot
        self._free: dict[str, Free] = {}
        self._sites: dict[object, _Site] = {}

    def offer(self, pool: InferencePool, accelerator: Accelerator) -> "Offer":
        """What the pool may take of one of its accelerators."""
        free = self._free_of(accelerator.resource)
        site = self._site(pool, accelerator)
        makeable = accelerator.nodes_per_replica == 1 or self._snapshot.leader_worker_sets
        return Offer(accelerator, self._seats(pool, accelerator), free, site, makeable=makeable)

    def _free_of(self, resource: str) -> Free:
        if resource not in self._free:
            free: Free = {}
            for node in self._snapshot.nodes.values():
                used = sum(
                    pod.requests.get(resource, 0)
                    for pod in self._snapshot.pods_on(node.name)
                    if not pod.finished
                )
                if node.allocatable.get(resource, 0) > used:
                    free[node.name] = node.allocatable[resource] - used
            self._free[resource] = free
        return self._free[resource]

    def _site(self, pool: InferencePool, accelerator: Accelerator) -> _Site:
        template = pool.spec.template
        alike = (
            accelerator.product_label,
            frozenset(accelerator.products),
            frozenset(accelerator.node_selector.items()),
            accelerator.resource,
            template.tolerations,
            nodes.required(template),
        )
        if alike not in self._sites:
            carrying = [n for n in self._snapshot.nodes.values() if nodes.carries(n, accelerator)]
            names = sorted(n.name for n in carrying if nodes.takes(n, accelerator, template))
            self._sites[alike] = _Site(names, len(carrying), len(carrying) - len(names))
        return self._sites[alike]

    def _seats(self, pool: InferencePool, accelerator: Accelerator) -> dict[str, int]:
        """Devices of the pool's own pods by node, as far as replicas can go on there."""
        each = accelerator.devices_per_replica
        pods: dict[str, list[Pod]] = defaultdict(list)
        own = chain(self._snapshot.pods_of(pool.key), self._snapshot.workers_of(pool.key))
        for pod in own:
            if pod.accelerator == accelerator.name and not pod.finished and pod.node is not None:
                pods[pod.node].append(pod)
        seats = {}
        for name, here in pods.items():
            node = self._snapshot.nodes.get(name)
            if node is None:
                continue
            if nodes.takes(node, accelerator, pool.spec.template):
                seats[name] = _devices(here, accelerator.resource)
            else:
                live = [pod for pod in here if not pod.terminating]
                whole = min(len(live), _devices(live, accelerator.resource) // each)
                seats[name] = whole * each
        return seats


def _devices(pods: Sequence[Pod], resource: str) -> int:
    return sum(pod.requests.get(resource, 0) for pod in pods)


class Offer:
    """What one pool may take of one accelerator."""

    def __init__(
        self,
        accelerator: Accelerator,
        seats: Mapping[str, int],
        free: Free,
        site: _Site,
        *,
        makeable: bool,
    ) -> None:
        """`free` and `site` are shared with other offers, `seats` are the pool's own.

        Not `makeable`: the cluster does not know what such replicas are made of. What runs stays:
        it may know it again in a moment.
        """
        self.accelerator = accelerator
        self._each = accelerator.devices_per_replica
        self._places = accelerator.nodes_per_replica
        self._seats = dict(seats)
        self._free = free
        self._site = site
        self._makeable = makeable

    def take(self, count: int) -> int:
        """Up to `count` replicas, on seats that the pool has, then on free devices of one node."""
        places = count
        if self._places > 1:
            # Whole ones only, so what there is has to be known first.
            there = self._there() if self._makeable else self._own()
            places = min(count, there // self._places) * self._places
        kept = self._keep(places)
        return (kept + self._grow(places - kept)) // self._places

    def room(self) -> int:
        """How many replicas more would find devices on nodes that take new pods."""
        return self._open() // self._places if self._makeable else 0

    def shortfall(self, wanted: int, found: int) -> Shortfall:
        """Why `take` did not give as many as were wanted."""
        if not self._makeable:
            return Shortfall(Limit.LEADER_WORKER_SET_MISSING, wanted, found)
        if not self._site.carrying:
            return Shortfall(Limit.NO_SUCH_ACCELERATOR, wanted, found)
        stranded = sum(self._free.get(name, 0) for name in self._site.names)
        return Shortfall(Limit.INSUFFICIENT_DEVICES, wanted, found, stranded, self._site.closed)

    def _open(self) -> int:
        """Places on nodes that take new pods."""
        return sum(
            (self._free.get(name, 0) + self._seats.get(name, 0)) // self._each
            for name in self._site.names
        )

    def _there(self) -> int:
        """Places, with those that the pool has on nodes that take no new pods."""
        elsewhere = self._seats.keys() - set(self._site.names)
        return self._open() + sum(self._seats[name] // self._each for name in elsewhere)

    def _own(self) -> int:
        """Places that the pool has."""
        return sum(seats // self._each for seats in self._seats.values())

    def _keep(self, count: int) -> int:
        kept = 0
        for name in sorted(self._seats):
            here = min(count - kept, self._seats[name] // self._each)
            self._seats[name] -= here * self._each
            kept += here
        return kept

    def _grow(self, count: int) -> int:
        """Fullest node first, so that whole nodes stay free for larger replicas."""
        if not count:
            return 0
        names = [name for name in self._site.names if name in self._free]
        names.sort(key=self._free.__getitem__)
        self._site.names = names
        grown = 0
        for name in names:
            own = self._seats.get(name, 0)
            here = min(count - grown, (self._free[name] + own) // self._each)
            if here:
                self._use(name, here * self._each)
                grown += here
                if grown == count:
                    break
        return grown

    def _use(self, name: str, devices: int) -> None:
        own = min(self._seats.get(name, 0), devices)
        if own:
            self._seats[name] -= own
        self._free[name] -= devices - own
        if not self._free[name]:
            del self._free[name]
