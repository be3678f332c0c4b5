"""A simulated continuous-batching engine.

config.py   sizes and step cost of one engine
model.py    the pure model, for virtual and for real time
presets.py  accelerators and models, each number with its source
"""
