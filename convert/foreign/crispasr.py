"""CrispASR, with an architecture each for transducers, cache-aware transducers, and CTC alone.

`general.architecture` is `parakeet`, as for two other projects, `nemotron` or `canary-ctc`. The
keys of each are a flat list. Names of tensors are shorter than NeMo's; the filterbank and the
window are among them. The joint's activation is not stated, it is ReLU; nor is the normalisation of
features, which only `nemotron` leaves out. Depthwise convolutions have a bias of zeros where the
model has none. Tokens have no scores. Attention contexts are there for `nemotron` and for local
attention.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ...architectures.conformer.sizes import CHUNKED
from ...architectures.keys import Section
from ...errors import CheckpointError, UnsupportedModelError
from ..tokenizer import Vocabulary
from .configuration import (
    Described,
    Transducer,
    expansion,
    languages,
    nemo_config,
    whole_numbers,
)
from .dialect import METADATA, Dialect, Shapes, check_blank, pieces_alone

ENCODER = {
    "d_model": "d_model",
    "n_layers": "n_layers",
    "n_heads": "n_heads",
    "conv_kernel_size": "conv_kernel",
    "subsampling_factor": "subsampling_factor",
    "subsampling_conv_channels": "subsampling_channels",
}

FRONTEND = {
    "sample_rate": "sample_rate",
    "n_fft": "n_fft",
    "n_window_size": "win_length",
    "n_window_stride": "hop_length",
    "features": "n_mels",
}


class CrispAsr(Dialect):
    """What its three architectures have in common, and the transducers with full attention."""

    project = "CrispASR"
    architecture: ClassVar[str] = "parakeet"
    prefix = "parakeet."
    zero_bias = True
    normalize: ClassVar[str] = "per_feature"
    renames = (
        (r"preprocessor\.(fb|window)$", r"preprocessor.featurizer.\1"),
        (r"encoder\.pre\.", "encoder.pre_encode."),
        (r"(encoder\.layers\.\d+\.)norm_ff([12])\.", r"\1norm_feed_forward\2."),
        (r"(encoder\.layers\.\d+\.)ff([12])\.", r"\1feed_forward\2."),
        (r"(encoder\.layers\.\d+\.)norm_attn\.", r"\1norm_self_att."),
        (r"(encoder\.layers\.\d+\.)attn\.pos_bias_", r"\1self_attn.pos_bias_"),
        (r"(encoder\.layers\.\d+\.)attn\.(q|k|v|out|pos)\.", r"\1self_attn.linear_\2."),
        (r"(encoder\.layers\.\d+\.)conv\.pw([12])\.", r"\1conv.pointwise_conv\2."),
        (r"(encoder\.layers\.\d+\.)conv\.dw\.", r"\1conv.depthwise_conv."),
        (r"(encoder\.layers\.\d+\.)conv\.(?:bn|ln)\.", r"\1conv.batch_norm."),
        (r"decoder\.embed\.", "decoder.prediction.embed."),
        (r"decoder\.lstm\.(\d+)\.w_(ih|hh)$", r"decoder.prediction.dec_rnn.lstm.weight_\2_l\1"),
        (r"decoder\.lstm\.(\d+)\.b_(ih|hh)$", r"decoder.prediction.dec_rnn.lstm.bias_\2_l\1"),
        (r"joint\.out\.", "joint.joint_net.2."),
        (r"ctc\.", "ctc_decoder.decoder_layers.0."),
    )

    def recognises(self, metadata: Mapping[str, Any]) -> bool:
        """By a key: those of others with this prefix are in groups."""
        return f"{self.prefix}d_model" in metadata

    def configuration(self, keys: Section, tensors: Shapes) -> dict[str, Any]:
        """NeMo's configuration."""
        encoder: dict[str, Any] = {
            **whole_numbers(keys, ENCODER),
            "ff_expansion_factor": expansion(keys, "ff_dim", keys.integer("d_model")),
            **self.encoder(keys),
        }
        preprocessor = {
            **whole_numbers(keys, FRONTEND),
            "window_size": None,
            "window_stride": None,
            "normalize": self.normalize,
        }
        described = Described(
            preprocessor,
            encoder,
            keys.integer("vocab_size"),
            self.transducer(keys),
            keys.integer("num_prompts") if keys.has("prompt_langs") else 0,
            languages(keys, "prompt_langs", "prompt_ids") if keys.has("prompt_langs") else {},
        )
        config = nemo_config(described, tensors)
        if config["encoder"]["causal_downsampling"] and "att_context_style" not in encoder:
            raise UnsupportedModelError(
                "is a model for streaming, whose attention contexts this kind of file does not "
                "have; convert the checkpoint instead"
            )
        return config

    def encoder(self, keys: Section) -> dict[str, Any]:
        """Settings of the encoder that not every architecture has."""
        found: dict[str, Any] = {"xscaling": keys.flag("xscaling", True)}
        if keys.has("att_context_left"):
            found["self_attention_model"] = "rel_pos_local_attn"
            found["global_tokens"] = keys.integer("global_tokens", 0, least=0)
            found["att_context_size"] = [
                keys.integer(f"att_context_{side}", least=-1) for side in ("left", "right")
            ]
        return found

    def transducer(self, keys: Section) -> Transducer | None:
        """The transducer."""
        durations = keys.integer("n_tdt_durations", 0, least=0)
        return Transducer(
            keys.integer("pred_hidden"),
            keys.integer("pred_layers"),
            keys.integer("joint_hidden"),
            durations=tuple(keys.integers("tdt_durations", durations)) if durations else (),
        )

    def vocabulary(self, keys: Section, metadata: Section) -> Vocabulary:
        """The pieces."""
        pieces = metadata.texts("tokenizer.ggml.tokens")
        if pieces and all(piece == f"<{i}>" for i, piece in enumerate(pieces)):
            raise CheckpointError(
                f"{METADATA} has numbers in place of tokens: the tokenizer was missing when the "
                "file was made; convert the checkpoint instead"
            )
        check_blank(keys, "blank_id", len(pieces))
        return pieces_alone(pieces)


