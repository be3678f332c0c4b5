"""`python -m bench.operator.answered operator …`: the operator, with replicas that report at once.

Fake nodes run no sidecars, so nobody would answer, and it would ask again and again. What it takes
to ask is left out; what the operator makes of an answer is not.
"""

from typing import Any

from tierfleet.cli.main import app
from tierfleet.controllers import operator, shell
from tierfleet.controllers.replicas import Answer
from tierfleet.planning.snapshot import Pod


class Answered(operator.Operator):
    """Takes every replica for one that runs the plan in force; who else would ask is not asked."""

    def __init__(self, cluster: Any, namespaces: Any, instance: str, _: Any, **more: Any) -> None:
        super().__init__(cluster, namespaces, instance, self, **more)

    async def ask(self, pod: Pod, token: str) -> Answer:
        """See `Asks`."""
        return Answer(self.store.recorded_of(pod.pool).version if pod.pool and token else "")

    async def in_flight(self, pod: Pod, token: str) -> int:  # noqa: ARG002
        """See `Asks`: all are idle."""
        return 0

    async def close(self) -> None:
        """See `Asks`."""


if __name__ == "__main__":
    vars(shell)["Operator"] = Answered
    app()
