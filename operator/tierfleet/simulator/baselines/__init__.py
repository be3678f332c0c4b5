"""Other cores behind the same interface, to compare with: what others do, small and exact.

    seats.py  what they have in common: a number of seats, and who takes the next one
    fcfs.py   first come first served
    vtc.py    the virtual token counter of "Fairness in Serving Large Language Models"

None of them knows limits, reservations or deadlines: nothing is shed. Pure.
"""

from tierfleet.simulator.baselines.fcfs import Fcfs
from tierfleet.simulator.baselines.vtc import Vtc

__all__ = ["Fcfs", "Vtc"]
