"""transcribe.cpp (handy-computer/transcribe.cpp).

`general.architecture` is `parakeet`, as for two other projects; the keys that begin with
`stt.parakeet.` are this one's alone. Tensors have names of their own. The filterbank and the window
are not there, an LSTM has the sum of its two biases, and the CTC head of a hybrid is left out. The
attention contexts of a cache-aware model are in an order of their own, the longest first. A
tokenizer has scores, but not the settings that cut a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...architectures.keys import Section
from ...errors import CheckpointError, UnsupportedModelError
from ...sentencepiece_settings import is_score
from ..tokenizer import BYTE, CONTROL, NORMAL, Vocabulary
from .configuration import (
    CHUNK_CONTEXTS,
    RIGHT_CONTEXT_STYLE,
    Described,
    Transducer,
    expansion,
    languages,
    limited_attention,
    nemo_config,
    pairs,
    whole_numbers,
)
from .dialect import METADATA, Dialect, Shapes, check_blank, expect

HEADS = ("ctc", "rnnt", "tdt")

ENCODER = {
    "d_model": "parakeet.encoder.d_model",
    "n_layers": "parakeet.encoder.n_layers",
    "n_heads": "parakeet.encoder.n_heads",
    "conv_kernel_size": "parakeet.encoder.conv_kernel",
    "subsampling_factor": "parakeet.encoder.subsampling_factor",
    "subsampling_conv_channels": "parakeet.encoder.subsampling_channels",
}

FRONTEND = {
    "sample_rate": "frontend.sample_rate",
    "n_fft": "frontend.n_fft",
    "n_window_size": "frontend.win_length",
    "n_window_stride": "frontend.hop_length",
    "features": "frontend.num_mels",
}

_LANGUAGE_TAG = re.compile(r"<[a-z]{2,3}-[A-Za-z]{2,4}>")


class TranscribeCpp(Dialect):
    """The dialect."""

    project = "transcribe.cpp"
    prefix = "stt."
    renames = (
        (r"enc\.blocks\.(\d+)\.norm_ff([12])\.", r"encoder.layers.\1.norm_feed_forward\2."),
        (r"enc\.blocks\.(\d+)\.ff([12])\.", r"encoder.layers.\1.feed_forward\2."),
        (r"enc\.blocks\.(\d+)\.norm_attn\.", r"encoder.layers.\1.norm_self_att."),
        (r"enc\.blocks\.(\d+)\.attn\.", r"encoder.layers.\1.self_attn."),
        (
            r"enc\.blocks\.(\d+)\.conv\.pointwise([12])\.",
            r"encoder.layers.\1.conv.pointwise_conv\2.",
        ),
        (r"enc\.blocks\.(\d+)\.conv\.depthwise\.", r"encoder.layers.\1.conv.depthwise_conv."),
        (r"enc\.blocks\.(\d+)\.conv\.bn\.", r"encoder.layers.\1.conv.batch_norm."),
        (r"enc\.blocks\.", "encoder.layers."),
        (r"enc\.pre_encode\.", "encoder.pre_encode."),
        (r"pred\.embed\.", "decoder.prediction.embed."),
        (r"pred\.lstm\.(\d+)\.Wx$", r"decoder.prediction.dec_rnn.lstm.weight_ih_l\1"),
        (r"pred\.lstm\.(\d+)\.Wh$", r"decoder.prediction.dec_rnn.lstm.weight_hh_l\1"),
        (r"pred\.lstm\.(\d+)\.bias$", r"decoder.prediction.dec_rnn.lstm.bias_ih_l\1"),
        (r"joint\.out\.", "joint.joint_net.2."),
        (r"head\.ctc\.", "decoder.decoder_layers.0."),
        (r"prompt\.mlp\.", "prompt_kernel."),
    )

    def recognises(self, metadata: Mapping[str, Any]) -> bool:
        """By a key."""
        return "stt.parakeet.encoder.d_model" in metadata

    def configuration(self, keys: Section, tensors: Shapes) -> dict[str, Any]:
        """NeMo's configuration."""
        head = keys.text("parakeet.head_kind", "tdt")
        if head not in HEADS:
            raise UnsupportedModelError(
                f"{METADATA}: {keys.name('parakeet.head_kind')} is {head!r:.40}; supported are "
                f"{', '.join(HEADS)}"
            )
        if keys.has("parakeet.encoder.spk_kernel_layers"):
            raise UnsupportedModelError(
                "is a model for several speakers at once, whose encoder is told who speaks; "
                "such models are not supported"
            )
        prompted = keys.has("parakeet.prompt.num_prompts")
        described = Described(
            _preprocessor(keys),
            _encoder(keys),
            _vocab_size(keys, head, tensors),
            None if head == "ctc" else _transducer(keys, head),
            keys.integer("parakeet.prompt.num_prompts") if prompted else 0,
            languages(
                keys, "parakeet.prompt.dictionary.locales", "parakeet.prompt.dictionary.indices"
            )
            if prompted
            else {},
        )
        return nemo_config(described, tensors)

    def doubt(self, configuration: Mapping[str, Any]) -> str:
        """Whether there is a global token."""
        return limited_attention(configuration)

    def vocabulary(self, keys: Section, metadata: Section) -> Vocabulary:
        """Tokens, scores and types; the blank is the last token, and no SentencePiece one."""
        tokens = metadata.texts("tokenizer.ggml.tokens")
        scores = metadata.items("tokenizer.ggml.scores")
        types = metadata.integers("tokenizer.ggml.token_type", least=NORMAL)
        if not len(tokens) == len(scores) == len(types) > 1:
            raise CheckpointError(
                f"{METADATA} has {len(tokens)} tokens, {len(scores)} scores and {len(types)} types "
                "of tokens"
            )
        if not all(map(is_score, scores)) or max(types) > BYTE:
            raise CheckpointError(f"{METADATA} has a token whose score or type makes no sense")
        check_blank(metadata, "tokenizer.ggml.blank_token_id", len(tokens) - 1)
        # SentencePiece has tags of languages as text; these files mark them as what is not shown.
        kinds = tuple(
            NORMAL if kind == CONTROL and _LANGUAGE_TAG.fullmatch(token) else kind
            for token, kind in zip(tokens, types, strict=True)
        )
        return Vocabulary("spm", tuple(tokens[:-1]), tuple(map(float, scores[:-1])), kinds[:-1])


