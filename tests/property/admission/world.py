"""One engine and its callers over time: each seat does its part of the engine's rate.

A request of cost c runs c·W/R: W seats, R the engine's service tokens a second. Callers are closed
loops (always so many waiting) or arrive when told. Nothing here is measured: it is arithmetic.
"""

import heapq
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import NamedTuple

from tests.property.admission import inside
from tests.property.admission.driver import SECOND, Driver
from tierfleet.admission.cost import Rates
from tierfleet.admission.types import Dispatch, Partition
from tierfleet.plan import MICRO, Burndown

RATE = 1000
"""Service tokens a second of the engine: that of `make_plan`."""
RATES = Rates.of(Burndown())


PATIENT = {"maxRequests": 10**6, "maxWaitMilliseconds": 10**9}
"""A queue of a tier that turns nobody away."""


class Size(NamedTuple):
    prompt: int
    output: int
    max_tokens: int | None = None

    @property
    def cost(self) -> int:
        return RATES.cost(self.prompt, 0, self.output)


class Served(NamedTuple):
    """One dispatch: its real cost, and what it was charged at first, micro service tokens."""

    at: int
    tenant: str
    cost: int
    charged: int
    reserved: bool
    waited: int

    @property
    def error(self) -> int:
        return abs(self.cost - self.charged)


class World:
    def __init__(self, driver: Driver, seed: int) -> None:
        self.driver = driver
        self.random = Random(seed)
        self.served: list[Served] = []
        self.error = 0
        """Largest Σ|actual - charged| over what is in flight."""
        self._sizes: dict[int, Size] = {}
        self._errors: dict[int, int] = {}
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._planned = 0
        self._loops: list[tuple[str, int, Callable[[Random], Size]]] = []
        driver.on_dispatch = self._started

    def at(self, when: int, action: Callable[[], None]) -> None:
        self._planned += 1
        heapq.heappush(self._agenda, (when, self._planned, action))

    def send(self, tenant: str, size: Size, tier: str | None = None) -> int:
        self._sizes[self.driver.next_id + 1] = size
        return self.driver.arrive(
            tenant, prompt_tokens=size.prompt, max_tokens=size.max_tokens, tier=tier
        )

    def keep_waiting(self, tenant: str, number: int, size: Callable[[Random], Size]) -> None:
        """From now on so many requests of the tenant wait at any time."""
        self._loops.append((tenant, number, size))
        self._refill()

    def leave(self, tenant: str) -> None:
        """The tenant sends nothing more."""
        self._loops = [loop for loop in self._loops if loop[0] != tenant]

    def run(self, until: int) -> None:
        driver = self.driver
        while True:
            self._refill()
            due = [self._agenda[0][0]] if self._agenda else []
            due += [driver.wake] if driver.wake is not None else []
            if not due or min(due) > until:
                break
            if self._agenda and self._agenda[0][0] == min(due):
                driver.now, _, action = heapq.heappop(self._agenda)
                action()
            else:
                driver.now, driver.wake = max(driver.now, min(due)), None
                driver.tick()
        driver.now = until

    def _refill(self) -> None:
        for tenant, number, size in self._loops:
            waiting = sum(one.tenant == tenant for one in self.driver.waiting.values())
            for _ in range(number - waiting):
                self.send(tenant, size(self.random))

    def _started(self, decision: Dispatch) -> None:
        driver, size = self.driver, self._sizes[decision.id]
        charged = inside.charged(driver.core, decision.id)
        reserved = decision.partition is Partition.RESERVED
        tenant = decision.tenant or ""
        one = Served(driver.now, tenant, size.cost, charged, reserved, decision.waited)
        self.served.append(one)
        self._errors[decision.id] = one.error
        self.error = max(self.error, sum(self._errors.values()))

        def finish() -> None:
            if decision.id in driver.running and driver.last[decision.id] is decision:
                self._errors.pop(decision.id, None)
                driver.finish(decision.id, size.output)

        self.at(driver.now + max(1, size.cost * driver.seats * SECOND // (RATE * MICRO)), finish)


def sizes(prompt: int, output: int, error: int) -> Callable[[Random], Size]:
    """Any prompt up to that, and an output that is so far at most from what was expected."""

    def draw(random: Random) -> Size:
        real = max(1, output + random.randint(-error, error))
        return Size(random.randint(1, prompt), real, output)

    return draw


def largest_window(changes: list[int]) -> int:
    """The largest sum of consecutive numbers, at least 0 (Kadane)."""
    best = ending = 0
    for change in changes:
        ending = max(0, ending + change)
        best = max(best, ending)
    return best


def lateness(served: list[Served], rate: int, since: int, until: int) -> int:
    """The most by which service in a window stays behind r·Δt, micro service tokens."""
    times = [since, *(one.at for one in served), until]
    behind = [(after - before) * rate * MICRO // SECOND for before, after in pairwise(times)]
    changes = [behind[0]]
    for one, gain in zip(served, behind[1:], strict=True):
        changes += [-one.cost, gain]
    return largest_window(changes)
