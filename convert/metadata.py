"""The keys of the GGUF file, as docs/format.md lists them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gguf import GGUFValueType, GGUFWriter

from .. import _core
from ..architectures import Sizes, metadata_of
from ..architectures.metadata import Entry
from ..sentencepiece_settings import language_prefix
from .tokenizer import Vocabulary

QUANTIZATION_VERSION = 2  # GGML's, of the block formats

# GGML's number for a file most of whose matrices are of a type
FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7, "q4_k": 14, "q5_k": 16, "q6_k": 18}

_KINDS = {
    "u8": GGUFValueType.UINT8,
    "i8": GGUFValueType.INT8,
    "u16": GGUFValueType.UINT16,
    "i16": GGUFValueType.INT16,
    "u32": GGUFValueType.UINT32,
    "i32": GGUFValueType.INT32,
    "u64": GGUFValueType.UINT64,
    "i64": GGUFValueType.INT64,
    "f32": GGUFValueType.FLOAT32,
    "f64": GGUFValueType.FLOAT64,
    "bool": GGUFValueType.BOOL,
    "str": GGUFValueType.STRING,
}

_NOT_COPIED = {"general.architecture", "general.alignment"}


def model_metadata(sizes: Sizes, vocabulary: Vocabulary, name: str, type: str) -> list[Entry]:
    """Every key of a model file except `general.architecture`, which the writer sets."""
    return [
        ("general.name", "str", name),
        ("general.quantization_version", "u32", QUANTIZATION_VERSION),
        ("general.file_type", "u32", FILE_TYPES[type]),
        *metadata_of(sizes),
        ("tokenizer.ggml.model", "str", vocabulary.model),
        ("tokenizer.ggml.tokens", "str[]", vocabulary.tokens),
        ("tokenizer.ggml.scores", "f32[]", vocabulary.scores),
        ("tokenizer.ggml.token_type", "i32[]", vocabulary.types),
        *(vocabulary.settings.entries() if vocabulary.settings else ()),
        *_languages(vocabulary),
    ]


def _languages(vocabulary: Vocabulary) -> Iterator[Entry]:
    """The languages of a vocabulary that has several, and the settings of each."""
    if not vocabulary.languages:
        return
    yield "tokenizer.ggml.languages", "str[]", [name for name, _ in vocabulary.languages]
    sizes = [len(part.tokens) for _, part in vocabulary.languages]
    yield "tokenizer.ggml.language_sizes", "u32[]", sizes
    for place, (_, part) in enumerate(vocabulary.languages):
        if part.settings:
            yield from part.settings.entries(language_prefix(place))


def copied_metadata(file: _core.GgufFile, type: str) -> list[Entry]:
    """Every key of a file for a copy of it whose matrices are of `type`, text as bytes.

    Without `general.architecture`, which the writer sets, and without the alignment, which is the
    writer's own. Raises ValueError for what GGUF allows and no model file has: nested arrays.
    """
    changed: dict[str, Entry] = {
        key: (key, "u32", value)
        for key, value in (
            ("general.quantization_version", QUANTIZATION_VERSION),
            ("general.file_type", FILE_TYPES[type]),
        )
    }
    entries: list[Entry] = []
    for key, kind, value in file.entries:
        # A writer cannot write an empty array.
        if key in _NOT_COPIED or (kind.endswith("[]") and not value):
            continue
        if kind == "array[]":
            raise ValueError(f"the metadata key {key} is an array of arrays")
        entries.append(changed.pop(key, (key, kind, value)))
    return [*entries, *changed.values()]


def add_to(writer: GGUFWriter, entries: Sequence[Entry]) -> None:
    """Give every entry to a writer as the type it states."""
    for key, kind, value in entries:
        if not kind.endswith("[]"):
            writer.add_key_value(key, value, _KINDS[kind])
        elif len(value):
            element = _KINDS[kind.removesuffix("[]")]
            values = value if isinstance(value, bytes) else list(value)
            writer.add_key_value(key, values, GGUFValueType.ARRAY, sub_type=element)
