"""What has a say in a search beside the model, as one scorer: phrases and a language model."""

from __future__ import annotations

import threading
from functools import lru_cache

from parrotlet import _core
from parrotlet.decoding.language_model import LanguageModel
from parrotlet.decoding.options import Decoding
from parrotlet.decoding.phrases import Phrases
from parrotlet.decoding.tokenizer import Tokenizer

_KEPT = 8
"""Trees, and language models, that are kept for the next search."""


class Scorers:
    """The scorers over one vocabulary. Trees of phrases are built once, language models read once.

    May be called from several threads.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Make none yet."""
        size = len(tokenizer.pieces)

        @lru_cache(_KEPT)
        def tree(phrases: Phrases) -> _core.decoding.PhraseTree:
            return phrases.scorer(tokenizer)

        @lru_cache(_KEPT)
        def language_model(given: LanguageModel) -> _core.decoding.NgramModel:
            return given.scorer(size)

        self._tree = tree
        self._language_model = language_model
        self._lock = threading.Lock()

    def __call__(self, decoding: Decoding) -> _core.decoding.TokenScorer | None:
        """Return the weighted sum of what `decoding` names, in NeMo's order, or None for nothing.

        Raises LanguageModelError and PhrasesError for what cannot be used with this vocabulary,
        and ModelFileError if the model's file does not say how text becomes tokens.
        """
        parts: list[tuple[_core.decoding.TokenScorer, float]] = []
        with self._lock:
            if isinstance(decoding.language_model, LanguageModel):
                scorer = self._language_model(decoding.language_model)
                parts.append((scorer, decoding.language_model_weight))
            if isinstance(decoding.phrases, Phrases) and len(decoding.phrases):
                parts.append((self._tree(decoding.phrases), decoding.phrase_weight))
        return _core.decoding.WeightedSum(parts) if parts else None