def _preprocessor(keys: Section) -> dict[str, Any]:
    numbers = whole_numbers(keys, FRONTEND)
    expect(
        keys,
        (
            ("frontend.type", "mel"),
            ("frontend.window", "hann"),
            ("frontend.f_min", 0.0),
            ("frontend.f_max", numbers["sample_rate"] / 2),
        ),
    )
    return {
        **numbers,
        "window_size": None,
        "window_stride": None,
        "preemph": keys.number("frontend.pre_emphasis"),
        "normalize": keys.text("frontend.normalize"),
    }


def _encoder(keys: Section) -> dict[str, Any]:
    encoder: dict[str, Any] = whole_numbers(keys, ENCODER)
    name = "parakeet.encoder."
    style = keys.text(f"{name}att_context_style", "regular")
    context: Any = [
        keys.integer(f"{name}att_context_{side}", -1, least=-1) for side in ("left", "right")
    ]
    if keys.has(f"{name}att_context_size_choices"):
        context = pairs(keys, f"{name}att_context_size_choices")
    if style == RIGHT_CONTEXT_STYLE:
        encoder[CHUNK_CONTEXTS] = [
            keys.integers(f"{name}att_chunk_{part}_choices") for part in ("left", "chunk", "right")
        ]
    return {
        **encoder,
        "ff_expansion_factor": expansion(keys, f"{name}d_ff", encoder["d_model"]),
        "xscaling": keys.flag(f"{name}xscaling", False),
        "use_bias": keys.flag(f"{name}use_bias"),
        "conv_norm_type": keys.text(f"{name}conv_norm_type", "batch_norm"),
        "conv_context_size": _conv_context(keys),
        "att_context_size": context,
        "att_context_style": style,
    }


def _conv_context(keys: Section) -> list[int] | None:
    """(left, right), or nothing: as many on either side."""
    sides = [f"parakeet.encoder.conv_context_{side}" for side in ("left", "right")]
    pair = [keys.integer(side, -1, least=-1) for side in sides]
    return None if -1 in pair else pair


def _vocab_size(keys: Section, head: str, tensors: Shapes) -> int:
    """Tokens without the blank. Of a CTC model only the head tells."""
    if head != "ctc":
        return keys.integer("parakeet.predictor.vocab", least=2) - 1
    return tensors.get("decoder.decoder_layers.0.weight", (1,))[0] - 1


def _transducer(keys: Section, head: str) -> Transducer:
    return Transducer(
        keys.integer("parakeet.predictor.hidden"),
        keys.integer("parakeet.predictor.n_layers"),
        keys.integer("parakeet.joint.hidden"),
        keys.text("parakeet.joint.activation"),
        tuple(keys.integers("parakeet.tdt.durations")) if head == "tdt" else (),
        keys.integer("parakeet.tdt.max_symbols", 10),
    )
