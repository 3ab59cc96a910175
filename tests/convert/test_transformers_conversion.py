"""Directories that `transformers` saved: what is read of them, and what is refused.

`tests/parity/test_transformers.py` compares what comes out with what transformers computes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_files import Reader, metadata
from nemo_files import DATA

from parrotlet._convert import convert
from parrotlet._convert.tokenizer_json import parse_tokenizer
from parrotlet._convert.transformers_model import nemo_name
from parrotlet.architectures.mel import hann_window, mel_filterbank
from parrotlet.errors import CheckpointError, ParrotletError, UnsupportedModelError

MODELS = DATA / "transformers"
# The NeMo checkpoints whose weights those are.
SOURCES = {
    "ParakeetForCTC": "parakeet-ctc-0.6b",
    "ParakeetForRNNT": "parakeet-rnnt-0.6b",
    "ParakeetForTDT": "parakeet-tdt-0.6b-v2",
    "NemotronAsrStreamingForRNNT": "nemotron-speech-streaming-en-0.6b",
    "Nemotron3_5AsrForRNNT": "nemotron-3.5-asr-streaming-0.6b",
}

PROMPTS = ("conformer.prompt.languages", "conformer.prompt.indices")


@pytest.fixture(params=SOURCES)
def name(request) -> str:
    return str(request.param)


@pytest.fixture
def model(tmp_path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(MODELS / "ParakeetForTDT", tmp_path / "model"))


def change(directory: Path, file: str, **values: Any) -> None:
    """Set keys of a JSON file: `a__b` is b in a; None removes it."""
    path = directory / file
    content = json.loads(path.read_text("utf-8"))
    for key, value in values.items():
        *outer, last = key.split("__")
        place = content
        for part in outer:
            place = place[part]
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    path.write_text(json.dumps(content), "utf-8")


def fields(path: Path) -> dict[str, Any]:
    return metadata(Reader(path))


def test_the_file_is_that_of_the_nemo_checkpoint(name, tmp_path):
    """Same keys and tensors, except the predictor's width, rounding, and lost normalisation."""
    theirs = fields(convert(DATA / SOURCES[name] / "model.nemo", tmp_path / "nemo.gguf", "f32"))
    ours = fields(convert(MODELS / name, tmp_path / "hf.gguf", "f32"))
    # The processor writes its languages in another order, and the class has one width.
    told = [dict(zip(*map(f.pop, PROMPTS), strict=True)) for f in (theirs, ours) if PROMPTS[0] in f]
    assert told == told[::-1]
    different = {key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key)}
    charsmap = {"GGUF.kv_count", "tokenizer.ggml.precompiled_charsmap"}
    assert (
        different
        <= {"general.name", "conformer.predictor.hidden", "conformer.joint.hidden"} | charsmap
    )
    assert ours["general.name"] == name
    files = [Reader(tmp_path / f"{kind}.gguf").tensors for kind in ("nemo", "hf")]
    assert [t.name for t in files[0]] == [t.name for t in files[1]]
    for a, b in zip(*files, strict=True):
        if a.data.shape == b.data.shape:
            scale = np.abs(a.data).max()
            assert np.abs(a.data - b.data).max() <= 2.0**-6 * scale + 1e-6  # bfloat16, folded


