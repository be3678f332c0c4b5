"""The slow loop's mind: a snapshot of the cluster in, a plan and its explanation out.

    snapshot.py      the facts, typed
    record.py        what the plan in force says was promised
    acceptance.py    what is done at all, and what is refused as a whole
    nodes.py         which nodes take a replica
    devices.py       the serialized grant of devices to a group of pools
    inventory.py     the devices while they are being granted
    preference.py    on which accelerators a pool's replicas go, and when they move
    placement.py     the result, and why there is not more
    capacity.py      what the placed replicas can serve, survive and promise
    promises.py      sums of promises over time
    reservations.py  which reservations are accepted, and what each is granted
    translate.py     from the words of the kinds to those of the plan
    tenants.py       who may call, from a policy's Secrets
    pool.py          all of it for one pool: the plan document
    status.py        what a person is told about each kind
    preview.py       all of it for a whole snapshot, to be looked at
    difference.py    two of them compared
    offers.py        what can still be sold, and what would make more
    imagined.py      what such a snapshot may lack

Design note: `docs/planning.md`. Pure: no Kubernetes client, no clock, no randomness, no logging.
"""
