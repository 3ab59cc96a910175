"""What PyTorch Lightning saves of a NeMo model in training: its configuration beside its weights.

NeMo's `ModelPT` keeps the configuration as the hyper-parameter `cfg`, in OmegaConf's containers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .checkpoint import TorchCheckpoint
from .tokenizer_files import TokenizerFolder
from .unpickler import Foreign

_MAX_DEPTH = 100


def nemo_settings(state: TorchCheckpoint) -> dict[str, Any] | None:
    """The configuration of a NeMo model, as `model_config.yaml` of an archive has it.

    None if the checkpoint holds none. Raises CheckpointError for one that makes no sense.
    """
    parameters = _plain(state.hyper_parameters, {}, 0)
    if not isinstance(parameters, dict):
        return None
    for values in (parameters.get("cfg"), parameters):
        if isinstance(values, dict) and {"preprocessor", "encoder"} <= values.keys():
            return values
    return None


def tokenizer_beside(checkpoint: Path, values: dict[str, Any]) -> TokenizerFolder:
    """The files beside a checkpoint, whose configuration is `values`.

    Lightning saves no tokenizer. The directory that the configuration names is the training
    machine's, and is not looked into.
    """
    settings = values.get("tokenizer")
    folder = settings.get("dir") if isinstance(settings, dict) else None
    trained = f" (training had it in {folder!r:.200})" if isinstance(folder, str) else ""
    return TokenizerFolder(
        checkpoint.parent,
        f"beside the checkpoint{trained}, which holds no tokenizer; put it there, or give its "
        "directory or file as --tokenizer (in Python tokenizer=)",
    )


def _plain(value: Any, known: dict[int, Any], depth: int) -> Any:
    """OmegaConf's containers and nodes as dicts, lists and values.

    `known` has what an object became, so that one which is in many places is made once.
    """
    if depth > _MAX_DEPTH:
        raise CheckpointError("the configuration in the checkpoint is nested too deeply")
    if id(value) in known:
        return known[id(value)]
    result: Any = value
    if isinstance(value, Foreign):
        state = value.state if isinstance(value.state, dict) else {}
        result = _plain(state.get("_content", state.get("_val")), known, depth + 1)
    elif isinstance(value, dict):
        result = known[id(value)] = {}
        for key, item in value.items():
            result[key] = _plain(item, known, depth + 1)
    elif isinstance(value, list):
        result = [_plain(item, known, depth + 1) for item in value]
    known[id(value)] = result
    return result
