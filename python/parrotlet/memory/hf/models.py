"""Which encoder, projector and decoder a Hugging Face configuration puts together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from parrotlet.architectures.conformer.transformers_config import KINDS
from parrotlet.architectures.keys import Section, size_section
from parrotlet.errors import CheckpointError, UnsupportedModelError
from parrotlet.memory.configurations import Presets
from parrotlet.memory.hf import decoders, encoders, projectors, vision
from parrotlet.memory.hf.decoders import TextDecoder
from parrotlet.memory.hf.encoders import AudioEncoder
from parrotlet.memory.hf.projectors import Projector
from parrotlet.memory.weights import Weight

PRESETS = Presets("parrotlet.memory.hf")
"""Published configurations: a `config.json` without what does not bear on memory. `_source` says
where its values come from."""

# What published files leave out because the class of the configuration has it.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "whisper": {"num_mel_bins": 80, "max_source_positions": 1500},
    "qwen2_audio_encoder": {
        "num_mel_bins": 128,
        "encoder_layers": 32,
        "encoder_attention_heads": 20,
        "encoder_ffn_dim": 5120,
        "d_model": 1280,
        "max_source_positions": 1500,
    },
    "qwen2": {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
    },
}


@dataclass(frozen=True)
class ForeignModel:
    """A model: an optional audio encoder, a decoder, and `stack` frames to a decoder position."""

    kind: str
    encoder: AudioEncoder | None
    decoder: TextDecoder
    extra: tuple[Weight, ...] = ()
    stack: int = 1
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> list[Weight]:
        """Every tensor, the encoder's first."""
        encoder = self.encoder.weights if self.encoder else []
        return [*encoder, *self.extra, *self.decoder.weights]


def foreign_model(keys: Section, kind: str) -> ForeignModel:
    """The model of a configuration of that kind (see `parrotlet.memory.detect`).

    Raises CheckpointError naming a key that is missing or wrong.
    """
    family = keys.text("model_type", default="")
    if family in _FAMILIES:
        return _FAMILIES[family](keys)
    if kind == "decoder-only":
        return ForeignModel(kind, None, decoders.causal_lm(keys))
    if kind == "encoder-decoder":
        if keys.has("encoder_config"):
            known = ", ".join(sorted([*_FAMILIES, *KINDS]))
            raise UnsupportedModelError(
                f"{keys.file}: model_type is {family!r}, whose modules are not known; known are "
                f"{known}"
            )
        note = f"model_type is {family!r}: counted as the modules of Whisper"
        return _replace_notes(_whisper(keys), note)
    return _audio_llm(keys)


def _replace_notes(made: ForeignModel, note: str) -> ForeignModel:
    return ForeignModel(made.kind, made.encoder, made.decoder, made.extra, made.stack, (note,))


def _with_defaults(keys: Section, family: str) -> Section:
    values = {**_DEFAULTS.get(family, {}), **_given(keys.values)}
    return keys.replaced(values)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _part(keys: Section, section: str, model_id: str) -> Section:
    """A part's configuration, written out or named as a published model that is a preset."""
    if keys.has(section) or not keys.has(model_id):
        return keys.section(section)
    name = keys.text(model_id)
    known = PRESETS.find(name)
    if known is None:
        raise CheckpointError(
            f"{keys.file}: the configuration has no key {keys.name(section)!r}, and "
            f"{keys.name(model_id)} is {name!r}, which is no preset"
        )
    return size_section(known.values, keys.file, keys.name(section))


def _audio_llm_of(
    encoder: AudioEncoder,
    projector: Projector,
    decoder: TextDecoder,
    images: list[Weight] | None = None,
    note: str = "",
) -> ForeignModel:
    return ForeignModel(
        kind="audio-llm",
        encoder=encoder,
        decoder=decoder,
        extra=(*projector.weights, *(images or ())),
        stack=projector.stack,
        notes=(note,) if note else (),
    )


# Encoder-decoder models ---------------------------------------------------------------------


def _whisper(keys: Section) -> ForeignModel:
    return ForeignModel("encoder-decoder", encoders.whisper(keys), decoders.whisper(keys))


def _cohere_asr(keys: Section) -> ForeignModel:
    encoder = encoders.parakeet(keys.section("encoder_config"))
    return ForeignModel("encoder-decoder", encoder, decoders.cohere_asr(keys, encoder.d_model))


# Models of an encoder and a language model --------------------------------------------------


