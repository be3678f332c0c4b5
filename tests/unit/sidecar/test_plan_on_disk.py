"""The plan on disk: files, directories of parts, and how a change is followed."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.unit.sidecar.plans import document, plan
from tierfleet.plan import MixedPartsError, Plan, PlanError, split
from tierfleet.sidecar import planwatch
from tierfleet.sidecar.metrics import Metrics
from tierfleet.sidecar.plansource import PlanSource
from tierfleet.sidecar.planwatch import PlanWatch


class Volume:
    """A projected volume as the kubelet writes it: a new directory, then one link is moved."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = 0
        path.mkdir()

    def write(self, parts: Mapping[str, bytes]) -> None:
        self._turn += 1
        folder = self.path / f"..{self._turn}"
        folder.mkdir()
        for name, data in parts.items():
            (folder / name).write_bytes(data)
            link = self.path / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        fresh = self.path / "..data_tmp"
        fresh.symlink_to(folder.name)
        fresh.rename(self.path / "..data")


class Follower:
    """Remembers the plans that were put in force."""

    def __init__(self, path: Path) -> None:
        self.metrics = Metrics()
        self.plans: list[Plan] = []
        self.watch = PlanWatch(PlanSource(path), self.plans.append, self.metrics)

    async def look(self) -> None:
        await self.watch._look()


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump])
def test_a_file_is_read_as_json_or_yaml(tmp_path: Path, dump: object) -> None:
    assert callable(dump)
    path = tmp_path / "plan"
    path.write_text(dump(document()))
    assert PlanSource(path).read() == plan()


def test_a_directory_is_read_as_parts(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "plan")
    volume.write(split(plan()))
    assert PlanSource(volume.path).read() == plan()


def test_a_directory_without_the_kubelets_link_is_read_too(tmp_path: Path) -> None:
    for name, data in split(plan()).items():
        (tmp_path / name).write_bytes(data)
    assert PlanSource(tmp_path).read() == plan()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "neither JSON nor YAML at line 1"),
        ("- 1", "must be a mapping"),
        ("schemaVersion: v2", "schemaVersion"),
        ("tiers:\n- name: a\n  name: b\n", "'name' stands twice in one mapping, again at line 3"),
        ('{"tiers": [],\n "tiers": []}', "'tiers' stands twice in one mapping, again at line 2"),
    ],
)
def test_a_file_that_is_no_plan_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(PlanError, match=said):
        PlanSource(path).read()


def test_a_file_that_is_not_text_or_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="nothing is there"):
        PlanSource(tmp_path / "missing").read()
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError):
        PlanSource(path).read()


def test_parts_of_two_versions_are_not_a_plan(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "plan")
    new = plan(tenants=[])
    volume.write({**split(plan()), "index.json": split(new)["index.json"]})
    with pytest.raises(MixedPartsError):
        PlanSource(volume.path).read()


async def test_a_change_is_put_in_force_once(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "plan")
    volume.write(split(plan()))
    follower = Follower(volume.path)
    await follower.watch.start()
    await follower.look()
    changed = plan(tenants=[])
    volume.write(split(changed))
    await follower.look()
    await follower.look()
    assert follower.plans == [plan(), changed]
    assert follower.watch.since > 0


async def test_a_directory_that_is_still_empty_is_waited_for(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "plan")
    follower = Follower(volume.path)
    await follower.watch.start()
    assert follower.plans == []
    volume.write(split(plan()))
    await follower.look()
    assert follower.plans == [plan()]


async def test_parts_that_are_being_updated_are_waited_for_without_a_complaint(
    tmp_path: Path,
) -> None:
    volume = Volume(tmp_path / "plan")
    volume.write(split(plan()))
    follower = Follower(volume.path)
    await follower.watch.start()
    changed = plan(tenants=[])
    volume.write({**split(plan()), "index.json": split(changed)["index.json"]})
    await follower.look()
    assert follower.watch.last_error == ""
    volume.write(split(changed))
    await follower.look()
    assert follower.plans == [plan(), changed]


async def test_parts_that_never_fit_together_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planwatch, "_MIXED_FOR_TOO_LONG", 0.0)
    volume = Volume(tmp_path / "plan")
    volume.write({"index.json": split(plan())["index.json"]})
    follower = Follower(volume.path)
    await follower.watch.start()
    await follower.look()
    assert "do not fit together" in follower.watch.last_error
    assert follower.plans == []


async def test_a_bad_plan_is_refused_once_and_the_last_good_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(document()))
    follower = Follower(path)
    await follower.watch.start()
    path.write_text(json.dumps(document(tiers=[])))
    await follower.look()
    await follower.look()
    assert follower.plans == [plan()]
    assert "tiers" in follower.watch.last_error
    assert len([r for r in caplog.records if "refused" in r.message]) == 1
    path.write_text(json.dumps(document()))
    await follower.look()
    assert follower.watch.last_error == ""


async def test_a_plan_that_is_not_for_this_replica_is_refused_like_a_bad_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(document()))

    def adopt(new: Plan) -> None:
        new.group("b200")

    watch = PlanWatch(PlanSource(path), adopt, Metrics())
    with pytest.raises(PlanError, match="b200"):
        await watch.start()
    await watch._look()
    assert "b200" in watch.last_error


async def test_a_plan_that_disappears_is_reported_and_stays_in_force(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(document()))
    follower = Follower(path)
    await follower.watch.start()
    path.unlink()
    await follower.look()
    assert follower.plans == [plan()]
    assert "nothing is there" in follower.watch.last_error
