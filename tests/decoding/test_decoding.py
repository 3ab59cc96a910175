"""The settings of the search for tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import parrotlet
from parrotlet import Decoding


@pytest.fixture
def clip(audio_dir: Path) -> Path:
    return audio_dir / "clip01.wav"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"head": "beam"}, "head is 'beam'"),
        ({"head": 1}, "head is 1"),
        ({"max_symbols": 0}, "max_symbols is 0"),
        ({"max_symbols": 1.5}, "max_symbols is 1.5"),
        ({"max_symbols": True}, "max_symbols is True"),
    ],
)
def test_wrong_values(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Decoding(**settings)  # type: ignore[arg-type]


def test_head_and_its_older_name(converted: Callable[[str, str], Path], clip: Path) -> None:
    model = parrotlet.load(converted("parakeet-tdt_ctc-110m", "f32"), threads=1)
    for head in model.decoders:
        new = model.transcribe(clip, decoding=Decoding(head=head))
        assert new == model.transcribe(clip, decoder=head)
        assert [o.result for o in model.transcribe_batch([clip], decoding=Decoding(head))] == [new]
    assert new.decoder != model.transcribe(clip).decoder


def test_max_symbols_bounds_the_tokens_of_a_frame(
    converted: Callable[[str, str], Path], clip: Path
) -> None:
    model = parrotlet.load(converted("parakeet-rnnt-0.6b", "f32"), threads=1)

    def most(decoding: Decoding | None) -> int:
        tokens = model.transcribe(clip, decoding=decoding).tokens
        return int(np.bincount([token.frame for token in tokens]).max())

    assert most(None) > 1
    assert most(Decoding(max_symbols=1)) == 1
