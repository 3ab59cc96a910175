"""What the runtime allocates for a model, whatever its family.

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
