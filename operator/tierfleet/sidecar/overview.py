"""What people and the operator are shown of a running sidecar: plain documents. Pure.

No key, no token, no hash of one, and no text of a prompt is in them.
"""

from datetime import UTC, datetime
from typing import Any

from tierfleet.plan import Plan, render, warnings
from tierfleet.sidecar.exchange import Exchange
from tierfleet.sidecar.gate import Gate

_SHOWN = 1000
_FROM_PLAN = ("pool", "model", "policy", "enforcement", "burndown", "tiers")


def describe_plan(plan: Plan, group: str, since: float, last_error: str) -> dict[str, object]:
    """The plan in force and this replica's part of its rates.

    Args:
        plan: in force.
        group: of this replica.
        since: when it was taken, seconds since the epoch.
        last_error: why what is on disk now is not in force; empty when it is.
    """
    document = render(plan)
    share = plan.share(group)
    members = [tenant.tier for tenant in plan.tenants]
    return {
        "version": plan.version,
        "since": datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds"),
        "lastError": last_error,
        "warnings": warnings(plan),
        "group": group,
        "share": f"{share.numerator}/{share.denominator}",
        "maxSequences": plan.group(group).max_sequences,
        "serviceTokensPerSecond": plan.group(group).service_tokens_per_second,
        **{name: document[name] for name in _FROM_PLAN if name in document},
        "reservations": [
            {
                "name": reservation.name,
                "tenants": reservation.tenants,
                "granted": reservation.granted,
                "grantedHere": float(reservation.granted * share),
                "start": _time(reservation.term.start),
                "end": _time(reservation.term.end),
            }
            for reservation in plan.reservations
        ],
        "tenantsByTier": {tier.name: members.count(tier.name) for tier in plan.tiers},
    }


def describe_queue(gate: Gate, now: int) -> dict[str, object]:
    """Who waits for what, the longest first, and how many of each tier wait and run."""
    waiting = [ticket for ticket in gate.waiting() if isinstance(ticket, Exchange)]
    return {
        "load": [
            {"tier": tier.tier, "queued": tier.queued, "inFlight": tier.in_flight}
            for tier in gate.load()
        ],
        "waiting": [
            {
                "id": exchange.id.decode(),
                "tenant": exchange.tenant,
                "tier": exchange.tier,
                "waitedMilliseconds": round((now - exchange.arrived) / 1e6, 1),
                "waitsFor": gate.why(exchange.number) or "",
            }
            for exchange in waiting[:_SHOWN]
        ],
        "notShown": max(0, len(waiting) - _SHOWN),
    }


def queue_text(document: dict[str, Any]) -> str:
    """The same as a table for people."""
    lines = [f"{'TIER':20}  {'WAITING':>10}{'RUNNING':>10}"]
    lines += [
        f"{tier['tier']:20}  {tier['queued']:>10}{tier['inFlight']:>10}"
        for tier in document.get("load", ())
    ]
    lines += ["", f"{'WAITED':>10}  {'FOR':20}  {'TIER':20}  {'TENANT':24}  REQUEST"]
    lines += [
        f"{one['waitedMilliseconds'] / 1000:>8.1f} s  {one['waitsFor']:20}  {one['tier']:20}"
        f"  {one['tenant'] or '-':24}  {one['id']}"
        for one in document.get("waiting", ())
    ]
    if document.get("notShown"):
        lines.append(f"and {document['notShown']} more")
    return "\n".join(lines) + "\n"


def _time(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()
