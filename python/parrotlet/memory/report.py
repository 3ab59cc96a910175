"""What `parrotlet.memory.plan` returns: counts and sizes, as typed values.

Sizes are bytes. A mapping "by type" has the name of a type of weights as its key: those that files
have (`f32`, `f16`, `q8_0`, `q6_k`, `q5_k`, `q4_k`, `q4_0`), `bf16`, and `int8` and `int4`, which
are 1 byte and half a byte for every parameter. A GGUF file has `file` as well: the types that its
tensors have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

GROUPS = ("process", "weights", "scorers", "caches", "activations", "input")
"""What memory is used for; scorers are phrases and a language model."""


@dataclass(frozen=True)
class Workload:
    """What the estimates are for.

    `tokens` is the text that a decoder holds, the prompt included; `right_context`,
    `attention_window` and `mode` ("offline" or "streaming") are those of `Model.transcribe` and
    `Model.stream`. The `batch` are recordings or streams by themselves, or, where `together`, the
    streams of one group.
    """

    seconds: float
    batch: int = 1
    threads: int = 1
    mode: str = "offline"
    right_context: int | None = None
    attention_window: int | None = None
    tokens: int | None = None
    tensor_parallel: int = 1
    together: bool = False


@dataclass(frozen=True)
class LayerType:
    """All layers of a kind: `parameters` and `bytes` of the `count` of them together."""

    component: str
    name: str
    count: int
    parameters: int
    bytes: Mapping[str, int]

    @property
    def parameters_each(self) -> int:
        """Parameters of one layer."""
        return self.parameters // self.count


@dataclass(frozen=True)
class Component:
    """A part of the model, such as its encoder."""

    name: str
    parameters: int
    bytes: Mapping[str, int]


@dataclass(frozen=True)
class Item:
    """One use of memory. `group` is one of GROUPS."""

    group: str
    name: str
    bytes: int


@dataclass(frozen=True)
class Estimate:
    """What running the model with weights of `type` needs; of one device, if there are several."""

    type: str
    items: tuple[Item, ...]

    @property
    def total(self) -> int:
        """All items together."""
        return sum(item.bytes for item in self.items)

    def group(self, name: str) -> int:
        """The items of a group together."""
        return sum(item.bytes for item in self.items if item.group == name)


@dataclass(frozen=True)
class KeyValueCaches:
    """Bytes of keys and values, and the positions that they are of.

    `encoder` is the encoder's self-attention, `cross` the decoder's attention to the encoder, and
    `decoder` the decoder's self-attention. The first two do not change while text is made.
    """

    encoder: int
    cross: int
    decoder: int
    encoder_positions: int
    decoder_positions: int

    @property
    def total(self) -> int:
        """All three."""
        return self.encoder + self.cross + self.decoder


@dataclass(frozen=True)
class StreamCaches:
    """What one stream holds at a right context, and the positions that its streams share."""

    left_context: int
    right_context: int
    chunk_seconds: float
    keys_and_values: int
    convolutions: int
    positions: int

    @property
    def total(self) -> int:
        """All three."""
        return self.keys_and_values + self.convolutions + self.positions


@dataclass(frozen=True)
class Training:
    """What training needs, in bytes. Weights and gradients are float32, Adam keeps two moments.

    `activations` are those that the backward pass reads, of `batch` recordings of `seconds`.
    `mixed_precision` counts weights in float32, gradients in float16 and the moments, but no
    activations. `rule_of_thumb` counts as much for activations as for everything else.
    """

    seconds: float
    batch: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    mixed_precision: int

    @property
    def minimum(self) -> int:
        """Without activations."""
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> int:
        """With activations."""
        return self.minimum + self.activations

    @property
    def rule_of_thumb(self) -> int:
        """Twice the minimum."""
        return 2 * self.minimum


@dataclass(frozen=True)
class MemoryReport:
    """Parameters, sizes and estimates of a model.

    `kind` is "transducer", "ctc", "encoder-decoder", "audio-llm" or "decoder-only". `types` are
    the keys of every mapping by type; `estimates` has the types that can be run. `buffers` are the
    bytes of a file that are no parameters, such as the mel filterbank. `stream_caches` has an entry
    for each right context of a streaming model. `kv_caches` and `training` are None for models
    without them.
    """

    name: str
    source: str
    kind: str
    settings: Workload
    type: str
    types: tuple[str, ...]
    layers: tuple[LayerType, ...]
    components: tuple[Component, ...]
    buffers: int
    estimates: Mapping[str, Estimate]
    stream_caches: tuple[StreamCaches, ...] = ()
    kv_caches: KeyValueCaches | None = None
    training: Training | None = None
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """Parameters of the whole model."""
        return sum(component.parameters for component in self.components)

    @property
    def bytes(self) -> dict[str, int]:
        """Size of the parameters by type."""
        return {type: sum(c.bytes[type] for c in self.components) for type in self.types}

    @property
    def estimate(self) -> Estimate:
        """The estimate of the type that was asked for."""
        return self.estimates[self.type]

    @property
    def total(self) -> int:
        """The total of `estimate`."""
        return self.estimate.total

    def with_items(self, items: tuple[Item, ...]) -> MemoryReport:
        """The report with further uses of memory, at every type."""
        estimates = {
            type: replace(estimate, items=(*estimate.items, *items))
            for type, estimate in self.estimates.items()
        }
        return replace(self, estimates=estimates)

    def component(self, name: str) -> Component:
        """A component by name; KeyError if there is none."""
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(name)

    def layer(self, name: str) -> LayerType:
        """A layer type by name; KeyError if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON has it, with the sums."""
        values = asdict(self)
        values["parameters"] = self.parameters
        values["bytes"] = self.bytes
        values["total"] = self.total
        for entry, layer in zip(values["layers"], self.layers, strict=True):
            entry["parameters_each"] = layer.parameters_each
        for type, estimate in self.estimates.items():
            values["estimates"][type]["total"] = estimate.total
        for entry, caches in zip(values["stream_caches"], self.stream_caches, strict=True):
            entry["total"] = caches.total
        if self.kv_caches is not None:
            values["kv_caches"]["total"] = self.kv_caches.total
        if self.training is not None:
            values["training"].update(
                minimum=self.training.minimum,
                total=self.training.total,
                rule_of_thumb=self.training.rule_of_thumb,
            )
        return values
