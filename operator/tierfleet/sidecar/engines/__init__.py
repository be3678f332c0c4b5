"""The engines that a sidecar can stand in front of: one small file each, as data. Pure.

    dialect.py   names of metrics, and what is read by them
    adapter.py   all that differs between engines
    vllm.py, sglang.py, tensorrt_llm.py, custom.py

Which one it is, the plan says (`engineType`). A new engine is a file here and a row below.
"""

from tierfleet.plan import EngineType
from tierfleet.sidecar.engines.adapter import Adapter
from tierfleet.sidecar.engines.custom import CUSTOM
from tierfleet.sidecar.engines.dialect import Amount, Dialect
from tierfleet.sidecar.engines.sglang import SGLANG
from tierfleet.sidecar.engines.tensorrt_llm import TENSORRT_LLM
from tierfleet.sidecar.engines.vllm import VLLM

ADAPTERS = {
    EngineType.VLLM: VLLM,
    EngineType.TENSORRT_LLM: TENSORRT_LLM,
    EngineType.SGLANG: SGLANG,
    EngineType.CUSTOM: CUSTOM,
}

__all__ = ["ADAPTERS", "Adapter", "Amount", "Dialect"]
