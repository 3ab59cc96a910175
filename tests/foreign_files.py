"""A tiny checkpoint taken apart, and a GGUF file of another project to write and to change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType
from nemo_files import DATA, Nemo

from parrotlet import _core
from parrotlet._convert.tokenizer import Vocabulary, parse_sentencepiece

PLANAR = "planar"
"""Instead of a type: q8_0 with all values before all scales."""

Values = np.ndarray[Any, np.dtype[Any]]

Arrays = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


@dataclass(frozen=True)
class Checkpoint:
    """What is in a `.nemo` archive."""

    config: dict[str, Any]
    tensors: Arrays
    sentencepiece: bytes
    vocabulary: Vocabulary

    @property
    def contexts(self) -> list[list[int]]:
        """Attention contexts."""
        sizes = self.config["encoder"].get("att_context_size") or [-1, -1]
        return sizes if isinstance(sizes[0], list) else [sizes]

    @property
    def head(self) -> str:
        """ "ctc", "rnnt" or "tdt"."""
        if "joint" not in self.config:
            return "ctc"
        return "tdt" if self.durations else "rnnt"

    @property
    def durations(self) -> list[int]:
        """Of a TDT model."""
        return list(self.config.get("decoding", {}).get("durations") or [])

    @property
    def prompts(self) -> dict[str, int]:
        """Slot of each language, of a model that is told one."""
        return dict(self.config.get("model_defaults", {}).get("prompt_dictionary") or {})

    @property
    def num_prompts(self) -> int:
        """Slots."""
        return int(self.config["model_defaults"]["num_prompts"]) if self.prompts else 0


def read_checkpoint(architecture: str) -> Checkpoint:
    """A checkpoint of `tests/data`."""
    nemo = Nemo.read(DATA / architecture / "model.nemo")
    tensors = {
        name: np.ascontiguousarray(values, np.float32)
        for name, values in nemo.state.items()
        if values.shape and not name.endswith("num_batches_tracked")
    }
    (model,) = (data for name, data in nemo.files.items() if name.endswith("tokenizer.model"))
    return Checkpoint(nemo.config, tensors, model, parse_sentencepiece(model))


@dataclass(frozen=True)
class Foreign:
    """A file to write: values with the type that each is stored as."""

    architecture: str
    metadata: dict[str, Any]
    tensors: dict[str, tuple[Values, str]] = field(default_factory=dict)

    def having(self, **changes: Any) -> Foreign:
        """The same with other metadata, keys with "__" for dots; None leaves a key out."""
        new = {name.replace("__", "."): value for name, value in changes.items()}
        values = {key: v for key, v in {**self.metadata, **new}.items() if v is not None}
        return replace(self, metadata=values)

    def with_tensors(self, change: Mapping[str, tuple[Values, str] | None]) -> Foreign:
        """The same with other tensors; None leaves one out."""
        tensors = {k: v for k, v in {**self.tensors, **change}.items() if v is not None}
        return replace(self, tensors=tensors)

    def retyped(self, pattern: str, type: str) -> Foreign:
        """The same with tensors whose names match stored as another type."""
        found = {n: (v, type) for n, (v, _) in self.tensors.items() if re.fullmatch(pattern, n)}
        assert found
        return self.with_tensors(found)

    def write(self, path: Path) -> Path:
        """Write the file."""
        writer = gguf.GGUFWriter(path, self.architecture)
        for key, value in self.metadata.items():
            _add(writer, key, value)
        for name, (values, type) in self.tensors.items():
            data, kind = encoded(values, type)
            writer.add_tensor(name, data, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        (writer.add_uint32 if value >= 0 else writer.add_int32)(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, list(value))


def encoded(values: Values, type: str) -> tuple[Values, GGMLQuantizationType]:
    """Values as a type has them in a file; blocks of bytes are that already."""
    if values.dtype == np.uint8:
        return values, GGMLQuantizationType[type.upper()]
    if type == PLANAR:
        blocks = encoded(values, "q8_0")[0].reshape(-1, 34)
        planes = np.concatenate((blocks[:, 2:].reshape(-1), blocks[:, :2].reshape(-1)))
        return planes.reshape(*values.shape[:-1], -1), GGMLQuantizationType.Q8_0
    kind = GGMLQuantizationType[type.upper()]
    if type == "f32":
        return values.astype(np.float32), kind
    if type == "f16":
        return values.astype(np.float16), kind
    if type in _core.types():
        rows = np.ascontiguousarray(values.reshape(-1, values.shape[-1]), np.float32)
        return _core.quantize(rows, type).reshape(*values.shape[:-1], -1), kind
    return gguf.quants.quantize(np.ascontiguousarray(values, np.float32), kind), kind
