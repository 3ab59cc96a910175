"""Subtitles: what may stand on screen, and for how long."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parrotlet import Segment, Word
from parrotlet.decoding.assemble import assemble
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.tokenizer import CharTokenizer
from parrotlet.results import text_of
from parrotlet.subtitles import CUE_MIN_SECONDS, CUE_SECONDS, LINE_LENGTH, cues, split_at_pauses
from parrotlet.writing import columns


def segment(*parts: tuple[str, float, float], speaker: str | None = None) -> Segment:
    words = tuple(Word(text, start, end, 0.75, speaker) for text, start, end in parts)
    return Segment(text_of(words), words[0].start, words[-1].end, words, speaker)


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


CHARACTERS = (
    "日本語漢字東京はんきょうャー々ゝ、。！？「」『』（）・…ไทยภาษๆ่ะabc123 ,.?!()'\"“”％¥ကန်ខ្ម"
)
NEVER_FIRST = set("ょャー々ゝ、。！？」』）・…ๆ่ะ％\u103a\u17d2") | set(",.?!)")
NEVER_LAST = set("「『（\u17d2ไ") | {"("}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.text(CHARACTERS, min_size=1, max_size=3), max_size=120))
def test_lines_of_any_script(pieces: list[str]) -> None:
    """Lines of tokens are broken where Unicode lets them be, and are no longer than they may."""
    tokenizer = CharTokenizer(["日", *pieces])
    spoken = [Emission(i, 3 * i, None, 1.0) for i in range(len(pieces) + 1)]
    parts = assemble(spoken, "rnnt", tokenizer, 0.08)
    found = cues(parts.segments)
    assert [word for cue in found for word in cue.words] == list(parts.words)
    for cue in found:
        for i, row in enumerate(cue.rows):
            assert cue.lines[i] == text_of(row)
            assert columns(cue.lines[i]) <= LINE_LENGTH or len(row) == 1
    # A line may be broken between any two words.
    for before, after in itertools.pairwise(parts.words):
        if not after.space_before:
            assert after.word[0] not in NEVER_FIRST
            assert before.word[-1] not in NEVER_LAST


def test_wide_characters_count_double() -> None:
    words = [Word("漢", i * 0.1, i * 0.1 + 0.1, 0.75, space_before=False) for i in range(42)]
    (cue,) = cues([Segment("", 0, 4.2, tuple(words))])
    assert cue.lines == ("漢" * 21, "漢" * 21)


def test_combining_marks_count_nothing() -> None:
    words = [Word("กี่", i * 0.1, i * 0.1 + 0.1, 0.75, space_before=False) for i in range(42)]
    (cue,) = cues([Segment("", 0, 4.2, tuple(words))])
    assert cue.lines == ("กี่" * 42,)


def test_clauses_of_other_scripts() -> None:
    parts = [
        "これは",
        "長い",
        "話",
        "です、",
        "だから",
        "二つに",
        "分け",
        "ます",
        "今日は",
        "もう",
        "終わり",
    ]
    words = [
        Word(part, i * 0.4, i * 0.4 + 0.4, 0.75, space_before=False) for i, part in enumerate(parts)
    ]
    (cue,) = cues([Segment("", 0, 6, tuple(words))])
    assert cue.lines == ("これは長い話です、", "だから二つに分けます今日はもう終わり")


def test_cues_end_with_the_recording() -> None:
    spoken = [segment(("one", 0, 0.5), ("two", 6, 6.1))]
    assert [(cue.start, cue.end) for cue in cues(spoken, 6.25)] == [(0, 1.0), (6, 6.25)]
    assert [(cue.start, cue.end) for cue in cues(spoken, 6.1)] == [(0, 1.0), (6, 6.1)]
