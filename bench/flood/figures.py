"""What the runs come to: percentiles, and the table and the picture that show them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from bench import curves
from bench.flood.measure import Run


def pooled(runs: Iterable[Run]) -> list[float]:
    """The times to first token of all of them, in order."""
    return sorted(seconds for one in runs for seconds in one.ttft)


def picture(found: Mapping[str, Sequence[Run]]) -> str:
    """The distributions of their times to first token as SVG, by what each is called."""
    heading = "Enterprise: part of the requests whose first token came within"
    return curves.svg(heading, {name: pooled(runs) for name, runs in found.items()})


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The nearest rank; not a number of none."""
    if not ordered:
        return float("nan")
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def table(title: str, found: Mapping[str, Sequence[Run]]) -> Table:
    """A row for each name, of all its runs."""
    made = Table(title=title)
    made.add_column("")
    for heading in (
        "p50", "p99", "requests", "refused", "retail/s", "refused/s", "running", "waiting",
        "tokens/s",
    ):  # fmt: skip
        made.add_column(heading, justify="right")
    for name, runs in found.items():
        times = pooled(runs)
        mine = [one.seen["enterprise"] for one in runs]
        retail = [one.seen.get("retail", {"served": 0, "refused": 0}) for one in runs]
        seconds = sum(one.seconds for one in runs)
        made.add_row(
            name,
            _time(percentile(times, 50)),
            _time(percentile(times, 99)),
            f"{len(times):,}",
            str(sum(seen["refused"] + seen["broken"] for seen in mine)),
            f"{sum(seen['served'] for seen in retail) / seconds:.1f}",
            f"{sum(seen['refused'] for seen in retail) / seconds:.1f}",
            f"{statistics.fmean(one.running for one in runs):.1f}",
            f"{statistics.fmean(one.waiting for one in runs):.0f}",
            f"{statistics.fmean(one.served for one in runs):,.0f}",
        )
    made.caption = (
        "p50, p99: time to first token; refused: of enterprise's; retail/s, refused/s: of retail,"
        " served and refused a second; running, waiting: requests in the engine, on average;"
        " tokens/s: service tokens"
    )
    return made


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds * 1e3:.0f} ms"
