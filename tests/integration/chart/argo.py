"""The health check that docs/chart.md gives to Argo CD, run as Argo CD does: in Lua 5.1."""

import re
from typing import Any

import yaml
from lupa.lua51 import LuaRuntime

from e2e.paths import REPOSITORY
from tierfleet.api import GROUP

DOCS = REPOSITORY / "docs" / "chart.md"


def yaml_blocks() -> list[str]:
    """The YAML in the page."""
    return re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)


def health(document: dict[str, Any]) -> tuple[str, str]:
    """What Argo CD shows for an object of ours: a word and a sentence."""
    (text,) = (block for block in yaml_blocks() if "health.lua" in block)
    customizations = yaml.safe_load(yaml.safe_load(text)["data"]["resource.customizations"])
    lua = LuaRuntime(register_eval=False)
    lua.globals().obj = lua.table_from(document, recursive=True)
    answer = lua.execute(customizations[f"{GROUP}/*"]["health.lua"])
    return answer.status, answer.message
