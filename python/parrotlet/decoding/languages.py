"""The languages of a text: tags that a model writes, vocabularies of a language each, and the
language that a model was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from parrotlet.decoding.timestamps import WordSpan
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.results import Segment


@dataclass(frozen=True, slots=True)
class Languages:
    """What is known of the languages of a recording beside its tags, and what becomes of those.

    `told` are the languages that the model was told, each with the encoder frame from which on it
    was; None where the model was to find out. `keep_tags` says that tags stay in the text.
    """

    told: tuple[tuple[int, str | None], ...] = ()
    keep_tags: bool = False

    def at(self, frame: int) -> str | None:
        """The language that the model was told for a frame."""
        return next((name for start, name in reversed(self.told) if start <= frame), None)

    def then(self, frame: int, name: str | None) -> Languages:
        """The same, with another language from `frame` on."""
        before = tuple(one for one in self.told if one[0] < frame)
        return replace(self, told=(*before, (frame, name)))


def between_tags(ids: Sequence[int], tokenizer: Tokenizer) -> Iterator[slice]:
    """Divide the tokens of an utterance at the tags, which belong to none of the slices.

    The last slice may be empty.
    """
    start = 0
    for i, token in enumerate(ids):
        if token in tokenizer.tags:
            yield slice(start, i)
            start = i + 1
    yield slice(start, len(ids))


def first_tag(ids: Sequence[int], tokenizer: Tokenizer) -> str | None:
    """The language of the first tag among tokens: a tag is about what comes before it."""
    return next((tokenizer.tags[token] for token in ids if token in tokenizer.tags), None)


def vocabulary_language(ids: Iterable[int], tokenizer: Tokenizer) -> str | None:
    """The language whose vocabulary most of the tokens are from, the first of several.

    None for a tokenizer that has no vocabularies of languages. Source: NeMo
    `AggregateTokenizer.ids_to_lang`, which `compute_langs` asks for a whole recording, and
    `ids_to_words_and_langs` for a word.
    """
    tokens = Counter(name for name in map(tokenizer.language, ids) if name is not None)
    return tokens.most_common(1)[0][0] if tokens else None


def split_by_language(
    groups: Iterable[list[int]], words: Sequence[WordSpan], ids: Sequence[int], tokenizer: Tokenizer
) -> Iterator[list[int]]:
    """Divide groups of words after each that has a tag in it, where tags are text, and before each
    of another vocabulary's language.

    `groups` are positions in `words`, whose tokens are positions in `ids`.
    """
    for group in groups:
        current: list[int] = []
        before: str | None = None
        for i in group:
            tokens = [ids[token] for token in words[i].tokens]
            language = vocabulary_language(tokens, tokenizer)
            if current and language != before:
                yield current
                current = []
            current.append(i)
            before = language
            if first_tag(tokens, tokenizer):
                yield current
                current = []
        if current:
            yield current


def with_languages(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Let a language go on, from segment to segment, until another one is known."""
    found: list[Segment] = []
    for segment in segments:
        if segment.language is None and found and found[-1].language is not None:
            segment = replace(segment, language=found[-1].language)
        found.append(segment)
    return tuple(found)


def main_language(segments: Sequence[Segment]) -> str | None:
    """The language with the most words, the first of several; None if none is known."""
    words: Counter[str] = Counter()
    for segment in segments:
        if segment.language is not None:
            words[segment.language] += len(segment.words)
    return words.most_common(1)[0][0] if words else None