def _qwen2_audio(keys: Section) -> ForeignModel:
    encoder = encoders.whisper(_with_defaults(keys.section("audio_config"), "qwen2_audio_encoder"))
    decoder = decoders.causal_lm(_with_defaults(keys.section("text_config"), "qwen2"))
    projector = projectors.linear(encoder.d_model, decoder.hidden, stack=2)
    return _audio_llm_of(encoder, projector, decoder)


def _voxtral(keys: Section) -> ForeignModel:
    audio = keys.section("audio_config")
    encoder = encoders.whisper(audio)
    decoder = decoders.causal_lm(keys.section("text_config"))
    wide = audio.integer("intermediate_size")
    projector = projectors.two_layers(
        wide, decoder.hidden, decoder.hidden, wide // encoder.d_model, bias=False
    )
    return _audio_llm_of(encoder, projector, decoder)


def _glm_asr(keys: Section) -> ForeignModel:
    audio = keys.section("audio_config")
    encoder = encoders.glm_asr(audio)
    tied = keys.flag("tie_word_embeddings", default=True)
    decoder = decoders.causal_lm(keys.section("text_config"), tied=tied)
    wide = audio.integer("intermediate_size")
    projector = projectors.two_layers(
        wide, 2 * decoder.hidden, decoder.hidden, wide // encoder.d_model
    )
    return _audio_llm_of(encoder, projector, decoder)


def _qwen3_asr(keys: Section) -> ForeignModel:
    keys = keys.section("thinker_config") if keys.has("thinker_config") else keys
    audio = keys.section("audio_config")
    encoder = encoders.qwen3_omni(audio, projection=False)
    text = keys.section("text_config")
    decoder = decoders.causal_lm(text, family="qwen3")
    out = audio.integer("output_dim")
    return _audio_llm_of(
        encoder, projectors.two_layers(encoder.d_model, encoder.d_model, out), decoder
    )


def _ultravox(keys: Section) -> ForeignModel:
    encoder = encoders.whisper(_part(keys, "audio_config", "audio_model_id"))
    decoder = decoders.causal_lm(_part(keys, "text_config", "text_model_id"))
    return _audio_llm_of(
        encoder, projectors.stacked(keys, encoder.d_model, decoder.hidden), decoder
    )


def _qwen2_5_omni(keys: Section) -> ForeignModel:
    keys = keys.section("thinker_config") if keys.has("thinker_config") else keys
    encoder = encoders.qwen2_5_omni(keys.section("audio_config"))
    tied = keys.flag("tie_word_embeddings", default=False)
    decoder = decoders.causal_lm(keys.section("text_config"), tied=tied, family="qwen2_5_omni_text")
    images = vision.qwen2_5(keys.section("vision_config"))
    return _audio_llm_of(encoder, Projector([], stack=2), decoder, images, _THINKER)


def _qwen3_omni(keys: Section) -> ForeignModel:
    keys = keys.section("thinker_config") if keys.has("thinker_config") else keys
    encoder = encoders.qwen3_omni(keys.section("audio_config"))
    tied = keys.flag("tie_word_embeddings", default=False)
    decoder = decoders.causal_lm(
        keys.section("text_config"), tied=tied, family="qwen3_omni_moe_text"
    )
    images = vision.qwen3(keys.section("vision_config"))
    return _audio_llm_of(encoder, Projector([]), decoder, images, _THINKER)


_THINKER = "the thinker: what makes speech is not counted, and vLLM does not load it"


def _granite_speech(keys: Section) -> ForeignModel:
    encoder = encoders.granite_speech(keys.section("encoder_config"))
    tied = keys.flag("tie_word_embeddings", default=True)
    decoder = decoders.causal_lm(keys.section("text_config"), tied=tied)
    projector = projectors.q_former(
        keys.section("projector_config"),
        decoder.hidden,
        keys.integer("window_size"),
        keys.integer("downsample_rate"),
    )
    lora = keys.flag("has_lora_adapter", default=False)
    return _audio_llm_of(
        encoder, projector, decoder, note="without the LoRA adapter" if lora else ""
    )


def _gemma3n(keys: Section) -> ForeignModel:
    audio = keys.section("audio_config")
    encoder = encoders.gemma3n(audio)
    decoder = decoders.gemma3n(keys.section("text_config"))
    projector = projectors.gemma3n(audio, decoder.hidden)
    images = vision.gemma3n(keys.section("vision_config"), decoder.hidden)
    note = "layers that use the keys and values of others are counted without matrices for them"
    return _audio_llm_of(encoder, projector, decoder, images, note)


