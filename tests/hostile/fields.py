"""Where every number of a GGUF file's header lies: an independent, trusting parser."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SCALARS = dict(enumerate("BbHhIif?sqQqd"))
_STRING, _ARRAY = 8, 9
_SCALARS |= {10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True)
class Field:
    """A number at `position`, as struct's `layout` has it; `name` says what it is."""

    name: str
    position: int
    layout: str

    @property
    def size(self) -> int:
        return struct.calcsize("<" + self.layout)


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 4
        self.fields: list[Field] = []

    def number(self, name: str, layout: str) -> int:
        field = Field(name, self.position, layout)
        self.fields.append(field)
        self.position += field.size
        return struct.unpack_from("<" + layout, self.data, field.position)[0]

    def text(self, name: str) -> str:
        size = self.number(f"length of {name}", "Q")
        self.position += size
        return self.data[self.position - size : self.position].decode()

    def value(self, name: str, kind: int) -> None:
        if kind == _STRING:
            self.text(name)
        elif kind == _ARRAY:
            element = self.number(f"element type of {name}", "I")
            for index in range(self.number(f"count of {name}", "Q")):
                self.value(f"{name}[{index}]", element)
        else:
            self.number(name, _SCALARS[kind])


def fields(data: bytes) -> list[Field]:
    """Every number before the tensors' values."""
    walk = _Walk(data)
    walk.number("version", "I")
    tensors = walk.number("tensor count", "Q")
    for _ in range(walk.number("metadata count", "Q")):
        key = walk.text("key")
        walk.value(key, walk.number(f"type of {key}", "I"))
    for _ in range(tensors):
        name = walk.text("tensor name")
        for axis in range(walk.number(f"rank of {name}", "I")):
            walk.number(f"ne[{axis}] of {name}", "Q")
        walk.number(f"type of {name}", "I")
        walk.number(f"offset of {name}", "Q")
    return walk.fields


def mutations(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Copies of the file with one number each set to what such numbers should not be."""
    for field in fields(data):
        full = 2 ** (8 * field.size) - 1
        old = int.from_bytes(data[field.position : field.position + field.size], "little")
        values = {0, 1, full, full >> 1, (full >> 1) + 1, old + 1, max(old, 1) - 1, old << 8}
        for value in sorted(v & full for v in values if v & full != old):
            changed = bytearray(data)
            changed[field.position : field.position + field.size] = value.to_bytes(
                field.size, "little"
            )
            yield f"{field.name} = {value:#x}", bytes(changed)
