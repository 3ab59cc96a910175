"""From the name of a repository to a checkpoint or a model file on this machine."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

from parrotlet import _core
from parrotlet.errors import HubError, ModelFileError
from parrotlet.hub import cache
from parrotlet.hub.client import Listing, RemoteFile, UnreachableError, listing, offline
from parrotlet.hub.download import cached_snapshot, fetch
from parrotlet.hub.names import Repository
from parrotlet.hub.selection import Selection, select
from parrotlet.progress import FileProgress
from parrotlet.replacing import replaced

CONFIGURATIONS = ("model_config.yaml", "config.json")
"""Files of a repository that say what its model is, without weights: NeMo's, and of others."""


def fetch_checkpoint(
    repository: Repository, progress: FileProgress | None = None, type: str = "q8_0"
) -> Path:
    """Return the `.nemo` file of a repository, the directory that `transformers` saved, or the GGUF
    file of another project; of several such files the one with `type` in its name.

    Fetched into the hub's cache if it is not there. Raises HubError if that fails.
    """
    files = _look_up(repository)
    chosen = select(repository, files.files, type)
    path = _fetched(repository, files, chosen, progress)
    if chosen.kind == "gguf" and not _is_foreign(path):
        raise HubError(
            f"{repository}: holds GGUF files, which need no conversion: "
            f"parrotlet transcribe --model {repository}"
        )
    return path


def descriptions(repository: Repository, progress: FileProgress | None = None) -> Iterator[Path]:
    """Give files that say what model a repository holds, each fetched when it is asked for.

    Configurations come first, which are small, and then the checkpoint or GGUF file. Raises
    HubError if one cannot be fetched, or there is none.
    """
    files = _look_up(repository)
    if repository.file is None:
        configurations = [name for name in CONFIGURATIONS if name in files.files]
        for name in configurations:
            yield fetch(repository, files, name, progress)
        if configurations and not any(name.endswith((".nemo", ".gguf")) for name in files.files):
            return
    chosen = select(repository, files.files, "q8_0")
    if chosen.kind != "transformers":  # whose configuration has been given
        yield fetch(repository, files, chosen.files[0], progress)


def model_file(repository: Repository, type: str, progress: FileProgress | None = None) -> Path:
    """Return the GGUF file of a repository's model with matrices of `type`.

    It is fetched, converted once and kept (`cache.py` says where), for each commit and type. While
    the hub cannot be reached, or with HF_HUB_OFFLINE=1, the last known commit of the revision
    counts. Raises HubError, and CheckpointError or UnsupportedModelError for what was fetched.
    """
    known = cache.remembered_commit(repository)
    cached = cache.model_path(repository, known, type) if known else None
    if cached is not None and not cached.exists():
        cached = None
    if cached is not None and (offline() or known == repository.revision):
        return cached
    try:
        files = _look_up(repository)
    except UnreachableError as error:
        if cached is None:
            raise
        warnings.warn(f"{error}. The cached model is used", stacklevel=3)
        return cached
    cache.remember_commit(repository, files.commit)
    path = cache.model_path(repository, files.commit, type)
    if not path.exists():
        with cache.exclusively(path):
            if not path.exists():  # another process may have made it meanwhile
                _make(repository, files, type, path, progress)
    return path


def _look_up(repository: Repository) -> Listing:
    """Return the files that there are: on the hub, or offline in its cache."""
    if not offline():
        return listing(repository)
    found = cached_snapshot(repository, cache.remembered_commit(repository))
    if found is None:
        raise HubError(
            f"{repository}: there is no such file here, and no such model in the cache; unset "
            "HF_HUB_OFFLINE to fetch it from the Hugging Face hub"
        )
    commit, snapshot = found
    names = [path.relative_to(snapshot) for path in snapshot.rglob("*") if path.is_file()]
    return Listing(commit, {name.as_posix(): RemoteFile(None, None) for name in names})


def _fetched(
    repository: Repository, files: Listing, chosen: Selection, progress: FileProgress | None
) -> Path:
    """Fetch what was chosen; return the one file, or the directory of several."""
    paths = [fetch(repository, files, name, progress) for name in chosen.files]
    return paths[0].parent if chosen.kind == "transformers" else paths[0]


def _make(
    repository: Repository, files: Listing, type: str, path: Path, progress: FileProgress | None
) -> None:
    """Make the file `path`, whole or not at all."""
    from parrotlet._convert import convert

    chosen = select(repository, files.files, type)
    source = _fetched(repository, files, chosen, progress)
    if chosen.kind == "gguf" and not _is_foreign(source):
        _link(source.resolve(), path)
    else:
        name = repository.name if chosen.kind == "transformers" else source.stem
        convert(source, path, type=type, progress=progress, name=name)


def _is_foreign(path: Path) -> bool:
    """Whether a GGUF file is of another project; errors are said when it is loaded."""
    from parrotlet._convert import project_of

    try:
        return project_of(_core.GgufFile(str(path), any_type=True).metadata) is not None
    except ModelFileError:
        return False


def _link(source: Path, path: Path) -> None:
    """Make `path` another name of `source`, or a copy of it where there are no links."""
    try:
        with replaced(path) as temporary:
            try:
                temporary.symlink_to(source)
            except OSError:
                shutil.copyfile(source, temporary)
    except OSError as error:
        raise HubError(f"{path}: cannot be written ({error.strerror or error})") from error
