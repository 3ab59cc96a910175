"""Text decoders: their tensors, and what running them needs to know."""

from __future__ import annotations

from dataclasses import dataclass

from parrotlet.architectures.keys import Section
from parrotlet.errors import CheckpointError
from parrotlet.memory.hf.encoders import layer_width
from parrotlet.memory.weights import Part, Weight

DECODER = "decoder"
EMBEDDINGS = "embeddings"

# Biases of queries, keys and values; of the attention's result; norms of queries and keys
_BIASES = {
    "qwen2": (True, False, False),
    "qwen2_5_omni_text": (True, False, False),
    "qwen3": (False, False, True),
    "qwen3_moe": (False, False, True),
    "qwen3_omni_moe_text": (False, False, True),
}


@dataclass(frozen=True)
class TextDecoder:
    """A text decoder.

    `cached` layers keep keys and values of `kv_width` each; of those, `local` ones only for the
    last `window` positions. `width` is what one layer holds per position at most, in floats.
    `cross_width` is the width of keys and values for the encoder's output, 0 without.
    """

    weights: list[Weight]
    layers: int
    hidden: int
    kv_heads: int
    head: int
    width: int
    vocab: int
    cached: int
    local: int = 0
    window: int = 0
    cross_width: int = 0
    positions: int | None = None


