"""Sizes of buffered streaming: what of a recording goes through the encoder for a chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MAX_CONTEXT = 10_000
"""Most frames of a limited attention context; NeMo's own stand-in for no limit in streams."""


class ContextSize(NamedTuple):
    """Encoder frames of a window: those before the chunk, the chunk, and those after it.

    The chunk's frames are what the window is encoded for. Source: NeMo's `ContextSize`.
    """

    left: int
    chunk: int
    right: int

    @property
    def total(self) -> int:
        """Frames of the window."""
        return self.left + self.chunk + self.right


@dataclass(frozen=True)
class ChunkContexts:
    """The sizes that a model was trained with, in encoder frames; NeMo's `att_chunk_context_size`.

    A window of such a model is masked as in training: frames see the chunk that they are in, and
    the left and right context of that.
    """

    left: tuple[int, ...]
    chunk: tuple[int, ...]
    right: tuple[int, ...]

    def choose(self, left: int | None, chunk: int | None, right: int | None) -> ContextSize:
        """What stands for sizes that were left open; raises ValueError for those that make none.

        The largest are the most accurate. A chunk is no longer than its right context, where the
        model was trained for that: a longer one would wait for itself.
        """
        sizes = (("left_context", left, 0), ("chunk_size", chunk, 1), ("right_context", right, 0))
        for name, frames, least in sizes:
            if frames is None:
                continue
            if type(frames) is not int or not least <= frames <= MAX_CONTEXT:
                raise ValueError(
                    f"{name} is {frames!r}; expected {least} to {MAX_CONTEXT} encoder frames"
                )
        if right is None:
            right = max(self.right)
        if chunk is None:
            chunk = max((n for n in self.chunk if n <= right), default=min(self.chunk))
        return ContextSize(max(self.left) if left is None else left, chunk, right)
