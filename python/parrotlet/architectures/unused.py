"""Tensors of a checkpoint that recognition does not compute with: other heads, losses, copies.

Fine-tunes carry what their training needed. A tensor is left out where the model that the
configuration describes is whole without it and cannot have been computed with it. One that a layer
may have been computed with is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable

from parrotlet.errors import CheckpointError

# Modules that hang off a layer, and give it nothing back.
_AUXILIARY = re.compile(r"_?(?:\w+_)?(?:loss|wer|criterion|metric|classifier|head)s?")

# Modules of their own that change what the next one is given: NeMo's prompt_kernel, spk_kernels.
_CONDITIONING = re.compile(r"\w*(?:kernel|embed|adapter|prompt|condition|film|lora)\w*")

# Fine-tuning that is not merged: NeMo's adapters, and those of the library peft.
_ADAPTER = re.compile(r".*(?:\badapter|adapter_layer|_adapter\b|lora_|\.base_layer\.).*")

_SHOWN = 6


def unused(names: Iterable[str], known: Collection[str], class_known: bool) -> list[str]:
    """Return those of `names` that are left out; `known` are the names of the model's own tensors.

    With `class_known` the checkpoint names its class, which computes with no other modules than
    those of `known`. Raises CheckpointError for a tensor that the model may have been computed
    with.
    """
    modules = {name.partition(".")[0] for name in known}
    left_out: list[str] = []
    others: list[str] = []
    for name in sorted(set(names)):
        fits = _is_copy(name, known) or _hangs_off(name, modules, class_known)
        (left_out if fits else others).append(name)
    if others:
        raise CheckpointError(_refusal(others))
    return left_out


def adapters(names: Iterable[str]) -> None:
    """Raise CheckpointError if there are weights of adapters beside the model's own."""
    found = sorted(name for name in names if _ADAPTER.fullmatch(name))
    if found:
        raise CheckpointError(_refusal(found))


def listed(names: Iterable[str], known: Collection[str]) -> str:
    """Say which modules hold tensors that are left out: "lid_head (2 tensors), loss (1 tensor)"."""
    modules = {name.partition(".")[0] for name in known}
    counts = Counter(_module(name, modules) for name in names)
    shown = [f"{module} ({n} tensor{'s' if n > 1 else ''})" for module, n in counts.items()]
    more = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {more} more modules" if more > 0 else "")


def _is_copy(name: str, known: Collection[str]) -> bool:
    """Whether a name is that of a known tensor in another module, as of a moving average."""
    _, dot, rest = name.partition(".")
    return bool(dot) and (rest in known or _is_copy(rest, known))


def _hangs_off(name: str, modules: Collection[str], class_known: bool) -> bool:
    first = name.partition(".")[0]
    if first in modules or not class_known:
        return any(_AUXILIARY.fullmatch(part) for part in name.split(".")[:-1])
    return _CONDITIONING.fullmatch(first) is None


def _module(name: str, modules: Collection[str]) -> str:
    """What to call the module that a tensor is in: the outermost that is not the model's own."""
    first, _, rest = name.partition(".")
    return first if first not in modules else name.rpartition(".")[0] or rest


def _refusal(names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    remedy = ""
    if any(_ADAPTER.fullmatch(name) for name in names):
        remedy = "; merge adapters into the weights before the checkpoint is converted"
    return (
        f"tensor {names[0]!r}{more} is not part of the architecture that the configuration "
        f"describes{remedy}"
    )
