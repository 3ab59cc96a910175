"""Subtitles: what may stand on screen, and for how long."""

from __future__ import annotations

import itertools
import random

import pytest

from parrotlet import Segment, Word
from parrotlet.subtitles import CUE_MIN_SECONDS, CUE_SECONDS, LINE_LENGTH, cues, split_at_pauses


def segment(*parts: tuple[str, float, float], speaker: str | None = None) -> Segment:
    words = tuple(Word(text, start, end, 0.75, speaker) for text, start, end in parts)
    text = " ".join(word.word for word in words)
    return Segment(text, words[0].start, words[-1].end, words, speaker)


def test_long_speech_is_divided_into_cues() -> None:
    parts = [(f"word{i}", i * 0.5, i * 0.5 + 0.4) for i in range(60)]
    found = cues([segment(*parts)])
    assert " ".join(line for cue in found for line in cue.lines).split() == [p[0] for p in parts]
    for cue in found:
        assert len(cue.lines) <= 2
        assert all(len(line) <= LINE_LENGTH for line in cue.lines)
        assert cue.end - cue.start <= CUE_SECONDS
    for first, second in itertools.pairwise(found):
        assert first.start < first.end <= second.start


def test_two_lines_are_balanced() -> None:
    parts = [(f"word{i}", i * 0.1, i * 0.1 + 0.1) for i in range(9)]
    (cue,) = cues([segment(*parts)])
    assert cue.lines == ("word0 word1 word2 word3", "word4 word5 word6 word7 word8")


def test_a_pause_begins_a_cue() -> None:
    found = cues([segment(("one", 0, 0.4), ("two", 0.5, 0.9), ("three", 4, 4.4))])
    assert [cue.lines for cue in found] == [("one two",), ("three",)]


def test_a_word_longer_than_a_line_stays_whole() -> None:
    long = "x" * (LINE_LENGTH + 10)
    found = cues([segment(("a", 0, 0.1), (long, 0.2, 0.3), ("b", 0.4, 0.5))])
    assert [cue.lines for cue in found] == [("a",), (long,), ("b",)]


def test_words_without_duration_are_still_shown() -> None:
    found = cues([segment(("a.", 1.0, 1.0)), segment(("b.", 1.2, 1.2)), segment(("c.", 9, 9))])
    assert [(cue.start, cue.end) for cue in found] == [(1.0, 2.0), (9, 10)]


def test_sentences_and_clauses_end_cues() -> None:
    texts = "This is what we saw there. And then, as it happened, nobody came to ask us."
    parts = [(text, i * 0.3, i * 0.3 + 0.3) for i, text in enumerate(texts.split())]
    found = [" / ".join(cue.lines) for cue in cues([segment(*parts)])]
    assert found == [
        "This is what we saw there.",
        "And then, as it happened, / nobody came to ask us.",
    ]


def test_a_short_sentence_shares_a_cue() -> None:
    found = cues([segment(("Yes.", 0, 0.3)), segment(("No.", 0.4, 0.6)), segment(("Ah.", 5, 5.1))])
    assert [(cue.lines, cue.start, cue.end) for cue in found] == [
        (("Yes. No.",), 0, 1.0),
        (("Ah.",), 5, 6.0),
    ]


def test_a_word_that_lasts_through_a_pause() -> None:
    # As CTC has it: a word begins where the one before ended.
    found = cues([segment(("one", 0, 0.4), ("two", 0.4, 30.0))])
    assert [(cue.lines, cue.start, cue.end) for cue in found] == [
        (("one",), 0, 1.0),
        (("two",), 28.0, 30.0),
    ]


def test_speakers_have_cues_of_their_own() -> None:
    found = cues([segment(("one", 0, 0.5), speaker="1"), segment(("two", 0.2, 0.7), speaker="2")])
    assert [(cue.lines, cue.speaker) for cue in found] == [(("one",), "1"), (("two",), "2")]
    assert all(cue.end - cue.start >= CUE_MIN_SECONDS for cue in found)


def test_pauses_divide_segments() -> None:
    parts = split_at_pauses([segment(("a", 0, 1), ("b", 2, 3), ("c", 4.5, 5))])
    assert [(part.text, part.start, part.end) for part in parts] == [("a b", 0, 3), ("c", 4.5, 5)]


@pytest.mark.parametrize("seed", range(20))
def test_rules_hold_for_any_speech(seed: int) -> None:
    rng = random.Random(seed)
    time, segments, words = 0.0, [], []
    for _ in range(400):
        time += rng.choice([0, 0, 0.05, 0.1, 0.5, 1.4, 4])
        text = "x" * rng.randint(1, 14) + rng.choice(["", "", "", ",", ".", "?"])
        end = time + rng.uniform(0.12, 0.6)
        words.append((text, time, end))
        time = end
        if text[-1] in ".?":
            segments.append(segment(*words))
            words = []
    found = cues(segments)
    spoken = [word.word for part in segments for word in part.words]
    assert " ".join(line for cue in found for line in cue.lines).split() == spoken
    for cue in found:
        assert 1 <= len(cue.lines) <= 2
        assert all(len(line) <= LINE_LENGTH for line in cue.lines)
        assert CUE_MIN_SECONDS - 1e-6 <= cue.end - cue.start <= CUE_SECONDS + 1e-6
    for first, second in itertools.pairwise(found):
        assert first.end <= second.start
