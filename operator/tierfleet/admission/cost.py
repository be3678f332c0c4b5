"""What a request costs, in micro service tokens. Pure integer arithmetic, so that nothing drifts.

`c = b_in·(prompt - cached) + b_cached·cached + b_out·output + b_kv·(x·y + y²/2)` with x prompt and
y output tokens: the last term is the KV cache that a long context holds while it is answered
(sum over the y generated tokens of the context held at that moment).
"""

from dataclasses import dataclass
from typing import Self

from tierfleet.admission.limits import UNLIMITED
from tierfleet.plan import Burndown, micro


@dataclass(frozen=True, slots=True)
class Rates:
    """A policy's burndown in micro service tokens per token."""

    input: int
    cached: int
    output: int
    residency: int
    long_above: int
    long_input: int
    long_output: int

    @classmethod
    def of(cls, burndown: Burndown) -> Self:
        """The rates that a plan's decimal strings stand for."""
        long = burndown.long_context
        return cls(
            input=micro(burndown.input),
            cached=micro(burndown.cached_input),
            output=micro(burndown.output),
            residency=micro(burndown.kv_residency),
            long_above=long.above_tokens if long else UNLIMITED,
            long_input=micro(long.input) if long else 0,
            long_output=micro(long.output) if long else 0,
        )

    def cost(self, prompt: int, cached: int, output: int) -> int:
        """Micro service tokens of that many tokens; `cached` is a part of `prompt`."""
        is_long = prompt > self.long_above
        per_input, per_output = (
            (self.long_input, self.long_output) if is_long else (self.input, self.output)
        )
        held = self.residency * (2 * prompt * output + output * output) // 2
        return per_input * (prompt - cached) + self.cached * cached + per_output * output + held
