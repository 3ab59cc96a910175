"""Words of scripts without spaces: what they are, and that streams find them as they go."""

from __future__ import annotations

import pytest
from counting_tokenizer import CountingTokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from parrotlet.decoding.assemble import Parts, assemble
from parrotlet.decoding.division import WORD_TOKENS, may_begin_word
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.partial import Partial
from parrotlet.decoding.tokenizer import CharTokenizer, SentencePieceTokenizer, Tokenizer, TokenType
from parrotlet.decoding.transcript import Transcript
from parrotlet.results import text_of

FRAME = 0.08
HEADS = ["ctc", "rnnt", "tdt"]

PIECES = {
    TokenType.UNKNOWN: ["<unk>"],
    TokenType.CONTROL: ["<s>"],
    TokenType.USER_DEFINED: ["<EOU>", "<EOB>"],
    TokenType.BYTE: [f"<0x{byte:02X}>" for byte in b",A\xc3\xa9\xe3\x81\x82\xe6\xb1\xf0\xff"],
    TokenType.NORMAL: [
        *[
            "きょ",
            "ょう",
            "は",
            "ー",
            "東京",
            "▁は",
            "は▁",
            "年",
            "、",
            "。",
            "「",
            "」",
            "」。",
            "▁。",
            "、東",
        ],
        *["ไ", "ทย", "ภา", "ษา", "\u0e48", "ๆ", "ခ်", "က", "\u103a"],
        *["A", "b", "▁A", "▁", "▁▁", "12", "?", "!", "(", ")", "'", "…", "—"],
        *["한", "국", "अ", "\u093e", "।", "؟", "😀", "\u200d", "\u3099"],
    ],
}
MIXED = SentencePieceTokenizer(
    [piece for pieces in PIECES.values() for piece in pieces],
    [kind for kind, pieces in PIECES.items() for _ in pieces],
)
CHARACTERS = CharTokenizer([" ", *"東京はー、。「」ไทยabc,.?अ", "<EOU>"])


def emitted(tokenizer: Tokenizer, *pieces: str, gap: int = 1) -> list[Emission]:
    return [
        Emission(tokenizer.pieces.index(piece), i * gap, 1, 0.5) for i, piece in enumerate(pieces)
    ]


def words_of(*pieces: str, head: str = "rnnt") -> list[str]:
    """The words, with a space before those that stand after one."""
    found = assemble(emitted(MIXED, *pieces), head, MIXED, FRAME)
    assert text_of(found.words) == found.text
    return [f" {word.word}" if word.space_before else word.word for word in found.words]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ("は 東京 ー は", [" は", "東京ー", "は"]),
        ("きょ ょう は", [" きょょう", "は"]),
        ("は 、 東京 。 」 は", [" は、", "東京。」", "は"]),
        ("は 「 東京 」。 は", [" は", "「東京」。", "は"]),
        ("は 12 年 は", [" は", "12", "年", "は"]),
        ("は A b は", [" は", "Ab", "は"]),
        ("は ▁A b は", [" は", " Ab", "は"]),
        ("は▁ 東京", [" は", " 東京"]),
        ("▁は ▁ 東京", [" は", " 東京"]),
        ("は \u3099 東京 ?", [" は\u3099", "東京?"]),
        ("は ! 東京", [" は!", "東京"]),
        ("東京 … は", [" 東京…", "は"]),
        ("東京 ( A ) は", [" 東京", "(A)", "は"]),
        ("ไ ทย ภา ษา", [" ไทย", "ภา", "ษา"]),
        ("ภา ่ ๆ ทย", [" ภา่ๆ", "ทย"]),
        ("ภา ษา A b ทย ▁ ทย", [" ภา", "ษา", "Ab", "ทย", " ทย"]),
        ("က ခ် က ်", [" ကခ်", "က်"]),
        # Bytes: the character is known when it is there.
        ("は <0xE3> <0x81> <0x82> <0xE6> <0xB1> <0x82> A", [" は", "あ", "求", "A"]),
        ("は <0xE3> <0x81>", [" は\ufffd\ufffd"]),
        ("は <0xE3> 東京", [" は", "\ufffd", "東京"]),
        # Scripts with spaces, and what is in no script.
        ("▁A b ( b ) ' b 😀 \u200d b", [" Ab(b)'b😀\u200db"]),
        ("한 국 ▁A 한 「 국 」 한", [" 한국", " A한「국」한"]),
        ("अ ा । अ", [" अा।अ"]),
        ("A <0xC3> <0xA9> b", [" Aéb"]),
    ],
)
def test_words(pieces: str, words: list[str]) -> None:
    assert words_of(*pieces.split(" ")) == words


