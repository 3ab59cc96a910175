"""The sizes of an LMU model and what follows from them: weights, states, what training saves.

Blocks are x = LayerNorm(x + Attention(x)); x = LayerNorm(LMU(x)). The cell is that of Voelker,
Kajic and Eliasmith (2019), "Legendre Memory Units", equations 4, 6 and 7; A and B are fixed and
count as buffers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from parrotlet._convert.config import Features
from parrotlet._convert.lmu_config import (
    BIASES,
    KEYS,
    LmuConfig,
    biases,
    features,
    settings_anywhere,
)
from parrotlet._convert.yaml_config import Section
from parrotlet.errors import CheckpointError
from parrotlet.memory.keys import Keys, gguf_features
from parrotlet.memory.weights import Part, Weight

ENCODER, DECODER = "encoder", "decoder"
LMU_LAYERS = "LMU layers"
FLOAT = 4

CELLS = {"lmu": False, "cell": False, "lmu_fft": True, "lmufft": True, "fft": True}
"""Values of `lmu_type`, and whether they are LMUFFT."""

# A checkpoint shows these by its tensors.
_VARIANT_KEYS = ("attention_bias", "lmu_type")


@dataclass(frozen=True)
class Lmu:
    """The sizes of a model. `vocab` counts the blank; `heads` is 0 without attention; `fft` is the
    cell without recurrent weights (LMUFFT), whose memory is a convolution; `biases` are those of
    `lmu_config.BIASES` that there are."""

    inputs: int
    hidden: int
    memory: int
    layers: int
    vocab: int
    heads: int
    fft: bool
    features: Features
    biases: frozenset[str] = frozenset(BIASES)

    @classmethod
    def from_keys(
        cls, keys: Keys, attention: bool | None = None, attention_bias: bool | None = None
    ) -> Lmu:
        """Read a configuration, at its top or in sections; the arguments override it."""
        found = settings_anywhere(keys.values, keys.source, (*KEYS, *_VARIANT_KEYS))
        keys = Keys(found, keys.source)
        if attention is None:
            attention = keys.flag("use_attention", default=True)
        if attention_bias is None:
            attention_bias = keys.flag("attention_bias", default=True)
        cell = keys.text("lmu_type", default="lmu")
        if cell.lower() not in CELLS:
            raise CheckpointError(
                f"{keys.source}: lmu_type is {cell!r:.60}; expected one of {', '.join(CELLS)}"
            )
        heard = features(Section(found, file=keys.source))
        return cls(
            inputs=heard.mel_bands,
            hidden=keys.integer("hidden_size"),
            memory=keys.integer("memory_size"),
            layers=keys.integer("num_lmu_layers"),
            vocab=_outputs(keys),
            heads=keys.divisor("num_attention_heads", "hidden_size") if attention else 0,
            fft=CELLS[cell.lower()],
            features=heard,
            biases=frozenset(BIASES) - (set() if attention_bias else {"attention"}),
        )

    @classmethod
    def from_config(cls, config: LmuConfig) -> Lmu:
        """The model of a checkpoint."""
        return cls(
            inputs=config.features.mel_bands,
            hidden=config.hidden,
            memory=config.memory,
            layers=config.layers,
            vocab=len(config.tokenizer.tokens) + 1,
            heads=config.heads,
            fft=config.layer == "fft",
            features=config.features,
            biases=config.biases,
        )

    @classmethod
    def from_metadata(cls, keys: Keys, tensors: Collection[str]) -> Lmu:
        """Read the metadata of a GGUF file, without the prefix "lmu.", that has these tensors."""
        return cls(
            inputs=keys.integer("features.mel_bands"),
            hidden=keys.integer("embedding_length"),
            memory=keys.integer("memory_length"),
            layers=keys.integer("block_count"),
            vocab=keys.integer("vocab_size") + 1,
            heads=keys.integer("attention.head_count", least=0),
            fft=keys.text("layer") == "fft",
            features=gguf_features(keys),
            biases=biases(tensors),
        )

    @property
    def attention(self) -> bool:
        """Whether there is self-attention before every layer."""
        return self.heads > 0

    def weights(self) -> list[Weight]:
        """The parameters, in the order of the model."""
        d = self.hidden
        part = Part(ENCODER, wide=True)
        part.linear("Input projection", d, self.inputs, bias="input_projection" in self.biases)
        block = part.repeated(self.layers, wide=False)
        if self.attention:
            bias = "attention" in self.biases
            block.linear("Attention layers", d, d, bias=bias, times=4)
            block.layer_norm("Attention layers", d)
        self._cell(block)
        block.layer_norm("Layer normalization", d)
        part.linear("Output projection", d, d, bias="output_projection" in self.biases)
        head = Part(DECODER, wide=True)
        head.linear("CTC decoder", self.vocab, d, bias="ctc_projection" in self.biases)
        return [*part.weights, *head.weights]

    def _cell(self, block: Part) -> None:
        d, m, name = self.hidden, self.memory, LMU_LAYERS
        if self.fft:
            block.tensor(name, d)  # W_u, which makes one signal and stays a vector
            if "W_u" in self.biases:
                block.tensor(name, 1)
            block.linear(name, d, m + d, bias="W_h" in self.biases)
            return
        for inputs in (d, d, m):  # the input, the hidden state and the memory
            block.tensor(name, inputs)  # the encoding vector
            block.tensor(name, d, inputs)

    @property
    def buffers(self) -> int:
        """Bytes of A and B."""
        return self.layers * (self.memory * self.memory + self.memory) * FLOAT

    @property
    def state(self) -> int:
        """Bytes of the hidden states and memories of one stream."""
        return self.layers * (self.hidden + self.memory) * FLOAT

    def saved(self, frames: int) -> int:
        """Bytes that the backward pass reads: what went into every product and nonlinearity."""
        d, m = self.hidden, self.memory
        per_frame = m + 1 + 2 * d  # memory, its input, the output and its normalisation
        if self.attention:
            # Input, queries, keys, values, result, its projection; scores and their softmax
            per_frame += 6 * d + 2 * self.heads * frames
        layers = self.layers * frames * per_frame
        return (layers + frames * (self.inputs + 2 * d + self.vocab)) * FLOAT


def _outputs(keys: Keys) -> int:
    """Those of the CTC head, with the blank."""
    vocabulary = keys.values.get("vocabulary")
    listed = len(vocabulary) + 1 if isinstance(vocabulary, (list, str)) else None
    return keys.integer("vocab_size", default=listed)
