"""Randomness from a seed: the same seed and name, the same numbers, on every machine.

Only `random.Random.random` is used, whose sequence Python promises to keep across versions; the
distributions are made of it here. The only file of the simulator that may import `random`.
"""

import math
from random import Random
from statistics import NormalDist

_inverse_normal = NormalDist().inv_cdf


class Chance:
    """One stream of random numbers; streams of different names are independent."""

    def __init__(self, seed: int, name: str) -> None:
        self.uniform = Random(f"{seed}/{name}").random  # noqa: S311 - load, not secrets

    def exponential(self, mean: float) -> float:
        """Time until the next event of a Poisson process with that mean gap."""
        return -mean * math.log(1.0 - self.uniform())

    def lognormal(self, median: float, sigma: float) -> float:
        """`sigma` is the standard deviation of the logarithm."""
        # `uniform` may give 0, at which the inverse is not defined.
        return median * math.exp(sigma * _inverse_normal(self.uniform() or 0.5))

    def below(self, weights: list[float]) -> int:
        """An index, by cumulated weights."""
        drawn = self.uniform() * weights[-1]
        return next(index for index, bound in enumerate(weights) if drawn < bound)
