"""`packaging/tag.py`: the tag of a release is made of its version."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "packaging" / "tag.py"

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


def git(folder: Path, *arguments: str) -> str:
    someone = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
    command = ["git", "-C", folder, *someone, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A commit that can be released as 1.2.0."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "parrotlet"\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.0] - 2026-01-31\n\n- New.\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Release 1.2.0")
    return tmp_path


@pytest.fixture
def tag(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """`tag(*options)`: the exit status of the script, and what it says."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Someone")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "someone@example.org")

    def run(*options: str) -> tuple[int, str]:
        command = [sys.executable, str(SCRIPT), *options]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_tag_is_made_of_the_version(checkout: Path, tag: Callable[..., tuple[int, str]]):
    status, said = tag("--check")
    assert status == 1 and "this commit is version 1.2.0, and has no tag v1.2.0" in said
    assert tag("--no-sign")[0] == 0
    assert git(checkout, "tag", "--points-at", "HEAD").split() == ["v1.2.0"]
    assert tag("--check") == (0, "v1.2.0 is this commit\n")


def test_a_version_is_tagged_once(checkout: Path, tag: Callable[..., tuple[int, str]]):
    assert tag("--no-sign")[0] == 0
    git(checkout, "commit", "--quiet", "--allow-empty", "--message", "More")
    status, said = tag("--no-sign")
    assert status == 1 and "'v1.2.0' already exists" in said
    assert tag("--check")[0] == 1


def test_a_changelog_without_the_version(checkout: Path, tag: Callable[..., tuple[int, str]]):
    (checkout / "CHANGELOG.md").write_text("## [Unreleased]\n\nWill be 1.2.0.\n")
    status, said = tag("--no-sign")
    assert status == 1 and "CHANGELOG.md has no line: ## [1.2.0] - YYYY-MM-DD" in said


def test_what_is_not_in_the_commit(checkout: Path, tag: Callable[..., tuple[int, str]]):
    (checkout / "notes.txt").write_text("later")
    assert tag("--no-sign") == (1, "tag.py: not in the commit: notes.txt\n")
