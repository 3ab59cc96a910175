"""What a NeMo ASR configuration says about the model, checked against what parrotlet runs.

Defaults are those of NeMo's own constructors, because older checkpoints leave out keys that
were added later; each section names the class it follows. A setting that changes the
computation in a way we do not implement raises UnsupportedModelError, a setting that is missing
or makes no sense CheckpointError.
"""

from __future__ import annotations

from typing import Any

from parrotlet.architectures.buffering import MAX_CONTEXT
from parrotlet.architectures.configured import Configured
from parrotlet.architectures.conformer.nemo_prompt import prompt_of
from parrotlet.architectures.conformer.nemo_transducer import nemo_transducer
from parrotlet.architectures.conformer.nemo_variants import chunk_contexts, reduction
from parrotlet.architectures.conformer.sizes import (
    CHUNKED,
    GLOBAL_TOKEN,
    REGULAR,
    UNIFIED,
    Conformer,
    Context,
    Encoder,
)
from parrotlet.architectures.conformer.subsampling import Subsampling
from parrotlet.architectures.conformer.transducer import Transducer
from parrotlet.architectures.keys import MAX_LAYERS, Section
from parrotlet.architectures.nemo import (
    VocabSizes,
    ctc_head,
    frontend,
    nemo_class,
    require,
    require_class,
)
from parrotlet.architectures.tensors import CTC_HEAD
from parrotlet.errors import CheckpointError

# Model class -> (transducer, CTC head, SentencePiece tokenizer)
MODEL_CLASSES = {
    "EncDecCTCModel": (False, True, False),
    "EncDecCTCModelBPE": (False, True, True),
    "EncDecRNNTModel": (True, False, False),
    "EncDecRNNTBPEModel": (True, False, True),
    "EncDecHybridRNNTCTCModel": (True, True, False),
    "EncDecHybridRNNTCTCBPEModel": (True, True, True),
    "EncDecRNNTBPEModelWithPrompt": (True, False, True),
    "EncDecHybridRNNTCTCBPEModelWithPrompt": (True, True, True),
}


def model_config(values: dict[str, Any]) -> Configured[Conformer]:
    """Interpret a parsed `model_config.yaml`."""
    root = Section(values)
    name = nemo_class(values, MODEL_CLASSES)
    has_transducer, has_ctc, subword = MODEL_CLASSES[name]
    features = frontend(root.section("preprocessor"))
    encoder = _encoder(root.section("encoder"), features.mel_bands)
    transducer: Transducer | None = None
    vocab: VocabSizes = ()
    if has_ctc:
        vocab += ctc_head(root.section("aux_ctc") if has_transducer else root, encoder.d_model)
    if has_transducer:
        transducer, stated = nemo_transducer(root, encoder.d_model)
        vocab += stated
    conformer = Conformer(
        nemo_class=name,
        features=features,
        encoder=encoder,
        transducer=transducer,
        ctc_module=(CTC_HEAD if has_transducer else "decoder") if has_ctc else None,
        vocab=vocab[-1][1] if vocab else 0,
        prompt=prompt_of(root, encoder.d_model) if name.endswith("WithPrompt") else None,
    )
    return Configured(conformer, subword, vocab)


# The encoder --------------------------------------------------------------------------------


def _encoder(section: Section, mel_bands: int) -> Encoder:
    """nemo.collections.asr.modules.ConformerEncoder"""
    require_class(section, "ConformerEncoder", "ConformerEncoderAdapter")
    layers = section.integer("n_layers")
    if layers > MAX_LAYERS:
        raise CheckpointError(f"model_config.yaml: {section.name('n_layers')} is {layers}")
    d_model, heads = _widths(section, mel_bands)
    kernel = section.integer("conv_kernel_size", 31)
    if kernel % 2 == 0:
        raise CheckpointError(
            f"model_config.yaml: {section.name('conv_kernel_size')} is {kernel}; it must be odd"
        )
    norm = section.text("conv_norm_type", "batch_norm")
    norms = ("batch_norm", "fused_batch_norm", "layer_norm")
    require(norm in norms, section, "conv_norm_type", norm, "'batch_norm' or 'layer_norm'")
    attention = _local_attention if _is_local(section) else _attention_contexts
    style, contexts = attention(section)
    return Encoder(
        layers=layers,
        d_model=d_model,
        d_ff=d_model * section.integer("ff_expansion_factor", 4),
        heads=heads,
        use_bias=section.flag("use_bias", True),
        xscaling=section.flag("xscaling", True),
        attention_style=style,
        attention_contexts=contexts,
        conv_kernel=kernel,
        conv_context=_conv_context(section, kernel),
        conv_norm=norm,
        subsampling=_subsampling(section, d_model),
        chunk_contexts=chunk_contexts(section, style),
        reduction=reduction(section, layers),
    )


