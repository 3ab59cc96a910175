"""The languages of a text: tags that a model writes, and the language that it was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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


def tagged(
    ids: Sequence[int], tokenizer: Tokenizer, keep_tags: bool
) -> Iterator[tuple[slice, str | None]]:
    """Divide the tokens of an utterance at the tags, each with the language that its tag says.

    A tag is about what comes before it. It belongs to none of the slices unless `keep_tags`. The
    last slice has no tag; it may be empty.
    """
    start = 0
    for i, token in enumerate(ids):
        if token in tokenizer.tags:
            yield slice(start, i + keep_tags), tokenizer.tags[token]
            start = i + 1
    yield slice(start, len(ids)), None


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
