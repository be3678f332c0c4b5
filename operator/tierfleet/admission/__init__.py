"""The admission core: which queued request takes the next free seat of the engine.

    interface.py  the protocol that the sidecar and the simulator call
    types.py      events and decisions

Pure: nothing here knows about HTTP, asyncio, Kubernetes or the time of day.
"""