def _widths(section: Section, mel_bands: int) -> tuple[int, int]:
    """Return d_model and the number of heads; raises CheckpointError where widths do not fit."""
    d_model = section.integer("d_model")
    heads = section.integer("n_heads", 4)
    if d_model % heads or d_model % 2:
        raise CheckpointError(
            f"model_config.yaml: {section.name('d_model')} is {d_model}, which must be even and "
            f"divide into {section.name('n_heads')} = {heads}"
        )
    feat_in = section.integer("feat_in", mel_bands)
    if feat_in != mel_bands:
        raise CheckpointError(
            f"model_config.yaml: {section.name('feat_in')} is {feat_in}, but the preprocessor "
            f"makes {mel_bands} mel bands"
        )
    feat_out = section.value("feat_out", -1)
    require(feat_out in (-1, None, 0, d_model), section, "feat_out", feat_out, "-1")
    return d_model, heads


def _subsampling(section: Section, d_model: int) -> Subsampling:
    """nemo.collections.asr.parts.submodules.subsampling.ConvSubsampling"""
    kind = section.value("subsampling", "striding")
    supported = kind in ("dw_striding", "striding")
    require(supported, section, "subsampling", kind, "'dw_striding' or 'striding'")
    factor = section.integer("subsampling_factor", 4)
    powers = (2, 4, 8, 16)
    require(factor in powers, section, "subsampling_factor", factor, "2, 4, 8 or 16")
    channels = section.integer("subsampling_conv_channels", -1, least=-1)
    return Subsampling(
        kind=kind,
        factor=factor,
        channels=d_model if channels == -1 else channels,
        causal=section.flag("causal_downsampling", False),
    )


def _is_local(section: Section) -> bool:
    """Whether attention is RelPositionMultiHeadAttentionLongformer; raises UnsupportedModelError
    for other kinds than that and the usual one."""
    attention = section.text("self_attention_model", "rel_pos")
    kinds = ("rel_pos", "rel_pos_local_attn")
    require(attention in kinds, section, "self_attention_model", attention, " or ".join(kinds))
    return attention == kinds[1]


def _local_attention(section: Section) -> tuple[str, tuple[Context, ...]]:
    """Style and context of RelPositionMultiHeadAttentionLongformer: a window around each frame.

    NeMo adds positions in the wrong place where the two sides differ, and mixes up the heads of
    several global tokens; neither is run.
    """
    style = section.text("att_context_style", REGULAR)
    require(style == REGULAR, section, "att_context_style", style, "'regular' in local attention")
    _, contexts = _attention_contexts(section)
    left, right = contexts[0]
    window = f"one window [n, n] from 1 to {MAX_CONTEXT} in local attention"
    fits = len(contexts) == 1 and left == right and 1 <= left <= MAX_CONTEXT
    require(fits, section, "att_context_size", section.value("att_context_size", None), window)
    tokens = section.integer("global_tokens", 0, least=0)
    if tokens == 0:
        return REGULAR, contexts
    require(tokens == 1, section, "global_tokens", tokens, "0 or 1")
    separate = section.flag("global_attn_separate", False)
    require(not separate, section, "global_attn_separate", separate, "false")
    return GLOBAL_TOKEN, contexts


def _attention_contexts(section: Section) -> tuple[str, tuple[Context, ...]]:
    """ConformerEncoder._calc_context_sizes: one pair, a list of pairs, or nothing (no limit)."""
    style = section.text("att_context_style", REGULAR)
    supported = (REGULAR, CHUNKED, UNIFIED)
    require(style in supported, section, "att_context_style", style, ", ".join(supported))
    if style == UNIFIED:  # whatever the list says
        return style, ((-1, -1),)
    key = "att_context_size"
    sizes = section.items(key, []) or [[-1, -1]]
    pairs = [sizes] if isinstance(sizes[0], int) else sizes
    for pair in pairs:
        if not (
            isinstance(pair, list)
            and len(pair) == 2
            and all(type(n) is int and -1 <= n < 2**31 for n in pair)
        ):
            raise CheckpointError(
                f"model_config.yaml: {section.name(key)} must be [left, right] or a list of such "
                "pairs, -1 for no limit"
            )
        left, right = pair
        if style == CHUNKED and left > 0 and right >= 0 and left % (right + 1):
            raise CheckpointError(
                f"model_config.yaml: {section.name(key)}: a left context of {left} does not "
                f"divide into chunks of {right + 1}"
            )
    return style, tuple((left, right) for left, right in pairs)


def _conv_context(section: Section, kernel: int) -> tuple[int, int]:
    key = "conv_context_size"
    context = section.value(key, None)
    if context is None:
        return (kernel - 1) // 2, (kernel - 1) // 2
    if context == "causal":
        return kernel - 1, 0
    if (
        isinstance(context, list)
        and len(context) == 2
        and all(type(n) is int and n >= 0 for n in context)
        and sum(context) + 1 == kernel
    ):
        return context[0], context[1]
    raise CheckpointError(
        f"model_config.yaml: {section.name(key)} must be null, 'causal' or [left, right] with "
        f"left + right + 1 = {kernel}"
    )
