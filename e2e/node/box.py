"""The namespaces of a node: processes, mounts, network and hostname, held by one process.

When that process ends, whoever ends it, the kernel ends every process inside, containers included,
and with the last of them go the mounts, the links and the packet filters. Only empty cgroups stay,
which `e2e.cgroups` removes. It must not know what runs inside.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.node.addresses import Slot
from e2e.processes import marked_environment
from e2e.programs import find, run
from e2e.wait import wait_until

INIT = Path(__file__).with_name("init.py")
START_SECONDS = 10.0
COMMAND_SECONDS = 300.0


@dataclass(frozen=True)
class Box:
    """Namespaces that exist.

    Attributes:
        workdir: of the cluster.
        pid: of the process that is number 1 inside, as this machine counts.
    """

    workdir: Path
    pid: int

    def command(self, *command: str | Path) -> list[str]:
        """The command line that runs a program inside."""
        inside = [_program("nsenter"), f"--target={self.pid}", "--mount", "--net", "--pid"]
        return [*inside, "--", *map(str, command)]

    def run(self, *command: str | Path) -> str:
        """Run a program inside to its end; what it printed.

        Raises:
            RuntimeError: it failed; its message has what it said.
        """
        return run(self.command(*command), marked_environment(self.workdir), COMMAND_SECONDS)


def open_box(workdir: Path, slot: Slot, spec: Mapping[str, Any]) -> Box:
    """Make the namespaces and the link into them, then start what `spec` says (see `init.py`).

    Raises:
        RuntimeError: the machine does not let us.
        AssertionError: the first process does not start; its log is in `workdir`.
    """
    with (workdir / "node.log").open("ab") as log:
        outside = subprocess.Popen(
            [
                *(_program("unshare"), "--mount", "--propagation=private", "--net", "--uts"),
                *("--pid", "--fork", "--kill-child", "--mount-proc"),
                *(sys.executable, "-S", str(INIT)),
            ],
            cwd=workdir,
            env=marked_environment(workdir),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert outside.stdin is not None
    children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
    found = wait_until(
        lambda: children.read_text().split() if children.exists() else [],
        timeout=START_SECONDS,
        why=f"the first process of a node (see {workdir / 'node.log'})",
    )
    box = Box(workdir, int(found[0]))
    connect(box, slot)
    outside.stdin.write(json.dumps(spec).encode())
    outside.stdin.close()
    # It lives as long as the cluster, not as long as this object.
    outside.returncode = 0
    return box


def connect(box: Box, slot: Slot) -> None:
    """Lay the link between the machine and the node, and the routes behind it."""
    ours, theirs, prefix = slot.interface, "eth0", slot.link.prefixlen
    _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", str(box.pid))
    _ip("address", "add", f"{slot.machine}/{prefix}", "dev", ours)
    _ip("link", "set", ours, "up")
    for network in (slot.pods, slot.services):
        _ip("route", "add", str(network), "via", str(slot.node))
    for command in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{slot.node}/{prefix}", "dev", theirs),
        ("link", "set", theirs, "up"),
        ("route", "add", "default", "via", str(slot.machine)),
    ):
        box.run(_program("ip"), *command)
    box.run("/bin/sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")


def _ip(*arguments: str) -> None:
    run([_program("ip"), *arguments])


def _program(name: str) -> str:
    found = find(name)
    assert found is not None, f"{name} is not here"
    return found
