"""What several files of the project say is the same in each."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def requirements(extra: str) -> dict[str, str]:
    """The packages of an extra, and what is asked of their versions."""
    asked = {}
    for line in metadata.requires("parrotlet") or ():
        requirement, _, marker = line.partition(";")
        if f"extra == '{extra}'" in marker.replace('"', "'"):
            name, version = re.fullmatch(
                r"([\w.-]+)(?:\[.*\])?\s*(.*)", requirement.strip()
            ).groups()
            asked[name] = version
    return asked


def test_pre_commit_runs_the_pinned_versions():
    pinned = {name: v for name, v in requirements("dev").items() if v.startswith("==")}
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    used = {
        requirement
        for repository in config["repos"]
        for hook in repository["hooks"]
        for requirement in hook.get("additional_dependencies", ())
    }
    assert {"ruff", "clang-format"} == {requirement.partition("==")[0] for requirement in used}
    assert used <= {name + version for name, version in pinned.items()}


def test_the_oldest_python_is_the_first_that_is_named():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    named = re.findall(r'"Programming Language :: Python :: 3\.(\d+)"', text)
    assert named == sorted(named, key=int)
    assert re.search(r'requires-python = ">=3\.(\d+)"', text)[1] == named[0]
    assert re.search(r'target-version = "py3(\d+)"', text)[1] == named[0]


def test_the_extra_all_has_every_extra_that_users_need():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    extras = re.search(r"^\[project\.optional-dependencies\]\n(.*?)\n\n", text, re.M | re.S)[1]
    named = set(re.findall(r"^(\w+) = ", extras, re.MULTILINE))
    together = set(re.search(r'^all = \["parrotlet\[([\w,]+)\]"\]$', extras, re.M)[1].split(","))
    assert named - {"all", "test", "bench", "docs", "dev"} == together


def test_the_changelog_knows_the_version():
    version = metadata.version("parrotlet")
    assert re.search(rf"\b{re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"))


EXAMPLES = ("two_linear", "NAME", "penalised")
"""What the names of files have in them that the tutorials make up."""


def test_hacking_names_files_that_are_there():
    text = (ROOT / "HACKING.md").read_text("utf-8")
    folders = "|".join(re.escape(path.name) for path in ROOT.iterdir() if path.is_dir())
    named = set(re.findall(rf"`((?:{folders})/[^` ]*)`", text))
    named = {name for name in named if not any(example in name for example in EXAMPLES)}
    assert len(named) > 40
    assert not [name for name in named if not any(ROOT.glob(name))]


def test_presets_and_workflow_name_what_there_is():
    presets = json.loads((ROOT / "CMakePresets.json").read_text("utf-8"))
    names = {preset["name"] for preset in presets["configurePresets"]}
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert all(f"| `{name}` |" in contributing for name in names)
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert "run: .ci/run" in workflow
    for script in set(re.findall(r"\.ci/[a-z0-9-]+", contributing)):
        assert (ROOT / script).stat().st_mode & 0o100, script
