"""The sidecar: the data plane in front of one engine. It needs no Kubernetes and no database.

From the socket inwards; each file has one reason to change:

    http1.py, chunked.py, response.py   bytes to requests and responses, without I/O
    client.py, upstream.py, outbox.py   the two sides' connections, and when they are written to
    tls.py                              certificates that are renewed under a running process
    headers.py, answers.py              what is passed on, and what we say ourselves
    identify.py, retries.py             who calls, and whether callers do as they are told
    surfaces/                           each API: what is asked for, what it cost, how errors look
    service.py, exchange.py             which request goes where; one inference request's life
    gate.py                             the shell around the admission core
    lifecycle.py                        serving, draining, refusing, as a table
    plansource.py, planwatch.py         the plan on disk, and following it
    engine.py, engines/                 what the engine says of itself, and what each kind calls it
    record.py, journal.py               what is remembered of a request, and its log line
    tally.py, metrics.py                what is counted, and how Prometheus gets it
    spans.py, tracing.py                what tracing is told of a request, and OpenTelemetry
    admin.py, config.py, server.py      the admin port, the options, the process
"""
