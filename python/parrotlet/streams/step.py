"""One pass over a model's weights for all live streams that have samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parrotlet import _core
from parrotlet.streaming import Piece, Taken, take_alone


def take_together(pieces: Sequence[Piece]) -> list[Taken | Exception]:
    """Run the next piece of each stream, its end included; a stream is there once at most.

    Each gives to the bit what it gives alone. What fails for one stream, fails for it alone.
    """
    taken: dict[int, Taken | Exception] = {}
    shared = {i: parts for i, piece in enumerate(pieces) if (parts := _of_the_runtime(piece))}
    if len(shared) > 1:
        found = _core.feed_streams(*zip(*shared.values(), strict=True))
        taken.update(zip(shared, (Taken(*one) for one in found), strict=True))
    for i, piece in enumerate(pieces):
        if i not in taken:
            try:
                taken[i] = take_alone(piece)
            except Exception as error:
                taken[i] = error
    return [taken[i] for i in range(len(pieces))]


def _of_the_runtime(
    piece: Piece,
) -> tuple[_core.Stream, _core.Search, NDArray[np.float32] | None] | None:
    """Return encoder, search and samples, if the runtime has both."""
    encoder, search = piece.encoder, piece.search
    if isinstance(encoder, _core.Stream) and isinstance(search, _core.Search):
        return encoder, search, piece.samples
    return None
