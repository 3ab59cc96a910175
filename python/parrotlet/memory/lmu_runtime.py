"""What the runtime allocates for an LMU model, as `runtime.py` has it for Conformer models."""

from __future__ import annotations

from parrotlet._convert import storage
from parrotlet._convert.lmu_config import LmuConfig
from parrotlet._convert.lmu_mapping import lmu
from parrotlet._convert.metadata import LMU, lmu_keys
from parrotlet._convert.tokenizer import Tokenizer
from parrotlet._core import sizes
from parrotlet.memory.lmu_sizes import Lmu
from parrotlet.memory.runtime import FLOAT, resident_scratch
from parrotlet.streaming import BLOCK_SAMPLES

MOST_IN_HEAP = 32 << 20
"""Larger pieces of memory go back to the system when they are freed (glibc's
DEFAULT_MMAP_THRESHOLD_MAX); smaller ones may stay as gaps."""


class LmuRuntime:
    """An LMU model with matrices of a type."""

    def __init__(self, model: Lmu, type: str, threads: int) -> None:
        """Nothing is computed yet."""
        self.model = model
        config = _converted(model)
        planned = [(p.tensor.name, p.tensor.shape, p.type) for p in storage.plan(lmu(config), type)]
        self.planner = sizes.Planner(LMU, lmu_keys(config), planned, threads)

    def weights(self) -> int:
        """Bytes of everything that is read from the file and stays."""
        return self.planner.weight_bytes

    def offline(self, seconds: float) -> dict[str, int]:
        """Transcribing a recording; returns the bytes of what is kept meanwhile."""
        model = self.model
        samples = int(seconds * model.features.sample_rate)
        frames, _, _ = self.planner.recording(samples, -1, -1)
        mels, output = FLOAT * frames * model.inputs, FLOAT * frames * model.hidden
        kept = max(mels + output, output + FLOAT * frames * model.vocab)
        return {"samples": FLOAT * samples, "features and frames": kept}

    def streaming(self, seconds: float) -> dict[str, int]:
        """Transcribing a stream; features that are normalised over all of it are kept in a vector
        that doubles, and go through the model once more at the end, piece by piece."""
        model, features = self.model, self.model.features
        samples = min(int(seconds * features.sample_rate), BLOCK_SAMPLES)
        frames = -(-samples // features.hop_length)
        kept = {"samples": 2 * FLOAT * samples}
        if features.normalize != "none":
            total = int(seconds * features.sample_rate) // features.hop_length
            frames = max(frames, min(total, sizes.REVISED_FRAMES))
            used = FLOAT * total * features.mel_bands
            # Up to twice what is in use; and what it was moved from, if that was in the heap.
            kept["features"] = 2 * used + min(used, MOST_IN_HEAP)
        self.planner.stream(frames, -1, 0)
        # The encoder's frames, and the array that Python sees
        each = model.inputs + 2 * model.hidden + model.vocab
        kept["features and frames"] = FLOAT * frames * each
        return kept

    def scratch(self, batch: int, threads: int) -> int:
        """Bytes of scratch memory that all threads have used so far; it is kept."""
        return resident_scratch(self.planner, batch, threads)


def _converted(model: Lmu) -> LmuConfig:
    """The model as the converter describes it."""
    tokens = model.vocab - 1
    return LmuConfig(
        features=model.features,
        layers=model.layers,
        hidden=model.hidden,
        memory=model.memory,
        layer="fft" if model.fft else "cell",
        heads=model.heads,
        theta=None,
        stored=True,
        biases=model.biases,
        tokenizer=Tokenizer("plain", ("",) * tokens, (0.0,) * tokens, (0,) * tokens),
    )
