"""The tensors of a NeMo Conformer or FastConformer.

Names are NeMo's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from parrotlet.architectures.conformer.reduction import MODULE
from parrotlet.architectures.conformer.sizes import Conformer, Encoder
from parrotlet.architectures.conformer.subsampling import Subsampling
from parrotlet.architectures.conformer.transducer import (
    HAT,
    OUTPUT_LAYER,
    LstmPredictor,
    StatelessPredictor,
    Transducer,
)
from parrotlet.architectures.prompt import PROMPT_BIAS, prompt_kernel
from parrotlet.architectures.storage import StorageRules
from parrotlet.architectures.tensors import (
    Array,
    Tensor,
    ctc_head,
    first,
    frontend,
    linear,
    norm,
    plain,
    reshaped,
)

BATCH_NORM_EPS = 1e-5  # torch.nn.BatchNorm1d's default, which NeMo keeps

STORAGE = StorageRules(
    blocks=("encoder.layers.",),
    no_matrix=re.compile(
        r"preprocessor\..*|.*\.pos_bias_[uv]|.*\.depthwise_conv\.weight|" + re.escape(PROMPT_BIAS)
    ),
    # Of the convolutions of the subsampling, those of kernel size 1 are matrices, and square.
    square=re.compile(rf"(encoder\.pre_encode\.|{re.escape(MODULE)})conv\.\d+\.weight"),
)
"""Which tensors are matrices: not tables, vectors by head, and taps."""

# What NeMo's own modules have in a state dict beside what they have learnt.
IGNORED = re.compile(
    r"""
      .*\.num_batches_tracked
    | encoder\.pos_enc\..*                          # the table of sines, recomputed
    | preprocessor\.dtype_sentinel_tensor
    """,
    re.VERBOSE,
)


def conformer(sizes: Conformer) -> list[Tensor]:
    """Every tensor of a Conformer model."""
    features, encoder, vocab = sizes.features, sizes.encoder, sizes.vocab
    tensors = [
        *frontend(features),
        *_subsampling(
            "encoder.pre_encode.", encoder.subsampling, features.mel_bands, encoder.d_model
        ),
    ]
    for index in range(encoder.layers):
        tensors += _layer(f"encoder.layers.{index}.", encoder)
    striding = encoder.reduction and encoder.reduction.convolutions(encoder.d_model)
    if striding:
        tensors += _subsampling(MODULE, striding, encoder.d_model, encoder.d_model)
    if sizes.prompt is not None:
        tensors += prompt_kernel(sizes.prompt, encoder.d_model)
    if sizes.transducer is not None:
        tensors += _transducer(sizes.transducer, encoder.d_model, vocab)
    if sizes.ctc_module is not None:
        tensors += ctc_head(sizes.ctc_module, vocab, encoder.d_model)
    return tensors


def with_heads_in(sizes: Conformer, names: Collection[str]) -> Conformer:
    """The sizes of a hybrid model without the head of which there is no name: its CTC head, or its
    predictor and joint."""
    if sizes.transducer is None or sizes.ctc_module is None:
        return sizes
    modules = {name.partition(".")[0] for name in names}
    if sizes.ctc_module not in modules:
        return replace(sizes, ctc_module=None)
    if not modules & {"decoder", "joint"}:
        return replace(sizes, transducer=None)
    return sizes


# The encoder --------------------------------------------------------------------------------


def _subsampling(name: str, sub: Subsampling, width: int, d_model: int) -> Iterator[Tensor]:
    """ConvSubsampling of frames that are as wide as `width`: 3x3 convolutions become [out, in * 9],
    small enough to stay f32."""
    c, conv = sub.channels, f"{name}conv."
    yield reshaped(f"{conv}0.weight", (c, 9), (c, 1, 3, 3))
    yield plain(f"{conv}0.bias", c)
    for stage in range(1, sub.stages):
        if sub.kind == "dw_striding":  # depthwise, pointwise, activation
            index = 3 * stage - 1
            yield reshaped(f"{conv}{index}.weight", (c, 9), (c, 1, 3, 3))
            yield plain(f"{conv}{index}.bias", c)
            yield from linear(f"{conv}{index + 1}.", c, c, kernel=(1, 1))
        else:  # convolution, activation
            yield reshaped(f"{conv}{2 * stage}.weight", (c, 9 * c), (c, c, 3, 3))
            yield plain(f"{conv}{2 * stage}.bias", c)
    yield from linear(f"{name}out.", d_model, c * sub.bins(width))


def _layer(name: str, encoder: Encoder) -> Iterator[Tensor]:
    """ConformerLayer, in the order it computes."""
    d, bias = encoder.d_model, encoder.use_bias
    yield from norm(f"{name}norm_feed_forward1.", d)
    yield from _feed_forward(f"{name}feed_forward1.", encoder)
    yield from norm(f"{name}norm_self_att.", d)
    for projection in ("q", "k", "v", "out"):
        yield from linear(f"{name}self_attn.linear_{projection}.", d, d, bias=bias)
    yield from linear(f"{name}self_attn.linear_pos.", d, d, bias=False)
    # With untie_biases false these share one storage, but every layer still has its own entry.
    yield plain(f"{name}self_attn.pos_bias_u", encoder.heads, d // encoder.heads)
    yield plain(f"{name}self_attn.pos_bias_v", encoder.heads, d // encoder.heads)
    yield from norm(f"{name}norm_conv.", d)
    yield from _convolution(f"{name}conv.", encoder)
    yield from norm(f"{name}norm_feed_forward2.", d)
    yield from _feed_forward(f"{name}feed_forward2.", encoder)
    yield from norm(f"{name}norm_out.", d)


def _feed_forward(name: str, encoder: Encoder) -> Iterator[Tensor]:
    yield from linear(f"{name}linear1.", encoder.d_ff, encoder.d_model, bias=encoder.use_bias)
    yield from linear(f"{name}linear2.", encoder.d_model, encoder.d_ff, bias=encoder.use_bias)


def _convolution(name: str, encoder: Encoder) -> Iterator[Tensor]:
    d, bias = encoder.d_model, encoder.use_bias
    yield from linear(f"{name}pointwise_conv1.", 2 * d, d, bias=bias, kernel=(1,))
    depthwise = f"{name}depthwise_conv."
    if encoder.conv_norm == "layer_norm":
        yield reshaped(f"{depthwise}weight", (d, encoder.conv_kernel), (d, 1, encoder.conv_kernel))
        if bias:
            yield plain(f"{depthwise}bias", d)
        yield from norm(f"{name}batch_norm.", d)  # NeMo's name, whatever the norm
    else:
        yield from _folded_convolution(depthwise, f"{name}batch_norm.", encoder)
    yield from linear(f"{name}pointwise_conv2.", d, d, bias=bias, kernel=(1,))


def _folded_convolution(conv: str, norm: str, encoder: Encoder) -> Iterator[Tensor]:
    """A depthwise convolution and the BatchNorm after it, as one convolution with a bias."""
    d, k = encoder.d_model, encoder.conv_kernel
    parts: tuple[str, ...] = ("weight", "bias")
    if encoder.conv_norm == "batch_norm":
        parts += ("running_mean", "running_var")
    statistics = tuple((norm + part, (d,)) for part in parts)
    bias = ((f"{conv}bias", (d,)),) if encoder.use_bias else ()

    def fold_weight(weight: Array, *norm: Array) -> Array:
        scale, _ = _affine(*norm)
        return (weight.reshape(d, k) * scale[:, None]).astype(np.float32)

    def fold_bias(*sources: Array) -> Array:
        scale, shift = _affine(*sources[: len(parts)])
        old = sources[len(parts)] if encoder.use_bias else 0.0
        return (old * scale + shift).astype(np.float32)

    weight = (f"{conv}weight", (d, 1, k))
    yield Tensor(f"{conv}weight", (d, k), (weight, *statistics), fold_weight)
    yield Tensor(f"{conv}bias", (d,), (*statistics, *bias), fold_bias)


def _affine(
    gamma: Array, beta: Array, mean: Array | None = None, variance: Array | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(scale, shift) with which a BatchNorm is scale * x + shift.

    NeMo's FusedBatchNorm1d has no statistics: they are in its weight and bias already.
    """
    scale, shift = gamma.astype(np.float64), beta.astype(np.float64)
    if mean is None or variance is None:
        return scale, shift
    scale = scale / np.sqrt(variance.astype(np.float64) + BATCH_NORM_EPS)
    return scale, shift - mean * scale


