"""The sidecar: the data plane in front of one engine. It needs no Kubernetes and no database.

From the socket inwards; each file has one reason to change:

    http1.py, chunked.py, response.py   bytes to requests and responses, without I/O
    client.py, upstream.py              the two sides' connections
    headers.py, answers.py              what is passed on, and what we say ourselves
    identify.py, request.py, usage.py   who calls, what is asked for, what it cost
    service.py, exchange.py             which request goes where; one inference request's life
    gate.py                             the shell around the admission core
    lifecycle.py                        serving, draining, refusing, as a table
    plansource.py, planwatch.py         the plan on disk, and following it
    engine.py, engines/                 what the engine says of itself, and what each kind calls it
    record.py, journal.py, metrics.py   what is remembered of a request, its log line, its counters
    admin.py, config.py, server.py      the admin port, the options, the process
"""
