"""The admission core: which queued request takes the next free seat of the engine.

    interface.py     the protocol that the sidecar and the simulator call
    types.py         events and decisions
    core.py          the ordering, and what happens at each event
    roster.py        who is served under the current plan
    flows.py         a record per request, a queue and estimates per tenant
    queues.py        who waits, by tier
    entitlements.py  what a reservation is owed
    limits.py        token buckets
    cost.py          service tokens of a request
    settlement.py    when what is charged
    drain.py         the rate behind retry times
    supported.py     what a plan may not ask for yet

Pure: nothing here knows about HTTP, asyncio, Kubernetes or the time of day.
"""