@pytest.mark.parametrize("piece", ["b", "", "<0xFF>", "\u3099", "<0x82>", "ー", ","])
def test_a_word_without_end_is_divided(piece: str) -> None:
    tokenizer = SentencePieceTokenizer([piece], [6 if piece.startswith("<0x") else 1])
    found = assemble(emitted(tokenizer, *[piece] * 500), "rnnt", tokenizer, FRAME)
    assert text_of(found.words) == found.text
    tokens = [round((word.end - word.start) / FRAME) for word in found.words]
    assert all(WORD_TOKENS <= size <= 2 * WORD_TOKENS for size in tokens[:-1])


def test_a_character_in_bytes_is_not_divided() -> None:
    pieces = ["<0xC3>", "<0xA9>", "A"]
    tokenizer = SentencePieceTokenizer(pieces, [6, 6, 1])
    spoken = ["A", *pieces[:2] * 300]
    found = assemble(emitted(tokenizer, *spoken), "rnnt", tokenizer, FRAME)
    assert len(found.words) > 5
    assert text_of(found.words) == found.text == "A" + "é" * 300


@pytest.mark.parametrize(
    ("word", "ends"),
    [
        *((f"x{mark}", True) for mark in ".?!。．！？｡؟۔।॥။។‥…"),
        ("た。」", True),
        ("た！』）", True),
        ("ok?」", True),
        ("قال؟»", True),
        ('क्या।"', True),
        # As NeMo has it.
        ('said."', False),
        ("said.”", False),
        ("(so.)", False),
        ("⁇", False),
        ("た、", False),
        ("た」", False),
    ],
)
def test_sentence_ends(word: str, ends: bool) -> None:
    tokenizer = CharTokenizer([word, " ", "た"])
    ids = [Emission(0, 0, None, 1.0), Emission(1, 1, None, 1.0), Emission(2, 2, None, 1.0)]
    assert len(assemble(ids, "ctc", tokenizer, 1.0).segments) == 1 + ends


def test_punctuation_takes_no_time() -> None:
    """An RNNT emits it when it knows, which may be after a pause."""
    found = assemble(emitted(MIXED, "東京", "。", "は", gap=40), "rnnt", MIXED, FRAME)
    assert [(word.word, word.start, word.end) for word in found.words] == [
        ("東京。", 0.0, 0.08),
        ("は", 6.4, 6.48),
    ]


def test_a_ctc_word_does_not_last_through_a_pause() -> None:
    """A CTC token lasts from the one before it, but in scripts with spaces alone a pause too."""
    found = assemble(emitted(MIXED, "東京", "は", "年", gap=40)[:2], "ctc", MIXED, FRAME)
    assert [(word.word, word.start, word.end) for word in found.words] == [
        ("東京", 0.0, 0.0),
        ("は", 3.12, 3.2),
    ]
    near = assemble(emitted(MIXED, "東京", "は", gap=10), "ctc", MIXED, FRAME)
    assert [(word.start, word.end) for word in near.words] == [(0.0, 0.0), (0.0, 0.8)]


def test_confidence_is_of_each_word() -> None:
    pieces = [("東京", 0.9), ("、", 0.4), ("は", 0.7)]
    ids = [Emission(MIXED.pieces.index(p), i, 1, c) for i, (p, c) in enumerate(pieces)]
    assert [word.confidence for word in assemble(ids, "tdt", MIXED, 1.0).words] == [0.4, 0.7]


