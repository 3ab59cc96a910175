"""The Python interface: what it accepts, and how it refuses the rest."""

from __future__ import annotations

import copy
import gzip
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import soundfile

import parrotlet
from parrotlet import AudioError, Decoding, Model, ModelFileError, ParrotletError

Converted = Callable[[str, str], Path]

HYBRID = "stt_en_fastconformer_hybrid_large_streaming_multi"
OFFLINE = "parakeet-tdt-0.6b-v2"
CTC = "parakeet-ctc-0.6b"


@pytest.fixture(scope="module")
def hybrid(converted: Converted) -> Model:
    return parrotlet.load(converted(HYBRID, "f32"), threads=1)


@pytest.fixture(scope="module")
def offline(converted: Converted) -> Model:
    return parrotlet.load(converted(OFFLINE, "f32"), threads=1)


@pytest.fixture(scope="module")
def clip(audio_dir: Path) -> np.ndarray:
    return soundfile.read(audio_dir / "clip01.wav", dtype="float32")[0]


def test_properties(hybrid: Model, offline: Model) -> None:
    assert hybrid.heads == ("rnnt", "ctc")
    assert hybrid.decoders == ("transducer", "ctc")
    assert hybrid.right_contexts == (13, 6, 1, 0)
    assert offline.heads == ("tdt",)
    assert offline.right_contexts == ()
    for model in (hybrid, offline):
        assert model.sample_rate == 16_000
        assert model.frame_seconds == pytest.approx(0.08)
        assert len(model.vocabulary) == 128
        assert model.threads == 1
        assert model.metadata["general.architecture"] == "conformer"
        assert model.name in repr(model)


def test_metadata_is_read_only(offline: Model) -> None:
    with pytest.raises(TypeError):
        offline.metadata["general.name"] = "x"  # type: ignore[index]


def test_results_are_read_only(offline: Model, clip: np.ndarray) -> None:
    result = offline.transcribe(clip)
    with pytest.raises(FrozenInstanceError):
        result.text = "x"  # type: ignore[misc]


def test_every_kind_of_source_gives_the_same(
    offline: Model, clip: np.ndarray, audio_dir: Path
) -> None:
    path = audio_dir / "clip01.wav"
    want = offline.transcribe(path)
    assert want.text == "the quick brown fox jumps over the lazy dog"
    assert want.audio == str(path)
    assert want.duration == pytest.approx(2.965)
    stream = io.BytesIO(path.read_bytes())
    integers = np.round(clip * 32768).astype(np.int16)
    for source in (str(path), stream, clip, clip.astype(np.float64), integers):
        found = offline.transcribe(source)
        assert (found.text, found.tokens, found.words) == (want.text, want.tokens, want.words)
    assert offline.transcribe(clip).audio is None


