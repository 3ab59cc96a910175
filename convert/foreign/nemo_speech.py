"""NVIDIA's NeMo-Speech.cpp, and the GGUF files in NVIDIA's repositories of the hub.

`general.architecture` is `asr`, as it is for no other project; keys have the prefix `asr.`. Tensors
have NeMo's names, but those of the LSTM (`ih_l0.weight` for `weight_ih_l0`). The filterbank is
there, the window is not. Of the attention contexts of a cache-aware model the file has the first.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...architectures.keys import Section
from ...errors import CheckpointError, UnsupportedModelError
from ..tokenizer import Vocabulary, parse_sentencepiece
from .configuration import (
    Described,
    Transducer,
    assumed_contexts,
    expansion,
    limited_attention,
    nemo_config,
    whole_numbers,
)
from .dialect import METADATA, Dialect, Shapes, check_blank, expect

HEADS = ("ctc", "rnnt", "tdt")

BLOCKS, PLANAR = "block_q8_0", "tensor_planar_v1"

ENCODER = {
    "d_model": "encoder.d_model",
    "n_layers": "encoder.n_layers",
    "n_heads": "encoder.n_heads",
    "conv_kernel_size": "encoder.conv_kernel_size",
    "subsampling_factor": "encoder.subsampling_factor",
    "subsampling_conv_channels": "encoder.subsampling_conv_channels",
}

FRONTEND = {
    "sample_rate": "preprocessor.sample_rate",
    "n_fft": "preprocessor.n_fft",
    "features": "preprocessor.features",
}

_QKV = re.compile(r"encoder\.layers\.\d+\.self_attn\.linear_[qkv]\.weight")


class NemoSpeech(Dialect):
    """The dialect."""

    project = "NeMo-Speech.cpp"
    prefix = "asr."
    renames = (
        (r"preprocessor\.fb$", "preprocessor.featurizer.fb"),
        (r"(decoder\.prediction\.dec_rnn\.lstm)\.([ih]h_l\d+)\.(weight|bias)$", r"\1.\3_\2"),
    )

    def recognises(self, metadata: Mapping[str, Any]) -> bool:
        """By the architecture."""
        return metadata.get("general.architecture") == "asr"

    def configuration(self, keys: Section, tensors: Shapes) -> dict[str, Any]:
        """NeMo's configuration."""
        head = _head(keys)
        expect(
            keys,
            (
                ("preprocessor.stft_center_window", True),
                ("preprocessor.hann_periodic", False),
                ("preprocessor.mask_invalid_frames", True),
            ),
        )
        preprocessor = {
            **whole_numbers(keys, FRONTEND),
            "window_size": _seconds(keys, "preprocessor.window_size"),
            "window_stride": _seconds(keys, "preprocessor.window_stride"),
            "preemph": keys.number("preprocessor.preemph", 0.97),
            "normalize": keys.text("preprocessor.normalize"),
        }
        prompts = _prompts(keys) if head != "ctc" else {}
        described = Described(
            preprocessor,
            _encoder(keys),
            _vocab_size(keys, head),
            None if head == "ctc" else _transducer(keys, head),
            keys.integer("rnnt.num_prompts") if prompts else 0,
            prompts,
        )
        return nemo_config(described, tensors)

    def doubt(self, configuration: Mapping[str, Any]) -> str:
        """Whether there is a global token, and contexts of streams."""
        return limited_attention(configuration) or assumed_contexts(configuration)

    def vocabulary(self, keys: Section, metadata: Section) -> Vocabulary:
        """The SentencePiece model, which is in the file in base64."""
        kind = keys.text("tokenizer.type")
        if kind != "sentencepiece_bpe":
            raise UnsupportedModelError(
                f"{METADATA}: {keys.name('tokenizer.type')} is {kind!r:.40}; supported is "
                "'sentencepiece_bpe'. A model of characters has no tokenizer in these files; "
                "convert its checkpoint"
            )
        try:
            model = base64.b64decode(keys.text("tokenizer.spm_model"), validate=True)
        except (binascii.Error, ValueError) as error:
            raise CheckpointError(
                f"{METADATA}: {keys.name('tokenizer.spm_model')} is no base64 ({error})"
            ) from error
        vocabulary = parse_sentencepiece(model)
        check_blank(
            keys,
            "ctc.blank_id" if _head(keys) == "ctc" else "rnnt.blank_id",
            len(vocabulary.tokens),
        )
        return vocabulary

    def is_planar(self, keys: Section, name: str) -> bool:
        """As two keys have it: one for queries, keys and values, one for the rest of the encoder.

        Convolutions other than pointwise ones are never quantised.
        """
        if not name.startswith("encoder."):
            return False
        key = "encoder.qkv_q8_layout" if _QKV.fullmatch(name) else "encoder.q8_layout"
        layout = keys.text(key, BLOCKS)
        if layout not in (BLOCKS, PLANAR):
            raise UnsupportedModelError(
                f"{METADATA}: {keys.name(key)} is {layout!r:.40}; supported are {BLOCKS} and "
                f"{PLANAR}"
            )
        return layout == PLANAR


