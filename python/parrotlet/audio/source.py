"""Where a recording's bytes come from: paths, files of the caller, pipes.

Whatever it is, the other modules see `Contents`: bytes that can be read at any position.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from parrotlet.errors import AudioError

SPOOLED_BYTES = 64 << 20
"""What is kept in memory of a recording that arrives through a pipe; a longer one goes to disk."""

_COPIED_BYTES = 1 << 20  # read at a time from a pipe

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

Source = str | os.PathLike[str] | BinaryIO
"""Where a recording is: a path, or a binary file with the contents of one."""


class Contents:
    """The bytes of a recording, which can be read at any position."""

    def __init__(self, file: BinaryIO, name: str, owned: bool) -> None:
        """Of a file that seeks; closed by `close` if it is `owned`."""
        self.name = name
        self._file = file
        self._owned = owned
        self._position = -1
        self.size = _of_caller(name, lambda: file.seek(0, os.SEEK_END))

    def read(self, position: int, count: int) -> bytes:
        """Return `count` bytes from `position` on, and less only where the recording ends."""
        if position >= self.size or count <= 0:
            return b""
        if not self._owned or position != self._position:
            self._file.seek(position)
        data = read_fully(self._file, count, self.name)
        self._position = position + len(data)
        return data

    def close(self) -> None:
        """Close the file if it was opened for this."""
        if self._owned:
            self._file.close()


def open_source(source: Source, name: str) -> Callable[[], Contents]:
    """Return what opens the contents of `source`, as often as they are needed.

    A pipe is read to its end first. Raises AudioError if there is no such file, it cannot be read
    or it is empty.
    """
    if isinstance(source, (str, os.PathLike)):
        return _open_path(source, name)
    if isinstance(source, io.TextIOBase):
        raise AudioError(f"{name}: is open as text; open it in binary mode ('rb')")
    if not callable(getattr(source, "read", None)):
        raise AudioError(f"{name}: cannot be read; pass a path or a file open in binary mode")
    file = source if _seeks(source, name) else _spooled(source, name)
    contents = Contents(file, name, owned=False)
    if not contents.size:
        raise AudioError(f"{name}: the file is empty (0 bytes)")
    contents.read(0, 1)
    return lambda: Contents(file, name, owned=False)


def describe(source: object) -> str:
    """Name of a source of audio for messages: its path, or what it is."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "audio stream"


def arrives(source: Source) -> bool:
    """Whether a source is a pipe, which may keep its reader waiting."""
    if isinstance(source, (str, os.PathLike)):
        return Path(source).is_fifo()
    return not _seeks(source, describe(source))


def read_fully(file: BinaryIO, count: int, name: str) -> bytes:
    """Read `count` bytes; fewer only at the end, however few `file.read` gives at a time."""
    data = _read(file, count, name)
    if len(data) == count or not data:
        return data
    parts = [data]
    left = count - len(data)
    while left > 0 and (data := _read(file, left, name)):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def _read(file: BinaryIO, count: int, name: str) -> bytes:
    data = _of_caller(name, lambda: file.read(count))
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        raise AudioError(f"{name}: is open as text; open it in binary mode ('rb')")
    if data is None:
        raise AudioError(f"{name}: does not wait for data; open it in blocking mode")
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    raise AudioError(f"{name}: reading it gives {type(data).__name__} instead of bytes")


def _of_caller(name: str, call: Callable[[], Any]) -> Any:
    """Return what a file of the caller gives; raises AudioError for whatever it raises."""
    try:
        return call()
    except AudioError:
        raise
    except Exception as error:
        raise AudioError(f"{name}: cannot be read ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _seeks(source: BinaryIO, name: str) -> bool:
    seekable = getattr(source, "seekable", None)
    if callable(seekable):
        return bool(_of_caller(name, seekable))
    if not callable(getattr(source, "seek", None)) or not callable(getattr(source, "tell", None)):
        return False
    try:
        source.seek(source.tell())
    except Exception:  # whatever a file of the caller raises
        return False
    return True


def _open_path(source: str | os.PathLike[str], name: str) -> Callable[[], Contents]:
    text = os.fspath(source)
    if not text:
        raise AudioError("'': the name of a recording is empty")
    path = Path(_local_path(text) if isinstance(source, str) and _URL.match(text) else text)
    try:
        if path.is_dir():
            raise AudioError(f"{name}: is a directory; name the recordings in it")
        if not path.exists():
            raise AudioError(f"{name}: no such file")
        with path.open("rb") as file:
            if not path.is_file():
                spooled = _spooled(file, name)
                return lambda: Contents(spooled, name, owned=False)
            if not file.read(1):
                raise AudioError(f"{name}: the file is empty (0 bytes)")
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise AudioError(f"{name}: cannot be opened ({_reason(error)})") from error
    return lambda: _opened(path, name)


def _opened(path: Path, name: str) -> Contents:
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise AudioError(f"{name}: cannot be opened ({_reason(error)})") from error
    return Contents(cast(BinaryIO, file), name, owned=True)


def _local_path(url: str) -> str:
    """Return the path that a `file://` address names; raises AudioError for other addresses."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname  # which loads what it takes to download

    parts = urlsplit(url)
    if parts.scheme.lower() != "file":
        raise AudioError(f"{url}: is an address; download the recording and name the file")
    if parts.netloc not in ("", "localhost"):
        raise AudioError(f"{url}: is on another machine; download the recording and name the file")
    return url2pathname(parts.path)


def _spooled(stream: BinaryIO, name: str) -> BinaryIO:
    """Return the contents of a pipe in a file that seeks, as decoders need."""
    data = read_fully(stream, SPOOLED_BYTES, name)
    if not data:
        raise AudioError(f"{name}: no data arrived")
    if len(data) < SPOOLED_BYTES:
        return io.BytesIO(data)
    import tempfile

    file = tempfile.TemporaryFile()  # noqa: SIM115 (it is gone when nobody holds it)
    try:
        while data:
            file.write(data)
            data = read_fully(stream, _COPIED_BYTES, name)
        file.flush()
    except OSError as error:
        with suppress(OSError):
            file.close()
        raise AudioError(
            f"{name}: does not fit into {tempfile.gettempdir()} ({error.strerror}); "
            "set TMPDIR to a directory with more room, or name a file"
        ) from error
    return file
