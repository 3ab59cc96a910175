"""What the runtime allocates for a Conformer model."""

from __future__ import annotations

from collections.abc import Mapping

from parrotlet.architectures.conformer.sizes import Conformer
from parrotlet.memory.runtime import StoredTensor, planner, resident_scratch


class ConformerRuntime:
    """A Conformer model as the runtime holds and runs it."""

    def __init__(
        self, source: str, config: Conformer, tensors: Mapping[str, StoredTensor], threads: int
    ) -> None:
        """`tensors` are those of the file by name; see `parrotlet.memory.runtime.planner`."""
        self.config = config
        self._planner = planner(source, config, tensors, threads)

    def weights(self) -> int:
        """Bytes of everything that is read from the file and stays."""
        return self._planner.weight_bytes

    def recording(self, samples: int, context: tuple[int, ...]) -> tuple[int, int, int]:
        """A recording in one pass at a (left, right) context, or at one with a chunk after these.

        Returns the frames of its features and of the encoder, and the bytes of the positions that
        the model keeps after it.
        """
        return self._planner.recording(samples, *context)

    def stream_positions(self, context: tuple[int, int]) -> int:
        """Bytes of the positions of all layers, which streams of a context share."""
        return self._planner.stream_bytes(*context)[2]

    def stream_caches(self, context: tuple[int, int]) -> tuple[int, int]:
        """Bytes of a stream's keys and values, and of its convolutions' histories."""
        keys, histories, _ = self._planner.stream_bytes(*context)
        return keys, histories

    def stream_step(self, context: tuple[int, int], streams: int) -> None:
        """Two chunks of each of some streams, together, that have been running for long."""
        factor = self.config.encoder.subsampling.factor
        self._planner.streams(2 * factor * (context[1] + 1), *context, streams)

    def scratch(self, calls: int, threads: int) -> int:
        """Bytes of scratch memory that `calls` at a time and all threads have used so far."""
        return resident_scratch(self._planner, calls, threads)
