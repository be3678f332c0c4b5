"""The virtual token counter (VTC): least served client first.

Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024 (arXiv 2401.00588): algorithm
2, and algorithm 3 where a prediction of the output is given. Counters go up by `w_in` per prompt
token when a request gets its seat and by `w_out` per output token as it is produced. A client that
comes back from idle is lifted to the least counter of those who wait, or to that of the last one
who left the queue, so that it cannot spend what it saved while it was away.
"""

from collections import deque
from collections.abc import Callable

from tierfleet.admission.types import Arrival, EngineLimits
from tierfleet.plan import Plan
from tierfleet.simulator.baselines.seats import Seats


class Vtc(Seats):
    """VTC over tenants.

    Args:
        plan, limits, seed, reserve: see `Seats`.
        w_in: of a prompt token; the paper's is 1.
        w_out: of an output token; the paper's is 2.
        predict: output tokens of a request, charged at dispatch and corrected as it goes on. With
            the true number it is the paper's oracle.
    """

    def __init__(
        self,
        plan: Plan,
        limits: EngineLimits,
        seed: int = 0,
        *,
        reserve: bool = False,
        w_in: int = 1,
        w_out: int = 2,
        predict: Callable[[Arrival], int] = lambda _: 0,
    ) -> None:
        super().__init__(plan, limits, seed, reserve=reserve)
        self._w_in = w_in
        self._w_out = w_out
        self._predict = predict
        self.counters: dict[str | None, int] = {}
        self._queues: dict[str | None, deque[int]] = {}
        # The client whose queue ran empty last.
        self._last: str | None = None
        # Output tokens of each running request, as they were charged at its dispatch.
        self._predicted: dict[int, int] = {}

    def enqueue(self, request: Arrival) -> None:
        """See `Seats.enqueue`."""
        tenant = request.tenant
        if tenant not in self._queues:
            others = [self.counters[other] for other in self._queues]
            lift = min(others) if others else self.counters.get(self._last, 0)
            self.counters[tenant] = max(self.counters.get(tenant, 0), lift)
            self._queues[tenant] = deque()
        self._queues[tenant].append(request.id)

    def head(self) -> int | None:
        """See `Seats.head`; among equal counters the one that queues longest."""
        if not self._queues:
            return None
        return self._queues[min(self._queues, key=self.counters.__getitem__)][0]

    def leave(self, request: Arrival, *, dispatched: bool) -> None:
        """See `Seats.leave`."""
        tenant = request.tenant
        queue = self._queues[tenant]
        if queue[0] == request.id:
            queue.popleft()
        else:
            queue.remove(request.id)
        if not queue:
            del self._queues[tenant]
            self._last = tenant
        if dispatched:
            predicted = self._predict(request)
            self._predicted[request.id] = predicted
            self.counters[tenant] += self._w_in * request.prompt_tokens + self._w_out * predicted

    def produced(self, request: Arrival, tokens: int) -> None:
        """See `Seats.produced`: only what exceeds the prediction is new."""
        after, predicted = self._output[request.id], self._predicted[request.id]
        excess = max(predicted, after) - max(predicted, after - tokens)
        self.counters[request.tenant] += self._w_out * excess

    def ended(self, request: Arrival) -> None:
        """See `Seats.ended`: what was predicted and not produced is given back."""
        unused = self._predicted.pop(request.id) - self._output[request.id]
        self.counters[request.tenant] -= self._w_out * max(0, unused)


class PredictingVtc(Vtc):
    """VTC that expects an answer as long as its client's last five, by a moving average.

    As the paper measures it; a client's first answers are charged as they come.
    """

    def __init__(
        self, plan: Plan, limits: EngineLimits, seed: int = 0, *, reserve: bool = False
    ) -> None:
        super().__init__(plan, limits, seed, reserve=reserve, predict=self._expected)
        self._means: dict[str | None, float] = {}

    def _expected(self, request: Arrival) -> int:
        return round(self._means.get(request.tenant, 0))

    def ended(self, request: Arrival) -> None:
        """See `Seats.ended`."""
        output = self._output[request.id]
        mean = self._means.get(request.tenant, output)
        self._means[request.tenant] = mean + (output - mean) / 5
        super().ended(request)
