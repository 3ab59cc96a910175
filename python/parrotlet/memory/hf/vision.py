"""Image encoders of the models that see as well as hear: their tensors only."""

from __future__ import annotations

from parrotlet.architectures.keys import Section
from parrotlet.errors import UnsupportedModelError
from parrotlet.memory.hf.encoders import attention_layers
from parrotlet.memory.hf.projectors import embed_multimodal
from parrotlet.memory.weights import Part, Weight

VISION = "vision"

# Parameters of image encoders of which a configuration gives only the name.
NAMED = {"mobilenetv5_300m_enc": 294_126_912}  # timm


def siglip(keys: Section, *, head: bool, positions: int | None = None) -> list[Weight]:
    """SiglipVisionModel, with or without its pooling head."""
    d, layers = keys.integer("hidden_size"), keys.integer("num_hidden_layers")
    ffn, patch = keys.integer("intermediate_size"), keys.integer("patch_size")
    if positions is None:
        positions = (keys.integer("image_size") // patch) ** 2
    part = Part(VISION)
    part.conv("patches", d, keys.integer("num_channels", default=3), patch, patch)
    part.tensor("positions", positions, d)
    attention_layers(part.repeated(layers), d, ffn, key_bias=True)
    part.layer_norm("final norm", d)
    if head:
        part.tensor("pooling head", 1, 1, d)
        part.linear("pooling head", 3 * d, d)
        part.linear("pooling head", d, d)
        part.linear("pooling head", ffn, d)
        part.linear("pooling head", d, ffn)
        part.layer_norm("pooling head", d)
    return part.weights


def phi4(keys: Section, text_width: int) -> list[Weight]:
    """Phi4MultimodalImageEmbedding."""
    d = keys.integer("hidden_size")
    part = Part(VISION)
    part.weights.extend(siglip(keys, head=True))
    part.tensor("markers", 1, 1, d, times=2)
    part.linear("projection", text_width, d)
    part.linear("projection", text_width, text_width)
    return part.weights


def qwen2_5(keys: Section) -> list[Weight]:
    """Qwen2_5OmniVisionEncoder: RMSNorm and gated feed-forward networks."""
    d, layers = keys.integer("hidden_size"), keys.integer("depth")
    ffn, patch = keys.integer("intermediate_size"), keys.integer("patch_size")
    merged = d * keys.integer("spatial_merge_size") ** 2
    part = Part(VISION)
    channels = keys.integer(("in_channels", "in_chans"))
    part.conv("patches", d, channels, keys.integer("temporal_patch_size"), patch, patch, bias=False)
    block = part.repeated(layers)
    block.linear("self-attention", d, d, times=4)
    block.feed_forward(d, ffn, gate=True)
    block.rms_norm("norms", d, times=2)
    part.rms_norm("projection", d)
    part.linear("projection", merged, merged)
    part.linear("projection", keys.integer("out_hidden_size"), merged)
    return part.weights


def qwen3(keys: Section) -> list[Weight]:
    """Qwen3OmniMoeVisionEncoder, with mergers for the layers that feed the decoder's."""
    d, layers = keys.integer("hidden_size"), keys.integer("depth")
    ffn, patch = keys.integer("intermediate_size"), keys.integer("patch_size")
    merged = d * keys.integer("spatial_merge_size") ** 2
    out = keys.integer("out_hidden_size")
    part = Part(VISION)
    part.conv(
        "patches",
        d,
        keys.integer("in_channels"),
        keys.integer("temporal_patch_size"),
        patch,
        patch,
    )
    part.tensor("positions", keys.integer("num_position_embeddings"), d)
    block = part.repeated(layers)
    block.linear("self-attention", 3 * d, d)
    block.linear("self-attention", d, d)
    block.feed_forward(d, ffn)
    block.layer_norm("norms", d, times=2)
    deep = len(keys.integers("deepstack_visual_indexes"))
    part.layer_norm("projection", d)
    part.layer_norm("projection", merged, times=deep)
    for _ in range(deep + 1):
        part.linear("projection", merged, merged)
        part.linear("projection", out, merged)
    return part.weights


def gemma3n(keys: Section, text_width: int) -> list[Weight]:
    """An encoder of timm's by name, and its Gemma3nMultimodalEmbedder."""
    name = keys.text("architecture")
    if name not in NAMED:
        raise UnsupportedModelError(
            f"{keys.file}: {keys.name('architecture')} is {name!r}; supported: " + ", ".join(NAMED)
        )
    part = Part(VISION)
    part.tensor("image encoder", NAMED[name])
    embed_multimodal(part, keys, text_width)
    return part.weights


def minicpm(keys: Section, text_width: int, queries: int) -> list[Weight]:
    """MiniCPM-o's SigLIP and its resampler (vLLM's Resampler2_5)."""
    d = keys.integer("hidden_size")
    part = Part(VISION)
    part.weights.extend(siglip(keys, head=False))
    part.tensor("resampler", queries, text_width)
    part.linear("resampler", text_width, d, bias=False)
    part.linear("resampler", 3 * text_width, text_width)
    part.linear("resampler", text_width, text_width)
    part.tensor("resampler", text_width, text_width)
    part.layer_norm("resampler", text_width, times=3)
    return part.weights
