"""The engine container: arguments, devices, restricted by default.

It listens on loopback only, so its start is probed, and its drain is started, through the sidecar.
"""

from tierfleet.api import InferencePool
from tierfleet.api.accelerator import Accelerator
from tierfleet.api.corev1 import SecurityContext
from tierfleet.api.engine import Engine, EngineType
from tierfleet.api.inferencepool import ServedModel
from tierfleet.manifests.metadata import Raw

NAME = "engine"
SHARED_MEMORY_VOLUME = "shared-memory"
TEMPORARY_VOLUME = "temporary"
MODELS_VOLUME = "models"
MODELS_PATH = "/models"

_TEMPORARY_PATH = "/tmp"  # noqa: S108 - a volume of the pod's own
_PROBE_PERIOD_SECONDS = 10
_PARALLELISM = (
    "--tensor-parallel-size",
    "-tp",
    "--pipeline-parallel-size",
    "-pp",
    "--data-parallel-size",
    "-dp",
)


def container(pool: InferencePool, accelerator: Accelerator, hook_token: str) -> Raw:
    """The engine that answers the sidecar; the hook token opens the sidecar's `/drain`."""
    engine = pool.spec.engine.overridden_by(accelerator.engine)
    admin_port = pool.spec.sidecar.admin_port
    return {
        **_process(engine, accelerator, _args(pool.spec.model, engine, accelerator)),
        "startupProbe": {
            # The port is the sidecar's: the kubelet asks the pod's address, whoever listens there.
            "httpGet": {"path": "/enginez", "port": admin_port},
            "timeoutSeconds": 5,
            "periodSeconds": _PROBE_PERIOD_SECONDS,
            "failureThreshold": -(-engine.startup_timeout_seconds // _PROBE_PERIOD_SECONDS),
        },
        "lifecycle": {
            "preStop": {
                "httpGet": {
                    "path": "/drain",
                    "port": admin_port,
                    "httpHeaders": [{"name": "Authorization", "value": f"Bearer {hook_token}"}],
                }
            }
        },
    }


def worker(pool: InferencePool, accelerator: Accelerator) -> Raw:
    """The engine's part on another node than the one that answers: it listens for no request."""
    engine = pool.spec.engine.overridden_by(accelerator.engine)
    return _process(engine, accelerator, _worker_args(pool.spec.model, engine, accelerator))


def _process(engine: Engine, accelerator: Accelerator, args: list[str]) -> Raw:
    """The engine on one node."""
    resources = engine.resources.to_raw()
    devices = {accelerator.resource: str(accelerator.devices_per_replica)}
    return {
        "name": NAME,
        "image": engine.image,
        "args": args,
        "env": _env(engine),
        "resources": {**resources, "limits": {**resources.get("limits", {}), **devices}},
        "securityContext": _security_context(engine.security_context),
        "volumeMounts": _mounts(engine),
    }


def _args(model: ServedModel, engine: Engine, accelerator: Accelerator) -> list[str]:
    """What the spec says elsewhere, then what it gives as args."""
    if engine.type is not EngineType.VLLM:
        return list(engine.args)
    return [
        *_model(model),
        *("--host", "127.0.0.1", "--port", str(engine.port)),
        *_schedule(engine),
        *_parallel(engine, accelerator),
        *engine.args,
    ]


def _worker_args(model: ServedModel, engine: Engine, accelerator: Accelerator) -> list[str]:
    """The same engine without a server; only `vllm serve` knows --headless."""
    if engine.type is not EngineType.VLLM:
        return list(engine.args)
    return [
        "--headless",
        *_model(model),
        *_schedule(engine),
        *_parallel(engine, accelerator),
        *engine.args,
    ]


def _model(model: ServedModel) -> list[str]:
    source = (model.source or "").removeprefix("hf://")
    return ["--model", source, "--served-model-name", model.name, *model.aliases]


def _schedule(engine: Engine) -> list[str]:
    return ["--max-num-seqs", str(engine.max_sequences), "--scheduling-policy", "priority"]


def _parallel(engine: Engine, accelerator: Accelerator) -> list[str]:
    """Tensors over the devices of a node and layers over the nodes, unless args say otherwise.

    What crosses nodes is then least. The kubelet fills in what LeaderWorkerSet sets in the
    environment: which of the nodes this is, and where the first one is.
    """
    devices, nodes = accelerator.devices_per_replica, accelerator.nodes_per_replica
    options = []
    if not any(arg.split("=")[0] in _PARALLELISM for arg in engine.args):
        options += ["--tensor-parallel-size", str(devices)] if devices > 1 else []
        options += ["--pipeline-parallel-size", str(nodes)] if nodes > 1 else []
    if nodes > 1:
        options += ["--nnodes", str(nodes), "--node-rank", "$(LWS_WORKER_INDEX)"]
        options += ["--master-addr", "$(LWS_LEADER_ADDRESS)"]
    return options


def _env(engine: Engine) -> list[Raw]:
    """Caches go where the container may write; a variable of the spec's wins."""
    cache = MODELS_PATH if engine.model_cache else f"{_TEMPORARY_PATH}/models"
    ours = {"HOME": _TEMPORARY_PATH, "HF_HOME": cache}
    given = {variable.name for variable in engine.env}
    return [
        *({"name": name, "value": value} for name, value in ours.items() if name not in given),
        *(variable.to_raw() for variable in engine.env),
    ]


def _security_context(given: SecurityContext) -> Raw:
    """Pod Security Standard `restricted`, apart from what the spec sets."""
    wanted = given.to_raw()
    return {
        "allowPrivilegeEscalation": bool(given.privileged),
        "readOnlyRootFilesystem": True,
        **wanted,
        "capabilities": {"drop": ["ALL"], **wanted.get("capabilities", {})},
    }


def _mounts(engine: Engine) -> list[Raw]:
    mounts = [
        {"name": SHARED_MEMORY_VOLUME, "mountPath": "/dev/shm"},  # noqa: S108 - as above
        {"name": TEMPORARY_VOLUME, "mountPath": _TEMPORARY_PATH},
    ]
    if engine.model_cache:
        mounts.append({"name": MODELS_VOLUME, "mountPath": MODELS_PATH})
    return mounts
