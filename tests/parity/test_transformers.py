"""Models that Hugging Face `transformers` saved, against what it computes with them.

`tests/data/make_transformers.py` made both. Bounds are those of the comparison with NeMo.
"""

import json

import numpy as np
import pytest
from comparison import check_stages, check_tokens

import parrotlet
from parrotlet import Decoding, _core
from parrotlet.audio import read_audio

CLIPS = ["clip01", "clip04", "clip06"]
CLASSES = {
    "ParakeetForCTC": ("ctc",),
    "ParakeetForRNNT": ("rnnt",),
    "ParakeetForTDT": ("tdt",),
    "NemotronAsrStreamingForRNNT": ("rnnt",),
    "Nemotron3_5AsrForRNNT": ("rnnt",),
}


@pytest.fixture(params=CLASSES)
def directory(request, data_dir):
    return data_dir / "transformers" / request.param


@pytest.fixture
def models(directory, tmp_path, monkeypatch):
    """The model as f32 and f16 on every instruction set."""
    paths = {
        kind: parrotlet.convert(directory, tmp_path / f"{kind}.gguf", type=kind)
        for kind in ("f32", "f16")
    }

    def load():
        for kind, path in paths.items():
            for isa in _core.available_isas():
                monkeypatch.setenv("PARROTLET_ISA", isa)
                yield kind, parrotlet.load(path, threads=1)

    return load


def test_stages(directory, models, audio_dir):
    arrays = np.load(directory / "expected.npz")
    samples = read_audio(audio_dir / f"{CLIPS[0]}.wav", 16000)
    for kind, model in models():
        check_stages(model, kind, samples, arrays)


def test_tokens_from_the_audio_file_on(directory, models, audio_dir):
    everything = json.loads((directory / "expected.json").read_text("utf-8"))
    for _, model in models():
        assert model.heads == CLASSES[directory.name]
        for clip in CLIPS:
            for language, expected in (
                everything[clip].get("prompts", {None: everything[clip]}).items()
            ):
                result = model.transcribe(
                    audio_dir / f"{clip}.wav",
                    language=language,
                    decoding=Decoding(keep_language_tags=True),
                )
                check_tokens(result, expected)


def test_streaming_says_the_same(data_dir, audio_dir, tmp_path):
    directory = data_dir / "transformers" / "NemotronAsrStreamingForRNNT"
    model = parrotlet.load(parrotlet.convert(directory, tmp_path / "m.gguf", type="f32"), 1)
    assert model.right_contexts == (13, 6, 1, 0)
    stream = model.stream()
    stream.feed(read_audio(audio_dir / "clip01.wav", 16000))
    expected = json.loads((directory / "expected.json").read_text("utf-8"))
    assert stream.finish().text == expected["clip01"]["text"]
