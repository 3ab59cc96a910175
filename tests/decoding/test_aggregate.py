"""Vocabularies of several languages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from nemo_files import DATA, Nemo

import parrotlet
from parrotlet import _core
from parrotlet.audio import read_audio
from parrotlet.decoding.aggregate import AggregateTokenizer
from parrotlet.decoding.assemble import assemble
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.languages import vocabulary_language
from parrotlet.decoding.phrases import Phrases
from parrotlet.decoding.tokenizer import SentencePieceTokenizer, Tokenizer, TokenType
from parrotlet.decoding.transcript import Transcript
from parrotlet.decoding.vocabulary import tokenizer_from_metadata
from parrotlet.errors import ModelFileError

NAME = "stt_enes_conformer_ctc_large"
SIZE = 128  # of each vocabulary


@pytest.fixture
def metadata(converted: Callable[[str, str], Path]) -> dict[str, Any]:
    return dict(_core.GgufFile(str(converted(NAME, "f32"))).metadata)


@pytest.fixture
def tokenizer(metadata: dict[str, Any]) -> Tokenizer:
    return tokenizer_from_metadata(metadata, "m.gguf")


def reference(language: str) -> sentencepiece.SentencePieceProcessor:
    nemo = Nemo.read(DATA / NAME / "model.nemo")
    member = nemo.config["tokenizer"]["langs"][language]["model_path"].removeprefix("nemo:")
    return sentencepiece.SentencePieceProcessor(model_proto=nemo.files[member])


def test_a_token_tells_its_language(tokenizer: Tokenizer) -> None:
    assert [tokenizer.language(token) for token in (0, SIZE - 1, SIZE, 2 * SIZE - 1)] == [
        "en",
        "en",
        "es",
        "es",
    ]


def test_text_is_nemos(tokenizer: Tokenizer) -> None:
    """AggregateTokenizer.ids_to_text: pieces as they are written, with spaces for their signs."""
    pieces = tokenizer.pieces
    for ids in ([0, 5, SIZE, SIZE + 3], list(range(0, 2 * SIZE, 7)), [3, SIZE + 2]):
        assert tokenizer.decode(ids) == "".join(pieces[i] for i in ids).replace("\u2581", " ")
        for cut in range(len(ids)):
            text = tokenizer.decode(ids[:cut]) + tokenizer.continuation(ids[cut:])
            assert text == tokenizer.decode(ids)


def test_each_language_encodes_with_its_own_model(tokenizer: Tokenizer) -> None:
    english, spanish = reference("en"), reference("es")
    spelled = tokenizer.spellings(["the work", "ma\u00f1ana", "la puerta", "\u4e2d", "\ufb01ve"])
    shifted = [
        [SIZE + token for token in spanish.encode(text)] for text in ("ma\u00f1ana", "la puerta")
    ]
    assert spelled[0] == [english.encode("the work")]  # Spanish has no w and no k
    assert spelled[1] == [shifted[0]]
    assert spelled[2] == [english.encode("la puerta"), shifted[1]]
    assert spelled[3] == [english.encode("\u4e2d")]
    assert spelled[4][0] == english.encode("\ufb01ve")  # which its rules of normalisation write
    assert tokenizer.encode_all(["the work", "ma\u00f1ana"]) == [spelled[0][0], spelled[1][0]]


def test_phrases_are_boosted_in_every_language(tokenizer: Tokenizer) -> None:
    tree = Phrases(["la puerta"]).scorer(tokenizer)
    firsts = {ids[0] for ids in tokenizer.spellings(["la puerta"])[0]}
    scores = tree.scores(0)
    assert len(firsts) == 2
    assert set(scores.argsort()[-2:].tolist()) == firsts


def test_bytes_become_characters() -> None:
    pieces = ["<unk>", "\u2581a", "<0xC3>", "<0xA9>"]
    types = [TokenType.UNKNOWN, TokenType.NORMAL, TokenType.BYTE, TokenType.BYTE]
    one = SentencePieceTokenizer(pieces, types)
    both = AggregateTokenizer([("fr", one), ("en", one)], "m.gguf")
    assert both.decode([1, 2, 3, 4, 5, 6]) == " a\u00e9<unk> a\N{REPLACEMENT CHARACTER}"
    assert [both.begins_word(token) for token in range(4, 8)] == [True, True, False, False]
    assert not both.can_encode
    with pytest.raises(ModelFileError, match="convert the checkpoint again"):
        both.encode("a")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("languages", ["en"]),
        ("languages", "en"),
        ("languages", [1, 2]),
        ("language_sizes", [128, 127]),
        ("language_sizes", [256, 0]),
        ("language_sizes", ["128", "128"]),
        ("language_sizes", None),
        ("language.1.algorithm", "magic"),
        ("scores", [0.0] * 128),
    ],
)
def test_lies_are_refused(metadata: dict[str, Any], key: str, value: object) -> None:
    metadata[f"tokenizer.ggml.{key}"] = value
    with pytest.raises(ModelFileError, match=r"^m\.gguf: tokenizer\.ggml\."):
        tokenizer_from_metadata(metadata, "m.gguf")


def test_words_and_their_times(converted: Callable[[str, str], Path], audio_dir: Path) -> None:
    """NeMo gives none. Words begin where a piece has the sign for a space."""
    result = parrotlet.load(converted(NAME, "f32"), threads=1).transcribe(audio_dir / "clip04.wav")
    assert [word.word for word in result.words] == result.text.split()
    starts = [word.start for word in result.words]
    assert starts == sorted(starts)
    assert result.words[0].start == result.tokens[0].start


SPOKEN = {
    "clip01": ("es", [("el zorro salta sobre el perro", "es")]),
    "clip04": ("en", [("abre la ventana", "es"), ("and bring the red box", "en")]),
    "clip06": ("es", [("siete tres cinco nueve cero uno", "es")]),
}
"""NeMo's `langs` of a recording, and `ids_to_words_and_langs` joined to segments."""


