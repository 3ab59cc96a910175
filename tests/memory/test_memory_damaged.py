"""Model files whose metadata lies or that lack a tensor: planned, or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from parrotlet import _core
from parrotlet._convert.metadata import add_to
from parrotlet.errors import ModelFileError, ParrotletError
from parrotlet.memory import plan

Converted = Callable[[str, str], Path]

MODELS = ("parakeet-tdt_ctc-110m", "lmu/attention")
EXTREMES = {
    "u32": (0, 1, 3, 2**30 - 1, 2**31 - 1, 2**32 - 1),
    "i32[]": ([-5], [1], [0, 0, 0], [2**31 - 1, 2**31 - 1]),
    "f32": (float("nan"), float("inf")),
    "str": ("x",),
}


def rewritten(
    source: _core.GgufFile, path: Path, changed: Mapping[str, Any], dropped: Collection[str] = ()
) -> Path:
    """A copy of a file with other values of keys, and without some tensors."""
    writer = gguf.GGUFWriter(path, source.metadata["general.architecture"])
    copied = ("general.architecture", "general.alignment")
    entries = [entry for entry in source.entries if entry[0] not in copied]
    add_to(writer, [(key, kind, changed.get(key, value)) for key, kind, value in entries])
    for tensor in source.tensors:
        if tensor.name not in dropped:
            writer.add_tensor(tensor.name, source.tensor(tensor.name).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["offline", "streaming"])
@pytest.mark.parametrize("model", MODELS)
def test_metadata_that_lies(model: str, mode: str, converted: Converted, tmp_path: Path) -> None:
    """Nothing takes long or ends but in a report or a ParrotletError that names the file."""
    source = _core.GgufFile(str(converted(model, "f32")))
    prefix = f"{source.metadata['general.architecture']}."
    refused = 0
    for key, kind, value in source.entries:
        if not key.startswith(prefix):
            continue
        for extreme in EXTREMES.get(kind, ()):
            if extreme == value:
                continue
            path = rewritten(source, tmp_path / "m.gguf", {key: extreme})
            try:
                plan(path, threads=2, mode=mode)
            except ParrotletError as error:
                assert str(path) in str(error)
                refused += 1
    assert refused > 50


@pytest.mark.parametrize("model", MODELS)
def test_file_that_lacks_a_tensor(model: str, converted: Converted, tmp_path: Path) -> None:
    source = _core.GgufFile(str(converted(model, "f32")))
    for name in [tensor.name for tensor in source.tensors][::5]:
        if name.endswith(".bias"):  # whether there is one, the file says
            continue
        path = rewritten(source, tmp_path / "m.gguf", {}, {name})
        with pytest.raises(ModelFileError, match=rf"m\.gguf: tensor '{name}' is missing"):
            plan(path)


def test_file_of_other_shapes(converted: Converted, tmp_path: Path) -> None:
    source = _core.GgufFile(str(converted("parakeet-tdt_ctc-110m", "f32")))
    path = rewritten(source, tmp_path / "m.gguf", {"conformer.features.mel_bands": 81})
    with pytest.raises(
        ModelFileError, match=r"featurizer\.fb' has shape \[80, 257\]; .* \[81, 257"
    ):
        plan(path)
