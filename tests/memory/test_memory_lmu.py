"""`parrotlet.memory.plan` of LMU models: the three sizes with and without attention and biases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from nemo_files import checkpoint_bytes

from parrotlet._convert.archive import Window
from parrotlet._convert.checkpoint import TorchCheckpoint
from parrotlet.errors import CheckpointError, UnsupportedModelError
from parrotlet.memory import plan

SIZES = ("demo", "production", "large")
WITH_BIASES = {"demo": 951_325, "production": 7_156_253, "large": 42_121_245}
WITHOUT_BIASES = {"demo": 949_277, "production": 7_148_061, "large": 42_096_669}

# Input projection, LMU layers, attention without biases, layer norms, output projection, CTC
BREAKDOWN = {
    "demo": (20_736, 328_960, 525_312, 1_024, 65_792, 7_453),
    "production": (41_472, 2_626_560, 4_198_400, 4_096, 262_656, 14_877),
    "large": (82_944, 15_744_000, 25_178_112, 12_288, 1_049_600, 29_725),
}
ROWS = (
    "Input projection",
    "LMU layers",
    "Attention layers",
    "Layer normalization",
    "Output projection",
    "CTC decoder",
)
LAYERS = {"demo": 2, "production": 4, "large": 6}
CONFIG = {
    "input_size": 80,
    "hidden_size": 32,
    "memory_size": 16,
    "num_lmu_layers": 2,
    "vocab_size": 29,
    "num_attention_heads": 4,
}


@pytest.mark.parametrize("size", SIZES)
def test_totals_in_both_conventions(size) -> None:
    assert plan(f"lmu-{size}").parameters == WITH_BIASES[size]
    assert plan(f"lmu-{size}", attention_bias=False).parameters == WITHOUT_BIASES[size]


@pytest.mark.parametrize("size", SIZES)
def test_breakdown(size) -> None:
    report = plan(f"lmu-{size}", attention_bias=False)
    assert tuple(report.layer(row).parameters for row in ROWS) == BREAKDOWN[size]
    for row in ("LMU layers", "Attention layers"):
        layer = report.layer(row)
        assert layer.count == LAYERS[size]
        assert layer.parameters_each * layer.count == layer.parameters


def test_per_layer() -> None:
    layers = [plan(f"lmu-{size}", attention_bias=False).layer("LMU layers") for size in SIZES]
    assert [layer.parameters_each for layer in layers] == [164_480, 656_640, 2_624_000]


@pytest.mark.parametrize("bias", (True, False))
def test_without_attention(bias) -> None:
    report = plan("lmu-production", attention=False, attention_bias=bias)
    assert report.parameters == 2_949_661
    with pytest.raises(KeyError):
        report.layer("Attention layers")
    full = plan("lmu-production", attention_bias=False).parameters
    assert full / report.parameters - 1 == pytest.approx(1.423, abs=5e-4)


@pytest.mark.parametrize(
    ("size", "f32", "f16"),
    (("demo", 3.62, 1.81), ("production", 27.27, 13.63), ("large", 160.59, 80.29)),
)
def test_sizes_in_mib(size, f32, f16) -> None:
    report = plan(f"lmu-{size}", attention_bias=False)
    assert report.bytes["f32"] / 2**20 == pytest.approx(f32, abs=0.005)
    assert report.parameters * 2 / 2**20 == pytest.approx(f16, abs=0.005)
    assert report.bytes["f16"] == report.parameters * 2


def test_block_formats_of_matrices() -> None:
    report = plan("lmu-production", attention=False)
    layer = report.layer("Output projection")
    assert layer.bytes["q8_0"] == 512 * 512 * 34 // 32 + 4 * 512


def test_training() -> None:
    training = plan("lmu-production", attention_bias=False).training
    assert training is not None
    gib = [
        round(size / 2**30, 2)
        for size in (
            training.weights,
            training.gradients,
            training.optimizer,
            training.minimum,
            training.rule_of_thumb,
            training.mixed_precision,
        )
    ]
    assert gib == [0.03, 0.03, 0.05, 0.11, 0.21, 0.09]
    assert training.weights == training.gradients == training.optimizer // 2
    assert training.total == training.minimum + training.activations


def test_training_activations_follow_length_and_batch() -> None:
    def activations(**settings: float) -> int:
        training = plan("lmu-production", attention=False, **settings).training
        assert training is not None
        return training.activations

    assert activations(seconds=10) == 2 * activations(seconds=5)
    assert activations(seconds=5, batch=8) == 8 * activations(seconds=5)
    # With attention, scores grow with the square.
    training = [plan("lmu-production", seconds=s).training for s in (5, 10)]
    assert training[1].activations > 2 * training[0].activations


@pytest.mark.parametrize("sections", ((), ("model",), ("asr", "model")))
def test_yaml(sections, tmp_path) -> None:
    values = CONFIG
    for section in reversed(sections):
        values = {section: values, "training": {"epochs": 3}}
    path = tmp_path / "base_config.yaml"
    path.write_text(yaml.safe_dump(values))
    report = plan(path)
    assert (report.kind, report.name) == ("ctc", "base_config")
    assert report.layers == plan(CONFIG).layers


def test_vocabulary_instead_of_its_size() -> None:
    values = {**CONFIG, "vocabulary": "abc"}
    del values["vocab_size"]
    assert plan(values).layer("CTC decoder").parameters == 4 * (32 + 1)


@pytest.mark.parametrize(
    "key", [key for key in CONFIG if key not in ("input_size", "num_lmu_layers")]
)
def test_missing_key_is_named(key) -> None:
    values = {name: value for name, value in CONFIG.items() if name != key}
    with pytest.raises(CheckpointError, match=f"the configuration has no key '{key}'"):
        plan(values)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    (
        ("hidden_size", "wide", "hidden_size must be a whole number"),
        ("hidden_size", 2**31 - 1, "hidden_size must be a whole number"),
        ("num_attention_heads", 5, "hidden_size is 32, which does not divide among"),
        ("lmu_type", "gru", "lmu_type is 'gru'; expected one of lmu, cell, lmu_fft"),
        ("normalize", True, "normalize is True; expected per_feature or none"),
        ("n_mels", 64, "input_size and n_mels differ"),
        ("other", {"memory_size": 8}, None),
    ),
)
def test_values_that_make_no_sense(key, value, said) -> None:
    values = {**CONFIG, key: value}
    if said is None:  # what lies nearer the top counts
        assert plan(values).parameters == plan(CONFIG).parameters
        return
    with pytest.raises(CheckpointError, match=said):
        plan(values)


# Files --------------------------------------------------------------------------------------

VARIANTS = ("attention", "attention-no-bias", "fft", "fft-attention", "recurrent")
NO_PARAMETERS = ("A", "B", "H", "fft_H")


@pytest.mark.parametrize("variant", VARIANTS)
def test_checkpoint(variant, data_dir) -> None:
    """Parameters are those in the state dict, and the memory that of the file it becomes."""
    path = data_dir / "lmu" / variant / "checkpoint.pt"
    with path.open("rb") as file:
        state = TorchCheckpoint(Window(file, 0, path.stat().st_size, path.name))
        sizes = {name: view.elements for name, view in state.items()}
    report = plan(path, type="q8_0")
    assert report.parameters == sum(
        size for name, size in sizes.items() if name.rpartition(".")[2] not in NO_PARAMETERS
    )
    stored = sum(size for name, size in sizes.items() if name.rpartition(".")[2] in ("A", "B"))
    assert report.buffers == 4 * (stored or 2 * (32 * 32 + 32))  # computed where not stored
    assert (report.kind, report.name, plan(path).type) == ("ctc", "checkpoint", "f32")
    assert ("Attention layers" in [layer.name for layer in report.layers]) == (
        "attention" in variant
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_checkpoint_and_the_file_it_becomes(variant, converted, data_dir) -> None:
    for type in ("f32", "q8_0"):
        report = plan(converted(f"lmu/{variant}", type), threads=2)
        assert report.type == type
        before = plan(data_dir / "lmu" / variant / "checkpoint.pt", type=type, threads=2)
        assert report.layers == before.layers
        assert report.estimates == before.estimates


@pytest.fixture
def bare(tmp_path) -> Path:
    """A state dict with nothing beside it."""
    state = {"encoder.lmu_layers.0.cell.W_x": np.zeros((32, 32), np.float32)}
    path = tmp_path / "m.pt"
    path.write_bytes(checkpoint_bytes(state))
    return path


def test_checkpoint_without_settings(bare) -> None:
    with pytest.raises(CheckpointError, match=r"m\.pt: holds no config.*put its.*m\.yaml"):
        plan(bare)
    bare.with_suffix(".yaml").write_text("hidden_size: 32")
    with pytest.raises(CheckpointError, match=r"m\.pt: m\.yaml has no key 'num_lmu_layers'"):
        plan(bare)


def test_checkpoint_that_its_settings_do_not_fit(bare) -> None:
    values = {**CONFIG, "use_attention": False, "theta": 20, "vocab_size": 29}
    bare.with_suffix(".yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(CheckpointError, match=r"m\.pt: tensor '[\w.]+' is missing"):
        plan(bare)


def test_checkpoint_of_another_model(tmp_path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(checkpoint_bytes({"encoder.weight": np.zeros((2, 2), np.float32)}))
    with pytest.raises(UnsupportedModelError, match=r"m\.pt: .*nor tensors of an LMU model"):
        plan(path)


@pytest.mark.parametrize("override", ("attention", "attention_bias"))
def test_only_configurations_have_variants(override, converted) -> None:
    for model in (converted("lmu/attention", "f32"), "parakeet-ctc-0.6b", "whisper-tiny"):
        with pytest.raises(ValueError, match="those of an LMU configuration or preset"):
            plan(model, **{override: False})


# What follows from the sizes ----------------------------------------------------------------


def test_fft_layers() -> None:
    report = plan({**CONFIG, "lmu_type": "lmu_fft", "use_attention": False})
    d, m = 32, 16
    assert report.layer("LMU layers").parameters_each == (d + 1) + (d * (m + d) + d)


def test_buffers_are_not_parameters() -> None:
    report = plan("lmu-production")
    assert report.buffers == 4 * (256 * 256 + 256) * 4


def test_streaming_needs_a_recurrent_model() -> None:
    with pytest.raises(UnsupportedModelError, match="lmu-production: the model has self-attention"):
        plan("lmu-production", mode="streaming")


@pytest.mark.parametrize("normalize", ("none", "per_feature"))
def test_streaming(normalize) -> None:
    """A stream grows by its features where they are normalised over the whole recording."""
    values = {**CONFIG, "use_attention": False, "normalize": normalize}
    short, long = (plan(values, mode="streaming", seconds=s) for s in (1, 3600))
    assert short.estimate.group("caches") == 2 * 4 * (32 + 16)
    longer = plan(values, mode="streaming", seconds=7200)
    assert longer.total - long.total == (0 if normalize == "none" else 3600 * 100 * 80 * 4 * 2)
    assert (long.total > short.total) == (normalize == "per_feature")


def test_types_that_run() -> None:
    report = plan("lmu-large", seconds=60, threads=2)
    totals = [report.estimates[type].total for type in ("f32", "f16", "q8_0", "q4_k")]
    assert totals == sorted(totals, reverse=True)
    with pytest.raises(ValueError, match="type is 'int8'; this runtime has f32"):
        plan("lmu-large", type="int8")
    # The first and last matrices keep eight bits a weight.
    for row in ("Input projection", "Output projection", "CTC decoder"):
        assert report.layer(row).bytes["q4_k"] == report.layer(row).bytes["q8_0"]


def test_attention_needs_room_for_all_that_it_sees() -> None:
    def activations(seconds: float, attention: bool) -> int:
        report = plan("lmu-production", attention=attention, seconds=seconds, threads=1)
        return report.estimate.group("activations")

    assert activations(60, True) > 3 * activations(15, True)
    assert activations(60, True) > 3 * activations(60, False)
