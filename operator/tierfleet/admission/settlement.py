"""When a request is charged what: an estimate first, what exceeds it as it comes, the truth last.

Limits count tokens, reservations count service tokens; both are charged alike.
"""

from tierfleet.admission.cost import Rates
from tierfleet.admission.flows import Flow, Request


def charge_excess(now: int, request: Request, rates: Rates) -> None:
    """Charges what has been produced beyond the estimate; refunds wait for the end."""
    tokens = max(request.charged_tokens, request.prompt + request.output)
    _settle(now, request, tokens, max(request.charged_cost, _actual(request, rates)))


def settle(now: int, request: Request, rates: Rates) -> None:
    """Charges what was really used, neither more nor less."""
    _settle(now, request, request.prompt + request.output, _actual(request, rates))


def forgive(now: int, request: Request) -> None:
    """It ran nowhere: it costs nothing, and all its limits are given back."""
    _settle(now, request, 0, 0)
    refund(now, request.flow, 0)


def refund(now: int, flow: Flow, tokens: int) -> None:
    """Gives back one request and so many tokens of the tenant's limits."""
    if flow.requests:
        flow.requests.settle(now, -1)
    if flow.tokens:
        flow.tokens.settle(now, -tokens)


def _actual(request: Request, rates: Rates) -> int:
    return rates.cost(request.prompt, request.cached, request.output)


def _settle(now: int, request: Request, tokens: int, cost: int) -> None:
    if request.flow.tokens:
        request.flow.tokens.settle(now, tokens - request.charged_tokens)
    if request.entitlement:
        request.entitlement.pay(now, cost - request.charged_cost)
    request.charged_tokens, request.charged_cost = tokens, cost
