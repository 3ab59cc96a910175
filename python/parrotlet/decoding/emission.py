"""The common output of the searches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Emission:
    """A token at the encoder frame of its emission, counted from the start of the recording.

    `duration` is in encoder frames, for token-and-duration transducers; None otherwise.
    """

    token: int
    frame: int
    duration: int | None
    confidence: float