def _head(keys: Section) -> str:
    head = keys.text("head_type")
    if head not in HEADS:
        raise UnsupportedModelError(
            f"{METADATA}: {keys.name('head_type')} is {head!r:.40}; supported are "
            f"{', '.join(HEADS)}"
        )
    return head


def _seconds(keys: Section, key: str) -> float:
    """The decimal number of which a file has the nearest float32: 0.01 and not 0.0099999998."""
    return float(str(np.float32(keys.number(key))))


def _vocab_size(keys: Section, head: str) -> int:
    """Tokens without the blank, which a transducer's size includes."""
    if head == "ctc":
        return keys.integer("ctc.num_classes")
    return keys.integer("rnnt.vocab_size", least=2) - 1


def _encoder(keys: Section) -> dict[str, Any]:
    encoder: dict[str, Any] = whole_numbers(keys, ENCODER)
    left = keys.integer("encoder.offline_left_ctx", least=-1)
    right = keys.integer("encoder.offline_right_ctx", least=-1)
    return {
        **encoder,
        "feat_in": keys.integer("encoder.feat_in"),
        "ff_expansion_factor": expansion(keys, "encoder.d_ff", encoder["d_model"]),
        "xscaling": keys.flag("encoder.xscaling"),
        "use_bias": keys.flag("encoder.use_bias"),
        "conv_norm_type": keys.text("encoder.conv_norm"),
        "conv_context_size": _conv_context(keys),
        "att_context_size": [left, right],
        "att_context_style": keys.text("encoder.att_context_style"),
    }


def _conv_context(keys: Section) -> str | list[int] | None:
    """What Python printed of NeMo's setting: a word, "None", or a pair."""
    text = keys.text("encoder.conv_context")
    pair = re.fullmatch(r"\[(\d{1,4}), ?(\d{1,4})\]", text)
    if pair is not None:
        return [int(pair[1]), int(pair[2])]
    return None if text in ("None", "symmetric") else text


def _transducer(keys: Section, head: str) -> Transducer:
    return Transducer(
        keys.integer("rnnt.pred_hidden"),
        keys.integer("rnnt.pred_num_layers"),
        keys.integer("rnnt.joint_dim"),
        durations=tuple(keys.integers("tdt.durations")) if head == "tdt" else (),
        max_symbols=keys.integer("rnnt.max_symbols_per_step"),
    )


def _prompts(keys: Section) -> dict[str, int]:
    """The slot of each language, from texts such as "de-DE:9"."""
    key = "rnnt.prompt_dictionary"
    if not keys.has(key):
        return {}
    found = {}
    for text in keys.texts(key):
        language, _, slot = text.rpartition(":")
        if not language or re.fullmatch(r"\d{1,6}", slot) is None:
            raise CheckpointError(
                f"{METADATA}: {keys.name(key)} has {text!r:.40}; expected LANGUAGE:NUMBER"
            )
        found[language] = int(slot)
    return found
