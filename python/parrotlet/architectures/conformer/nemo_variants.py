"""Settings of NeMo's ConformerEncoder that few checkpoints have, from a configuration."""

from __future__ import annotations

from parrotlet.architectures.buffering import MAX_CONTEXT, ChunkContexts
from parrotlet.architectures.conformer.reduction import POOLING, STRIDING, Reduction
from parrotlet.architectures.conformer.sizes import UNIFIED
from parrotlet.architectures.keys import Section
from parrotlet.architectures.nemo import require, unsupported
from parrotlet.errors import CheckpointError


def chunk_contexts(section: Section, style: str) -> ChunkContexts | None:
    """`att_chunk_context_size`, three lists of frames; None if there is none."""
    conv_style = section.text("conv_context_style", "regular")
    # "dcc" says how chunks were convolved in training; the forward pass does not look at it.
    require(
        conv_style in ("regular", "dcc"), section, "conv_context_style", conv_style, "'regular'"
    )
    key = "att_chunk_context_size"
    lists = section.items(key, [])
    if not lists:
        return None
    if style != UNIFIED:
        raise CheckpointError(
            f"model_config.yaml: {section.name(key)} needs {section.name('att_context_style')} "
            f"{UNIFIED!r}, not {style!r}"
        )
    least = (0, 1, 0)
    if len(lists) != 3 or not all(
        isinstance(sizes, list)
        and sizes
        and all(type(n) is int and low <= n <= MAX_CONTEXT for n in sizes)
        for sizes, low in zip(lists, least, strict=True)
    ):
        raise CheckpointError(
            f"model_config.yaml: {section.name(key)} must be three lists of encoder frames: left "
            "contexts, chunks and right contexts"
        )
    left, chunk, right = lists
    return ChunkContexts(tuple(left), tuple(chunk), tuple(right))


def reduction(section: Section, layers: int) -> Reduction | None:
    """SubsamplingReductionModule; None if there is none."""
    kind = section.value("reduction", None)
    factor = section.integer("reduction_factor", 1)
    if not kind or factor == 1:
        return None
    require(kind in (POOLING, STRIDING), section, "reduction", kind, "'pooling' or 'striding'")
    # NeMo divides the length by the factor once for every power of two in it: by 16 for 4.
    if kind == POOLING and factor > 3:
        raise unsupported(section, "reduction_factor", factor, "2 or 3 for 'pooling'")
    if kind == STRIDING and (factor & (factor - 1) or factor > 64):
        raise unsupported(section, "reduction_factor", factor, "a power of two for 'striding'")
    position = section.integer("reduction_position", least=-1)
    if position >= layers:
        raise CheckpointError(
            f"model_config.yaml: {section.name('reduction_position')} is {position}, but there are "
            f"{layers} layers; it must be the index of one, or -1 for the last"
        )
    return Reduction(kind, factor, layers - 1 if position == -1 else position)
