"""NeMo's `model_config.yaml`, put together from what a foreign file states.

Dialects give settings under NeMo's names. What no dialect states is seen in the tensors: the kind
of the subsampling, its causality, and where the joint's output layer is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from ...architectures.conformer.published import PRESETS, UNIFIED_CONTEXTS
from ...architectures.conformer.subsampling import Subsampling
from ...architectures.keys import Section
from ...errors import CheckpointError, UnsupportedModelError
from .dialect import METADATA, Shapes

MODULES = "nemo.collections.asr.modules."

CTC_WEIGHT = "decoder_layers.0.weight"
"""Of the CTC head, in NeMo's module `decoder`, or `ctc_decoder` beside a transducer."""

RIGHT_CONTEXT_STYLE = "chunked_limited_with_rc"
"""The attention style of models for buffered streaming."""

CHUNK_CONTEXTS = "att_chunk_context_size"
"""NeMo's setting of the contexts that such a model was trained with."""

EVERYTHING = [-1, -1]
"""The attention context of frames that see all others."""

Table = Mapping[str, str]
"""NeMo's name of a setting -> the key that has it in a dialect."""


@dataclass(frozen=True)
class Transducer:
    """RNNTDecoder, RNNTJoint and their decoding. `max_symbols` None leaves NeMo's default."""

    hidden: int
    layers: int
    joint_hidden: int
    activation: str = "relu"
    durations: tuple[int, ...] = ()
    max_symbols: int | None = None


@dataclass(frozen=True)
class Described:
    """What a file states of a model. `preprocessor` and `encoder` have NeMo's settings, and
    `prompts` the slot of each language in a model that is told one, of `num_prompts`."""

    preprocessor: dict[str, Any]
    encoder: dict[str, Any]
    vocab: int
    transducer: Transducer | None = None
    num_prompts: int = 0
    prompts: dict[str, int] = field(default_factory=dict)


def whole_numbers(keys: Section, table: Table) -> dict[str, int]:
    """The settings of a table whose values are whole numbers from 1."""
    return {name: keys.integer(key) for name, key in table.items()}


def expansion(keys: Section, key: str, d_model: int) -> int:
    """NeMo's `ff_expansion_factor` of the width that a key states."""
    width = keys.integer(key)
    if width % d_model:
        raise UnsupportedModelError(
            f"{METADATA}: {keys.name(key)} is {width}; NeMo has multiples of the model's {d_model}"
        )
    return width // d_model


def pairs(keys: Section, key: str) -> list[list[int]]:
    """The (left, right) pairs of a flat list."""
    values = keys.integers(key, least=-1)
    if not values or len(values) % 2:
        raise CheckpointError(
            f"{METADATA}: {keys.name(key)} has {len(values)} values; expected (left, right) pairs"
        )
    return [values[i : i + 2] for i in range(0, len(values), 2)]


def languages(keys: Section, names: str, slots: str) -> dict[str, int]:
    """The slot of each language, from two lists."""
    known, numbers = keys.texts(names), keys.integers(slots)
    if len(known) != len(numbers):
        raise CheckpointError(
            f"{METADATA}: {keys.name(names)} has {len(known)} languages and {keys.name(slots)} "
            f"{len(numbers)} slots"
        )
    return dict(zip(known, numbers, strict=True))


def nemo_config(described: Described, tensors: Shapes) -> dict[str, Any]:
    """The configuration of a model with these tensors.

    Raises UnsupportedModelError if they do not show which subsampling the model has.
    """
    transducer = described.transducer
    has_ctc = f"ctc_decoder.{CTC_WEIGHT}" in tensors if transducer else True
    values: dict[str, Any] = {
        "target": "nemo.collections.asr.models." + _model_class(described, has_ctc),
        "preprocessor": _module("AudioToMelSpectrogramPreprocessor", described.preprocessor),
        "encoder": _module("ConformerEncoder", _encoder(described, tensors)),
    }
    ctc = _module(
        "ConvASRDecoder",
        {"feat_in": described.encoder["d_model"], "num_classes": described.vocab},
    )
    if transducer is None:
        return {**values, "decoder": ctc}
    if has_ctc:
        values["aux_ctc"] = {"decoder": ctc}
    if described.prompts:
        values["model_defaults"] = {
            "initialize_prompt_feature": True,
            "num_prompts": described.num_prompts,
            "prompt_dictionary": described.prompts,
        }
    return {**values, **_transducer(transducer, described, tensors)}


def _model_class(described: Described, has_ctc: bool) -> str:
    if described.transducer is None:
        return "EncDecCTCModelBPE"
    kind = "EncDecHybridRNNTCTCBPEModel" if has_ctc else "EncDecRNNTBPEModel"
    return f"{kind}WithPrompt" if described.prompts else kind


def _module(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"_target_": MODULES + name, **settings}


