"""`kubectl tierfleet`: what `kubectl get` cannot show. Installed as `kubectl-tierfleet`."""

import json
from typing import Annotated

import typer
import yaml

from tierfleet.plan import PlanError, join, render

app = typer.Typer(
    help="Look into a tiered fleet.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.callback()
def main() -> None:
    """Look into a tiered fleet."""


@app.command()
def plan(
    pool: Annotated[str, typer.Argument(help="Name of the InferencePool (tierfleet.dev).")],
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Default: the context's.")
    ] = None,
    kubeconfig: Annotated[
        str | None, typer.Option(envvar="KUBECONFIG", help="Default: ~/.kube/config.")
    ] = None,
    context: Annotated[str | None, typer.Option(help="Default: the current one.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="yaml or json.")] = "yaml",
) -> None:
    """Print the plan in force for a pool: what its sidecars really enforce.

    Keys are shown as SHA-256 only; the plan holds nothing else.
    """
    if output not in {"yaml", "json"}:
        raise typer.BadParameter(f"{output} is not a format. Give yaml or json.")
    parts = _parts(pool, namespace, kubeconfig, context)
    try:
        document = render(join(parts))
    except PlanError as error:
        raise _failed(f"The plan of {pool} cannot be read: {error}") from None
    if output == "json":
        typer.echo(json.dumps(document, indent=1))
    else:
        typer.echo(yaml.safe_dump(document, sort_keys=False).rstrip())


def _parts(
    pool: str, namespace: str | None, kubeconfig: str | None, context: str | None
) -> dict[str, bytes]:
    """The parts of the pool's plan, from its Secrets."""
    try:
        # Not at the top: --help must work where the extra is not installed.
        from kubernetes import client, config  # noqa: PLC0415
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        from tierfleet.kube import plan_parts  # noqa: PLC0415
    except ImportError as error:
        raise _failed(
            f"This needs {error.name}, which is not installed."
            " Install it with: pip install 'tierfleet[operator]'"
        ) from None
    try:
        config.load_kube_config(kubeconfig, context)
        if namespace is None:
            contexts, current = config.list_kube_config_contexts(kubeconfig)
            chosen = next((c for c in contexts if c["name"] == context), current)
            namespace = chosen["context"].get("namespace", "default")
        parts = plan_parts.read(client.CoreV1Api(), namespace, pool)
    except config.ConfigException as error:
        raise _failed(f"No cluster to ask: {error} Give --kubeconfig or --context.") from None
    except ApiException as error:
        raise _failed(f"The API server refused: {error.reason}. May you list Secrets?") from None
    except HTTPError as error:
        raise _failed(f"The API server does not answer: {error}.") from None
    if not parts:
        raise _failed(
            f"There is no plan for a pool {pool} in namespace {namespace}."
            " `kubectl get tpool` lists the pools; the condition Accepted says why one has none."
        )
    return parts


def _failed(sentence: str) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(1)
