"""`docs/architecture.md` draws the arrows between folders; the sources obey them."""

import re

import pytest
from imports import CSRC, REPOSITORY, circle, imports, includes

PAGE = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")


FAMILIES = {f"models/{path.name}" for path in (CSRC / "models").iterdir() if path.is_dir()}


def table(heading: str) -> dict[str, set[str]]:
    """The first table after a line of the page: the folder of each row, and those it names. What is
    said of `models/*` is said of every family."""
    rows: dict[str, set[str]] = {}
    after = PAGE[PAGE.index(heading) :]
    for line in after[after.index("\n|") :].lstrip("\n").split("\n\n")[0].splitlines()[2:]:
        first, second = line.split("|")[1:3]
        (folder,) = re.findall(r"`([^`]+)`", first)
        others = set(re.findall(r"`([^`]+)`", second))
        named = {f for other in others for f in (FAMILIES if other == "models/*" else {other})}
        rows.update(dict.fromkeys(FAMILIES if folder == "models/*" else {folder}, named))
    return rows


CPP = table("## The C++ side")
PYTHON = table("### Who imports whom")


def folder_of(file: str) -> str:
    """The row that a file belongs to: its folder, or one above."""
    folder = file.rpartition("/")[0]
    while folder and folder not in CPP:
        folder = folder.rpartition("/")[0]
    return folder


@pytest.mark.parametrize("folder", sorted(CPP))
def test_a_folder_of_csrc_includes_those_that_its_row_names(folder: str) -> None:
    allowed = CPP[folder] | {folder, ""}  # "" has errors.h
    found = {
        (file, other)
        for file, others in includes().items()
        for other in others
        if folder_of(file) == folder and folder_of(other) not in allowed
    }
    assert not found


def test_every_folder_of_csrc_has_a_row_and_every_row_a_folder() -> None:
    assert {folder_of(file) for file in includes() if file != "errors.h"} == set(CPP)


def test_no_variable_is_thread_local() -> None:
    """Where memory has run out glibc ends a process for them; PerThread throws."""
    found = [
        path for path in includes() if re.search(r"\bthread_local\s", (CSRC / path).read_text())
    ]
    assert found == []


SYSTEM_HEADER = re.compile(
    r"#include <(?:sys/.*|unistd\.h|fcntl\.h|pthread\.h|sched\.h|signal\.h|dlfcn\.h|windows\.h)>"
)


def test_only_the_runtime_asks_the_operating_system() -> None:
    """Elsewhere a call would have to be written anew for each system."""
    asking = {p for p in includes() if SYSTEM_HEADER.search((CSRC / p).read_text("utf-8"))}
    known = {"kernels/dispatch.cpp"}  # what the processor has
    others = {p for p in asking if not p.startswith(("runtime/posix/", "runtime/windows/"))}
    assert others == known


def test_what_is_included_is_there() -> None:
    missing = [
        (file, other)
        for file, others in includes().items()
        for other in others
        if not (CSRC / other).is_file()
    ]
    assert not missing


def test_arrows_between_folders_point_one_way() -> None:
    # A registry names the folders below it, and these include what all families share.
    arrows = {
        folder: others - (FAMILIES if folder == "models" else set())
        for folder, others in CPP.items()
    }
    assert circle(arrows) == []


def test_only_registries_and_bindings_know_families() -> None:
    outside = {
        file
        for file, others in includes().items()
        if any(folder_of(other).startswith("models/") for other in others)
        and not folder_of(file).startswith("models/")
    }
    assert outside == {"models/registry.cpp", "bindings/sizes.cpp"}


def test_no_family_knows_another() -> None:
    for file, others in includes().items():
        if folder_of(file).startswith("models/"):
            assert {folder_of(other) for other in others} & FAMILIES <= {folder_of(file)}


def test_no_file_includes_itself_by_way_of_others() -> None:
    assert circle(includes()) == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle(imports()) == []


@pytest.mark.parametrize("folder", sorted(PYTHON))
def test_a_folder_of_the_package_does_not_import_what_its_row_names(folder: str) -> None:
    def room(module: str) -> str:
        return module.split(".")[1] if "." in module else ""

    modules = {module: others for module, others in imports().items() if room(module) == folder}
    assert modules
    assert not {
        (module, other)
        for module, others in modules.items()
        for other in others
        if room(other) in PYTHON[folder]
    }


def test_circles_are_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
