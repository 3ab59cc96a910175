"""Whose file it is, and what it says: from a foreign GGUF file to what a checkpoint gives."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ... import _core
from ...architectures import FAMILIES, family_with, nemo_family
from ...architectures.configured import Configured
from ...architectures.family import Sizes
from ...architectures.keys import Section
from ...architectures.tensors import check
from ...errors import CheckpointError, UnsupportedModelError
from ..archive import open_file
from ..tokenizer import Vocabulary
from .crispasr import CrispAsr, CrispAsrCtc, CrispAsrNemotron
from .dialect import METADATA, Dialect
from .nemo_speech import NemoSpeech
from .parakeet_cpp import ParakeetCpp
from .state import ForeignState, Stored
from .transcribe_cpp import TranscribeCpp

DIALECTS: tuple[Dialect, ...] = (
    NemoSpeech(),
    ParakeetCpp(),
    TranscribeCpp(),
    CrispAsr(),
    CrispAsrNemotron(),
    CrispAsrCtc(),
)

MAGIC = b"GGUF"

BUNDLE = "parakeet-bundle"
"""The architecture of files in which parakeet.cpp puts several models."""

_log = logging.getLogger(__name__)

_TERNARY = re.compile(r"(.+)\.qweight")


@dataclass(frozen=True)
class ForeignModel:
    """What a `.nemo` archive would give: sizes, tokens, and all tensors of the architecture."""

    sizes: Sizes
    vocabulary: Vocabulary
    state: ForeignState


def project_of(metadata: Mapping[str, Any]) -> str | None:
    """The project whose file has this metadata, as messages call it; None if it is not known."""
    if metadata.get("general.architecture") == BUNDLE:
        return "parakeet.cpp"
    projects = sorted({d.project for d in DIALECTS if d.recognises(metadata)})
    return " and ".join(projects) or None


def is_gguf_file(path: Path) -> bool:
    """Whether `path` is a file that begins as GGUF files do; raises CheckpointError as `open_file`.

    A directory is none, and neither is what would wait for somebody to write.
    """
    if not path.is_file():
        return False
    with open_file(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def read_foreign(path: Path) -> ForeignModel:
    """Read everything but the values of a foreign GGUF file.

    Raises ModelFileError if the file is damaged, CheckpointError if what it says is incomplete or
    makes no sense, and UnsupportedModelError if it is not known whose file it is, or the model is
    of a kind that parrotlet does not run.
    """
    file = _core.GgufFile(str(path), any_type=True)
    metadata = file.metadata
    dialect = _dialect(metadata)
    keys = dialect.keys(metadata)
    state = ForeignState(_entries(file, dialect, keys))
    config = _configured(dialect, keys, state, path)
    vocabulary = dialect.vocabulary(keys, Section(metadata, file=METADATA))
    for key, size in config.vocab_sizes:
        if size != len(vocabulary.tokens):
            raise CheckpointError(
                f"{METADATA}: the model has {size} tokens ({key}), and the tokenizer "
                f"{len(vocabulary.tokens)}"
            )
    sizes: Sizes = replace(config.sizes, vocab=len(vocabulary.tokens))
    _complete(state, sizes, dialect)
    return ForeignModel(sizes, vocabulary, state)


def _dialect(metadata: Mapping[str, Any]) -> Dialect:
    name = metadata.get("general.architecture")
    if name == BUNDLE:
        parts = metadata.get("parakeet.bundle.components")
        named = f" ({', '.join(map(str, parts))})" if isinstance(parts, list) else ""
        raise UnsupportedModelError(
            f"is a bundle of several models{named:.200}; take the file of the recogniser alone"
        )
    if name in {family.name for family in FAMILIES}:
        raise UnsupportedModelError(
            "is a model file of parrotlet's own already; `parrotlet quantize` changes its type, "
            "and `parrotlet transcribe --model` runs it"
        )
    found = [dialect for dialect in DIALECTS if dialect.recognises(metadata)]
    if not found:
        known = ", ".join(dict.fromkeys(dialect.project for dialect in DIALECTS))
        raise UnsupportedModelError(
            f"general.architecture is {name!r:.60}, and the other keys are of no project that is "
            f"known; known are {known}"
        )
    if len(found) > 1:
        projects = " and of ".join(f"{dialect.project} ({dialect.prefix}…)" for dialect in found)
        raise CheckpointError(f"has keys of {projects}; a file is of one project")
    return found[0]


def _entries(file: _core.GgufFile, dialect: Dialect, keys: Section) -> dict[str, Stored]:
    """Tensors by NeMo's names; raises for two of one name, and for ternary weights."""
    entries: dict[str, Stored] = {}
    for info in file.tensors:
        ternary = _TERNARY.fullmatch(info.name)
        if ternary is not None:
            raise UnsupportedModelError(
                f"has ternary weights (tensor {info.name!r:.80}), which are not supported; "
                "take a file in f16 or q8_0"
            )
        name = dialect.nemo_name(info.name)
        if name in entries:
            raise CheckpointError(
                f"tensors {entries[name].info.name!r:.80} and {info.name!r:.80} are the same one "
                f"of NeMo's, {name!r:.80}"
            )
        planar = info.type == "q8_0" and dialect.is_planar(keys, name)
        entries[name] = Stored(file.path, info, info.shape, planar)
    return entries


def _configured(
    dialect: Dialect, keys: Section, state: ForeignState, path: Path
) -> Configured[Any]:
    shapes = {name: entry.shape for name, entry in state.items()}
    values = dialect.configuration(keys, shapes)
    try:
        config = nemo_family(values).from_nemo(values)
    except (CheckpointError, UnsupportedModelError) as error:
        problem = str(error).removeprefix("model_config.yaml: ")
        raise error.__class__(
            f"is a file of {dialect.project} that describes this configuration of NeMo's: {problem}"
        ) from error
    doubt = dialect.doubt(values)
    if doubt:
        _log.warning("%s: %s", path, doubt)
    return config


def _complete(state: ForeignState, sizes: Sizes, dialect: Dialect) -> None:
    """Make the tensors those of the architecture; raises CheckpointError if they are not."""
    state.add_tables(sizes.features)
    state.split_lstm_biases()
    if dialect.zero_bias:
        state.drop_zero_biases()
    family = family_with(sizes)
    tensors = family.tensors(sizes)
    state.expect(tensors)
    check(tensors, state, family.ignored)
