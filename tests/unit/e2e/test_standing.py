"""What `make cluster` tells people to do."""

import re

import pytest

from e2e import standing
from e2e.paths import REPOSITORY


@pytest.mark.parametrize("text", [standing.RUN_A_FLEET, standing.RUN_A_REAL_FLEET])
def test_every_file_that_people_are_told_to_apply_exists(text: str) -> None:
    named = re.findall(r"(?:-f |install tierfleet )(\S+)", text)
    assert named
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
