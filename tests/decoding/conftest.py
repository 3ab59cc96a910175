"""What NeMo 3.0 makes of phrases and of language models (`data/`, described in its README)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from beam_cases import Case, load_case

from parrotlet import _core
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.decoding.vocabulary import tokenizer_from_metadata
from parrotlet.model_files import demo_path

DATA = Path(__file__).parent / "data"
LANGUAGE_MODELS = {
    "demo": DATA / "demo.arpa",
    "parakeet-tdt_ctc-110m": DATA / "parakeet-tdt_ctc-110m.arpa.gz",
}


@pytest.fixture(params=sorted(LANGUAGE_MODELS))
def model_name(request: pytest.FixtureRequest) -> str:
    """The model whose vocabulary the data is over."""
    return str(request.param)


@pytest.fixture
def expected(model_name: str) -> dict[str, Any]:
    """NeMo's trees and scores."""
    content: dict[str, Any] = json.loads((DATA / f"{model_name}.json").read_text("utf-8"))
    return content


@pytest.fixture
def language_model(model_name: str) -> Path:
    """The ARPA file that NeMo read, one of them in gzip."""
    return LANGUAGE_MODELS[model_name]


@pytest.fixture(scope="session")
def demo_tokenizer() -> Tokenizer:
    """The tokenizer of the packaged demo model: 256 tokens, no capitals."""
    path = str(demo_path())
    return tokenizer_from_metadata(_core.GgufFile(path).metadata, path)


@pytest.fixture(scope="session")
def beam_case(converted: Callable[[str, str], Path], audio_dir: Path) -> Callable[[str], Case]:
    """`beam_case(name)`: a checkpoint at f32, with what NeMo's beams find."""
    return cache(lambda name: load_case(name, converted(name, "f32"), audio_dir))
