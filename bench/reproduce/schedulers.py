"""Who decides: the paper's schedulers, and the core that the sidecar runs."""

from collections.abc import Sequence
from enum import StrEnum
from functools import partial

from tierfleet.admission.core import Core
from tierfleet.simulator import MakeCore, TraceRequest
from tierfleet.simulator.baselines import Fcfs, PredictingVtc, Vtc


class Scheduler(StrEnum):
    """As the tables name them."""

    FCFS = "FCFS"
    VTC = "VTC"
    PREDICTING = "VTC predicting"
    ORACLE = "VTC oracle"
    OURS = "tierfleet"


def maker(scheduler: Scheduler, trace: Sequence[TraceRequest]) -> MakeCore:
    """Makes cores. Those of the paper reserve memory as its engine does; ours has its own rule."""
    if scheduler is Scheduler.OURS:
        return Core
    if scheduler is Scheduler.FCFS:
        return partial(Fcfs, reserve=True)
    if scheduler is Scheduler.VTC:
        return partial(Vtc, reserve=True)
    if scheduler is Scheduler.PREDICTING:
        return partial(PredictingVtc, reserve=True)
    return partial(Vtc, reserve=True, predict=lambda arrival: trace[arrival.id - 1].output_tokens)
