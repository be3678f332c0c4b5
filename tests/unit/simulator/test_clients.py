from typing import Any

import pytest

from tests.unit.simulator.worlds import SECOND
from tierfleet.simulator import TraceError, TraceRequest, clients

EACH = {"requestsPerSecond": 5, "prompt": 100, "output": 20}


def made(*given: dict[str, Any], seconds: float = 100, seed: int = 0) -> list[TraceRequest]:
    document = {"seconds": seconds, "clients": [{**EACH, **client} for client in given]}
    return clients.generate(clients.parse(document), seed)


def seconds(requests: list[TraceRequest]) -> list[float]:
    return [request.arrival / SECOND for request in requests]


def test_constant_arrivals_come_at_equal_gaps_from_the_beginning() -> None:
    requests = made({"arrivals": "Constant", "fromSeconds": 3, "untilSeconds": 4})
    assert seconds(requests) == pytest.approx([3, 3.2, 3.4, 3.6, 3.8])


def test_poisson_arrivals_have_their_rate_and_as_much_variance_as_mean() -> None:
    requests = made({}, seconds=10_000)
    counts = [0] * 10_000
    for at in seconds(requests):
        counts[int(at)] += 1
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / len(counts)
    assert mean == pytest.approx(5, rel=0.02)
    assert variance == pytest.approx(5, rel=0.05)


def test_an_on_off_client_sends_only_while_it_is_on() -> None:
    requests = made({"onSeconds": 10, "offSeconds": 30, "requestsPerSecond": 50})
    assert len(requests) == pytest.approx(50 * 30, rel=0.1)
    assert all(at % 40 < 10 for at in seconds(requests))


def test_random_phases_last_as_long_on_average() -> None:
    client = {"onSeconds": 1, "offSeconds": 3, "randomPhases": True, "arrivals": "Constant"}
    requests = made(client, seconds=20_000)
    assert len(requests) == pytest.approx(5 * 20_000 / 4, rel=0.05)


def test_lognormal_lengths_have_their_median_and_bounds() -> None:
    length = {"median": 200, "sigma": 1, "min": 10, "max": 1000}
    requests = made({"prompt": length, "output": length}, seconds=2000)
    for lengths in ([r.prompt_tokens for r in requests], [r.output_tokens for r in requests]):
        lengths.sort()
        assert lengths[len(lengths) // 2] == pytest.approx(200, rel=0.05)
        assert (lengths[0], lengths[-1]) == (10, 1000)
    assert any(request.prompt_tokens != request.output_tokens for request in requests)


def test_an_answer_ends_at_the_cap_that_the_caller_states() -> None:
    (request, *_) = made({"output": 50, "maxTokens": 30, "cachedPercent": 40, "sequences": 2})
    assert request[1:] == (None, 100, 30, 40, 30, 2, None)


def test_callers_give_up_after_an_exponential_time() -> None:
    patience = [request.hangs_up_after or 0 for request in made({"hangUpSeconds": 2}, seconds=2000)]
    assert sum(patience) / len(patience) / SECOND == pytest.approx(2, rel=0.05)


def test_the_seed_decides_and_other_tenants_do_not() -> None:
    acme, hobby = {"tenant": "acme"}, {"tenant": "hobby", "requestsPerSecond": 1}
    both = made(acme, hobby)
    assert both == made(hobby, acme)
    assert [request for request in both if request.tenant == "acme"] == made(acme)
    assert made(acme, seed=1) != made(acme)
    assert both == sorted(both, key=lambda request: request.arrival)


def test_two_clients_of_one_tenant_are_not_the_same_requests_twice() -> None:
    twice = made({"tenant": "acme"}, {"tenant": "acme"})
    assert len({request.arrival for request in twice}) == len(twice)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (None, "must be a mapping with the fields seconds and clients"),
        ({"seconds": 1, "clients": []}, "clients: at least one must be given."),
        ({"seconds": 1, "clients": [3]}, "clients.0: must be a mapping of fields."),
        ({"seconds": 1, "clients": [], "pool": {}}, "pool: there is no such field."),
        ({"seconds": 1, "clients": [{**EACH, "promt": 3}]}, "no such field (did you mean prompt?)"),
        (
            {"seconds": 1, "clients": [{**EACH, "prompt": {"medan": 5, "sigma": 1}}]},
            "clients.0.prompt.medan: there is no such field (did you mean median?)",
        ),
        ({"seconds": 1, "clients": [{**EACH, "rate": 3}]}, "clients.0.rate"),
        ({"seconds": 1, "clients": [{**EACH, "onSeconds": 3}]}, "go together"),
        (
            {"seconds": 1, "clients": [{**EACH, "prompt": {"median": 1, "sigma": 9}}]},
            "clients.0.prompt",
        ),
        ({"seconds": 1, "clients": [{**EACH, "requestsPerSecond": 0}]}, "requestsPerSecond"),
    ],
)
def test_a_document_that_cannot_be_is_told_with_the_path(document: Any, sentence: str) -> None:
    with pytest.raises(TraceError) as error:
        clients.parse(document)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("length", "sentence"),
    [
        (-10, "clients.0.prompt: input should be greater than or equal to 1."),
        ("long", "clients.0.prompt: input should be a valid integer"),
        ({"median": 0, "sigma": 1}, "clients.0.prompt.median: input should be greater than 0."),
        ({"median": 5, "sigma": 1, "min": 3, "max": 2}, "clients.0.prompt: min must not exceed"),
    ],
)
def test_a_length_that_cannot_be_is_one_finding_at_the_path_that_was_written(
    length: Any, sentence: str
) -> None:
    document = {"seconds": 1, "clients": [{**EACH, "prompt": length}]}
    with pytest.raises(TraceError) as error:
        clients.parse(document)
    assert str(error.value).startswith(sentence)
    assert ";" not in str(error.value)