def test_where_words_may_begin() -> None:
    beginning = {piece for i, piece in enumerate(MIXED.pieces) if may_begin_word(i, MIXED)}
    assert beginning >= {"きょ", "東京", "▁A", "「", "ไ", "ภา", "<0xE3>", "<0xE6>"}
    assert not beginning & {
        "ょう",
        "ー",
        "、",
        "」",
        "่",
        "ๆ",
        "ခ်",
        "b",
        "한",
        "अ",
        "<0x82>",
        "<0xC3>",
    }


def check_stream(tokenizer: Tokenizer, head: str, emissions: list[Emission], step: int) -> None:
    transcript = Transcript(head, tokenizer, FRAME)
    partials: list[Partial] = []
    for done in range(0, len(emissions), step):
        transcript.extend(emissions[done : done + step])
        partials.append(transcript.partial(0.0))
        expected: Parts = assemble(emissions[: done + step], head, tokenizer, FRAME)
        assert partials[-1].text == expected.text
        assert partials[-1].words == expected.words
    transcript.close()
    partials.append(transcript.partial(0.0))
    expected = assemble(emissions, head, tokenizer, FRAME)
    assert partials[-1].final == partials[-1].text == expected.text
    assert partials[-1].words == expected.words
    assert sum((partial.new_words for partial in partials), ()) == expected.words
    assert list(transcript.emissions()) == emissions
    for partial in partials:
        assert expected.text.startswith(partial.final)
        finished = max(0, len(partial.words) - 1)
        assert partial.words[:finished] == expected.words[:finished]


def sequences(tokenizer: Tokenizer) -> st.SearchStrategy[list[Emission]]:
    token = st.integers(0, len(tokenizer.pieces) - 1)
    row = st.tuples(token, st.integers(0, 3), st.integers(0, 4), st.floats(0, 1))

    def placed(rows: list[tuple[int, int, int, float]]) -> list[Emission]:
        frame, found = 0, []
        for token, advance, duration, confidence in rows:
            frame += advance
            found.append(Emission(token, frame, duration, confidence))
        return found

    return st.lists(row, max_size=30).map(placed)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(sequences(MIXED), st.sampled_from(HEADS), st.integers(1, 4))
def test_any_division_of_mixed_scripts(emissions: list[Emission], head: str, step: int) -> None:
    check_stream(MIXED, head, emissions, step)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(sequences(CHARACTERS), st.sampled_from(HEADS), st.integers(1, 4))
def test_any_division_of_characters(emissions: list[Emission], head: str, step: int) -> None:
    check_stream(CHARACTERS, head, emissions, step)


ENDLESS = (
    "b|ー|<0xE3>|<0x82>|<0xE3> <0x81>|<0xC3> <0xA9>|\u3099|<s>|▁|A ▁|、|は|ไ|▁は ▁ ▁ <s>|は "
    + "▁ " * 200
)


@pytest.mark.parametrize("repeated", [part.split() for part in ENDLESS.split("|")])
def test_what_is_open_is_bounded(repeated: list[str]) -> None:
    """Counts the tokens that are decoded to text in each step of a long stream."""

    kinds = [kind for kind, pieces in PIECES.items() for _ in pieces]
    tokenizer = CountingTokenizer(MIXED.pieces, kinds)
    emissions = emitted(tokenizer, *repeated * (800 // len(repeated)))
    transcript = Transcript("rnnt", tokenizer, FRAME)
    work = []
    for emission in emissions:
        before = tokenizer.tokens
        transcript.extend([emission])
        work.append(tokenizer.tokens - before)
    assert max(work[600:]) <= max(work[:400])
    transcript.close()
    expected = assemble(emissions, "rnnt", tokenizer, FRAME)
    assert transcript.partial(0.0).final == expected.text
    assert transcript.partial(0.0).words == expected.words
