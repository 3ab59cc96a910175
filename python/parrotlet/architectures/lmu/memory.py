"""LMU models: Legendre Memory Units with self-attention before them, and CTC.

Blocks are x = LayerNorm(x + Attention(x)); x = LayerNorm(LMU(x)). The cell is that of Voelker,
Kajic and Eliasmith (2019), "Legendre Memory Units", equations 4, 6 and 7; A and B are fixed and
count as buffers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parrotlet.architectures.lmu.settings import planned_sizes, settings_anywhere
from parrotlet.architectures.lmu.sizes import Lmu
from parrotlet.memory.configurations import Configuration, Presets
from parrotlet.memory.ctc_alone import CtcAloneSubject
from parrotlet.memory.report import MemoryReport, Training
from parrotlet.memory.runtime import FLOAT
from parrotlet.memory.subjects import RUNS_HERE, VARIANTS, FamilyPlanner, Request, Subject
from parrotlet.memory.weights import Part, Weight

ENCODER, DECODER = "encoder", "decoder"
FRAME_RATE = 100
TRAINING_SECONDS = 5.0


class LmuSubject(CtcAloneSubject[Lmu]):
    """A model whose matrices are of a type unless another is asked for."""

    notes = ("A and B of each layer are buffers and not among the parameters",)
    states = "hidden states and memories"

    def weights(self) -> list[Weight]:
        """The parameters, in the order of the model."""
        return weights(self.sizes)

    def buffers(self) -> int:
        """Bytes of A and B."""
        sizes = self.sizes
        return sizes.layers * (sizes.memory * sizes.memory + sizes.memory) * FLOAT

    def state_bytes(self) -> int:
        """Bytes of the hidden states and memories of one stream."""
        return self.sizes.layers * (self.sizes.d_model + self.sizes.memory) * FLOAT

    def training(self, parameters: int, request: Request) -> Training:
        """Training on recordings of 5 s unless told."""
        seconds = TRAINING_SECONDS if request.seconds is None else request.seconds
        return _training(self.sizes, parameters, seconds, request.batch)


class LmuConfiguration(Subject):
    """A configuration, which may be planned in variants."""

    settings = (*RUNS_HERE, *VARIANTS)

    def __init__(self, configuration: Configuration) -> None:
        """The settings are read when a report is asked for."""
        super().__init__(configuration.name, configuration.source)
        self.values = configuration.values

    def report(self, request: Request) -> MemoryReport:
        """What the model needs; raises what `LmuSubject.report` raises, and CheckpointError."""
        sizes = planned_sizes(self.values, self.source, request.attention, request.attention_bias)
        return LmuSubject(sizes, self.name, self.source).report(request)


class LmuPlanner(FamilyPlanner[Lmu]):
    """Knows the configurations of LMU trainings."""

    presets = Presets("parrotlet.architectures.lmu")
    recognises = "an LMU one 'memory_size' and 'num_lmu_layers'"

    def kind(self, values: Mapping[str, Any], source: str) -> str:
        """It is "ctc", or empty for a configuration of another kind."""
        known = settings_anywhere(values, source, ("num_lmu_layers", "memory_size"))
        return "ctc" if known else ""

    def configured(self, configuration: Configuration) -> Subject:
        """The model of a configuration, which is read when a report is asked for."""
        return LmuConfiguration(configuration)

    def sized(
        self, sizes: Lmu, name: str, source: str, stored: Mapping[str, str] | None = None
    ) -> Subject:
        """The model of a checkpoint, or of a GGUF file, whose type counts unless told."""
        return LmuSubject(sizes, name, source, stored_type(stored or {}))


def weights(sizes: Lmu) -> list[Weight]:
    """The parameters, in the order of the model."""
    d = sizes.d_model
    part = Part(ENCODER, wide=True)
    part.linear(
        "Input projection", d, sizes.features.mel_bands, bias="input_projection" in sizes.biases
    )
    block = part.repeated(sizes.layers, wide=False)
    if sizes.attention:
        bias = "attention" in sizes.biases
        block.linear("Attention layers", d, d, bias=bias, times=4)
        block.layer_norm("Attention layers", d)
    _cell(sizes, block)
    block.layer_norm("Layer normalization", d)
    part.linear("Output projection", d, d, bias="output_projection" in sizes.biases)
    head = Part(DECODER, wide=True)
    head.linear("CTC decoder", sizes.outputs, d, bias="ctc_projection" in sizes.biases)
    return [*part.weights, *head.weights]


def _cell(sizes: Lmu, block: Part) -> None:
    d, m, name = sizes.d_model, sizes.memory, "LMU layers"
    if sizes.fft:
        block.tensor(name, d)  # W_u, which makes one signal and stays a vector
        if "W_u" in sizes.biases:
            block.tensor(name, 1)
        block.linear(name, d, m + d, bias="W_h" in sizes.biases)
        return
    for inputs in (d, d, m):  # the input, the hidden state and the memory
        block.tensor(name, inputs)  # the encoding vector
        block.tensor(name, d, inputs)


def _saved(sizes: Lmu, frames: int) -> int:
    """Bytes that the backward pass reads: what went into every product and nonlinearity."""
    d, m = sizes.d_model, sizes.memory
    per_frame = m + 1 + 2 * d  # memory, its input, the output and its normalisation
    if sizes.attention:
        # Input, queries, keys, values, result, its projection; scores and their softmax
        per_frame += 6 * d + 2 * sizes.attention_heads * frames
    layers = sizes.layers * frames * per_frame
    return (layers + frames * (sizes.features.mel_bands + 2 * d + sizes.outputs)) * FLOAT


def stored_type(tensors: Mapping[str, str]) -> str:
    """The type that the matrices of a file's first layer were asked for, by its tensors' types."""
    matrices = ("cell.W_x", "W_h.weight")
    names = (f"encoder.lmu_layers.0.{name}" for name in matrices)
    return next((tensors[name] for name in names if name in tensors), "f32")


def _frames(seconds: float) -> int:
    return max(1, int(seconds * FRAME_RATE))


def _training(model: Lmu, parameters: int, seconds: float, batch: int) -> Training:
    return Training(
        seconds=seconds,
        batch=batch,
        weights=4 * parameters,
        gradients=4 * parameters,
        optimizer=8 * parameters,
        activations=batch * _saved(model, _frames(seconds)),
        mixed_precision=(4 + 2 + 8) * parameters,
    )


PLANNER = LmuPlanner()
