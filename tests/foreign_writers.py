"""GGUF files as other projects write them, made of a tiny checkpoint from the descriptions of their
formats: keys, names and layouts of each dialect, and nothing of anybody's code.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from foreign_files import PLANAR, Arrays, Checkpoint, Foreign, Values


def _stored(
    tensors: Mapping[str, Values], type: str, is_matrix: Callable[[str], Any]
) -> dict[str, tuple[Values, str]]:
    """Matrices as `type` where their rows divide into its blocks, everything else as f32."""
    block = 32 if type in ("q8_0", PLANAR) else 1
    return {
        name: (v, type if is_matrix(name) and v.shape[-1] % block == 0 else "f32")
        for name, v in tensors.items()
    }


# The dialects -------------------------------------------------------------------------------


def nemo_speech(checkpoint: Checkpoint, type: str = "f16") -> Foreign:
    """NVIDIA's: architecture `asr`, NeMo's names except for the LSTM, pointwise convolutions as
    matrices, no window, a table of positions, the SentencePiece model in base64."""
    config, encoder = checkpoint.config, checkpoint.config["encoder"]
    features, vocab = config["preprocessor"], len(checkpoint.vocabulary.tokens)
    left, right = checkpoint.contexts[0]
    metadata = {
        "general.name": "tiny",
        "asr.head_type": checkpoint.head,
        "asr.encoder.d_model": encoder["d_model"],
        "asr.encoder.n_layers": encoder["n_layers"],
        "asr.encoder.n_heads": encoder["n_heads"],
        "asr.encoder.d_ff": encoder["d_model"] * encoder["ff_expansion_factor"],
        "asr.encoder.conv_kernel_size": encoder["conv_kernel_size"],
        "asr.encoder.subsampling_factor": encoder["subsampling_factor"],
        "asr.encoder.subsampling_conv_channels": encoder["subsampling_conv_channels"],
        "asr.encoder.feat_in": encoder["feat_in"],
        "asr.encoder.xscaling": encoder.get("xscaling", True),
        "asr.encoder.use_bias": encoder.get("use_bias", True),
        "asr.encoder.q8_layout": "tensor_planar_v1" if type == PLANAR else "block_q8_0",
        "asr.encoder.qkv_q8_layout": "tensor_planar_v1" if type == PLANAR else "block_q8_0",
        "asr.encoder.cache_supported": encoder.get("att_context_style") == "chunked_limited",
        "asr.encoder.offline_left_ctx": left,
        "asr.encoder.offline_right_ctx": right,
        "asr.encoder.conv_norm": encoder.get("conv_norm_type", "batch_norm"),
        "asr.encoder.conv_context": str(encoder.get("conv_context_size")),
        "asr.encoder.att_context_style": encoder.get("att_context_style", "regular"),
        "asr.preprocessor.sample_rate": features["sample_rate"],
        "asr.preprocessor.window_size": features["window_size"],
        "asr.preprocessor.window_stride": features["window_stride"],
        "asr.preprocessor.n_fft": features["n_fft"],
        "asr.preprocessor.features": features["features"],
        "asr.preprocessor.normalize": features["normalize"],
        "asr.preprocessor.preemph": 0.97,
        "asr.preprocessor.stft_center_window": True,
        "asr.preprocessor.hann_periodic": False,
        "asr.preprocessor.mask_invalid_frames": True,
        "asr.tokenizer.type": "sentencepiece_bpe",
        "asr.tokenizer.spm_model": base64.b64encode(checkpoint.sentencepiece).decode(),
    }
    if checkpoint.head == "ctc":
        metadata |= {"asr.ctc.num_classes": vocab, "asr.ctc.blank_id": vocab}
    else:
        metadata |= {
            "asr.rnnt.vocab_size": vocab + 1,
            "asr.rnnt.blank_id": vocab,
            "asr.rnnt.pred_hidden": config["decoder"]["prednet"]["pred_hidden"],
            "asr.rnnt.pred_num_layers": config["decoder"]["prednet"]["pred_rnn_layers"],
            "asr.rnnt.joint_dim": config["joint"]["jointnet"]["joint_hidden"],
            "asr.rnnt.max_symbols_per_step": 10,
            "asr.rnnt.num_prompts": checkpoint.num_prompts,
        }
    if checkpoint.prompts:
        slots = [f"{language}:{slot}" for language, slot in checkpoint.prompts.items()]
        metadata["asr.rnnt.prompt_dictionary"] = slots
    if checkpoint.head == "tdt":
        metadata["asr.tdt.durations"] = checkpoint.durations
    tensors: Arrays = {
        "encoder.pos_enc.pe": np.zeros((9, encoder["d_model"]), np.float32),
        "preprocessor.fb": checkpoint.tensors["preprocessor.featurizer.fb"][0],
    }
    for name, values in checkpoint.tensors.items():
        if name.startswith("preprocessor."):
            continue
        lstm = re.fullmatch(r"(.*\.lstm)\.(weight|bias)_([ih]h)_l(\d)", name)
        new = f"{lstm[1]}.{lstm[3]}_l{lstm[4]}.{lstm[2]}" if lstm else name
        tensors[new] = values[..., 0] if ".pointwise_conv" in name and values.ndim == 3 else values
    matrix = re.compile(
        r"encoder\.layers\.\d+\.(self_attn\.linear_\w+|feed_forward\d\.linear\d)\.weight"
        r"|encoder\.layers\.\d+\.conv\.pointwise_conv\d\.weight|encoder\.pre_encode\.out\.weight"
    )
    others = re.compile(r"joint\..*weight|.*\.lstm\..*weight")
    stored = _stored(tensors, type, matrix.fullmatch)
    stored |= {
        name: _stored({name: tensors[name]}, "q8_0" if type == PLANAR else type, bool)[name]
        for name in tensors
        if others.fullmatch(name)
    }
    return Foreign("asr", metadata, stored)


def parakeet_cpp(checkpoint: Checkpoint, type: str = "f32") -> Foreign:
    """parakeet.cpp's: every tensor of NeMo's under its name, groups of keys, pieces alone."""
    config, encoder = checkpoint.config, checkpoint.config["encoder"]
    features, vocab = config["preprocessor"], len(checkpoint.vocabulary.tokens)
    head = checkpoint.head
    rate = features["sample_rate"]
    metadata: dict[str, Any] = {
        "general.name": "/somewhere/model.nemo",
        "parakeet.arch": f"hybrid_{head}_ctc" if "aux_ctc" in config else head,
        "parakeet.encoder.feat_in": encoder["feat_in"],
        "parakeet.encoder.d_model": encoder["d_model"],
        "parakeet.encoder.n_layers": encoder["n_layers"],
        "parakeet.encoder.n_heads": encoder["n_heads"],
        "parakeet.encoder.ff_dim": encoder["d_model"] * encoder["ff_expansion_factor"],
        "parakeet.encoder.conv_kernel": encoder["conv_kernel_size"],
        "parakeet.encoder.conv_norm_type": encoder.get("conv_norm_type", "batch_norm"),
        "parakeet.encoder.subsampling_factor": encoder["subsampling_factor"],
        "parakeet.encoder.subsampling_conv_channels": encoder["subsampling_conv_channels"],
        "parakeet.encoder.xscaling": encoder.get("xscaling", True),
        "parakeet.encoder.use_bias": encoder.get("use_bias", True),
        "parakeet.preprocessor.sample_rate": rate,
        "parakeet.preprocessor.n_mels": features["features"],
        "parakeet.preprocessor.n_fft": features["n_fft"],
        "parakeet.preprocessor.win_length": int(features["window_size"] * rate),
        "parakeet.preprocessor.hop_length": int(features["window_stride"] * rate),
        "parakeet.preprocessor.preemph": 0.97,
        "parakeet.preprocessor.mag_power": 2.0,
        "parakeet.preprocessor.normalize": features["normalize"],
        "parakeet.preprocessor.log_zero_guard": 2.0**-24,
        "parakeet.vocab_size": vocab,
        "parakeet.blank_id": vocab,
        "parakeet.tokenizer.pieces": checkpoint.vocabulary.tokens,
    }
    if encoder.get("att_context_style", "regular") != "regular":
        metadata |= {
            "parakeet.encoder.att_context_left": checkpoint.contexts[0][0],
            "parakeet.encoder.att_context_right": checkpoint.contexts[0][1],
            "parakeet.encoder.att_context_style": encoder["att_context_style"],
            "parakeet.encoder.att_context_presets": [n for c in checkpoint.contexts for n in c],
            "parakeet.encoder.causal_downsampling": encoder["causal_downsampling"],
            "parakeet.encoder.conv_causal": encoder["conv_context_size"] == "causal",
        }
    if head != "ctc":
        metadata |= {
            "parakeet.decoder.pred_hidden": config["decoder"]["prednet"]["pred_hidden"],
            "parakeet.decoder.pred_rnn_layers": config["decoder"]["prednet"]["pred_rnn_layers"],
            "parakeet.joint.joint_hidden": config["joint"]["jointnet"]["joint_hidden"],
            "parakeet.joint.activation": config["joint"]["jointnet"]["activation"],
            "parakeet.decoding.max_symbols": 10,
        }
    if head == "tdt":
        metadata["parakeet.tdt.durations"] = checkpoint.durations
    if checkpoint.prompts:
        metadata |= {
            "parakeet.prompt.present": True,
            "parakeet.prompt.num_prompts": checkpoint.num_prompts,
            "parakeet.prompt.dictionary.keys": list(checkpoint.prompts),
            "parakeet.prompt.dictionary.values": list(checkpoint.prompts.values()),
        }
    matrix = re.compile(
        r"encoder\.layers\.\d+\.(self_attn\.linear_\w+|feed_forward\d\.linear\d)\.weight"
        r"|encoder\.pre_encode\.out\.weight|joint\.(enc|pred)\.weight"
    )
    return Foreign("parakeet", metadata, _stored(checkpoint.tensors, type, matrix.fullmatch))


def transcribe_cpp(checkpoint: Checkpoint, type: str = "f32") -> Foreign:
    """transcribe.cpp's: names of its own, one bias of an LSTM, no tables of the frontend, tokens
    with scores and types and the blank, no CTC head beside a transducer."""
    config, encoder = checkpoint.config, checkpoint.config["encoder"]
    features, vocabulary = config["preprocessor"], checkpoint.vocabulary
    vocab, rate, head = len(vocabulary.tokens), features["sample_rate"], checkpoint.head
    kernel = encoder["conv_kernel_size"]
    causal = encoder.get("conv_context_size") == "causal"
    contexts = sorted(checkpoint.contexts, key=lambda context: -context[1])
    metadata: dict[str, Any] = {
        "general.name": "Tiny",
        "stt.variant": "tiny",
        "stt.parakeet.head_kind": head,
        "tokenizer.ggml.model": "bpe",
        "tokenizer.ggml.tokens": (*vocabulary.tokens, "<blank>"),
        "tokenizer.ggml.scores": (*vocabulary.scores, 0.0),
        "tokenizer.ggml.token_type": (*vocabulary.types, 3),
        "tokenizer.ggml.blank_token_id": vocab,
        "stt.parakeet.encoder.n_layers": encoder["n_layers"],
        "stt.parakeet.encoder.d_model": encoder["d_model"],
        "stt.parakeet.encoder.n_heads": encoder["n_heads"],
        "stt.parakeet.encoder.d_ff": encoder["d_model"] * encoder["ff_expansion_factor"],
        "stt.parakeet.encoder.conv_kernel": kernel,
        "stt.parakeet.encoder.subsampling_factor": encoder["subsampling_factor"],
        "stt.parakeet.encoder.subsampling_channels": encoder["subsampling_conv_channels"],
        "stt.parakeet.encoder.use_bias": encoder.get("use_bias", True),
        "stt.parakeet.encoder.xscaling": encoder.get("xscaling", True),
        "stt.parakeet.encoder.att_context_left": contexts[0][0],
        "stt.parakeet.encoder.att_context_right": contexts[0][1],
        "stt.parakeet.encoder.att_context_style": encoder.get("att_context_style", "regular"),
        "stt.parakeet.encoder.conv_context_left": kernel - 1 if causal else kernel // 2,
        "stt.parakeet.encoder.conv_context_right": 0 if causal else kernel // 2,
        "stt.parakeet.encoder.conv_norm_type": encoder.get("conv_norm_type", "batch_norm"),
        "stt.frontend.type": "mel",
        "stt.frontend.num_mels": features["features"],
        "stt.frontend.sample_rate": rate,
        "stt.frontend.n_fft": features["n_fft"],
        "stt.frontend.win_length": int(features["window_size"] * rate),
        "stt.frontend.hop_length": int(features["window_stride"] * rate),
        "stt.frontend.window": "hann",
        "stt.frontend.normalize": {"NA": "none"}.get(features["normalize"], features["normalize"]),
        "stt.frontend.pre_emphasis": 0.97,
        "stt.frontend.f_min": 0.0,
        "stt.frontend.f_max": rate / 2,
    }
    if encoder.get("att_context_style") == "chunked_limited":
        key = "stt.parakeet.encoder.att_context_size_choices"
        metadata[key] = [n for context in contexts for n in context]
    for part, sizes in zip(
        ("left", "chunk", "right"), encoder.get("att_chunk_context_size") or (), strict=False
    ):
        metadata[f"stt.parakeet.encoder.att_chunk_{part}_choices"] = sizes
    if checkpoint.prompts:
        metadata |= {
            "stt.parakeet.prompt.num_prompts": checkpoint.num_prompts,
            "stt.parakeet.prompt.dictionary.locales": list(checkpoint.prompts),
            "stt.parakeet.prompt.dictionary.indices": list(checkpoint.prompts.values()),
        }
    if head != "ctc":
        metadata |= {
            "stt.parakeet.predictor.hidden": config["decoder"]["prednet"]["pred_hidden"],
            "stt.parakeet.predictor.n_layers": config["decoder"]["prednet"]["pred_rnn_layers"],
            "stt.parakeet.predictor.vocab": vocab + 1,
            "stt.parakeet.joint.hidden": config["joint"]["jointnet"]["joint_hidden"],
            "stt.parakeet.joint.num_extra_outputs": len(checkpoint.durations),
            "stt.parakeet.joint.activation": config["joint"]["jointnet"]["activation"],
        }
    if head == "tdt":
        metadata["stt.parakeet.tdt.durations"] = checkpoint.durations
        metadata["stt.parakeet.tdt.max_symbols"] = 10
    tensors: Arrays = {}
    for name, values in checkpoint.tensors.items():
        lstm = re.fullmatch(r"decoder\.prediction\.dec_rnn\.lstm\.(\w+)_l(\d)", name)
        if lstm and lstm[1] == "bias_ih":
            other = checkpoint.tensors[name.replace("bias_ih", "bias_hh")]
            tensors[f"pred.lstm.{lstm[2]}.bias"] = values + other
        elif lstm and lstm[1] != "bias_hh":
            part = {"weight_ih": "Wx", "weight_hh": "Wh"}[lstm[1]]
            tensors[f"pred.lstm.{lstm[2]}.{part}"] = values
        elif not lstm and not name.startswith(("preprocessor.", "ctc_decoder.")):
            tensors[_renamed(name, _TRANSCRIBE_CPP)] = values
    matrix = re.compile(
        r"enc\.blocks\.\d+\.(attn\.linear_\w+|ff\d\.linear\d)\.weight"
        r"|enc\.pre_encode\.out\.weight|joint\..*weight|pred\.lstm\.\d\.W."
    )
    return Foreign("parakeet", metadata, _stored(tensors, type, matrix.fullmatch))


_TRANSCRIBE_CPP = (
    ("encoder.layers.", "enc.blocks."),
    ("encoder.pre_encode.", "enc.pre_encode."),
    ("feed_forward", "ff"),
    ("norm_self_att", "norm_attn"),
    ("self_attn.", "attn."),
    ("conv.pointwise_conv", "conv.pointwise"),
    ("conv.depthwise_conv", "conv.depthwise"),
    ("conv.batch_norm", "conv.bn"),
    ("decoder.prediction.embed.", "pred.embed."),
    ("decoder.decoder_layers.0.", "head.ctc."),
    ("joint.joint_net.2.", "joint.out."),
    ("prompt_kernel.", "prompt.mlp."),
)


def crispasr(checkpoint: Checkpoint, type: str = "f16") -> Foreign:
    """CrispASR's: a flat list of keys, which has no activation and no normalisation, and biases of
    zeros; a CTC model alone and a cache-aware one are of other architectures."""
    config, encoder = checkpoint.config, checkpoint.config["encoder"]
    features, vocab = config["preprocessor"], len(checkpoint.vocabulary.tokens)
    head, rate = checkpoint.head, features["sample_rate"]
    layer_norm = encoder.get("conv_norm_type") == "layer_norm"
    architecture = "canary-ctc" if head == "ctc" else "nemotron" if layer_norm else "parakeet"
    common = {
        "sample_rate": rate,
        "n_mels": features["features"],
        "n_fft": features["n_fft"],
        "win_length": int(features["window_size"] * rate),
        "hop_length": int(features["window_stride"] * rate),
        "d_model": encoder["d_model"],
        "n_layers": encoder["n_layers"],
        "n_heads": encoder["n_heads"],
        "ff_dim": encoder["d_model"] * encoder["ff_expansion_factor"],
        "subsampling_factor": encoder["subsampling_factor"],
        "subsampling_channels": encoder["subsampling_conv_channels"],
        "conv_kernel": encoder["conv_kernel_size"],
        "vocab_size": vocab,
        "blank_id": vocab,
        "xscaling": encoder.get("xscaling", True),
    }
    if head == "ctc":
        common |= {"xscaling": int(common["xscaling"]), "conv_norm_layer": int(layer_norm)}
    else:
        common |= {
            "pred_hidden": config["decoder"]["prednet"]["pred_hidden"],
            "pred_layers": config["decoder"]["prednet"]["pred_rnn_layers"],
            "joint_hidden": config["joint"]["jointnet"]["joint_hidden"],
            "n_tdt_durations": len(checkpoint.durations),
        }
    if head == "tdt":
        common["tdt_durations"] = checkpoint.durations
    if architecture == "nemotron":
        common |= {
            "causal_downsampling": encoder["causal_downsampling"],
            "conv_norm_type": "layer_norm",
            "att_context_style": encoder["att_context_style"],
            "n_att_context_presets": len(checkpoint.contexts),
            "att_context_left": [left for left, _ in checkpoint.contexts],
            "att_context_right": [right for _, right in checkpoint.contexts],
        }
    elif encoder.get("self_attention_model") == "rel_pos_local_attn":
        (left, right), *_ = checkpoint.contexts
        common |= {"att_context_left": left, "att_context_right": right, "global_tokens": 0}
    if checkpoint.prompts:
        common |= {
            "num_prompts": checkpoint.num_prompts,
            "prompt_langs": sorted(checkpoint.prompts),
            "prompt_ids": [slot for _, slot in sorted(checkpoint.prompts.items())],
        }
    prefix = architecture.replace("-", "_")
    metadata = {f"{prefix}.{key}": value for key, value in common.items()}
    metadata["tokenizer.ggml.tokens"] = checkpoint.vocabulary.tokens
    names = (*_CRISPASR, ("conv.batch_norm", "conv.ln" if layer_norm else "conv.bn"))
    tensors: Arrays = {}
    for name, values in checkpoint.tensors.items():
        if name == "preprocessor.dtype_sentinel_tensor":
            continue
        lstm = re.fullmatch(r"decoder\.prediction\.dec_rnn\.lstm\.(\w)\w+_([ih]h)_l(\d)", name)
        new = f"decoder.lstm.{lstm[3]}.{lstm[1]}_{lstm[2]}" if lstm else _renamed(name, names)
        tensors[new] = values[..., 0] if new == "ctc.weight" and head == "ctc" else values
        bias = new.replace("conv.dw.weight", "conv.dw.bias")
        if bias != new and not encoder.get("use_bias", True):
            tensors[bias] = np.zeros(encoder["d_model"], np.float32)
    matrix = re.compile(
        r"encoder\.layers\.\d+\.(attn\.(q|k|v|out|pos)|ff\d\.linear\d)\.weight"
        r"|encoder\.pre\.out\.weight|joint\..*weight|decoder\..*(weight|w_[ih]h)"
    )
    return Foreign(architecture, metadata, _stored(tensors, type, matrix.fullmatch))


_CRISPASR = (
    ("preprocessor.featurizer.", "preprocessor."),
    ("encoder.pre_encode.", "encoder.pre."),
    ("feed_forward", "ff"),
    ("norm_self_att", "norm_attn"),
    ("self_attn.linear_", "attn."),
    ("self_attn.", "attn."),
    ("conv.pointwise_conv", "conv.pw"),
    ("conv.depthwise_conv", "conv.dw"),
    ("decoder.prediction.embed.", "decoder.embed."),
    ("ctc_decoder.decoder_layers.0.", "ctc."),
    ("decoder.decoder_layers.0.", "ctc."),
    ("joint.joint_net.2.", "joint.out."),
)


def _renamed(name: str, names: tuple[tuple[str, str], ...]) -> str:
    for nemo, theirs in names:
        name = name.replace(nemo, theirs)
    return name


WRITERS: dict[str, Callable[..., Foreign]] = {
    "NeMo-Speech.cpp": nemo_speech,
    "parakeet.cpp": parakeet_cpp,
    "transcribe.cpp": transcribe_cpp,
    "CrispASR": crispasr,
}
"""Each dialect by the name of its project."""
