"""parakeet.cpp (mudler/parakeet.cpp).

`general.architecture` is `parakeet`, as for two other projects; the key `parakeet.arch` is this
one's alone. Tensors have NeMo's names, the filterbank and the window among them. The file has the
pieces of the tokenizer without scores and settings. Of a model whose attention is limited without
being chunked it does not have the context: such a model attends to the whole recording here. Nor
does it have the contexts of buffered streaming.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...architectures.keys import Section
from ...errors import UnsupportedModelError
from ..tokenizer import Vocabulary
from .configuration import (
    CTC_WEIGHT,
    Described,
    Transducer,
    assumed_contexts,
    expansion,
    languages,
    likely_limit,
    nemo_config,
    pairs,
    whole_numbers,
)
from .dialect import METADATA, Dialect, Shapes, check_blank, pieces_alone

MODELS = ("ctc", "rnnt", "tdt", "hybrid_rnnt_ctc", "hybrid_tdt_ctc")

ENCODER = {
    "d_model": "encoder.d_model",
    "n_layers": "encoder.n_layers",
    "n_heads": "encoder.n_heads",
    "conv_kernel_size": "encoder.conv_kernel",
    "subsampling_factor": "encoder.subsampling_factor",
    "subsampling_conv_channels": "encoder.subsampling_conv_channels",
}

FRONTEND = {
    "sample_rate": "preprocessor.sample_rate",
    "n_fft": "preprocessor.n_fft",
    "n_window_size": "preprocessor.win_length",
    "n_window_stride": "preprocessor.hop_length",
    "features": "preprocessor.n_mels",
}


class ParakeetCpp(Dialect):
    """The dialect."""

    project = "parakeet.cpp"
    prefix = "parakeet."

    def recognises(self, metadata: Mapping[str, Any]) -> bool:
        """By a key."""
        return "parakeet.arch" in metadata

    def configuration(self, keys: Section, tensors: Shapes) -> dict[str, Any]:
        """NeMo's configuration."""
        model = keys.text("arch")
        if model not in MODELS:
            raise UnsupportedModelError(
                f"{METADATA}: {keys.name('arch')} is {model!r:.40}; supported are "
                f"{', '.join(MODELS)}"
            )
        transducer = None if model == "ctc" else _transducer(keys, model)
        if model.startswith("hybrid") and f"ctc_decoder.{CTC_WEIGHT}" not in tensors:
            raise UnsupportedModelError(
                f"{METADATA}: {keys.name('arch')} is {model!r}, but there is no CTC head"
            )
        prompted = keys.flag("prompt.present", False)
        described = Described(
            _preprocessor(keys),
            _encoder(keys),
            keys.integer("vocab_size"),
            transducer,
            keys.integer("prompt.num_prompts") if prompted else 0,
            languages(keys, "prompt.dictionary.keys", "prompt.dictionary.values")
            if prompted
            else {},
        )
        return nemo_config(described, tensors)

    def doubt(self, configuration: Mapping[str, Any]) -> str:
        """Whether attention is limited, and contexts of streams."""
        return likely_limit(configuration) or assumed_contexts(configuration)

    def vocabulary(self, keys: Section, metadata: Section) -> Vocabulary:
        """The pieces."""
        vocabulary = pieces_alone(keys.texts("tokenizer.pieces"))
        check_blank(keys, "blank_id", len(vocabulary.tokens))
        return vocabulary


def _preprocessor(keys: Section) -> dict[str, Any]:
    return {
        **whole_numbers(keys, FRONTEND),
        "window_size": None,
        "window_stride": None,
        "preemph": keys.number("preprocessor.preemph"),
        "mag_power": keys.number("preprocessor.mag_power"),
        "normalize": keys.text("preprocessor.normalize"),
        "log_zero_guard_value": keys.number("preprocessor.log_zero_guard"),
    }


def _encoder(keys: Section) -> dict[str, Any]:
    encoder: dict[str, Any] = whole_numbers(keys, ENCODER)
    style = keys.text("encoder.att_context_style", "regular")
    context = [
        keys.integer(f"encoder.att_context_{side}", -1, least=-1) for side in ("left", "right")
    ]
    several = keys.has("encoder.att_context_presets")
    return {
        **encoder,
        "feat_in": keys.integer("encoder.feat_in"),
        "ff_expansion_factor": expansion(keys, "encoder.ff_dim", encoder["d_model"]),
        "xscaling": keys.flag("encoder.xscaling"),
        "use_bias": keys.flag("encoder.use_bias", True),
        "conv_norm_type": keys.text("encoder.conv_norm_type", "batch_norm"),
        "conv_context_size": "causal" if keys.flag("encoder.conv_causal", False) else None,
        "causal_downsampling": keys.flag("encoder.causal_downsampling", False),
        "att_context_size": pairs(keys, "encoder.att_context_presets") if several else context,
        "att_context_style": style,
    }


def _transducer(keys: Section, model: str) -> Transducer:
    return Transducer(
        keys.integer("decoder.pred_hidden"),
        keys.integer("decoder.pred_rnn_layers"),
        keys.integer("joint.joint_hidden"),
        keys.text("joint.activation"),
        tuple(keys.integers("tdt.durations")) if "tdt" in model else (),
        keys.integer("decoding.max_symbols", 10),
    )
