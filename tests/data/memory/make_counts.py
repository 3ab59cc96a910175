"""Counts the parameters of the presets' models as `transformers` builds them.

    python make_counts.py > transformers.json

Modules are built on PyTorch's meta device, so nothing is allocated. Needs `transformers` (5.23 or
newer, with every model below) and `torch`; of three models it has only the parts, and what holds
them together is written out here with torch.nn, as the class named beside it has it. The image
encoder of Gemma 3n is timm's and counted as `timm.create_model` builds it (1.0.31).
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.gemma3n import modeling_gemma3n

PRESETS = Path(__file__).parents[3] / "python" / "parrotlet" / "memory" / "hf" / "presets"
TIMM = {"mobilenetv5_300m_enc": 294_126_912}

CLASSES = {
    "whisper": (transformers.WhisperConfig, transformers.WhisperForConditionalGeneration),
    "cohere_asr": (transformers.CohereAsrConfig, transformers.CohereAsrForConditionalGeneration),
    "qwen2_audio": (transformers.Qwen2AudioConfig, transformers.Qwen2AudioForConditionalGeneration),
    "voxtral": (transformers.VoxtralConfig, transformers.VoxtralForConditionalGeneration),
    "glmasr": (transformers.GlmAsrConfig, transformers.GlmAsrForConditionalGeneration),
    "qwen3_asr": (transformers.Qwen3ASRConfig, transformers.Qwen3ASRForConditionalGeneration),
    "qwen2_5_omni_thinker": (
        transformers.Qwen2_5OmniThinkerConfig,
        transformers.Qwen2_5OmniThinkerForConditionalGeneration,
    ),
    "qwen3_omni_moe_thinker": (
        transformers.Qwen3OmniMoeThinkerConfig,
        transformers.Qwen3OmniMoeThinkerForConditionalGeneration,
    ),
    "granite_speech": (
        transformers.GraniteSpeechConfig,
        transformers.GraniteSpeechForConditionalGeneration,
    ),
    "phi4_multimodal": (
        transformers.Phi4MultimodalConfig,
        transformers.Phi4MultimodalForCausalLM,
    ),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
}

# Components by a part of the parameter's name, the first that matches
COMPONENTS = (
    ("projector", ("projector", "proj1.", "proj2.", "audio_tower.proj.", "audio_bos_eos")),
    ("projector", ("proj_for_speech", "proj_for_vision_speech", "embed_audio", "projection_layer")),
    ("vision", ("visual", "vision", "image_embed", "vpm", "resampler")),
    ("embeddings", ("embed_tokens.", "embed_tokens_per_layer", "lm_head", "proj_out")),
    ("encoder", ("encoder.", "audio_tower", "audio_embed", "apm.")),
    ("decoder", ("",)),
)


def component(name: str) -> str:
    """The component that a parameter is counted in."""
    if "model.decoder." in name and "embed_tokens" not in name:
        return "decoder"
    return next(label for label, parts in COMPONENTS if any(part in name for part in parts))


def config(cls: Any, values: dict[str, Any]) -> Any:
    """A configuration of a class, without our own keys."""
    return cls(**{key: value for key, value in values.items() if not key.startswith("_")})


def linear(*sizes: int, bias: bool = True) -> nn.Sequential:
    """Matrices one after the other."""
    return nn.Sequential(*(nn.Linear(a, b, bias=bias) for a, b in pairwise(sizes)))


def whisper_encoder(values: dict[str, Any]) -> nn.Module:
    """The encoder half of Whisper."""
    made = config(transformers.WhisperConfig, values)
    return transformers.models.whisper.modeling_whisper.WhisperEncoder(made)


def load(name: str) -> dict[str, Any]:
    """A preset by the name that a configuration gives its part."""
    file = PRESETS / f"{name.rpartition('/')[2].lower()}.json"
    values: dict[str, Any] = json.loads(file.read_text())
    return values


class Ultravox(nn.Module):
    """UltravoxModel of version 0.5: Whisper's encoder, UltravoxProjector, Llama."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        audio, text = load(values["audio_model_id"]), load(values["text_model_id"])
        self.audio_tower = whisper_encoder(audio)
        inputs, hidden = audio["d_model"] * values["stack_factor"], values["hidden_size"]
        self.multi_modal_projector = nn.ModuleList(
            [
                nn.RMSNorm(inputs),
                nn.Linear(inputs, hidden, bias=False),
                nn.RMSNorm(hidden // 2),
                nn.Linear(hidden // 2, text["hidden_size"], bias=False),
            ]
        )
        llama = config(transformers.LlamaConfig, text)
        self.language_model = transformers.LlamaForCausalLM(llama)


class MiDashengLM(nn.Module):
    """MiDashengLMModel as vLLM has it: DashengAudioTransformer, AudioProjectorSubsample, and the
    decoder of Qwen2.5-Omni."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        audio, text = values["audio_encoder_config"], values["text_config"]
        d, heads = audio["embed_dim"], audio["num_heads"]
        height, step = audio["patch_size"]
        self.encoder = nn.Module()
        self.encoder.init_bn = nn.BatchNorm2d(audio["n_mels"])
        self.encoder.proj = nn.Conv2d(1, d, (height, step), stride=(height, step))
        self.encoder.time = nn.Parameter(torch.empty(1, d, 1, audio["target_length"] // step))
        self.encoder.freq = nn.Parameter(torch.empty(1, d, audio["n_mels"] // height, 1))
        self.encoder.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(d, heads, int(d * audio["mlp_ratio"]), norm_first=True)
            for _ in range(audio["depth"])
        )
        self.encoder.norm = nn.LayerNorm(d)
        width = text["hidden_size"]
        self.audio_projector = linear(values["subsample_factor"] * d, width, width)
        made = config(transformers.Qwen2_5OmniTextConfig, text)
        module = transformers.models.qwen2_5_omni.modeling_qwen2_5_omni
        self.language_model = module.Qwen2_5OmniThinkerTextModel(made)
        self.lm_head = nn.Linear(width, text["vocab_size"], bias=False)


class Resampler(nn.Module):
    """vLLM's Resampler2_5."""

    def __init__(self, queries: int, width: int, inputs: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.empty(queries, width))
        self.kv_proj = nn.Linear(inputs, width, bias=False)
        self.attn = nn.MultiheadAttention(width, width // 128)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.proj = nn.Parameter(torch.empty(width, width))


class MiniCpmO(nn.Module):
    """MiniCPMO as vLLM has it: Whisper's encoder, SigLIP, a resampler, and Qwen2.5."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        audio, images, width = (
            values["audio_config"],
            values["vision_config"],
            values["hidden_size"],
        )
        self.apm = whisper_encoder(audio)
        self.audio_projection_layer = linear(audio["encoder_ffn_dim"] // 4, width, width)
        siglip = config(transformers.SiglipVisionConfig, {**images, "vision_use_head": False})
        self.vpm = transformers.SiglipVisionModel(siglip)
        self.resampler = Resampler(values["query_num"], width, images["hidden_size"])
        keys = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
        keys += ("intermediate_size", "vocab_size", "tie_word_embeddings")
        qwen = transformers.Qwen2Config(**{key: values[key] for key in keys})
        self.llm = transformers.Qwen2ForCausalLM(qwen)


class Gemma3n(nn.Module):
    """Gemma3nForConditionalGeneration without its image encoder, which is timm's."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        made = config(transformers.Gemma3nConfig, values)
        self.language_model = modeling_gemma3n.Gemma3nForCausalLM(made.text_config)
        self.audio_tower = modeling_gemma3n.Gemma3nAudioEncoder(made.audio_config)
        embedder = modeling_gemma3n.Gemma3nMultimodalEmbedder
        self.embed_audio = embedder(made.audio_config, made.text_config)
        self.embed_vision = embedder(made.vision_config, made.text_config)


PARTS = {
    "ultravox": Ultravox,
    "midashenglm": MiDashengLM,
    "minicpmo": MiniCpmO,
    "gemma3n": Gemma3n,
}


def count(values: dict[str, Any]) -> dict[str, int]:
    """Parameters by component, and "total"."""
    family = values["model_type"]
    with torch.device("meta"):
        if family in PARTS:
            model = PARTS[family](values)
        else:
            config_class, model_class = CLASSES[family]
            model = model_class(config(config_class, values))
    sums: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        label = component(name)
        sums[label] = sums.get(label, 0) + parameter.numel()
    if family == "gemma3n":
        sums["vision"] += TIMM[values["vision_config"]["architecture"]]
    return {**sums, "total": sum(sums.values())}


def main() -> None:
    """Count every preset that is a `config.json`."""
    counts: dict[str, Any] = {"_transformers": transformers.__version__}
    for file in sorted(PRESETS.glob("*.json")):
        counts[file.stem] = count(json.loads(file.read_text()))
        print(file.stem, counts[file.stem]["total"], file=sys.stderr)
    print(json.dumps(counts, indent=1))


if __name__ == "__main__":
    main()
