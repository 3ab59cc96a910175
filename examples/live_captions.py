"""Captions while the sound arrives: a recording, fed in the pieces a sound card would give.

With `sounddevice.InputStream` as the source, this is live captioning; `parrotlet stream --mic` is
that program, finished.

python examples/live_captions.py [RECORDING]
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import parrotlet
from parrotlet.audio import read_audio


def pieces(path: Path, sample_rate: int, seconds: float = 0.02) -> Iterator[np.ndarray]:
    """Yield the samples of a recording, a few milliseconds at a time."""
    samples = read_audio(path, sample_rate)
    size = int(seconds * sample_rate)
    for first in range(0, len(samples), size):
        yield samples[first : first + size]


recording = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("example.wav")
model = parrotlet.load("demo")
stream = model.stream(right_context=6)

for samples in pieces(recording, model.sample_rate):
    partial = stream.feed(samples)
    for word in partial.new_words:  # these will not change any more
        print(f"{partial.time:6.2f} s  {word.word}")
result = stream.finish()
print(result.text)
