"""Tensors of a checkpoint by their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

_Entry = TypeVar("_Entry")


class NamedTensors(Mapping[str, _Entry]):
    """Name -> shape and place of a tensor, in the order of the file."""

    _entries: dict[str, _Entry]

    def __getitem__(self, name: str) -> _Entry:
        """Shape and place of a tensor."""
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        """Names."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Number of tensors."""
        return len(self._entries)
