"""What becomes of a request that has just been read: its record, its label, a refusal.

Refusals are the caller's own doing (a limit, a used-up guarantee, an impossible deadline); lack of
room is not decided here. It charges the limits of those it lets in.
"""

import random

from tierfleet.admission.calendar import NEVER
from tierfleet.admission.drain import MOST, DrainRate
from tierfleet.admission.flows import Flow
from tierfleet.admission.requests import Request
from tierfleet.admission.roster import Roster
from tierfleet.admission.settlement import Settlement
from tierfleet.admission.shares import TierQueue
from tierfleet.admission.types import Arrival, Shed, ShedReason
from tierfleet.plan import SpilloverAction

_JITTER = 8
"""Retry times are longer by up to an eighth: callers who were refused together come back apart."""


class Arrivals:
    """Makes records of one replica's requests and checks them."""

    __slots__ = ("_drain", "_random", "_roster", "_sequence", "_settlement")

    def __init__(self, roster: Roster, settlement: Settlement, drain: DrainRate, seed: int) -> None:
        self._roster = roster
        self._drain = drain
        self._random = random.Random(seed)  # noqa: S311 - jitter, not a secret
        self._sequence = 0
        self._settlement = settlement

    def record(self, now: int, request: Arrival, flow: Flow) -> Request:
        """The request with its label and what it is expected to cost."""
        self._sequence += 1
        prompt = request.prompt_tokens
        seats = max(1, request.sequences)
        expected = flow.expected_output(request.max_tokens, seats)
        record = Request(request.id, self._sequence, flow, now, seats, prompt, expected)
        tier, deadline = request.tier, request.deadline
        if tier is not None:
            asked = self._roster.offered(tier)
            own = asked is flow.home
            if asked is not None and not own and asked.plan.priority <= flow.home.plan.priority:
                record.share = flow.share_in(asked)
                record.asked = True
        record.expiry = now + flow.home.wait
        if deadline is not None:
            record.deadline = deadline
            record.expiry = min(record.expiry, deadline)
        record.tokens = record.kv = prompt + expected
        cached = prompt * flow.cached_permille // 1000
        record.cost = record.estimate = self._settlement.scheduling.cost(prompt, cached, expected)
        account = flow.account
        if account is not None and not record.asked:
            record.spare = account.spare(now)
            record.conforming = record.spare >= 0
            if record.conforming and record.share.tier is not flow.home:
                # Only what does not conform spills over into another tier.
                record.share = flow.share_in(flow.home)
        return record

    def refusal(self, now: int, record: Request, waiting: int) -> Shed | None:
        """Why it is turned away; None if it is not, and its limits are charged.

        Args:
            now: nanoseconds.
            record: as `record` made it.
            waiting: requests that wait.
        """
        if record.deadline <= now:
            message = "The deadline of the request was over when it came."
            return Shed(record.id, ShedReason.EXPIRED, None, message)
        if not record.conforming:
            account = record.flow.account
            if account is not None and account.plan is not None and not record.asked:
                contract = account.plan
                if contract.spillover.action is SpilloverAction.REJECT:
                    retry = min(MOST, account.time_until_conforming(now))
                    message = f"Reservation {contract.name} is used up and rejects what exceeds it."
                    return Shed(record.id, ShedReason.OVER_GUARANTEE, retry, message)
            if waiting and record.deadline != NEVER:
                wait = self._drain.measured(self.ahead(record.share.tier) + 1)
                if wait is not None and now + wait > record.deadline:
                    message = "The request would wait for a seat longer than its deadline allows."
                    retry = self.jittered(min(MOST, wait))
                    return Shed(record.id, ShedReason.INFEASIBLE, retry, message)
        return self._over_limit(now, record)

    def _over_limit(self, now: int, record: Request) -> Shed | None:
        """Charges the limits of requests and of tokens, or neither."""
        flow = record.flow
        if flow.requests is not None and (wait := flow.requests.take(now, 1)):
            message = self._used_up(flow, flow.home.plan.limits.requests_per_minute, "requests")
            return Shed(record.id, ShedReason.REQUEST_LIMIT, wait, message)
        if flow.tokens is not None and (wait := flow.tokens.take(now, record.tokens)):
            if flow.requests is not None:
                flow.requests.settle(now, -1)
            message = self._used_up(flow, flow.home.plan.limits.tokens_per_minute, "tokens")
            return Shed(record.id, ShedReason.TOKEN_LIMIT, wait, message)
        return None

    def _used_up(self, flow: Flow, limit: int | None, what: str) -> str:
        said = f"limit of {limit} {what} a minute of tier {flow.home.plan.name}"
        if limit is None or self._roster.share == 1:
            return f"The {said} is used up."
        here = float(limit * self._roster.share)
        return f"This replica's part of the {said}, {here:.4g} a minute, is used up."

    def ahead(self, tier: TierQueue) -> int:
        """Requests that are served before a new one of this tier."""
        return sum(
            other.waiting + other.reserved_waiting
            for band in self._roster.bands
            if band.priority >= tier.plan.priority
            for other in band.tiers
        )

    def retry(self, requests: int) -> int:
        """Nanoseconds after which a caller that is behind so many requests may try again."""
        return self.jittered(self._drain.time_for(requests))

    def jittered(self, nanoseconds: int) -> int:
        """A little longer, at random."""
        return min(MOST, nanoseconds + self._random.randrange(nanoseconds // _JITTER + 1))
