"""The `.nemo` archive: a tar, sometimes gzipped, whose members are read where they lie.

Nothing is ever extracted by name, so the names inside an archive cannot lead anywhere. A
compressed archive is unpacked once into an anonymous temporary file. Written by NeMo's
`core.connectors.save_restore_connector.SaveRestoreConnector`.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import posixpath
import tarfile
import tempfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from ..errors import CheckpointError, ModelFileError
from ..signatures import HEAD_BYTES, Kind, instead_of

CONFIG = "model_config.yaml"
WEIGHTS = "model_weights.ckpt"

MAX_MEMBERS = 10_000
MAX_SMALL_MEMBER = 64 << 20  # a configuration or tokenizer; published ones stay below 2 MB
MAX_HEADER = 64 << 10  # one extended header; Python's tarfile takes longer than linear for some
MAX_GLOBAL = 16  # settings for all members, of which tarfile makes a copy for each
# Weights hardly compress; deflate itself can reach 1000, which is how archives become bombs.
MAX_EXPANSION = 100
COPY_CHUNK = 1 << 20

_REMEDIES = {
    Kind.LFS: "fetch the file itself: git lfs pull",
    Kind.PAGE: "it is what a server sent in its place; fetch the checkpoint itself",
    Kind.RECORDING: "give a checkpoint",
}


@dataclass(frozen=True)
class Window:
    """`size` bytes of an open file from `start`: a member of an archive, read in place."""

    file: BinaryIO
    start: int
    size: int
    name: str

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes at `offset`; CheckpointError beyond the end."""
        self._check(offset, size)
        data = bytearray(size)
        self.read_into(offset, memoryview(data))
        return bytes(data)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` (bytes) from `offset`; CheckpointError beyond the end."""
        self._check(offset, len(buffer))
        try:
            self.file.seek(self.start + offset)
            # A buffered file passes large requests straight on and never returns less.
            count = self.file.readinto(buffer)  # type: ignore[attr-defined]
        except OSError as error:
            raise CheckpointError(f"{self.name} cannot be read ({error.strerror})") from error
        if count != len(buffer):
            raise CheckpointError(f"{self.name} is cut short")

    def _check(self, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise CheckpointError(
                f"{self.name} holds {self.size} bytes, but bytes {offset} to {offset + size} "
                "are asked for; the file is damaged or cut short"
            )


@dataclass(frozen=True)
class NemoArchive:
    """The regular files of a `.nemo` archive by path, without a leading "./"."""

    members: dict[str, Window]

    @property
    def weights(self) -> Window:
        """The PyTorch checkpoint."""
        return self._member(WEIGHTS)

    @property
    def config(self) -> bytes:
        """The text of model_config.yaml."""
        return self.small_file(CONFIG)

    @property
    def names(self) -> Collection[str]:
        """The paths of the members."""
        return self.members.keys()

    def small_file(self, name: str) -> bytes:
        """A whole member; CheckpointError if it is missing or too large to be what it says."""
        member = self._member(name)
        if member.size > MAX_SMALL_MEMBER:
            raise CheckpointError(f"{name} has {member.size} bytes, more than any such file needs")
        return member.read(0, member.size)

    def _member(self, name: str) -> Window:
        if name not in self.members:
            raise CheckpointError(
                f"no {name} in the archive; expected one written by NeMo's model.save_to()"
            )
        return self.members[name]


class _HeaderReader:
    """The part of a file object that `tarfile` uses to walk headers, with a limit on each read.

    Extended headers state their own length, which would otherwise be believed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise CheckpointError("a header in the tar archive states an impossible length")
        return self._file.read(size)


@contextlib.contextmanager
def open_archive(path: Path, scratch: Path) -> Iterator[NemoArchive]:
    """Open a `.nemo` file. A gzipped one is unpacked into a nameless file in `scratch`.

    Raises CheckpointError for anything else, saying what it seems to be, and for an archive
    that is cut short.
    """
    with contextlib.ExitStack() as stack:
        file: BinaryIO = stack.enter_context(open_file(path))
        start = file.read(HEAD_BYTES)
        if start.startswith(b"\x1f\x8b"):
            file = stack.enter_context(_unpacked(file, path, scratch))
        else:
            _refuse_other_formats(start)
        yield NemoArchive(_members(file))


def open_file(path: Path) -> BinaryIO:
    """Open a file to read it; CheckpointError if that fails."""
    if path.is_dir():
        raise CheckpointError(
            "is a directory without a config.json; give the .nemo file itself, or a "
            "directory that transformers saved"
        )
    if path.exists() and not path.is_file():  # opening a pipe would wait for somebody to write
        raise CheckpointError("is not a regular file; save the checkpoint in one")
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise CheckpointError("no such file") from None
    except OSError as error:
        raise CheckpointError(f"cannot be read ({error.strerror or error})") from error


def _refuse_other_formats(start: bytes) -> None:
    if not start:
        raise CheckpointError("the file is empty (0 bytes); fetch it again")
    if start.startswith((b"PK\x03\x04", b"\x80\x02")):
        raise CheckpointError(
            "is a PyTorch checkpoint (.ckpt or .pt), not a .nemo archive; load it in NeMo and "
            "write one with model.save_to('model.nemo')"
        )
    check_fetched(start)


def check_fetched(start: bytes, name: str = "") -> None:
    """Raise CheckpointError if a file that begins with `start` is none of a checkpoint's."""
    other = instead_of(start, "the file of a checkpoint", _REMEDIES)
    if other is not None:
        raise CheckpointError(f"{name} {other}".lstrip())


@contextlib.contextmanager
def _unpacked(file: BinaryIO, path: Path, scratch: Path) -> Iterator[BinaryIO]:
    limit = (path.stat().st_size + COPY_CHUNK) * MAX_EXPANSION
    file.seek(0)
    with tempfile.TemporaryFile(dir=scratch) as unpacked:
        try:
            with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                _copy(stream, unpacked, limit)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CheckpointError(
                f"the gzip stream is damaged or cut short ({error}); fetch the file again"
            ) from error
        except OSError as error:
            raise ModelFileError(
                f"{scratch}: cannot hold the unpacked checkpoint ({error.strerror}); make room, "
                "or unpack the .nemo with gunzip elsewhere"
            ) from error
        yield unpacked


def _copy(stream: gzip.GzipFile, unpacked: IO[bytes], limit: int) -> None:
    while chunk := stream.read(COPY_CHUNK):
        unpacked.write(chunk)
        if unpacked.tell() > limit:
            raise CheckpointError(
                f"unpacks to more than {MAX_EXPANSION} times its size, which weights never do; "
                "not a .nemo archive"
            )
    unpacked.flush()


def _members(file: BinaryIO) -> dict[str, Window]:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    headers: Any = _HeaderReader(file)
    try:
        archive = tarfile.open(fileobj=headers, mode="r:")  # noqa: SIM115  (it owns nothing)
    except tarfile.TarError:
        raise CheckpointError(
            "is not a .nemo archive (a tar file written by NeMo's model.save_to())"
        ) from None
    members: dict[str, Window] = {}
    try:
        for count, member in enumerate(archive):
            if count >= MAX_MEMBERS or len(archive.pax_headers) > MAX_GLOBAL:
                raise CheckpointError("more members or headers than any .nemo archive has")
            end = member.offset_data + member.size
            if member.size < 0 or end > size:
                raise CheckpointError(
                    f"the archive is cut short: {member.name!r} ends at byte {end}, the file at "
                    f"{size}; fetch the file again"
                )
            if not member.isreg() or member.issparse():
                continue
            name = posixpath.normpath(member.name)
            if name in members:  # which one is meant is a matter of who reads it
                raise CheckpointError(f"the archive holds {name!r} twice; fetch the file again")
            members[name] = Window(file, member.offset_data, member.size, name)
    except (tarfile.TarError, EOFError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"the tar archive is damaged or cut short ({error}); fetch the file again"
        ) from error
    return members
