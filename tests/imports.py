"""What the source files of the repository include and import."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
CSRC = REPOSITORY / "csrc"
PACKAGE = REPOSITORY / "python" / "parrotlet"
CONVERT = REPOSITORY / "convert"

Graph = dict[str, set[str]]


@cache
def includes() -> Graph:
    """Files of csrc/ and the files of csrc/ that each includes."""
    return {
        path.relative_to(CSRC).as_posix(): set(
            re.findall(r'^#\s*include "([^"]+)"', path.read_text("utf-8"), re.MULTILINE)
        )
        for path in CSRC.rglob("*")
        if path.suffix in (".h", ".inl", ".cpp")
    }


@cache
def imports() -> Graph:
    """Modules of the package and the modules of the package that each imports, wherever it does."""
    files = dict(_modules(PACKAGE, "parrotlet")) | dict(_modules(CONVERT, "parrotlet._convert"))
    return {
        name: {
            module
            for wanted in _imported(path, name)
            if (module := _module(wanted, files)) is not None and module != name
        }
        for name, path in files.items()
    }


def _modules(folder: Path, package: str) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        if "_convert" not in parts:  # the link of a checkout, which `CONVERT` stands for
            yield ".".join([package, *(part for part in parts if part != "__init__")]), path


def _imported(path: Path, name: str) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _module(wanted: str, files: Mapping[str, Path]) -> str | None:
    """The module that `wanted`, a module or a name in one, is or is in; None for compiled ones."""
    if f"{wanted}.".startswith("parrotlet._core."):
        return None
    if wanted in files:
        return wanted
    parent = wanted.rpartition(".")[0]
    return parent if parent in files else None


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """A circle of a graph, its first node again at the end; empty if there is none."""
    finished: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in finished:
            return []
        for other in sorted(graph.get(node, ())):
            if found := walk(other, [*way, node]):
                return found
        finished.add(node)
        return []

    for start in sorted(graph):
        if found := walk(start, []):
            return found
    return []
