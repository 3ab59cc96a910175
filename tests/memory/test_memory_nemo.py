"""`parrotlet.memory.plan` of NeMo models: counts, layer table, caches, and what a file holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from random_models import demo_sized

import parrotlet
from parrotlet import _core
from parrotlet._convert.archive import open_archive
from parrotlet._convert.checkpoint import TorchCheckpoint
from parrotlet.architectures.conformer.published import PRESETS
from parrotlet.architectures.conformer.sizes import CHUNKED
from parrotlet.errors import CheckpointError, UnsupportedModelError
from parrotlet.longform.limits import ONE_PASS_SECONDS
from parrotlet.memory import plan

ARCHITECTURES = (
    "conformer-ctc-char",
    "conformer-ctc-unigram",
    "conformer-ctc-wpe",
    "conformer-hat",
    "conformer-tdt-stateless",
    "fast-conformer-long",
    "fastconformer-striding-reduction",
    "nemotron-3.5-asr-streaming-0.6b",
    "nemotron-speech-streaming-en-0.6b",
    "parakeet-ctc-0.6b",
    "parakeet-rnnt-0.6b",
    "parakeet-tdt-0.6b-v2",
    "parakeet-tdt-0.6b-v2-local",
    "parakeet-tdt-0.6b-v3",
    "parakeet-tdt-1.1b",
    "parakeet-tdt_ctc-1.1b",
    "parakeet-tdt_ctc-110m",
    "parakeet-unified-en-0.6b",
    "parakeet_realtime_eou_120m-v1",
    "stt_en_conformer_ctc_small",
    "stt_en_conformer_transducer_small",
    "stt_en_fastconformer_hybrid_large_pc",
    "stt_en_fastconformer_hybrid_large_streaming_multi",
    "stt_enes_conformer_ctc_large",
    "stt_enes_conformer_transducer_large",
)
STREAMING = "nemotron-speech-streaming-en-0.6b"
UNIFIED = "parakeet-unified-en-0.6b"
CONFORMER = "conformer-tdt-large"
TYPES = ("f32", "f16", "q8_0", "q4_k")


def parameters_of(checkpoint: Path) -> int:
    """Parameters of a checkpoint: what it stores, without buffers."""
    buffers = ("running_mean", "running_var", "num_batches_tracked", "pos_enc.pe", "ctc_loss")
    with open_archive(checkpoint, checkpoint.parent) as archive:
        return sum(
            math.prod(tensor.shape)
            for name, tensor in TorchCheckpoint(archive.weights).items()
            if not name.startswith("preprocessor") and not name.endswith(buffers)
        )


def test_architectures_are_all_listed(architectures) -> None:
    assert tuple(architectures) == ARCHITECTURES


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_parameters_are_those_of_the_checkpoint(arch, data_dir) -> None:
    checkpoint = data_dir / arch / "model.nemo"
    assert plan(checkpoint).parameters == parameters_of(checkpoint)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize(
    "arch", ("parakeet-tdt-0.6b-v2", STREAMING, "parakeet-tdt_ctc-110m", "conformer-ctc-char")
)
def test_sizes_are_those_of_the_file(arch, type, data_dir, converted) -> None:
    tensors = _core.GgufFile(str(converted(arch, type))).tensors
    buffers = sum(t.n_bytes for t in tensors if t.name.startswith("preprocessor."))
    total = sum(t.n_bytes for t in tensors)
    before, after = plan(data_dir / arch / "model.nemo"), plan(converted(arch, type))
    assert before.bytes[type] == after.bytes["file"] == total - buffers
    assert before.buffers == after.buffers == buffers
    assert after.type == "file"
    assert after.parameters == before.parameters


def test_the_file_and_the_checkpoint_plan_alike(data_dir, converted) -> None:
    file = plan(converted("parakeet-tdt-0.6b-v2", "q8_0"), threads=2)
    checkpoint = plan(data_dir / "parakeet-tdt-0.6b-v2" / "model.nemo", threads=2)
    assert checkpoint.type == "q8_0"
    assert file.estimate.items == checkpoint.estimates["q8_0"].items


def test_model_config_yaml(data_dir, tmp_path) -> None:
    checkpoint = data_dir / "parakeet-tdt_ctc-110m" / "model.nemo"
    path = tmp_path / "model_config.yaml"
    with open_archive(checkpoint, tmp_path) as archive:
        path.write_bytes(archive.config)
    report = plan(path)
    assert (report.name, report.source, report.kind) == (
        "model_config",
        str(path),
        "transducer",
    )
    assert report.layers == plan(checkpoint).layers


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset(name) -> None:
    report = plan(name)
    assert report.parameters == sum(layer.parameters for layer in report.layers)
    assert sum(report.bytes.values()) > 0
    assert bool(report.stream_caches) == (PRESETS[name].encoder.attention_style == CHUNKED)


# What NVIDIA's model cards state, in millions
@pytest.mark.parametrize(
    ("name", "millions"),
    (
        ("parakeet-tdt-0.6b-v2", 600),
        ("parakeet-tdt-0.6b-v3", 600),
        ("parakeet-tdt-1.1b", 1100),
        ("parakeet-tdt_ctc-1.1b", 1100),
        ("parakeet-tdt_ctc-110m", 114),
        ("nemotron-speech-streaming-en-0.6b", 600),
    ),
)
def test_published_sizes(name, millions) -> None:
    assert plan(name).parameters == pytest.approx(millions * 1e6, rel=0.05)


# The layer table ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "count", "each"),
    (
        # Pointwise to twice the width for the GLU, 31 taps, pointwise, and BatchNorm
        ("Conformer Conv", 17, (512 * 1024 + 1024) + (512 * 31 + 512) + (512 * 512 + 512) + 1024),
        ("MHSA Q/K/V", 17, 3 * (512 * 512 + 512)),
        ("MHSA Out", 17, 512 * 512 + 512),
        ("MHSA Position", 17, 512 * 512 + 2 * 512),
        ("FFN Up", 34, 512 * 2048 + 2048),
        ("FFN Down", 34, 2048 * 512 + 512),
        ("Layer Norms", 17, 5 * 2 * 512),
        ("TDT Joint", 1, (512 * 640 + 640) + (640 * 640 + 640) + (640 + 1) * (1024 + 1 + 5)),
        # The embedding has a row for the blank, and PyTorch's LSTM two biases
        ("TDT Predictor", 1, 1025 * 640 + 2 * 4 * (640 * 640 + 640 * 640 + 2 * 640)),
        ("Subsampling", 1, 10 * 512 + (9 * 512 + 1) * 512 + 20 * 512 * 512 + 512),
    ),
)
def test_layer_table(layer, count, each) -> None:
    row = plan(CONFORMER).layer(layer)
    assert (row.count, row.parameters_each, row.parameters) == (count, each, count * each)


def test_layer_table_sizes() -> None:
    report = plan(CONFORMER)
    for row in report.layers:
        assert row.bytes["int8"] == row.parameters
        assert row.bytes["int4"] == math.ceil(row.parameters / 2)
    row = report.layer("FFN Up")
    matrix, bias = 34 * 512 * 2048, 34 * 2048
    assert row.bytes["f32"] == 4 * (matrix + bias)
    assert row.bytes["f16"] == 2 * matrix + 4 * bias
    assert row.bytes["q8_0"] == matrix * 34 // 32 + 4 * bias  # 8.5 bits a weight
    assert row.bytes["q6_k"] == matrix * 210 // 256 + 4 * bias
    assert row.bytes["q5_k"] == matrix * 176 // 256 + 4 * bias
    assert row.bytes["q4_k"] == matrix * 144 // 256 + 4 * bias
    assert row.bytes["q4_0"] == matrix * 18 // 32 + 4 * bias


def test_components() -> None:
    report = plan(CONFORMER)
    names = [part.name for part in report.components]
    assert names == ["subsampling", "encoder", "predictor", "joint"]
    for part in report.components:
        rows = [row for row in report.layers if row.component == part.name]
        assert part.parameters == sum(row.parameters for row in rows)
        assert part.bytes["q8_0"] == sum(row.bytes["q8_0"] for row in rows)
    with pytest.raises(KeyError):
        report.component("ctc head")
    assert plan("parakeet-tdt_ctc-110m").component("ctc head").parameters == 513 * 1025
    assert plan("parakeet-rnnt-0.6b").layer("RNNT Joint").parameters > 0


# Caches and memory in use -------------------------------------------------------------------


def test_stream_caches_per_right_context() -> None:
    report = plan(STREAMING)
    rows = {row.right_context: row for row in report.stream_caches}
    assert sorted(rows) == [0, 1, 6, 13]
    assert [rows[r].chunk_seconds for r in (0, 1, 6, 13)] == [0.08, 0.16, 0.56, 1.12]
    for right, row in rows.items():
        frames = 70 + right + 1 + _core.sizes.CACHE_SLACK
        piece = 64 * 16 + 16 * 4  # bytes of 16 columns, 64 deep, and a scale for each column
        panel = 128 // 64 * piece  # 16 keys of one of the 8 heads, which are 128 deep
        keys = math.ceil(frames / 16) * panel
        scales = math.ceil(frames / 16) * 16 * 4  # of values
        values = 128 // 16 * math.ceil(frames / 64) * piece + scales
        assert row.keys_and_values == 24 * 8 * (keys + values)
        assert row.convolutions == 24 * 8 * 1024 * 4
        positions = 70 + 2 * right + 1 + 2 * _core.sizes.POSITION_SLACK
        assert row.positions == 24 * 8 * math.ceil(positions / 16) * panel
        assert row.total == row.keys_and_values + row.convolutions + row.positions


def test_a_stream_of_floats_takes_twice_as_much() -> None:
    """As one of halves, which takes more than one of bytes."""
    floats, halves, quants = (
        plan(STREAMING, type=type).stream_caches for type in ("f32", "f16", "q8_0")
    )
    for one, two, three in zip(floats, halves, quants, strict=True):
        assert one.keys_and_values == 2 * two.keys_and_values
        assert one.convolutions == two.convolutions == three.convolutions
        assert three.keys_and_values < 0.75 * two.keys_and_values


@pytest.mark.parametrize("right", (0, 1, 6, 13))
def test_a_group_of_streams(right: int) -> None:
    """Each stream adds its caches and a row for each frame of a step: less than 12 MB."""
    totals = [plan(STREAMING, streams=n, right_context=right).total for n in (1, 2, 40)]
    assert totals[1] - totals[0] < 12e6
    assert totals[2] - totals[0] < 39 * 12e6
    alone = plan(STREAMING, mode="streaming", batch=40, right_context=right).total
    assert totals[2] < alone


def test_streams_are_of_models_that_stream() -> None:
    with pytest.raises(UnsupportedModelError, match="not trained for streaming"):
        plan("parakeet-tdt-0.6b-v2", streams=2)
    with pytest.raises(ValueError, match="streams is 0"):
        plan(STREAMING, streams=0)


def test_streaming_memory_does_not_grow_with_the_audio() -> None:
    totals = {plan(STREAMING, mode="streaming", seconds=s).total for s in (60, 600, 36000)}
    assert len(totals) == 1


@pytest.mark.parametrize(("right", "frames"), [(None, 96), (7, 84), (1, 72)])
def test_buffered_streams_hold_a_window(right, frames) -> None:
    plans = [
        plan(UNIFIED, mode="streaming", right_context=right, threads=2, batch=batch)
        for batch in (1, 3)
    ]
    one, three = ({item.name: item.bytes for item in each.estimate.items} for each in plans)
    # Samples, features of 128 bands, and encoder frames of 1024
    assert one["windows"] == 4 * frames * (1280 + 8 * 128 + 1024)
    assert three["windows"] == 3 * one["windows"]
    assert three["positions"] == one["positions"]
    assert "keys and values" not in one
    with pytest.raises(ValueError, match="right_context is 10001"):
        plan(UNIFIED, mode="streaming", right_context=10_001)


def test_offline_memory_grows_up_to_one_pass() -> None:
    """Longer recordings are windows, at most one on each thread."""

    def total(seconds: float, threads: int) -> int:
        return plan("parakeet-tdt-0.6b-v2", seconds=seconds, threads=threads).total

    totals = [total(seconds, threads=2) for seconds in (10, 20, 30, 45, ONE_PASS_SECONDS)]
    assert totals == sorted(set(totals))
    assert total(300, threads=2) == total(36_000, threads=2)
    several = [total(3600, threads) for threads in (1, 2, 4)]
    assert several == sorted(set(several))


@pytest.mark.parametrize("streaming", (False, True))
@pytest.mark.parametrize("type", ("f32", "q8_0"))
def test_windows_are_reckoned_with_at_least_what_is_planned(streaming, type, tmp_path) -> None:
    path = demo_sized(streaming).write(tmp_path / "model.gguf", type)
    model = parrotlet.load(path, threads=1)
    context = model._config.context(None)
    for seconds in (10, 30, 60):
        items = plan(path, seconds=seconds, threads=1).estimate.items
        window = sum(i.bytes for i in items if i.group in ("input", "activations"))
        window -= next(i.bytes for i in items if i.name == "recording")
        reckoned = model._memory.bytes(seconds * model.sample_rate, context)
        assert window <= reckoned <= 1.1 * window + 20_000_000


def test_positions_of_long_recordings_are_not_kept() -> None:
    def caches(preset: str) -> int:
        return plan(preset, type="f32", seconds=60).estimate.group("caches")

    assert 0 < caches("parakeet-tdt-0.6b-v2") < _core.sizes.MOST_POSITION_BYTES
    assert caches("parakeet-tdt-1.1b") == 0


@pytest.mark.parametrize("mode", ("offline", "streaming"))
def test_batch_and_threads(mode) -> None:
    def group(name: str, **settings: int) -> int:
        return plan(STREAMING, mode=mode, **{"threads": 1, **settings}).estimate.group(name)

    assert group("weights", batch=4) == group("weights")
    assert group("input", batch=4) == 4 * group("input")
    assert group("activations", batch=4) > group("activations")
    assert group("activations", threads=8) > group("activations")
    assert group("caches", threads=8) == group("caches")


def test_types_of_estimates() -> None:
    report = plan("parakeet-tdt-0.6b-v2", threads=2)
    order = ("f32", "f16", "q8_0", "q4_k")
    totals = [report.estimates[type].total for type in order]
    assert totals == sorted(totals, reverse=True)
    assert set(report.estimates) == set(_core.types())
    assert report.total == report.estimates["q8_0"].total
    assert plan("parakeet-tdt-0.6b-v2", type="fp32", threads=2).total == totals[0]


def test_type_that_does_not_run_here() -> None:
    with pytest.raises(ValueError, match="type is 'int8'; this runtime has f32"):
        plan("parakeet-tdt-0.6b-v2", type="int8")


def test_model_that_cannot_stream() -> None:
    with pytest.raises(UnsupportedModelError, match="not trained for streaming"):
        plan("parakeet-tdt-0.6b-v2", mode="streaming")


def test_right_context_the_model_has_not() -> None:
    with pytest.raises(ValueError, match="right_context is 5; the model has 13, 6, 1, 0"):
        plan(STREAMING, mode="streaming", right_context=5)


def test_demo() -> None:
    report = plan("demo")
    assert report.type == "file"
    assert report.bytes["file"] == report.bytes["q8_0"]


@pytest.fixture
def config_file(data_dir: Path, tmp_path: Path) -> Callable[[Callable[[dict], object]], Path]:
    """`config_file(change)`: a model_config.yaml in which `change` has changed something."""

    def write(change: Callable[[dict], object]) -> Path:
        with open_archive(data_dir / "parakeet-tdt-0.6b-v2" / "model.nemo", tmp_path) as archive:
            values = yaml.safe_load(archive.config)
        change(values)
        path = tmp_path / "model_config.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.mark.parametrize("key", ("d_model", "n_layers"))
def test_missing_key_is_named(key, config_file) -> None:
    path = config_file(lambda values: values["encoder"].pop(key))
    with pytest.raises(CheckpointError, match=rf"{path.name}: .*encoder\.{key}"):
        plan(path)


def test_missing_size_of_the_vocabulary_is_named(config_file) -> None:
    def change(values: dict) -> None:
        values["decoder"].pop("vocab_size")
        for key in ("num_classes", "vocabulary"):
            values["joint"].pop(key, None)

    with pytest.raises(CheckpointError, match=r"no value for 'joint\.num_classes'"):
        plan(config_file(change))


def test_one_pass_within_a_window_is_linear_in_the_audio() -> None:
    """An hour at full size takes less than 1.6 GB, and what is kept afterwards does not grow."""
    minutes = (20, 40, 60)
    short, middle, long = (
        plan("parakeet-tdt-0.6b-v2", type="q8_0", seconds=60 * n, threads=2, attention_window=256)
        for n in minutes
    )
    assert long.total - middle.total == pytest.approx(middle.total - short.total, rel=0.01)
    assert long.total < 1.6e9
    positions = [report.estimate.group("caches") for report in (short, middle, long)]
    assert positions[0] == positions[2] < 30e6


@pytest.mark.parametrize("model", (STREAMING, UNIFIED, "lmu-demo"))
def test_models_without_a_choice_of_window(model) -> None:
    with pytest.raises(UnsupportedModelError, match="leave attention_window out"):
        plan(model, attention_window=64)


def test_a_window_is_for_recordings() -> None:
    with pytest.raises(ValueError, match="attention_window is for recordings"):
        plan(STREAMING, attention_window=64, mode="streaming")
    with pytest.raises(ValueError, match="attention_window is for recordings"):
        plan(STREAMING, attention_window=64, streams=4)
    with pytest.raises(ValueError, match="attention_window is 0"):
        plan("parakeet-tdt-0.6b-v2", attention_window=0)
