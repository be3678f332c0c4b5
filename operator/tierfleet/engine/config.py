"""What makes one engine differ from another: its sizes and the time that a step takes.

Pure data, checked when it is made. Where the numbers of real accelerators come from stands in
`presets`.
"""

from dataclasses import dataclass
from enum import StrEnum


class SchedulingPolicy(StrEnum):
    """Order of the waiting queue, and with it who is preempted first. The names are vLLM's."""

    FCFS = "fcfs"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class StepCost:
    """Duration of one step: `base + tokens * token + resident KV tokens * kv_token`.

    Whole nanoseconds and picoseconds, so that a million steps add up without drift.

    Raises:
        ValueError: a negative coefficient, or a step that would take no time.
    """

    base_ns: int
    token_ps: int
    kv_token_ps: int

    def __post_init__(self) -> None:
        if self.base_ns < 1 or self.token_ps < 0 or self.kv_token_ps < 0:
            raise ValueError(
                "A step must take time: base_ns at least 1, token_ps and kv_token_ps at least 0."
            )

    def duration_ns(self, tokens: int, resident: int) -> int:
        """Nanoseconds of a step with `tokens` in its batch and `resident` tokens in the cache."""
        return self.base_ns + (self.token_ps * tokens + self.kv_token_ps * resident) // 1000


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Sizes of one engine, named after vLLM's flags.

    Raises:
        ValueError: sizes with which some admissible request could never finish.
    """

    cost: StepCost
    num_blocks: int
    max_model_len: int
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 8192
    block_size: int = 16
    scheduling_policy: SchedulingPolicy = SchedulingPolicy.FCFS

    def __post_init__(self) -> None:
        for name in ("num_blocks", "max_model_len", "max_num_seqs", "block_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise ValueError(
                f"max_num_batched_tokens ({self.max_num_batched_tokens}) must be at least"
                f" max_num_seqs ({self.max_num_seqs}): every running sequence decodes one per step."
            )
        if self.max_model_len > self.num_blocks * self.block_size:
            raise ValueError(
                f"max_model_len ({self.max_model_len}) does not fit into the KV cache of"
                f" {self.num_blocks} blocks of {self.block_size} tokens"
                f" ({self.num_blocks * self.block_size}): lower it or give more blocks."
            )
