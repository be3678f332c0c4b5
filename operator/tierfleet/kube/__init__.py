"""How the operator talks to an API server: a narrow protocol, a client, caches, a queue, a lease.

Raw dicts travel inside; what leaves towards planning is typed (`project.py`). Nothing here knows
what the three kinds mean.
"""
