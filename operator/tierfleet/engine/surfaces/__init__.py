"""The APIs of the engine's server, as vLLM has them: bytes in, a job, bytes out. Pure.

job.py          what any valid request asks of the engine, and what is refused
openai.py       requests for chat and text completions
completions.py  their answers, errors, and the list of models
embeddings.py   OpenAI's embeddings
responses.py    OpenAI's responses
messages.py     Anthropic's messages
tools.py        scripted calls of tools
table.py        which API is served where
"""
