"""The slow loop: watch, decide on a snapshot, write what differs.

What is decided stands in `planning/` and what is written in `manifests/`, both pure. Here is what
connects them to a cluster.
"""
