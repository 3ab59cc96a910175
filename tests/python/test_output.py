"""Formats of transcriptions, written out in full."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from parrotlet import Segment, Token, Transcription, Word, render
from parrotlet.channels import join_channels
from parrotlet.output import output_bases, write_text
from parrotlet.results import text_of


def words(*parts: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(text, start, end, 0.75) for text, start, end in parts)


def segment(*parts: tuple[str, float, float]) -> Segment:
    found = words(*parts)
    return Segment(text_of(found), found[0].start, found[-1].end, found)


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
        head="tdt",
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
        "warnings": [],
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
        "1\n00:00:00,000 --> 00:00:01,000\nGrüße & <b>.\n\n2\n01:01:01,000 --> 01:01:01,500\nBye.\n"
    )


def test_vtt() -> None:
    assert render(TWO, "vtt") == (
        "WEBVTT\n"
        "\n"
        "00:00:00.000 --> 00:00:01.000\n"
        "Grüße &amp; &lt;b&gt;.\n"
        "\n"
        "01:01:01.000 --> 01:01:01.500\n"
        "Bye.\n"
    )


def test_silence() -> None:
    """FFmpeg reads an empty cue, and a WebVTT file without one, but no empty file."""
    assert render(result(), "srt") == "1\n00:00:00,000 --> 01:01:01,500\n\n"
    assert render(result(), "vtt") == render(result(), "vtt-words") == "WEBVTT\n"


@pytest.mark.parametrize("format", ["srt", "vtt", "vtt-words", "tsv"])
@pytest.mark.parametrize("duration", [8.2, 8.25, 8.2006875])
def test_no_time_after_the_end(format: str, duration: float) -> None:
    text = render(replace(TALK, duration=duration), format)
    times = re.findall(r"> [\d:]+:(\d\d[.,]\d{3})|^\d+\t(\d+)", text, re.MULTILINE)
    seconds = [float(c.replace(",", ".")) if c else int(ms) / 1000 for c, ms in times]
    assert len(seconds) == 2
    assert max(seconds) <= duration


def test_a_cue_at_the_very_end_is_seen() -> None:
    ending = replace(result(segment(("one", 0.5, 0.8), ("two", 8.0, 8.0))), duration=8.0)
    assert "00:00:07,000 --> 00:00:08,000\ntwo\n" in render(ending, "srt")


JAPANESE = result(
    Segment(
        "日本語です。",
        0.5,
        1.5,
        tuple(
            Word(text, start, end, 0.75, space_before=not i)
            for i, (text, start, end) in enumerate(
                [("日本", 0.5, 0.8), ("語", 0.9, 1.0), ("です。", 1.2, 1.5)]
            )
        ),
    )
)


def test_words_without_spaces() -> None:
    assert render(JAPANESE, "srt") == "1\n00:00:00,500 --> 00:00:01,500\n日本語です。\n"
    assert render(JAPANESE, "vtt-words").splitlines()[3:] == [
        "日本<00:00:00.900>語<00:00:01.200>です。"
    ]
    assert render(JAPANESE, "tsv") == "start\tend\ttext\n500\t1500\t日本語です。\n"
    found = json.loads(render(JAPANESE, "json"))["words"]
    assert [word.get("space_before") for word in found] == [None, False, False]
    joined = join_channels([JAPANESE])
    assert joined.text == "1: 日本語です。"
    assert joined.segments[0].text == "日本語です。"


TALK = result(
    segment(("one", 0.5, 0.8), ("two", 0.9, 1.2), ("three.", 1.3, 1.6)),
    segment(("a<b", 8.0, 8.2), ("c", 8.2, 8.2)),
)


def test_vtt_with_words() -> None:
    assert render(TALK, "vtt-words") == (
        "WEBVTT\n"
        "\n"
        "00:00:00.500 --> 00:00:01.600\n"
        "one <00:00:00.900>two <00:00:01.300>three.\n"
        "\n"
        "00:00:08.000 --> 00:00:09.000\n"
        "a&lt;b <00:00:08.200>c\n"
    )


def test_words_of_two_lines() -> None:
    parts = [(f"word{i}", i * 0.2, i * 0.2 + 0.2) for i in range(9)]
    lines = render(result(segment(*parts)), "vtt-words").splitlines()[3:]
    plain = render(result(segment(*parts)), "vtt").splitlines()[3:]
    assert len(lines) == 2
    assert [re.sub(r"<[^>]*>", "", line) for line in lines] == plain
    assert re.findall(r"<00:00:0([^>]*)>", "".join(lines)) == [
        f"{i * 0.2:.3f}" for i in range(1, 9)
    ]


def test_tsv() -> None:
    assert render(TALK, "tsv") == "start\tend\ttext\n500\t1600\tone two three.\n8000\t8200\ta<b c\n"
    pausing = result(segment(("one", 0, 0.4), ("two", 9, 9.5)))
    assert render(pausing, "tsv") == "start\tend\ttext\n0\t400\tone\n9000\t9500\ttwo\n"
    assert render(result(), "tsv") == "start\tend\ttext\n"


def test_speakers() -> None:
    left = result(segment(("hello", 0, 0.5), ("fine", 4, 4.5)))
    right = result(segment(("how", 2, 2.4), ("are", 2.4, 2.6), ("you", 2.6, 3.0)))
    both = join_channels([left, right])
    assert both.text == "1: hello\n2: how are you\n1: fine"
    assert [(w.word, w.speaker) for w in both.words] == [
        ("hello", "1"), ("how", "2"), ("are", "2"), ("you", "2"), ("fine", "1")
    ]  # fmt: skip
    assert [segment.speaker for segment in both.segments] == ["1", "2", "1"]
    assert {token.speaker for token in both.tokens} == {"1", "2"}
    fields = both.to_dict()
    assert fields["words"][1]["speaker"] == fields["segments"][1]["speaker"] == "2"
    assert fields["segments"][1]["words"][0]["speaker"] == "2"
    assert render(both, "srt").splitlines()[:3] == [
        "1", "00:00:00,000 --> 00:00:01,000", "1: hello"
    ]  # fmt: skip
    assert "\n<v 2>how are you\n" in render(both, "vtt")
    assert "<v 2>how <00:00:02.400>are" in render(both, "vtt-words")
    assert "2000\t3000\t2\thow are you\n" in render(both, "tsv")
    assert "speaker" not in json.dumps(left.to_dict())


def test_unknown_format() -> None:
    with pytest.raises(ValueError, match=r"'doc'.*text, json, srt, vtt"):
        render(TWO, "doc")


def test_clock_rounds_up_across_units() -> None:
    found = result(segment(("a", 59.9996, 60.5)))
    assert "00:01:00,000 --> 00:01:01,000" in render(found, "srt")


def test_output_names(tmp_path: Path) -> None:
    inputs = ["a/talk.wav", "b/talk.mp3", "c/Talk.flac", "日本.wav", "-", "x.tar.gz"]
    names = [base.name for base in output_bases(inputs, tmp_path, [".srt"])]
    assert names == ["talk", "talk-2", "Talk-3", "日本", "stdin", "x.tar"]


def test_outputs_of_one_input_share_a_name(tmp_path: Path) -> None:
    inputs = ["a/talk.wav", str(tmp_path / "talk-2.srt")]
    bases = output_bases(["b/talk.mp3", *inputs], tmp_path, [".txt", ".srt"])
    # talk-2.srt is an input, so the second talk becomes the third.
    assert [base.name for base in bases] == ["talk", "talk-3", "talk-2-2"]


def test_outputs_in_folders(tmp_path: Path) -> None:
    bases = output_bases(["x/a.wav", "x/y/a.wav"], tmp_path, [".txt"], [Path(), Path("y")])
    assert bases == [tmp_path / "a", tmp_path / "y" / "a"]


def test_output_never_replaces_an_input(tmp_path: Path) -> None:
    (base,) = output_bases([str(tmp_path / "odd.txt")], tmp_path, [".txt"])
    assert base.name == "odd-2"


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


def test_languages() -> None:
    """A recording in two languages; what is in one, or in none that is known, has no marks."""
    english, german = segment(("hello.", 0, 0.5)), segment(("Guten", 0.6, 1), ("Tag.", 1, 1.5))
    both = replace(
        result(replace(english, language="en-US"), replace(german, language="de-DE")),
        language="de-DE",
    )
    fields = both.to_dict()
    assert fields["language"] == "de-DE"
    assert [one["language"] for one in fields["segments"]] == ["en-US", "de-DE"]
    assert render(both, "vtt") == (
        "WEBVTT\n"
        "Language: de-DE\n"
        "\n"
        "00:00:00.000 --> 00:00:00.600\n"
        "<lang en-US>hello.</lang>\n"
        "\n"
        "00:00:00.600 --> 00:00:01.600\n"
        "Guten Tag.\n"
    )
    assert "<lang en-US>hello.</lang>\n" in render(both, "vtt-words")
    assert "Guten <00:00:01.000>Tag.\n" in render(both, "vtt-words")
    assert render(both, "tsv") == (
        "start\tend\tlanguage\ttext\n0\t500\ten-US\thello.\n600\t1500\tde-DE\tGuten Tag.\n"
    )
    assert "en-US" not in render(both, "srt") + render(both, "text")
    assert "language" not in json.dumps(TWO.to_dict())
    joined = join_channels([both, replace(both, segments=both.segments[:1])])
    assert joined.language == "en-US"  # as many words, and the first
    assert [s.language for s in joined.segments] == ["en-US", "en-US", "de-DE"]
