"""A pool's plan Secrets as files in a folder, the way a kubelet mounts a projected volume.

Each version gets a folder of its own, and one symbolic link, `..data`, is switched to it: whoever
reads through the link sees one version or the other, never a mixture.

`python -m e2e.demo.mount KUBECONFIG NAMESPACE POOL FOLDER` follows the Secrets until it is killed.
It must not know what a plan says.
"""

import asyncio
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tierfleet.kube import plan_parts
from tierfleet.kube.client import Client
from tierfleet.kube.connect import connect
from tierfleet.plan.parts import NAMES

PAUSE_SECONDS = 1.0


def write(folder: Path, parts: Mapping[str, bytes]) -> None:
    """Makes the folder show these parts, all at once."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "..data"
    before = data.resolve() if data.exists() else None
    version = folder / f"..{time.time_ns()}"
    version.mkdir()
    for name, content in parts.items():
        (version / name).write_bytes(content)
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(Path("..data") / name)
    switch = folder / "..data_tmp"
    switch.symlink_to(version.name)
    switch.replace(data)
    if before is not None:
        shutil.rmtree(before)


async def follow(kubeconfig: Path, namespace: str, pool: str, folder: Path) -> None:
    """Writes the parts whenever they change, for ever."""
    client = Client((await connect(kubeconfig)).configuration, "tierfleet-demo")
    written: dict[str, bytes] = {}
    while True:
        parts = await plan_parts.read(client, namespace, pool)
        if parts != written and set(parts) == set(NAMES):
            write(folder, parts)
            written = parts
        await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(follow(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])))
