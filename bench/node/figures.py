"""Was the contract kept? By the access log, and by what its callers saw. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Line = Mapping[str, Any]
Waited = Mapping[str, float | None]
"""Seconds to the first token, by request; None if it never came. See `Run.seen`."""


@dataclass(frozen=True)
class Attained:
    """Of the requests that were owed a seat in time, how many had it."""

    kept: int
    owed: int

    @property
    def share(self) -> float:
        """As a part of one; not a number if nothing was owed."""
        return self.kept / self.owed if self.owed else float("nan")

    def __add__(self, other: "Attained") -> "Attained":
        return Attained(self.kept + other.kept, self.owed + other.owed)


def owed(waited: Waited, log: Iterable[Line], wait: float) -> frozenset[str]:
    """The requests that the contract was to serve in time.

    Those that the access log calls conforming, refused ones too, and those that it says nothing
    of: they got neither seat nor refusal. What had waited for less than the bound when the run was
    cut is not judged.

    Args:
        waited: the requests that count.
        log: lines of the sidecars' access logs, also about others.
        wait: bound of the contract, seconds.
    """
    labels = {line["id"]: line["conforming"] for line in log}
    return frozenset(
        request for request, seconds in waited.items() if _owed(labels.get(request), seconds, wait)
    )


def by_log(owed: Iterable[str], log: Iterable[Line], wait: float) -> Attained:
    """In time is what the access log says was given a seat within the bound, and kept it.

    Until its end or until the run was cut, that is: `client-gone`.
    """
    kept = {
        line["id"]
        for line in log
        if line["outcome"] in {"served", "client-gone"}
        and line["wait_ms"] is not None
        and line["wait_ms"] <= wait * 1000
    }
    return _attained(owed, kept)


def by_callers(owed: Iterable[str], waited: Waited, wait: float, prompt: float) -> Attained:
    """In time is what had its first token within the bound and what a prompt takes.

    For engines without a log that tells of waiting.

    Args:
        owed: of the same requests.
        waited: as they fared in this run.
        wait: bound of the contract, seconds.
        prompt: longest that a prompt takes once it has its seat, seconds.
    """
    kept = {
        request
        for request, seconds in waited.items()
        if seconds is not None and seconds <= wait + prompt
    }
    return _attained(owed, kept)


def _owed(conforming: bool | None, waited: float | None, wait: float) -> bool:
    if conforming is None:
        return waited is None or waited > wait
    return conforming


def _attained(owed: Iterable[str], kept: set[str]) -> Attained:
    requests = set(owed)
    return Attained(len(requests & kept), len(requests))
