"""LMU models against PyTorch's arrays and texts, for every kind, instruction set and thread count.

`tests/data/README.md` says how they were made.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import parrotlet
from parrotlet import _core
from parrotlet.audio import read_audio

DATA = Path(__file__).parent.parent / "data"
VARIANTS = sorted(path.parent.name for path in DATA.glob("lmu/*/checkpoint.pt"))


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture
def expected(variant):
    """What PyTorch makes of the clip: features, encoder, ctc_logprobs, text."""
    found = json.loads((DATA / "lmu" / variant / "expected.json").read_text("utf-8"))
    with np.load(DATA / "lmu" / "features.npz") as arrays:
        found["features"] = arrays[found["features"]]
    with np.load(DATA / "lmu" / variant / "clip01.npz") as arrays:
        return {**found, **arrays}


@pytest.fixture
def samples(audio_dir):
    return read_audio(audio_dir / "clip01.wav", 16_000)


def test_there_is_every_kind():
    assert VARIANTS == [
        "attention",
        "attention-no-bias",
        "fft",
        "fft-attention",
        "recurrent",
        "recurrent-live",
    ]


@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_stages(variant, kind, run, expected, samples, converted):
    model = parrotlet.load(converted(f"lmu/{variant}", kind), threads=run)
    tolerance = 1e-3 if kind == "f32" else 5e-2

    features = model.features(samples)
    error = np.abs(features - expected["features"])
    assert error.mean() < 1e-5
    assert error.max() < 1e-3

    encoded = model.encode(expected["features"])
    assert encoded.shape == expected["encoder"].shape
    assert np.abs(encoded - expected["encoder"]).max() < tolerance
    log_probs = model.ctc_log_probs(encoded)
    assert np.abs(log_probs - expected["ctc_logprobs"]).max() < tolerance

    from_samples = model.ctc_log_probs(model.encode(features))
    assert np.abs(from_samples - expected["ctc_logprobs"]).max() < tolerance
    assert model.transcribe(samples).text == expected["text"]


@pytest.mark.parametrize("kind", ["f32", "f16", "q8_0"])
def test_text(variant, kind, expected, audio_dir, converted):
    model = parrotlet.load(converted(f"lmu/{variant}", kind), threads=1)
    result = model.transcribe(audio_dir / "clip01.wav")
    assert result.text == expected["text"] == "the quick brown fox jumps over the lazy dog"
    assert result.head == "ctc"
    assert [word.word for word in result.words] == result.text.split()
    assert model.frame_seconds == 0.01
    assert "".join(token.piece for token in result.tokens) == result.text
    assert result.duration >= result.words[-1].end > 2


def test_threads_change_nothing(variant, expected, converted):
    path = converted(f"lmu/{variant}", "q8_0")
    one, two, three = (
        parrotlet.load(path, threads=threads).encode(expected["features"]) for threads in (1, 2, 3)
    )
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)


def test_short_recordings(variant, converted):
    model = parrotlet.load(converted(f"lmu/{variant}", "f32"), threads=1)
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) / 10
    for frames in (2, 3, 17, 49):
        assert len(model.encode(model.features(noise[: 160 * frames + 7]))) == frames
    with pytest.raises(parrotlet.AudioError, match="too short"):
        model.transcribe(noise[:300])
    assert model.transcribe(np.zeros(16_000, np.float32)).text == ""


def test_a_stored_state_space_is_what_is_built_from_theta(converted):
    """The one was made with SciPy (signal.cont2discrete), the other by the converter."""
    stored = _core.GgufFile(str(converted("lmu/attention", "f32")))
    built = _core.GgufFile(str(converted("lmu/attention-no-bias", "f32")))
    for name in ("A", "B"):
        tensor = f"encoder.lmu_layers.1.cell.{name}"
        difference = np.abs(stored.tensor(tensor) - built.tensor(tensor))
        assert difference.max() < 1e-7
