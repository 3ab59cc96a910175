"""Checkpoints, and what NeMo's beams find with them (`tests/decoding/data/*.beams.json`)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parrotlet import _core
from parrotlet.audio import read_audio
from parrotlet.decoding.language_model import LanguageModel
from parrotlet.decoding.phrases import Phrases
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.decoding.vocabulary import tokenizer_from_metadata

DATA = Path(__file__).parent / "decoding" / "data"
CLOSE = 2e-3  # scores


@dataclass
class Case:
    """A checkpoint, and what NeMo found with it."""

    core: _core.Model
    tokenizer: Tokenizer
    language_model: LanguageModel
    phrases: list[str]
    runs: list[dict[str, Any]]
    audio: Path
    _encoded: dict[str, np.ndarray] = field(default_factory=dict)

    def encoded(self, clip: str) -> np.ndarray:
        if clip not in self._encoded:
            samples = read_audio(self.audio / f"{clip}.wav", 16_000)
            self._encoded[clip] = self.core.encode(self.core.features(samples), -1, -1)
        return self._encoded[clip]

    def options(self, run: dict[str, Any]) -> _core.SearchOptions:
        settings = dict(run["settings"])
        size, limit = settings.pop("beam_size"), settings.pop("max_symbols", 10)
        parts: list[tuple[_core.decoding.TokenScorer, float]] = []
        if "ngram_lm_alpha" in settings:
            lm = self.language_model.scorer(len(self.tokenizer.pieces))
            parts.append((lm, settings.pop("ngram_lm_alpha")))
        if "boosting_tree_alpha" in settings:
            tree = Phrases(self.phrases).scorer(self.tokenizer)
            parts.append((tree, settings.pop("boosting_tree_alpha")))
        scorer = _core.decoding.WeightedSum(parts) if parts else None
        beam = _core.BeamOptions(run["strategy"], size, **settings)
        return _core.SearchOptions(limit, scorer=scorer, beam=beam)

    def search(self, head: str, options: _core.SearchOptions) -> _core.Search:
        return _core.Search(self.core, head, options)


def load_case(name: str, path: Path, audio: Path) -> Case:
    """The checkpoint `name`, converted to `path`; `audio` has the clips."""
    core = _core.Model(str(path), 1)
    return Case(
        core,
        tokenizer_from_metadata(core.metadata, str(path)),
        LanguageModel(DATA / f"{name}.arpa.gz"),
        **json.loads((DATA / f"{name}.beams.json").read_text("utf-8")),
        audio=audio,
    )
