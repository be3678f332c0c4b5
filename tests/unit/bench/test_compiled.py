"""What is compiled into the wheel."""

import hatch_build
from bench.admission import compiled


def test_every_module_of_the_core_is_compiled_but_those_that_cannot_be() -> None:
    modules = {path.name for path in (compiled.SOURCE / "admission").glob("*.py")}
    listed = {f"{name}.py" for name in hatch_build.COMPILED["admission"].split()}
    assert listed == modules - compiled._INTERPRETED


def test_every_module_that_is_listed_is_there() -> None:
    for package, names in hatch_build.COMPILED.items():
        for name in names.split():
            assert (compiled.SOURCE / package / f"{name}.py").exists(), name
