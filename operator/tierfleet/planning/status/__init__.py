"""What people are told: the status of each kind, from what was found and what was planned.

Every message is a sentence with the numbers and, where something is wrong, the next step. Equal
facts give an equal status, whenever it is made: there are no ages, and a condition's time changes
only when it flips.
"""

from tierfleet.planning.status.policy import summarise_policy
from tierfleet.planning.status.pool import summarise_pool
from tierfleet.planning.status.reservation import summarise_reservation

__all__ = ["summarise_policy", "summarise_pool", "summarise_reservation"]
