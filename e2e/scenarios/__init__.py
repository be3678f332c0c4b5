"""End-to-end scenarios: a real cluster, the chart, our images, and clients that note what they saw.

    conftest.py   the cluster with the operator in it, once for all scenarios; a namespace for each
    fleet.py      a policy, its tenants and a pool, in the words of a scenario
    clients.py    callers that go through the Service, and a record of every request
    accounts.py   what clients saw, access logs, metrics and engine counters have to agree

`make e2e` runs them. Nothing passes or fails by a time; times are printed.
"""
