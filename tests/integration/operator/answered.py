"""`python -m tests.integration.operator.answered URL operator …`: the operator as people run it,
but for whom it asks about the replicas: a server of the test's (`answers.py`)."""

import functools
import sys

from tierfleet.cli.main import app
from tierfleet.controllers import shell
from tierfleet.controllers.replicas import Replicas
from tierfleet.planning.snapshot import Pod


class Elsewhere(Replicas):
    """Asks the server, by pool and pod."""

    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = server

    def url(self, pod: Pod, path: str) -> str:
        assert pod.pool is not None
        return f"{self._server}/{pod.namespace}/{pod.pool[1]}/{pod.name}/{path}"


if __name__ == "__main__":
    shell.serve = functools.partial(shell.serve, asks=Elsewhere(sys.argv.pop(1)))
    app()
