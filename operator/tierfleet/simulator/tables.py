"""The report for a terminal: one run, or two side by side. It must not compute figures."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tierfleet.simulator.figures import Attainment, Report, ReservationRow, Row

_TENANTS = 12
"""Most tenants that are listed under a tier."""
_LEAST_NAME = 12
"""Columns that a name gets at least."""
_TRUE_COST, _LABEL = "by true cost", "by label"


def summary(report: Report) -> Group:
    """All tables of one run."""
    parts = [_service(report), _latency(report)]
    if report.reservations:
        parts += [_reservations(report), _conforming(report)]
    if report.objectives:
        parts.append(_objectives(report))
    return Group(_headline(report), *(part for table in parts for part in ("", table)))


def comparison(base: Report, changed: Report, change: str) -> Group:
    """Base, changed and the difference, for everything that both have a figure for."""
    table = _table("", "base", "changed", "difference", title=f"What {change} does")
    rest = {figure.name: figure for figure in _figures(changed)}
    section = None
    for figure in _figures(base):
        other = rest.pop(figure.name, None)
        _compare(table, figure, figure.value, other and other.value, section)
        section = figure.section
    for figure in rest.values():
        _compare(table, figure, None, figure.value, section)
        section = figure.section
    return Group("", table)


class _Figure(NamedTuple):
    section: str
    label: str
    value: float | None
    unit: str

    @property
    def name(self) -> tuple[str, str]:
        return self.section, self.label


def _figures(report: Report) -> Iterator[_Figure]:
    use = report.utilisation
    yield _Figure("all", "served", report.served, "tok/s")
    yield _Figure("all", "engine busy", 100 * use.busy, "%")
    yield _Figure("all", "seats taken", 100 * use.seats, "%")
    for row in report.tiers:
        section = f"tier {row.name}"
        yield _Figure(section, "served", row.served, "tok/s")
        yield _Figure(section, "share", 100 * row.share, "%")
        yield _Figure(section, "wait p50", row.wait.p50, "ms")
        yield _Figure(section, "wait p99", row.wait.p99, "ms")
        yield _Figure(section, "TTFT p50", row.ttft.p50, "ms")
        yield _Figure(section, "TTFT p99", row.ttft.p99, "ms")
        yield _Figure(section, "shed", sum(row.shed.values()), "")
        yield _Figure(section, "aborted", row.evicted + row.requeued, "")
    if len(report.tenants) <= _TENANTS:
        for row in report.tenants:
            section = f"tenant {row.name}"
            yield _Figure(section, "served", row.served, "tok/s")
            yield _Figure(section, "wait p50", row.wait.p50, "ms")
            yield _Figure(section, "wait p99", row.wait.p99, "ms")
    for held in report.reservations:
        section = f"reservation {held.name}"
        yield _Figure(section, "guaranteed", held.guaranteed, "tok/s")
        yield _Figure(section, "served", held.served, "tok/s")
        yield _Figure(section, "of what is paid", 100 * held.paid_served, "%")
        for judged, found in _attained(held):
            yield _Figure(section, f"conforming {judged}", found.conforming, "")
            yield _Figure(section, f"in time {judged}", 100 * found.attained, "%")


def _compare(
    table: Table, figure: _Figure, base: float | None, changed: float | None, before: str | None
) -> None:
    if figure.section != before:
        table.add_section()
        table.add_row(Text(figure.section, style="bold"))
    difference = None if base is None or changed is None else round(changed - base, 1) + 0.0
    sign = "+" if difference is not None and difference > 0 else ""
    table.add_row(
        f"  {figure.label}",
        _with_unit(base, figure.unit),
        _with_unit(changed, figure.unit),
        sign + _with_unit(difference, figure.unit),
    )


def _headline(report: Report) -> str:
    use = report.utilisation
    requests = "1 request" if report.requests == 1 else f"{report.requests:,} requests"
    return (
        f"{requests} in {report.seconds:,.0f} s on {report.replicas} x {report.seats} seats:"
        f" {report.served:,.0f} service tokens/s\n"
        f"engine busy {use.busy:.0%}, seats taken {use.seats:.0%}, KV cache used {use.kv:.0%}"
    )


def _service(report: Report) -> Table:
    table = _table("", "requests", "answered", "offered", "served", "share", "not answered")
    for row, label in _rows(report):
        table.add_row(
            label,
            f"{row.requests:,}",
            f"{row.completed:,}",
            _number(row.offered),
            _number(row.served),
            f"{row.share:.1%}",
            _unanswered(row),
        )
    hidden = _hidden(report)
    table.caption = "offered, served: service tokens per second" + (
        f"; {hidden:,} tenants more are in --json" if hidden else ""
    )
    return table


def _latency(report: Report) -> Table:
    table = _table("milliseconds", "wait p50", "p99", "mean", "TTFT p50", "p99", "mean")
    for row, label in _rows(report):
        spreads = (row.wait, row.ttft)
        table.add_row(label, *(_number(v) for s in spreads for v in (s.p50, s.p99, s.mean)))
    return table


def _reservations(report: Report) -> Table:
    table = _table("reservation", "guaranteed", "offered", "served", "of paid")
    for row in report.reservations:
        table.add_row(
            row.name,
            _number(row.guaranteed),
            _number(row.offered),
            _number(row.served),
            f"{row.paid_served:.2%}",
        )
    return table


def _conforming(report: Report) -> Table:
    table = _table("conforming", "requests", "in time", "of ms", "wait p50", "p99", "max")
    for row in report.reservations:
        for judged, found in _attained(row):
            spread = (found.wait.p50, found.wait.p99, found.wait.max)
            table.add_row(
                f"{row.name} {judged}",
                f"{found.conforming:,}",
                f"{found.attained:.2%}",
                _number(row.max_wait),
                *map(_number, spread),
            )
    table.caption = (
        f"{_TRUE_COST}: what the contract promises; {_LABEL}: what the core took for conforming,"
        " by its estimates at arrival"
    )
    return table


def _attained(row: ReservationRow) -> Iterator[tuple[str, Attainment]]:
    yield _TRUE_COST, row.by_true_cost
    if row.by_label is not None:
        yield _LABEL, row.by_label


def _objectives(report: Report) -> Table:
    table = _table("objective", "promised", "measured", "kept")
    for row in report.objectives:
        never = row.measured is None and row.kept is False
        if never:
            table.caption = "never: the 99th percentile was shed, or gave up"
        table.add_row(
            f"{row.tier}: {row.what}",
            _number(row.promised),
            "never" if never else _number(row.measured),
            "-" if row.kept is None else "yes" if row.kept else "no",
        )
    return table


def _rows(report: Report) -> Iterator[tuple[Row, Text]]:
    """Each tier, and under it its tenants, those with the most requests first."""
    for tier in report.tiers:
        yield tier, Text(tier.name, style="bold")
        tenants = [row for row in report.tenants if row.tier == tier.name]
        tenants.sort(key=lambda row: (-row.requests, row.name))
        for tenant in tenants[:_TENANTS]:
            yield tenant, Text(f"  {tenant.name}")


def _hidden(report: Report) -> int:
    """Tenants that the tables leave out."""
    of_tier = Counter(row.tier for row in report.tenants)
    return sum(max(0, count - _TENANTS) for count in of_tier.values())


def _unanswered(row: Row) -> str:
    counts: Iterable[tuple[int, str]] = (
        *((count, reason) for reason, count in row.shed.items()),
        (row.evicted, "aborted"),
        (row.hung_up, "hung up"),
        (row.refused, "too long"),
        (row.unserved, "unserved"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in counts if count)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.1f}"


def _with_unit(value: float | None, unit: str) -> str:
    return _number(value) if value is None or not unit else f"{_number(value)} {unit}"


def _table(first: str, *columns: str, title: str | None = None) -> Table:
    table = Table(
        title=title, title_justify="left", caption_justify="left", box=None, padding=(0, 1)
    )
    # Where there is too little room, names are broken and not figures.
    table.add_column(first, overflow="fold", min_width=_LEAST_NAME)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=column != "not answered")
    return table
