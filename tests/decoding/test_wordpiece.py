"""WordPiece against what NeMo 3.0 makes of the vocabulary of `conformer-ctc-wpe`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from parrotlet import _core
from parrotlet.decoding.alphabet import Alphabet
from parrotlet.decoding.phrases import Phrases
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.decoding.vocabulary import tokenizer_from_metadata
from parrotlet.decoding.wordpiece import WordPieceTokenizer


@pytest.fixture
def tokenizer(converted: Callable[[str, str], Path]) -> Tokenizer:
    path = str(converted("conformer-ctc-wpe", "f32"))
    return tokenizer_from_metadata(_core.GgufFile(path).metadata, path)


def ids_of(tokenizer: Tokenizer, pieces: str) -> list[int]:
    return [tokenizer.pieces.index(piece) for piece in pieces.split()]


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ("the ##n ' ##t", "then 't"),
        ("' t", "' t"),
        ("[UNK] a", "[UNK] a"),
        ("a [UNK] ##b", "a [UNK]b"),
        ("[PAD] a [CLS] b", "[PAD] a [CLS] b"),
        ("##n a", "##n a"),
        ("d ##o n ' t", "do n ' t"),
        ("", ""),
    ],
)
def test_text_is_nemos(tokenizer: Tokenizer, pieces: str, text: str) -> None:
    assert tokenizer.decode(ids_of(tokenizer, pieces)) == text


def test_a_mark_closes_up(tokenizer: Tokenizer) -> None:
    assert tokenizer.transcript(ids_of(tokenizer, "d ##o n ' t")) == "do n' t"


def test_text_goes_on_after_other_text(tokenizer: Tokenizer) -> None:
    ids = ids_of(tokenizer, "the q ##u ##ic ##k b ##ro ##w ##n")
    for cut in range(1, len(ids)):
        text = tokenizer.decode(ids[:cut]) + tokenizer.continuation(ids[cut:])
        assert text == "the quick brown"


def test_pieces_without_signs_begin_words(tokenizer: Tokenizer) -> None:
    begin = [tokenizer.begins_word(token) for token in ids_of(tokenizer, "the ##n ' [UNK] ##s")]
    assert begin == [True, False, True, True, False]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("the quick brown fox", "the q ##u ##ic ##k b ##ro ##w ##n f ##o ##x"),
        ("don't", "do ##n ' t"),
        ("a$b, c.d", "a [UNK] b [UNK] c [UNK] d"),
        ("tom\N{SOFT HYPHEN}orrow\u200b x\0y", "to ##m ##or ##ro ##w x ##y"),
        ("t\tab\N{NO-BREAK SPACE}nb", "t a ##b n ##b"),
        ("Hello", "[UNK]"),
        ("\u4e2d\u6587 he", "[UNK] [UNK] he"),
        ("qu\u0301ick", "[UNK]"),
        ("he's " + "a" * 101, "he ' s [UNK]"),
        ("a" * 100, "a" + " ##a" * 99),
        ("x\N{REPLACEMENT CHARACTER}y", "x ##y"),
        ("in  the - an", "in the [UNK] an"),
        ("\u0660 we", "[UNK] w ##e"),
        ("the\N{HORIZONTAL ELLIPSIS}end", "the [UNK] e ##n ##d"),
        ("a\u00abb\u00bb", "a [UNK] b [UNK]"),
        ("", ""),
    ],
)
def test_encodes_as_nemo_does(tokenizer: Tokenizer, text: str, pieces: str) -> None:
    assert tokenizer.encode(text) == ids_of(tokenizer, pieces)


def test_what_has_no_pieces_is_named() -> None:
    tokenizer = WordPieceTokenizer(["a", "##b"])
    assert tokenizer.unknown is None
    assert tokenizer.encode("ab abb") == [0, 1, 0, 1, 1]
    with pytest.raises(ValueError, match="no pieces for 'ac'"):
        tokenizer.encode("ab ac")


def test_letters_are_those_of_the_pieces(tokenizer: Tokenizer) -> None:
    alphabet = Alphabet(tokenizer)
    assert alphabet.characters == set(" 'abcdefghijklmnopqrstuvwxyz")
    assert alphabet.variants("Don't, NASA!") == ("don't nasa",)


def test_phrases_are_boosted(tokenizer: Tokenizer) -> None:
    tree = Phrases(["the fox"]).scorer(tokenizer)
    assert tree.scores(0).argmax() == ids_of(tokenizer, "the")[0]
