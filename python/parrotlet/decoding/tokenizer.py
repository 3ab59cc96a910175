"""Token ids to text and back, from the vocabulary stored in a GGUF file.

`SentencePieceTokenizer` gives what the SentencePiece library's decoder gives for the same model,
`CharTokenizer` what NeMo's character models give, and `PlainTokenizer` the labels themselves.
`vocabulary.py` makes one of a file's metadata.
"""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from functools import cached_property

from parrotlet.decoding.encoding import LabelEncoder, SentencePieceEncoder
from parrotlet.errors import ModelFileError

WHITESPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""The visible sign that SentencePiece writes for a space."""

UTTERANCE_ENDS = {"<EOU>": "EOU", "<EOB>": "EOB"}
"""Pieces that end an utterance, or a backchannel such as "uh-huh", and are no text.

Source: NeMo `nemo.collections.asr.data.audio_to_eou_label_lhotse` (`EOU_STRING`, `EOB_STRING`).
"""

LANGUAGE_TAG = re.compile(r"<([a-z]{2,3}-[A-Z]{2})>")
"""Pieces that say which language the text before them is in, and are no text unless asked for.

Source: NeMo `AbstractRNNTDecoding.set_strip_lang_tags`.
"""

_UNKNOWN_SURFACE = " \N{DOUBLE QUESTION MARK} "

# Entries that are markers rather than text: [X], <X>, ##x, and whatever begins a word.
_SPECIAL = re.compile(r"\[.*\]$|<.*>$|##|" + WHITESPACE + r"|\s*$")


class TokenType(IntEnum):
    """Values of `tokenizer.ggml.token_type`."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Tokenizer(ABC):
    """A vocabulary and the way its entries join into text."""

    def __init__(self, pieces: Sequence[str], closes_up: bool = True) -> None:
        """Keep `pieces`, the vocabulary by id, without the blank.

        `closes_up` says that punctuation joins the word before it.
        """
        self.pieces = tuple(pieces)
        self._alone: dict[int, str] = {}
        self.ends = {
            token: UTTERANCE_ENDS[piece]
            for token, piece in enumerate(self.pieces)
            if piece in UTTERANCE_ENDS
        }
        self.tags = {
            token: tag[1]
            for token, piece in enumerate(self.pieces)
            if (tag := LANGUAGE_TAG.fullmatch(piece))
        }
        self.punctuation = _punctuation(self.pieces) if closes_up else frozenset()
        marks = "|".join(re.escape(mark) for mark in sorted(self.punctuation))
        self._space_before_mark = re.compile(rf"\s({marks})") if marks else None

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """Join the pieces of `ids` into text."""

    def alone(self, token: int) -> str:
        """Decode one token by itself; a stream asks for the same ones again and again."""
        text = self._alone.get(token)
        if text is None:
            text = self._alone[token] = self.decode([token])
        return text

    def encode(self, text: str) -> list[int]:
        """Cut a text into the tokens that write it; raises as `encode_all` does."""
        return self.encode_all([text])[0]

    @abstractmethod
    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each text, all in one call.

        Raises ModelFileError if the model's file does not say how, ValueError for a character that
        a vocabulary of labels does not have.
        """

    def spellings(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """Encode each text in every way that the model may write it; raises as `encode_all` does.

        There is one, except that each of several languages has its own.
        """
        return [[ids] for ids in self.encode_all(texts)]

    @property
    def can_encode(self) -> bool:
        """Whether the model's file says how text becomes tokens."""
        return True

    def language(self, token: int) -> str | None:
        """Return the language whose vocabulary a token is from, None where there is one for all."""
        return None

    @property
    def unknown(self) -> int | None:
        """The token that stands for whatever the vocabulary cannot write, if it has one."""
        return None

    def written(self) -> Iterator[str]:
        """Give the pieces that are text and no markers, as they are written within one."""
        return (piece for piece in self.pieces if not piece.startswith("<"))

    @abstractmethod
    def begins_word(self, token: int) -> bool:
        """Whether a token itself marks the start of a new word."""

    def byte(self, token: int) -> int | None:
        """Return the byte that a token stands for, None for a token that is text."""
        return None

    def continuation(self, ids: Iterable[int]) -> str:
        """Decode `ids` as they read after other text: white space at their start stays."""
        return self.decode(ids)

    def transcript(self, ids: Iterable[int]) -> str:
        """Decode, and close up a space before punctuation.

        Source: NeMo `decode_tokens_to_str_with_strip_punctuation`.
        """
        return self.close_up(self.decode(ids))

    def following(self, ids: Iterable[int]) -> str:
        """The same of `ids` that follow other text: white space at their start stays."""
        return self.close_up(self.continuation(ids))

    def close_up(self, text: str) -> str:
        """Remove a space before punctuation."""
        return self._space_before_mark.sub(r"\1", text) if self._space_before_mark else text


