"""`make demo`: the main job done in front of a person, in three minutes.

__main__.py  up and down
stage.py     where it plays: a cluster, and where callers reach two replicas
real.py      on a real node, in containers
loopback.py  where no real node can run: fake nodes and local processes
fleet.py     the examples, and what is shown of them
mount.py     a pool's plan as files, as a kubelet would mount it
replicas.py  sidecars and engines as local processes, fed from that plan
load.py      clients that flood, and clients with a contract
report.py    what they saw, as a table and bars
"""