def _transducer(transducer: Transducer, described: Described, tensors: Shapes) -> dict[str, Any]:
    # Dropout is a module between the activation and the output, which is then number two.
    dropout = 0.0 if "joint.joint_net.1.weight" in tensors else 0.1
    prednet = {"pred_hidden": transducer.hidden, "pred_rnn_layers": transducer.layers}
    jointnet = {
        "joint_hidden": transducer.joint_hidden,
        "activation": transducer.activation,
        "encoder_hidden": described.encoder["d_model"],
        "pred_hidden": transducer.hidden,
        "dropout": dropout,
    }
    joint = {
        "jointnet": jointnet,
        "num_classes": described.vocab,
        "num_extra_outputs": len(transducer.durations),
    }
    greedy = {} if transducer.max_symbols is None else {"max_symbols": transducer.max_symbols}
    return {
        "decoder": _module("RNNTDecoder", {"prednet": prednet, "vocab_size": described.vocab}),
        "joint": _module("RNNTJoint", joint),
        "decoding": {"durations": list(transducer.durations), "greedy": greedy},
    }


def limited_attention(configuration: Mapping[str, Any]) -> str:
    """What is not known of a model with limited attention, where nothing tells of global tokens."""
    encoder = configuration["encoder"]
    if encoder["att_context_style"] != "regular" or encoder["att_context_size"] == EVERYTHING:
        return ""
    return (
        "attention is limited, and the file does not say whether all frames see a global token "
        "as well, as in reazonspeech-nemo-v2; if the model has one, convert its checkpoint instead"
    )


def likely_limit(configuration: Mapping[str, Any]) -> str:
    """What is not known of a model that has the sizes of a published one with limited attention,
    where no file states the limit."""
    encoder = configuration["encoder"]
    heads = {head in configuration for head in ("joint", "aux_ctc")}
    for name, preset in PRESETS.items():
        (left, right), *_ = preset.encoder.attention_contexts
        if (
            preset.encoder.attention_style == encoder["att_context_style"] == "regular"
            and [left, right] != EVERYTHING == encoder["att_context_size"]
            and (preset.encoder.layers, preset.encoder.d_model)
            == (encoder["n_layers"], encoder["d_model"])
            and heads == {True}
        ):
            return (
                f"has the sizes of {name}, where a frame sees {left} frames before it and {right} "
                "after it; files of this project do not say so: transcribe it with "
                f"--attention-window {left}, or convert its checkpoint instead"
            )
    return ""


def assumed_contexts(configuration: Mapping[str, Any]) -> str:
    """What is not known of a model for buffered streaming, where nothing states its contexts."""
    if configuration["encoder"]["att_context_style"] != RIGHT_CONTEXT_STYLE:
        return ""
    return (
        "does not say which contexts the model was trained with for streams; those of "
        "parakeet-unified-en-0.6b are taken"
    )


# What the tensors show -----------------------------------------------------------------------


def _encoder(described: Described, tensors: Shapes) -> dict[str, Any]:
    encoder = {"feat_in": described.preprocessor["features"], **described.encoder}
    encoder["subsampling"] = _subsampling(tensors)
    if "causal_downsampling" not in encoder:
        encoder["causal_downsampling"] = _is_causal(encoder, tensors)
    if "use_bias" not in encoder:
        encoder["use_bias"] = "encoder.layers.0.self_attn.linear_q.bias" in tensors
    if encoder.get("att_context_style") == RIGHT_CONTEXT_STYLE:
        encoder["conv_context_style"] = "dcc"  # the only one that NeMo has such models with
        encoder.setdefault(CHUNK_CONTEXTS, [list(sizes) for sizes in astuple(UNIFIED_CONTEXTS)])
    return encoder


def _subsampling(tensors: Shapes) -> str:
    """A stage after the first has two convolutions, or one."""
    stages = ("encoder.pre_encode.conv.3.weight", "encoder.pre_encode.conv.6.weight")
    return "dw_striding" if any(stage in tensors for stage in stages) else "striding"


def _is_causal(encoder: Mapping[str, Any], tensors: Shapes) -> bool:
    """Whether the subsampling pads on the left alone: it then leaves other frequencies.

    Raises UnsupportedModelError where it would not, and for a width that neither kind makes.
    """
    name = "encoder.pre_encode.out.weight"
    width = tensors.get(name, (0,))[-1]
    factor, channels = encoder["subsampling_factor"], encoder["subsampling_conv_channels"]
    fits = [
        causal
        for causal in (False, True)
        if channels * Subsampling("", factor, channels, causal).bins(encoder["feat_in"]) == width
    ]
    if len(fits) == 1:
        return fits[0]
    raise UnsupportedModelError(
        f"does not say whether its subsampling is causal, and tensor {name!r}, {width} wide, does "
        "not show it; convert the checkpoint instead"
    )
