"""Which files of a repository make a model."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from parrotlet.errors import HubError
from parrotlet.hub.names import Repository

_CONFIGS = ("config.json", "tokenizer.json", "processor_config.json", "preprocessor_config.json")
_WEIGHTS = "model.safetensors"
_SHARDS = re.compile(r"model\.safetensors\.index\.json|model-\d+-of-\d+\.safetensors")


@dataclass(frozen=True)
class Selection:
    """Files to fetch. A "nemo" or "gguf" model is the one file, a "transformers" model is the
    directory that they lie in."""

    kind: Literal["nemo", "gguf", "transformers"]
    files: tuple[str, ...]


def select(repository: Repository, files: Collection[str], type: str) -> Selection:
    """Choose what to fetch of `files`.

    It is the first of these that there is: the file that is asked for, a `.nemo` file, a GGUF file,
    what `transformers` saved. Of several `.nemo` files the one called like the repository is
    chosen, of several GGUF files the one whose name has `type` in it. Raises HubError if there is
    none, or if several could be meant.
    """
    if repository.file is not None:
        return _asked_for(repository, files)
    nemo = [name for name in files if name.endswith(".nemo")]
    if nemo:
        return Selection("nemo", (_only(repository, nemo, repository.name),))
    gguf = [name for name in files if name.endswith(".gguf")]
    if gguf:
        return Selection("gguf", (_only(repository, gguf, type),))
    configs = tuple(name for name in _CONFIGS if name in files)
    weights = tuple(sorted(name for name in files if _SHARDS.fullmatch(name)))
    if _WEIGHTS in files:
        weights = (_WEIGHTS,)
    if "config.json" in configs and weights:
        return Selection("transformers", configs + weights)
    raise HubError(
        f"{repository}: there is no .nemo file, no GGUF file and no model of transformers as "
        "safetensors in this repository; choose one with a speech-recognition checkpoint of NeMo"
    )


def _asked_for(repository: Repository, files: Collection[str]) -> Selection:
    name = str(repository.file)
    if name not in files:
        raise HubError(f"{repository}: there is no such file; {_list(files)}")
    if name.endswith(".nemo"):
        return Selection("nemo", (name,))
    if name.endswith(".gguf"):
        return Selection("gguf", (name,))
    raise HubError(f"{repository}: name a .nemo or .gguf file, or the repository alone")


def _only(repository: Repository, names: list[str], wanted: str) -> str:
    """The only name, or the only one that `wanted` stands for."""
    if len(names) == 1:
        return names[0]
    stems = {name: name.rpartition("/")[2].rpartition(".")[0].lower() for name in names}
    # The wanted type is a word of the name: q8_0 in "model-q8_0" and "model.Q8_0".
    within = re.compile(rf"(?<![a-z\d]){re.escape(wanted.lower())}(?![a-z\d_])")
    for fits in (
        [name for name in names if stems[name] == wanted.lower()],
        [name for name in names if within.search(stems[name])],
    ):
        if len(fits) == 1:
            return fits[0]
    raise HubError(
        f"{repository}: there are several models, {_list(names)}; say which: "
        f"{repository}:{sorted(names)[0]}"
    )


def _list(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown or "it is empty"
