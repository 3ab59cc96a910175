"""Where converted models are kept.

    <cache>/models/<org>--<name>/refs/<revision>              the commit it was when last looked up
    <cache>/models/<org>--<name>/<commit>/<name>-<type>.gguf
    <cache>/files/<checksum>/<name>-<type>.gguf               of a file of this machine

<cache> is `$PARROTLET_CACHE`, or `parrotlet` in `$XDG_CACHE_HOME` or `~/.cache`. What was fetched
lies in the hub's own cache. Everything may be deleted at any time (`kept.py`).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from parrotlet.errors import HubError
from parrotlet.hub.names import Repository
from parrotlet.replacing import replaced

CACHE_VARIABLE = "PARROTLET_CACHE"
"""Environment variable that names the directory for converted models."""

COMMIT = re.compile(r"[0-9a-f]{40}")


def cache_directory() -> Path:
    """Return the directory for converted models, which need not exist."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "parrotlet"


def model_path(repository: Repository, commit: str, type: str) -> Path:
    """Return where the model of a commit is, or is to be."""
    stem = repository.name if repository.file is None else quote(repository.file, safe=" +")
    return _directory(repository) / commit / f"{stem}-{type}.gguf"


def models_directory() -> Path:
    """Return the directory that has a folder for each repository, which need not exist."""
    return cache_directory() / "models"


def files_directory() -> Path:
    """Return the directory that has a folder for each file of this machine that was converted."""
    return cache_directory() / "files"


def converted_path(path: Path, checksum: str, type: str) -> Path:
    """Return where the model made of a file of this machine is, or is to be."""
    return files_directory() / checksum / f"{path.stem}-{type}.gguf"


def remembered_commit(repository: Repository) -> str | None:
    """Return the commit that the revision was when last looked up."""
    if COMMIT.fullmatch(repository.revision):
        return repository.revision
    try:
        commit = _ref(repository).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return commit if COMMIT.fullmatch(commit) else None


def remember_commit(repository: Repository, commit: str) -> None:
    """Note the commit that the revision is now."""
    if remembered_commit(repository) == commit:
        return
    path = _ref(repository)
    with making_directory(path), replaced(path) as temporary:
        temporary.write_text(commit, "ascii")


def lock_of(path: Path) -> Path:
    """Return the file that is locked while the file `path` is made."""
    return path.with_name(f".{path.name}.lock")


@contextlib.contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Let one process at a time make the file `path`, in a directory that is made if need be."""
    # Comes with huggingface_hub, which all that makes models needs.
    from filelock import FileLock  # type: ignore[import-not-found,unused-ignore]

    with making_directory(path):
        lock = FileLock(lock_of(path))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def making_directory(path: Path) -> Iterator[None]:
    """Make the directory of a file to write; HubError says what to do if that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise HubError(
            f"{path}: cannot be written ({error.strerror or error}); set {CACHE_VARIABLE} to a "
            "directory for converted models"
        ) from error


def _directory(repository: Repository) -> Path:
    return models_directory() / repository.id.replace("/", "--")


def _ref(repository: Repository) -> Path:
    return _directory(repository) / "refs" / quote(repository.revision, safe="")
