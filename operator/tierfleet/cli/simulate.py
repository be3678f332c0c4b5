"""`tierfleet simulate`: a trace through a plan in virtual time. Options in, tables out."""

import gc
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from tierfleet.admission.core import Core
from tierfleet.admission.supported import unsupported
from tierfleet.cli import outputs, sentences
from tierfleet.engine.config import EngineConfig
from tierfleet.engine.presets import PRESETS
from tierfleet.plan import Plan, PlanError
from tierfleet.sidecar.plansource import PlanSource
from tierfleet.simulator import (
    MakeCore,
    Report,
    Setup,
    TraceError,
    TraceRequest,
    changes,
    clients,
    measure,
    plot,
    simulation,
    tables,
    trace,
)
from tierfleet.simulator.baselines import Fcfs, Vtc
from tierfleet.simulator.overselling import oversold

_DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)
_LONGEST = 10**8
"""Seconds of a load, as for clients: three years."""
_LAST_YEAR = 9900
"""Of the beginning, so that neither a load nor a period of a prepaid balance ends after 9999."""


class CoreName(StrEnum):
    """Who decides: ours, or one to compare with, which sheds nothing."""

    TIERFLEET = "tierfleet"
    FCFS = "fcfs"
    VTC = "vtc"


_CORES: dict[CoreName, MakeCore] = {
    CoreName.TIERFLEET: Core,
    CoreName.FCFS: Fcfs,
    CoreName.VTC: Vtc,
}


def simulate(
    plan: Annotated[Path, typer.Option(help="Plan file (YAML or JSON), or a directory of parts.")],
    trace_file: Annotated[
        Path | None,
        typer.Option("--trace", help="Requests: a CSV in the format of the Azure 2023 traces."),
    ] = None,
    clients_file: Annotated[
        Path | None,
        typer.Option("--clients", help="Clients to make requests up from (YAML or JSON)."),
    ] = None,
    engine: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "h100",
    group: Annotated[
        str | None, typer.Option(help="The plan's group to simulate. Default: its only one.")
    ] = None,
    replicas: Annotated[
        int, typer.Option(min=1, help="Replicas that get the requests in turn.")
    ] = 1,
    changed: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="WHAT=VALUE",
            help="Run a second time with this changed, and compare:"
            " reservation.acme.percent=40. Repeatable.",
        ),
    ] = None,
    speed_up: Annotated[
        float, typer.Option(help="Multiply the rate of the trace: 2 for twice the load.")
    ] = 1.0,
    tenants: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=WEIGHT,…", help="Whose the requests are, by chance with these weights."
        ),
    ] = None,
    core: Annotated[
        CoreName,
        typer.Option(
            help="Who decides; fcfs and vtc to compare with: they know no limits of queues and"
            " rates, so they shed nothing."
        ),
    ] = CoreName.TIERFLEET,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 0,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When the trace begins, such as 2026-12-01T08:00:00Z; terms of reservations go by"
            " it. Default: when the latest of them starts.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", help="Draw them into this file, an SVG.")
    ] = None,
) -> None:
    """Ask what a plan does to a load, without a GPU and in minutes: the real core, virtual time.

    Prints waits, times to the first token, what each tier and tenant got, and how well each
    reservation was kept. With --set, for the plan as it is and as it would be.
    """
    outputs.check(json_file, plot_file, [plan, trace_file, clients_file])
    if engine not in PRESETS:
        raise sentences.mistake(
            f"There is no engine {engine!r}. Give one of {', '.join(PRESETS)} to --engine."
        )
    base = _plan(plan)
    config = PRESETS[engine].config
    variants = [("", base, config)]
    named = ", ".join(changed or ())
    if changed:
        variants = [("base", base, config), ("\n".join(changed), *_changed(base, config, changed))]
    requests = _requests(trace_file, clients_file, seed, speed_up, tenants)
    _check_tenants(requests, base, made_up=clients_file is not None)
    setups = [
        Setup(
            variant,
            sizes,
            _group(variant, group),
            replicas=replicas,
            seed=seed,
            start=_time(start) if start else _start(variant),
        )
        for _, variant, sizes in variants
    ]
    if core is CoreName.TIERFLEET:
        for _, variant, _ in variants:
            _check_supported(variant)
    for (name, variant, _), setup in zip(variants, setups, strict=True):
        _warn_if_oversold(name.replace("\n", ", "), variant, setup.start)
    # A million requests that stay to the end are not worth looking at for garbage.
    gc.freeze()
    with outputs.progress(len(requests) * len(setups)) as watch:
        reports = [
            measure(simulation.simulate(setup, requests, _CORES[core], watch)) for setup in setups
        ]
    outputs.show(tables.summary(reports[0]))
    if changed:
        outputs.show(tables.comparison(reports[0], reports[1], named))
    if json_file:
        made: dict[str, Any] = {
            "plan": base.version,
            "engine": engine,
            "core": core.value,
            "seed": seed,
            "set": changed or [],
            "base": reports[0].as_dict(),
            "changed": reports[1].as_dict() if changed else None,
        }
        outputs.write(json_file, json.dumps(made, indent=1) + "\n")
    if plot_file:
        outputs.write(plot_file, plot.svg(_headings(variants, reports, engine)))


