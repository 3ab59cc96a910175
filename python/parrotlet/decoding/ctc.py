"""Greedy CTC decoding.

Source: NeMo `nemo.collections.asr.parts.submodules.ctc_decoding` (collapse of repeats) and
`ctc_greedy_decoding`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parrotlet.decoding.confidence import aggregate, max_prob
from parrotlet.decoding.emission import Emission


class GreedyCtc:
    """Greedy CTC over consecutive pieces of one recording.

    The label of the last frame is carried over, so that the pieces give the tokens that one call
    with all frames would give.
    """

    def __init__(self, blank: int) -> None:
        """Start at frame 0; `blank` is the index of the blank label."""
        self._blank = blank
        self._previous = blank
        self._last: Emission | None = None
        self.frames_seen = 0

    def decode(self, log_probs: NDArray[np.float32]) -> list[Emission]:
        """Decode `log_probs` [frames, vocabulary + 1] and return the newly emitted tokens.

        A token that the previous call emitted may continue here; its confidence, the lowest of
        its frames', is then updated in place.
        """
        labels = log_probs.argmax(axis=1)
        best = log_probs.max(axis=1)
        classes = log_probs.shape[1]
        emitted = []
        # Blank frames neither emit nor count, so only the others are visited.
        for i in np.flatnonzero(labels != self._blank):
            label = int(labels[i])
            confidence = max_prob(float(best[i]), classes)
            previous = int(labels[i - 1]) if i else self._previous
            if label == previous and self._last is not None:
                self._last.confidence = aggregate((self._last.confidence, confidence))
                continue
            self._last = Emission(label, self.frames_seen + int(i), None, confidence)
            emitted.append(self._last)
        if len(labels):
            self._previous = int(labels[-1])
        self.frames_seen += len(labels)
        return emitted