def causal_lm(keys: Section, *, tied: bool | None = None, family: str | None = None) -> TextDecoder:
    """LlamaForCausalLM and its relatives: grouped queries, RMSNorm, a gated feed-forward network or
    a mixture of them. `tied` says whether the output embedding is the input's, where the outer
    configuration decides that, and `family` what stands for the `model_type`."""
    hidden, layers = keys.integer("hidden_size"), keys.integer("num_hidden_layers")
    heads = keys.integer("num_attention_heads")
    kv_heads = keys.integer("num_key_value_heads", default=heads)
    head = keys.integer("head_dim", default=max(1, hidden // heads))
    if heads % kv_heads:
        raise CheckpointError(
            f"{keys.file}: {keys.name('num_attention_heads')} is {heads}, which does not divide "
            f"into {keys.name('num_key_value_heads')} = {kv_heads}"
        )
    vocab = keys.integer("vocab_size")
    part = Part(DECODER)
    block = part.repeated(layers)
    family = family or keys.text("model_type", default="llama")
    _grouped_attention(block, keys, family, heads * head, kv_heads * head, head)
    experts = keys.integer("num_experts", default=0, least=0)
    if experts:
        inner = _experts(block, keys, hidden, experts)
    else:
        inner = keys.integer("intermediate_size")
        bias = keys.flag("mlp_bias", default=False)
        block.feed_forward(hidden, inner, bias=bias, gate=True)
    block.rms_norm("norms", hidden, times=2)
    part.rms_norm("final norm", hidden)
    if tied is None:
        tied = keys.flag("tie_word_embeddings", default=False)
    part.weights.extend(embeddings(vocab, hidden, tied))
    return TextDecoder(
        weights=part.weights,
        layers=layers,
        hidden=hidden,
        kv_heads=kv_heads,
        head=head,
        width=layer_width(hidden, 2 * (heads + kv_heads) * head, 2 * inner),
        vocab=vocab,
        cached=layers,
    )


def _grouped_attention(
    block: Part, keys: Section, family: str, queries: int, values: int, head: int
) -> None:
    hidden = keys.integer("hidden_size")
    bias = keys.flag("attention_bias", default=False)
    qkv_bias, out_bias, norms = _BIASES.get(family, (bias, bias, False))
    _attention(block, "self-attention", hidden, queries, values, qkv_bias, out_bias)
    if norms:
        block.rms_norm("norms", head, times=2)


def _attention(
    block: Part, name: str, hidden: int, queries: int, values: int, bias: bool, out_bias: bool
) -> None:
    """Projections of queries, keys and values, and of the result."""
    block.linear(name, queries, hidden, bias=bias)
    block.linear(name, values, hidden, bias=bias, times=2)
    block.linear(name, hidden, queries, bias=out_bias)


def _experts(block: Part, keys: Section, hidden: int, experts: int) -> int:
    """A mixture of experts; returns the width of those that a token goes through."""
    inner = keys.integer("moe_intermediate_size")
    block.linear("experts", inner, hidden, bias=False, times=2 * experts)
    block.linear("experts", hidden, inner, bias=False, times=experts)
    block.linear("router", experts, hidden, bias=False)
    return inner * keys.integer("num_experts_per_tok")


def embeddings(vocab: int, hidden: int, tied: bool) -> list[Weight]:
    """The table of tokens, and the output matrix where that is another one."""
    part = Part(EMBEDDINGS)
    part.tensor("input embedding", vocab, hidden)
    if not tied:
        part.tensor("output embedding", vocab, hidden)
    return part.weights


def whisper(keys: Section) -> TextDecoder:
    """WhisperDecoder, with cross-attention and learned positions."""
    d, layers = keys.integer(("d_model", "hidden_size")), keys.integer("decoder_layers")
    heads = keys.integer("decoder_attention_heads")
    ffn, length = keys.integer("decoder_ffn_dim"), keys.integer("max_target_positions")
    vocab = keys.integer("vocab_size")
    part = Part(DECODER)
    part.tensor("positions", length, d)
    block = part.repeated(layers)
    for attention in ("self-attention", "cross-attention"):
        block.linear(attention, d, d, times=3)
        block.linear(attention, d, d, bias=False)
    block.feed_forward(d, ffn)
    block.layer_norm("norms", d, times=3)
    part.layer_norm("final norm", d)
    tied = keys.flag("tie_word_embeddings", default=True)
    part.weights.extend(embeddings(vocab, d, tied))
    return TextDecoder(
        weights=part.weights,
        layers=layers,
        hidden=d,
        kv_heads=heads,
        head=d // heads,
        width=layer_width(d, 4 * d, ffn),
        vocab=vocab,
        cached=layers,
        cross_width=d,
        positions=length,
    )


def cohere_asr(keys: Section, encoder_width: int) -> TextDecoder:
    """CohereAsrDecoder: post-embedding norm, cross-attention, and a projection of the encoder."""
    d, layers = keys.integer("hidden_size"), keys.integer("num_hidden_layers")
    heads, ffn = keys.integer("num_attention_heads"), keys.integer("intermediate_size")
    kv_heads = keys.integer("num_key_value_heads", default=heads)
    head = keys.integer("head_dim", default=max(1, d // heads))
    length, vocab = keys.integer("max_position_embeddings"), keys.integer("vocab_size")
    bias = keys.flag("attention_bias", default=True)
    part = Part(DECODER)
    part.tensor("positions", length, d)
    part.linear("projection of the encoder", d, encoder_width)
    block = part.repeated(layers)
    for attention in ("self-attention", "cross-attention"):
        _attention(block, attention, d, heads * head, kv_heads * head, bias, bias)
    block.feed_forward(d, ffn)
    block.layer_norm("norms", d, times=3)
    part.layer_norm("final and input norms", d, times=2)
    tied = keys.flag("tie_word_embeddings", default=False)
    table = Part(EMBEDDINGS)
    table.weights.extend(embeddings(vocab, d, tied))
    table.tensor("output embedding", vocab)
    part.weights.extend(table.weights)
    return TextDecoder(
        weights=part.weights,
        layers=layers,
        hidden=d,
        kv_heads=kv_heads,
        head=head,
        width=layer_width(d, 2 * (heads + kv_heads) * head, ffn),
        vocab=vocab,
        cached=layers,
        cross_width=kv_heads * head,
        positions=length,
    )


def _alternating_updates(block: Part, d: int, copies: int) -> None:
    """AltUp: a router, and what predicts and corrects the copies of the hidden state."""
    block.linear("alternating updates", copies, copies, bias=False)
    block.linear("alternating updates", copies * copies, copies, bias=False)
    block.linear("alternating updates", copies, d, bias=False)
    block.tensor("alternating updates", d)


def _low_rank(block: Part, name: str, d: int, rank: int) -> None:
    """Two matrices, from `d` values to `rank` and back."""
    block.linear(name, rank, d, bias=False)
    block.linear(name, d, rank, bias=False)


def gemma3n(keys: Section) -> TextDecoder:
    """Gemma3nForCausalLM: alternating updates, low-rank residuals, per-layer embeddings, and layers
    that use the keys and values of others."""
    d, layers = keys.integer("hidden_size"), keys.integer("num_hidden_layers")
    heads, head = keys.integer("num_attention_heads"), keys.integer("head_dim")
    kv_heads, shared = keys.integer("num_key_value_heads"), keys.integer("num_kv_shared_layers")
    value = keys.values.get("intermediate_size")
    inner = value[0] if isinstance(value, list) and value else keys.integer("intermediate_size")
    copies = keys.integer("altup_num_inputs")
    per_layer = keys.integer("hidden_size_per_layer_input")
    part = Part(DECODER)
    own = part.repeated(layers - shared)
    own.linear("keys and values", kv_heads * head, d, bias=False, times=2)
    own.rms_norm("keys and values", head)
    block = part.repeated(layers)
    block.linear("self-attention", heads * head, d, bias=False)
    block.linear("self-attention", d, heads * head, bias=False)
    block.feed_forward(d, inner, bias=False, gate=True)
    _alternating_updates(block, d, copies)
    _low_rank(block, "low-rank residual", d, keys.integer("laurel_rank"))
    _low_rank(block, "per-layer input", d, per_layer)
    block.rms_norm("norms", head)
    block.rms_norm("norms", d, times=7)
    part.linear("copies for alternating updates", d, d, bias=False, times=2 * (copies - 1))
    part.linear("projection to per-layer inputs", layers * per_layer, d, bias=False)
    part.rms_norm("projection to per-layer inputs", per_layer)
    part.rms_norm("final norm", d)
    vocab = keys.integer("vocab_size")
    part.weights.extend(embeddings(vocab, d, keys.flag("tie_word_embeddings", default=True)))
    table = Part(EMBEDDINGS)
    rows = keys.integer("vocab_size_per_layer_input")
    table.tensor("per-layer embedding", rows, layers * per_layer)
    part.weights.extend(table.weights)
    cached = layers - shared
    kinds = keys.values.get("layer_types") or []
    local = sum(kind == "sliding_attention" for kind in kinds[:cached])
    return TextDecoder(
        weights=part.weights,
        layers=layers,
        hidden=d,
        kv_heads=kv_heads,
        head=head,
        width=layer_width(copies * d, 2 * (heads + kv_heads) * head, 2 * inner),
        vocab=vocab,
        cached=cached,
        local=local,
        window=keys.integer("sliding_window") if local else 0,
    )
