"""NeMo's models under `transformers`' names, from ParakeetForCTC to NemotronAsrStreamingForRNNT.

Their modules are NeMo's with other names, so a configuration is that of a `.nemo` checkpoint, and
is read as `parrotlet convert` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parrotlet._convert.config import ModelConfig
from parrotlet._convert.transformers_config import FAMILIES, MODEL_TYPES, model_config
from parrotlet._convert.yaml_config import Section
from parrotlet.memory.keys import Keys

KINDS = {
    model_type: "ctc" if FAMILIES[name].head == "ctc" else "transducer"
    for model_type, name in MODEL_TYPES.items()
}
"""What `model_type` says of the head."""

_ENCODER = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads")
_DECODER = ("decoder_hidden_size", "num_decoder_layers")
_OPTIONAL = ("conv_kernel_size", "subsampling_factor", "subsampling_conv_channels")


def parakeet(keys: Keys, processor: Mapping[str, Any] | None) -> tuple[ModelConfig, int]:
    """The model of a configuration whose `model_type` is one of KINDS, and the size of its
    vocabulary without the blank, which such a configuration counts.

    `processor` is the processor's configuration; None is one that leaves out everything. Raises
    CheckpointError naming a key that is missing or wrong, and UnsupportedModelError for a setting
    that is not computed here.
    """
    encoder = keys.section("encoder_config")
    _check_sizes(encoder, _ENCODER, _OPTIONAL)
    _check_sizes(keys, ("vocab_size",) if _is_ctc(keys) else ("vocab_size", *_DECODER))
    if processor is None:
        processor = {"feature_size": encoder.integer("num_mel_bins", default=80)}
    values = Section(dict(keys.values), file=keys.source)
    config = model_config(values, Section(processor, file=keys.source))
    (_, vocab), *_ = config.vocab_sizes
    return config, vocab


def _is_ctc(keys: Keys) -> bool:
    return KINDS[keys.text("model_type")] == "ctc"


def _check_sizes(keys: Keys, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    """Ask for what the class has a default for, too: a plan of a size nobody stated misleads."""
    for key in required:
        keys.integer(key)
    for key in optional:
        keys.integer(key, default=1)
