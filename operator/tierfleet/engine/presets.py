"""Engines by name: what they run, on what, and where each number comes from.

Most GPU and TPU presets are *derived* from data sheets by `derive`; nobody measured them here. The
others are *fitted* to measurements. Both kinds say so in their `source`. Pure arithmetic.

The derivation is a roofline without its corner: what a step reads and what it computes are added,
where hardware overlaps them. That errs on the slow side by at most a factor of two, at the batch
size where both take equally long, and it keeps a step's time linear in what the scheduler decides.
"""

from dataclasses import dataclass

from tierfleet.engine.config import EngineConfig, StepCost

# vLLM's `--gpu-memory-utilization` default is 0.9.
MEMORY_UTILIZATION_PERCENT = 90
# Assumed: activations, communication buffers and captured graphs, per device.
OVERHEAD_BYTES_PER_DEVICE = 4_000_000_000
# Assumed: fraction of the data sheet's peak that well-tuned kernels reach. Large weight reads get
# 70-85 % of the memory bandwidth, large prompt matrices 40-60 % of the arithmetic.
BANDWIDTH_EFFICIENCY_PERCENT = 75
COMPUTE_EFFICIENCY_PERCENT = 50
# Assumed: one small all-reduce among the devices of one board, launch included.
ALL_REDUCE_NS = 10_000
# Tensor parallelism adds up the parts after attention and after the MLP: two a layer
# (Megatron-LM, arXiv 1909.08053, section 3).
ALL_REDUCES_PER_LAYER = 2


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One device, from its data sheet; bandwidth per second, arithmetic without sparsity."""

    name: str
    memory_bytes: int
    bandwidth_bytes: int
    flops: int
    source: str


@dataclass(frozen=True, slots=True)
class Model:
    """One set of weights as it is loaded, from its published configuration."""

    name: str
    parameters: int
    bytes_per_parameter: int
    layers: int
    kv_heads: int
    head_dim: int
    bytes_per_kv_value: int
    max_model_len: int
    source: str

    @property
    def weight_bytes(self) -> int:
        """All weights; each of them is read once in every step."""
        return self.parameters * self.bytes_per_parameter

    @property
    def kv_bytes_per_token(self) -> int:
        """One key and one value per layer and KV head."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.bytes_per_kv_value


@dataclass(frozen=True, slots=True)
class Preset:
    """A named engine."""

    name: str
    model: str
    config: EngineConfig
    source: str


def step_cost(model: Model, accelerator: Accelerator, devices: int) -> StepCost:
    """The three coefficients from first principles.

    - base: every weight is read once, and the devices wait for each other in every layer;
    - per token: two operations per parameter (one multiplication, one addition);
    - per resident token: its keys and values are read once.
    """
    bandwidth = devices * accelerator.bandwidth_bytes * BANDWIDTH_EFFICIENCY_PERCENT // 100
    flops = devices * accelerator.flops * COMPUTE_EFFICIENCY_PERCENT // 100
    reduce_ns = ALL_REDUCES_PER_LAYER * model.layers * ALL_REDUCE_NS if devices > 1 else 0
    return StepCost(
        base_ns=model.weight_bytes * 10**9 // bandwidth + reduce_ns,
        token_ps=2 * model.parameters * 10**12 // flops,
        kv_token_ps=model.kv_bytes_per_token * 10**12 // bandwidth,
    )


def kv_blocks(model: Model, accelerator: Accelerator, devices: int, block_size: int) -> int:
    """Blocks that fit beside the weights in the memory that vLLM takes for itself."""
    usable = accelerator.memory_bytes * MEMORY_UTILIZATION_PERCENT // 100
    free = devices * (usable - OVERHEAD_BYTES_PER_DEVICE) - model.weight_bytes
    return free // (model.kv_bytes_per_token * block_size)


def derive(
    name: str,
    model: Model,
    accelerator: Accelerator,
    devices: int,
    max_num_batched_tokens: int = 8192,
) -> Preset:
    """A preset from data sheets, with 256 seats and blocks of 16 tokens."""
    return Preset(
        name,
        model.name,
        EngineConfig(
            cost=step_cost(model, accelerator, devices),
            num_blocks=kv_blocks(model, accelerator, devices, block_size=16),
            max_model_len=model.max_model_len,
            max_num_batched_tokens=max_num_batched_tokens,
        ),
        f"derived: {model.name} on {devices}x {accelerator.name};"
        f" {accelerator.source}; {model.source}",
    )


H100 = Accelerator(
    "NVIDIA H100 SXM",
    memory_bytes=80_000_000_000,
    bandwidth_bytes=3_350_000_000_000,
    # FP8: 3,958 TFLOPS with sparsity, half without.
    flops=1_979_000_000_000_000,
    source="NVIDIA H100 data sheet: 80 GB, 3.35 TB/s, 1,979 TFLOPS FP8",
)
B200 = Accelerator(
    "NVIDIA B200",
    # DGX B200, a board of 8: 1,440 GB, 64 TB/s, 72 PFLOPS FP8 with sparsity.
    memory_bytes=180_000_000_000,
    bandwidth_bytes=8_000_000_000_000,
    flops=4_500_000_000_000_000,
    source="NVIDIA DGX B200 data sheet / 8: 180 GB, 8 TB/s, 4,500 TFLOPS FP8",
)
TPU_V5P = Accelerator(
    "TPU v5p",
    memory_bytes=95_000_000_000,
    bandwidth_bytes=2_765_000_000_000,
    # It has no FP8 units, hence BF16 weights below.
    flops=459_000_000_000_000,
    source="Google Cloud TPU v5p documentation: 95 GB, 2,765 GB/s, 459 TFLOPS BF16",
)

