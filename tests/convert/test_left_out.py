"""Tensors of fine-tunes that recognition does not need: left out with one line, or refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from nemo_files import DATA, Nemo

import parrotlet
from parrotlet._convert import convert
from parrotlet.errors import CheckpointError

SOURCE = "parakeet-tdt_ctc-110m"


@pytest.fixture
def nemo() -> Nemo:
    return Nemo.read(DATA / SOURCE / "model.nemo")


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> bytes:
    """The model file without anything beside the recogniser."""
    directory = tmp_path_factory.mktemp("plain")
    source = Nemo.read(DATA / SOURCE / "model.nemo").write(directory / "m.nemo")
    return convert(source, directory / "m.gguf").read_bytes()


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def test_nothing_is_said_of_an_ordinary_checkpoint(nemo, tmp_path, plain):
    nemo.state["encoder.pos_enc.pe"] = zeros(1, 9, 64)
    nemo.state["preprocessor.dtype_sentinel_tensor"] = zeros(1)
    source = nemo.write(tmp_path / "m.nemo")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert convert(source, tmp_path / "m.gguf").read_bytes() == plain


LEFT_OUT = {
    "losses and augmentation": (
        ("loss.weight", "spec_augmentation.x", "joint._loss.x", "wer.scores"),
        "joint._loss (1 tensor), loss (1 tensor), spec_augmentation (1 tensor), wer (1 tensor)",
    ),
    "another CTC head": (
        ("aux_ctc_decoder.decoder_layers.0.weight", "aux_ctc_decoder.decoder_layers.0.bias"),
        "aux_ctc_decoder (2 tensors)",
    ),
    "heads of other tasks": (
        ("lid_head.weight", "spk_head.0.weight", "spk_head.2.weight", "vad_head.proj.bias"),
        "lid_head (1 tensor), spk_head (2 tensors), vad_head (1 tensor)",
    ),
    "a head on the encoder": (
        ("encoder.language_classifier.weight", "encoder.layers.0.ctc_head.weight"),
        "encoder.language_classifier (1 tensor), encoder.layers.0.ctc_head (1 tensor)",
    ),
    "the counter of an average": (("n_averaged",), "n_averaged (1 tensor)"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_recognition_does_not_need_is_named_once(nemo, tmp_path, plain, case):
    names, said = LEFT_OUT[case]
    nemo.state.update({name: zeros(3) for name in names})
    source = nemo.write(tmp_path / "m.nemo")
    with pytest.warns(UserWarning) as caught:
        written = convert(source, tmp_path / "m.gguf")
    assert written.read_bytes() == plain
    (warning,) = caught
    assert str(warning.message).startswith(f"{source}: recognition does not need {said}, which ")


@pytest.mark.parametrize("prefix", ["ema.", "teacher.model.", "ema_model.module."])
def test_a_copy_of_the_model_is_left_out(nemo, tmp_path, plain, prefix):
    copy = {prefix + name: value + 1 for name, value in nemo.state.items()}
    nemo.state.update(copy)
    with pytest.warns(UserWarning, match=rf"need {prefix.partition('.')[0]} \(\d\d+ tensors\), w"):
        written = convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "m.gguf")
    assert written.read_bytes() == plain


@pytest.mark.parametrize("prefix", ["ema_model.module.", "student.", "encoder.", "wrapped.asr."])
def test_a_prefix_of_the_whole_model(nemo, tmp_path, plain, prefix):
    nemo.state = {prefix + name: value for name, value in nemo.state.items()}
    assert convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "m.gguf").read_bytes() == plain


def test_two_copies_without_the_model_itself_are_refused(nemo, tmp_path):
    state = nemo.state
    nemo.state = {p + name: v for name, v in state.items() for p in ("ema.", "student.")}
    with pytest.raises(CheckpointError, match="is missing"):
        convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "m.gguf")


@pytest.mark.parametrize(
    ("modules", "lacking", "left"),
    [(("ctc_decoder",), "CTC", ["tdt"]), (("decoder", "joint"), "TDT", ["ctc"])],
)
def test_a_hybrid_without_one_of_its_heads(nemo, tmp_path, modules, lacking, left, audio_dir):
    whole = parrotlet.load(convert(nemo.write(tmp_path / "w.nemo"), tmp_path / "w.gguf"), 1)
    nemo.state = {n: v for n, v in nemo.state.items() if n.partition(".")[0] not in modules}
    with pytest.warns(UserWarning, match=f"lacks the {lacking} head that its configuration"):
        path = convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "m.gguf")
    model = parrotlet.load(path, threads=1)
    assert list(model.heads) == left
    decoding = parrotlet.Decoding(head=left[0])
    clip = audio_dir / "clip01.wav"
    found, want = (m.transcribe(clip, decoding=decoding) for m in (model, whole))
    assert found.text == want.text != ""


def test_a_head_that_is_there_in_part_is_missing(nemo, tmp_path):
    del nemo.state["ctc_decoder.decoder_layers.0.bias"]
    with pytest.raises(CheckpointError, match=r"ctc_decoder.decoder_layers.0.bias' is missing"):
        convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "m.gguf")


REFUSED = {
    "encoder.layers.0.adapter_layer.x.weight": "merge adapters into the weights",
    "encoder.layers.0.self_attn.linear_q.lora_A.weight": "merge adapters into the weights",
    "encoder.layers.2.norm_out.weight": "describes$",
    "encoder.layers.0.self_attn.linear_q.scale": "describes$",
    "encoder.projector.weight": "describes$",
    "joint.joint_net.4.weight": "describes$",
    "prompt_kernel.0.weight": "describes$",
    "spk_kernels.0.weight": "describes$",
    "language_embedding.weight": "describes$",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_model_may_have_been_computed_with_is_refused(nemo, tmp_path, name):
    nemo.state[name] = zeros(3)
    source = nemo.write(tmp_path / "m.nemo")
    with pytest.raises(CheckpointError, match=REFUSED[name]) as caught:
        convert(source, tmp_path / "m.gguf")
    assert f"{source}: tensor {name!r} is not part" in str(caught.value)
    assert not (tmp_path / "m.gguf").exists()


def test_adapters_are_named_before_what_they_replace(nemo, tmp_path):
    name = "encoder.layers.0.self_attn.linear_q."
    nemo.state[f"{name}base_layer.weight"] = nemo.state.pop(f"{name}weight")
    with pytest.raises(CheckpointError, match=r"base_layer.*merge adapters"):
        convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "m.gguf")


def add_to(path: Path, name: str, shape: tuple[int, ...]) -> None:
    """Append a float32 tensor of zeros to a safetensors file."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header, values = json.loads(data[8 : 8 + size]), data[8 + size :]
    new = zeros(*shape).tobytes()
    offsets = [len(values), len(values) + len(new)]
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + values + new)


