"""Who imports whom: what the folders of the package promise each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import parrotlet

ROOT = Path(parrotlet.__file__).parent
CONVERTER = "parrotlet._convert"
FOREIGN = "parrotlet.memory.hf"
EXTENSION = "parrotlet._core"
MOST_LINES = 450


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports_of(name: str) -> list[str]:
    """Modules that a module imports at any time, also in functions and for type checkers."""
    path = FILES[name]
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
            modules = [f"{base}.{alias.name}" for alias in node.names]
            found += [module if module in (*FILES, EXTENSION) else base for module in modules]
    return found


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("package", ["architectures", "bench", "memory"])
def test_what_is_shared_with_the_converter_lies_below_it(package: str) -> None:
    found = {
        (name, module)
        for name in FILES
        if inside(name, f"parrotlet.{package}")
        for module in imports_of(name)
        if inside(module, CONVERTER)
    }
    assert found == set()


def test_models_that_are_not_run_are_fenced() -> None:
    """One line registers them; nothing else outside of their folder knows them."""
    found = [
        name
        for name in FILES
        if not inside(name, FOREIGN)
        for module in imports_of(name)
        if inside(module, FOREIGN)
    ]
    assert found == ["parrotlet.memory.sources"]


def test_families_do_not_know_each_other() -> None:
    families = {path.parent.name for path in ROOT.glob("architectures/*/sizes.py")}
    assert {"conformer", "lmu"} <= families
    for family in families:
        others = [f"parrotlet.architectures.{other}" for other in families - {family}]
        for name in FILES:
            if inside(name, f"parrotlet.architectures.{family}"):
                wrong = [m for m in imports_of(name) if any(inside(m, other) for other in others)]
                assert wrong == [], name


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {
        name: {module for module in imports_of(name) if module in FILES} - {name} for name in FILES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_files_are_not_long() -> None:
    long = [name for name, path in FILES.items() if len(path.read_text().splitlines()) > MOST_LINES]
    assert long == []


def test_parts_of_families_and_their_users_can_be_imported_first() -> None:
    """Whoever comes first: memory and bench find the parts that stand on them by name."""
    parts = [n for n in FILES if n.startswith("parrotlet.architectures.")]
    names = [n for n in parts if n.endswith((".memory", ".work"))]
    names += ["parrotlet.memory", "parrotlet.memory.hf", "parrotlet.bench"]
    assert len(names) > 6
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for known in [m for m in sys.modules if m.partition('.')[0] == 'parrotlet']:\n"
        f"        if not known.startswith({EXTENSION!r}):\n"
        "            del sys.modules[known]\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
