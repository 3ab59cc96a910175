"""Feeds an hour of speech to the demo model and prints the resident memory in bytes.

One line each after minute 5 and minute 60; then the number of words.
"""

import os
import sys
from pathlib import Path

import numpy as np

import parrotlet
from parrotlet.audio import read_audio

MINUTES = 60


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main(recording: str) -> None:
    model = parrotlet.load("demo", threads=2)
    speech = read_audio(recording, model.sample_rate)
    random = np.random.default_rng(0)
    minute = 60 * model.sample_rate
    piece = model.sample_rate // 10
    stream = model.stream()
    position = 0
    for i in range(MINUTES):
        for _ in range(minute // piece):
            samples = speech[(position + np.arange(piece)) % len(speech)]
            noise = random.normal(0, 1e-3, piece).astype(np.float32)
            partial = stream.feed(samples + noise)
            position += piece
            # As a program that shows the text would.
            str(partial.text), partial.words[-1:], partial.unfinished
        if i + 1 in (5, MINUTES):
            print(resident_bytes(), flush=True)
    print(len(stream.finish().words))


if __name__ == "__main__":
    main(sys.argv[1])
