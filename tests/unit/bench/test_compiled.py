"""What is compiled into the wheel."""

import hatch_build
from bench.admission.compiled import SOURCE

NOT_TO_BE_COMPILED = {"__init__", "interface", "supported", "types"}


def test_every_module_of_the_core_is_compiled_but_those_that_cannot_be() -> None:
    modules = {path.stem for path in (SOURCE / "admission").glob("*.py")}
    assert set(hatch_build.COMPILED["admission"].split()) == modules - NOT_TO_BE_COMPILED


def test_every_module_that_is_listed_is_there() -> None:
    for package, names in hatch_build.COMPILED.items():
        for name in names.split():
            assert (SOURCE / package / f"{name}.py").exists(), name
