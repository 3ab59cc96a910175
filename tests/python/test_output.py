"""Formats of transcriptions, written out in full."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from parrotlet import Segment, Token, Transcription, Word
from parrotlet.output import (
    CUE_SECONDS,
    LINE_LENGTH,
    cues,
    output_paths,
    render,
    write_text,
)


def words(*parts: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(text, start, end, 0.75) for text, start, end in parts)


def segment(*parts: tuple[str, float, float]) -> Segment:
    found = words(*parts)
    return Segment(" ".join(w.word for w in found), found[0].start, found[-1].end, found)


def result(*segments: Segment) -> Transcription:
    return Transcription(
        text=" ".join(s.text for s in segments),
        duration=3661.5,
        words=tuple(word for s in segments for word in s.words),
        segments=segments,
        tokens=(
            Token(7, "▁Grüß", 0.0, 0.4, 0, 5, 0.9876543219),
            Token(9, "e", 0.4, 0.48, 5, None, 0.5),
        ),
        decoder="tdt",
        model="tiny",
        audio="talk.wav",
    )


TWO = result(
    segment(("Grüße", 0.0, 0.48), ("& <b>.", 0.56, 0.8)), segment(("Bye.", 3661.0, 3661.24))
)


def test_text() -> None:
    assert render(TWO, "text") == "Grüße & <b>. Bye.\n"
    assert render(result(), "text") == "\n"


def test_json() -> None:
    text = render(TWO, "json")
    assert "Grüße" in text
    assert json.loads(text) == {
        "model": "tiny",
        "audio": "talk.wav",
        "duration": 3661.5,
        "decoder": "tdt",
        "text": "Grüße & <b>. Bye.",
        "words": [
            {"word": "Grüße", "start": 0.0, "end": 0.48, "confidence": 0.75},
            {"word": "& <b>.", "start": 0.56, "end": 0.8, "confidence": 0.75},
            {"word": "Bye.", "start": 3661.0, "end": 3661.24, "confidence": 0.75},
        ],
        "segments": [
            {
                "text": "Grüße & <b>.",
                "start": 0.0,
                "end": 0.8,
                "words": [
                    {"word": "Grüße", "start": 0.0, "end": 0.48, "confidence": 0.75},
                    {"word": "& <b>.", "start": 0.56, "end": 0.8, "confidence": 0.75},
                ],
            },
            {
                "text": "Bye.",
                "start": 3661.0,
                "end": 3661.24,
                "words": [{"word": "Bye.", "start": 3661.0, "end": 3661.24, "confidence": 0.75}],
            },
        ],
        "tokens": [
            {
                "id": 7,
                "piece": "▁Grüß",
                "start": 0.0,
                "end": 0.4,
                "frame": 0,
                "duration": 5,
                "confidence": 0.987654,
            },
            {"id": 9, "piece": "e", "start": 0.4, "end": 0.48, "frame": 5, "confidence": 0.5},
        ],
    }


def test_compact_json_is_one_line() -> None:
    text = render(TWO, "json", compact=True)
    assert text.count("\n") == 1
    assert json.loads(text) == json.loads(render(TWO, "json"))


def test_srt() -> None:
    assert render(TWO, "srt") == (
        "1\n00:00:00,000 --> 00:00:00,800\nGrüße & <b>.\n\n2\n01:01:01,000 --> 01:01:01,500\nBye.\n"
    )
    assert render(result(), "srt") == ""


def test_vtt() -> None:
    assert render(TWO, "vtt") == (
        "WEBVTT\n"
        "\n"
        "00:00:00.000 --> 00:00:00.800\n"
        "Grüße &amp; &lt;b&gt;.\n"
        "\n"
        "01:01:01.000 --> 01:01:01.500\n"
        "Bye.\n"
    )
    assert render(result(), "vtt") == "WEBVTT\n"


def test_unknown_format() -> None:
    with pytest.raises(ValueError, match=r"'doc'.*text, json, srt, vtt"):
        render(TWO, "doc")


def test_clock_rounds_up_across_units() -> None:
    found = result(segment(("a", 59.9996, 60.5)))
    assert "00:01:00,000 --> 00:01:00,500" in render(found, "srt")


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
    assert [(cue.start, cue.end) for cue in found] == [(1.0, 1.2), (1.2, 1.7), (9, 9.5)]


def test_output_paths(tmp_path: Path) -> None:
    inputs = ["a/talk.wav", "b/talk.mp3", "c/Talk.flac", "日本.wav", "-", "x.tar.gz"]
    names = [path.name for path in output_paths(inputs, tmp_path, ".srt")]
    assert names == ["talk.srt", "talk-2.srt", "Talk-3.srt", "日本.srt", "stdin.srt", "x.tar.srt"]


def test_output_never_replaces_an_input(tmp_path: Path) -> None:
    (path,) = output_paths([str(tmp_path / "odd.txt")], tmp_path, ".txt")
    assert path.name == "odd-2.txt"


def test_write_text(tmp_path: Path) -> None:
    path = tmp_path / "ü.txt"
    path.write_text("old")
    write_text(path, "neu: ü\n")
    assert path.read_bytes() == "neu: ü\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.mkdir()
    with pytest.raises(OSError):
        write_text(path, "text")
    assert list(tmp_path.iterdir()) == [path]
