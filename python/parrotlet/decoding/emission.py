"""The common output of the searches."""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found: tokens, and of a beam all of its texts, the best first."""

    tokens: Sequence[Emission] = ()
    alternatives: Sequence[tuple[Sequence[Emission], float]] = ()
    """Each with its score."""
