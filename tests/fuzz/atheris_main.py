"""The process that libFuzzer runs in; see `tests.fuzz.__main__`."""

import sys

import atheris

with atheris.instrument_imports(include=["tierfleet.sidecar"]):
    from tests.fuzz.target import one

if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