def test_stages_make_up_the_whole(hybrid: Model, clip: np.ndarray) -> None:
    features = hybrid.features(clip)
    encoded = hybrid.encode(features, right_context=1)
    log_probs = hybrid.ctc_log_probs(encoded)
    assert features.shape == (len(clip) // 160, 80)
    assert encoded.shape[1] == 64
    assert log_probs.shape == (len(encoded), 129)
    assert np.abs(np.exp(log_probs).sum(axis=1) - 1).max() < 1e-4
    best = log_probs.argmax(axis=1)
    kept = [k for i, k in enumerate(best) if k != 128 and (i == 0 or best[i - 1] != k)]
    result = hybrid.transcribe(clip, decoder="ctc", right_context=1)
    assert [token.id for token in result.tokens] == kept


def test_right_context_changes_what_the_encoder_sees(hybrid: Model, clip: np.ndarray) -> None:
    features = hybrid.features(clip)
    default = hybrid.encode(features)
    assert np.array_equal(hybrid.encode(features, right_context=13), default)
    assert np.abs(hybrid.encode(features, right_context=0) - default).max() > 1e-2


def test_decoder_is_chosen_by_name(hybrid: Model, clip: np.ndarray) -> None:
    assert hybrid.transcribe(clip).head == "rnnt"
    assert hybrid.transcribe(clip, decoder="transducer").decoder == "rnnt"
    assert hybrid.transcribe(clip, decoder="ctc").head == "ctc"
    assert all(token.duration is None for token in hybrid.transcribe(clip).tokens)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "beam"}, '\'beam\'.*"ctc" or "transducer"'),
        ({"decoder": 1}, "head is 1"),
        ({"decoder": "ctc", "decoding": Decoding()}, "beside decoding"),
        ({"right_context": 2}, "13, 6, 1, 0"),
        ({"right_context": -1}, "13, 6, 1, 0"),
        ({"right_context": "13"}, "13, 6, 1, 0"),
        ({"right_context": True}, "13, 6, 1, 0"),
    ],
)
def test_bad_options(hybrid: Model, clip: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hybrid.transcribe(clip, **options)


def test_options_that_a_model_does_not_have(
    offline: Model, converted: Converted, clip: np.ndarray
) -> None:
    with pytest.raises(ValueError, match='"transducer"'):
        offline.transcribe(clip, decoder="ctc")
    with pytest.raises(ValueError, match="whole recording"):
        offline.transcribe(clip, right_context=0)
    with pytest.raises(ValueError, match='"transducer"'):
        offline.ctc_log_probs(np.zeros((3, 64), dtype=np.float32))
    with pytest.raises(ValueError, match='"ctc"'):
        parrotlet.load(converted(CTC, "f32")).transcribe(clip, decoder="transducer")


@pytest.mark.parametrize("seconds", [0.1, 1.0, 3.0])
def test_silence_is_empty_text(offline: Model, hybrid: Model, seconds: float) -> None:
    samples = np.zeros(int(16_000 * seconds), dtype=np.float32)
    for model in (offline, hybrid):
        result = model.transcribe(samples)
        assert (result.text, result.words, result.segments, result.tokens) == ("", (), (), ())
        assert result.duration == pytest.approx(seconds)


@pytest.mark.parametrize("count", [1, 100, 160, 319])
def test_too_short(offline: Model, hybrid: Model, count: int) -> None:
    samples = np.full(count, 0.1, dtype=np.float32)
    for model in (offline, hybrid):
        with pytest.raises(AudioError, match=rf"too short.*{count} samples.*0\.02 s"):
            model.transcribe(samples)
        with pytest.raises(AudioError, match="too short"):
            model.features(samples)


@pytest.mark.parametrize("count", [320, 321, 500, 1279, 1280, 1281, 2000])
def test_barely_long_enough(offline: Model, hybrid: Model, count: int) -> None:
    samples = np.random.default_rng(count).normal(0, 0.1, count).astype(np.float32)
    for model in (offline, hybrid):
        assert model.features(samples).shape[0] == count // 160
        assert np.isfinite(model.encode(model.features(samples))).all()
        model.transcribe(samples)


def test_bad_samples(offline: Model) -> None:
    with pytest.raises(AudioError, match="0 samples"):
        offline.transcribe(np.zeros(0, dtype=np.float32))
    with pytest.raises(AudioError, match="sample 5 is nan"):
        offline.transcribe(np.where(np.arange(9000) == 5, np.nan, 0).astype(np.float32))
    with pytest.raises(ValueError, match="mean"):
        offline.transcribe(np.zeros((2, 16_000), dtype=np.float32))
    with pytest.raises(ValueError, match="dtype"):
        offline.transcribe(np.zeros(16_000, dtype=np.uint8))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((10, 80), dtype=np.float32), "frames, 128"),
        (np.zeros((0, 128), dtype=np.float32), "shape"),
        (np.zeros(128, dtype=np.float32), "shape"),
        (np.zeros((10, 128), dtype=np.int32), "dtype int32"),
        (np.full((10, 128), np.nan, dtype=np.float32), "not finite"),
    ],
)
def test_bad_features(offline: Model, features: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        offline.encode(features)


def test_bad_encoder_output(hybrid: Model) -> None:
    with pytest.raises(ValueError, match="frames, 64"):
        hybrid.ctc_log_probs(np.zeros((10, 63), dtype=np.float32))


@pytest.mark.parametrize("threads", [0, -1, 1025, 1.5, "2", True])
def test_bad_threads(converted: Converted, threads: object) -> None:
    with pytest.raises(ValueError, match="threads is"):
        parrotlet.load(converted(CTC, "f32"), threads=threads)  # type: ignore[arg-type]


def test_threads_by_default(converted: Converted) -> None:
    assert parrotlet.load(converted(CTC, "f32")).threads >= 1


def test_load_from_environment(converted: Converted, monkeypatch: pytest.MonkeyPatch) -> None:
    path = converted(CTC, "f32")
    monkeypatch.setenv("PARROTLET_MODEL", str(path))
    assert parrotlet.load().path == path
    monkeypatch.setenv("PARROTLET_MODEL", str(path) + "x")
    with pytest.raises(ModelFileError, match="no such file"):
        parrotlet.load()


def test_demo_model(examples_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARROTLET_MODEL", raising=False)
    model = parrotlet.load()
    assert model.path == parrotlet.load("demo").path
    for decoder in ("ctc", "transducer"):
        result = model.transcribe(examples_dir / "spelled.wav", decoder=decoder)
        assert result.text == "p i t t s b u r g h"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "no GGUF file"),
        (b"GG", "no GGUF file"),
        (b"PK\x03\x04 something else", "no GGUF file"),
        (b"GGUF", "end"),
        (b"GGUF" + bytes(60), "version 0"),
    ],
)
def test_files_that_are_no_models(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as raised:
        parrotlet.load(path)
    assert str(path) in str(raised.value)


def test_a_checkpoint_is_no_model(data_dir: Path) -> None:
    with pytest.raises(ModelFileError, match=r"parrotlet convert model\.nemo"):
        parrotlet.load(data_dir / CTC / "model.nemo")


def test_a_directory_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="directory"):
        parrotlet.load(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_model_is_named(tmp_path: Path, converted: Converted, share: float) -> None:
    data = converted(CTC, "q8_0").read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelFileError, match="cut"):
        parrotlet.load(path)


