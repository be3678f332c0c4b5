"""Mistakes about what a request costs at the mean."""

from functools import partial

from tests.mutants.mutant import wrong

_wrong = partial(wrong, package="planning")

MUTANTS = (
    _wrong(
        "the mean of sub-windows is the mean of requests",
        "traffic.py",
        "round(tokens / requests)",
        "round(sum(o.service_tokens / o.requests for o in busy.values()) / len(busy))",
        "test_traffic.py::test_the_mean_is_of_requests_and_not_of_sub_windows",
    ),
    _wrong(
        "one moment of many requests is a mean",
        "traffic.py",
        "len(busy) < FEWEST_SUB_WINDOWS",
        "not busy",
        "test_traffic.py::test_few_requests_are_no_mean_nor_is_one_moment_of_many",
    ),
    _wrong(
        "a few requests are a mean",
        "traffic.py",
        "requests < FEWEST or ",
        "",
        "test_traffic.py::test_few_requests_are_no_mean_nor_is_one_moment_of_many",
    ),
    _wrong(
        "an idle sub-window makes the mean newer",
        "traffic.py",
        "if one.service_tokens > 0}",
        "}",
        "test_traffic.py::test_an_idle_sub_window_makes_a_mean_no_newer",
    ),
    _wrong(
        "every mean is taken over",
        "traffic.py",
        "return before if same else found",
        "return found",
        "test_traffic.py::test_chance_makes_no_other_mean_but_a_quarter_does",
    ),
    _wrong(
        "service tokens at whatever rates are the same",
        "traffic.py",
        "before.burndown == found.burndown and ",
        "",
        "test_traffic.py::test_what_was_counted_at_other_rates_is_no_value_any_more",
    ),
    _wrong(
        "what is remembered counts at whatever rates",
        "traffic.py",
        "known is not None and known.burndown == burndown.version",
        "known is not None",
        "test_traffic.py::test_what_was_counted_at_other_rates_is_no_value_any_more",
    ),
    _wrong(
        "a measured mean is forgotten while nothing newer is measured",
        "traffic.py",
        "(measurement.mean_cost, remembered)",
        "(measurement.mean_cost,)",
        "test_traffic.py::test_the_mean_cost_outlives_prometheus_and_the_operator",
    ),
    _wrong(
        "bursts are judged by what is assumed",
        "refusals.py",
        "reserved, market.mean_cost.service_tokens)",
        "reserved, 2000.0)",
        "test_traffic.py::test_a_burst_is_judged_by_what_requests_cost_here",
    ),
)
