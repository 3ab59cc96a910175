"""Checkpoints and outputs that cannot be converted: a named error, and nothing left behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from nemo_files import DATA, Nemo, gzipped, tar_bytes, zip_bytes

from parrotlet._convert import convert
from parrotlet.errors import CheckpointError, ModelFileError, ParrotletError, UnsupportedModelError


def refused(nemo: Nemo, tmp_path, error: type[ParrotletError] = CheckpointError, **options) -> str:
    """The message with which a checkpoint is refused; nothing may be left behind."""
    source = nemo.write(tmp_path / "m.nemo")
    with pytest.raises(error) as caught:
        convert(source, tmp_path / "out.gguf", **options)
    assert str(caught.value).startswith(f"{source}: ")
    assert [p.name for p in tmp_path.iterdir()] == ["m.nemo"]
    return str(caught.value)


@pytest.fixture
def nemo() -> Nemo:
    return Nemo.read(DATA / "parakeet-tdt_ctc-110m" / "model.nemo")


def test_a_missing_tensor_is_named(nemo, tmp_path):
    del nemo.state["encoder.layers.1.self_attn.linear_pos.weight"]
    message = refused(nemo, tmp_path)
    assert "'encoder.layers.1.self_attn.linear_pos.weight' is missing" in message
    assert "[64, 64]" in message


def test_a_tensor_of_another_shape_is_named(nemo, tmp_path):
    nemo.state["joint.pred.weight"] = np.zeros((64, 47), np.float32)
    message = refused(nemo, tmp_path)
    assert "'joint.pred.weight' has shape [64, 47]" in message
    assert "[64, 48]" in message


def test_an_extra_tensor_is_named(nemo, tmp_path):
    nemo.state["encoder.layers.2.norm_out.weight"] = np.zeros(64, np.float32)
    nemo.state["joint.extra.weight"] = np.zeros(3, np.float32)
    message = refused(nemo, tmp_path)
    assert "'encoder.layers.2.norm_out.weight' and 1 more is not part" in message


def test_an_unknown_class_is_named(nemo, tmp_path):
    nemo.config["target"] = "nemo.collections.asr.models.EncDecMultiTaskModel"
    assert "EncDecMultiTaskModel" in refused(nemo, tmp_path, UnsupportedModelError)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(nemo, tmp_path, value):
    nemo.state["joint.enc.weight"] = nemo.state["joint.enc.weight"].copy()
    nemo.state["joint.enc.weight"][3, 5] = value
    assert "'joint.enc.weight' has values that are not finite" in refused(nemo, tmp_path)


def test_a_negative_variance_is_refused(nemo, tmp_path):
    name = "encoder.layers.0.conv.batch_norm.running_var"
    nemo.state[name] = nemo.state[name] - 9
    assert "depthwise_conv.weight' has values that are not finite" in refused(nemo, tmp_path)


def test_values_too_large_for_a_type_are_refused(nemo, tmp_path):
    nemo.state["joint.enc.weight"] = nemo.state["joint.enc.weight"] * 1e6
    message = refused(nemo, tmp_path, type="q8_0")
    assert "'joint.enc.weight'" in message
    assert "type f32" in message
    convert(tmp_path / "m.nemo", tmp_path / "out.gguf", "f32")


def test_a_hostile_pickle_is_refused_by_name(nemo, tmp_path):
    members = nemo.members()
    pickled = b"\x80\x02cposix\nsystem\nX\x0a\x00\x00\x00touch /tmp\x85R."
    members["./model_weights.ckpt"] = zip_bytes({"data.pkl": pickled})
    (tmp_path / "m.nemo").write_bytes(tar_bytes(members))
    with pytest.raises(CheckpointError, match=r"posix\.system"):
        convert(tmp_path / "m.nemo", tmp_path / "out.gguf")


def test_a_configuration_far_larger_than_the_weights_allocates_nothing(nemo, tmp_path):
    nemo.config["encoder"].update(d_model=2**24, n_layers=1000)
    nemo.config["model_defaults"]["enc_hidden"] = 2**24
    nemo.config["aux_ctc"]["decoder"]["feat_in"] = 2**24
    nemo.config["joint"]["jointnet"]["encoder_hidden"] = 2**24
    tracemalloc.start()
    try:
        assert "pre_encode.out.weight' has shape [64, 160]" in refused(nemo, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pack", [bytes, gzipped])
def test_a_checkpoint_cut_anywhere_leaves_nothing(nemo, tmp_path, pack):
    data = pack(tar_bytes(nemo.members()))
    useful = len(data) - (10240 if pack is bytes else 1)  # a tar ends in padding
    for size in np.linspace(0, useful, 40, dtype=int):
        (tmp_path / "m.nemo").write_bytes(data[:size])
        with pytest.raises(CheckpointError, match=r"m\.nemo: "):
            convert(tmp_path / "m.nemo", tmp_path / "out.gguf")
        assert [p.name for p in tmp_path.iterdir()] == ["m.nemo"]


def test_an_unknown_type(tmp_path):
    with pytest.raises(ValueError, match=r"'q9_9'.*q8_0"):
        convert(tmp_path / "m.nemo", tmp_path / "out.gguf", "q9_9")


def test_outputs_that_cannot_be_written(nemo, tmp_path):
    source = nemo.write(tmp_path / "m.nemo")
    (tmp_path / "folder").mkdir()
    before = source.read_bytes()
    for out, message in (
        (tmp_path / "none" / "out.gguf", "does not exist"),
        (tmp_path / "folder", "is a directory"),
        (source, "is the checkpoint itself"),
    ):
        with pytest.raises(ModelFileError, match=message):
            convert(source, out)
    assert source.read_bytes() == before


def test_a_failure_keeps_the_old_output(nemo, tmp_path):
    out = tmp_path / "out.gguf"
    out.write_bytes(b"precious")
    nemo.state["joint.enc.weight"] = nemo.state["joint.enc.weight"] * np.float32(np.nan)
    with pytest.raises(CheckpointError):
        convert(nemo.write(tmp_path / "m.nemo"), out)
    assert out.read_bytes() == b"precious"


def test_an_interruption_leaves_nothing(nemo, tmp_path):
    def interrupt(done: int, total: int, name: str) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "out.gguf", progress=interrupt)
    assert [p.name for p in tmp_path.iterdir()] == ["m.nemo"]


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_a_full_disk_is_an_error(nemo, tmp_path):
    """A limit on file size stands in for the disk."""
    source = nemo.write(tmp_path / "m.nemo")
    code = (
        "import resource, signal, sys\n"
        "from parrotlet._convert import convert\n"
        "from parrotlet.errors import ModelFileError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    convert(sys.argv[1], sys.argv[2], 'f32')\n"
        "except ModelFileError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(source), str(tmp_path / "out.gguf")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "out.gguf: cannot be written (" in output
    assert [p.name for p in tmp_path.iterdir()] == ["m.nemo"]


NOT_FETCHED = {
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "web page": b"<!doctype html>\n<html lang='en'>",
    "JSON": b'{"error": "Repository not found"}',
    "empty": b"",
    "WAV": b"RIFF\x00\x01\x00\x00WAVEfmt ",
}


@pytest.mark.parametrize("kind", NOT_FETCHED)
@pytest.mark.parametrize("name", ["m.nemo", "m.pt", "m.ckpt"])
def test_what_was_fetched_in_place_of_a_checkpoint(tmp_path, kind, name):
    source = tmp_path / name
    source.write_bytes(NOT_FETCHED[kind])
    with pytest.raises(CheckpointError, match=rf"{name}: .*{kind}.*; ") as caught:
        convert(source, tmp_path / "out.gguf")
    assert "fetch" in str(caught.value) or "give a checkpoint" in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_pointers_in_the_directory_of_a_model(tmp_path, name):
    original = DATA / "transformers" / "ParakeetForCTC"
    shutil.copytree(original, tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(NOT_FETCHED["Git LFS pointer"])
    with pytest.raises(CheckpointError, match=rf"{name} is a Git LFS pointer.*git lfs pull"):
        convert(tmp_path / "model", tmp_path / "out.gguf")


def test_too_long_a_name_is_refused_before_the_work(nemo, tmp_path):
    source = nemo.write(tmp_path / "m.nemo")
    for name in ("n" * 300, "a\0b"):
        with pytest.raises(ModelFileError, match="cannot be written"):
            convert(source, tmp_path / name)