@pytest.mark.parametrize("head", ["ctc", "transducer"])
@pytest.mark.parametrize("clip", SPOKEN)
def test_languages_are_nemos(
    converted: Callable[[str, str], Path], audio_dir: Path, clip: str, head: str
) -> None:
    model = parrotlet.load(converted(f"stt_enes_conformer_{head}_large", "f32"), threads=1)
    language, segments = SPOKEN[clip]
    result = model.transcribe(audio_dir / f"{clip}.wav")
    assert result.language == language
    assert [(segment.text, segment.language) for segment in result.segments] == segments
    assert result.to_dict()["segments"][0]["language"] == segments[0][1]


def test_languages_in_a_stream(converted: Callable[[str, str], Path], audio_dir: Path) -> None:
    """The result says what the tokens of its text say, and each partial what its last word does."""
    model = parrotlet.load(converted(NAME, "f32"), threads=1)
    samples = read_audio(audio_dir / "clip04.wav", 16_000)
    stream = model.stream(left_context=100, chunk_size=4, right_context=20)
    partials = [stream.feed(samples[i : i + 3200]) for i in range(0, len(samples), 3200)]
    result = stream.finish()
    assert [(s.text, s.language) for s in result.segments] == SPOKEN["clip04"][1]
    assert (result.language, stream.partial.language) == ("en", "en")
    told = {"".join(partial.text.split()[-1:]): partial.language for partial in partials}
    assert told == {"": None, "abre": "es", "ve": "es", "and": "en", "br": "en"}


@pytest.fixture
def two() -> AggregateTokenizer:
    pieces = ["<unk>", "\u2581a", "b", "\u2581c", "."]
    one = SentencePieceTokenizer(pieces, [TokenType.UNKNOWN] + [TokenType.NORMAL] * 4)
    return AggregateTokenizer([("de", one), ("en", one)], "m.gguf")


MIXED = [1, 6, 7, 2, 8, 4, 1, 9, 3]
"""a (de) | a b b (en, en, de) | c (en) . (de) | a (de) . (en) | c (de)"""


def emissions(ids: list[int]) -> list[Emission]:
    return [Emission(token, frame, None, 0.5) for frame, token in enumerate(ids)]


def test_a_segment_has_words_of_one_language(two: AggregateTokenizer) -> None:
    found = assemble(emissions(MIXED), "rnnt", two, 0.08)
    assert found.text == " a abb c. a. c"
    assert [(segment.text, segment.language) for segment in found.segments] == [
        ("a", "de"),
        ("abb c.", "en"),
        ("a.", "de"),
        ("c", "de"),
    ]
    assert found.words == tuple(word for segment in found.segments for word in segment.words)


@pytest.mark.parametrize(
    ("ids", "language"),
    [([], None), ([1], "de"), ([6, 1], "en"), ([1, 6, 6], "en"), ([6, 6, 1, 1], "en")],
)
def test_most_tokens_decide_and_the_first_of_as_many(
    two: AggregateTokenizer, ids: list[int], language: str | None
) -> None:
    assert vocabulary_language(ids, two) == language


@pytest.mark.parametrize("revises", [True, False])
@pytest.mark.parametrize("size", [1, 3, 20])
def test_a_line_of_a_stream_has_words_of_one_language(
    two: AggregateTokenizer, size: int, revises: bool
) -> None:
    transcript = Transcript("rnnt", two, 0.08, revises=revises)
    tokens, lines, last = emissions(MIXED), [""], []
    for first in range(0, len(tokens), size):
        transcript.extend(tokens[first : first + size])
        partial = transcript.partial(0.0)
        last.append(partial.language)
        lines[-1] += partial.new_lines[0]
        lines += partial.new_lines[1:]
    transcript.close()
    partial = transcript.partial(1.0)
    lines[-1] += partial.new_lines[0]
    lines += partial.new_lines[1:]
    assert [line.strip() for line in lines if line.strip()] == ["a", "abb c.", "a.", "c"]
    assert partial.language == "de"
    if size == 1:  # the last word as it stands: "c." has as many tokens of both, the first counts
        assert last == ["de", "en", "en", "en", "en", "en", "de", "de", "de"]
