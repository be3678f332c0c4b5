"""The slow loop's mind: a snapshot of the cluster in, a plan and its explanation out.

    snapshot.py      the facts, typed
    tenancy.py       what is known of a policy's tenants
    tenants.py       who may call, from a policy's Secrets
    published.py     the plans that replicas were given, and what they said of them
    record.py        what the plan in force says was promised
    measured.py      what a replica can really do
    acceptance.py    what is done at all, and what is refused as a whole
    nodes.py         which nodes take a replica
    ahead.py         what is promised now and soon
    scaling.py       how many replicas a pool wants
    devices.py       the serialized grant of devices to a group of pools
    inventory.py     the devices while they are being granted
    preference.py    on which accelerators a pool's replicas go, and when they move
    placement.py     the result, and why there is not more
    capacity.py      what the placed replicas can serve, survive and promise
    unrated.py       what cannot be kept while a rate is not known
    promises.py      sums of promises over time
    contracts.py     a reservation as the contract that a plan carries
    burst.py         whether seats can start a burst in time
    refusals.py      why a contract cannot be accepted
    reservations.py  which reservations are accepted, and what each is granted
    translate.py     from the words of the kinds to those of the plan
    pool.py          all of it for one pool: the plan document
    shares.py        shrink before grow: how many replicas may be asked for now
    backing.py       what the replicas that are ready can keep of what is promised
    enforcement.py   whether replicas run the plan that they were given
    status/          what a person is told about each kind
    preview.py       all of it for a whole snapshot, to be looked at
    difference.py    two of them compared
    offers.py        what can still be sold, and what would make more
    imagined.py      what such a snapshot may lack

Design note: `docs/planning.md`. Pure: no Kubernetes client, no clock, no randomness, no logging.
"""
