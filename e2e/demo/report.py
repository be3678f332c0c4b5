"""What the callers of each tier saw, as numbers, as a table and as bars. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from e2e.demo.load import NO_ANSWER, REFUSED, Seen

BAR_WIDTH = 40


@dataclass(frozen=True)
class TierReport:
    """One tier in one run.

    Attributes:
        requests: sent after the warm-up.
        served: of them got a first token.
        refused: of them got an error that says when to come back.
        failed: of them got another error, or a broken connection.
        waiting: of them still waited for a first token when the run was cut.
        ttft_p50, ttft_p99: seconds to the first token, over those served or still waiting.
            One that was still waiting at the end counts with the time it had waited: leaving it
            out would flatter whoever lets requests wait longest.
        share: of all tokens produced after the warm-up, 0 to 1.
    """

    tier: str
    requests: int
    served: int
    refused: int
    failed: int
    waiting: int
    ttft_p50: float | None
    ttft_p99: float | None
    share: float


def summarise(
    seen: Sequence[Seen], tiers: Sequence[str], *, warm_up: float, seconds: float
) -> dict[str, TierReport]:
    """One report per tier over the requests sent between the warm-up and the end of the run."""
    counted = [request for request in seen if request.sent >= warm_up]
    produced = sum(request.tokens for request in counted) or 1
    return {
        tier: _tier(tier, [r for r in counted if r.tier == tier], produced, seconds)
        for tier in tiers
    }


def _tier(tier: str, seen: Sequence[Seen], produced: int, seconds: float) -> TierReport:
    refused = sum(request.status in REFUSED for request in seen)
    taken = [request for request in seen if request.status in {200, NO_ANSWER}]
    waits = sorted(
        (request.first_token if request.first_token is not None else seconds) - request.sent
        for request in taken
    )
    served = sum(request.first_token is not None for request in taken)
    return TierReport(
        tier=tier,
        requests=len(seen),
        served=served,
        refused=refused,
        failed=len(seen) - refused - len(taken),
        waiting=len(taken) - served,
        ttft_p50=percentile(waits, 50),
        ttft_p99=percentile(waits, 99),
        share=sum(request.tokens for request in seen) / produced,
    )


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile of ordered values; None of none."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def render(runs: Mapping[str, Mapping[str, TierReport]]) -> RenderableType:
    """A table with a row per tier and run, then bars of the p99 time to first token."""
    table = Table(
        title="The same load, twice: time to first token (p50, p99), share of tokens",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    table.add_column("tier", no_wrap=True)
    for heading in (
        "sent", "p50", "p99", "tokens", "refused", "failed", "waiting",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for name, tiers in runs.items():
        for index, report in enumerate(tiers.values()):
            table.add_row(
                name if index == 0 else "",
                report.tier,
                str(report.requests),
                _seconds(report.ttft_p50),
                _seconds(report.ttft_p99),
                f"{report.share:.0%}",
                str(report.refused),
                str(report.failed),
                str(report.waiting),
            )
        table.add_section()
    return Group(table, Text(), _bars(runs))


def _bars(runs: Mapping[str, Mapping[str, TierReport]]) -> RenderableType:
    rows = [
        (report.tier, name, report.ttft_p99 or 0.0)
        for name, tiers in runs.items()
        for report in tiers.values()
    ]
    longest = max((value for _, _, value in rows), default=0.0) or 1.0
    tiers = list(dict.fromkeys(tier for tier, _, _ in rows))
    grid = Table.grid(padding=(0, 1))
    for tier in tiers:
        for row_tier, name, value in rows:
            if row_tier == tier:
                bar = "█" * max(1, round(BAR_WIDTH * value / longest))
                first = name == next(iter(runs))
                grid.add_row(
                    tier if first else "",
                    name,
                    Text(bar, style="red" if first else "green"),
                    _seconds(value),
                )
    return Group(Text("Time to first token, p99:", style="bold"), grid)


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
