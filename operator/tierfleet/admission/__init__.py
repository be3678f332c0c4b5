"""The admission core: which queued request takes the next free seat of the engine.

    interface.py     the protocol that the sidecar and the simulator call
    types.py         events and decisions
    core.py          what happens at each event
    roster.py        who is served under the current plan
    contracts.py     its reservations: terms, prepaid periods, who pays for whom
    flows.py         a tenant: its lines, limits and estimates
    requests.py      a request and its states
    lines.py         requests that wait, in order
    waiting.py       everything that waits, and until when
    order.py         who is next, and who pays
    shares.py        tiers, and fair shares inside them
    entitlements.py  what a reservation or a floor is owed
    shadow.py        first come first served, and what Enforce would do
    seats.py         the engine's room
    holdback.py      seats that are kept free for what is promised
    running.py       who holds seats
    reclaim.py       who is thrown out for what is owed
    arrivals.py      a new request: its label, its refusal
    shedding.py      who is turned away while waiting
    limits.py        token buckets
    cost.py          service tokens of a request
    settlement.py    when what is charged
    drain.py         the rate behind retry times
    pulse.py         whether the engine gets on
    calendar.py      the time of day
    heap.py          a heap whose members know their place
    periods.py       when a prepaid balance is filled again
    supported.py     what a plan may not ask for yet

Pure: nothing here knows about HTTP, asyncio or Kubernetes, and the time is passed in.
"""
