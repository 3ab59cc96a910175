"""Serialised SentencePiece models: those of the checkpoints, and some trained for a test."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import sentencepiece

DATA = Path(__file__).parent / "data"
SUBWORD_ARCHITECTURES = sorted(
    path.parent.name
    for path in DATA.glob("*/model.nemo")
    if not re.search(r"-char|-wpe|stt_enes", path.parent.name)
)
SENTENCES = ["the quick brown fox jumps over the lazy dog", "pack my box with five dozen jugs"]


def checkpoint_model(architecture: str) -> bytes:
    """The model in a checkpoint."""
    with tarfile.open(DATA / architecture / "model.nemo") as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith("tokenizer.model"))
        file = tar.extractfile(member)
        assert file is not None
        return file.read()


def trained_model(**options: Any) -> bytes:
    """A model of `SENTENCES`; options are those of SentencePiece's trainer."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20),
        model_writer=out,
        minloglevel=2,
        hard_vocab_limit=False,
        **options,
    )
    return out.getvalue()