def test_nothing_of_torch_is_imported(tmp_path):
    code = (
        "import sys, parrotlet\n"
        f"parrotlet.convert({str(MODELS / 'ParakeetForCTC')!r}, 'm.gguf')\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'safetensors')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_the_name_is_that_of_the_directory(model, tmp_path, monkeypatch):
    out = tmp_path / "out.gguf"
    assert fields(convert(model, out))["general.name"] == "model"
    assert fields(convert(model, out, name="other"))["general.name"] == "other"
    monkeypatch.chdir(model)
    assert fields(convert(".", out))["general.name"] == "model"


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_of_the_directory(file, tmp_path):
    path = MODELS / "ParakeetForTDT" / file
    with pytest.raises(CheckpointError, match=f"{file}: .* give the directory .*ParakeetForTDT$"):
        convert(path, tmp_path / "m.gguf")


def test_processors_as_older_versions_wrote_them(model, tmp_path):
    processor = json.loads((model / "processor_config.json").read_text())
    expected = fields(convert(model, tmp_path / "new.gguf"))
    (model / "preprocessor_config.json").write_text(json.dumps(processor.pop("feature_extractor")))
    (model / "processor_config.json").write_text(json.dumps(processor))
    assert fields(convert(model, tmp_path / "old.gguf")) == expected
    (model / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"feature extractor.*processor\.save_pretrained"):
        convert(model, tmp_path / "out.gguf")


def check_refused(model, tmp_path, error, message):
    """One error that begins with the directory, and nothing left beside it."""
    with pytest.raises(error, match=message) as info:
        convert(model, tmp_path / "out.gguf")
    assert str(info.value).startswith(f"{model}: ")
    assert list(tmp_path.iterdir()) == [model]


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("config.json", {"architectures": ["WhisperForConditionalGeneration"]}, "supported are"),
        ("config.json", {"architectures": ["LasrForCTC"]}, "supported are"),
        ("config.json", {"blank_token_id": 0}, "blank that is the last of"),
        ("config.json", {"hidden_act": "gelu"}, "supported are relu"),
        ("config.json", {"encoder_config__hidden_act": "gelu"}, "supported: silu"),
        ("config.json", {"encoder_config__convolution_bias": True}, "supported: False"),
        ("config.json", {"encoder_config__num_key_value_heads": 2}, "supported: 4"),
        ("config.json", {"encoder_config__subsampling_conv_stride": 3}, "supported: 2"),
        ("config.json", {"encoder_config__subsampling_factor": 6}, "supported are 2,"),
        ("processor_config.json", {"feature_extractor__mel_filters_dtype": "bfloat16"}, "float32"),
        (
            "processor_config.json",
            {"feature_extractor__feature_extractor_type": "WhisperFeatureExtractor"},
            "supported: ParakeetFeatureExtractor",
        ),
        ("tokenizer.json", {"model__type": "WordPiece"}, "supported are BPE and Unigram"),
        ("tokenizer.json", {"decoder": {"type": "ByteLevel"}}, "decodes with ByteLevel"),
        ("tokenizer.json", {"decoder": None}, "decodes with None"),
    ],
)
def test_what_is_not_supported(model, tmp_path, file, values, message):
    change(model, file, **values)
    check_refused(model, tmp_path, UnsupportedModelError, message)


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("config.json", {"encoder_config__hidden_size": 63}, "must be even and divide"),
        ("config.json", {"encoder_config__num_hidden_layers": 10**6}, "num_hidden_layers is"),
        (
            "config.json",
            {"encoder_config__num_hidden_layers": 3},
            r"'encoder\.layers\.2\.\S+' is m",
        ),
        ("config.json", {"encoder_config__conv_kernel_size": 8}, "must be odd"),
        ("config.json", {"encoder_config__num_mel_bins": 80}, "makes 128 mel bands"),
        ("config.json", {"encoder_config__intermediate_size": 128}, "has shape"),
        ("config.json", {"decoder_hidden_size": 32}, "has shape"),
        ("config.json", {"durations": [0, -1]}, "durations must be whole numbers"),
        ("config.json", {"durations": [0, 1]}, "has shape"),
        ("config.json", {"vocab_size": 500, "blank_token_id": 499}, "no token 130"),
        ("config.json", {"vocab_size": "many"}, "vocab_size must be a whole number"),
        ("processor_config.json", {"feature_extractor__win_length": 900}, "do not go together"),
        ("tokenizer.json", {"model": None}, "has no model"),
        ("tokenizer.json", {"added_tokens": [{"id": -1, "content": "x"}]}, "index of a token"),
        ("tokenizer.json", {"added_tokens": [3]}, "an added token"),
        ("tokenizer.json", {"model__merges": [["a"]]}, "not a pair"),
    ],
)
def test_what_makes_no_sense(model, tmp_path, file, values, message):
    change(model, file, **values)
    check_refused(model, tmp_path, CheckpointError, message)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "processor_config.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000, b"\xff", b'{"a": NaN}'])
def test_damaged_json(model, tmp_path, file, content):
    (model / file).write_bytes(content)
    with pytest.raises(ParrotletError):
        convert(model, tmp_path / "out.gguf")


@pytest.mark.parametrize("file", ["tokenizer.json", "model.safetensors"])
def test_missing_files(model, tmp_path, file):
    (model / file).unlink()
    with pytest.raises(CheckpointError, match=f"has no {file}"):
        convert(model, tmp_path / "out.gguf")
    (model / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"is a directory without a config\.json"):
        convert(model, tmp_path / "out.gguf")


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ("../model.safetensors", "names '../model.safetensors', which is no file"),
        ("/etc/passwd", "which is no file of the directory"),
        ("model-9.safetensors", r"has no model-9\.safetensors"),
        ([], "has no weight_map"),
    ],
)
def test_an_index_that_points_elsewhere(model, tmp_path, shard, message):
    (model / "model.safetensors").rename(tmp_path / "model.safetensors")
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(CheckpointError, match=message):
        convert(model, tmp_path / "out.gguf")


