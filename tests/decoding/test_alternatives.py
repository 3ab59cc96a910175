"""Beams as settings of a transcription, and the texts that they find."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from beam_cases import CLOSE, Case

import parrotlet
from parrotlet import Decoding
from parrotlet.audio import read_audio
from parrotlet.channels import NONE_OF_CHANNELS
from parrotlet.recognition import NONE_OF_WINDOWS


@pytest.fixture(scope="module")
def hybrid(converted: Callable[[str, str], Path]) -> parrotlet.Model:
    return parrotlet.load(converted("parakeet-tdt_ctc-110m", "f32"), threads=1)


def test_alternatives_of_a_recording(
    hybrid: parrotlet.Model, beam_case: Callable[[str], Case]
) -> None:
    case = beam_case("parakeet-tdt_ctc-110m")
    clip = case.audio / "clip01.wav"
    for head, name in (("transducer", "malsd_batch 4"), ("ctc", "beam_batch 4")):
        decoding = Decoding(head=head, beam=4, nbest=3)
        result = hybrid.transcribe(clip, decoding=decoding)
        (run,) = (r for r in case.runs if r["name"] == name)
        expected = run["clips"]["clip01"]["hyps"][:3]
        assert len(result.alternatives) == len(expected) > 1
        for alternative, (tokens, frames, durations, score) in zip(
            result.alternatives, expected, strict=True
        ):
            assert [token.id for token in alternative.tokens] == tokens
            assert [token.frame for token in alternative.tokens] == frames
            assert durations is None or [t.duration for t in alternative.tokens] == durations
            assert alternative.score == pytest.approx(score, abs=CLOSE)
            assert alternative.text == case.tokenizer.transcript(tokens)
        best = result.alternatives[0]
        assert (best.text, best.tokens) == (result.text, result.tokens)
        fields = result.to_dict()["alternatives"]
        assert [one["text"] for one in fields] == [one.text for one in result.alternatives]
        assert fields[0]["tokens"] == result.to_dict()["tokens"]
        (outcome,) = hybrid.transcribe_batch([clip], decoding=decoding)
        assert outcome.result == result
        alone = hybrid.transcribe(clip, decoding=Decoding(head=head, beam=4))
        assert alone.text == result.text
        assert alone.alternatives == ()
        assert "alternatives" not in alone.to_dict()


def test_recordings_without_alternatives(
    hybrid: parrotlet.Model, audio_dir: Path, tmp_path: Path
) -> None:
    """Digital silence, windows, and channels apart."""
    decoding = Decoding(beam=4, nbest=3)
    clip = read_audio(audio_dir / "clip01.wav", 16_000)
    silent = hybrid.transcribe(np.zeros(16_000, np.float32), decoding=decoding)
    assert (silent.alternatives, silent.warnings) == ((), ())
    long = hybrid.transcribe(np.tile(clip, 6), window=10, decoding=decoding)
    assert long.text
    assert (long.alternatives, long.warnings) == ((), (NONE_OF_WINDOWS,))
    best = Decoding(beam=4)
    assert hybrid.transcribe(np.tile(clip, 6), window=10, decoding=best).warnings == ()
    soundfile.write(tmp_path / "two.wav", np.stack([clip, clip], axis=1), 16_000)
    apart = hybrid.transcribe(tmp_path / "two.wav", split_channels=True, decoding=decoding)
    assert apart.text
    assert (apart.alternatives, apart.warnings) == ((), (NONE_OF_CHANNELS,))


def test_together_and_alone(
    hybrid: parrotlet.Model, audio_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [read_audio(audio_dir / f"clip0{i}.wav", 16_000) for i in (1, 4, 6)]
    for head in ("transducer", "ctc"):
        decoding = Decoding(head=head, beam=4, nbest=4)
        alone = [hybrid.transcribe(clip, decoding=decoding) for clip in clips]
        monkeypatch.setattr("parrotlet.longform.limits.TOGETHER_SECONDS", 30.0)
        together = hybrid.transcribe_batch(clips, decoding=decoding)
        assert [outcome.result for outcome in together] == alone
        monkeypatch.undo()


def test_an_insertion_bonus_gives_longer_texts(hybrid: parrotlet.Model, audio_dir: Path) -> None:
    def tokens(bonus: float) -> int:
        decoding = Decoding(head="ctc", beam=4, insertion_bonus=bonus)
        return len(hybrid.transcribe(audio_dir / "clip01.wav", decoding=decoding).tokens)

    assert tokens(-20) < tokens(0) < tokens(20)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"beam": 0}, "beam is 0; expected a whole number from 1 to 256"),
        ({"beam": 257}, "beam is 257"),
        ({"beam": 4.0}, "beam is 4.0"),
        ({"beam": True}, "beam is True"),
        ({"beam": 2, "nbest": 0}, "nbest is 0"),
        ({"beam": 2, "nbest": 3}, "nbest is 3 and beam 2; .* set beam to 3 or more"),
        ({"insertion_bonus": math.inf}, "insertion_bonus is inf"),
        ({"insertion_bonus": "1"}, "insertion_bonus is '1'"),
        ({"strategy": "beam"}, "strategy is 'beam'; expected one of greedy_batch, "),
        ({"strategy": "greedy_batch", "beam": 2}, "strategy is 'greedy_batch' and beam 2"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Decoding(**settings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"strategy": "beam_batch"}, "strategy is 'beam_batch'; the head tdt has greedy_batch, m"),
        ({"strategy": "maes_batch"}, "strategy is 'maes_batch'; the head tdt has"),
        ({"strategy": "malsd_batch", "head": "ctc"}, "the head ctc has greedy_batch, beam_batch"),
        ({"insertion_bonus": 1.0, "beam": 4}, "only a beam over CTC takes one"),
        ({"insertion_bonus": 1.0, "head": "ctc"}, "and the strategy is greedy_batch"),
    ],
)
def test_settings_that_are_not_for_the_head(
    settings: dict[str, Any], reason: str, hybrid: parrotlet.Model
) -> None:
    with pytest.raises(ValueError, match=reason):
        hybrid.transcribe(np.zeros(16_000, np.float32), decoding=Decoding(**settings))
