"""The zip container that `torch.save` writes.

Entries are stored, never compressed, so a tensor's storage is a byte range of the file. Only
the directory is parsed here, with every offset checked against the file's size. Format: APPNOTE
6.3.10 of PKWARE, and PyTorch's `caffe2/serialize/inline_container.h`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import CheckpointError
from .archive import Window

MAX_DIRECTORY = 16 << 20  # 1500 storages take 0.2 MB

_END = struct.Struct("<4s4H2IH")
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_ZIP64_EXTRA = 0x0001
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True)
class Entry:
    """One stored file of the zip: `size` bytes, whose local header is at `header`."""

    header: int
    size: int
    stored: bool


class TorchZip:
    """The entries of a PyTorch checkpoint by path below its top folder ("data.pkl", "data/0")."""

    def __init__(self, window: Window) -> None:
        """Read the directory; CheckpointError if `window` is not what torch.save writes."""
        self._window = window
        start = window.read(0, min(4, window.size))
        if start != b"PK\x03\x04":
            raise CheckpointError(_not_a_zip(window.name, start))
        entries = _directory(window)
        roots = [name[: -len("data.pkl")] for name in entries if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise CheckpointError(f"{window.name} is a zip file, but not one torch.save wrote")
        root = roots[0]
        self._entries = {
            name[len(root) :]: entry for name, entry in entries.items() if name.startswith(root)
        }

    def __contains__(self, name: str) -> bool:
        """Whether there is such an entry."""
        return name in self._entries

    def open(self, name: str) -> Window:
        """The bytes of an entry; CheckpointError if it is missing, compressed or out of bounds."""
        entry = self._entries.get(name)
        if entry is None:
            raise CheckpointError(f"{self._window.name} has no entry {name!r}")
        if not entry.stored:
            raise CheckpointError(
                f"{self._window.name}: entry {name!r} is compressed, which torch.save never does; "
                "load the checkpoint in PyTorch and save it again"
            )
        header = _LOCAL.unpack(self._window.read(entry.header, _LOCAL.size))
        if header[0] != b"PK\x03\x04":
            raise CheckpointError(f"{self._window.name}: entry {name!r} is not where it should be")
        start = entry.header + _LOCAL.size + header[9] + header[10]
        if start + entry.size > self._window.size:
            raise CheckpointError(f"{self._window.name}: entry {name!r} runs past the end")
        return Window(self._window.file, self._window.start + start, entry.size, name)


def is_torch_file(window: Window) -> bool:
    """Whether a file is what torch.save writes, in this format or the one before it."""
    return window.read(0, min(4, window.size)).startswith((b"PK\x03\x04", b"\x80\x02"))


def _not_a_zip(name: str, start: bytes) -> str:
    if start.startswith(b"\x80"):
        return (
            f"{name} is in PyTorch's legacy format (before 1.6); load the model in a newer version "
            "and save it again"
        )
    return f"{name} is not a PyTorch checkpoint"


def _directory(window: Window) -> dict[str, Entry]:
    offset, size, count = _directory_place(window)
    if size > MAX_DIRECTORY:
        raise CheckpointError(f"{window.name}: a zip directory of {size} bytes cannot be right")
    data = window.read(offset, size)
    entries: dict[str, Entry] = {}
    position = 0
    for _ in range(count):
        if position + _ENTRY.size > size:
            raise CheckpointError(f"{window.name}: the zip directory is cut short")
        fields = _ENTRY.unpack_from(data, position)
        names, extras, comments = fields[10], fields[11], fields[12]
        body = position + _ENTRY.size
        position = body + names + extras + comments
        if fields[0] != b"PK\x01\x02" or position > size:
            raise CheckpointError(f"{window.name}: the zip directory is damaged")
        name = data[body : body + names].decode("utf-8", "replace")
        extra = data[body + names : body + names + extras]
        if name in entries:  # which one is meant is a matter of who reads it
            raise CheckpointError(f"{window.name} holds {name!r} twice; fetch the file again")
        entries[name] = _entry(fields, extra, window.name)
    return entries


def _entry(fields: tuple[int, ...], extra: bytes, name: str) -> Entry:
    method, packed, size, header = fields[4], fields[8], fields[9], fields[16]
    if _FULL32 in (packed, size, header):
        wide = _zip64_values(extra)
        try:  # present in this order, each only where the 32-bit field is full
            size = next(wide) if size == _FULL32 else size
            packed = next(wide) if packed == _FULL32 else packed
            header = next(wide) if header == _FULL32 else header
        except StopIteration:
            raise CheckpointError(f"{name}: a zip64 entry lacks its sizes") from None
    return Entry(header, size, stored=method == 0 and packed == size)


def _zip64_values(extra: bytes) -> Iterator[int]:
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, position)
        if kind == _ZIP64_EXTRA:
            block = extra[position + 4 : position + 4 + size]
            return iter(struct.unpack(f"<{len(block) // 8}Q", block[: len(block) // 8 * 8]))
        position += 4 + size
    return iter(())


def _directory_place(window: Window) -> tuple[int, int, int]:
    """Offset, size and entry count of the central directory."""
    tail_size = min(window.size, _END.size + 0xFFFF)
    tail_start = window.size - tail_size
    tail = window.read(tail_start, tail_size)
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or found + _END.size > tail_size:
        raise CheckpointError(f"{window.name} is cut short: the zip directory is missing")
    end = _END.unpack_from(tail, found)
    count, size, offset = end[4], end[5], end[6]
    if count != _FULL16 and _FULL32 not in (size, offset):
        return offset, size, count
    locator_at = tail_start + found - _END64_LOCATOR.size
    if locator_at < 0:
        raise CheckpointError(f"{window.name}: the zip64 directory is missing")
    locator = _END64_LOCATOR.unpack(window.read(locator_at, _END64_LOCATOR.size))
    if locator[0] != b"PK\x06\x07":
        return offset, size, count
    end64 = _END64.unpack(window.read(locator[2], _END64.size))
    if end64[0] != b"PK\x06\x06":
        raise CheckpointError(f"{window.name}: the zip64 directory is damaged")
    return end64[9], end64[8], end64[7]
