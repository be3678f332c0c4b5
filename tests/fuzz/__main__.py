"""`make fuzz`: inputs made by libFuzzer, led by what they reach in the code (atheris).

Begins with the corpus and with what the conformance cases send. Ends with a line that programs can
read; an input that breaks a property is left in the working folder, and the exit status is 1.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conformance import framing, heads

HERE = Path(__file__).parent
_SECONDS_OF_A_HANG = 10


def main() -> int:
    """See the module."""
    options = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    options.add_argument("--inputs", type=int, default=1_000_000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        grown = Path(name)
        for number, case in enumerate((*framing.CASES, *heads.CASES)):
            (grown / f"case-{number}").write_bytes(b"\0\x07" + b"".join(case.sent)[:4096])
        start = time.monotonic()
        code, inputs = _fuzz(given.inputs, grown)
        seconds = time.monotonic() - start
    hangs, crashes = int(code == 70), int(code not in (0, 70))
    print(f"fuzz inputs={inputs} crashes={crashes} hangs={hangs} seconds={seconds:.0f}")
    return int(code != 0)


def _fuzz(inputs: int, grown: Path) -> tuple[int, int]:
    command = [
        sys.executable, "-m", "tests.fuzz.atheris_main", str(grown), str(HERE / "corpus"),
        f"-runs={inputs}", f"-dict={HERE / 'http.dict'}", "-max_len=4096",
        f"-timeout={_SECONDS_OF_A_HANG}", "-print_final_stats=1", "-rss_limit_mb=2048",
    ]  # fmt: skip
    done = 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            if found := re.match(r"#(\d+)\s", line):
                done = max(done, int(found[1]))
            if not re.match(r"#\d+\s+(NEW|REDUCE|RELOAD)", line):
                print(line, end="", file=sys.stderr)
    return process.returncode, done


if __name__ == "__main__":
    sys.exit(main())
