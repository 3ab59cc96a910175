"""What the runtime allocates for a Conformer model.

Nothing here is fitted. Scratch memory, caches and positions are counted by the runtime itself,
which runs the model without weights and without computing (`_core.sizes.Planner`); `tests/memory`
compares the sum with the resident memory of a process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from parrotlet import _core
from parrotlet._convert.config import Features, ModelConfig
from parrotlet._convert.mapping import Shape
from parrotlet._convert.metadata import ARCHITECTURE, conformer_keys
from parrotlet._core import sizes

FLOAT = 4
TAPS = 9  # of a convolution of the subsampling

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
        self.tensors = tensors
        described = [(name, tensor.shape, tensor.type) for name, tensor in tensors.items()]
        self.planner = sizes.Planner(
            ARCHITECTURE, conformer_keys(config, vocab), described, threads
        )

    # Weights --------------------------------------------------------------------------------

    def weights(self) -> int:
        """Bytes of everything that is read from the file and stays."""
        return transform_weights(self.config.features) + sum(
            self._weight(*item) for item in self.tensors.items()
        )

    def _weight(self, name: str, tensor: Stored) -> int:
        if name.startswith("preprocessor."):
            return 0  # counted with the transform
        if name.endswith("prediction.embed.weight"):  # as in the file: rows are decoded as needed
            elements, size = _core.block_layout(tensor.type)
            return math.prod(tensor.shape) // elements * size
        if len(tensor.shape) == 2 and not name.endswith((".pos_bias_u", ".pos_bias_v")):
            rows, columns = tensor.shape
            if columns != TAPS and not name.endswith("depthwise_conv.weight"):
                return sizes.packed_matrix(tensor.type, rows, columns)
        return FLOAT * math.prod(tensor.shape)

    # Memory in use --------------------------------------------------------------------------

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


def transform_weights(features: Features) -> int:
    """LogMel: bytes of the transform with its window, and of the mel filterbank."""
    bins = features.n_fft // 2 + 1
    transform = sizes.packed_matrix("f32", 2 * bins, features.window_length)
    return transform + sizes.packed_matrix("f32", features.mel_bands, bins)
