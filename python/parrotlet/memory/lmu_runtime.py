"""What the runtime allocates for an LMU model, as `runtime.py` has it for Conformer models."""

from __future__ import annotations

from collections.abc import Iterable

from parrotlet._core import sizes
from parrotlet.memory.arena import Arena
from parrotlet.memory.lmu_sizes import LMU_LAYERS, Lmu
from parrotlet.memory.runtime import FLOAT, pack, transform_weights, transform_work
from parrotlet.memory.weights import Weight
from parrotlet.streaming import BLOCK_SAMPLES

MOST_IN_HEAP = 32 << 20
"""Larger pieces of memory go back to the system when they are freed (glibc's
DEFAULT_MMAP_THRESHOLD_MAX); smaller ones may stay as gaps."""


class LmuRuntime:
    """An LMU model with matrices of a type."""

    def __init__(self, model: Lmu, type: str) -> None:
        """Nothing is computed yet."""
        self.model = model
        self.type = type
        self.arena = Arena()  # of the calling thread
        self.thread_arena = Arena()  # of each thread, the calling one included
        self._weights = model.weights()

    def weights(self) -> int:
        """Bytes of everything that is read from the file and stays."""
        model = self.model
        rows = sizes.packed_matrix("f32", model.memory, model.memory + 1)  # A and B
        vectors = sizes.packed_matrix("f32", 1, model.hidden)
        if not model.fft:
            vectors += sizes.packed_matrix("f32", 1, model.hidden + model.memory)
        return (
            transform_weights(model.features)
            + sum(map(self._packed, self._weights))
            + model.layers * (rows + vectors)
        )

    def _packed(self, weight: Weight) -> int:
        if len(weight.shape) < 2:
            if weight.layer == LMU_LAYERS:
                return 0  # packed like matrices
            return FLOAT * weight.parameters
        return weight.times * sizes.packed_matrix(weight.stored(self.type), *weight.shape)

    def offline(self, seconds: float) -> dict[str, int]:
        """Transcribing a recording; returns the bytes of what is kept meanwhile."""
        model, features = self.model, self.model.features
        samples = int(seconds * features.sample_rate)
        frames = max(1, samples // features.hop_length)
        with self.arena.scope():
            self.arena.allocate(FLOAT * (samples + features.n_fft))
            transform_work(features, min(frames, sizes.MEL_TASK_FRAMES), self.thread_arena)
        self._advance(frames if model.attention else min(frames, sizes.RECURRENT_FRAMES))
        self._log_probs(frames)
        mels, output = FLOAT * frames * model.inputs, FLOAT * frames * model.hidden
        kept = max(mels + output, output + FLOAT * frames * model.vocab)
        return {"samples": FLOAT * samples, "features and frames": kept}

    def streaming(self, seconds: float) -> dict[str, int]:
        """Transcribing a stream; features that are normalised over all of it are kept in a vector
        that doubles, and go through the model once more at the end, piece by piece."""
        model, features = self.model, self.model.features
        samples = min(int(seconds * features.sample_rate), BLOCK_SAMPLES)
        transform_work(features, sizes.MEL_TASK_FRAMES, self.thread_arena)
        frames = -(-samples // features.hop_length)
        kept = {"samples": 2 * FLOAT * samples}
        if features.normalize != "none":
            total = int(seconds * features.sample_rate) // features.hop_length
            frames = max(frames, min(total, sizes.REVISED_FRAMES))
            used = FLOAT * total * features.mel_bands
            # Up to twice what is in use; and what it was moved from, if that was in the heap.
            kept["features"] = 2 * used + min(used, MOST_IN_HEAP)
        self._advance(frames)
        self._log_probs(frames)
        # The encoder's frames, and the array that Python sees
        each = model.inputs + 2 * model.hidden + model.vocab
        kept["features and frames"] = FLOAT * frames * each
        return kept

    def scratch(self, batch: int, threads: int) -> int:
        """Bytes of scratch memory that all threads have used so far; it is kept."""
        return batch * self.arena.resident + threads * self.thread_arena.resident

    def _log_probs(self, frames: int) -> None:
        """LmuModel::ctc_log_probs."""
        model = self.model
        pack(self._type_of(model.vocab, model.hidden, wide=True), frames, model.hidden, self.arena)

    def _advance(self, frames: int) -> None:
        """LmuEncoder::advance."""
        model, arena, d = self.model, self.arena, self.model.hidden
        with arena.scope():
            arena.allocate(FLOAT * frames * d)
            pack(self._type_of(d, model.inputs, wide=True), frames, model.inputs, arena)
            if model.attention:
                self._attention(frames)
            with arena.scope():
                arena.allocate(FLOAT * frames)
                if model.fft:
                    arena.allocate(FLOAT * frames * (model.memory + d))
                    arena.allocate(FLOAT * model.memory)
                    joined = model.memory + d
                    pack(self._type_of(d, joined), frames, joined, arena)
                else:
                    arena.allocate(FLOAT * d)
                    pack(self._type_of(d, d), frames, d, arena)
            pack(self._type_of(d, d, wide=True), frames, d, arena)

    def _attention(self, frames: int) -> None:
        """SelfAttention::operator()."""
        model, arena, d = self.model, self.arena, self.model.hidden
        head = d // model.heads
        type = self._type_of(d, d)
        quantised = type not in ("f32", "f16")
        with arena.scope():
            arena.allocate(FLOAT * frames * 3 * d)
            pack(type, frames, d, arena)
            each: Iterable[int] = (f(quantised, frames, head) for f in (sizes.keys, sizes.values))
            arena.allocate(model.heads * sum(each))
            arena.allocate(FLOAT * frames * d)
            with self.thread_arena.scope():
                self.thread_arena.allocate(sizes.attention_scratch(quantised, frames, head))
            pack(type, frames, d, arena)

    def _type_of(self, rows: int, columns: int, wide: bool = False) -> str:
        return Weight("", "", (rows, columns), wide=wide).stored(self.type)
