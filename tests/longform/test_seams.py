"""Seams between windows for any search, of which nothing is known but that it is uncertain.

A beam decides on a whole window: what it says near the ends of one, where it has heard too little,
may be anything, and the same token may lie on another frame in another window.
"""

from __future__ import annotations

import random
from itertools import accumulate

import numpy as np
import pytest

from parrotlet.decoding.assemble import Parts, assemble
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.tokenizer import SentencePieceTokenizer
from parrotlet.longform.assembly import Assembler
from parrotlet.longform.cutting import Cutter, Window
from parrotlet.longform.limits import Limits

RATE = 16_000
LENGTH = 95 * RATE
FRAME_SAMPLES = 1280
FRAME = FRAME_SAMPLES / RATE
LIMITS = Limits(
    one_pass=30 * RATE, window=20 * RATE, overlap=4 * RATE, grid=FRAME_SAMPLES, memory=1 << 30
)
UNSURE = round(2.5 / FRAME)
"""Frames at the ends of a window in which the search finds what it likes."""

PIECES = [f"{start}{letter}" for start in ("▁", "") for letter in "abcdefghijklmnopqrstuvwxyz"]
TOKENIZER = SentencePieceTokenizer(["<unk>", *PIECES], [2] + [1] * len(PIECES))


def speech(source: random.Random) -> list[Emission]:
    """Words of one to three tokens, some of them on one frame."""
    found, frame = [], 2
    while frame * FRAME < LENGTH / RATE - 1:
        for i in range(source.choice([1, 1, 2, 3])):
            token = 1 + source.randrange(26) + 26 * (i > 0)
            found.append(Emission(token, frame, None, 0.9))
            frame += source.choice([0, 1, 2])
        frame += source.choice([2, 3, 5])
    return found


def search(
    spoken: list[Emission], window: Window, source: random.Random, doubt: float
) -> list[Emission]:
    """What a beam may say of a window, by itself; `doubt` is how often it takes another token."""
    first, end = window.start // FRAME_SAMPLES, -(-window.end // FRAME_SAMPLES)
    sure_from = first + UNSURE * (window.start > 0)
    sure_until = end - UNSURE * (window.end < LENGTH)
    found: list[Emission] = []
    for e in spoken:
        if not first <= e.frame < end:
            continue
        frame = min(max(e.frame + source.choice([-2, -1, 0, 0, 1, 2]), first), end - 1)
        token = e.token if source.random() >= doubt else 1 + source.randrange(52)
        copies = 1
        if not sure_from <= e.frame < sure_until:
            token = source.choice([token, 1 + source.randrange(52)])
            copies = source.choice([0, 1, 2])
        found += [Emission(token, frame, None, source.random())] * copies
    frames = accumulate((e.frame for e in found), max)
    return [
        Emission(e.token, frame - first, None, e.confidence)
        for e, frame in zip(found, frames, strict=True)
    ]


@pytest.fixture(scope="module")
def windows() -> list[Window]:
    # As loud as syllables, and without a pause.
    loudness = 0.055 + 0.045 * np.sin(2 * np.pi * 4 * np.arange(LENGTH) / RATE)
    samples = np.random.default_rng(3).normal(0, loudness).astype(np.float32)
    windows = [window for window, _ in Cutter(iter([samples]), LIMITS).windows()]
    assert len(windows) > 5
    assert sum(window.first_of_section for window in windows) == 1
    return windows


def assembled(
    head: str, windows: list[Window], spoken: list[Emission], source: random.Random, doubt: float
) -> Parts:
    assembler = Assembler(head, TOKENIZER, RATE, FRAME_SAMPLES)
    for window in windows:
        assembler.add(window, search(spoken, window, source, doubt))
    return assembler.finish()


@pytest.mark.parametrize("head", ["ctc", "rnnt"])
def test_no_word_changes_where_windows_meet(head: str, windows: list[Window]) -> None:
    for seed in range(20):
        source = random.Random(seed)
        spoken = speech(source)
        parts = assembled(head, windows, spoken, source, doubt=0)
        assert parts.text == assemble(spoken, head, TOKENIZER, FRAME).text, seed
        frames = [token.frame for token in parts.tokens if token.frame is not None]
        assert frames == sorted(frames)
        for token, emission in zip(parts.tokens, spoken, strict=True):
            assert token.id == emission.token
            assert abs(token.frame - emission.frame) <= 4


def test_none_is_lost_or_doubled_where_windows_differ(windows: list[Window]) -> None:
    """A token in twelve is another one in each window: what comes out is what one of them says."""
    for seed in range(20):
        source = random.Random(seed)
        spoken = speech(source)
        parts = assembled("rnnt", windows, spoken, source, doubt=1 / 12)
        pairs = zip(parts.tokens, spoken, strict=True)
        changed = sum(token.id != emission.token for token, emission in pairs)
        assert changed <= len(spoken) / 6
