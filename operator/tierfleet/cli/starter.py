"""The plan that `tierfleet plan init` writes: small, whole, and explained where it is read. Pure.

Its comments are for somebody who sees a plan for the first time; every field is in docs/plan-v1.md.
"""

import json
from dataclasses import dataclass

from tierfleet.plan import EngineType, sha256_hex


@dataclass(frozen=True, slots=True)
class Keys:
    """The secrets of a new plan, in clear; the plan itself has their SHA-256.

    Attributes:
        acme: API key of the tenant with a contract.
        hobby: API key of the tenant without one.
        admin: token for the admin port.
    """

    acme: str
    hobby: str
    admin: str

    def told(self) -> str:
        """For the terminal, once: nobody can read them again from the plan."""
        return (
            f"API key of acme   {self.acme}\n"
            f"API key of hobby  {self.hobby}\n"
            f"admin token       {self.admin}\n"
        )


DEMO = Keys("demo-acme", "demo-hobby", "demo-admin")
"""Known to everybody."""


def plan(model: str, engine_type: EngineType, group: str, seats: int, keys: Keys) -> str:
    """A plan in YAML, with comments.

    Args:
        model: as the engine names it.
        engine_type: of the engine.
        group: of the one replica.
        seats: sequences that the engine runs at once.
        keys: of its two tenants and its admin port.
    """
    return _TEMPLATE.format(
        model=json.dumps(model),
        engine_type=engine_type,
        group=json.dumps(group),
        seats=seats,
        acme=sha256_hex(keys.acme),
        hobby=sha256_hex(keys.hobby),
        admin=sha256_hex(keys.admin),
    )


_TEMPLATE = """\
# A plan for one sidecar in front of one engine. Change it while the sidecar runs: what is saved is
# in force a second later, and a mistake is refused whole. Before: tierfleet plan check FILE
schemaVersion: v1

# For logs and metrics.
pool: {{name: standalone}}

model:
  name: {model}  # as the engine names it
  aliases: [default]  # other names that callers may give

# VLLM, SGLang, TensorRTLLM or Custom, which is any server with OpenAI's API.
engineType: {engine_type}

groups:
- name: {group}  # what the sidecar is given as --group
  accelerator: any
  desired: 1  # replicas; each has a sidecar of its own and enforces its part
  maxSequences: {seats}  # as many as the engine runs at once: --max-num-seqs of vLLM
  # What one replica can do, in service tokens a second (a prompt token is 1, an output token 4).
  # Measure it under load: tierfleet_sidecar_service_tokens_total on the admin port.
  serviceTokensPerSecond: 14000

# Who goes first. A higher priority is sooner; equals share by weight.
tiers:
- name: enterprise
  priority: 100
- name: retail
  priority: 0
  limits: {{requestsPerMinute: 500}}  # also tokensPerMinute, for each tenant
  queue: {{maxRequests: 1000, maxWaitMilliseconds: 30000}}

# What is promised to whom, whatever others do. Left out: nothing is.
reservations:
- uid: acme-1
  name: acme
  tenants: [acme]
  declared: {{serviceTokensPerSecond: 4200}}
  granted: 4200  # service tokens a second, of those above

# Who calls. Keys are SHA-256, never in clear: printf %s "$KEY" | sha256sum
# To change a key: add the new one beside the old, and take the old one out when nobody uses it.
tenants:
- name: acme
  tier: enterprise
  keys: ["{acme}"]
- name: hobby
  tier: retail
  keys: ["{hobby}"]

# Opens /planz, /queuez and /drain on the admin port.
adminTokenSha256: "{admin}"
"""
