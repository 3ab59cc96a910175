"""The tokenizers against the SentencePiece library, and NeMo's rules about punctuation."""

from __future__ import annotations

import random

import pytest
import sentencepiece
from sentencepiece_models import SUBWORD_ARCHITECTURES, checkpoint_model, trained_model

from parrotlet import ModelFileError
from parrotlet.decoding.tokenizer import (
    CharTokenizer,
    SentencePieceTokenizer,
    TokenType,
)
from parrotlet.decoding.vocabulary import tokenizer_from_metadata


def tokenizer_of(
    reference: sentencepiece.SentencePieceProcessor,
    user_defined: tuple[str, ...] = (),
    **options: bool,
) -> SentencePieceTokenizer:
    def kind(token: int) -> TokenType:
        if reference.is_unknown(token):
            return TokenType.UNKNOWN
        if reference.is_control(token):
            return TokenType.CONTROL
        if reference.is_byte(token):
            return TokenType.BYTE
        if reference.id_to_piece(token) in user_defined:
            return TokenType.USER_DEFINED
        return TokenType.NORMAL

    size = reference.get_piece_size()
    pieces = [reference.id_to_piece(token) for token in range(size)]
    return SentencePieceTokenizer(pieces, [kind(token) for token in range(size)], **options)


def assert_decodes_alike(
    reference: sentencepiece.SentencePieceProcessor, tokenizer: SentencePieceTokenizer
) -> None:
    """Compare on random sequences, half of whose tokens are the ones with rules of their own."""
    source = random.Random(0)
    ids = range(len(tokenizer.pieces))
    odd = [i for i in ids if tokenizer.begins_word(i) or reference.is_byte(i)]
    for _ in range(1000):
        sequence = [source.choice(source.choice((odd, ids))) for _ in range(source.randrange(9))]
        assert tokenizer.decode(sequence) == reference.decode(sequence), sequence


@pytest.mark.parametrize("architecture", SUBWORD_ARCHITECTURES)
def test_decodes_like_sentencepiece(architecture: str) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_proto=checkpoint_model(architecture))
    assert_decodes_alike(reference, tokenizer_of(reference, ("<EOU>", "<EOB>")))


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("whitespace", [True, False])
def test_decodes_leading_spaces_like_sentencepiece(prefix: bool, whitespace: bool) -> None:
    options = {"add_dummy_prefix": prefix, "remove_extra_whitespaces": whitespace}
    blob = trained_model(vocab_size=40, **options)
    reference = sentencepiece.SentencePieceProcessor(model_proto=blob)
    assert_decodes_alike(reference, tokenizer_of(reference, **options))


def test_decodes_bytes_and_markers_like_sentencepiece() -> None:
    marks = ("<EOU>", "▁▁", "a▁b")
    blob = trained_model(
        vocab_size=310,
        byte_fallback=True,
        user_defined_symbols=list(marks),
        control_symbols=["<c>"],
    )
    reference = sentencepiece.SentencePieceProcessor(model_proto=blob)
    tokenizer = tokenizer_of(reference, marks)
    assert_decodes_alike(reference, tokenizer)
    for text in ("naïve 𝄞 ö", "the fox"):
        assert tokenizer.decode(reference.encode(text)) == text


@pytest.mark.parametrize("architecture", SUBWORD_ARCHITECTURES)
def test_tokens_that_begin_words(architecture: str) -> None:
    """NeMo: a token begins a word if it is not its own text."""
    reference = sentencepiece.SentencePieceProcessor(model_proto=checkpoint_model(architecture))
    tokenizer = tokenizer_of(reference)
    for token, piece in enumerate(tokenizer.pieces):
        # Bytes are excepted: characters that they spell would fall apart.
        begins = reference.decode([token]) != piece and not reference.is_byte(token)
        assert tokenizer.begins_word(token) == begins


def test_char_tokenizer() -> None:
    tokenizer = CharTokenizer([" ", "a", "é", "'"])
    assert tokenizer.decode([1, 0, 2, 3, 2]) == "a é'é"
    assert tokenizer.punctuation == {"'"}


def test_punctuation_leaves_markers_out() -> None:
    pieces = ["<unk>", "[S]", "##!", "▁;", "a.", ",", "?!", "¿", "-"]
    assert CharTokenizer(pieces).punctuation == set(".,?!¿-")


def test_plain_labels_are_joined_as_they_are() -> None:
    metadata = {"tokenizer.ggml.model": "plain", "tokenizer.ggml.tokens": [" ", "a", "'"]}
    tokenizer = tokenizer_from_metadata(metadata, "m.gguf")
    assert tokenizer.transcript([0, 1, 0, 2, 0, 0, 1]) == " a '  a"
    assert tokenizer.punctuation == frozenset()


def test_transcript_closes_up_one_space_before_punctuation() -> None:
    tokenizer = CharTokenizer([" ", "a", ",", "."])
    assert tokenizer.transcript([1, 0, 2, 0, 1, 0, 0, 3]) == "a, a ."
    assert CharTokenizer([" ", "a"]).transcript([1, 0, 0, 1]) == "a  a"


GOOD = {
    "tokenizer.ggml.model": "spm",
    "tokenizer.ggml.tokens": ["<unk>", "▁a", "<0x41>"],
    "tokenizer.ggml.token_type": [2, 1, 6],
}


def test_from_metadata() -> None:
    tokenizer = tokenizer_from_metadata(GOOD, "m.gguf")
    assert tokenizer.decode([1, 2, 0]) == "aA ⁇ "
    char = {"tokenizer.ggml.model": "char", "tokenizer.ggml.tokens": [" ", "a"]}
    assert tokenizer_from_metadata(char, "m.gguf").decode([1, 0, 1]) == "a a"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tokenizer.ggml.model", "wpe"),
        ("tokenizer.ggml.model", None),
        ("tokenizer.ggml.tokens", None),
        ("tokenizer.ggml.tokens", []),
        ("tokenizer.ggml.tokens", [1, 2, 3]),
        ("tokenizer.ggml.token_type", [2, 1]),
        ("tokenizer.ggml.token_type", None),
        ("tokenizer.ggml.token_type", [2, 6, 1]),
        ("tokenizer.ggml.token_type", [2, 1, 7]),
        ("tokenizer.ggml.token_type", [2, -1, 6]),
        ("tokenizer.ggml.token_type", [2, 1.0, 6]),
        ("tokenizer.ggml.token_type", [2, [], 6]),
    ],
)
def test_bad_metadata_is_named(key: str, value: object) -> None:
    with pytest.raises(ModelFileError, match=r"^m\.gguf: "):
        tokenizer_from_metadata({**GOOD, key: value}, "m.gguf")
