"""Where the sidecar's processor time goes while wrk drives it: `make profile-proxy`, by perf.

Time in a function itself, not in what it calls: what compiled Python spends in the interpreter's
objects stands there.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench import installed
from bench.machine import LOAD_CORE, SERVER_CORE, Pinned
from bench.proxy import nginx, plan, servers, wrk
from e2e.programs import run

_ORIGIN, _PORT = 7090, 7190
_SECONDS: Final = 6
_LEAST: Final = 0.01
_COMPILED: Final = re.compile(r"CPy(?:Def|Py)_(\w+?)___")
_DSO: Final = (
    ("[kernel", "kernel"), ("[vdso]", "kernel"), ("loop.cpython", "uvloop"),
    ("_core.cpython", "msgspec"), ("parser.cpython", "httptools"), ("mypyc", "mypyc's helpers"),
    ("libssl", "hashes"), ("libcrypto", "hashes"), ("_hash", "hashes"), ("python3", "interpreter"),
    ("libc.so", "interpreter"),
)  # fmt: skip


def main() -> int:
    """Print a table; 1 if something that is needed is missing."""
    say = Console(stderr=True)
    if shutil.which("perf") is None:
        say.print("This needs perf on PATH (Debian: linux-perf).")
        return 1
    try:
        installed.programs()
        programs = installed.sidecar()
    except RuntimeError as error:
        say.print(str(error), markup=False)
        return 1
    with tempfile.TemporaryDirectory() as name, (Path(name) / "log").open("wb") as log:
        folder = Path(name)
        plan.write(folder / "plan.json")
        load = wrk.script(folder)
        command = servers.sidecar_command(programs, folder / "plan.json", _ORIGIN, _PORT)
        with (
            Pinned(nginx.origin(folder, _ORIGIN), LOAD_CORE, log) as origin,
            Pinned(command, SERVER_CORE, log) as sidecar,
        ):
            origin.wait_for(f"http://127.0.0.1:{_ORIGIN}/health")
            sidecar.wait_for(f"http://127.0.0.1:{_PORT}/v1/models", unauthorized=True)
            wrk.run(load, _PORT, 2, 32)
            recorded = folder / "perf.data"
            perf = ["perf", "record", "-e", "cpu-clock", "-F", "997", "-o", str(recorded)]
            with subprocess.Popen(
                [*perf, "-p", str(sidecar.pid), "--", "sleep", str(_SECONDS - 1)],
                stdout=log,
                stderr=log,
            ):
                before = sidecar.cpu_seconds()
                done = wrk.run(load, _PORT, _SECONDS, 32)
                spent = sidecar.cpu_seconds() - before
        report = ["perf", "report", "-i", str(recorded), "--stdio", "--field-separator=|"]
        try:
            shown = run([*report, "-F", "overhead,dso,symbol"])
        except RuntimeError as error:
            say.print(f"{error}\nperf may need root, or kernel.perf_event_paranoid of 1 or less.")
            return 1
    _print(parts(shown.splitlines()), spent / done.requests * 1e6)
    return 0


def parts(report: Iterable[str]) -> dict[str, float]:
    """Shares of the time, 0 to 1, by where it was spent; from lines of `overhead|dso|symbol`."""
    found: defaultdict[str, float] = defaultdict(float)
    for line in report:
        fields = [field.strip() for field in line.split("|")]
        if len(fields) >= 3 and fields[0].endswith("%"):
            compiled = _COMPILED.search(fields[2])
            found[compiled[1] if compiled else _place(fields[1])] += float(fields[0][:-1]) / 100
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _place(dso: str) -> str:
    return next((name for part, name in _DSO if part in dso), "other")


def _print(shares: dict[str, float], microseconds: float) -> None:
    table = Table(title=f"The sidecar: {microseconds:.1f} us of CPU a request")
    table.add_column("where")
    for heading in ("share", "us"):
        table.add_column(heading, justify="right")
    rest = 0.0
    for name, share in shares.items():
        if share < _LEAST:
            rest += share
        else:
            table.add_row(name, f"{share:.1%}", f"{share * microseconds:.1f}")
    table.add_row("less than 1 % each", f"{rest:.1%}", f"{rest * microseconds:.1f}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