def test_a_directory_of_transformers_with_another_head(tmp_path):
    """As a fine-tune of the v3 family has it that also finds speech."""
    source, directory = DATA / "transformers" / "ParakeetForTDT", tmp_path / "model"
    shutil.copytree(source, directory)
    for name, shape in (("vad_head.weight", (1, 64)), ("vad_head.bias", (1,))):
        add_to(directory / "model.safetensors", name, shape)
    with pytest.warns(UserWarning, match=r"does not need vad_head \(2 tensors\)"):
        found = convert(directory, tmp_path / "found.gguf", name="m")
    assert found.read_bytes() == convert(source, tmp_path / "want.gguf", name="m").read_bytes()


@pytest.mark.parametrize("quiet", [False, True])
def test_the_command_says_it_on_one_line(nemo, tmp_path: Path, quiet):
    nemo.state["lid_head.weight"] = zeros(3)
    nemo.write(tmp_path / "m.nemo")
    command = [sys.executable, "-m", "parrotlet", "convert", "m.nemo"]
    done = subprocess.run(
        command + ["--quiet"] * quiet,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines = done.stderr.splitlines()
    assert done.stdout == ""
    if quiet:
        assert not lines
    else:
        assert lines[0] == (
            "parrotlet: m.nemo: recognition does not need lid_head (1 tensor), which the model "
            "file is without"
        )
        assert lines[1].startswith("wrote m-q8_0.gguf (")
        assert len(lines) == 2
