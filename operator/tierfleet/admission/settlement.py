"""When a request is charged what: an estimate first, what exceeds it as it comes, the truth last.

Limits count tokens; shares and reservations count service tokens at the scheduling rates; prepaid
balances and receipts count them at the billing rates. Nothing else may change a charge.
"""

from tierfleet.admission.cost import Rates
from tierfleet.admission.requests import Request
from tierfleet.plan import Plan


class Settlement:
    """The rates in force, and what they charge.

    Attributes:
        scheduling: of shares and reservations.
        billing: of receipts and prepaid balances.
    """

    __slots__ = ("billing", "same", "scheduling")

    def __init__(self, plan: Plan) -> None:
        self.change(plan)

    def change(self, plan: Plan) -> None:
        """Takes over the rates of a new plan, for all that is charged from now on."""
        self.billing = Rates.of(plan.burndown)
        self.scheduling = Rates.of(plan.scheduling) if plan.scheduling else self.billing
        self.same = self.scheduling == self.billing

    def cost(self, request: Request) -> int:
        """What the tokens so far cost by the scheduling rates."""
        return self.scheduling.cost(request.prompt, request.cached, request.output)

    def charge_excess(self, now: int, request: Request) -> None:
        """Charges what has been produced beyond the estimate; refunds wait for the end."""
        tokens = request.prompt + request.output
        if tokens > request.tokens:
            self._charge_tokens(now, request, tokens)
        cost = self.cost(request)
        if cost > request.cost:
            self._charge_cost(now, request, cost)

    def settle(self, now: int, request: Request) -> int:
        """Charges what was really used, neither more nor less; the cost as billed."""
        self._charge_tokens(now, request, request.prompt + request.output)
        cost = self.cost(request)
        self._charge_cost(now, request, cost)
        billed = cost if self.same else self.bill(request)
        self.draw(request, billed)
        return billed

    def bill(self, request: Request) -> int:
        """What the tokens so far cost by the billing rates."""
        return self.billing.cost(request.prompt, request.cached, request.output)

    def stand(self, request: Request) -> int:
        """Nobody counted what came: the charged estimate stands; the cost as billed."""
        billed = self.bill(request)
        self.draw(request, billed)
        return billed

    def forgive(self, now: int, request: Request) -> None:
        """It ran nowhere: it costs nothing, and all its limits are given back."""
        self.give_back(now, request)
        self._charge_cost(now, request, 0)

    def give_back(self, now: int, request: Request) -> None:
        """What it has taken of its tenant's limits."""
        self._charge_tokens(now, request, 0)
        flow = request.flow
        if flow.requests is not None and request.refused is None:
            flow.requests.settle(now, -1)

    def take_back(self, now: int, request: Request) -> None:
        """It was thrown out and waits again: its work was lost for others, who bear it."""
        self._charge_cost(now, request, 0)
        request.account = request.floor = None
        request.borrowed = False
        request.weighed = -1

    @staticmethod
    def draw(request: Request, billed: int) -> None:
        """All service of a tenant draws on what it had prepaid when it was sent."""
        purse = request.purse
        if purse is not None and purse.balance is not None:
            purse.balance -= billed

    @staticmethod
    def _charge_tokens(now: int, request: Request, tokens: int) -> None:
        # Shadow serves what the limits would have refused: it was never charged to them.
        bucket = request.flow.tokens if request.refused is None else None
        if bucket is not None and tokens != request.tokens:
            bucket.settle(now, tokens - request.tokens)
        request.tokens = tokens

    @staticmethod
    def _charge_cost(now: int, request: Request, cost: int) -> None:
        change = cost - request.cost
        if change:
            request.cost = cost
            account = request.account
            if account is not None:
                account.pay(now, change, conforming=request.reserved)
                if account is request.flow.account:
                    request.flow.draw(change)
            if request.floor is not None:
                request.floor.pay(now, change)
            if request.weighed >= 0:
                weighed = cost // request.weight
                request.share.charge(weighed - request.weighed)
                request.weighed = weighed
