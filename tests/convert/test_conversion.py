"""Whole conversions: every fixture at every type, read back with the `gguf` package."""

from __future__ import annotations

import dataclasses
import io
import math
import re
import subprocess
import sys
import tarfile

import gguf
import numpy as np
import pytest
import yaml
from gguf_files import Reader, metadata
from nemo_files import ARCHITECTURES, DATA, Nemo, gzipped, write_checkpoint
from sentencepiece_models import checkpoint_model

from parrotlet import _core
from parrotlet._convert import convert
from parrotlet.architectures.conformer.nemo_config import model_config
from parrotlet.architectures.conformer.tensors import conformer

TYPES = _core.types()
TYPE_NUMBERS = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 8, "q4_k": 12, "q5_k": 13, "q6_k": 14}
FEW_BITS = ("q4_0", "q4_k", "q5_k", "q6_k")

# Names that keep their type whatever is asked for
STAYS_F32 = re.compile(
    r".*(bias|bias_l\d|pos_bias_[uv]|featurizer\.\w+|norm\w*\.weight|depthwise_conv\.weight)"
)


def values(tensor) -> np.ndarray:
    data = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return data.reshape([int(n) for n in reversed(tensor.shape)])


def expected_tensors(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What docs/format.md says becomes of a state dict, computed tensor by tensor in float64."""
    out = {}
    for name, value in state.items():
        value = value.astype(np.float64)
        if ".depthwise_conv." in name or ".batch_norm." in name or ".bias_ih_" in name:
            continue
        if ".bias_hh_" in name:
            out[name.replace("_hh", "")] = value + state[name.replace("_hh", "_ih")]
        elif name.startswith(("decoder.decoder_layers.", "ctc_decoder.")):
            out[name.replace("ctc_decoder", "decoder").replace("decoder", "ctc_decoder", 1)] = value
        else:
            out[name] = value
    for name in state:
        if name.endswith("depthwise_conv.weight"):
            out.update(_convolution(name.removesuffix("depthwise_conv.weight"), state))
    if "prompt_kernel.0.weight" in state:
        d, bias = len(out["prompt_kernel.2.weight"]), out.pop("prompt_kernel.0.bias")
        weight = out["prompt_kernel.0.weight"]
        out["prompt_kernel.0.prompt_bias"] = weight[:, d:].T + bias
        out["prompt_kernel.0.weight"] = weight[:, :d]
    return {name: _reshaped(name, value) for name, value in out.items()}


def _convolution(prefix: str, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    conv, norm = f"{prefix}depthwise_conv.", f"{prefix}batch_norm."
    weight = state[f"{conv}weight"].astype(np.float64)
    bias = state.get(f"{conv}bias", np.zeros(len(weight))).astype(np.float64)
    parts = {k: state[f"{norm}{k}"].astype(np.float64) for k in ("weight", "bias")}
    if f"{norm}running_var" not in state:
        out = {f"{norm}{k}": v for k, v in parts.items()} | {f"{conv}weight": weight}
        return out | ({f"{conv}bias": bias} if f"{conv}bias" in state else {})
    deviation = np.sqrt(state[f"{norm}running_var"].astype(np.float64) + 1e-5)
    scale = parts["weight"] / deviation
    return {
        f"{conv}weight": weight * scale[:, None, None],
        f"{conv}bias": (bias - state[f"{norm}running_mean"]) * scale + parts["bias"],
    }


def _reshaped(name: str, value: np.ndarray) -> np.ndarray:
    if name == "preprocessor.featurizer.fb":
        return value[0]
    if name.startswith("joint.blank_pred."):
        return value.reshape(-1)
    if value.ndim == 4:  # [out, in, 3, 3] or [out, in, 1, 1]
        return value.reshape(len(value), -1)
    if value.ndim == 3:  # [out, in, 1] or [channels, 1, taps]
        return value.reshape(len(value), -1)
    return value


def stored_type(name: str, columns: int, type: str) -> str:
    """The type of a matrix as docs/format.md has it."""
    if type in FEW_BITS and not name.startswith("encoder.layers."):
        type = "q8_0"
    if type.endswith("_k") and columns % 256:
        type = "q8_0"
    return "f16" if type.startswith("q") and columns % 32 else type


def assert_close(got: np.ndarray, want: np.ndarray, type: str) -> None:
    """f32 and f16 are exact roundings; a q8_0 value is within half a step of its block. The others
    are what the encoders make of it, which have tests of their own."""
    if type in FEW_BITS:
        columns = want.shape[-1]
        want = _core.dequantize(_core.quantize(want.reshape(-1, columns), type), type, columns)
        np.testing.assert_array_equal(got, want.reshape(got.shape))
        return
    if type == "q8_0":
        blocks = want.reshape(-1, 32)
        step = np.abs(blocks).max(1, keepdims=True) / 127
        assert (np.abs(got.reshape(-1, 32) - blocks) <= step * (0.5 + 127 * 2.0**-11)).all()
    else:
        np.testing.assert_array_equal(got, want.astype({"f32": "<f4", "f16": "<f2"}[type]))


def test_there_are_fixtures():
    assert len(ARCHITECTURES) == 25


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_tensor_of_every_architecture(name, type, tmp_path):
    source = DATA / name / "model.nemo"
    reader = Reader(convert(source, tmp_path / "m.gguf", type))
    state = {k: v for k, v in Nemo.read(source).state.items() if "num_batches_tracked" not in k}
    expected = expected_tensors(state)
    assert {t.name for t in reader.tensors} == set(expected)
    for tensor in reader.tensors:
        want, got = expected[tensor.name], values(tensor)
        assert got.shape == want.shape, tensor.name
        kernel = re.match(r"encoder\.(pre_encode|.*\.reduction_enc)\.conv\.", tensor.name)
        small = kernel and want.shape[0] != want.shape[-1]
        if STAYS_F32.fullmatch(tensor.name) or small or want.ndim == 1:
            assert tensor.tensor_type == TYPE_NUMBERS["f32"], tensor.name
            np.testing.assert_allclose(got, want, rtol=2e-7, atol=1e-12, err_msg=tensor.name)
            continue
        stored = stored_type(tensor.name, want.shape[-1], type)
        assert tensor.tensor_type == TYPE_NUMBERS[stored], tensor.name
        assert_close(got, want.astype(np.float32), stored)


@pytest.mark.parametrize("type", TYPES)
def test_our_reader_gives_what_the_gguf_package_gives(type, tmp_path):
    out = convert(DATA / "parakeet-tdt-0.6b-v2" / "model.nemo", tmp_path / "m.gguf", type)
    ours, theirs = _core.GgufFile(str(out)), Reader(out)
    assert [t.name for t in ours.tensors] == [t.name for t in theirs.tensors]
    for tensor in theirs.tensors:
        np.testing.assert_array_equal(ours.tensor(tensor.name), values(tensor))
    assert ours.metadata == {
        key: value for key, value in metadata(theirs).items() if not key.startswith("GGUF.")
    }


def test_rows_that_do_not_divide_into_blocks_fall_back(tmp_path):
    path = convert(DATA / "parakeet-tdt-0.6b-v2" / "model.nemo", tmp_path / "m.gguf", "q4_k")
    types = {t.name: t.tensor_type.name for t in Reader(path).tensors}
    layer = "encoder.layers.0."
    assert types[f"{layer}feed_forward1.linear2.weight"] == "Q4_K"  # rows of 256
    assert types[f"{layer}feed_forward1.linear1.weight"] == "Q8_0"  # rows of 64
    assert types["joint.pred.weight"] == "F16"  # rows of 48


def test_only_the_blocks_of_the_encoder_take_few_bits(tmp_path):
    path = convert(DATA / "parakeet-tdt-0.6b-v2" / "model.nemo", tmp_path / "m.gguf", "q4_0")
    types = {t.name: t.tensor_type.name for t in Reader(path).tensors}
    assert types["encoder.layers.1.conv.pointwise_conv1.weight"] == "Q4_0"
    assert types["encoder.pre_encode.out.weight"] == "Q8_0"
    assert types["joint.enc.weight"] == "Q8_0"


METADATA_OF_A_HYBRID = {
    "general.architecture": "conformer",
    "general.name": "model",
    "general.quantization_version": 2,
    "general.file_type": 7,
    "conformer.format_version": 1,
    "conformer.nemo_class": "EncDecHybridRNNTCTCBPEModel",
    "conformer.features.sample_rate": 16000,
    "conformer.features.n_fft": 512,
    "conformer.features.window_length": 400,
    "conformer.features.hop_length": 160,
    "conformer.features.mel_bands": 80,
    "conformer.features.preemphasis": float(np.float32(0.97)),
    "conformer.features.log_zero_guard": 2.0**-24,
    "conformer.features.mag_power": 2.0,
    "conformer.features.normalize": "none",
    "conformer.block_count": 2,
    "conformer.embedding_length": 64,
    "conformer.feed_forward_length": 256,
    "conformer.attention.head_count": 4,
    "conformer.attention.style": "chunked_limited",
    "conformer.attention.contexts": [14, 13, 14, 6, 14, 1, 14, 0],
    "conformer.xscaling": True,
    "conformer.conv.kernel_size": 9,
    "conformer.conv.context": [8, 0],
    "conformer.conv.norm": "layer_norm",
    "conformer.subsampling.type": "dw_striding",
    "conformer.subsampling.factor": 8,
    "conformer.subsampling.channels": 16,
    "conformer.subsampling.causal": True,
    "conformer.heads": ["rnnt", "ctc"],
    "conformer.vocab_size": 128,
    "conformer.predictor.type": "lstm",
    "conformer.predictor.hidden": 48,
    "conformer.predictor.layers": 1,
    "conformer.joint.type": "rnnt",
    "conformer.joint.hidden": 64,
    "conformer.joint.activation": "relu",
    "conformer.transducer.max_symbols": 10,
    "tokenizer.ggml.model": "spm",
    "tokenizer.ggml.algorithm": "bpe",
    "tokenizer.ggml.add_space_prefix": True,
    "tokenizer.ggml.remove_extra_whitespaces": True,
    "tokenizer.ggml.escape_whitespaces": True,
    "tokenizer.ggml.whitespace_as_suffix": False,
}


def test_the_metadata_of_a_hybrid(tmp_path):
    name = "stt_en_fastconformer_hybrid_large_streaming_multi"
    path = convert(DATA / name / "model.nemo", tmp_path / "m.gguf", "q8_0")
    found = metadata(Reader(path))
    tokens = found.pop("tokenizer.ggml.tokens")
    scores = found.pop("tokenizer.ggml.scores")
    kinds = found.pop("tokenizer.ggml.token_type")
    charsmap = found.pop("tokenizer.ggml.precompiled_charsmap")
    assert (len(tokens), len(scores), len(kinds)) == (128, 128, 128)
    assert tokens[:3] == ["<unk>", "▁t", "▁a"]
    assert kinds[:3] == [2, 1, 1]
    size = len(charsmap)  # three bytes of seven bits in the protocol buffer, as field 2
    tag = bytes([2 << 3 | 2, size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
    assert tag + charsmap in checkpoint_model(name)
    ours = {k: v for k, v in found.items() if not k.startswith("GGUF.")}
    assert ours == METADATA_OF_A_HYBRID


def test_the_metadata_of_other_heads(tmp_path):
    tdt = metadata(
        Reader(convert(DATA / "parakeet-tdt-1.1b" / "model.nemo", tmp_path / "t.gguf", "f32"))
    )
    assert tdt["conformer.heads"] == ["tdt"]
    assert tdt["conformer.tdt.durations"] == [0, 1, 2, 3, 4]
    assert tdt["conformer.conv.norm"] == "folded"
    assert tdt["general.file_type"] == 0
    ctc = metadata(
        Reader(convert(DATA / "conformer-ctc-char" / "model.nemo", tmp_path / "c.gguf", "f16"))
    )
    assert ctc["conformer.heads"] == ["ctc"]
    assert ctc["tokenizer.ggml.model"] == "char"
    assert ctc["tokenizer.ggml.tokens"][:3] == [" ", "a", "b"]
    assert ctc["conformer.conv.context"] == [15, 15]
    assert ctc["conformer.attention.contexts"] == [-1, -1]
    assert not any(key.startswith(("conformer.joint", "conformer.predictor")) for key in ctc)


def test_every_key_and_tensor_is_documented(tmp_path):
    page = (DATA.parents[1] / "docs" / "format.md").read_text(encoding="utf-8")
    for name in ARCHITECTURES:
        reader = Reader(convert(DATA / name / "model.nemo", tmp_path / "m.gguf"))
        keys = [key for key in metadata(reader) if not key.startswith("GGUF.")]
        # The settings of several languages are those of one, and are documented once.
        keys = [re.sub(r"\.language\.\d+", "", key) for key in keys]
        tensors = [re.sub(r"(layers\.|embeds\.|_l)\d+", r"\1{i}", t.name) for t in reader.tensors]
        tensors = [re.sub(r"_enc(ode)?\.conv\.\d+", r"_enc\1.conv.{n}", t) for t in tensors]
        tensors = [t.replace("decoder_layers.{i}", "decoder_layers.0") for t in tensors]
        for item in keys + tensors:
            assert f"`{item}`" in page, item


def test_every_key_of_other_families_is_documented(converted):
    """Those of the frontend are documented once, with the prefix of the first family."""
    page = (DATA.parents[1] / "docs" / "format.md").read_text(encoding="utf-8")
    for path in sorted(DATA.glob("*/*/*")):
        if path.name in ("model.nemo", "checkpoint.pt"):
            file = _core.GgufFile(str(converted(f"{path.parts[-3]}/{path.parts[-2]}", "f32")))
            prefix = f"{file.metadata['general.architecture']}.features."
            for key in file.metadata:
                assert f"`{key.replace(prefix, 'conformer.features.')}`" in page, key


def test_the_same_file_whatever_the_packing(tmp_path):
    nemo = Nemo.read(DATA / "parakeet-tdt_ctc-110m" / "model.nemo")
    plain = convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "a.gguf").read_bytes()
    packed = nemo.write(tmp_path / "m.nemo", gzipped)
    assert convert(str(packed), str(tmp_path / "b.gguf")).read_bytes() == plain
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gguf", "b.gguf", "m.nemo"]


def test_half_precision_checkpoints(tmp_path):
    nemo = Nemo.read(DATA / "parakeet-ctc-0.6b" / "model.nemo")
    nemo.state = {
        k: v if v.dtype.kind == "i" else v.astype(np.float16) for k, v in nemo.state.items()
    }
    reader = Reader(convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "m.gguf", "f16"))
    head = next(t for t in reader.tensors if t.name == "ctc_decoder.decoder_layers.0.weight")
    np.testing.assert_array_equal(head.data, nemo.state["decoder.decoder_layers.0.weight"][..., 0])


def test_a_joint_without_dropout_keeps_its_name_in_the_file(tmp_path):
    nemo = Nemo.read(DATA / "parakeet-rnnt-0.6b" / "model.nemo")
    nemo.config["joint"]["jointnet"]["dropout"] = 0.0
    for part in ("weight", "bias"):
        nemo.state[f"joint.joint_net.1.{part}"] = nemo.state.pop(f"joint.joint_net.2.{part}")
    reader = Reader(convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "m.gguf", "f32"))
    output = next(t for t in reader.tensors if t.name == "joint.joint_net.2.weight")
    np.testing.assert_array_equal(values(output), nemo.state["joint.joint_net.1.weight"])


def test_a_fused_batch_norm_is_folded(tmp_path):
    nemo = Nemo.read(DATA / "parakeet-ctc-0.6b" / "model.nemo")
    nemo.config["encoder"]["conv_norm_type"] = "fused_batch_norm"
    nemo.state = {
        k: v for k, v in nemo.state.items() if "running" not in k and "batches_tracked" not in k
    }
    reader = Reader(convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "m.gguf", "f32"))
    conv = "encoder.layers.0.conv."
    found = {t.name: values(t) for t in reader.tensors if t.name.startswith(conv)}
    scale, shift = (nemo.state[f"{conv}batch_norm.{k}"] for k in ("weight", "bias"))
    weight, bias = (nemo.state[f"{conv}depthwise_conv.{k}"] for k in ("weight", "bias"))
    np.testing.assert_allclose(
        found[f"{conv}depthwise_conv.weight"], weight[:, 0] * scale[:, None], rtol=1e-6
    )
    np.testing.assert_allclose(
        found[f"{conv}depthwise_conv.bias"], bias * scale + shift, rtol=1e-5, atol=1e-6
    )


def test_progress_counts_the_bytes_of_the_tensors(tmp_path):
    calls = []
    out = convert(
        DATA / "conformer-ctc-char" / "model.nemo",
        tmp_path / "m.gguf",
        progress=lambda *call: calls.append(call),
    )
    sizes = [int(t.n_bytes) for t in Reader(out).tensors]
    assert [done for done, _, _ in calls] == [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    assert {total for _, total, _ in calls} == {sum(sizes)}
    assert [name for _, _, name in calls] == [t.name for t in Reader(out).tensors] + [""]


def test_unicode_paths(tmp_path):
    nemo = Nemo.read(DATA / "conformer-ctc-char" / "model.nemo")
    source = nemo.write(tmp_path / "Öl ümlaut 鸚鵡.nemo")
    out = convert(source, tmp_path / "鸚鵡 é.gguf")
    assert metadata(Reader(out))["general.name"] == "Öl ümlaut 鸚鵡"


# Memory -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("type", ["f32", "f16", "q4_0"])
def test_peak_memory_stays_far_below_the_checkpoint(type, tmp_path):
    """0.25 S + 200 MB for a checkpoint of S bytes; here S is 400 MB."""
    source = _wide(tmp_path / "wide.nemo")
    size = source.stat().st_size
    assert size > 400e6
    # Not ru_maxrss: a child inherits its parent's.
    code = (
        "import pathlib, sys\n"
        "from parrotlet._convert import convert\n"
        "convert(sys.argv[1], sys.argv[2], sys.argv[3])\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(status.partition('VmHWM:')[2].split()[0])\n"
    )
    command = [sys.executable, "-c", code, str(source), str(tmp_path / "out.gguf"), type]
    peak = 1024 * int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 10e6 < peak < 0.25 * size + 200e6


def _wide(path):
    """The CTC fixture's architecture with layers of realistic width, in float32, on disk."""
    nemo = Nemo.read(DATA / "parakeet-ctc-0.6b" / "model.nemo")
    nemo.config["encoder"].update(d_model=1024, n_layers=4)
    nemo.config["decoder"]["feat_in"] = 1024
    config = model_config(yaml.safe_load(yaml.safe_dump(nemo.config)))
    sizes = dataclasses.replace(config.sizes, vocab=128)
    row = np.random.default_rng(0).random(2**22, np.float32)
    shapes = {name: shape for t in conformer(sizes) for name, shape in t.sources}
    weights = path.with_name("model_weights.ckpt")
    write_checkpoint(weights, {n: row[: math.prod(s)].reshape(s) for n, s in shapes.items()})
    nemo.state = {}
    small = {name: data for name, data in nemo.members().items() if "ckpt" not in name}
    with tarfile.open(path, "w") as archive:
        for name, data in small.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        archive.add(weights, weights.name)
    weights.unlink()
    return path


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: name.replace("encoder.", "encoder._orig_mod.", 1),
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module.{name}",
        lambda name: f"model.{name}",
    ],
    ids=["compiled encoder", "compiled", "DDP", "Lightning"],
)
def test_names_of_wrapped_models(tmp_path, wrap):
    path = DATA / "parakeet-ctc-0.6b" / "model.nemo"
    nemo = Nemo.read(path)
    nemo.state = {wrap(name): value for name, value in nemo.state.items()}
    source = nemo.write(tmp_path / "model.nemo")
    found = convert(source, tmp_path / "found.gguf", type="f32")
    want = convert(path, tmp_path / "want.gguf", type="f32")
    assert found.read_bytes() == want.read_bytes()
