"""`make reproduce`: the tables of the VTC paper, with the real core beside what was published.

"Fairness in Serving Large Language Models" (OSDI'24, arXiv 2401.00588), in simulation: virtual time
and the engine of that paper. `workloads.py` says who sends what to which engine, `schedulers.py`
who decides, `measure.py` what is asked of the outcome, `experiments.py` what was published of it,
`plot.py` draws, `__main__.py` runs and prints.
"""