# The transducer -----------------------------------------------------------------------------


def _transducer(transducer: Transducer, d_model: int, vocab: int) -> Iterator[Tensor]:
    """The prediction network and the joint. The blank is the last row of embeddings and labels,
    except that of a HATJoint, which has a layer of its own."""
    joint, hat = transducer.joint_hidden, transducer.joint == HAT
    yield from _predictor(transducer.predictor, vocab)
    yield from linear("joint.enc.", joint, d_model)
    yield from linear("joint.pred.", joint, transducer.predictor.hidden)
    outputs = vocab if hat else vocab + 1 + len(transducer.durations + transducer.big_blanks)
    source = f"joint.joint_net.{transducer.output_layer}."

    def blanks_reversed(values: Array) -> Array:
        """NeMo has the usual blank last, and before it the others from the last one down."""
        return np.concatenate([values[:vocab], values[vocab:][::-1]])

    combine = blanks_reversed if transducer.big_blanks else first
    for tensor in linear(f"joint.joint_net.{OUTPUT_LAYER}.", outputs, joint):
        part = tensor.name.rpartition(".")[2]
        yield Tensor(tensor.name, tensor.shape, ((source + part, tensor.shape),), combine)
    if hat:  # tanh, dropout whatever its rate, and this
        yield reshaped("joint.blank_pred.2.weight", (joint,), (1, joint))
        yield plain("joint.blank_pred.2.bias", 1)


def _predictor(predictor: LstmPredictor | StatelessPredictor, vocab: int) -> Iterator[Tensor]:
    name = "decoder.prediction."
    if isinstance(predictor, StatelessPredictor):
        for place, width in enumerate(predictor.widths):
            yield reshaped(f"{name}embeds.{place}.weight", (vocab + 1, width), (vocab + 1, width))
        return
    embed = (vocab + 1, predictor.hidden)
    yield reshaped(f"{name}embed.weight", embed, embed)
    for layer in range(predictor.layers):
        yield from _lstm_layer(f"{name}dec_rnn.lstm.", layer, predictor.hidden)


def _lstm_layer(name: str, layer: int, hidden: int) -> Iterator[Tensor]:
    """torch.nn.LSTM, gates i, f, g, o. Its two biases are only ever added together."""
    shape, bias = (4 * hidden, hidden), (4 * hidden,)
    for weight in (f"weight_ih_l{layer}", f"weight_hh_l{layer}"):
        yield reshaped(name + weight, shape, shape)
    sources = ((f"{name}bias_ih_l{layer}", bias), (f"{name}bias_hh_l{layer}", bias))
    yield Tensor(f"{name}bias_l{layer}", bias, sources, lambda ih, hh: ih + hh)
