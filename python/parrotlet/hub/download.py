"""Fetching files of a repository into the hub's own cache, which other tools share.

huggingface_hub asks, waits for others, tries again, uses Xet and names what it fetched. This adds
what it lacks:

- Checksums. It compares sizes alone. Here a file counts only if it has the SHA-256 (large files)
  or git's hash (small ones) that the hub states.
- Going on in the next call. It throws away what it has of a file when it gives up or is killed.
  Here the first part of a large file stays, and the next call fetches the rest. Files that come
  through Xet are left to `hf_xet`.
- Telling the caller how many bytes have arrived.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path
from typing import Any

from parrotlet.errors import HubError
from parrotlet.hub.client import Listing, RemoteFile, explained, hub_cache, hub_library
from parrotlet.hub.names import Repository
from parrotlet.progress import FileProgress

PARTIAL = ".parrotlet.incomplete"
"""End of the name of a file of which only a part has arrived."""

_CHUNK = 1 << 20
_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256_DIGITS = 64
_BUFFER = 1 << 13  # small: what has arrived is in the file if the process ends


def fetch(
    repository: Repository, listing: Listing, name: str, progress: FileProgress | None = None
) -> Path:
    """Return the path of a file in the hub's cache, fetched if it is not there yet.

    `progress(bytes done, bytes in all, what is done)` is called as bytes arrive; without it
    huggingface_hub shows its own bar on a terminal. Raises HubError if it cannot be fetched or
    has another checksum than the hub states: then nothing of it is kept.
    """
    hub = hub_library()
    expected = listing.files[name]
    bar = None
    if progress is not None:
        bar = _reporting_bar(progress, expected.size or 0, f"fetching {name.rpartition('/')[2]}")
    with explained(repository):
        known = hub.try_to_load_from_cache(repository.id, name, revision=listing.commit)
        if not isinstance(known, str):
            if expected.checksum and len(expected.checksum) == _SHA256_DIGITS:
                _receive(repository, listing.commit, name, expected, bar)
            # Bytes that are in their place already are only given their name.
            known = hub.hf_hub_download(
                repository.id, name, revision=listing.commit, tqdm_class=bar
            )
    path = Path(known)
    check(repository, path, expected.checksum)
    return path


def cached_snapshot(repository: Repository, commit: str | None) -> tuple[str, Path] | None:
    """Return the commit and the directory of a repository's files in the hub's cache.

    Without `commit` it is the one that the cache notes for the revision.
    """
    hub = hub_library()
    try:
        snapshot = hub.snapshot_download(
            repository.id, revision=commit or repository.revision, local_files_only=True
        )
    except hub.errors.LocalEntryNotFoundError:
        return None
    return Path(snapshot).name, Path(snapshot)


def check(repository: Repository, path: Path, checksum: str | None) -> None:
    """Compare a cached file with its checksum, by default the name of its blob in the cache.

    If they differ, removes the blob and every link to it, and raises HubError.
    """
    chain = _links(path)
    checksum = checksum or chain[:2][-1].name
    if not _CHECKSUM.fullmatch(checksum) or checksum_of(path, len(checksum)) == checksum:
        return
    for wrong in chain:
        wrong.unlink(missing_ok=True)
    raise HubError(
        f"{repository}: {path.name} has another checksum than the hub states: it was damaged on "
        "the way or in the cache, and has been removed; try again"
    )


def _links(path: Path) -> list[Path]:
    """A name in the cache and what it leads to: its blob, and one shared by repositories if any."""
    chain = [path]
    while chain[-1].is_symlink():
        chain.append(chain[-1].parent / chain[-1].readlink())
    return chain


def checksum_of(path: Path, digits: int) -> str:
    """SHA-256 of a file for 64 digits, git's hash of it for 40."""
    sha = hashlib.sha256()
    if digits == 40:
        sha = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def lock_of_blob(blob: Path) -> Path:
    """Return the file that is locked while `blob` is fetched, as huggingface_hub has it."""
    folder = blob.parent.parent
    return folder.parent / ".locks" / folder.name / f"{blob.name}.lock"


def _receive(
    repository: Repository, commit: str, name: str, expected: RemoteFile, bar: type[Any] | None
) -> None:
    """Put a large file's bytes where the hub's cache looks for them; keep a part that arrives."""
    hub = hub_library()
    from huggingface_hub.file_download import (  # type: ignore[import-not-found,unused-ignore]
        http_get,
    )

    url = hub.hf_hub_url(repository.id, name, revision=commit)
    xet = not hub.constants.HF_HUB_DISABLE_XET and importlib.util.find_spec("hf_xet") is not None
    if xet and hub.get_hf_file_metadata(url).xet_file_data is not None:
        return
    cache, folder = hub_cache(), f"models--{repository.id.replace('/', '--')}"
    blob = cache / folder / "blobs" / str(expected.checksum)
    partial = blob.with_name(f"{blob.name}{PARTIAL}")
    lock = lock_of_blob(blob)
    for directory in (blob.parent, lock.parent):
        directory.mkdir(parents=True, exist_ok=True)
    with hub.utils.WeakFileLock(lock):
        if blob.exists():
            return
        if partial.exists() and partial.stat().st_size > (expected.size or 0):
            partial.unlink()
        with partial.open("ab", buffering=_BUFFER) as file:
            http_get(
                url,
                file,
                resume_size=file.tell(),
                headers=hub.utils.build_hf_headers(),
                expected_size=expected.size,
                displayed_filename=name,
                tqdm_class=bar,
            )
        partial.replace(blob)


def _reporting_bar(progress: FileProgress, size: int, label: str) -> type[Any]:
    """Make a class of bars for huggingface_hub that show nothing and tell `progress`."""

    class Bar(hub_library().utils.tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            progress(int(self.n), size or self.total or 0, label)

        def update_transfer(self, n: float) -> None:
            """Not counted: Xet tells here what came over the network, and above what is done."""

    return Bar