def _phi4_multimodal(keys: Section) -> ForeignModel:
    encoder = encoders.phi4_multimodal(keys.section("audio_config"))
    decoder = decoders.causal_lm(keys, family="phi3")
    images = vision.phi4(keys.section("vision_config"), decoder.hidden)
    projector = projectors.phi4(encoder.d_model, decoder.hidden)
    note = "without the LoRA adapters for speech and images"
    return _audio_llm_of(encoder, projector, decoder, images, note)


def _midashenglm(keys: Section) -> ForeignModel:
    encoder = encoders.dasheng(keys.section("audio_encoder_config"))
    tied = keys.flag("tie_word_embeddings", default=False)
    decoder = decoders.causal_lm(keys.section("text_config"), tied=tied, family="qwen2_5_omni_text")
    stack = keys.integer("subsample_factor")
    projector = projectors.two_layers(
        stack * encoder.d_model, decoder.hidden, decoder.hidden, stack
    )
    return _audio_llm_of(encoder, projector, decoder)


def _minicpm_o(keys: Section) -> ForeignModel:
    audio = _with_defaults(keys.section("audio_config"), "whisper")
    encoder = encoders.whisper(audio)
    decoder = decoders.causal_lm(keys, family="qwen2")
    wide = audio.integer("encoder_ffn_dim") // 4
    projector = projectors.two_layers(
        wide, decoder.hidden, decoder.hidden, keys.integer("audio_pool_step")
    )
    images = vision.minicpm(
        keys.section("vision_config"), decoder.hidden, keys.integer("query_num")
    )
    note = "without the speech synthesis, which vLLM does not load"
    return _audio_llm_of(encoder, projector, decoder, images, note)


def _audio_llm(keys: Section) -> ForeignModel:
    """A configuration of a family that is not known: its parts by their own model types."""
    audio, text = keys.section("audio_config"), keys.section("text_config")
    make = _ENCODERS.get(audio.text("model_type", default="whisper"), encoders.whisper)
    encoder, decoder = make(audio), decoders.causal_lm(text)
    settings = keys.section("projector_config") if keys.has("projector_config") else keys
    stack = settings.integer("stack_factor", default=1)
    inputs = stack * encoder.d_model
    if settings.text("projector_act", default="") == "swiglu":
        hidden = settings.integer("hidden_size", default=2 * decoder.hidden)
        values = {**settings.values, "hidden_size": hidden}
        projector = projectors.stacked(
            size_section(values, keys.file), encoder.d_model, decoder.hidden
        )
    elif settings.has("projector_hidden_act"):
        projector = projectors.two_layers(inputs, decoder.hidden, decoder.hidden, stack)
    else:
        projector = projectors.linear(inputs, decoder.hidden, stack)
    family = keys.text("model_type", default="")
    note = f"model_type is {family!r}: counted by what its audio_config and text_config say"
    return _audio_llm_of(encoder, projector, decoder, note=note)


_ENCODERS: dict[str, Callable[[Section], AudioEncoder]] = {
    "glmasr_encoder": encoders.glm_asr,
    "qwen2_5_omni_audio_encoder": encoders.qwen2_5_omni,
    "qwen3_omni_moe_audio_encoder": encoders.qwen3_omni,
    "granite_speech_encoder": encoders.granite_speech,
    "gemma3n_audio": encoders.gemma3n,
    "phi4_multimodal_audio": encoders.phi4_multimodal,
    "parakeet_encoder": encoders.parakeet,
}

_FAMILIES: dict[str, Callable[[Section], ForeignModel]] = {
    "whisper": _whisper,
    "cohere_asr": _cohere_asr,
    "qwen2_audio": _qwen2_audio,
    "voxtral": _voxtral,
    "glmasr": _glm_asr,
    "qwen3_asr": _qwen3_asr,
    "ultravox": _ultravox,
    "qwen2_5_omni": _qwen2_5_omni,
    "qwen2_5_omni_thinker": _qwen2_5_omni,
    "qwen3_omni_moe": _qwen3_omni,
    "qwen3_omni_moe_thinker": _qwen3_omni,
    "granite_speech": _granite_speech,
    "gemma3n": _gemma3n,
    "phi4_multimodal": _phi4_multimodal,
    "midashenglm": _midashenglm,
    "minicpmo": _minicpm_o,
}
"""By `model_type`."""
