"""`make demo`: the main job done in front of a person, in three minutes.

__main__.py  up and down
fleet.py     the cluster, the operator and the examples
mount.py     a pool's plan as files, as a kubelet would mount it
replicas.py  sidecars and engines as local processes, fed from that plan
load.py      clients that flood, and clients with a contract
report.py    what they saw, as a table and bars
"""
