"""How tokens are searched for: the settings that a caller chooses, as one value."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parrotlet.decoding.language_model import LanguageModel
from parrotlet.decoding.phrases import Phrases, is_finite

TRANSDUCERS = ("rnnt", "tdt")
"""Heads that "transducer" stands for; a model has one of them at most."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """Settings of the search for tokens.

    `head` is the head of a hybrid model, "ctc" or "transducer", or one of `Model.heads`, by default
    the first of these. `max_symbols` bounds the tokens of a transducer per encoder frame, by
    default as the model says; NeMo's `greedy.max_symbols`.

    `phrases` are preferred: strings, (phrase, score), or `Phrases`, which has further settings.
    `language_model` is a `LanguageModel`, or the path of one. Where a token begins, the search
    takes the one with the largest sum of its log-probability, `language_model_weight` times the
    language model's score and `phrase_weight` times that of the phrases; NeMo's `ngram_lm_alpha`
    and `boosting_tree_alpha`. Both are made ready once for each model, when they are first used.

    Raises ValueError for another head, for less than one token, and for a weight that is not a
    finite number; PhrasesError for phrases that cannot be used.
    """

    head: str | None = None
    max_symbols: int | None = None
    phrases: Phrases | Iterable[str | tuple[str, float | None]] = ()
    phrase_weight: float = 1.0
    language_model: LanguageModel | str | os.PathLike[str] | None = None
    language_model_weight: float = 0.3

    def __post_init__(self) -> None:
        """Check the values by themselves; keep phrases and language model as objects."""
        if self.head not in (None, "ctc", "transducer", *TRANSDUCERS):
            raise ValueError(
                f'head is {self.head!r}; expected "ctc" or "transducer", or one of Model.heads'
            )
        limit = self.max_symbols
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ValueError(f"max_symbols is {limit!r}; expected a whole number from 1")
        for name in ("phrase_weight", "language_model_weight"):
            if not is_finite(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a finite number")
        if not isinstance(self.phrases, Phrases):
            object.__setattr__(self, "phrases", Phrases(self.phrases))
        if self.language_model is not None and not isinstance(self.language_model, LanguageModel):
            object.__setattr__(self, "language_model", LanguageModel(self.language_model))


def find_head(name: str | None, heads: Sequence[str]) -> str | None:
    """Return the one of a model's `heads` that `Decoding.head` names; None if there is none.

    Without a name it is the first.
    """
    if name is None:
        return heads[0]
    named = TRANSDUCERS if name == "transducer" else (name,)
    return next((head for head in heads if head in named), None)


def decoding_of(decoding: Decoding | None, decoder: str | None) -> Decoding:
    """Return `decoding`, or what the older argument `decoder` says; raises ValueError for both."""
    if decoder is None:
        return decoding or Decoding()
    if decoding is not None:
        raise ValueError(
            f"decoder is {decoder!r} beside decoding; pass Decoding(head={decoder!r}) alone"
        )
    return Decoding(head=decoder)
