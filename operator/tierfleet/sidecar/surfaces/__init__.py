"""The APIs that are served: how a request of each is read, its answer metered, its errors shaped.

    bodies.py      what is read of requests and answers, as msgspec structs
    surface.py     what every API has; what a request asks for
    openai.py      chat completions, completions, embeddings
    responses.py   OpenAI's responses
    anthropic.py   Anthropic's messages
    meters.py      what an answer cost, read while it goes by
    tiers.py       `service_tier`, in and out
    table.py       which API is served where

Pure: nothing here knows of sockets, tenants or prices.
"""
