"""A real node on this machine: a kubelet with containerd, in namespaces of its own.

    addresses.py      which addresses it and its pods have
    box.py            the namespaces: one process holds them, and all of it ends with that process
    init.py           that process: starts the node's programs, and again when they end
    configuration.py  what containerd, the kubelet and kube-proxy are told
    credentials.py    who the kubelet and kube-proxy are to the API server
    machine.py        whether this machine can: root, Debian's packages, free addresses
    node.py           all of it together

The node sees this machine's files but has processes, mounts, links and packet filters of its own.
The machine has the other end of one link, with two routes, and a cgroup. However the node ends, the
kernel takes the link with it; the guard removes the cgroup. Where cgroups are of version 2, the
controllers that were handed down for it stay so.
"""
