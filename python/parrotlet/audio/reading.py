"""Reading a whole recording, or its blocks, with one call."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from parrotlet.audio.recording import Recording
from parrotlet.audio.source import Source
from parrotlet.growing import GrowingSamples


def read_audio(source: Source, sample_rate: int, channel: int | None = None) -> NDArray[np.float32]:
    """Read a recording as float32 samples [n] at `sample_rate` Hz: a channel, or a mixture of all.

    `source` is a path or a binary file with the contents of one; `channel` counts from 1. Raises
    AudioError if there is no such file, or it is no audio, holds no samples or no such channel, or
    some sample is no value of sound.
    """
    recording = Recording(source)
    result = GrowingSamples(round((recording.seconds or 0.0) * sample_rate))
    for block in recording.blocks(sample_rate, channel):
        result.append([block])
    return result.take()


def read_blocks(
    source: Source,
    sample_rate: int,
    block_values: int | None = None,
    channel: int | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Read a recording like `read_audio`, as consecutive blocks of samples.

    About `block_values` samples of all channels together are read at a time, `BLOCK_VALUES` unless
    told. Raises AudioError like `read_audio`, but only when the reading gets to what is wrong.
    """
    yield from Recording(source).blocks(sample_rate, channel, block_values)
