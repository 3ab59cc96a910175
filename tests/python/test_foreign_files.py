"""Loading files of other projects: converted once into the cache, and said in one line."""

from __future__ import annotations

import logging
from pathlib import Path

import gguf
import numpy as np
import pytest
from foreign_files import read_checkpoint
from foreign_writers import nemo_speech, parakeet_cpp

import parrotlet
import parrotlet.memory
from parrotlet import _core
from parrotlet.model_files import foreign_project

SAID = "the quick brown fox jumps over the lazy dog"
ARCHITECTURE = "parakeet-ctc-0.6b"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARROTLET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    return nemo_speech(read_checkpoint(ARCHITECTURE), "q8_0").write(tmp_path / "theirs.gguf")


def test_it_is_converted_once_and_said_once(theirs, cache, audio_dir, caplog) -> None:
    with caplog.at_level(logging.WARNING, "parrotlet"):
        model = parrotlet.load(theirs, threads=1)
    (made,) = cache.rglob("*.gguf")
    assert caplog.messages == [
        f"{theirs}: is a file of NeMo-Speech.cpp; converting it once, to {made}"
    ]
    assert (model.path, model.name) == (made, "theirs")
    assert model.transcribe(audio_dir / "clip01.wav").text == SAID
    before = made.stat().st_mtime_ns
    caplog.clear()
    assert parrotlet.load(theirs, threads=1).path == made
    # It is the model that counts, not the name of its file.
    theirs.rename(theirs.with_name("moved.gguf"))
    again = parrotlet.load(theirs.with_name("moved.gguf"), threads=1)
    assert again.path.parent == made.parent
    assert made.stat().st_mtime_ns == before


def test_each_type_and_each_model_is_kept(theirs, cache, tmp_path) -> None:
    wide = parrotlet.load(theirs, threads=1, type="f32").path
    narrow = parrotlet.load(theirs, threads=1).path
    assert {wide.name, narrow.name} == {"theirs-f32.gguf", "theirs-q8_0.gguf"}
    other = parakeet_cpp(read_checkpoint("parakeet-rnnt-0.6b")).write(theirs)
    assert parrotlet.load(other, threads=1).heads == ("rnnt",)
    with pytest.raises(ValueError, match="type is 'q7'"):
        parrotlet.load(other, type="q7")


def test_a_damaged_one_is_named_and_nothing_is_kept(theirs, cache) -> None:
    data = theirs.read_bytes()
    theirs.write_bytes(data.replace(b"batch_norm", b"batch_nrom", 1))
    with pytest.raises(parrotlet.UnsupportedModelError) as caught:
        parrotlet.load(theirs, threads=1)
    assert str(caught.value).startswith(f"{theirs}: ")
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_the_cache_cannot_be_written(theirs, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PARROTLET_CACHE", str(tmp_path / "file"))
    with pytest.raises(parrotlet.HubError, match="PARROTLET_CACHE"):
        parrotlet.load(theirs, threads=1)


def test_memory_and_inspect_take_the_file_itself(theirs, cache, converted) -> None:
    planned = parrotlet.memory.plan(theirs, type="q8_0")
    own = parrotlet.memory.plan(converted(ARCHITECTURE, "q8_0"))
    assert planned.total == own.total
    assert not cache.exists()
    assert foreign_project(theirs) == "NeMo-Speech.cpp"
    assert foreign_project(converted(ARCHITECTURE, "q8_0")) is None


TYPES_OF_OTHERS = ("q4_1", "q5_0", "q5_1", "q2_k", "q3_k", "iq4_nl", "iq4_xs", "bf16")


@pytest.mark.parametrize("name", TYPES_OF_OTHERS)
def test_types_of_others_are_described(name, tmp_path) -> None:
    """Numbers and sizes of blocks are GGML's."""
    kind = gguf.GGMLQuantizationType[name.upper()]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "asr")
    writer.add_tensor("x", np.zeros((2, 3 * size), np.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (tensor,) = _core.GgufFile(str(path), any_type=True).tensors
    assert (tensor.type, tensor.shape, tensor.n_bytes) == (name, (2, 3 * elements), 2 * 3 * size)
    with pytest.raises(ValueError, match="which is not decoded here"):
        _core.GgufFile(str(path), any_type=True).tensor("x")
    with pytest.raises(parrotlet.ModelFileError, match=f"has GGML type {int(kind)}"):
        _core.GgufFile(str(path))
