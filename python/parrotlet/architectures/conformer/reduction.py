"""NeMo's SubsamplingReductionModule: fewer frames from one of the encoder's blocks on."""

from __future__ import annotations

from dataclasses import dataclass

from parrotlet.architectures.conformer.subsampling import Subsampling

POOLING, STRIDING = "pooling", "striding"

MODULE = "encoder.reduction_subsampling.reduction_enc."
"""What a state dict has before the names of its tensors."""


@dataclass(frozen=True)
class Reduction:
    """`kind` "pooling"|"striding"; `position` is the index of the block that it follows."""

    kind: str
    factor: int
    position: int

    def convolutions(self, d_model: int) -> Subsampling | None:
        """The ConvSubsampling that it is over frames of `d_model`; None for pooling."""
        if self.kind == POOLING:
            return None
        return Subsampling("striding", self.factor, d_model, causal=False)

    def reduced(self, frames: int, d_model: int) -> int:
        """Frames that are left of so many."""
        convolutions = self.convolutions(d_model)
        return convolutions.lengths(frames)[-1] if convolutions else frames // self.factor
