"""Greedy decoding of transducers: RNNT, and TDT with its predicted durations.

Source: NeMo `nemo.collections.asr.parts.submodules.transducer_decoding`, `rnnt_label_looping`
and `tdt_label_looping` (strategy "greedy_batch"), for one utterance. TDT is described in
"Efficient Sequence Transduction by Jointly Predicting Tokens and Durations"
(https://arxiv.org/abs/2304.06795).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from parrotlet.decoding.confidence import log_softmax_max, max_prob
from parrotlet.decoding.emission import Emission
from parrotlet.errors import ModelFileError

SYMBOLS_LIMIT = 100
"""Tokens per frame at which "unlimited" ends: a damaged model would otherwise never leave one."""


class Predictor(Protocol):
    """Prediction network with its state, and the joint network."""

    def update(self, token: int) -> None:
        """Advance the prediction network by an emitted token."""

    def logits(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """Joint output [vocabulary + 1 + durations] for a projected encoder frame [hidden]."""


class GreedyTransducer:
    """Greedy transducer decoding over consecutive pieces of one recording.

    The state of the prediction network and the time reached are carried over. The time may lie
    beyond the frames seen so far, when a duration reached past the end of a piece.
    """

    def __init__(
        self,
        predictor: Predictor,
        blank: int,
        durations: Sequence[int] = (),
        max_symbols: int = 10,
    ) -> None:
        """Start at frame 0.

        `blank` is the index of the blank label, the last before the durations. `durations` are
        the frames that each duration output stands for; empty means RNNT. `max_symbols` bounds
        the tokens per frame, as `SYMBOLS_LIMIT` does in any case; 0 stands for no other bound.
        """
        self._predictor = predictor
        self._blank = blank
        self._durations = tuple(durations)
        self._max_symbols = min(max_symbols or SYMBOLS_LIMIT, SYMBOLS_LIMIT)
        self._time = 0
        self.frames_seen = 0

    def decode(self, frames: NDArray[np.float32]) -> list[Emission]:
        """Decode projected encoder output [frames, hidden] and return the newly emitted tokens."""
        start, end = self.frames_seen, self.frames_seen + len(frames)
        emitted: list[Emission] = []
        symbols_here = 0
        while self._time < end:
            logits = self._predictor.logits(frames[self._time - start])
            labels, skip = self._split(logits)
            token = int(labels.argmax())
            if token == self._blank:
                # A blank always advances, whatever duration came with it.
                self._time += max(skip, 1)
                symbols_here = 0
                continue
            confidence = max_prob(log_softmax_max(labels), len(labels))
            duration = skip if self._durations else None
            emitted.append(Emission(token, self._time, duration, confidence))
            self._predictor.update(token)
            symbols_here = symbols_here + 1 if skip == 0 else 0
            self._time += skip
            if symbols_here >= self._max_symbols:
                self._time += 1
                symbols_here = 0
        self.frames_seen = end
        return emitted

    def _split(self, logits: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
        """Separate the label logits from the number of frames that the duration logits choose."""
        classes = self._blank + 1
        if len(logits) != classes + len(self._durations):
            raise ModelFileError(
                f"the joint network has {len(logits)} outputs where {classes} labels and "
                f"{len(self._durations)} durations need {classes + len(self._durations)}; "
                "convert the checkpoint again"
            )
        if not self._durations:
            return logits, 0
        return logits[:classes], self._durations[int(logits[classes:].argmax())]
