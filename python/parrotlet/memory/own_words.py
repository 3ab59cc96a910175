"""What a user's phrases and language model take beside a model."""

from __future__ import annotations

import os
from pathlib import Path

from parrotlet import _core
from parrotlet.decoding.language_model import read_outline
from parrotlet.decoding.phrases import Phrases
from parrotlet.decoding.vocabulary import tokenizer_from_metadata
from parrotlet.memory.report import Item
from parrotlet.model_files import GGUF_MAGIC, foreign_project, magic_of

GROUP = "scorers"

ENCODER = 2_600_000
"""Bytes that the SentencePiece library takes when it is first used, measured on Linux (x86-64)."""


def scorer_items(
    source: str, language_model: str | os.PathLike[str] | None, phrases: Phrases | None
) -> tuple[Item, ...]:
    """Count what is named: n-grams by the header of their file, phrases by building their tree with
    the tokenizer of the model `source`.

    Raises LanguageModelError, PhrasesError and ModelFileError for what cannot be used, and
    ValueError for phrases where no tokenizer is at hand.
    """
    items = []
    if language_model is not None:
        items.append(Item(GROUP, "language model", read_outline(language_model).n_bytes))
    if phrases is not None:
        items.append(Item(GROUP, "encoder of text", ENCODER))
        items.append(Item(GROUP, "phrases", _tree_bytes(source, phrases)))
    return tuple(items)


def _tree_bytes(source: str, phrases: Phrases) -> int:
    path = Path(source)
    if not path.is_file() or magic_of(path) != GGUF_MAGIC:
        raise ValueError(f"phrases become tokens by a GGUF file, and {source} is none")
    project = foreign_project(path)
    if project is not None:
        raise ValueError(
            f"phrases become tokens by a GGUF file of ours, and {source} is one of {project}; "
            "convert it first"
        )
    return phrases.scorer(tokenizer_from_metadata(_core.GgufFile(source).metadata, source)).n_bytes
