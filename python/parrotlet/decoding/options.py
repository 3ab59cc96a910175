"""How tokens are searched for: the settings that a caller chooses, as one value."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parrotlet import _core
from parrotlet.decoding.language_model import LanguageModel
from parrotlet.decoding.phrases import Phrases, is_finite

TRANSDUCERS = ("rnnt", "tdt")
"""Heads that "transducer" stands for; a model has one of them at most."""

_NAMES = tuple(dict.fromkeys(name for names in _core.STRATEGIES.values() for name in names))


@dataclass(frozen=True, slots=True)
class Decoding:
    """Settings of the search for tokens.

    `head` is the head of a hybrid model, "ctc" or "transducer", or one of `Model.heads`, by default
    the first of these. `max_symbols` bounds the tokens of a transducer per encoder frame, by
    default as the model says, and 10 in a beam; NeMo's `greedy.max_symbols` and `beam.max_symbols`.

    `phrases` are preferred: strings, (phrase, score), or `Phrases`, which has further settings.
    `language_model` is a `LanguageModel`, or the path of one. Where a token begins, the search
    takes the one with the largest sum of its log-probability, `language_model_weight` times the
    language model's score and `phrase_weight` times that of the phrases; NeMo's `ngram_lm_alpha`
    and `boosting_tree_alpha`. Both are made ready once for each model, when they are first used.

    `beam` is the number of hypotheses that the search keeps side by side, from 1 to 256; 1 is
    greedy. `nbest` of them, the best first, become `Transcription.alternatives`, if more than 1.
    `insertion_bonus` is added to the score of a beam over CTC for every token; NeMo's `beam_beta`.
    `strategy` is one of NeMo's: "greedy_batch", "malsd_batch" for transducers, "maes_batch" for
    RNNT and "beam_batch" for CTC. By default it is greedy_batch for `beam` 1, and otherwise
    malsd_batch or beam_batch.

    `keep_language_tags` says that tags such as "<de-DE>", with which some models end a text, stay
    in it. By default they become `Transcription.language`; NeMo's `strip_lang_tags`.

    Raises ValueError for other values, and for those that exclude each other; PhrasesError for
    phrases that cannot be used.
    """

    head: str | None = None
    max_symbols: int | None = None
    phrases: Phrases | Iterable[str | tuple[str, float | None]] = ()
    phrase_weight: float = 1.0
    language_model: LanguageModel | str | os.PathLike[str] | None = None
    language_model_weight: float = 0.3
    beam: int = 1
    nbest: int = 1
    insertion_bonus: float = 0.0
    strategy: str | None = None
    keep_language_tags: bool = False

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
        self._check_beam()

    def _check_beam(self) -> None:
        most = _core.BeamOptions.MOST_HYPOTHESES
        if type(self.beam) is not int or not 1 <= self.beam <= most:
            raise ValueError(f"beam is {self.beam!r}; expected a whole number from 1 to {most}")
        if type(self.nbest) is not int or self.nbest < 1:
            raise ValueError(f"nbest is {self.nbest!r}; expected a whole number from 1")
        if self.nbest > self.beam:
            raise ValueError(
                f"nbest is {self.nbest} and beam {self.beam}; a beam finds no more texts than it "
                f"has hypotheses: set beam to {self.nbest} or more"
            )
        bonus = self.insertion_bonus
        if type(bonus) not in (int, float) or not math.isfinite(bonus):
            raise ValueError(f"insertion_bonus is {bonus!r}; expected a finite number")
        if self.strategy not in (None, *_NAMES):
            raise ValueError(f"strategy is {self.strategy!r}; expected one of {', '.join(_NAMES)}")
        if self.strategy == "greedy_batch" and self.beam > 1:
            raise ValueError(
                f"strategy is 'greedy_batch' and beam {self.beam}; leave one of them out"
            )

    def beam_options(self, head: str) -> _core.BeamOptions:
        """Return the settings of a search over a head of the model, "ctc", "rnnt" or "tdt".

        Raises ValueError for a strategy, or an insertion bonus, that is not for it.
        """
        greedy, beam = _core.STRATEGIES[head][:2]
        strategy = self.strategy or (greedy if self.beam == 1 else beam)
        if strategy not in _core.STRATEGIES[head]:
            raise ValueError(
                f"strategy is {strategy!r}; the head {head} has {', '.join(_core.STRATEGIES[head])}"
            )
        if self.insertion_bonus and strategy != "beam_batch":
            raise ValueError(
                f"insertion_bonus is {self.insertion_bonus!r}; only a beam over CTC takes one, and "
                f"the strategy is {strategy}"
            )
        return _core.BeamOptions(strategy, self.beam, beam_beta=self.insertion_bonus)


def find_head(name: str | None, heads: Sequence[str]) -> str | None:
    """Return the one of a model's `heads` that `Decoding.head` names; None if there is none.

    Without a name it is the first.
    """
    if name is None:
        return heads[0]
    named = TRANSDUCERS if name == "transducer" else (name,)
    return next((head for head in heads if head in named), None)


def decoding_with_head(decoding: Decoding | None, decoder: str | None) -> Decoding:
    """Return `decoding`, or what the older argument `decoder` says; raises ValueError for both."""
    if decoder is None:
        return decoding or Decoding()
    if decoding is not None:
        raise ValueError(
            f"decoder is {decoder!r} beside decoding; pass Decoding(head={decoder!r}) alone"
        )
    return Decoding(head=decoder)