@pytest.mark.slow
def test_hostile_values_everywhere(model, tmp_path):
    """Every number and text of the small files, replaced by each of these: only our errors."""
    hostile = (None, -1, 0, 2**31, 2**70, 1e300, "", "\ud800", [], {}, [[]], True, "${a}")
    for file in ("config.json", "processor_config.json"):
        original = (model / file).read_text("utf-8")
        for path in _paths(json.loads(original)):
            for value in hostile:
                content = json.loads(original)
                place = content
                for part in path[:-1]:
                    place = place[part]
                place[path[-1]] = value
                (model / file).write_text(json.dumps(content), "utf-8")
                try:
                    convert(model, tmp_path / "out.gguf", "q4_0")
                except ParrotletError:
                    assert not (tmp_path / "out.gguf").exists()
                else:
                    (tmp_path / "out.gguf").unlink()
        (model / file).write_text(original, "utf-8")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Places in nested dicts."""
    if not isinstance(value, dict):
        return [path]
    found = [path] if path else []
    return found + [p for key, inner in value.items() for p in _paths(inner, (*path, key))]


# The vocabulary -----------------------------------------------------------------------------

METASPACE = {"type": "Metaspace", "replacement": "\u2581"}


def unigram(**changes: Any) -> dict[str, Any]:
    vocab = [["<unk>", 0.0], ["\u2581a", -1.5], ["<0x41>", -9], ["b", -2.0]]
    model = {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": True, **changes}
    added = [
        {"id": 3, "content": "b", "special": False},
        {"id": 4, "content": "<s>", "special": True},
        {"id": 5, "content": "<pad>", "special": True},
    ]
    return {"model": model, "decoder": METASPACE, "added_tokens": added}


def test_unigram():
    tokenizer = parse_tokenizer(unigram(), 5)
    assert tokenizer.model == "spm"
    assert tokenizer.tokens == ("<unk>", "\u2581a", "<0x41>", "b", "<s>")
    assert tokenizer.scores == (0.0, -1.5, -9.0, -2.0, 0.0)
    assert tokenizer.types == (2, 1, 6, 4, 3)
    assert parse_tokenizer(unigram(byte_fallback=False), 5).types == (2, 1, 1, 4, 3)


def test_bpe_scores_are_the_order_of_merges_then_of_characters():
    model = {
        "type": "BPE",
        "unk_token": "<unk>",
        "vocab": {"<unk>": 0, "ab": 1, "abc": 2, "a": 3, "b": 4, "c": 5},
        "merges": ["a b", ["ab", "c"]],
    }
    steps = [{"type": "Replace"}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip"}]
    tokenizer = parse_tokenizer(
        {"model": model, "decoder": {"type": "Sequence", "decoders": steps}}, 6
    )
    assert tokenizer.tokens == ("<unk>", "ab", "abc", "a", "b", "c")
    assert tokenizer.scores == (0.0, 0.0, -1.0, -2.0, -3.0, -4.0)
    assert tokenizer.types == (2, 1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    "vocab", [[["a", float("nan")]], [["a", 10**400]], [["a"]], [[1, 2]], [["\ud800", 0.0]], [3]]
)
def test_vocabularies_that_make_no_sense(vocab):
    with pytest.raises(CheckpointError):
        parse_tokenizer(unigram(vocab=vocab), 1)


# Names and tables ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("encoder.subsampling.layers.0.weight", "encoder.pre_encode.conv.0.weight"),
        ("encoder.subsampling.layers.6.bias", "encoder.pre_encode.conv.6.bias"),
        ("encoder.subsampling.conv_in.weight", "encoder.pre_encode.conv.0.weight"),
        ("encoder.subsampling.layers.0.depthwise_conv.bias", "encoder.pre_encode.conv.2.bias"),
        ("encoder.subsampling.layers.1.pointwise_conv.bias", "encoder.pre_encode.conv.6.bias"),
        ("encoder.layers.7.self_attn.o_proj.bias", "encoder.layers.7.self_attn.linear_out.bias"),
        ("encoder.layers.7.self_attn.bias_u", "encoder.layers.7.self_attn.pos_bias_u"),
        ("encoder.layers.7.conv.norm.running_var", "encoder.layers.7.conv.batch_norm.running_var"),
        ("encoder.layers.7.norm_conv.bias", "encoder.layers.7.norm_conv.bias"),
        ("joint.head.weight", "joint.joint_net.2.weight"),
        ("something.else", "something.else"),
    ],
)
def test_names(theirs, ours):
    assert nemo_name(theirs) == ours


def test_the_frontend_is_what_nemo_stores(converted: Callable[[str, str], Path]):
    for arch, bands in (("parakeet-ctc-0.6b", 80), ("parakeet-tdt-0.6b-v2", 128)):
        tensors = {t.name: t.data for t in Reader(converted(arch, "f32")).tensors}
        bank = tensors["preprocessor.featurizer.fb"]
        assert np.abs(mel_filterbank(16000, 512, bands) - bank).max() < 1e-8
        window = tensors["preprocessor.featurizer.window"]
        assert np.abs(hann_window(400) - window).max() < 1e-6