_LLAMA_SOURCE = "meta-llama/Llama-3.3-70B-Instruct model card and config.json"
LLAMA_70B_FP8 = Model(
    "meta-llama/Llama-3.3-70B-Instruct",
    parameters=70_600_000_000,
    bytes_per_parameter=1,
    layers=80,
    kv_heads=8,
    head_dim=128,
    # vLLM's `--kv-cache-dtype auto` keeps BF16 beside FP8 weights.
    bytes_per_kv_value=2,
    max_model_len=131_072,
    source=f"{_LLAMA_SOURCE}, FP8 weights",
)
LLAMA_70B_BF16 = Model(
    "meta-llama/Llama-3.3-70B-Instruct",
    parameters=70_600_000_000,
    bytes_per_parameter=2,
    layers=80,
    kv_heads=8,
    head_dim=128,
    bytes_per_kv_value=2,
    max_model_len=131_072,
    source=f"{_LLAMA_SOURCE}, BF16 weights",
)


# One core of a virtual machine, vLLM 0.32 with float32 weights, --max-num-seqs 8, --max-model-len
# 2048 and 1 GiB of KV cache.
def _cpu(name: str, model: str, cost: StepCost, kv_bytes_per_token: int) -> Preset:
    return Preset(
        name,
        model,
        EngineConfig(
            cost=cost,
            num_blocks=2**30 // (kv_bytes_per_token * 16),
            max_model_len=2048,
            max_num_seqs=8,
            max_num_batched_tokens=2048,
        ),
        f"fitted: vLLM 0.32 on one CPU core, float32, 8 seats; {model}, random weights",
    )


# 8 * 12 * 1024**2 = 100.7 M parameters, and 2 * 8 * 1024 * 4 bytes of keys and values a token.
# `python -m bench.vllm.calibrate` fits the three numbers to loads of several kinds, whose steps the
# model knows one by one. A test replays loads that the fit has not seen; docs/results.md has all of
# them, with the error.
CPU = _cpu(
    "cpu",
    "llama-8-layers-of-1024",
    StepCost(base_ns=29_519_661, token_ps=2_167_958_879, kv_token_ps=6_408_210),
    kv_bytes_per_token=65_536,
)
# Fitted by hand to another day's flood, with its answers streamed: time to first token of a short
# request behind 64 long ones 3.08 s first come first served, 0.28 s with priority. Behind 64
# requests on 8 seats it waits for all of 8 rounds, with priority for what is left of the first. How
# long the long ones were was not noted; assumed are 16 prompt and 128 output tokens.
#
# (3.08 - 0.28) / 7 = 0.4 s a round, 3.1 ms a step. Weights and KV cache are negligible: this is the
# time of vLLM's own loop, and how it splits between step and token is a guess. The other 4 ms of
# the request alone are HTTP and tokenizer, which the model does not contain.
CPU_TINY = _cpu(
    "cpu-tiny",
    "llama-2-layers-of-64",
    StepCost(base_ns=2_985_000, token_ps=17_500_000, kv_token_ps=0),
    kv_bytes_per_token=2 * 2 * 64 * 4,
)

# The engine of the VTC paper (arXiv 2401.00588): S-LoRA's runtime with Llama-2-7B in FP16 on one
# A10G with 24 GB, of which it gives 10,000 tokens to the KV cache; up to 3,072 tokens of prompt are
# computed together. Its authors publish when each request got its first and last token
# (github.com/Ying1123/VTC-artifact, fair_bench). From there, for requests of 256 + 256 tokens:
#
# - 11 prompts at once hold up all others for 0.8 s: 0.28 ms a token;
# - with 7 running, a request takes 8.6 s for its answer, the prompts of others aside;
# - 20 that run together, first come first served, take 11.7 s from one round to the next.
#
# The last two give base and KV cache, and a test replays them. That engine looks at its queue in
# every tenth step only: what it loses by that is in the rounds, and so in these numbers.
A10G = Preset(
    "a10g",
    "meta-llama/Llama-2-7b-hf",
    EngineConfig(
        cost=StepCost(base_ns=30_300_000, token_ps=280_000_000, kv_token_ps=520_000),
        num_blocks=625,
        max_model_len=4096,
        max_num_batched_tokens=3072,
    ),
    "fitted: Llama-2-7B on one A10G with 10,000 tokens of KV cache; request times published with"
    " the VTC paper, arXiv 2401.00588",
)

PRESETS = {
    preset.name: preset
    for preset in (
        derive("h100", LLAMA_70B_FP8, H100, devices=4),
        derive("b200", LLAMA_70B_FP8, B200, devices=2),
        # Smaller prompt chunks, or a step full of prompt would take 1.3 s on this device.
        derive("tpu-v5p", LLAMA_70B_BF16, TPU_V5P, devices=4, max_num_batched_tokens=2048),
        A10G,
        CPU,
        CPU_TINY,
    )
}
