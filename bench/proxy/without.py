"""A sidecar with admission off: whoever has a key is sent to the engine at once.

For the benchmark only: it tells the byte path, metrics and log from what admission costs.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tierfleet.admission.types import (
    Arrival,
    Decision,
    Dispatch,
    EngineLimits,
    Headroom,
    Partition,
    TierLoad,
    WaitReason,
)
from tierfleet.plan import Plan
from tierfleet.sidecar.config import Config, Upstream
from tierfleet.sidecar.server import Server


def _nothing(*_event: object) -> Sequence[Decision]:
    """What follows from any other event."""
    return ()


class Without:
    """Implements `Admission` by admitting."""

    first_byte = progress = finish = abort = engine = replan = tick = staticmethod(_nothing)

    def __init__(self, plan: Plan, limits: EngineLimits) -> None:
        del limits
        self._tier = plan.tiers[-1].name

    def arrive(self, now: int, request: Arrival) -> Sequence[Decision]:
        """Sent at once."""
        del now
        return (Dispatch(request.id, request.tenant, self._tier, Partition.SHARED, None, 0, 0),)

    def headroom(self, now: int, tenant: str | None) -> Headroom:
        """Nobody has a limit."""
        del now, tenant
        return Headroom(None, None)

    def load(self) -> Sequence[TierLoad]:
        """Not counted."""
        return ()

    def why(self, request: int) -> WaitReason | None:
        """Nobody waits."""
        del request
        return None


def main() -> None:
    """`PLAN GROUP UPSTREAM_PORT PORT ADMIN_PORT`; ends with a signal."""
    options = argparse.ArgumentParser()
    options.add_argument("plan", type=Path)
    options.add_argument("group")
    for name in ("upstream", "port", "admin"):
        options.add_argument(name, type=int)
    given = options.parse_args()
    config = Config(
        given.plan, given.group, Upstream("127.0.0.1", given.upstream), port=given.port,
        admin_port=given.admin,
    )  # fmt: skip

    async def serve() -> None:
        server = Server(config, Without, lambda lines: os.write(sys.stdout.fileno(), lines))
        await server.run(lambda _data, _admin: None)

    uvloop.run(serve())


if __name__ == "__main__":
    main()
