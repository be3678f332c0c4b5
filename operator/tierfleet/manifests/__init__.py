"""The child objects of a pool, built from its plan: pure functions to plain API objects.

    children.py    all of them, in the order in which they are applied
    deployment.py  replicas on one accelerator      pod.py, engine.py, sidecar.py: what is in them
    leaderworkerset.py  those that take several nodes each
    service.py     where callers reach the pool
    gateway.py     how a Gateway reaches it
    disruption.py  how many replicas may be evicted at once
    secrets.py     the plan in 17 parts, and the tokens
    deletion.py    what a pod costs, told it before its Deployment shrinks
    labels.py, names.py, metadata.py

Nothing here knows a client, the time of day or what is in the cluster now: the same pool and plan
give the same objects, so that a difference means drift. An upgrade of the operator alone must
change no pod template: that would restart the whole fleet (`tests/unit/manifests` has a golden
copy).
"""

from tierfleet.manifests.children import REPLICAS, children, leading, templates
from tierfleet.manifests.secrets import Tokens

__all__ = ["REPLICAS", "Tokens", "children", "leading", "templates"]
