"""The first request: who is served, who is not, and in which words."""

import time

from e2e.scenarios.clients import Group
from e2e.scenarios.conftest import Serve
from e2e.scenarios.fleet import Fleet, policy, pool

ACME, RETAIL, STRANGER = (
    Group("key-of-acme"),
    Group("key-of-initech", tokens=(1, 2)),
    Group("nobody-has-this-key"),
)

LIMIT = 3
"""Requests a minute of retail: the next one comes 20 s after them."""


def test_each_caller_gets_what_the_policy_says(fleet: Fleet, serve: Serve) -> None:
    access = {"tenantSelector": {"matchExpressions": [
        {"key": "tierfleet.dev/tenant", "operator": "NotIn", "values": ["hooli"]}]}}  # fmt: skip
    followed = serve(
        policy(retail={"limits": {"requestsPerMinute": LIMIT}}), pool("first", 1, access=access)
    )
    clients = fleet.clients("first")

    assert clients.ask(ACME).served
    whole = clients.ask(Group("key-of-acme", stream=False))
    assert (whole.served, whole.tokens > 0) == (True, True)
    assert clients.ask(ACME, model="default").served, "an alias is the model"

    def refusal(group: Group, **members: object) -> tuple[int | None, str]:
        attempt = clients.ask(group, **members)
        return attempt.status, attempt.reason

    assert refusal(Group("")) == (401, "invalid_api_key")
    assert refusal(STRANGER) == (401, "invalid_api_key")
    assert refusal(Group("key-of-hooli")) == (403, "no_access")
    assert refusal(ACME, model="gpt-5") == (404, "model_not_found")

    # Who is over the limit is told when to come back, obeys, and is served.
    for _ in range(LIMIT):
        assert clients.ask(RETAIL).served
    over = clients.ask(RETAIL)
    assert (over.status, over.reason) == (429, "rate_limit_exceeded")
    assert over.retry_after is not None
    time.sleep(over.retry_after)
    assert clients.ask(RETAIL).served

    agreed = followed.agree(clients.attempts)
    assert agreed.outcomes() == {"served": 4 + LIMIT, "refused": 5}
    assert agreed.pods == 1
