"""The sidecar's own metrics."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tierfleet.admission.types import TierLoad
from tierfleet.sidecar.metrics import Metrics
from tierfleet.sidecar.record import Record, RequestOutcome

PREFIX = "tierfleet_sidecar_"


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[str]], float]:
    text = generate_latest(metrics.registry).decode()
    found = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return {key(one.name[len(PREFIX) :], *one.labels.values()): one.value for one in found}


def key(name: str, *labels: str) -> tuple[str, frozenset[str]]:
    return name, frozenset(labels)


def record(outcome: RequestOutcome, *, tenant: str = "hobby", **fields: object) -> Record:
    made = Record(id="1", method="POST", path="/", outcome=outcome, tier="retail", tenant=tenant)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_requests_are_counted_by_outcome_and_refusals_by_reason() -> None:
    metrics = Metrics()
    metrics.tallies.ended(
        record(RequestOutcome.SERVED, prompt_tokens=8, cached_tokens=3, output_tokens=5)
    )
    metrics.tallies.ended(record(RequestOutcome.SERVED, prompt_tokens=2))
    metrics.tallies.ended(record(RequestOutcome.REFUSED, reason="queue-full"))
    found = samples(metrics)
    assert found[key("requests_total", "retail", "hobby", "served")] == 2
    assert found[key("requests_total", "retail", "hobby", "refused")] == 1
    assert found[key("refused_total", "retail", "hobby", "queue-full")] == 1
    assert found[key("tokens_total", "retail", "hobby", "prompt")] == 10
    assert found[key("tokens_total", "retail", "hobby", "cached")] == 3
    assert found[key("tokens_total", "retail", "hobby", "output")] == 5


def test_tenants_beyond_a_thousand_share_one_name_and_no_count_is_lost() -> None:
    metrics = Metrics()
    for number in (*range(1500), *range(1500)):
        metrics.tallies.ended(record(RequestOutcome.SERVED, tenant=f"t{number}", billed=1.5))
    found = samples(metrics)
    assert found[key("requests_total", "retail", "t999", "served")] == 2
    assert found[key("requests_total", "retail", "other", "served")] == 1000
    assert found[key("service_tokens_total", "retail", "other", "billed")] == 1500
    assert len([one for one in found if one[0] == "requests_total"]) == 1001


def test_waits_are_distributed_by_tier_and_partition() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.1, 0.2, 99.0):
        metrics.tallies.dispatched("retail", "shared", seconds)
    metrics.tallies.first_byte("retail", "shared", 0.3)
    found = samples(metrics)
    labels = ("retail", "shared")
    assert found[key("queue_wait_seconds_bucket", *labels, "0.001")] == 1
    assert found[key("queue_wait_seconds_bucket", *labels, "0.1")] == 2
    assert found[key("queue_wait_seconds_bucket", *labels, "60.0")] == 3
    assert found[key("queue_wait_seconds_bucket", *labels, "+Inf")] == 4
    assert found[key("queue_wait_seconds_count", *labels)] == 4
    assert found[key("time_to_first_token_seconds_sum", *labels)] == 0.3


def test_a_scrape_sees_the_queue_and_the_plan_of_that_moment() -> None:
    metrics = Metrics()
    metrics.load = lambda: [TierLoad("retail", 7, 2)]
    metrics.plan_info = {"version": "abc", "group": "h100"}
    metrics.reloaded(ok=False)
    found = samples(metrics)
    assert found[key("waiting", "retail")] == 7
    assert found[key("running", "retail")] == 2
    assert found[key("plan_info", "abc", "h100")] == 1
    assert found[key("plan_reloads_total", "failed")] == 1
    assert found[key("plan_reloads_total", "ok")] == 0


def test_a_scrape_sees_what_was_served_and_for_how_long_there_was_no_room() -> None:
    metrics = Metrics()
    metrics.served = lambda: 1500.25
    metrics.served_requests = lambda: 3
    metrics.saturated = lambda: 42.5
    found = samples(metrics)
    assert found[key("served_service_tokens_total")] == 1500.25
    assert found[key("served_requests_total")] == 3
    assert found[key("saturated_seconds_total")] == 42.5
