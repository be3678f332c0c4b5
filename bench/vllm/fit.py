"""The three numbers of a step's time, fitted to loads whose steps are known. Pure.

The simulated engine takes vLLM's own steps (`e2e/vllm/test_model.py`). So a load whose requests all
come at once lasts `base * steps + token * tokens + kv_token * resident tokens`, where the three
sums are the model's: one linear equation for each load that was measured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from tierfleet.engine.config import EngineConfig, StepCost
from tierfleet.engine.model import Engine

Load = Sequence[tuple[int, int]]
"""Tokens of prompt and answer of requests that come at once, in this order."""
_SINGULAR: Final = 1e-9
_UNITS: Final = (StepCost(1, 0, 0), StepCost(1, 1000, 0), StepCost(1, 0, 1000))


@dataclass(frozen=True)
class Measured:
    """One load.

    Attributes:
        load: what was sent.
        seconds: from the first request sent to the last answer's end.
    """

    load: Load
    seconds: float


def lasts(config: EngineConfig, load: Load) -> int:
    """Nanoseconds until the last of them has ended."""
    engine = Engine(config)
    for prompt, output in load:
        engine.add(prompt, output)
    now = 0
    while engine.has_work:
        now = engine.step(now).end
    return now


def sums(config: EngineConfig, load: Load) -> tuple[int, int, int]:
    """Steps, tokens in their batches, and resident tokens, summed over the steps of a load."""
    # By what it would last if a step, a token or a resident token took a nanosecond.
    steps, tokens, resident = (lasts(replace(config, cost=unit), load) for unit in _UNITS)
    return steps, tokens - steps, resident - steps


def fit(config: EngineConfig, measured: Sequence[Measured]) -> StepCost:
    """The cost whose relative errors have the least squares, none of its numbers negative.

    Args:
        config: sizes of the engine that was measured; its cost does not matter.
        measured: three loads at least, of different kinds.

    Raises:
        ValueError: the loads do not tell the numbers apart.
    """
    # Divided by what was measured, so that a short load counts as much as a long one.
    rows = [[part / one.seconds for part in sums(config, one.load)] for one in measured]
    if not rows or _least_squares(rows) is None:
        raise ValueError("These loads do not tell what a step costs: send some of other kinds.")
    found: list[tuple[float, list[float]]] = []
    for size in (1, 2, 3):
        for columns in combinations(range(3), size):
            solved = _least_squares([[row[column] for column in columns] for row in rows])
            if solved is None or min(solved) < 0:
                continue
            numbers = [0.0, 0.0, 0.0]
            for column, number in zip(columns, solved, strict=True):
                numbers[column] = number
            error = sum(
                (sum(n * part for n, part in zip(numbers, row, strict=True)) - 1) ** 2
                for row in rows
            )
            found.append((error, numbers))
    base, token, kv_token = min(found)[1]
    return StepCost(round(base * 1e9), round(token * 1e12), round(kv_token * 1e12))


def _least_squares(rows: Sequence[Sequence[float]]) -> list[float] | None:
    """Numbers with which every row comes closest to 1; None if there is no one answer."""
    columns = range(len(rows[0]))
    # Of one size, so that what is nearly zero is so for all of them.
    sizes = [math.hypot(*(row[i] for row in rows)) for i in columns]
    if not all(sizes):
        return None
    rows = [[part / size for part, size in zip(row, sizes, strict=True)] for row in rows]
    matrix = [
        [sum(row[i] * row[j] for row in rows) for j in columns] + [sum(row[i] for row in rows)]
        for i in columns
    ]
    # Gauss and Jordan.
    for i in columns:
        pivot = max(columns[i:], key=lambda row: abs(matrix[row][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        if abs(matrix[i][i]) < _SINGULAR:
            return None
        matrix[i] = [value / matrix[i][i] for value in matrix[i]]
        for j in columns:
            if j != i:
                matrix[j] = [
                    value - matrix[j][i] * mine
                    for value, mine in zip(matrix[j], matrix[i], strict=True)
                ]
    return [matrix[i][-1] / sizes[i] for i in columns]