class CrispAsrNemotron(CrispAsr):
    """Cache-aware transducers."""

    architecture = "nemotron"
    prefix = "nemotron."
    normalize = "NA"

    def encoder(self, keys: Section) -> dict[str, Any]:
        """Settings of the encoder that not every architecture has."""
        left, right = (
            keys.integers("att_context_left", least=-1),
            keys.integers("att_context_right", keys.integer("n_att_context_presets"), least=-1),
        )
        if len(left) != len(right):
            raise CheckpointError(
                f"{METADATA}: {keys.name('att_context_left')} has {len(left)} contexts and "
                f"{keys.name('att_context_right')} {len(right)}"
            )
        style = keys.text("att_context_style")
        return {
            "xscaling": keys.flag("xscaling"),
            "causal_downsampling": keys.flag("causal_downsampling"),
            "conv_norm_type": keys.text("conv_norm_type"),
            "conv_context_size": "causal" if style == CHUNKED else None,
            "att_context_style": style,
            "att_context_size": [list(pair) for pair in zip(left, right, strict=True)],
        }


class CrispAsrCtc(CrispAsr):
    """Models with CTC alone."""

    architecture = "canary-ctc"
    prefix = "canary_ctc."
    renames = (
        *CrispAsr.renames[:-1],
        (r"ctc\.", "decoder.decoder_layers.0."),
    )

    def encoder(self, keys: Section) -> dict[str, Any]:
        """Settings of the encoder that not every architecture has."""
        layer_norm = keys.integer("conv_norm_layer", 0, least=0)
        return {
            "xscaling": bool(keys.integer("xscaling", 0, least=0)),
            "conv_norm_type": "layer_norm" if layer_norm else "batch_norm",
        }

    def transducer(self, keys: Section) -> Transducer | None:
        """There is none."""
        return None
