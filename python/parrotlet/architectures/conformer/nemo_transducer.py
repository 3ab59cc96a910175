"""What a NeMo configuration says of a transducer: prediction network, joint and decoding.

Defaults are those of NeMo's own constructors. A setting that changes the computation in a way we do
not implement raises UnsupportedModelError, one that is missing or makes no sense CheckpointError.
"""

from __future__ import annotations

from typing import Any

from parrotlet.architectures.conformer.transducer import (
    HAT,
    MAX_TOKENS_SEEN,
    OUTPUT_LAYER,
    RNNT,
    LstmPredictor,
    StatelessPredictor,
    Transducer,
)
from parrotlet.architectures.keys import MAX_LAYERS, Section
from parrotlet.architectures.nemo import (
    VocabSizes,
    require,
    require_class,
    require_width,
    vocab_sizes,
)
from parrotlet.errors import CheckpointError

_JOINTS = {"RNNTJoint": RNNT, "SampledRNNTJoint": RNNT, "HATJoint": HAT}


def nemo_transducer(root: Section, d_model: int) -> tuple[Transducer, VocabSizes]:
    """The decoder and joint over encoder frames of `d_model` values, and the sizes of the
    vocabulary that they state."""
    decoder, joint = root.section("decoder"), root.section("joint")
    defaults = root.section("model_defaults", optional=True)
    predictor = _predictor(decoder, defaults)
    kind = require_class(joint, *_JOINTS)
    jointnet = joint.section("jointnet")
    require_width(jointnet, "encoder_hidden", d_model)
    require_width(jointnet, "pred_hidden", predictor.hidden)
    activation = jointnet.text("activation").lower()
    activations = ("relu", "sigmoid", "tanh")
    require(activation in activations, jointnet, "activation", activation, ", ".join(activations))
    vocab = (*vocab_sizes(decoder, "vocab_size"), *vocab_sizes(joint, "num_classes"))
    decoding = root.section("decoding", optional=True)
    durations = _durations(root, joint, decoding, defaults)
    big_blanks = _big_blanks(root, joint, decoding)
    if _JOINTS[kind] == HAT:
        extra = len(durations + big_blanks)
        require(not extra, joint, "num_extra_outputs", extra, "0 of a HATJoint")
    transducer = Transducer(
        predictor=predictor,
        joint_hidden=jointnet.integer("joint_hidden", defaults.value("joint_hidden", None)),
        activation=activation,
        # A Dropout layer sits between the activation and the output, unless its rate is zero.
        output_layer=OUTPUT_LAYER if jointnet.value("dropout", 0.0) else 1,
        durations=durations,
        max_symbols=_max_symbols(decoding),
        joint=_JOINTS[kind],
        big_blanks=big_blanks,
    )
    return transducer, vocab


def _predictor(decoder: Section, defaults: Section) -> LstmPredictor | StatelessPredictor:
    kind = require_class(decoder, "RNNTDecoder", "StatelessTransducerDecoder")
    prednet = decoder.section("prednet")
    hidden = prednet.integer("pred_hidden", defaults.value("pred_hidden", None))
    normalization = decoder.value("normalization_mode", None)
    if kind == "StatelessTransducerDecoder":
        context = decoder.integer("context_size", 1)
        if context > MAX_TOKENS_SEEN or hidden // 2 // context == 0:
            raise CheckpointError(
                f"model_config.yaml: {decoder.name('context_size')} is {context}, more tokens than "
                f"{prednet.name('pred_hidden')} = {hidden} has room for"
            )
        # Of any other mode NeMo makes none.
        return StatelessPredictor(hidden, context, layer_norm=normalization == "layer")
    require(normalization is None, decoder, "normalization_mode", normalization, "none")
    blank_as_pad = decoder.flag("blank_as_pad", True)
    require(blank_as_pad, decoder, "blank_as_pad", blank_as_pad, "true")
    layers = prednet.integer("pred_rnn_layers")
    if layers > MAX_LAYERS:
        raise CheckpointError(f"model_config.yaml: {prednet.name('pred_rnn_layers')} is {layers}")
    rnn_hidden = prednet.integer("rnn_hidden_size", -1, least=-1)
    require(
        rnn_hidden in (-1, 0, hidden), prednet, "rnn_hidden_size", rnn_hidden, "pred_hidden's value"
    )
    return LstmPredictor(hidden, layers)


def _durations(
    root: Section, joint: Section, decoding: Section, defaults: Section
) -> tuple[int, ...]:
    """TDT durations in encoder frames; empty for RNNT. The joint states how many there are."""
    extra = joint.integer("num_extra_outputs", 0, least=0)
    if not extra or decoding.items("big_blank_durations", []):
        return ()
    kwargs = root.section("loss", optional=True).section("tdt_kwargs", optional=True)
    places = ((decoding, "durations"), (kwargs, "durations"), (defaults, "tdt_durations"))
    for section, key in places:
        durations = section.items(key, [])
        if durations:
            return _frames(section, key, durations, joint, extra, least=0)
    raise CheckpointError(
        f"model_config.yaml has no key 'decoding.durations', but {joint.name('num_extra_outputs')} "
        f"is {extra}"
    )


def _big_blanks(root: Section, joint: Section, decoding: Section) -> tuple[int, ...]:
    """Encoder frames of the blanks beside the usual one; empty for other than multi-blank RNNT."""
    key = "big_blank_durations"
    found = decoding.items(key, [])
    if not found:
        loss = root.section("loss", optional=True)
        name = loss.text("loss_name", "default")
        if "multiblank" in name:
            raise CheckpointError(
                f"model_config.yaml has no key {decoding.name(key)!r}, but "
                f"{loss.name('loss_name')} is {name!r}"
            )
        return ()
    return _frames(decoding, key, found, joint, joint.integer("num_extra_outputs"), least=1)


def _frames(
    section: Section, key: str, frames: list[Any], joint: Section, extra: int, least: int
) -> tuple[int, ...]:
    """Numbers of encoder frames, one for each of the `extra` outputs of the joint."""
    if not all(type(count) is int and least <= count < 2**15 for count in frames):
        raise CheckpointError(
            f"model_config.yaml: {section.name(key)} must be whole numbers of frames"
        )
    if len(frames) != extra:
        raise CheckpointError(
            f"model_config.yaml: {section.name(key)} has {len(frames)} durations, but "
            f"{joint.name('num_extra_outputs')} is {extra}"
        )
    return tuple(frames)


def _max_symbols(decoding: Section) -> int:
    """Tokens per frame at most: null is no limit (0). Left out, NeMo's usual 10."""
    greedy = decoding.section("greedy", optional=True)
    keys = [key for key in ("max_symbols", "max_symbols_per_step") if key in greedy]
    limits = [greedy.integer(key, 0, least=0) for key in keys]
    return next(filter(None, limits), 0) if limits else 10
