"""What the runtime takes, for planning memory."""

from collections.abc import Sequence
from typing import Any

from parrotlet._core import BeamOptions, Model

CACHE_SLACK: int
MOST_POSITION_BYTES: int
POSITION_SLACK: int
REVISED_FRAMES: int
SEARCH_FRAMES: int

class Planner:
    """Counts the memory of calls of a model, one after the other, without computing anything."""

    def __init__(
        self,
        name: str,
        architecture: str,
        metadata: Sequence[tuple[str, str, Any]],
        tensors: Sequence[tuple[str, tuple[int, ...], str]],
        threads: int,
    ) -> None:
        """Plan for a model that is described: its keys as a file has them, with how each is stored,
        and the name, shape and type of every tensor. `name` is for messages."""
    @staticmethod
    def of(model: Model) -> Planner:
        """Plan for a model that is loaded."""
    @property
    def weight_bytes(self) -> int:
        """Bytes of everything that is read from the file and stays, packed."""
    def search_with(self, head: str, beam: BeamOptions) -> int:
        """Count this search from now on, in place of a greedy one over the transducer, or over CTC
        where there is none. Returns the bytes that it holds, beside scratch memory."""
    def recording(
        self, samples: int, left: int, right: int, chunk: int = -1
    ) -> tuple[int, int, int]:
        """Feature frames and encoder frames of a recording, and the bytes kept for the next one."""
    def streams(self, frames: int, left: int, right: int, count: int = 1) -> None:
        """Feed frames of features to each of `count` streams that have been running for long."""
    def stream_bytes(self, left: int, right: int) -> tuple[int, int, int]:
        """Bytes of a stream's keys and values, of its histories, and of shared positions."""
    def scratch(self, huge_pages: bool) -> tuple[int, int]:
        """Bytes of scratch memory of all calls so far: of a caller, and of each thread."""
