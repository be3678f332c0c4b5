"""Traces made up from a small document: who sends how often, and how long it is.

A document has the length of the trace and a list of clients, each a Poisson process (or one
request at fixed gaps) that may pause. It must not know the plan.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from tierfleet.plan import CHOICE, Part, explain
from tierfleet.simulator.chance import Chance
from tierfleet.simulator.trace import SECOND, TraceError, TraceRequest

_Seconds = Annotated[float, Field(ge=0, le=10**8)]
_Tokens = Annotated[int, Field(ge=1, le=10**7)]


class Lognormal(Part):
    """Lengths whose logarithm is normal: `sigma` 0 is always the median, 1 a long tail."""

    median: Annotated[float, Field(gt=0, le=10**7)]
    sigma: Annotated[float, Field(ge=0, le=5)]
    min: _Tokens = 1
    max: _Tokens = 10**7

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.min > self.max:
            raise ValueError("min must not exceed max")
        return self


_NUMBER, _DISTRIBUTION = f"{CHOICE}tokens)", f"{CHOICE}lognormal)"
Length = Annotated[
    Annotated[_Tokens, Tag(_NUMBER)] | Annotated[Lognormal, Tag(_DISTRIBUTION)],
    Discriminator(
        lambda given: _DISTRIBUTION if isinstance(given, Mapping | Lognormal) else _NUMBER
    ),
]


class Arrivals(StrEnum):
    """Gaps between a client's requests: exponential, or all the same."""

    POISSON = "Poisson"
    CONSTANT = "Constant"


class Client(Part):
    """One stream of requests.

    Attributes:
        tenant: None for anonymous callers.
        requests_per_second: while it is on.
        arrivals: how its requests follow each other.
        on_seconds: how long it sends; left out, it never pauses.
        off_seconds: how long it pauses after that.
        random_phases: on and off last exponential times with those means.
        from_seconds: when it begins, at the start of an on-phase.
        until_seconds: when it ends; left out, with the trace.
        prompt: tokens of each prompt, a number or a distribution.
        output: tokens of each answer.
        max_tokens: the cap that it states; answers end there.
        cached_percent: of each prompt, found in the engine's cache.
        sequences: choices per request.
        hang_up_seconds: mean of the exponential time after which its callers give up.
    """

    tenant: str | None = None
    requests_per_second: Annotated[float, Field(gt=0, le=10**6)]
    arrivals: Arrivals = Arrivals.POISSON
    on_seconds: Annotated[float, Field(gt=0)] | None = None
    off_seconds: Annotated[float, Field(gt=0)] | None = None
    random_phases: bool = False
    from_seconds: _Seconds = 0
    until_seconds: _Seconds | None = None
    prompt: Length
    output: Length
    max_tokens: _Tokens | None = None
    cached_percent: Annotated[int, Field(ge=0, le=100)] = 0
    sequences: Annotated[int, Field(ge=1, le=1000)] = 1
    hang_up_seconds: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _pauses_have_an_end(self) -> Self:
        if (self.on_seconds is None) != (self.off_seconds is None):
            raise ValueError("onSeconds and offSeconds go together: give both or neither")
        return self


class Clients(Part):
    """The whole document."""

    seconds: Annotated[float, Field(gt=0, le=10**8)]
    clients: Annotated[tuple[Client, ...], Field(min_length=1)]


def parse(document: Any) -> Clients:
    """A decoded JSON or YAML document, checked.

    Raises:
        TraceError: with the path of what is wrong, and why.
    """
    if not isinstance(document, Mapping):
        raise TraceError("It must be a mapping with the fields seconds and clients.")
    try:
        return Clients.model_validate(document)
    except ValidationError as error:
        raise TraceError(explain(error, Clients)) from None


def generate(clients: Clients, seed: int) -> list[TraceRequest]:
    """The requests of all clients in order of arrival.

    A client's requests depend on the seed, its tenant and its place among that tenant's clients
    only: to add a tenant changes nothing for the others.
    """
    seen: dict[str | None, int] = {}
    trace: list[TraceRequest] = []
    for client in clients.clients:
        place = seen[client.tenant] = seen.get(client.tenant, 0) + 1
        trace += _requests(client, clients.seconds, Chance(seed, f"{client.tenant}/{place}"))
    trace.sort(key=lambda request: request.arrival)
    return trace


def _requests(client: Client, seconds: float, chance: Chance) -> Iterator[TraceRequest]:
    for at in _arrivals(client, seconds, chance):
        prompt = _length(client.prompt, chance)
        output = _length(client.output, chance)
        patience = chance.exponential(client.hang_up_seconds) if client.hang_up_seconds else None
        yield TraceRequest(
            int(at * SECOND),
            client.tenant,
            prompt,
            min(output, client.max_tokens or output),
            prompt * client.cached_percent // 100,
            client.max_tokens,
            client.sequences,
            None if patience is None else int(patience * SECOND),
        )


def _arrivals(client: Client, seconds: float, chance: Chance) -> Iterator[float]:
    """Times in seconds; what is left of a gap when a client pauses goes on after the pause."""
    gap = 1 / client.requests_per_second
    end = min(seconds, client.until_seconds if client.until_seconds is not None else seconds)
    poisson = client.arrivals is Arrivals.POISSON
    at = client.from_seconds
    left = chance.exponential(gap) if poisson else 0.0
    while at < end:
        on = _phase(client, client.on_seconds, chance)
        stop = end if on is None else min(end, at + on)
        while at + left < stop:
            at += left
            yield at
            left = chance.exponential(gap) if poisson else gap
        left -= stop - at
        at = stop + (_phase(client, client.off_seconds, chance) or 0.0)


def _phase(client: Client, mean: float | None, chance: Chance) -> float | None:
    return chance.exponential(mean) if mean is not None and client.random_phases else mean


def _length(length: Length, chance: Chance) -> int:
    if isinstance(length, int):
        return length
    drawn = round(chance.lognormal(length.median, length.sigma))
    return max(length.min, min(length.max, drawn))
