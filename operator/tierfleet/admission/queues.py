"""Which requests wait, in which order the tiers would serve them.

A tier's heap holds the head of each flow that may run, by order of arrival. An entry that is out
of date (its request has left, or its tenant reached its concurrency) is dropped when it comes up,
so every operation is O(log n) in flows with something waiting, whatever the number of tenants.
"""

import heapq
from collections.abc import Iterable, Sequence

from tierfleet.admission.flows import Flow, Request
from tierfleet.plan import Tier


class Queues:
    """The queues of all tiers of one replica."""

    __slots__ = ("_heads", "_waiting", "tiers")

    def __init__(self, tiers: Sequence[Tier], flows: Iterable[Flow]) -> None:
        """`tiers` from the highest priority down; `flows` with what waits in them already."""
        self.tiers = tiers
        self._heads: dict[str, list[tuple[int, Flow]]] = {tier.name: [] for tier in tiers}
        self._waiting = {tier.name: 0 for tier in tiers}
        for flow in flows:
            self._waiting[flow.tier.name] += flow.queued
            flow.offered = 0
            self.offer(flow)

    def waiting(self, tier: str) -> int:
        """Requests that wait in the tier."""
        return self._waiting[tier]

    def ahead(self, tier: Tier) -> int:
        """Requests that are served before a new one of this tier."""
        return sum(self._waiting[t.name] for t in self.tiers if t.priority >= tier.priority)

    def is_empty(self) -> bool:
        """True if nothing waits in any tier."""
        return not any(self._waiting.values())

    def put(self, request: Request) -> None:
        """The request begins to wait, behind those of its flow."""
        flow = request.flow
        flow.queue.append(request)
        flow.queued += 1
        flow.backlog += request.charged_cost
        self._waiting[flow.tier.name] += 1
        self.offer(flow)

    def remove(self, request: Request) -> None:
        """The request no longer waits; once its state says so, `offer` its flow."""
        flow = request.flow
        flow.queued -= 1
        flow.backlog -= request.charged_cost
        self._waiting[flow.tier.name] -= 1

    def offer(self, flow: Flow) -> None:
        """Tells the tier of the flow's head, once for each head."""
        head = flow.head()
        if head is not None and flow.offered != head.sequence:
            flow.offered = head.sequence
            heapq.heappush(self._heads[flow.tier.name], (head.sequence, flow))

    def head(self) -> Request | None:
        """The oldest request that may run, of the highest tier that has one.

        Tiers of the same priority are served as one.
        """
        best: Request | None = None
        for tier in self.tiers:
            if best is not None and tier.priority < best.flow.tier.priority:
                break
            head = self._head_of(tier.name)
            if head is not None and (best is None or head.sequence < best.sequence):
                best = head
        return best

    def _head_of(self, tier: str) -> Request | None:
        heads = self._heads[tier]
        while heads:
            sequence, flow = heads[0]
            head = flow.head()
            if head is not None and head.sequence == sequence:
                return head
            heapq.heappop(heads)
            if flow.offered == sequence:
                flow.offered = 0
        return None
