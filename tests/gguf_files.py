"""Changing model files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf


def rewrite(source: Path, target: Path, changes: Mapping[str, Any]) -> None:
    """Copy a GGUF file with some metadata values replaced, or left out where they are None."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        changed = changes[name] if name in changes else field.contents()
        if changed is None:
            continue
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(name, changed)
        else:
            writer.add_key_value(name, changed, field.types[0])
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
