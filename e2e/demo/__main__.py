"""`python -m e2e.demo up|down`: see the package."""

import asyncio
import sys

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from e2e.cluster import Cluster
from e2e.commands import run
from e2e.demo import fleet, load, loopback, real, report
from e2e.demo.processes import tierfleet
from e2e.demo.stage import Stage
from e2e.realcluster import prepare

WARM_UP_SECONDS = 8.0
SECONDS = 30.0
TIERS = ("enterprise", "pro", "retail")

LOAD = (
    load.Clients("enterprise", "demo-acme", per_second=6.0),
    load.Clients("pro", "demo-globex", per_second=4.0),
    load.Clients("retail", "demo-initech", concurrent=60),
    load.Clients("retail", "demo-hooli", concurrent=60),
)

TITLES = {
    "straight": "Retail floods, everybody straight to the engines",
    "tierfleet": "The same through the sidecars",
}

LOOK_AROUND = """\
Look around; everything stays up until [bold]make demo-down[/]:

  export KUBECONFIG={kubeconfig}
  export PATH={tools}:{scripts}:$PATH
  kubectl --namespace inference describe capres acme-small
  kubectl tierfleet plan llama-8b --namespace inference
  kubectl --namespace inference edit tpol standard          # a changed limit holds in seconds
  curl {sidecar}/v1/chat/completions -H 'Authorization: Bearer demo-acme' \\
    -d '{{"model": "llama-3.1-8b", "messages": [{{"role": "user", "content": "hi"}}]}}' -i
  curl {admin}/metrics
"""


def up(console: Console) -> None:
    """Run the whole demo; what it started stays for looking around."""
    fleet.remove()
    try:
        stage = _set_up(console)
        runs: dict[str, dict[str, report.TierReport]] = {}
        for name, urls in (("straight", stage.straight), ("tierfleet", stage.sidecars)):
            seen = _run(console, f"[bold]4[/] {TITLES[name]}", urls, stage.cluster)
            runs[name] = report.summarise(seen, TIERS, warm_up=WARM_UP_SECONDS, seconds=SECONDS)
            stage.check()
    except BaseException:
        fleet.remove()
        raise
    console.print()
    console.print(report.render(runs))
    console.print()
    text = LOOK_AROUND.format(
        kubeconfig=stage.cluster.kubeconfig,
        tools=stage.cluster.tools["kubectl"].parent,
        scripts=tierfleet().parent,
        sidecar=stage.sidecars[0],
        admin=stage.admin,
    )
    console.print(text, highlight=False, soft_wrap=True)


def _set_up(console: Console) -> Stage:
    """On a real node where this machine can have one; it is said which it is, and why."""
    try:
        prepare(console)
    except RuntimeError as error:
        console.print(f"No containers here, so replicas run as processes. {error}", markup=False)
        return loopback.set_up(console)
    return real.set_up(console)


def _run(console: Console, title: str, urls: list[str], cluster: Cluster) -> list[load.Seen]:
    pool = cluster.get("tpool", fleet.POOL, "--namespace", fleet.NAMESPACE)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        progress.add_task(f"{title} ({SECONDS:g} s)")
        return asyncio.run(
            load.run(urls, pool["spec"]["model"]["name"], LOAD, seconds=SECONDS, seed=1)
        )


def down(console: Console) -> None:
    """Remove the demo."""
    existed = fleet.remove()
    console.print("The demo is removed." if existed else "There is no demo to remove.")


if __name__ == "__main__":
    sys.exit(run("e2e.demo", {"up": up, "down": down}, sys.argv[1:]))
