"""What the runtime allocates for a Conformer model.

Nothing here is fitted. Scratch memory, caches and positions are counted by the runtime itself,
which runs the model without weights and without computing (`_core.sizes.Planner`); `tests/memory`
compares the sum with the resident memory of a process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from parrotlet._convert.config import ModelConfig
from parrotlet._convert.mapping import Shape
from parrotlet._convert.metadata import ARCHITECTURE, conformer_keys
from parrotlet._core import sizes

FLOAT = 4

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@dataclass(frozen=True)
class Stored:
    """A tensor of the file: its shape and the type it is stored as."""

    shape: Shape
    type: str


class Runtime:
    """A Conformer model as the runtime holds and runs it."""

    def __init__(
        self, config: ModelConfig, vocab: int, tensors: Mapping[str, Stored], threads: int
    ) -> None:
        """`tensors` are those of the file by name, `vocab` the tokens without the blank."""
        self.config = config
        self.vocab = vocab
        described = [(name, tensor.shape, tensor.type) for name, tensor in tensors.items()]
        self.planner = sizes.Planner(
            ARCHITECTURE, conformer_keys(config, vocab), described, threads
        )

    def weights(self) -> int:
        """Bytes of everything that is read from the file and stays."""
        return self.planner.weight_bytes

    def recording(self, samples: int, context: tuple[int, int]) -> tuple[int, int, int]:
        """A recording in one pass; returns the frames of its features and of the encoder, and the
        bytes of the positions that the model keeps after it."""
        return self.planner.recording(samples, *context)

    def outputs(self, frames: int) -> int:
        """Bytes of what a head makes of encoder frames at once: the joint's projection, or
        log-probabilities."""
        transducer = self.config.transducer
        each = self.vocab + 1 if transducer is None else transducer.joint_hidden
        return frames * each * FLOAT

    def stream_positions(self, context: tuple[int, int]) -> int:
        """Bytes of the positions of all layers, which streams of a context share."""
        return self.planner.stream_bytes(*context)[2]

    def stream_caches(self, context: tuple[int, int]) -> tuple[int, int]:
        """Bytes of a stream's keys and values, and of its convolutions' histories."""
        keys, histories, _ = self.planner.stream_bytes(*context)
        return keys, histories

    def stream_step(self, context: tuple[int, int]) -> None:
        """Two chunks of a stream that has been running for long."""
        factor = self.config.encoder.subsampling.factor
        self.planner.stream(2 * factor * (context[1] + 1), *context)

    def scratch(self, calls: int, threads: int) -> int:
        """Bytes of scratch memory that `calls` at a time and all threads have used so far."""
        return resident_scratch(self.planner, calls, threads)


def resident_scratch(planner: sizes.Planner, calls: int, threads: int) -> int:
    """Bytes of scratch memory that `calls` at a time and `threads` keep in memory."""
    call, thread = planner.scratch(_has_huge_pages())
    return calls * call + threads * thread


@cache
def _has_huge_pages() -> bool:
    try:
        return "[never]" not in _HUGE_PAGES.read_text()
    except OSError:
        return False
