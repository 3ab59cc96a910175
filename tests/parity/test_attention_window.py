"""Attention within a window, chosen for a model that was trained without one, as NeMo's
`change_attention_model("rel_pos_local_attn", [8, 8])`; and long recordings in one pass.
"""

import json

import numpy as np
import pytest
from comparison import check_tokens
from test_nemo import CLIPS, heads

import parrotlet
from parrotlet.audio import read_audio
from parrotlet.errors import UnsupportedModelError

FULL = "parakeet-tdt-0.6b-v2-local"
"""Trained for attention over the whole recording; its arrays `local_8` are of a window."""

WINDOW = 8

TILES = 192
"""Frames after which tiles of queries and blocks of keys begin together: a cut-out from there on
shares scales as the whole does."""


def expected_of(data_dir, clip):
    everything = json.loads((data_dir / FULL / "expected.json").read_text("utf-8"))
    return everything[clip][f"local_{WINDOW}"]


@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_window_of_a_model_trained_without_one(kind, run, data_dir, audio_dir, converted):
    model = parrotlet.load(converted(FULL, kind), threads=run)
    for clip in CLIPS:
        arrays = np.load(data_dir / FULL / f"{clip}.npz")
        encoded = model.encode(arrays["features"], attention_window=WINDOW)
        error = np.abs(encoded - arrays[f"local_{WINDOW}"]).max()
        assert error < (2e-3 if kind == "f32" else 2e-2)
        assert np.abs(encoded - arrays["encoder"]).max() > 0.1
        for _, expected in heads(expected_of(data_dir, clip)):
            path = audio_dir / f"{clip}.wav"
            result = model.transcribe(path, attention_window=WINDOW)
            check_tokens(result, expected)
            assert [token.duration for token in result.tokens] == expected["durations"]


def test_q8_0_within_a_window_says_the_same_where_nemo_is_sure(run, data_dir, audio_dir, converted):
    model = parrotlet.load(converted(FULL, "q8_0"), threads=run)
    sure = 0
    for clip in CLIPS:
        for _, expected in heads(expected_of(data_dir, clip)):
            if expected["margin"] > 0.5:
                result = model.transcribe(audio_dir / f"{clip}.wav", attention_window=WINDOW)
                assert result.text == expected["text"]
                sure += 1
    assert sure


@pytest.mark.parametrize("kind", ["f32", "q8_0"])
def test_long_recordings_in_pieces(kind, run, audio_dir, converted):
    """Beyond 3072 frames a layer takes a recording piece by piece. What a frame becomes depends on
    those that two layers reach: a cut-out that has them, and is short, gives the same."""
    model = parrotlet.load(converted(FULL, kind), threads=run)
    clips = [read_audio(audio_dir / f"clip{i:02}.wav", 16_000) for i in range(1, 9)]
    features = model.features(np.resize(np.concatenate(clips), 400 * 16_000))
    encoded = model.encode(features, attention_window=WINDOW)
    assert len(encoded) > 3 * 1536  # three pieces, and a part of one
    reach, length = TILES, 5 * TILES
    for begin in range(0, len(encoded) - length, length - 2 * reach):
        cut = model.encode(features[8 * begin : 8 * (begin + length)], attention_window=WINDOW)
        first = reach if begin else 0
        same = encoded[begin + first : begin + length - reach]
        np.testing.assert_allclose(cut[first : length - reach], same, atol=1e-5)
    end = (len(encoded) - length) // TILES * TILES
    cut = model.encode(features[8 * end :], attention_window=WINDOW)
    np.testing.assert_allclose(cut[reach:], encoded[end + reach :], atol=1e-5)


def test_a_window_that_sees_everything_is_full_attention(audio_dir, converted):
    model = parrotlet.load(converted(FULL, "f32"), threads=1)
    features = model.features(read_audio(audio_dir / "clip01.wav", 16_000))
    np.testing.assert_array_equal(
        model.encode(features, attention_window=10_000), model.encode(features)
    )


def test_long_and_short_recordings_together(audio_dir, converted):
    """Each gives to the bit what it gives alone, whichever goes in pieces."""
    model = parrotlet.load(converted(FULL, "q8_0"), threads=1)
    clip = read_audio(audio_dir / "clip01.wav", 16_000)
    lengths = (3, 260, 5, 300)
    features = [model.features(np.resize(clip, seconds * 16_000)) for seconds in lengths]
    together = model._core.encode_many(features, WINDOW, WINDOW)
    for one, encoded in zip(features, together, strict=True):
        np.testing.assert_array_equal(model.encode(one, attention_window=WINDOW), encoded)


@pytest.mark.parametrize(
    ("arch", "reason"),
    [
        ("nemotron-speech-streaming-en-0.6b", "chunks of attention"),
        ("fast-conformer-long", "global token"),
        ("lmu/recurrent", "recurrent"),
        ("lmu/attention", "without positions"),
    ],
)
def test_models_without_a_choice_of_window(arch, reason, audio_dir, converted):
    model = parrotlet.load(converted(arch, "f32"), threads=1)
    with pytest.raises(UnsupportedModelError, match=reason) as refused:
        model.transcribe(audio_dir / "clip01.wav", attention_window=WINDOW)
    assert "\n" not in str(refused.value)
    with pytest.raises(UnsupportedModelError, match=reason):
        model.transcribe_batch([audio_dir / "clip01.wav"], attention_window=WINDOW)


@pytest.mark.parametrize("window", [0, -1, 2.0, True, "8", 10_001])
def test_windows_that_are_none(window, audio_dir, converted):
    model = parrotlet.load(converted(FULL, "f32"), threads=1)
    with pytest.raises(ValueError, match=r"attention_window is .* from 1 to 10000"):
        model.transcribe(audio_dir / "clip01.wav", attention_window=window)
