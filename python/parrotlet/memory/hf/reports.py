"""Reports on models of Hugging Face configurations that this runtime does not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parrotlet.architectures.keys import Section, size_section
from parrotlet.memory.configurations import Configuration
from parrotlet.memory.hf.estimate import Extents, cache_type_of, check_parallel, estimate
from parrotlet.memory.hf.models import PRESETS, ForeignModel, foreign_model
from parrotlet.memory.report import MemoryReport, Workload
from parrotlet.memory.subjects import WRITES_TEXT, Planner, Request, Subject
from parrotlet.memory.weights import ALIASES, TYPES, canonical, components, layer_types

DEFAULT_SECONDS = 30.0
"""A window of Whisper's, which most of these encoders take."""

_TEXT_MODELS = ("llama", "mistral", "qwen2", "qwen3", "granite", "phi3")
_AUDIO_KEYS = ("audio_config", "audio_model_id", "audio_encoder_config", "encoder_config")
_TEXT_KEYS = ("text_config", "text_model_id", "num_hidden_layers")


class ForeignSubject(Subject):
    """The model of a configuration."""

    settings = WRITES_TEXT

    def __init__(self, keys: Section, kind: str, name: str) -> None:
        """`kind` is what `ForeignPlanner.kind` finds."""
        super().__init__(name, keys.file)
        self._keys = keys
        self._kind = kind

    def report(self, request: Request) -> MemoryReport:
        """What the model needs, of one of the devices that it is spread over.

        The weights are of the configuration's own type unless told; keys, values and activations
        are f32 beside f32 weights, and f16 beside others. Raises CheckpointError naming the key
        that is missing or wrong.
        """
        workload = Workload(
            seconds=DEFAULT_SECONDS if request.seconds is None else request.seconds,
            batch=request.batch,
            tokens=request.tokens,
            tensor_parallel=request.tensor_parallel,
        )
        cache_type = None if request.cache_type is None else canonical(request.cache_type)
        made = foreign_model(self._keys, self._kind)
        check_parallel(made, workload.tensor_parallel, self.source)
        layers = layer_types(made.weights, TYPES)
        parts = components(layers, TYPES)
        bytes = {each: sum(part.bytes[each] for part in parts) for each in TYPES}
        type = request.type or configured_type(self._keys)
        return MemoryReport(
            name=self.name,
            source=self.source,
            kind=made.kind,
            settings=workload,
            type=type,
            types=TYPES,
            layers=layers,
            components=parts,
            buffers=0,
            estimates={
                each: estimate(each, bytes[each], _extents(made, workload, each, cache_type))
                for each in TYPES
            },
            kv_caches=_extents(made, workload, type, cache_type).caches(),
            notes=made.notes,
        )


class ForeignPlanner(Planner):
    """Knows the configurations of `transformers`' models."""

    presets = PRESETS
    recognises = (
        "a Hugging Face one 'model_type', 'encoder_layers' and 'decoder_layers', 'audio_config' "
        "and 'text_config', or 'hidden_size' and 'num_hidden_layers'"
    )

    def kind(self, values: Mapping[str, Any], source: str) -> str:
        """One of "encoder-decoder", "audio-llm" and "decoder-only"; empty for none of them."""
        values = values.get("thinker_config") or values
        if values.get("is_encoder_decoder") or (
            values.get("encoder_layers") and values.get("decoder_layers")
        ):
            return "encoder-decoder"
        if any(values.get(key) for key in _AUDIO_KEYS):
            has_text = any(values.get(key) for key in _TEXT_KEYS)
            return "audio-llm" if has_text else "encoder-decoder"
        if values.get("model_type") == "whisper":
            return "encoder-decoder"
        if values.get("hidden_size") and values.get("num_hidden_layers"):
            return "decoder-only"
        return "decoder-only" if values.get("model_type") in _TEXT_MODELS else ""

    def configured(self, configuration: Configuration) -> Subject:
        """The model of a configuration; its processor does not matter."""
        values, source = configuration.values, configuration.source
        keys = size_section(values, source)
        return ForeignSubject(keys, self.kind(values, source), configuration.name)


def configured_type(keys: Section) -> str:
    """The type that a configuration gives its weights, f16 if it gives none that we know."""
    name = str(keys.values.get("dtype") or keys.values.get("torch_dtype") or "float16")
    return ALIASES.get(name.removeprefix("torch."), "f16")


def _extents(made: ForeignModel, workload: Workload, type: str, cache_type: str | None) -> Extents:
    return Extents(made, workload, cache_type or cache_type_of(type))
