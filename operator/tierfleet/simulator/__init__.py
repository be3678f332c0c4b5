"""A fleet in virtual time: the real admission core and the engine's model, without waiting.

    trace.py       requests that arrive; the reader of the Azure 2023 CSV format
    clients.py     a generator of traces, declared in a small document
    chance.py      where randomness comes from: a seed
    replica.py     the run: one core, one engine, events in the order of their time
    pace.py        how a replica is timed, and what its engine did
    log.py         what became of every request, in columns
    simulation.py  a trace through one replica or several
    service.py     what was served, in service tokens
    contracts.py   which requests a reservation owes a seat, by true cost and by the core's label
    kept.py        what of the promises of tiers and reservations was kept
    figures.py     what a report says per tier, tenant and promise
    report.py      from the log to the figures
    changes.py     `--set`: a plan that differs in one thing
    overselling.py whether a plan promises more than its replicas do
    tables.py      the report for a terminal
    plot.py        the report as SVG
    drawing.py     what pictures share
    baselines/     other cores to compare with

Pure: no clock, no files, no asyncio. The same trace, plan and seed give the same report.
"""

from tierfleet.simulator.figures import Report
from tierfleet.simulator.report import measure
from tierfleet.simulator.simulation import MakeCore, Setup, simulate
from tierfleet.simulator.trace import TraceError, TraceRequest

__all__ = [
    "MakeCore",
    "Report",
    "Setup",
    "TraceError",
    "TraceRequest",
    "measure",
    "simulate",
]
