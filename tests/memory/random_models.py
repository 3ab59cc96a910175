"""Model files with random weights, of the sizes whose memory in use is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter

from parrotlet import _core
from parrotlet._convert.metadata import add_to, model_metadata
from parrotlet._convert.synthetic import numbered_vocabulary, random_values
from parrotlet._convert.tokenizer import labels_only
from parrotlet.architectures import Sizes, family_with, sizes_in
from parrotlet.architectures.conformer.published import (
    PRESETS,
    STREAMING_CONTEXTS,
    UNIFIED_CONTEXTS,
)
from parrotlet.architectures.conformer.sizes import UNIFIED
from parrotlet.architectures.lmu.memory import LmuConfiguration
from parrotlet.architectures.lmu.settings import checkpoint_settings
from parrotlet.architectures.lmu.tensors import lmu
from parrotlet.architectures.metadata import Entry
from parrotlet.architectures.storage import ChosenType, choose_types
from parrotlet.architectures.tensors import Tensor
from parrotlet.memory.sources import find
from parrotlet.model_files import demo_path

BLANK_BIAS = 20.0
BLANK_OF_HEADS = ("joint.joint_net.2.bias", "decoder.ctc_projection.bias")


@dataclass(frozen=True)
class RandomModel:
    """What a file holds but for the values."""

    sizes: Sizes
    tensors: Sequence[Tensor]
    entries: Sequence[Entry]

    def write(self, path: Path, type: str) -> Path:
        """Write the file: weights are the same in all layers, and what is heard is next to nothing.

        Text takes memory too: a random model would say more in a second than a speaker in a minute.
        """
        made: dict[tuple[str, tuple[int, ...], str], np.ndarray] = {}
        rng = np.random.default_rng(1)

        def data(item: ChosenType) -> np.ndarray:
            name, shape = item.tensor.name, item.tensor.shape
            key = name.rpartition("layers.")[2].lstrip("0123456789"), shape, item.type
            if key not in made:
                values = [random_values(source, size, rng) for source, size in item.tensor.sources]
                matrix = np.ascontiguousarray(item.tensor.combine(*values).reshape(shape))
                if name in BLANK_OF_HEADS:
                    matrix[self.sizes.vocab] = BLANK_BIAS
                if name.endswith(".e_m"):  # or the memory, which it feeds back, grows without end
                    matrix *= np.float32(0.1)
                made[key] = matrix if item.type == "f32" else _core.quantize(matrix, item.type)
            return made[key]

        family = family_with(self.sizes)
        planned = choose_types(self.tensors, family.storage, type)
        writer = GGUFWriter(path, family.name)
        add_to(writer, self.entries)
        for item in planned:
            kind = GGMLQuantizationType[item.type.upper()]
            name, shape = item.tensor.name, item.tensor.shape
            writer.add_tensor_info(name, shape, np.dtype(np.float32), item.bytes, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for item in planned:
            writer.write_tensor_data(data(item))
        writer.close()
        return path


def _conformer(sizes: Sizes) -> RandomModel:
    entries = model_metadata(sizes, numbered_vocabulary(sizes.vocab), "random", "f32")
    return RandomModel(sizes, family_with(sizes).tensors(sizes), entries)


def demo_sized(streaming: bool) -> RandomModel:
    """The shape of the model in the package, or a causal one of its size."""
    sizes = sizes_in(_core.GgufFile(str(demo_path())))
    encoder = sizes.encoder
    if streaming:
        encoder = replace(
            encoder,
            attention_style="chunked_limited",
            attention_contexts=STREAMING_CONTEXTS,
            conv_context=(encoder.conv_kernel - 1, 0),
            conv_norm="layer_norm",
            subsampling=replace(encoder.subsampling, causal=True),
        )
        features = replace(sizes.features, normalize="none")
        sizes = replace(sizes, encoder=encoder, features=features)
    return _conformer(sizes)


def unified_sized() -> RandomModel:
    """The shape of the model in the package, trained for buffered streaming."""
    sizes = sizes_in(_core.GgufFile(str(demo_path())))
    encoder = replace(
        sizes.encoder,
        attention_style=UNIFIED,
        attention_contexts=((-1, -1),),
        chunk_contexts=UNIFIED_CONTEXTS,
    )
    features = replace(sizes.features, normalize="per_feature")
    return _conformer(replace(sizes, encoder=encoder, features=features))


def demo_sized_with_full_attention() -> RandomModel:
    """A model of the size of the one in the package that attends to the whole recording."""
    sizes = sizes_in(_core.GgufFile(str(demo_path())))
    encoder = replace(sizes.encoder, attention_style="regular", attention_contexts=((-1, -1),))
    return _conformer(replace(sizes, encoder=encoder))


def full_sized(streaming: bool) -> RandomModel:
    """The shape of a checkpoint of 0.6 billion parameters."""
    return _conformer(
        PRESETS["nemotron-speech-streaming-en-0.6b" if streaming else "parakeet-tdt-0.6b-v2"]
    )


def lmu_sized(size: str, variant: str) -> RandomModel:
    """An LMU preset: "attention", "recurrent", "recurrent-live" (whose features are not normalised,
    so that a stream needs no second pass), or "fft"."""
    preset = find(f"lmu-{size}")
    assert isinstance(preset, LmuConfiguration)
    settings = dict(preset.values)
    attention = variant == "attention"
    settings |= {
        "use_attention": attention,
        "theta": 128,
        "normalize": "none" if variant == "recurrent-live" else "per_feature",
    }
    layer = "encoder.lmu_layers.0."
    names = [f"{layer}W_u.weight", f"{layer}W_u.bias", f"{layer}W_h.bias"]
    if variant != "fft":
        names = [f"{layer}cell.W_x"]
    if attention:
        names.append("encoder.attention_layers.0.attention.w_q.bias")
    names += [f"encoder.{name}_projection.bias" for name in ("input", "output")]
    names.append("decoder.ctc_projection.bias")
    found = checkpoint_settings(settings, f"lmu-{size}", names)
    entries = model_metadata(found.sizes, labels_only("plain", found.labels), f"lmu-{size}", "f32")
    return RandomModel(found.sizes, lmu(found.sizes, found.stored), entries)
