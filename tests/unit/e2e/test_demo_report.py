from io import StringIO

from rich.console import Console

from e2e.demo.load import FAILED, NO_ANSWER, Seen
from e2e.demo.report import percentile, render, summarise

SEEN = [
    Seen("pro", sent=1.0, status=200, first_token=1.5, tokens=30),  # during the warm-up
    Seen("pro", sent=5.0, status=200, first_token=5.25, tokens=30),
    Seen("pro", sent=6.0, status=NO_ANSWER),
    Seen("pro", sent=7.0, status=429),
    Seen("pro", sent=7.5, status=FAILED),
    Seen("retail", sent=8.0, status=200, first_token=9.0, tokens=10),
]


def test_a_request_that_still_waits_at_the_end_counts_with_the_time_it_has_waited() -> None:
    report = summarise(SEEN, ["pro"], warm_up=4, seconds=10)["pro"]
    assert (report.ttft_p50, report.ttft_p99) == (0.25, 4.0)


def test_every_request_after_the_warm_up_is_counted_once() -> None:
    report = summarise(SEEN, ["pro", "retail"], warm_up=4, seconds=10)["pro"]
    assert (report.requests, report.served, report.refused, report.failed, report.waiting) == (
        4, 1, 1, 1, 1,
    )  # fmt: skip
    assert report.share == 0.75


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentile([], 50) is None
    assert percentile([1.0], 99) == 1.0
    assert percentile([float(n) for n in range(1, 101)], 99) == 99.0
    assert percentile([float(n) for n in range(1, 101)], 50) == 50.0


def test_the_table_shows_both_runs_and_the_bars_compare_them() -> None:
    run = summarise(SEEN, ["pro", "retail"], warm_up=4, seconds=10)
    console = Console(width=120, record=True, file=StringIO())
    console.print(render({"straight": run, "tierfleet": run}))
    text = console.export_text()
    assert text.count("straight") == 3  # once in the table, and a bar for each tier
    assert "250 ms" in text
    assert "4.0 s" in text
    assert "█" in text
