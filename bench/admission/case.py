"""One build of the core, measured in a process of its own; prints a line of JSON for every case.

The cases take turns round by round and are compared within a round, because the machine's speed
changes from one second to the next.
"""

import argparse
import json
import statistics
from typing import Final

import tierfleet.admission.core
from bench.admission.measure import Load, bytes_per_tenant, digest
from tierfleet.admission.core import Core
from tierfleet.simulator import MakeCore
from tierfleet.simulator.baselines import Fcfs, Vtc

CASES: Final = {
    "ten": (10, 10, 0),
    "flat": (50_000, 5_000, 0),
    "combined": (50_000, 5_000, 5_000),
}
"""Known tenants, those of them who send, and requests that wait all the time."""


def main() -> None:
    """See the module."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=90)
    options.add_argument("--cycles", type=int, default=1000, help="in each round")
    options.add_argument("--divide", type=int, default=1, help="tenants and queues by so much")
    arguments = options.parse_args()
    compiled = not str(tierfleet.admission.core.__file__).endswith(".py")
    build = "compiled" if compiled else "pure"
    by: int = arguments.divide
    loads = {
        name: Load(Core, max(10, known // by), max(10, active // by), waiting // by)
        for name, (known, active, waiting) in CASES.items()
    }
    peers: dict[str, MakeCore] = {} if compiled else {"fcfs": Fcfs, "vtc": Vtc}
    loads |= {name: Load(make, 10, 10, 0) for name, make in peers.items()}
    speeds: dict[str, list[float]] = {name: [] for name in loads}
    for _ in range(arguments.rounds):
        for name, load in loads.items():
            batch = load.batch(arguments.cycles)
            speeds[name].append(len(batch) * 1e9 / load.cycles(batch))
    for name, found in speeds.items():
        ratios = [one / ten for one, ten in zip(found, speeds["ten"], strict=True)]
        figures = {
            "build": "pure" if name in peers else build,
            "case": name,
            "cycles_per_s": round(statistics.median(found)),
            "ratio": round(statistics.median(ratios), 3),
        }
        print(json.dumps(figures), flush=True)
    tenants = 50_000 // by
    memory = round(bytes_per_tenant(Core, tenants))
    print(json.dumps({"build": build, "case": "memory", "bytes_per_tenant": memory}), flush=True)
    same = digest(Core, 3000)
    print(json.dumps({"build": build, "case": "decisions", "sha256": same}), flush=True)


if __name__ == "__main__":
    main()
