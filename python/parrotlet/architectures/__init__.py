"""Families of models: what each is, said once.

A folder is a family. It has the sizes with the table of their metadata keys in a model file
(`sizes.py`), the list of tensors (`tensors.py`), and the reading of checkpoints' configurations. It
may have the memory that a model takes (`memory.py`) and its multiply-adds (`work.py`). The
converter writes with these; the loader, the planner and the bench read with them. A new family is a
folder, and a line in `FAMILIES`.

    family.py      what is asked of a family
    keys.py        settings of a file by type
    metadata.py    the table of keys, from sizes to a file and back
    features.py    the frontend that all share
    prompt.py      the language prompt of some models
    tensors.py     building blocks of lists of tensors
    configured.py  what a checkpoint says of its model
    nemo.py        what NeMo's configurations have in common
    storage.py     the type that each tensor is stored as
    work.py        counting multiply-adds
    mel.py         the frontend's tables, for checkpoints that lack them
    yaml_file.py   a configuration in YAML
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from parrotlet import _core
from parrotlet.architectures.conformer import CONFORMER
from parrotlet.architectures.family import Family, Sizes
from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.lmu import LMU
from parrotlet.architectures.metadata import Entry
from parrotlet.errors import ModelFileError, UnsupportedModelError

if TYPE_CHECKING:
    from parrotlet.architectures.storage import StorageRules

__all__ = [
    "FAMILIES",
    "Family",
    "Sizes",
    "family_of",
    "family_with",
    "metadata_of",
    "nemo_family",
    "optional_part",
    "preset_sizes",
    "sizes_in",
    "sizes_of",
    "storage_of",
    "stored_size",
]

FAMILIES: tuple[Family[Any], ...] = (
    CONFORMER,
    LMU,
)

_BY_NAME = {family.name: family for family in FAMILIES}


def family_of(metadata: Mapping[str, Any], path: str | Path) -> Family[Any]:
    """The family of a model file by its metadata; raises UnsupportedModelError for others."""
    name = metadata.get("general.architecture")
    if not isinstance(name, str) or name not in _BY_NAME:
        raise UnsupportedModelError(
            f"{path}: general.architecture is {name!r:.60}; supported are {' and '.join(_BY_NAME)}"
        )
    return _BY_NAME[name]


def family_with(sizes: Sizes) -> Family[Any]:
    """The family that sizes are of."""
    return _BY_NAME[sizes.architecture]


def metadata_of(sizes: Sizes) -> list[Entry]:
    """What a file states of the sizes, by keys with the architecture's prefix."""
    entries = family_with(sizes).entries(sizes)
    return [(f"{sizes.architecture}.{key}", kind, value) for key, kind, value in entries]


def nemo_family(values: dict[str, Any]) -> Family[Any]:
    """The family of a NeMo archive by its parsed `model_config.yaml`.

    Raises CheckpointError if that names no class, and UnsupportedModelError for one not known.
    """
    from parrotlet.architectures.nemo import nemo_class

    families = {name: family for family in FAMILIES for name in family.nemo_classes}
    return families[nemo_class(values, families)]


def storage_of(architecture: str) -> StorageRules:
    """Which tensors of an architecture, known or not, take the type that is asked for."""
    from parrotlet.architectures.storage import StorageRules

    family = _BY_NAME.get(architecture)
    return StorageRules() if family is None else family.storage


def sizes_of(metadata: Mapping[str, Any], path: str | Path, tensors: Collection[str] = ()) -> Sizes:
    """The sizes that metadata states.

    Whether a layer has an optional bias is seen in the names of the file's tensors. Without these
    names the sizes say that it has none.

    Raises UnsupportedModelError for another architecture, and ModelFileError naming the key that is
    missing or makes no sense.
    """
    sizes: Sizes = family_of(metadata, path).read(GgufKeys(metadata, path), tensors)
    return sizes


def sizes_in(file: _core.GgufFile) -> Sizes:
    """The sizes of the model in a file that has all its tensors.

    Raises what `sizes_of` raises, and ModelFileError naming a tensor that is missing or of another
    shape.
    """
    shapes = {tensor.name: tuple(tensor.shape) for tensor in file.tensors}
    sizes = sizes_of(file.metadata, file.path, shapes)
    for tensor in family_with(sizes).tensors(sizes):
        found = shapes.get(tensor.name)
        if found != tensor.shape:
            problem = "is missing" if found is None else f"has shape {list(found)}"
            raise ModelFileError(
                f"{file.path}: tensor {tensor.name!r} {problem}; the metadata makes it "
                f"{list(tensor.shape)}; convert the checkpoint again"
            )
    return sizes


def stored_size(sizes: Sizes, type: str) -> int:
    """Bytes of all tensors in a file whose matrices are asked to be of `type`."""
    from parrotlet.architectures.storage import choose_types

    family = family_with(sizes)
    return sum(item.bytes for item in choose_types(family.tensors(sizes), family.storage, type))


def optional_part(architecture: str, part: str) -> ModuleType | None:
    """The module `memory` or `work` of a family; None if it has none."""
    name = f"{__name__}.{architecture}.{part}"
    return import_module(name) if find_spec(name) is not None else None


def preset_sizes() -> dict[str, Sizes]:
    """Sizes of published architectures, by the names of the checkpoints that have them."""
    return {name: sizes for family in FAMILIES for name, sizes in family.presets().items()}
