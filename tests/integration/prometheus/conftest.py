"""Prometheus is Debian's, installed where it is missing; its service is not started."""

import os

import pytest

from e2e import debian


@pytest.fixture(scope="session")
def prometheus() -> None:
    """It is there."""
    try:
        debian.install({"prometheus": "prometheus"})
    except RuntimeError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
