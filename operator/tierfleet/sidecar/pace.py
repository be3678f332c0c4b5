"""How much the engine serves, of how many requests, and for how long it had no room left. Pure.

What an engine can do is only seen while it is full: `docs/planning.md` says how the operator takes
the numbers. Whoever is looked at is the gate's business.
"""

from tierfleet.plan import MICRO, Plan, micro

_NS_PER_S = 1e9


class Pace:
    """Counters that never go down.

    Attributes:
        requests: that are over and have cost something: what ran nowhere says nothing of the mean.
    """

    __slots__ = ("_full", "_full_ns", "_looked", "_per_output", "_served", "_settled", "requests")

    def __init__(self, plan: Plan) -> None:
        self._settled = self._served = self._full_ns = self._looked = self.requests = 0
        self._full = False
        self.change(plan)

    def change(self, plan: Plan) -> None:
        """The rates of a new plan are in force."""
        self._per_output = micro((plan.scheduling or plan.burndown).output)

    def settled(self, cost: int) -> None:
        """A request is over, and has cost so much; micro service tokens."""
        self._settled += cost
        self.requests += cost > 0

    def served(self, output_tokens: int) -> float:
        """Service tokens since the start: what is over, and of what runs its output so far.

        An estimate that its settlement takes back is waited for, so that no scrape sees less than
        the one before: Prometheus would take that for a restart.
        """
        now = self._settled + self._per_output * output_tokens
        self._served = max(self._served, now)
        return self._served / MICRO

    def look(self, now: int, *, full: bool) -> None:
        """The engine has or has not room at `now` (ns); in between it is as at both ends."""
        if full and self._full:
            self._full_ns += now - self._looked
        self._full, self._looked = full, now

    @property
    def saturated(self) -> float:
        """Seconds since the start in which it had no room."""
        return self._full_ns / _NS_PER_S