def _headings(
    variants: Sequence[tuple[str, Plan, EngineConfig]], reports: Sequence[Report], engine: str
) -> list[tuple[str, Report]]:
    return [
        (name or f"{made.replicas} x {engine}", made)
        for (name, _, _), made in zip(variants, reports, strict=True)
    ]


# What is given


def _plan(path: Path) -> Plan:
    try:
        return PlanSource(path).read()
    except PlanError as error:
        raise sentences.mistake(f"{path} is not a plan: {error} See docs/plan-v1.md.") from None


def _check_supported(plan: Plan) -> None:
    missing = unsupported(plan)
    if missing:
        raise sentences.mistake(f"The plan asks for what cannot be done: {'; '.join(missing)}.")


def _warn_if_oversold(name: str, plan: Plan, start: datetime) -> None:
    found = oversold(plan, start)
    if found is not None:
        typer.echo(
            f"Warning{f' ({name})' if name else ''}: reservations"
            f"{' and floors' if found.floors else ''} are {found.promised / found.total:.0%} of the"
            f" rate of all desired replicas ({found.promised:,} of {found.total:,} service tokens"
            " per second); the operator would refuse.",
            err=True,
        )


def _changed(plan: Plan, engine: EngineConfig, wanted: Sequence[str]) -> tuple[Plan, EngineConfig]:
    try:
        return changes.apply(plan, engine, wanted)
    except changes.ChangeError as error:
        raise sentences.mistake(str(error)) from None


def _group(plan: Plan, name: str | None) -> str:
    names = [group.name for group in plan.groups]
    if name is None and len(names) > 1:
        raise sentences.mistake(
            f"The plan has groups {', '.join(names)}: say which one to simulate with --group."
        )
    if name is not None and name not in names:
        raise sentences.mistake(
            f"The plan has no group {name!r}. Give one of {', '.join(names)} to --group."
        )
    return name or names[0]


def _time(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise sentences.mistake(
            f"--start {text} is not a time: give something like 2026-12-01T08:00:00Z."
        ) from None
    if given.year > _LAST_YEAR:
        raise sentences.mistake(f"--start {text} is too late: give a year up to {_LAST_YEAR}.")
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _start(plan: Plan) -> datetime:
    starts = (reservation.term.start for reservation in plan.reservations)
    return max((start for start in starts if start), default=_DEFAULT_START)


def _requests(
    trace_file: Path | None,
    clients_file: Path | None,
    seed: int,
    speed_up: float,
    tenants: str | None,
) -> list[TraceRequest]:
    if (trace_file is None) == (clients_file is None):
        raise sentences.mistake(
            "Give either --trace (a CSV of requests) or --clients (clients to make them up from);"
            " docs/simulator.md shows both."
        )
    if not 0 < speed_up < float("inf"):
        raise sentences.mistake(f"--speed-up {speed_up:g} is no pace: give 2 for twice the load.")
    try:
        if trace_file is not None:
            with trace_file.open(newline="", encoding="utf-8-sig") as lines:
                requests = trace.read_azure(lines)
        else:
            assert clients_file is not None  # noqa: S101 - one of the two is given
            document = yaml.safe_load(clients_file.read_text(encoding="utf-8"))
            requests = clients.generate(clients.parse(document), seed)
    except (TraceError, yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        path = trace_file or clients_file
        raise sentences.mistake(f"{path} cannot be used: {_reason(error)}") from None
    if not requests:
        raise sentences.mistake(f"{clients_file} makes no requests: give a higher rate, or longer.")
    if speed_up != 1:
        requests = trace.speed_up(requests, speed_up)
    if requests[-1].arrival > _LONGEST * trace.SECOND:
        raise sentences.mistake(
            f"The requests come over {requests[-1].arrival // trace.SECOND:,} s, of which at most"
            f" {_LONGEST:,} can be simulated: give fewer of them, or a higher --speed-up."
        )
    return trace.assign(requests, _weights(tenants), seed) if tenants else requests


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror}. Check the path."
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"it is not YAML at line {error.problem_mark.line + 1}: {error.problem}."
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8."
    return str(error)


def _weights(text: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in text.split(","):
        name, _, weight = item.partition("=")
        try:
            weights[name.strip()] = float(weight or 1)
        except ValueError:
            weights[name.strip()] = -1.0
    if not all(0 < weight < float("inf") for weight in weights.values()) or "" in weights:
        raise sentences.mistake(
            f"--tenants {text} is not a list of names and weights: give something like"
            " acme=3,hobby=1."
        )
    return weights


def _check_tenants(requests: Sequence[TraceRequest], plan: Plan, *, made_up: bool) -> None:
    known = {tenant.name for tenant in plan.tenants}
    unknown = [name for name in trace.tenants_of(requests) if name not in known]
    if None in unknown and plan.identification.anonymous.tier is None:
        where = "give each client a tenant" if made_up else "add a column Tenant"
        raise sentences.mistake(
            f"The requests name no tenants, and the plan lets nobody in without: {where}, or say"
            f" whose they are: --tenants {','.join(sorted(known)[:3]) or 'NAME=1'}."
        )
    names = [name for name in unknown if name is not None]
    if names:
        raise sentences.mistake(
            f"The plan has no tenant {', '.join(names[:5])}: add it to the plan, or say whose the"
            " requests are with --tenants."
        )
