"""Counting multiply-adds: against sums over the tensors of a file, and loops over frames."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import parrotlet
from parrotlet import _core
from parrotlet.architectures.conformer.published import PRESETS
from parrotlet.architectures.work import REST, STAGES, Pass, Steps
from parrotlet.bench.measure import count_work
from parrotlet.errors import UnsupportedModelError

Converted = Callable[[str, str], Path]

SAMPLES = 52_345
STEPS = Steps(joint=57, predictor=19)

# architecture, decoder, context
CASES = [
    ("parakeet-tdt-0.6b-v2", "tdt", (-1, -1)),
    ("parakeet-tdt_ctc-110m", "ctc", (-1, -1)),
    ("stt_en_fastconformer_hybrid_large_streaming_multi", "rnnt", (70, 6)),
    ("stt_en_conformer_ctc_small", "ctc", (-1, -1)),
    ("stt_en_conformer_transducer_small", "rnnt", (-1, -1)),
]


def sees(query: int, key: int, context: tuple[int, int], chunked: bool) -> bool:
    """Whether NeMo's mask lets a query see a key."""
    left, right = context
    if chunked and right >= 0:
        back = query // (right + 1) - key // (right + 1)
        return back >= 0 and (left < 0 or back <= left // (right + 1))
    return (left < 0 or query - key <= left) and (right < 0 or key - query <= right)


@pytest.mark.parametrize("frames", [1, 2, 7, 40])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("context", [(-1, -1), (3, 2), (0, 0), (6, 1), (-1, 3), (5, -1), (70, 13)])
def test_visible_pairs(frames, chunked, context) -> None:
    preset = "nemotron-speech-streaming-en-0.6b" if chunked else "parakeet-ctc-0.6b"
    encoder = PRESETS[preset].encoder
    assert encoder.chunked == chunked
    pairs = sum(sees(q, k, context, chunked) for q in range(frames) for k in range(frames))
    assert encoder.visible_pairs(context, frames) == pairs


def times_used(name: str, model: parrotlet.Model, decoder: str) -> tuple[str, int]:
    """The stage of a matrix and how many vectors it is multiplied with: 0 if it is not."""
    features = model.features([0.1] * SAMPLES)
    encoded = len(model.encode(features))
    if "featurizer.fb" in name:
        return "mel", len(features)
    if name.startswith("encoder.pre_encode.out"):
        return "subsampling", encoded
    if name.startswith("encoder.layers."):
        part = name.split(".")[3]
        if "linear_pos" in name or "pos_bias" in name or "norm" in name:
            return "attention", 0
        stage = {"self_attn": "attention", "conv": "convolution"}.get(part, "feed_forward")
        return stage, encoded
    if name.startswith("ctc_decoder"):
        return "decoding", encoded if decoder == "ctc" else 0
    if decoder != "ctc" and name.startswith("joint."):
        uses = {"enc": encoded, "pred": STEPS.predictor + 1, "joint_net": STEPS.joint}
        return "decoding", uses[name.split(".")[1]]
    if decoder != "ctc" and ".lstm.weight" in name:
        return "decoding", STEPS.predictor + 1
    return "decoding", 0


@pytest.mark.parametrize("kind", ["f32", "q8_0"])
@pytest.mark.parametrize(("architecture", "decoder", "context"), CASES)
def test_count(architecture, decoder, context, kind, converted: Converted) -> None:
    path = converted(architecture, kind)
    model, file = parrotlet.load(path, threads=1), _core.GgufFile(str(path))
    found = count_work(file, Pass(SAMPLES, context, decoder, STEPS))

    expected: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
    for tensor in file.tensors:
        if len(tensor.shape) == 2:
            stage, uses = times_used(tensor.name, model, decoder)
            expected[stage][tensor.type] += uses * math.prod(tensor.shape)
    setting = {key.removeprefix("conformer."): value for key, value in file.metadata.items()}
    frames, bins = SAMPLES // setting["features.hop_length"], setting["features.n_fft"] // 2 + 1
    expected["mel"]["f32"] += frames * 2 * bins * setting["features.window_length"]

    # Every output pixel of a stage sees all of a kernel, and its neighbours' pixels are two apart.
    mels, causal = setting["features.mel_bands"], setting["subsampling.causal"]
    kernels = [t for t in file.tensors if ".pre_encode.conv." in t.name and len(t.shape) == 2]
    for tensor in sorted(kernels, key=lambda tensor: int(tensor.name.split(".")[3])):
        if tensor.shape[0] != tensor.shape[1]:  # not a pointwise convolution after a depthwise
            frames, mels = ((n + (3 if causal else 2) - 1) // 2 for n in (frames, mels))
        expected["subsampling"][tensor.type] += frames * mels * math.prod(tensor.shape)
    encoded = frames
    assert encoded == len(model.encode(model.features([0.1] * SAMPLES)))

    chunked = setting["attention.style"] == "chunked_limited"
    pairs = sum(sees(q, k, context, chunked) for q in range(encoded) for k in range(encoded))
    heads, width = setting["attention.head_count"], setting["embedding_length"]
    per_head = 3 * pairs * (width // heads)  # with the key, with the position, of the value
    products = "q8_0" if kind == "q8_0" and not chunked else "f32"
    expected["attention"][products] += setting["block_count"] * heads * per_head

    assert {stage: +work for stage, work in found.items()} == {
        stage: +work for stage, work in expected.items()
    }


def test_count_with_a_reduction(converted: Converted) -> None:
    """Blocks after it have half of the frames."""
    path = converted("fastconformer-striding-reduction", "f32")
    model, file = parrotlet.load(path, threads=1), _core.GgufFile(str(path))
    found = count_work(file, Pass(SAMPLES, (-1, -1), "ctc", Steps()))
    entered = -(-(SAMPLES // 160) // 4)
    left = -(-entered // 2)
    assert left == len(model.encode(model.features([0.1] * SAMPLES)))
    shapes = {tensor.name: math.prod(tensor.shape) for tensor in file.tensors}

    def matrices(of: str, block: int) -> int:
        first = f"encoder.layers.{block}.{of}"
        return sum(
            size
            for name, size in shapes.items()
            if name.startswith(first) and name.endswith("weight") and "linear_pos" not in name
        )

    def in_blocks(of: str) -> int:
        return entered * matrices(of, 0) + left * matrices(of, 1)

    pairs = 3 * 32 * (entered**2 + left**2)
    assert found["feed_forward"].total() == in_blocks("feed_forward")
    assert found["convolution"].total() == in_blocks("conv.")
    assert found["attention"].total() == in_blocks("self_attn.linear") + pairs
    assert found["decoding"].total() == left * shapes["ctc_decoder.decoder_layers.0.weight"]
    reduction = "encoder.reduction_subsampling.reduction_enc."
    pixels = left * 16  # 32 values a frame are halved as well
    reduced = pixels * shapes[f"{reduction}conv.0.weight"] + left * shapes[f"{reduction}out.weight"]
    subsampled = entered * shapes["encoder.pre_encode.out.weight"]
    frames, bins = -(-(SAMPLES // 160) // 2), 40
    subsampled += frames * bins * shapes["encoder.pre_encode.conv.0.weight"]
    each = shapes["encoder.pre_encode.conv.2.weight"] + shapes["encoder.pre_encode.conv.3.weight"]
    assert found["subsampling"].total() == subsampled + entered * 20 * each + reduced


# An LMU model's kind and the matrices that a frame is multiplied with in each of its stages
LMU_KINDS = ("recurrent", "recurrent-live", "fft", "fft-attention", "attention")


@pytest.mark.parametrize("kind", ["f32", "q8_0"])
@pytest.mark.parametrize("variant", LMU_KINDS)
def test_count_of_an_lmu_model(variant, kind, converted: Converted) -> None:
    path = converted(f"lmu/{variant}", kind)
    model, file = parrotlet.load(path, threads=1), _core.GgufFile(str(path))
    found = count_work(file, Pass(SAMPLES, (-1, -1), "ctc", Steps()))
    frames = len(model.encode(model.features([0.1] * SAMPLES)))

    expected: dict[str, Counter[str]] = {stage: Counter() for stage in ("mel", "attention", REST)}
    expected["decoding"] = Counter()
    for tensor in file.tensors:
        if len(tensor.shape) != 2:
            continue
        stage = REST
        if "featurizer.fb" in tensor.name:
            stage = "mel"
        elif tensor.name.startswith("encoder.attention_layers."):
            stage = "attention"
        elif tensor.name.startswith("decoder."):
            stage = "decoding"
        expected[stage][tensor.type] += frames * math.prod(tensor.shape)
    setting = {key.removeprefix("lmu."): value for key, value in file.metadata.items()}
    bins = setting["features.n_fft"] // 2 + 1
    expected["mel"]["f32"] += frames * 2 * bins * setting["features.window_length"]
    heads, width = setting["attention.head_count"], setting["embedding_length"]
    if heads:
        # Every frame sees every frame: query times key, and weight times value.
        products = heads * frames * frames * 2 * (width // heads)
        projection = "encoder.attention_layers.0.attention.w_q.weight"
        types = {tensor.name: tensor.type for tensor in file.tensors}
        quantised = types[projection] not in ("f32", "f16")
        expected["attention"]["q8_0" if quantised else "f32"] += setting["block_count"] * products

    assert {stage: +work for stage, work in found.items()} == {
        stage: +work for stage, work in expected.items() if work
    }


def test_other_families(tmp_path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "other.gguf", "whisper")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = _core.GgufFile(str(tmp_path / "other.gguf"))
    with pytest.raises(
        UnsupportedModelError, match=r"other\.gguf: general\.architecture is 'whisper'"
    ):
        count_work(file, Pass(SAMPLES, (-1, -1), "ctc", STEPS))
