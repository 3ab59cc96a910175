"""Tags of languages: what they become, and what they leave of a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from parrotlet.decoding.assemble import Parts, assemble
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.languages import Languages, main_language, with_languages
from parrotlet.decoding.tokenizer import SentencePieceTokenizer, TokenType
from parrotlet.decoding.transcript import Transcript
from parrotlet.results import Segment

PIECES = [
    "<unk>",
    "<en-US>",
    "<de-DE>",
    "<haw-US>",
    "▁",
    "▁hello",
    "▁guten",
    "▁tag",
    ".",
    "你",
    "好",
    "。",
]
KINDS = [TokenType.UNKNOWN] + [TokenType.USER_DEFINED] * 3 + [TokenType.NORMAL] * 8
TOKENIZER = SentencePieceTokenizer(PIECES, KINDS)
FRAME = 0.08


def emissions(pieces: Sequence[str]) -> list[Emission]:
    return [Emission(PIECES.index(piece), i, None, 0.5) for i, piece in enumerate(pieces)]


def parts(pieces: str, languages: Languages | None = None) -> Parts:
    return assemble(emissions(pieces.split()), "rnnt", TOKENIZER, FRAME, languages)


def spoken(found: Parts) -> list[tuple[str, str | None]]:
    return [(segment.text, segment.language) for segment in found.segments]


def nemo_text(pieces: str) -> str:
    """NeMo's text with `strip_lang_tags`."""
    ids = [PIECES.index(piece) for piece in pieces.split()]
    text = re.sub(r"\s*<[a-z]{2,3}-[A-Z]{2}>", "", TOKENIZER.transcript(ids))
    return text.strip()


@pytest.mark.parametrize(
    ("pieces", "segments"),
    [
        ("▁hello ▁ <en-US>", [("hello", "en-US")]),
        (
            "▁hello . ▁ <en-US> ▁guten ▁tag . ▁ <de-DE>",
            [("hello.", "en-US"), ("guten tag.", "de-DE")],
        ),
        ("▁hello ▁ <en-US> ▁guten ▁tag ▁ <de-DE>", [("hello", "en-US"), ("guten tag", "de-DE")]),
        ("▁hello . ▁hello . ▁ <en-US>", [("hello.", "en-US"), ("hello.", "en-US")]),
        ("▁hello ▁ <en-US> ▁guten", [("hello", "en-US"), ("guten", None)]),
        ("<de-DE> ▁guten ▁tag", [("guten tag", None)]),
        ("▁hello <en-US> .", [("hello", "en-US"), (".", None)]),
        ("▁hello ▁ <en-US> ▁ .", [("hello", "en-US"), (".", None)]),
        ("你 好 。 <de-DE> 你 好 <haw-US>", [("你好。", "de-DE"), ("你好", "haw-US")]),
        ("▁ <en-US>", []),
    ],
)
def test_a_tag_says_what_language_the_text_before_it_is_in(pieces, segments) -> None:
    found = parts(pieces)
    assert spoken(found) == segments
    assert found.text == nemo_text(pieces)
    assert (
        "".join(f" {w.word}" if w.space_before else w.word for w in found.words).strip()
        == found.text
    )
    assert [token.piece for token in found.tokens] == pieces.split()


def test_tags_that_are_kept_are_text_as_nemo_has_it() -> None:
    found = parts("▁hello ▁ <en-US> ▁guten ▁tag ▁ <de-DE>", Languages(keep_tags=True))
    assert found.text == "hello <en-US> guten tag <de-DE>"
    assert [word.word for word in found.words] == found.text.split()
    assert spoken(found) == [("hello <en-US>", "en-US"), ("guten tag <de-DE>", "de-DE")]


def test_without_a_tag_a_segment_is_in_the_language_that_the_model_was_told() -> None:
    languages = Languages(((0, "en-US"),)).then(2, "de-DE").then(5, None)
    assert [languages.at(frame) for frame in (0, 1, 2, 4, 5, 99)] == [
        *["en-US"] * 2,
        *["de-DE"] * 2,
        None,
        None,
    ]
    found = parts("▁hello . ▁tag . ▁hello <en-US> ▁guten", languages)
    assert spoken(found) == [
        ("hello.", "en-US"),
        ("tag.", "en-US"),
        ("hello", "en-US"),
        ("guten", None),
    ]
    found = parts("▁hello . ▁tag .", languages)
    assert spoken(found) == [("hello.", "en-US"), ("tag.", "de-DE")]


def test_a_language_goes_on_until_another_is_known() -> None:
    segments = [
        Segment("a", 0, 1, (), language=language)
        for language in (None, "en-US", None, "de-DE", None)
    ]
    carried = [segment.language for segment in with_languages(segments)]
    assert carried == [None, "en-US", "en-US", "de-DE", "de-DE"]


def test_the_language_of_a_recording_is_that_of_most_words() -> None:
    found = parts("▁hello ▁ <en-US> ▁guten ▁tag ▁ <de-DE> ▁hello")
    assert main_language(found.segments) == "de-DE"
    assert main_language(parts("▁hello <en-US> ▁guten <de-DE>").segments) == "en-US"
    assert main_language(parts("▁hello").segments) is None


def test_a_tag_ends_a_line_of_a_stream_and_is_its_language() -> None:
    transcript = Transcript("rnnt", TOKENIZER, FRAME)
    tokens = emissions(["▁hello", "▁", "<en-US>", "▁guten", "▁tag", "▁", "<de-DE>"])
    transcript.extend(tokens[:3])
    partial = transcript.partial(0.0)
    assert (partial.final, partial.new_lines, partial.language) == ("hello", ("hello", ""), "en-US")
    transcript.extend(tokens[3:5], tokens[5:])
    partial = transcript.partial(0.0)
    assert (partial.text, partial.language) == ("hello guten tag", "de-DE")
    transcript.extend([])
    assert transcript.partial(0.0).language == "en-US"
