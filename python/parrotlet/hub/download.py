"""Fetching files of a repository into the hub's own cache, which other tools share.

A download that breaks off, or whose process ends, leaves its first part beside the place of the
whole file, and the next one goes on from there. Bytes become a file of the cache only after their
checksum has been compared: the SHA-256 of large files, the hash that git has of small ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from parrotlet.errors import HubError
from parrotlet.hub.client import Listing, RemoteFile, explained, hub_library, network_failed
from parrotlet.hub.names import Repository

Progress = Callable[[int, int, str], None]

_CHUNK = 1 << 20
_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def fetch(
    repository: Repository, listing: Listing, name: str, progress: Progress | None = None
) -> Path:
    """Return the path of a file in the hub's cache, fetched if it is not there yet.

    `progress(bytes done, bytes in all, what is done)` is called as bytes arrive; without it
    huggingface_hub shows its own bar on a terminal. Raises HubError if it cannot be fetched or
    has another checksum than the hub states: then nothing of it is kept.
    """
    hub = hub_library()
    expected = listing.files[name]
    with explained(repository), _bar_if(progress is None):
        known = hub.try_to_load_from_cache(repository.id, name, revision=listing.commit)
        if not isinstance(known, str):
            if expected.checksum and expected.size:
                _fetch_blob(repository, listing.commit, name, expected, progress)
            # Finds the bytes in their place, and gives them their name.
            known = hub.hf_hub_download(repository.id, name, revision=listing.commit)
    path = Path(known)
    check(repository, path, expected.checksum)
    return path


def cached_snapshot(repository: Repository, commit: str | None) -> tuple[str, Path] | None:
    """Return the commit and the directory of what the hub's cache has of a repository.

    Without `commit`, the one that the hub's cache notes for the revision.
    """
    folder = _folder(repository)
    if commit is None:
        try:
            commit = (folder / "refs" / repository.revision).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
    snapshot = folder / "snapshots" / commit
    return (commit, snapshot) if snapshot.is_dir() else None


def check(repository: Repository, path: Path, checksum: str | None) -> None:
    """Compare a cached file with its checksum, by default what the cache calls its bytes.

    Raises HubError, and removes both the file and its bytes, if it is another.
    """
    blob = path.resolve()
    checksum = checksum or blob.name
    if not _CHECKSUM.fullmatch(checksum) or checksum_of(blob, len(checksum)) == checksum:
        return
    for wrong in {path, blob}:
        wrong.unlink(missing_ok=True)
    raise _other_checksum(repository, path.name)


def checksum_of(path: Path, digits: int) -> str:
    """SHA-256 of a file for 64 digits, git's hash of it for 40."""
    sha = hashlib.sha256()
    if digits == 40:
        sha = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def _fetch_blob(
    repository: Repository, commit: str, name: str, expected: RemoteFile, progress: Progress | None
) -> None:
    """Put the bytes where the hub's cache has those of this checksum."""
    from filelock import FileLock  # type: ignore[import-not-found,unused-ignore]

    checksum, size = str(expected.checksum), int(expected.size or 0)
    folder = _folder(repository)
    blob = folder / "blobs" / checksum
    lock = folder.parent / ".locks" / folder.name / f"{checksum}.lock"
    for directory in (blob.parent, lock.parent):
        directory.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # as huggingface_hub has it
        if blob.exists():
            return
        partial = blob.with_name(f"{checksum}.parrotlet.incomplete")
        if partial.exists() and partial.stat().st_size > size:
            partial.unlink()
        _receive(repository, commit, name, partial, size, progress)
        if partial.stat().st_size != size or checksum_of(partial, len(checksum)) != checksum:
            partial.unlink()
            raise _other_checksum(repository, name)
        partial.replace(blob)


def _receive(
    repository: Repository,
    commit: str,
    name: str,
    partial: Path,
    size: int,
    progress: Progress | None,
) -> None:
    """Append to `partial` what is missing."""
    hub = hub_library()
    from huggingface_hub.file_download import (  # type: ignore[import-not-found,unused-ignore]
        get_hf_file_metadata,
        http_get,
    )

    with _Appended(partial, size, f"fetching {name.rpartition('/')[2]}", progress) as file:
        if file.tell() == size:
            return
        url = hub.hf_hub_url(repository.id, name, revision=commit)
        place = get_hf_file_metadata(url).location
        headers = hub.utils.build_hf_headers()
        if urlsplit(place).netloc != urlsplit(url).netloc:
            # A store elsewhere has its permission in the address, and no business with the token.
            headers.pop("authorization", None)
        before = -1
        # A connection may be cut any number of times, as long as something arrives between.
        while file.tell() > before:
            before = file.tell()
            try:
                http_get(
                    place,
                    file,
                    resume_size=before,
                    headers=headers,
                    expected_size=size,
                    displayed_filename=name,
                )
                return
            except Exception as error:
                if not network_failed(error) or file.tell() <= before:
                    raise


class _Appended(io.BufferedRandom):
    """A file to append to, which tells how large it has become."""

    def __init__(self, path: Path, size: int, label: str, progress: Progress | None) -> None:
        super().__init__(io.FileIO(path, "r+" if path.exists() else "w+"))
        self.seek(0, io.SEEK_END)
        self._report = None if progress is None else lambda done: progress(done, size, label)

    def write(self, data: Any) -> int:
        written = super().write(data)
        if self._report is not None:
            self._report(self.tell())
        return written


@contextlib.contextmanager
def _bar_if(wanted: bool) -> Iterator[None]:
    """Whether huggingface_hub shows a bar of its own."""
    utils = hub_library().utils
    before = utils.are_progress_bars_disabled()
    if wanted or before:
        yield
        return
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()


def _folder(repository: Repository) -> Path:
    """What the hub's cache has of a repository."""
    cache = Path(hub_library().constants.HF_HUB_CACHE)
    return cache / f"models--{repository.id.replace('/', '--')}"


def _other_checksum(repository: Repository, name: str) -> HubError:
    return HubError(
        f"{repository}: {name} has another checksum than the hub states: it was damaged on the way "
        "or in the cache, and has been removed; try again"
    )
