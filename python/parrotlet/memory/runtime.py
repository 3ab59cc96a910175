"""What the runtime allocates for a Conformer model.

Nothing here is fitted. Weights, scratch memory, caches and positions are counted by the runtime
itself, which runs the model without weights and without computing (`_core.sizes.Planner`);
`tests/memory` compares the sum with the resident memory of a process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from parrotlet._core.sizes import Planner
from parrotlet.architectures import Sizes, metadata_of
from parrotlet.architectures.conformer.sizes import Conformer
from parrotlet.architectures.tensors import Shape

FLOAT = 4

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of the file: its shape and the type it is stored as."""

    shape: Shape
    type: str


def planner(
    source: str, sizes: Sizes, tensors: Mapping[str, StoredTensor], threads: int
) -> Planner:
    """What counts for a model of these sizes whose file has `tensors`, by name.

    Raises ModelFileError, which calls the model `source`, for sizes that the runtime does not take.
    """
    described = [(name, tensor.shape, tensor.type) for name, tensor in tensors.items()]
    return Planner(source, sizes.architecture, metadata_of(sizes), described, threads)


class Runtime:
    """A Conformer model as the runtime holds and runs it."""

    def __init__(
        self, source: str, config: Conformer, tensors: Mapping[str, StoredTensor], threads: int
    ) -> None:
        """`tensors` are those of the file by name; see `planner`."""
        self.config = config
        self._planner = planner(source, config, tensors, threads)

    def weights(self) -> int:
        """Bytes of everything that is read from the file and stays."""
        return self._planner.weight_bytes

    def recording(self, samples: int, context: tuple[int, int]) -> tuple[int, int, int]:
        """A recording in one pass; returns the frames of its features and of the encoder, and the
        bytes of the positions that the model keeps after it."""
        return self._planner.recording(samples, *context)

    def stream_positions(self, context: tuple[int, int]) -> int:
        """Bytes of the positions of all layers, which streams of a context share."""
        return self._planner.stream_bytes(*context)[2]

    def stream_caches(self, context: tuple[int, int]) -> tuple[int, int]:
        """Bytes of a stream's keys and values, and of its convolutions' histories."""
        keys, histories, _ = self._planner.stream_bytes(*context)
        return keys, histories

    def stream_step(self, context: tuple[int, int]) -> None:
        """Two chunks of a stream that has been running for long."""
        factor = self.config.encoder.subsampling.factor
        self._planner.stream(2 * factor * (context[1] + 1), *context)

    def scratch(self, calls: int, threads: int) -> int:
        """Bytes of scratch memory that `calls` at a time and all threads have used so far."""
        return resident_scratch(self._planner, calls, threads)


def resident_scratch(planner: Planner, calls: int, threads: int) -> int:
    """Bytes of scratch memory that `calls` at a time and `threads` keep in memory."""
    call, thread = planner.scratch(_has_huge_pages())
    return calls * call + threads * thread


@cache
def _has_huge_pages() -> bool:
    try:
        return "[never]" not in _HUGE_PAGES.read_text()
    except OSError:
        return False