def test_one_hierarchy() -> None:
    for name in ("AudioError", "ModelFileError", "CheckpointError", "UnsupportedModelError"):
        assert issubclass(getattr(parrotlet, name), ParrotletError)


@pytest.mark.parametrize("threads", [None, 1])
def test_models_are_pickled_by_their_path(
    converted: Converted, monkeypatch: pytest.MonkeyPatch, threads: int | None
) -> None:
    path = converted("parakeet-ctc-0.6b", "q8_0")
    monkeypatch.chdir(path.parent)
    model = parrotlet.load(path.name, threads)
    data = pickle.dumps(model)
    assert len(data) < 1000
    monkeypatch.chdir(path.parent.parent)
    again = pickle.loads(data)
    assert (again.path, again.threads, again.name) == (path, model.threads, model.name)


def test_models_are_copied_as_themselves(offline: Model) -> None:
    assert copy.copy(offline) is offline
    assert copy.deepcopy({"model": offline})["model"] is offline


def test_models_go_to_other_processes(examples_dir: Path, tmp_path: Path) -> None:
    script = tmp_path / "other.py"
    script.write_text(
        "import multiprocessing, sys, parrotlet\n"
        "if __name__ == '__main__':\n"
        "    model = parrotlet.load('demo', 1)\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.apply(model.transcribe, (sys.argv[1],)).text)\n"
    )
    done = subprocess.run(
        [sys.executable, script, examples_dir / "spelled.wav"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "p i t t s b u r g h\n"


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_streams_are_not_pickled(take: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match=r"pass the model.*model\.stream\(\)"):
        take(parrotlet.load("demo").stream())


NOT_FETCHED = {
    "Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "web page": (b"<!DOCTYPE html>\n<html><head><title>x</title>", "fetch the model itself"),
    "JSON": (b'{"error": "Repository not found"}', "fetch the model itself"),
    "zip": (b"PK\x03\x04\x14\x00" + bytes(60), "unpack it"),
    "gzip": (gzip.compress(bytes(100)), "unpack it"),
    "empty": (b"", "fetch it again"),
    "WAV": (b"RIFF\x00\x01\x00\x00WAVEfmt ", "as the recording"),
}


@pytest.mark.parametrize("name", NOT_FETCHED)
@pytest.mark.parametrize("suffix", [".gguf", ".bin"])
def test_what_was_fetched_in_place_of_a_model(tmp_path: Path, name: str, suffix: str) -> None:
    content, remedy = NOT_FETCHED[name]
    path = tmp_path / f"m{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"{name}.*{remedy}") as caught:
        parrotlet.load(path)
    assert str(caught.value).startswith(f"{path}: ")
