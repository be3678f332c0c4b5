"""`make bench-operator`: how the operator behaves when there is a lot of everything.

scenario.py  the size of a fleet, and all of its objects
stage.py     a control plane with fake nodes on which that fleet stands
process.py   the operator that is measured: its figures, and what it asks of the API server
answered.py  the same, with replicas that report
measure.py   warm start, changes, idleness
"""
