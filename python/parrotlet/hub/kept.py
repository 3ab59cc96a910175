"""What the cache of converted models holds, and removing it.

Only files that `cache.py` and `download.py` make are counted and removed. Links are not followed:
a GGUF file that a repository publishes lies in the hub's own cache, and is a link in this one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from parrotlet import _core
from parrotlet.errors import HubError
from parrotlet.hub.cache import COMMIT, files_directory, lock_of, models_directory
from parrotlet.hub.client import UnreachableError, hub_cache
from parrotlet.hub.download import PARTIAL, lock_of_blob

_FOLDER = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*?)--([A-Za-z0-9][A-Za-z0-9._-]*)")
"""The name of a repository as that of a folder."""

_CHECKSUM = re.compile(r"[0-9a-f]{16,}")
"""The name of a folder with what was made of a file of this machine."""

_LEFTOVER = re.compile(r"\.[0-9a-f]{16}(?:\.parrotlet)?\.tmp")
"""Names of files that a process was writing when it ended."""


@dataclass(frozen=True)
class KeptFile:
    """A file of the cache. `type` is that of its matrices, or "" of a part of a file; `bytes` is
    what its removal gives back, which is next to nothing for a link."""

    path: Path
    type: str
    bytes: int

    @property
    def whole(self) -> bool:
        """Whether it is a model, and no part of one that did not get finished."""
        return bool(self.type)


@dataclass(frozen=True)
class KeptModel:
    """A repository with what is kept of it, models first, in every commit; or a file of this
    machine with what was made of it.

    `fetched` is what the files take from which they were made, in the hub's own cache.
    """

    name: str
    folder: Path
    files: tuple[KeptFile, ...]
    fetched: int

    @property
    def types(self) -> tuple[str, ...]:
        """Types of the models, each once."""
        return tuple(dict.fromkeys(file.type for file in self.files if file.whole))

    @property
    def bytes(self) -> int:
        """What all of it takes."""
        return sum(file.bytes for file in self.files)


def kept_models() -> list[KeptModel]:
    """Return what there is, repositories by name before files of this machine.

    Raises HubError for a folder that cannot be read.
    """
    return [*_kept_repositories(), *_kept_files()]


def _kept_repositories() -> Iterator[KeptModel]:
    for folder in _folders(models_directory()):
        name = _FOLDER.fullmatch(folder.name)
        if name is None:
            continue
        with _reading(folder):
            whole, parts = _fetched(folder.name)
            files = (*_models(folder), *_leftovers(folder), *parts)
        if files:
            yield KeptModel(f"{name[1]}/{name[2]}", folder, files, whole)


def _kept_files() -> Iterator[KeptModel]:
    """Each with the name of the file that it was made of, and the start of its checksum."""
    for folder in _folders(files_directory()):
        if not _CHECKSUM.fullmatch(folder.name):
            continue
        with _reading(folder):
            models = _models_in(folder)
            files = (*models, *_leftovers_in(folder))
        if files:
            stem = models[0].path.stem.rpartition("-")[0] if models else "file"
            yield KeptModel(f"{stem}@{folder.name[:8]}", folder, files, 0)


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    with _reading(root):
        return [path for path in sorted(root.iterdir()) if _is_folder(path)]


def remove(model: KeptModel, type: str | None = None) -> list[KeptFile]:
    """Remove what is kept of a model, or only the files whose matrices are of `type`.

    Returns what was removed. A process that has loaded the model goes on with it. Raises HubError
    for a file that another process is making, and one that cannot be removed.
    """
    files = [file for file in model.files if type in (None, file.type)]
    locks = {_lock_for(file.path) for file in files}
    everything = len(files) == len(model.files)
    if everything:  # what is being made may have no file yet
        locks |= {*model.folder.glob("*/.*.lock"), *model.folder.glob(".*.lock")}
    with contextlib.ExitStack() as held:
        for lock in sorted(locks):
            held.enter_context(_nobody_has(lock))
        for file in files:
            with _removing(file.path):
                file.path.unlink(missing_ok=True)
        if everything:
            _tidy(model.folder)
    return files


def _models(folder: Path) -> tuple[KeptFile, ...]:
    """Files of all commits, an older one's after those of newer ones."""
    return tuple(file for commit in _commits(folder) for file in _models_in(commit))


def _models_in(folder: Path) -> tuple[KeptFile, ...]:
    found = []
    for path in sorted(folder.glob("*.gguf")):
        if path.is_symlink() or path.is_file():
            type = path.stem.rpartition("-")[2]
            known = type if type in _core.types() else "?"
            found.append(KeptFile(path, known, path.lstat().st_size))
    return tuple(found)


def _leftovers(folder: Path) -> tuple[KeptFile, ...]:
    places = [*_commits(folder), folder / "refs"]
    return tuple(file for place in places if _is_folder(place) for file in _leftovers_in(place))


def _leftovers_in(folder: Path) -> tuple[KeptFile, ...]:
    return tuple(
        KeptFile(path, "", path.lstat().st_size)
        for path in sorted(folder.iterdir())
        if _LEFTOVER.fullmatch(path.name) and path.is_file() and not path.is_symlink()
    )


def _fetched(folder: str) -> tuple[int, tuple[KeptFile, ...]]:
    """Bytes of whole files in the hub's own cache, and parts of others.

    There are none without its library.
    """
    try:
        blobs = hub_cache() / f"models--{folder}" / "blobs"
    except UnreachableError:
        return 0, ()
    paths = sorted(blobs.iterdir()) if blobs.is_dir() else []
    sizes = {path: path.lstat().st_size for path in paths}
    parts = [path for path in paths if path.name.endswith(PARTIAL)]
    whole = sum(size for path, size in sizes.items() if not path.name.endswith(".incomplete"))
    return whole, tuple(KeptFile(path, "", sizes[path]) for path in parts)


def _commits(folder: Path) -> list[Path]:
    """Folders of commits, the one that was made last first."""
    commits = [p for p in folder.iterdir() if COMMIT.fullmatch(p.name) and _is_folder(p)]
    return sorted(commits, key=lambda path: (-path.stat().st_mtime, path.name))


def _lock_for(path: Path) -> Path:
    """The file that whoever makes `path` has locked."""
    if path.name.endswith(PARTIAL):
        return lock_of_blob(path.with_name(path.name.removesuffix(PARTIAL)))
    return lock_of(path)


@contextlib.contextmanager
def _nobody_has(lock: Path) -> Iterator[None]:
    """Hold a lock; raises HubError if another process does."""
    try:
        from filelock import FileLock, Timeout
    except ImportError:  # then there is nothing here that makes models
        yield
        return
    if not lock.exists():
        yield
        return
    held = FileLock(lock)
    with _removing(lock):
        try:
            held.acquire(timeout=0)
        except Timeout as error:
            raise HubError(
                f"{lock.parent}: another process is making a model there; wait until it has, or "
                "end it"
            ) from error
    try:
        yield
    finally:
        held.release()


def _tidy(folder: Path) -> None:
    """Remove what is left without models: refs, locks and empty folders."""
    for place in (*_commits(folder), folder / "refs", folder):
        if not _is_folder(place):
            continue
        for path in place.iterdir():
            if place.name == "refs" or (path.name.startswith(".") and path.name.endswith(".lock")):
                with _removing(path):
                    path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something of somebody else is in it
            place.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HubError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextlib.contextmanager
def _removing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HubError(
            f"{path}: cannot be removed ({error.strerror or error}); end what uses it, or check "
            "who owns it"
        ) from error
