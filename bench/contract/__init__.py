"""`make bench-contract`: is a contract of 30 % kept, whatever floods the engine?

In simulation: the real core, the engine model, virtual time. `scenario.py` says who sends what,
`measure.py` what is asked of the outcome; `floods.py`, `clawback.py` and `azure.py` are the cases,
`picture.py` draws and `__main__.py` runs and prints.
"""
