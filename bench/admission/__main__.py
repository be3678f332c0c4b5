"""How many requests a second the admission core takes through, and what a tenant costs it.

A cycle is arrive, dispatch, progress, finish with a corrected cost, with everything of the plan
switched on, in processor time of one core. Measured for the source as it is and for the same source
compiled; both have to decide the same.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.admission.compiled import ROOT, SOURCE, build

_MARKS: Final = {"ten": 150_000, "flat": 0.7, "combined": 0.6, "memory": 1024}
_say = Console(stderr=True)


def main() -> int:
    """See the module. 1 if the two builds decide differently or one cannot be made.

    A mark that is missed is only said: how fast the machine is changes from hour to hour.
    """
    options = argparse.ArgumentParser(prog="make bench-admission", description=__doc__)
    options.add_argument("--pure", action="store_true", help="leave the compiled build out")
    arguments, rest = options.parse_known_args()
    sources: dict[str, Path] = {"the source as it is": SOURCE.parent}
    if not arguments.pure:
        _say.print("Compiling the core with mypyc (about a minute, once for every change).")
        try:
            sources["the same source, compiled"] = build()
        except RuntimeError as error:
            _say.print(str(error), markup=False)
            return 1
    found: list[dict[str, Any]] = []
    for name, source in sources.items():
        _say.print(f"Measuring {name}.")
        found += _measure(source, rest)
    digests = {one["sha256"] for one in found if one["case"] == "decisions"}
    _show(found)
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    print(f"tierfleet {version('tierfleet')}, {machine}, processor time of one")
    if len(digests) != 1:
        print("The compiled core decides otherwise than its source.")
        return 1
    fastest = {one["case"]: one for one in found}
    print(
        f"admission cycles_per_s={fastest['ten']['cycles_per_s']}"
        f" flat_ratio={fastest['flat']['ratio']} combined_ratio={fastest['combined']['ratio']}"
    )
    return 0


def _measure(source: Path, options: list[str]) -> list[dict[str, Any]]:
    path = os.pathsep.join([str(source), str(ROOT)])
    command = [sys.executable, "-m", "bench.admission.case", *options]
    lines: list[dict[str, Any]] = []
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(json.loads(line))
    if process.returncode:
        raise SystemExit(process.returncode)
    return lines


def _show(found: list[dict[str, Any]]) -> None:
    table = Table(title="Admission: cycles a second on one core")
    for column in ("build", "case", "cycles/s", "of ten tenants", "mark"):
        table.add_column(column, justify="left" if column in {"build", "case"} else "right")
    for one in found:
        name = one["case"]
        if "cycles_per_s" in one:
            ratio = f"{one['ratio']:.2f}"
            speed = f"{one['cycles_per_s']:,}"
            table.add_row(one["build"], name, speed, ratio, _judged(one))
        elif name == "memory":
            used = f"{one['bytes_per_tenant']:,} bytes"
            table.add_row(one["build"], "an idle tenant", used, "", _judged(one))
    Console(width=90).print(table)


def _judged(one: dict[str, Any]) -> str:
    """The mark of a case, and whether it is missed: all but memory are the compiled core's."""
    mark = _MARKS.get(one["case"])
    if mark is None:
        return ""
    if one["case"] == "memory":
        return f"{mark:,} bytes" + (", missed" if one["bytes_per_tenant"] > mark else "")
    found = one["cycles_per_s"] if one["case"] == "ten" else one["ratio"]
    missed = one["build"] == "compiled" and found < mark
    return f"{mark:,}" + (", missed" if missed else "")


if __name__ == "__main__":
    sys.exit(main())
