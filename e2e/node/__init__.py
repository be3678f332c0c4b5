"""A real node on this machine: a kubelet with containerd, in namespaces of its own.

    addresses.py      which addresses it and its pods have
    box.py            the namespaces: one process holds them, and all of it ends with that process
    init.py           that process: starts the node's programs, and again when they end
    configuration.py  what containerd, the kubelet and kube-proxy are told
    credentials.py    who the kubelet and kube-proxy are to the API server
    machine.py        whether this machine can: root, Debian's packages, free addresses
    node.py           all of it together

The node sees this machine's files but has processes, mounts, links and packet filters of its own,
so nothing of the machine is changed and nothing can be left behind, however it ends.
"""
