"""LMU models: Legendre Memory Units with self-attention before them, and CTC.

Blocks are x = LayerNorm(x + Attention(x)); x = LayerNorm(LMU(x)). The cell is that of Voelker,
Kajic and Eliasmith (2019), "Legendre Memory Units", equations 4, 6 and 7; A and B are fixed and
count as buffers.
"""

from __future__ import annotations

from dataclasses import dataclass

from parrotlet.cpus import usable_cores
from parrotlet.errors import UnsupportedModelError
from parrotlet.memory.keys import Keys
from parrotlet.memory.process import baseline
from parrotlet.memory.report import Estimate, Item, Report, Settings, Training
from parrotlet.memory.weights import TYPES, Part, Weight, components, layer_types

ENCODER, DECODER = "encoder", "decoder"
FRAME_RATE = 100
DEFAULT_SECONDS = 60.0
TRAINING_SECONDS = 5.0
FLOAT = 4


@dataclass(frozen=True)
class Lmu:
    """The sizes of a model. `vocab` counts the blank; `fft` is the cell without recurrent weights
    (LMUFFT), whose memory is a convolution."""

    inputs: int
    hidden: int
    memory: int
    layers: int
    vocab: int
    attention: bool
    heads: int
    attention_bias: bool
    fft: bool

    @classmethod
    def from_keys(
        cls, keys: Keys, attention: bool | None = None, attention_bias: bool | None = None
    ) -> Lmu:
        """Read a configuration, at its top or under `model`; the arguments override it."""
        if keys.has("model") and not keys.has("hidden_size"):
            keys = keys.section("model")
        if attention is None:
            attention = keys.flag("use_attention", default=True)
        if attention_bias is None:
            attention_bias = keys.flag("attention_bias", default=True)
        cell = keys.text("lmu_type", "cell", default="lmu").lower()
        return cls(
            inputs=keys.integer("input_size", "n_mels"),
            hidden=keys.integer("hidden_size"),
            memory=keys.integer("memory_size"),
            layers=keys.integer("num_lmu_layers"),
            vocab=keys.integer("vocab_size"),
            attention=attention,
            heads=keys.integer("num_attention_heads") if attention else 0,
            attention_bias=attention_bias,
            fft="fft" in cell,
        )

    def weights(self) -> list[Weight]:
        """The parameters, in the order of the model."""
        d = self.hidden
        part = Part(ENCODER)
        part.linear("Input projection", d, self.inputs)
        block = part.repeated(self.layers)
        if self.attention:
            block.linear("Attention layers", d, d, bias=self.attention_bias, times=4)
            block.layer_norm("Attention layers", d)
        self._cell(block)
        block.layer_norm("Layer normalization", d)
        part.linear("Output projection", d, d)
        head = Part(DECODER)
        head.linear("CTC decoder", self.vocab, d)
        return [*part.weights, *head.weights]

    def _cell(self, block: Part) -> None:
        d, m, name = self.hidden, self.memory, "LMU layers"
        if self.fft:
            block.linear(name, 1, d)  # W_u
            block.linear(name, d, m + d)  # W_h
            return
        for inputs in (d, d, m):  # the input, the hidden state and the memory
            block.tensor(name, 1, inputs)
            block.tensor(name, d, inputs)

    @property
    def buffers(self) -> int:
        """Bytes of A and B."""
        return self.layers * (self.memory * self.memory + self.memory) * FLOAT

    @property
    def state(self) -> int:
        """Bytes of the hidden states and memories of one stream."""
        return self.layers * (self.hidden + self.memory) * FLOAT

    def activations(self, frames: int) -> int:
        """Bytes that exist at once while one layer runs over a recording."""
        inside = 4 * self.hidden if self.attention else self.hidden + self.memory
        return frames * (self.inputs + 2 * self.hidden + inside) * FLOAT

    def saved(self, frames: int) -> int:
        """Bytes that the backward pass reads: what went into every product and nonlinearity."""
        d, m = self.hidden, self.memory
        per_frame = m + 1 + 2 * d  # memory, its input, the output and its normalisation
        if self.attention:
            # Input, queries, keys, values, result, its projection; scores and their softmax
            per_frame += 6 * d + 2 * self.heads * frames
        layers = self.layers * frames * per_frame
        return (layers + frames * (self.inputs + 2 * d + self.vocab)) * FLOAT


def plan(
    model: Lmu,
    settings: Settings,
    *,
    name: str,
    source: str,
    type: str,
    training_seconds: float | None = None,
) -> Report:
    """Report on a model; training is on recordings of 5 s unless told.

    Raises UnsupportedModelError for streaming a model with attention.
    """
    if settings.mode == "streaming" and model.attention:
        raise UnsupportedModelError(
            f"{source}: every frame attends to the whole recording, so the model cannot stream; "
            "one without attention can"
        )
    weights = model.weights()
    layers = layer_types(weights, TYPES)
    parts = components(layers, TYPES)
    sizes = {kind: sum(part.bytes[kind] for part in parts) for kind in TYPES}
    return Report(
        name=name,
        source=source,
        kind="ctc",
        settings=settings,
        type=type,
        types=TYPES,
        layers=layers,
        components=parts,
        buffers=model.buffers,
        estimates={kind: _estimate(model, kind, sizes[kind], settings) for kind in TYPES},
        training=_training(
            model,
            sum(part.parameters for part in parts),
            TRAINING_SECONDS if training_seconds is None else training_seconds,
            settings.batch,
        ),
        notes=("A and B of each layer are buffers and not among the parameters",),
    )


def settings(seconds: float | None, batch: int, threads: int | None, mode: str) -> Settings:
    """Settings with what was left out filled in."""
    return Settings(
        seconds=DEFAULT_SECONDS if seconds is None else seconds,
        batch=batch,
        threads=usable_cores() if threads is None else threads,
        mode=mode,
    )


def _frames(seconds: float) -> int:
    return max(1, int(seconds * FRAME_RATE))


def _estimate(model: Lmu, type: str, weights: int, settings: Settings) -> Estimate:
    frames = 1 if settings.mode == "streaming" else _frames(settings.seconds)
    batch = settings.batch
    items = [
        Item("process", "Python and libraries", baseline()),
        Item("weights", "weights", weights),
        Item("weights", "A and B", model.buffers),
        Item("caches", "hidden states and memories", batch * model.state),
        Item("activations", "one layer", batch * model.activations(frames)),
        Item("input", "features", batch * frames * model.inputs * FLOAT),
    ]
    return Estimate(type, tuple(item for item in items if item.bytes))


def _training(model: Lmu, parameters: int, seconds: float, batch: int) -> Training:
    return Training(
        seconds=seconds,
        batch=batch,
        weights=4 * parameters,
        gradients=4 * parameters,
        optimizer=8 * parameters,
        activations=batch * model.saved(_frames(seconds)),
        mixed_precision=(4 + 2 + 8) * parameters,
    )
