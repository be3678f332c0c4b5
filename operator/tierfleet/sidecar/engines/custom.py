"""Any other server with OpenAI's API.

Many are built on one of the engines that are known and keep the names of its metrics: those are
read. One without metrics, or with other names, is gone by the sidecar's own count. It need not
have a `/health`: whoever answers without a server error serves.
"""

from tierfleet.sidecar.engines import sglang, tensorrt_llm, vllm
from tierfleet.sidecar.engines.adapter import Adapter

CUSTOM = Adapter(
    dialects=(vllm.DIALECT, sglang.DIALECT, tensorrt_llm.DIALECT), any_answer_is_healthy=True
)
