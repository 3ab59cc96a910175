"""What the runtime allocates for a model that has a CTC head alone, of whichever family."""

from __future__ import annotations

from parrotlet._core.sizes import REVISED_FRAMES
from parrotlet.architectures import Sizes, family_with
from parrotlet.architectures.storage import choose_types
from parrotlet.memory.runtime import FLOAT, StoredTensor, planner, resident_scratch
from parrotlet.streaming import BLOCK_SAMPLES

MOST_IN_HEAP = 32 << 20
"""Larger pieces of memory go back to the system when they are freed (glibc's
DEFAULT_MMAP_THRESHOLD_MAX); smaller ones may stay as gaps."""


class CtcRuntime:
    """A model with matrices of a type."""

    def __init__(self, source: str, model: Sizes, type: str, threads: int) -> None:
        """`source` is what messages call the model; see `planner`."""
        self.model = model
        family = family_with(model)
        chosen = choose_types(family.tensors(model), family.storage, type)
        tensors = {c.tensor.name: StoredTensor(c.tensor.shape, c.type) for c in chosen}
        self._planner = planner(source, model, tensors, threads)

    def weights(self) -> int:
        """Bytes of everything that is read from the file and stays."""
        return self._planner.weight_bytes

    def offline(self, seconds: float) -> dict[str, int]:
        """Transcribing a recording; returns the bytes of what is kept meanwhile."""
        model = self.model
        samples = int(seconds * model.features.sample_rate)
        frames, encoded, _ = self._planner.recording(samples, -1, -1)
        kept = FLOAT * (frames * model.features.mel_bands + encoded * model.d_model)
        return {"samples": FLOAT * samples, "features and frames": kept}

    def streaming(self, seconds: float) -> dict[str, int]:
        """Transcribing a stream; features that are normalised over all of it are kept in a vector
        that doubles, and go through the model once more at the end, piece by piece."""
        model, features = self.model, self.model.features
        samples = min(int(seconds * features.sample_rate), BLOCK_SAMPLES)
        frames = -(-samples // features.hop_length)
        kept = {"samples": 2 * FLOAT * samples}
        if features.whole_recording:
            total = int(seconds * features.sample_rate) // features.hop_length
            frames = max(frames, min(total, REVISED_FRAMES))
            used = FLOAT * total * features.mel_bands
            # Up to twice what is in use; and what it was moved from, if that was in the heap.
            kept["features"] = 2 * used + min(used, MOST_IN_HEAP)
        self._planner.streams(frames, -1, 0)
        # The encoder's frames, and the array that Python sees
        each = model.features.mel_bands + 2 * model.d_model
        kept["features and frames"] = FLOAT * frames * each
        return kept

    def scratch(self, batch: int, threads: int) -> int:
        """Bytes of scratch memory that all threads have used so far; it is kept."""
        return resident_scratch(self._planner, batch, threads)
