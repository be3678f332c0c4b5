"""Other cores behind the same interface, to compare with: what others do, small and exact.

    seats.py   what they have in common: a number of seats, and who takes the next one
    memory.py  the KV cache that running requests may come to hold
    fcfs.py    first come first served
    vtc.py     the virtual token counter of "Fairness in Serving Large Language Models"

None of them knows limits, reservations or deadlines: nothing is shed. Pure.
"""

from tierfleet.simulator.baselines.fcfs import Fcfs
from tierfleet.simulator.baselines.vtc import PredictingVtc, Vtc

__all__ = ["Fcfs", "PredictingVtc", "Vtc"]
