"""The chart before this one, to upgrade from.

None has been released yet, so one is made of this: an older version and image, kinds that lack a
column, and no admission policies. Once there is a release, its package takes this one's place.
"""

import shutil
from pathlib import Path

import yaml

from e2e.helm import CHART, Helm

VERSION = "0.0.9"
MISSING_COLUMN = "Enforcement"
"""Of TierPolicy: what an upgrade has to bring."""


def packed(helm: Helm, folder: Path) -> Path:
    """Pack it into `folder`, and return the package."""
    chart = folder / "tierfleet"
    shutil.copytree(CHART, chart)
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
    metadata |= {"version": VERSION, "appVersion": VERSION}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(metadata))
    for template in (chart / "templates" / "admission").iterdir():
        template.unlink()
    kind = chart / "templates" / "crds" / "tierpolicies.tierfleet.dev.yaml"
    kind.write_text(_without_column(kind.read_text(), MISSING_COLUMN))
    helm.run("package", str(chart), f"--destination={folder}")
    return folder / f"tierfleet-{VERSION}.tgz"


def _without_column(text: str, name: str) -> str:
    before, column, after = text.partition(f"    - name: {name}\n")
    assert column, f"the kinds have no column {name}"
    next_column = after.index("    - name: ")
    return before + after[next_column:]
