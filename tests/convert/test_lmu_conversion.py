"""LMU checkpoints: where their settings come from, which are refused, and what is computed."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from nemo_files import (
    DATA,
    Nemo,
    checkpoint_bytes,
    contiguous,
    named,
    storage,
    tensor,
    text,
)

import parrotlet
from parrotlet import _core
from parrotlet._convert import convert, quantize
from parrotlet._convert.archive import Window
from parrotlet._convert.checkpoint import TorchCheckpoint
from parrotlet.architectures.lmu.state_space import state_space
from parrotlet.architectures.mel import hann_window, mel_filterbank
from parrotlet.errors import CheckpointError, ParrotletError, UnsupportedModelError

LAYER = "encoder.lmu_layers.0."
WORDS = "the quick brown fox jumps over the lazy dog"


@dataclass
class Lmu:
    """A checkpoint in memory, to be changed and written."""

    state: dict[str, np.ndarray]
    config: dict[str, Any]

    @classmethod
    def read(cls, variant: str) -> Lmu:
        path = DATA / "lmu" / variant / "checkpoint.pt"
        with path.open("rb") as file:
            found = TorchCheckpoint(Window(file, 0, path.stat().st_size, path.name))
            return cls({name: found.read(name) for name in found}, found.config)

    def write(self, path: Path, key: str = "model_state_dict") -> Path:
        """As torch.save({key: state, "config": config}) does."""
        tensors = b""
        for index, (name, value) in enumerate(self.state.items()):
            source = storage(str(index), value.size)
            tensors += text(name) + tensor(source, value.shape, contiguous(value.shape))
        state = named("collections", "OrderedDict") + b")R(" + tensors + b"u"
        config = pickle.dumps(self.config, 2)[2:-1]
        top = b"\x80\x02}(" + text(key) + state + text("config") + config + b"u."
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", top)
            for index, value in enumerate(self.state.values()):
                archive.writestr(f"archive/data/{index}", value.astype("<f4").tobytes())
        return path

    def write_bare(self, path: Path, yaml_path: Path, config: Mapping[str, Any]) -> Path:
        """The state dict alone, and the settings as YAML."""
        path.write_bytes(checkpoint_bytes(self.state))
        yaml_path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path


@pytest.fixture
def lmu() -> Lmu:
    return Lmu.read("attention")


def says_the_words(path: Path, audio_dir: Path) -> bool:
    return parrotlet.load(path, threads=1).transcribe(audio_dir / "clip01.wav").text == WORDS


def refused(lmu: Lmu, tmp_path: Path, error: type[ParrotletError] = CheckpointError) -> str:
    """The message with which a checkpoint is refused; nothing may be left behind."""
    source = lmu.write(tmp_path / "m.pt")
    with pytest.raises(error) as caught:
        convert(source, tmp_path / "out.gguf", type="f32")
    assert str(caught.value).startswith(f"{source}: ")
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt"]
    return str(caught.value)


# Where the settings are ---------------------------------------------------------------------


@pytest.mark.parametrize("key", ["model_state_dict", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module."])
def test_settings_in_the_checkpoint(lmu, tmp_path, audio_dir, key, prefix):
    lmu.state = {prefix + name: value for name, value in lmu.state.items()}
    source = lmu.write(tmp_path / "m.pt", key)
    assert says_the_words(convert(source, tmp_path / "m.gguf", type="f32"), audio_dir)


@pytest.mark.parametrize("name", ["m.yaml", "m.yml", "config.yaml", "base_config.yaml"])
def test_settings_beside_it_in_sections(lmu, tmp_path, audio_dir, name):
    config = lmu.config
    audio = {"n_mels": config.pop("input_size"), "sample_rate": 16_000}
    source = lmu.write_bare(
        tmp_path / "m.pt", tmp_path / name, {"model": {"encoder": config}, "audio": audio}
    )
    assert says_the_words(convert(source, tmp_path / "m.gguf", type="f32"), audio_dir)


def test_of_several_files_the_one_with_the_name_counts(lmu, tmp_path, audio_dir):
    source = lmu.write_bare(tmp_path / "m.pt", tmp_path / "m.yaml", lmu.config)
    (tmp_path / "config.yaml").write_text("hidden_size: 1")
    (tmp_path / "another.yaml").write_text("hidden_size: 2")
    assert says_the_words(convert(source, tmp_path / "m.gguf", type="f32"), audio_dir)
    (tmp_path / "m.yaml").unlink()
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        convert(source, tmp_path / "n.gguf")
    (tmp_path / "config.yaml").rename(tmp_path / "third.yaml")
    with pytest.raises(CheckpointError, match=r"several YAML files.*m\.yaml"):
        convert(source, tmp_path / "n.gguf")


def test_no_settings(lmu, tmp_path):
    source = tmp_path / "m.pt"
    source.write_bytes(checkpoint_bytes(lmu.state))
    with pytest.raises(CheckpointError, match=r"no YAML file is beside it.*m\.yaml"):
        convert(source, tmp_path / "m.gguf")


def test_settings_that_contradict_each_other(lmu, tmp_path):
    lmu.config = {"a": lmu.config, "b": {"hidden_size": 128}}
    assert "a.hidden_size and b.hidden_size differ" in refused(lmu, tmp_path)


def test_settings_that_are_no_settings(lmu, tmp_path):
    lmu.config = ["hidden_size"]
    assert "config in the checkpoint is not a dict" in refused(lmu, tmp_path)


# What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["hidden_size", "memory_size", "num_lmu_layers", "num_attention_heads", "vocabulary"]
)
def test_every_key_is_needed(lmu, tmp_path, key):
    del lmu.config[key]
    if key == "vocabulary":
        lmu.config["vocab_size"] = 31  # 29 alone says which letters
    message = refused(lmu, tmp_path)
    assert message.split(": ", 1)[1].startswith("config")
    assert key in message


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("hidden_size", "wide", "hidden_size"),
        ("hidden_size", 66, "does not divide among"),
        ("hidden_size", 128, "[128, 80]"),
        ("memory_size", 31, "[31, 31]"),
        ("num_lmu_layers", 1, "encoder.attention_layers.1"),
        ("num_lmu_layers", 3, "is missing"),
        ("num_lmu_layers", 10**9, "num_lmu_layers is 1000000000"),
        ("use_attention", False, "use_attention is false, but the checkpoint has"),
        ("theta", 0, "theta is 0"),
        ("theta", -3, "theta is -3"),
        ("vocab_size", 30, "vocab_size is 30"),
        ("vocabulary", [], "vocabulary must be a list"),
        ("vocabulary", [1, 2], "vocabulary must be a list"),
        ("n_mels", 64, "input_size and n_mels differ"),
        ("win_length", 1024, "win_length is 1024"),
        ("normalize", "all_features", "'all_features'; expected per_feature or none"),
    ],
)
def test_values_that_make_no_sense(lmu, tmp_path, key, value, said):
    lmu.config[key] = value
    assert said in refused(lmu, tmp_path)


def test_attention_that_is_not_there(tmp_path):
    lmu = Lmu.read("recurrent")
    lmu.config["use_attention"] = True
    assert "use_attention is true, but the checkpoint lacks" in refused(lmu, tmp_path)


@pytest.mark.parametrize("name", [f"{LAYER}cell.W_m", f"{LAYER}cell.e_h", f"{LAYER}cell.B"])
def test_a_missing_tensor_is_named(lmu, tmp_path, name):
    del lmu.state[name]
    assert f"'{name}' is missing" in refused(lmu, tmp_path)


@pytest.mark.parametrize("name", ["encoder.adapter.weight", "projector.weight"])
def test_an_extra_tensor_is_named(lmu, tmp_path, name):
    """No class says that another module takes no part."""
    lmu.state[name] = np.zeros((2, 2), np.float32)
    assert f"'{name}' is not part" in refused(lmu, tmp_path)


def test_losses_are_left_out(lmu, tmp_path):
    plain = convert(lmu.write(tmp_path / "m.pt"), tmp_path / "a.gguf").read_bytes()
    lmu.state["ctc_loss.weight"] = np.zeros(3, np.float32)
    with pytest.warns(UserWarning, match=r"does not need ctc_loss \(1 tensor\)"):
        found = convert(lmu.write(tmp_path / "m.pt"), tmp_path / "b.gguf")
    assert found.read_bytes() == plain


def test_another_model_in_such_a_file(lmu, tmp_path):
    lmu.state = {"encoder.layers.0.weight": np.zeros((2, 2), np.float32)}
    message = refused(lmu, tmp_path, UnsupportedModelError)
    assert "nor tensors of an LMU model" in message
    assert ".nemo" in message


def test_a_file_that_is_cut_short(lmu, tmp_path):
    source = lmu.write(tmp_path / "m.pt")
    whole = source.read_bytes()
    for size in (4, 100, len(whole) // 2, len(whole) - 5):
        source.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=r"m\.pt"):
            convert(source, tmp_path / "m.gguf")
        assert not (tmp_path / "m.gguf").exists()


# What is computed ---------------------------------------------------------------------------


def test_theta_is_needed_where_the_state_space_is_not_stored(lmu, tmp_path, audio_dir):
    del lmu.config["theta"]
    source = lmu.write(tmp_path / "stored.pt")
    assert says_the_words(convert(source, tmp_path / "m.gguf", type="f32"), audio_dir)
    lmu.state = {name: x for name, x in lmu.state.items() if not name.endswith((".A", ".B"))}
    with pytest.raises(CheckpointError, match="theta"):
        convert(lmu.write(tmp_path / "bare.pt"), tmp_path / "n.gguf")
    lmu.config["theta"] = 128
    source = lmu.write(tmp_path / "bare.pt")
    assert says_the_words(convert(source, tmp_path / "n.gguf", type="f32"), audio_dir)


def test_stored_matrices_are_taken_as_they_are(lmu, tmp_path):
    lmu.state[f"{LAYER}cell.A"] = lmu.state[f"{LAYER}cell.A"] * np.float32(0.5)
    path = convert(lmu.write(tmp_path / "m.pt"), tmp_path / "m.gguf", type="q8_0")
    written = _core.GgufFile(str(path)).tensor(f"{LAYER}cell.A")
    np.testing.assert_array_equal(written, lmu.state[f"{LAYER}cell.A"])


def discretised(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """Equations 1 and 2, and the power series of the exponential in extended precision."""
    wide = np.zeros((order + 1, order + 1), np.longdouble)
    for i in range(order):
        for j in range(order):
            wide[i, j] = (2 * i + 1) / theta * (-1 if i < j else (-1) ** (i - j + 1))
        wide[i, order] = (2 * i + 1) / theta * (-1) ** i
    halvings = 12
    wide = wide / 2**halvings
    power = total = np.eye(order + 1, dtype=np.longdouble)
    for k in range(1, 24):
        power = power @ wide / k
        total = total + power
    for _ in range(halvings):
        total = total @ total
    return total[:order, :order], total[:order, order:]


@pytest.mark.parametrize(("order", "theta"), [(1, 7.5), (2, 1.0), (8, 20.0), (48, 128.0)])
def test_state_space(order, theta):
    a, b = state_space(order, theta)
    expected_a, expected_b = discretised(order, theta)
    assert a.dtype == b.dtype == np.float64
    np.testing.assert_allclose(a, expected_a.astype(np.float64), atol=1e-12)
    np.testing.assert_allclose(b, expected_b.astype(np.float64), atol=1e-12)


@pytest.mark.parametrize("order", [1, 32, 512])
def test_the_memory_of_a_constant_is_its_first_polynomial(order):
    a, b = state_space(order, 128.0)
    rest = np.linalg.solve(np.eye(order) - a, b)[:, 0]
    expected = np.zeros(order)
    expected[0] = 1.0
    np.testing.assert_allclose(rest, expected, atol=1e-9)


def test_the_frontend_is_what_nemo_stores():
    state = Nemo.read(DATA / "stt_en_conformer_ctc_small" / "model.nemo").state
    stored = state["preprocessor.featurizer.fb"][0]
    made = mel_filterbank(16_000, 2 * (stored.shape[1] - 1), len(stored))
    np.testing.assert_allclose(made, stored, atol=1e-7)
    window = state["preprocessor.featurizer.window"]
    np.testing.assert_allclose(hann_window(len(window)), window, atol=1e-6)


# The file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["attention", "fft"])
@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_types(converted, variant, kind):
    file = _core.GgufFile(str(converted(f"lmu/{variant}", kind)))
    types = {t.name: t.type for t in file.tensors}
    cell = "cell." if variant == "attention" else ""
    for name in ("A", "B"):
        assert types[f"{LAYER}{cell}{name}"] == "f32"
    if variant == "attention":
        assert {types[f"{LAYER}cell.e_{x}"] for x in "xhm"} == {"f32"}
        assert {types[f"{LAYER}cell.W_{x}"] for x in "xhm"} == {kind}
        assert types["encoder.attention_layers.1.attention.w_o.weight"] == kind
    else:
        assert types[f"{LAYER}W_u.weight"] == "f32"
        assert types[f"{LAYER}W_h.weight"] == kind
        assert not any(name.endswith(("H", "fft_H")) for name in types)
    assert types["encoder.output_projection.weight"] == kind
    assert types["decoder.ctc_projection.weight"] == kind
    assert types["encoder.layer_norms.1.weight"] == "f32"
    assert file.metadata["general.architecture"] == "lmu"
    assert file.metadata["lmu.layer"] == ("cell" if cell else "fft")


@pytest.mark.parametrize("variant", ["attention", "fft"])
def test_quantising_later_is_the_same(converted, tmp_path, variant):
    later = quantize(converted(f"lmu/{variant}", "f32"), tmp_path / "q.gguf", type="q8_0")
    at_once = _core.GgufFile(str(converted(f"lmu/{variant}", "q8_0")))
    file = _core.GgufFile(str(later))
    assert [(t.name, t.type, t.shape) for t in file.tensors] == [
        (t.name, t.type, t.shape) for t in at_once.tensors
    ]
    for info in file.tensors:
        np.testing.assert_array_equal(file.tensor(info.name), at_once.tensor(info.name))
