from pathlib import Path

from e2e.demo.mount import write


def test_a_reader_sees_one_version_or_the_other(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    write(folder, {"index.json": b"1", "tenants-0.json": b"a"})
    opened = (folder / "..data").resolve()
    write(folder, {"index.json": b"2", "tenants-0.json": b"b"})
    assert (folder / "index.json").read_bytes() == b"2"
    assert (folder / "..data").resolve() != opened
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith("..")) == [
        "index.json",
        "tenants-0.json",
    ]
    assert len([path for path in folder.iterdir() if path.name.startswith("..")]) == 2
