"""Why a request waits, for people; nothing is decided by it."""

from tierfleet.admission.pulse import Pulse
from tierfleet.admission.requests import Request
from tierfleet.admission.seats import Seats
from tierfleet.admission.types import WaitReason


def why(request: Request, seats: Seats, pulse: Pulse, *, lends_held: bool) -> WaitReason:
    """What it waits for, if it waits.

    Args:
        request: queued.
        seats: of the engine.
        pulse: of the engine.
        lends_held: seats that are held back may be used by what can be thrown out at once.
    """
    tier = request.share.tier
    kv_fits = seats.kv_for(request.kv) if request.reserved else seats.kv_to_share(request.kv)
    if pulse.stalled:
        return WaitReason.ENGINE_STALLED
    if not request.flow.may_run():
        return WaitReason.CONCURRENCY_LIMIT
    if not request.reserved and tier.is_too_long(request):
        return WaitReason.LONG_CONTEXTS
    if seats.taken + request.seats > seats.total:
        return WaitReason.NO_SEAT
    if not kv_fits:
        return WaitReason.KV_CACHE
    if not request.reserved and not seats.seats_to_share(
        request.seats, anytime=tier.anytime, lent=lends_held
    ):
        return WaitReason.HELD_BACK
    return WaitReason.OTHERS_FIRST
