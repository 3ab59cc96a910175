"""A model as PyTorch saved it: its state dict, and the settings of its training in the same file or
in YAML beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..architectures import FAMILIES
from ..architectures.configured import InStateDict
from ..architectures.tensors import check
from ..architectures.yaml_file import parse_yaml
from ..errors import CheckpointError, UnsupportedModelError
from .archive import MAX_SMALL_MEMBER, open_file
from .checkpoint import STATE_KEYS, TorchCheckpoint


def read_torch_model(state: TorchCheckpoint, source: Path) -> tuple[InStateDict[Any], str]:
    """What the settings of `source` say, and which modules of it are not the model's; "" for none.

    Tensors of the model are all in its `state`, in the shapes that the settings call for, or
    computed.

    Raises CheckpointError for settings that are missing, make no sense or contradict the tensors;
    UnsupportedModelError for the checkpoint of another model.
    """
    for family in FAMILIES:
        model = family.from_state_dict(state, lambda: _settings(state, source))
        if model is not None:
            return model, check(model.tensors, state, family.ignored, class_known=False)
    known = " or ".join(family.state_dicts for family in FAMILIES if family.state_dicts)
    raise UnsupportedModelError(
        f"is a PyTorch checkpoint, and has neither the configuration of a NeMo model "
        f"(hyper_parameters.cfg, as PyTorch Lightning saves it) nor tensors of {known}; of a NeMo "
        "model give the archive that model.save_to('model.nemo') writes"
    )


def _settings(state: TorchCheckpoint, source: Path) -> tuple[dict[Any, Any], str]:
    """The configuration in the checkpoint or beside it, and what messages call it."""
    if state.config is not None:
        if not isinstance(state.config, dict):
            raise CheckpointError("config in the checkpoint is not a dict of settings")
        return state.config, "config"
    path = _yaml_of(source)
    with open_file(path) as file:
        data = file.read(MAX_SMALL_MEMBER + 1)
    if len(data) > MAX_SMALL_MEMBER:
        raise CheckpointError(f"{path.name} is larger than any configuration")
    return parse_yaml(data, path.name), path.name


def _yaml_of(source: Path) -> Path:
    """The YAML file that belongs to a checkpoint: of its name, called config, or the only one."""
    found = sorted(p for p in source.parent.iterdir() if p.suffix in (".yaml", ".yml"))
    for stem in (source.stem, "config"):
        for path in found:
            if path.stem == stem:
                return path
    if len(found) == 1:
        return found[0]
    raise CheckpointError(
        f"holds no config (a dict beside the state dict, which is then {STATE_KEYS[0]}), and "
        + ("several YAML files are beside it" if found else "no YAML file is beside it")
        + f"; put its configuration there as {source.stem}.yaml"
    )
