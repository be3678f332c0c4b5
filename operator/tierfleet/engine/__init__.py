"""A simulated continuous-batching engine.

    config.py     sizes and step cost of one engine
    model.py      the pure model, for virtual and for real time
    presets.py    accelerators and models, each number with its source
    text.py       what stands in for tokenizer, prefix cache and language model
    openai.py     requests, as vLLM reads them
    responses.py  answers, as vLLM writes them
    driver.py     the model in real time
    metrics.py    its counts under vLLM's names
    server.py     HTTP and signals

What it models and what not stands in docs/engine.md.
"""
