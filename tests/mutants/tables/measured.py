"""Mistakes about what replicas can do, and about how many of them are wanted."""

from functools import partial

from tests.mutants.mutant import wrong

_wrong = partial(wrong, package="planning")

MUTANTS = (
    _wrong(
        "a replica with room says what it can do",
        "measured.py",
        "sample.full >= FULL and ",
        "",
        "test_measured.py::test_a_sample_counts_only_while_the_replica_was_full_throughout",
    ),
    _wrong(
        "any number is a rate",
        "measured.py",
        "0 < sample.served <= HIGHEST",
        "sample.served is not None",
        "test_measured.py::test_a_rate_that_cannot_be_does_not_count",
    ),
    _wrong(
        "the lowest tier's objective decides",
        "measured.py",
        "highest = max(judged",
        "highest = min(judged",
        "test_measured.py::test_the_objective_of_the_highest_tier_that_has_one_decides",
    ),
    _wrong(
        "an objective that is just met is missed",
        "measured.py",
        "seconds <= limit\n",
        "seconds < limit\n",
        "test_measured.py::test_the_objective_of_the_highest_tier_that_has_one_decides",
    ),
    _wrong(
        "one sub-window is enough",
        "measured.py",
        "len(samples) < FEWEST_SAMPLES or len(ends) < FEWEST_SUB_WINDOWS",
        "len(samples) < FEWEST_SAMPLES",
        "test_measured.py::test_one_sample_is_no_rate_nor_is_one_moment_of_a_whole_fleet",
    ),
    _wrong(
        "the mean is the rate",
        "measured.py",
        "round(median(served for _, served in samples))",
        "round(sum(served for _, served in samples) / len(samples))",
        "test_measured.py::test_the_rate_is_the_median_and_as_old_as_the_newest_sample",
    ),
    _wrong(
        "every measurement is taken over",
        "measured.py",
        "return before if apart <= HYSTERESIS * before.service_tokens_per_second else found",
        "return found",
        "test_measured.py::test_another_value_is_taken_over_from_five_percent_on",
    ),
    _wrong(
        "what was measured is forgotten while Prometheus is away",
        "measured.py",
        "if measurement.sight is Sight.OFF:",
        "if measurement.sight is not Sight.CLEAR:",
        "test_capacity.py::test_what_was_measured_before_stays_whatever_can_be_seen_now",
    ),
    _wrong(
        "a declared rate wins over a measured one",
        "measured.py",
        "measurement.rates.get(name) or recorded.get(name) or Rate(rate)",
        "(Rate(rate) if rate else None) or measurement.rates.get(name) or recorded.get(name)"
        " or Rate(rate)",
        "test_capacity.py::test_what_is_measured_wins_over_what_is_declared",
    ),
    _wrong(
        "the plan does not remember when it was measured",
        "pool.py",
        "measured_since=rates[accelerator.name].since,",
        "measured_since=None,",
        "test_measured.py::test_the_plan_remembers_what_was_measured",
    ),
    _wrong(
        "replicas that start are busy when growing",
        "scaling.py",
        "ratio = served / all_at_target",
        "ratio = served / at_target",
        "test_scaling.py"
        "::test_replicas_that_are_not_seen_are_idle_when_growing_and_busy_when_shrinking",
    ),
    _wrong(
        "replicas that are not seen are idle when shrinking",
        "scaling.py",
        "ratio = (served + all_at_target - at_target) / all_at_target",
        "ratio = served / all_at_target",
        "test_scaling.py"
        "::test_replicas_that_are_not_seen_are_idle_when_growing_and_busy_when_shrinking",
    ),
    _wrong(
        "there is no tolerance",
        "scaling.py",
        "TOLERANCE: Final = 0.1",
        "TOLERANCE: Final = 0.0",
        "test_scaling.py::test_replicas_follow_utilisation_as_the_hpa_has_it",
    ),
    _wrong(
        "it shrinks by the newest recommendation",
        "scaling.py",
        "max(wish for at, wish in recommendations if now - at <= STABLE)",
        "recommendations[-1][1]",
        "test_scaling.py::test_it_grows_at_once_and_shrinks_by_the_highest_of_five_minutes",
    ),
    _wrong(
        "a wait asks for ever more while replicas start",
        "scaling.py",
        "math.ceil(alive * min(late",
        "math.ceil(current * min(late",
        "test_scaling.py::test_waits_beyond_the_objective_ask_for_more_and_near_it_for_no_less",
    ),
    _wrong(
        "what waits at a replica with room is load",
        "scaling.py",
        "if sample.full >= _AT_TIMES_FULL:",
        "if sample.full >= 0:",
        "test_scaling.py"
        "::test_the_load_is_of_all_replicas_and_a_wait_of_those_that_were_full_at_times",
    ),
    _wrong(
        "without metrics it falls back on the spec",
        "scaling.py",
        "current if asked is None else asked",
        "spec.replicas if asked is None else asked",
        "test_scaling.py::test_without_metrics_it_stays_as_it_is",
    ),
    _wrong(
        "percents ask for replicas too",
        "scaling.py",
        "ahead.promised(snapshot, pool, total=0)",
        "ahead.promised(snapshot, pool, total=6000)",
        "test_scaling.py::test_a_percent_asks_for_no_replicas_since_it_grows_with_them",
    ),
    _wrong(
        "the floor moves what stands",
        "preference.py",
        "left = _fill(offers, desired, standing, 1)",
        "left = _fill(offers, desired, Standing({}, {}), 1)",
        "test_scaling.py"
        "::test_the_promised_floor_is_of_what_is_placed_and_leaves_what_stands_where_it_is",
    ),
)
