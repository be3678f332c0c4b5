"""Requests that arrive: what a run is fed with. Reads the format of the Azure traces.

The format is a CSV with the columns `TIMESTAMP,ContextTokens,GeneratedTokens` (Patel et al.,
"Splitwise", ISCA 2024; Azure/AzurePublicDataset); columns of ours may follow. It must not know
where the lines come from.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from tierfleet.simulator.chance import Chance

SECOND = 1_000_000_000
_REQUIRED = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_TENANT = "Tenant"
_CACHED = "CachedTokens"
_MAX_TOKENS = "MaxTokens"
_SEQUENCES = "Sequences"
_HANG_UP = "HangsUpAfterMilliseconds"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[ T][\d:]+)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?")
COLUMNS = (*_REQUIRED, _TENANT, _CACHED, _MAX_TOKENS, _SEQUENCES, _HANG_UP)


class TraceError(ValueError):
    """The trace cannot be used; the message is a sentence for the person who gave it."""


class TraceRequest(NamedTuple):
    """One request of a trace.

    Attributes:
        arrival: nanoseconds since the trace began.
        tenant: as the plan names it; None for an anonymous caller.
        prompt_tokens: of the whole prompt.
        output_tokens: that each sequence produces if it is let.
        cached_tokens: leading tokens of the prompt that prefix caching finds.
        max_tokens: the cap that the caller states; None if it states none.
        sequences: choices of the same prompt, a seat each.
        hangs_up_after: nanoseconds from arrival until the client gives up; None for never.
    """

    arrival: int
    tenant: str | None
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    max_tokens: int | None = None
    sequences: int = 1
    hangs_up_after: int | None = None


def read_azure(lines: Iterable[str]) -> list[TraceRequest]:
    """The requests of a CSV in order of arrival, the first one at 0.

    Raises:
        TraceError: naming the line and what would be right.
    """
    rows = csv.reader(lines)
    header = [name.strip() for name in next(rows, [])]
    missing = [name for name in _REQUIRED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(unknown)}"
        raise TraceError(
            f"The first line {what}. It must name the columns {','.join(_REQUIRED)}, and may"
            f" name {', '.join(COLUMNS[len(_REQUIRED) :])}."
        )
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        raise TraceError(f"The first line names {', '.join(twice)} twice: leave one of them out.")
    requests = list(_requests(rows, {name: header.index(name) for name in header}, len(header)))
    if not requests:
        raise TraceError("There are no requests in it: give at least one line after the first.")
    requests.sort(key=lambda request: request.arrival)
    first = requests[0].arrival
    return [request._replace(arrival=request.arrival - first) for request in requests]


def _requests(
    rows: Iterator[list[str]], columns: Mapping[str, int], width: int
) -> Iterator[TraceRequest]:
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != width:
            raise TraceError(
                f"Line {line} has {len(row)} fields, the first line {width}: correct the line, or"
                " leave it out."
            )
        fields = {name: row[column].strip() for name, column in columns.items()}
        hang_up = _optional(fields, _HANG_UP, line, 0)
        prompt = _number(fields, "ContextTokens", line, 1)
        cached = _optional(fields, _CACHED, line, 0) or 0
        if cached > prompt:
            raise TraceError(
                f"Line {line}: {_CACHED} is {cached}, more than the {prompt} ContextTokens that it"
                " is a part of; correct the line, or leave it out."
            )
        yield TraceRequest(
            _nanoseconds(fields["TIMESTAMP"], line),
            fields.get(_TENANT) or None,
            prompt,
            _number(fields, "GeneratedTokens", line, 1),
            cached,
            _optional(fields, _MAX_TOKENS, line, 1),
            _optional(fields, _SEQUENCES, line, 1) or 1,
            None if hang_up is None else hang_up * 1_000_000,
        )


def _optional(fields: Mapping[str, str], name: str, line: int, least: int) -> int | None:
    return _number(fields, name, line, least) if fields.get(name) else None


def _number(fields: Mapping[str, str], name: str, line: int, least: int) -> int:
    try:
        number = int(fields[name])
    except ValueError:
        number = least - 1
    if number < least:
        raise TraceError(
            f"Line {line}: {name} is {fields[name]!r}, and must be a whole number from {least} on;"
            " correct the line, or leave it out."
        )
    return number


def _nanoseconds(text: str, line: int) -> int:
    """Seven decimals, as the traces of 2023 have them, are more than `datetime` keeps.

    Those of 2024 have an offset; without one the time is in UTC.
    """
    found = _TIME.fullmatch(text)
    try:
        whole, decimals, offset = found.groups("") if found else ("", "", "")
        seconds = datetime.fromisoformat(whole + (offset or "+00:00")).timestamp()
        return int(seconds) * SECOND + int(decimals.ljust(9, "0")[:9])
    except ValueError:
        raise TraceError(
            f"Line {line}: TIMESTAMP is {text!r}, and must be like 2023-11-16 18:17:03.9799600."
        ) from None


def speed_up(trace: Iterable[TraceRequest], factor: float) -> list[TraceRequest]:
    """The same requests at `factor` times their rate."""
    return [request._replace(arrival=int(request.arrival / factor)) for request in trace]


def assign(
    trace: Iterable[TraceRequest], weights: Mapping[str, float], seed: int
) -> list[TraceRequest]:
    """The same requests, each one a tenant's by chance in proportion to its weight."""
    names = list(weights)
    bounds = list(accumulate(weights.values()))
    chance = Chance(seed, "tenants")
    return [request._replace(tenant=names[chance.below(bounds)]) for request in trace]


def tenants_of(trace: Sequence[TraceRequest]) -> list[str | None]:
    """Who sends, in the order of the first request."""
    return list(dict.fromkeys(request.tenant for request in trace))
