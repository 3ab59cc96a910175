"""NeMo's ConvSubsampling, which makes one encoder frame of several frames of features."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subsampling:
    """ConvSubsampling. `kind` "dw_striding"|"striding"; `factor` a power of two."""

    kind: str
    factor: int
    channels: int
    causal: bool

    @property
    def stages(self) -> int:
        """Number of stride-2 convolutions."""
        return self.factor.bit_length() - 1

    @property
    def separable(self) -> bool:
        """Whether stages after the first are a depthwise and a pointwise convolution."""
        return self.kind == "dw_striding"

    def halved(self, length: int) -> int:
        """Frames or frequency bins that one stage leaves of `length`: a 3-wide stride-2
        convolution pads one on either side, or two and one when causal."""
        padding = 3 if self.causal else 2
        return (length + padding - 3) // 2 + 1

    def lengths(self, length: int) -> list[int]:
        """Frames or frequency bins before the first stage and after each."""
        found = [length]
        for _ in range(self.stages):
            found.append(self.halved(found[-1]))
        return found

    def bins(self, width: int) -> int:
        """Frequency bins left of as many mel bands, or of whatever takes their place."""
        return self.lengths(width)[-1]