class CharTokenizer(Tokenizer):
    """One label per character; the space is a label of its own."""

    def __init__(self, pieces: Sequence[str], closes_up: bool = True) -> None:
        """Keep `pieces`, as `Tokenizer` does."""
        super().__init__(pieces, closes_up)
        self._encoder = LabelEncoder(self.pieces)

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Look up the labels."""
        return self._encoder(texts)

    def decode(self, ids: Iterable[int]) -> str:
        """Join the labels."""
        return "".join(self.pieces[i] for i in ids)

    def begins_word(self, token: int) -> bool:
        """No label does: words are what stands between spaces."""
        return False


class PlainTokenizer(CharTokenizer):
    """One label per character, and nothing done to them: words are what stands between spaces."""

    def __init__(self, pieces: Sequence[str]) -> None:
        """Keep `pieces`."""
        super().__init__(pieces, closes_up=False)


class SentencePieceTokenizer(Tokenizer):
    """Subwords of a SentencePiece model (BPE or unigram: decoding is the same)."""

    def __init__(
        self,
        pieces: Sequence[str],
        types: Sequence[int],
        add_dummy_prefix: bool = True,
        remove_extra_whitespaces: bool = True,
        encoder: SentencePieceEncoder | None = None,
        path: str = "the model",
    ) -> None:
        """Keep the vocabulary of the file `path`.

        `types` are `TokenType` values by id. The two flags are the settings of the same name in
        the model's normalizer; they decide how many leading spaces are not part of the text.
        """
        super().__init__(pieces)
        self.types = tuple(types)
        self._encoder = encoder
        self._path = path
        self._strip_first = add_dummy_prefix or remove_extra_whitespaces
        self._strip_all = remove_extra_whitespaces

    def decode(self, ids: Iterable[int]) -> str:
        """Join the pieces: the space sign becomes a space, bytes become UTF-8."""
        text: list[str] = []
        pending = bytearray()
        at_start, length = True, 0
        for token in ids:
            piece, kind = self.pieces[token], self.types[token]
            if kind == TokenType.BYTE:
                pending.append(int(piece[3:5], 16))
                continue
            if pending:
                text.append(_decode_bytes(pending))
                length += len(text[-1])
                pending.clear()
            at_start = at_start and not length
            surface = self._surface(piece, kind)
            if at_start and self._strip_first and surface.startswith(WHITESPACE):
                surface = surface[1:]
                at_start = self._strip_all
            surface = surface.replace(WHITESPACE, " ")
            text.append(surface)
            length += len(surface)
        text.append(_decode_bytes(pending))
        return "".join(text)

    def _surface(self, piece: str, kind: int) -> str:
        """What a token that is no byte writes, with signs for spaces."""
        if kind == TokenType.CONTROL:
            return ""
        return _UNKNOWN_SURFACE if kind == TokenType.UNKNOWN else piece

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode with the SentencePiece library."""
        if self._encoder is None:
            raise ModelFileError(
                f"{self._path}: does not say how text becomes tokens, which phrases and language "
                "models need; convert the checkpoint again"
            )
        return self._encoder(texts)

    @property
    def can_encode(self) -> bool:
        """Whether there is an encoder."""
        return self._encoder is not None

    @property
    def unknown(self) -> int | None:
        """The first piece of that type."""
        return next((i for i, kind in enumerate(self.types) if kind == TokenType.UNKNOWN), None)

    def byte(self, token: int) -> int | None:
        """Return the value of a byte-fallback token."""
        return int(self.pieces[token][3:5], 16) if self.types[token] == TokenType.BYTE else None

    def continuation(self, ids: Iterable[int]) -> str:
        """Decode `ids` as they read after other text: white space at their start stays."""
        # Only at the start of a text is white space left out.
        before, length = self._some_text
        return self.decode([*before, *ids])[length:]

    @cached_property
    def _some_text(self) -> tuple[list[int], int]:
        """One token that others may follow without changing its text, if there is any, and the
        length of that."""
        for token in range(len(self.pieces)):
            if (self.byte(token) or 0) < 0x80 and self.alone(token).strip():
                return [token], len(self.alone(token))
        return [], 0

    def begins_word(self, token: int) -> bool:
        """Whether the token carries a space sign, or is invisible or unknown.

        NeMo's rule is that a token differs from its own text. Bytes are excepted here: alone they
        are no text, and a character spelled in bytes would fall apart into words.
        """
        kind = self.types[token]
        if kind == TokenType.BYTE:
            return False
        return kind in (TokenType.CONTROL, TokenType.UNKNOWN) or WHITESPACE in self.pieces[token]


def _decode_bytes(data: bytearray) -> str:
    """Decode UTF-8; each byte that belongs to no character becomes U+FFFD."""
    text = []
    start = 0
    while start < len(data):
        # A character is at most four bytes; the shortest valid prefix is the character.
        for end in range(start + 1, min(start + 4, len(data)) + 1):
            try:
                text.append(data[start:end].decode("utf-8"))
            except UnicodeDecodeError:
                continue
            start = end
            break
        else:
            text.append("\N{REPLACEMENT CHARACTER}")
            start += 1
    return "".join(text)


def _punctuation(pieces: Iterable[str]) -> frozenset[str]:
    """Punctuation characters that the vocabulary has outside of its markers.

    Source: NeMo `nemo.collections.asr.parts.utils.tokenizer_utils.extract_punctuation_from_vocab`.
    """
    return frozenset(
        char
        for piece in pieces
        if not _SPECIAL.match(piece)
        for char in piece
        if unicodedata.category(char).startswith("P")
    )
