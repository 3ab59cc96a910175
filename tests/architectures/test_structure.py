"""Families, and the planning of models that do not run here, keep to themselves."""

from __future__ import annotations

import subprocess
import sys

from imports import PACKAGE, REPOSITORY, imports

from parrotlet import architectures

FOREIGN = "parrotlet.memory.hf"
FAMILIES = {path.parent.name for path in PACKAGE.glob("architectures/*/sizes.py")}
MOST_LINES = 450
SOURCES = ("*.py", "*.cpp", "*.h", "*.inl")


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_models_that_are_not_run_are_fenced() -> None:
    """One line registers them; nothing else outside of their folder knows them."""
    found = [
        name
        for name, modules in imports().items()
        if not inside(name, FOREIGN) and any(inside(module, FOREIGN) for module in modules)
    ]
    assert found == ["parrotlet.memory.sources"]


def test_families_do_not_know_each_other() -> None:
    assert {"conformer", "lmu"} <= FAMILIES
    for family in FAMILIES:
        others = [f"parrotlet.architectures.{other}" for other in FAMILIES - {family}]
        for name, modules in imports().items():
            if inside(name, f"parrotlet.architectures.{family}"):
                wrong = [m for m in modules if any(inside(m, other) for other in others)]
                assert wrong == [], name


def test_few_modules_know_a_family() -> None:
    """The registry does, and who reads or plans what others saved of NeMo's models."""
    families = [f"parrotlet.architectures.{name}" for name in FAMILIES]
    found = {
        name
        for name, modules in imports().items()
        if not any(inside(name, family) for family in families)
        and any(inside(module, family) for module in modules for family in families)
    }
    assert found == {
        "parrotlet.architectures",
        "parrotlet._convert.foreign.configuration",
        "parrotlet._convert.foreign.crispasr",
        "parrotlet._convert.transformers_model",
        "parrotlet.memory.hf.models",
    }


def test_names_and_classes_are_of_one_family() -> None:
    families = architectures.FAMILIES
    for named in ([f.name for f in families], [c for f in families for c in f.nemo_classes]):
        assert len(set(named)) == len(named) > 0


def test_files_are_not_long() -> None:
    long = {
        str(path.relative_to(REPOSITORY))
        for folder in ("python", "convert", "csrc", "bench", "fuzz", "tests")
        for pattern in SOURCES
        for path in (REPOSITORY / folder).rglob(pattern)
        if len(path.read_text("utf-8").splitlines()) > MOST_LINES
    }
    assert long == set()


def test_parts_of_families_and_their_users_can_be_imported_first() -> None:
    """Whoever comes first: memory and bench find the parts that stand on them by name."""
    parts = [n for n in imports() if n.startswith("parrotlet.architectures.")]
    names = [n for n in parts if n.endswith((".memory", ".work"))]
    names += ["parrotlet.memory", "parrotlet.memory.hf", "parrotlet.bench"]
    assert len(names) > 6
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for known in [m for m in sys.modules if m.partition('.')[0] == 'parrotlet']:\n"
        "        if not known.startswith('parrotlet._core'):\n"
        "            del sys.modules[known]\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
