"""wrk: as many small JSON requests as a server takes, each with the key of the next tenant."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.machine import LOAD_CORE
from bench.proxy.plan import MODEL, TENANTS, key

BODY: Final = json.dumps(
    {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Which animal jumps over the lazy dog?"}],
        "max_tokens": 16,
    }
)
_SCRIPT: Final = """\
local requests = {}
local last = 0
function init(args)
  for number = 1, TENANTS do
    requests[number] = wrk.format("POST", "/v1/chat/completions", {
      ["Content-Type"] = "application/json",
      ["Authorization"] = "Bearer " .. keys[number],
    }, body)
  end
end
function request()
  last = last % TENANTS + 1
  return requests[last]
end
"""


@dataclass(frozen=True)
class Result:
    """Requests a second, and how many were not answered with a success."""

    requests: int
    seconds: float
    failed: int

    @property
    def per_second(self) -> float:
        """Rate."""
        return self.requests / self.seconds


def script(folder: Path) -> Path:
    """Write the Lua script of the load."""
    path = folder / "load.lua"
    keys = ", ".join(f'"{key(number)}"' for number in range(TENANTS))
    head = f"local TENANTS = {TENANTS}\nlocal body = [[{BODY}]]\nlocal keys = {{ {keys} }}\n"
    path.write_text(head + _SCRIPT)
    return path


def run(load: Path, port: int, seconds: float, connections: int) -> Result:
    """Send as fast as the connections allow.

    Raises:
        RuntimeError: wrk's report cannot be read.
    """
    done = subprocess.run(
        [  # noqa: S607
            "taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            "-s", str(load), f"http://127.0.0.1:{port}",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    total = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", done.stdout)
    if done.returncode or total is None:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    unit = {"ms": 0.001, "s": 1.0, "m": 60.0}[total[3]]
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    errors = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout
    )
    lost = sum(map(int, errors.groups())) if errors else 0
    return Result(int(total[1]), float(total[2]) * unit, lost + (int(failed[1]) if failed else 0))
