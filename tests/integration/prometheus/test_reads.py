"""A real Prometheus that scrapes real sidecars in front of simulated engines."""

import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.prometheus.server import PrometheusServer
from tests.integration.sidecar.callers import Callers
from tests.integration.sidecar.processes import EngineProcess, SidecarProcess
from tests.unit.sidecar.plans import document
from tests.unit.sidecar.waiting import until
from tierfleet import plan
from tierfleet.controllers.prometheus import Prometheus, PrometheusError, Settings
from tierfleet.planning.measured import Sample, Sight, counts

INTERVAL = 5
NAMESPACE = "inference"
BUSY, IDLE = "llama-busy", "llama-idle"
SOON = plan.Tier(name="retail", priority=0, objectives=plan.Objectives(ttft_p99_milliseconds=1))
AT_ONCE = plan.Tier(name="retail", priority=0, objectives=plan.Objectives(queue_p99_milliseconds=1))


@pytest.mark.usefixtures("prometheus")
async def test_a_full_replica_gives_samples_that_count_and_an_idle_one_does_not(
    tmp_path: Path,
) -> None:
    plans = tmp_path / "plan.yaml"
    plans.write_text(yaml.safe_dump(document(reservations=[])))
    found: list[Sample] = []
    with (
        EngineProcess() as engine,
        SidecarProcess(plans, engine.url) as busy,
        SidecarProcess(plans, engine.url) as idle,
        PrometheusServer(
            tmp_path,
            [(_address(busy), NAMESPACE, BUSY), (_address(idle), NAMESPACE, IDLE)],
        ) as server,
    ):
        source = Prometheus(Settings(server.url, interval=INTERVAL))
        callers = Callers(busy.port)

        async def enough() -> bool:
            nonlocal found
            end = int(time.time())
            pods = await source.read(end - 3 * INTERVAL, end)
            assert not [one for one in pods.get((NAMESPACE, IDLE), []) if counts(one, ())]
            found = [one for one in pods.get((NAMESPACE, BUSY), []) if counts(one, ())]
            return len(found) >= 2 and (NAMESPACE, IDLE) in pods

        async with callers.calling(8):
            await until(enough)
            for one in found:
                assert one.full > 0.95
                assert one.first_token_p99["retail"] > 0
                assert not counts(one, [SOON]), "nobody gets a first token within 1 ms"
                assert one.queue_p99["retail"] > 0
                assert not counts(one, [AT_ONCE]), "six of eight callers wait for a seat"
            server.kill()
            with pytest.raises(PrometheusError) as caught:
                await source.read(0, INTERVAL)
            assert caught.value.sight is Sight.UNAVAILABLE
            killed = time.time()
            server.start()

            async def again() -> bool:
                return await enough() and min(one.end for one in found).timestamp() > killed

            await until(again)
        numbers = _numbers(busy)
    served = numbers["tierfleet_sidecar_served_service_tokens_total"]
    assert served == pytest.approx(numbers["cost"])
    assert max(one.served for one in found) * INTERVAL < served


def _numbers(sidecar: SidecarProcess) -> dict[str, float]:
    """What it counted itself, and the cost of all requests as `cost`."""
    with urllib.request.urlopen(f"{sidecar.admin}/metrics") as answer:  # noqa: S310
        text = answer.read().decode()
    found: dict[str, float] = {"cost": 0.0}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found[one.name] = one.value
            if one.labels.get("kind") == "cost":
                found["cost"] += one.value
    return found


def _address(sidecar: SidecarProcess) -> str:
    return sidecar.admin.removeprefix("http://")
