"""What was served, measured beside the core: service tokens, by tenant and time.

A second reading of the burndown rates, independent of the core's own books, so that a core which
charges wrongly shows in the report. It must not know what was promised.
"""

from collections import defaultdict
from collections.abc import Iterable

from tierfleet.plan import Burndown, micro
from tierfleet.simulator.trace import TraceRequest


class Price:
    """Micro service tokens of a request, by the plan's burndown (docs/plan-v1.md)."""

    def __init__(self, burndown: Burndown) -> None:
        self._cached = micro(burndown.cached_input)
        self._residency = micro(burndown.kv_residency)
        self._normal = (micro(burndown.input), micro(burndown.output))
        long = burndown.long_context
        self._long_above = long.above_tokens if long else None
        self._long = (micro(long.input), micro(long.output)) if long else self._normal

    def __call__(self, prompt: int, cached: int, output: int) -> int:
        """The price of that many tokens; `cached` is a part of `prompt`."""
        is_long = self._long_above is not None and prompt > self._long_above
        per_input, per_output = self._long if is_long else self._normal
        price = per_input * (prompt - cached) + self._cached * cached + per_output * output
        if self._residency:
            price += self._residency * (2 * prompt * output + output * output) // 2
        return price

    def of(self, request: TraceRequest) -> int:
        """The price of a request that is served to its end."""
        output = request.output_tokens * request.sequences
        return self(request.prompt_tokens, request.cached_tokens, output)


class Service:
    """Micro service tokens up to the horizon, in bins of time, for each tenant.

    Attributes:
        bin: width of a bin in nanoseconds.
        bins: amount by the number of the bin, by tenant; a bin without any is left out.
    """

    def __init__(self, bin_ns: int) -> None:
        self.bin = bin_ns
        self.bins: dict[str | None, dict[int, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, tenant: str | None, now: int, amount: int) -> None:
        """Note what a tenant got at a time."""
        self.bins[tenant][now // self.bin] += amount

    def merge(self, other: "Service") -> None:
        """Add what another replica served."""
        for tenant, bins in other.bins.items():
            own = self.bins[tenant]
            for number, amount in bins.items():
                own[number] += amount

    def total(self, tenants: Iterable[str | None]) -> int:
        """What these tenants got."""
        return sum(sum(self.bins.get(tenant, {}).values()) for tenant in tenants)
