"""Tensors of a model, what each type makes of them, and their sums by layer type and component."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parrotlet import _core
from parrotlet.architectures.storage import FEW_BITS, fitting
from parrotlet.memory.report import Component, LayerType

WHOLE = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "int8": 1.0, "int4": 0.5}
"""Bytes of a parameter, for the types that treat every parameter alike."""

BLOCKS = ("q8_0", "q6_k", "q5_k", "q4_k", "q4_0")
"""Types that hold the rows of a matrix in blocks; vectors stay f32 beside them."""

TYPES = ("f32", "f16", "bf16", *BLOCKS, "int8", "int4")

ALIASES = {
    "float32": "f32",
    "fp32": "f32",
    "float16": "f16",
    "fp16": "f16",
    "bfloat16": "bf16",
    "4-bit": "int4",
    "4bit": "int4",
    "8-bit": "int8",
}


def canonical(type: str) -> str:
    """The name that this package has for a type; ValueError if it knows none."""
    name = ALIASES.get(type.lower(), type.lower())
    if name not in TYPES:
        raise ValueError(f"type is {type!r}; expected one of {', '.join(TYPES)}")
    return name


@dataclass(frozen=True)
class Weight:
    """`times` tensors of a shape, in PyTorch's order, in the layer type `layer` of a component.

    `layers` is the number of layers of that type that they are spread over; `wide` matrices have
    no fewer than 8 bits a weight.
    """

    component: str
    layer: str
    shape: tuple[int, ...]
    times: int = 1
    layers: int = 1
    wide: bool = False

    @property
    def parameters(self) -> int:
        """Of all of them."""
        return self.times * math.prod(self.shape)

    def bytes(self, type: str) -> int:
        """Size at a type. In blocks, a row that does not divide into them has the next type that
        fits, as in our files, and what is no matrix is f32."""
        if type in WHOLE:
            return math.ceil(self.parameters * WHOLE[type])
        if len(self.shape) < 2:
            return 4 * self.parameters
        elements, size = _core.block_layout(self.stored(type))
        return self.parameters // elements * size

    def stored(self, type: str) -> str:
        """The type of a matrix when `type`, one of the runtime's, is asked for."""
        if self.wide and type in FEW_BITS:
            type = "q8_0"
        row = math.prod(self.shape[1:])  # of a convolution: [out, in * kernel]
        return fitting(type, (self.shape[0], row))


def layer_types(weights: Iterable[Weight], types: Sequence[str]) -> tuple[LayerType, ...]:
    """Sums by component and layer type, in the order in which they first occur."""
    groups: dict[tuple[str, str], list[Weight]] = {}
    for weight in weights:
        groups.setdefault((weight.component, weight.layer), []).append(weight)
    return tuple(
        LayerType(
            component=component,
            name=name,
            count=max(weight.layers for weight in group),
            parameters=sum(weight.parameters for weight in group),
            bytes={type: sum(weight.bytes(type) for weight in group) for type in types},
        )
        for (component, name), group in groups.items()
    )


def components(layers: Iterable[LayerType], types: Sequence[str]) -> tuple[Component, ...]:
    """Sums by component."""
    groups: dict[str, list[LayerType]] = {}
    for layer in layers:
        groups.setdefault(layer.component, []).append(layer)
    return tuple(
        Component(
            name=name,
            parameters=sum(layer.parameters for layer in group),
            bytes={type: sum(layer.bytes[type] for layer in group) for type in types},
        )
        for name, group in groups.items()
    )


class Part:
    """Collects the tensors of a component, named as torch.nn names what they belong to."""

    def __init__(self, component: str, layers: int = 1, wide: bool = False) -> None:
        """Start a component; what is added later is there `layers` times, and maybe `wide`."""
        self.weights: list[Weight] = []
        self._component = component
        self._layers = layers
        self._wide = wide

    def repeated(self, layers: int, wide: bool = False) -> Part:
        """A view of this component whose additions are there `layers` times."""
        part = Part(self._component, layers, wide)
        part.weights = self.weights
        return part

    def tensor(self, layer: str, *shape: int, times: int = 1) -> None:
        """Any tensor; `times` of it in each layer."""
        self.weights.append(
            Weight(self._component, layer, shape, times * self._layers, self._layers, self._wide)
        )

    def linear(
        self, layer: str, out: int, inputs: int, *, bias: bool = True, times: int = 1
    ) -> None:
        """torch.nn.Linear."""
        self.tensor(layer, out, inputs, times=times)
        if bias:
            self.tensor(layer, out, times=times)

    def feed_forward(
        self, width: int, inner: int, *, bias: bool = True, gate: bool = False, times: int = 1
    ) -> None:
        """The two matrices of a feed-forward network, three with a gate (SwiGLU)."""
        self.linear("feed-forward", inner, width, bias=bias, times=2 * times if gate else times)
        self.linear("feed-forward", width, inner, bias=bias, times=times)

    def conv(self, layer: str, out: int, inputs: int, *kernel: int, bias: bool = True) -> None:
        """torch.nn.Conv1d or Conv2d, `inputs` being those of one group."""
        self.tensor(layer, out, inputs, *kernel)
        if bias:
            self.tensor(layer, out)

    def layer_norm(self, layer: str, size: int, times: int = 1) -> None:
        """torch.nn.LayerNorm, or a BatchNorm's parameters."""
        self.tensor(layer, size, times=2 * times)

    def rms_norm(self, layer: str, size: int, times: int = 1) -> None:
        """torch.nn.RMSNorm."""
        self.tensor(layer, size, times=times)
