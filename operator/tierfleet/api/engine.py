"""The containers of a pool's replica: the engine and the sidecar in front of it.

Declares what a person writes about them. How a pod is made of it is not known here.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tierfleet.api.common import (
    ImageName,
    Model,
    ObjectName,
    PortNumber,
    Quantity,
    Ref,
    Seconds,
    Text,
)
from tierfleet.api.corev1 import EnvVar, ResourceRequirements, SecurityContext
from tierfleet.api.schema import ATOMIC_LIST, Rule, keyed_by

GENERATED_ARGS = {
    "--model": "set spec.model.source instead",
    "--served-model-name": "set spec.model.name and spec.model.aliases instead",
    "--max-num-seqs": "set maxSequences instead",
    "--port": "set spec.engine.port instead",
    "--host": "leave it out, the engine listens on loopback only",
    "--scheduling-policy": "leave it out, the order is decided by spec.policyRef",
    "--nnodes": "set nodesPerReplica instead",
    "-n": "set nodesPerReplica instead",
    "--node-rank": "leave it out, nodesPerReplica generates it",
    "-r": "leave it out, nodesPerReplica generates it",
    "--master-addr": "leave it out, nodesPerReplica generates it",
    "--headless": "leave it out, nodesPerReplica generates it",
}
"""Arguments of vLLM that the operator generates, and what to do instead of writing them."""

Args = Annotated[tuple[Text, ...], Field(max_length=128, json_schema_extra=ATOMIC_LIST)]
EnvVars = Annotated[tuple[EnvVar, ...], Field(max_length=128, json_schema_extra=keyed_by("name"))]
SeatCount = Annotated[int, Field(ge=1, le=65_536)]


class EngineType(StrEnum):
    """Which engine serves the model; Custom is any server with OpenAI's API."""

    VLLM = "VLLM"
    TENSORRT_LLM = "TensorRTLLM"
    SGLANG = "SGLang"
    CUSTOM = "Custom"


class ModelCache(Model):
    """Where model files are kept between starts."""

    persistent_volume_claim: ObjectName
    """PersistentVolumeClaim in the same namespace. With several nodes it must be ReadWriteMany or
    ReadOnlyMany."""


class EngineOverride(Model):
    """What differs from spec.engine on one accelerator."""

    image: ImageName | None = None
    """Image, instead of the pool's."""
    args: Args = ()
    """Arguments, added after the pool's."""
    env: EnvVars = ()
    """Environment variables, added to the pool's; one of the same name replaces it."""
    resources: ResourceRequirements | None = None
    """Compute resources, instead of the pool's."""
    max_sequences: SeatCount | None = None
    """Seats, instead of the pool's."""


class Engine(Model):
    """The inference engine."""

    type: EngineType = EngineType.VLLM
    """VLLM, TensorRTLLM, SGLang or Custom. It decides which arguments are generated, which metrics
    are read, and how requests are aborted. Custom is any server with OpenAI's API: no argument is
    generated for it, so args must make it listen on 127.0.0.1 and the port below."""
    image: ImageName
    """Container image, pinned by tag or digest."""
    max_sequences: SeatCount = 256
    """Seats: sequences that one replica runs at once. Generates --max-num-seqs for VLLM; for Custom
    it must be what the engine really runs."""
    args: Args = ()
    """More arguments. Those that other fields generate are refused."""
    env: EnvVars = ()
    """Environment variables."""
    resources: ResourceRequirements = ResourceRequirements()
    """Compute resources of the container, without accelerators."""
    security_context: SecurityContext = SecurityContext()
    """Security settings. By default those of the restricted Pod Security Standard, with a read-only
    root file system; loosen here what the image cannot do without."""
    image_pull_secrets: Annotated[
        tuple[Ref, ...], Field(max_length=16, json_schema_extra=keyed_by("name"))
    ] = ()
    """Secrets to pull the images with."""
    port: PortNumber = 8000
    """Port on loopback that the engine listens on. Nothing outside the pod can reach it."""
    startup_timeout_seconds: Seconds = 1800
    """Longest that loading the model may take; after it the container is restarted. The terms of
    reservations are planned ahead by as much."""
    shared_memory: Quantity = "16Gi"
    """Size limit of /dev/shm, which several accelerators in one replica talk through. What is used
    counts as memory of the container."""
    model_cache: ModelCache | None = None
    """Where model files are kept between starts. Left out: every start downloads them."""

    def overridden_by(self, override: EngineOverride) -> "Engine":
        """The engine as it is on one accelerator.

        Args are added, env is merged by name, the rest is replaced where the override has it.
        """
        names = {variable.name for variable in override.env}
        return self.model_copy(
            update={
                "image": override.image or self.image,
                "args": (*self.args, *override.args),
                "env": (*(v for v in self.env if v.name not in names), *override.env),
                "resources": override.resources or self.resources,
                "max_sequences": override.max_sequences or self.max_sequences,
            }
        )


class Sidecar(Model):
    """The tierfleet sidecar: the only way to the engine."""

    image: ImageName
    """Container image, pinned here so that an upgrade of the operator alone changes no pod."""
    port: PortNumber = 8080
    """Port that requests are served on."""
    admin_port: PortNumber = 9090
    """Port of metrics, probes and inspection."""
    resources: ResourceRequirements = ResourceRequirements()
    """Compute resources of the container."""


_FLAGS = "{" + ", ".join(f"'{flag}': '{advice}'" for flag, advice in GENERATED_ARGS.items()) + "}"
_IS_GENERATED = f"arg.split('=')[0].replace('_', '-') in {_FLAGS}"
_WITH_GENERATED = (
    "self.accelerators.filter(a, has(a.engine) && has(a.engine.args) "
    f"&& a.engine.args.exists(arg, {_IS_GENERATED}))"
)


def _message(arg: str) -> str:
    return f"'must not contain ' + {arg} + ': ' + {_FLAGS}[{arg}.split('=')[0].replace('_', '-')]"


GENERATED_ARGS_RULES = (
    Rule(
        "self.engine.type == 'Custom' || !has(self.engine.args) || "
        f"!self.engine.args.exists(arg, {_IS_GENERATED})",
        "must not contain an argument that another field generates",
        ".engine.args",
        _message(f"self.engine.args.filter(arg, {_IS_GENERATED})[0]"),
    ),
    Rule(
        f"self.engine.type == 'Custom' || {_WITH_GENERATED}.size() == 0",
        "must not contain an engine argument that another field generates",
        ".accelerators",
        _message(f"{_WITH_GENERATED}[0].engine.args.filter(arg, {_IS_GENERATED})[0]"),
    ),
)
"""For a pool's spec, because the type that decides stands beside the accelerators."""
