"""Reading model files with the `gguf` package, and changing them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np


class Reader(gguf.GGUFReader):
    """The package's reader, with an array of u8 in one piece: it makes an object of each byte."""

    def _get_field_parts(
        self, orig_offs: int, raw_type: int
    ) -> tuple[int, list[Any], list[int], list[gguf.GGUFValueType]]:
        array, u8 = gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT8
        if raw_type == array and self._get(orig_offs, np.uint32)[0] == u8:
            count = self._get(orig_offs + 4, np.uint64)
            data = self._get(orig_offs + 12, np.uint8, int(count[0]))
            return 12 + len(data), [count, data], [1], [array, u8]
        return super()._get_field_parts(orig_offs, raw_type)


def contents(field: gguf.ReaderField) -> Any:
    """The value of a metadata key; arrays of u8 as bytes."""
    if field.types == [gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT8]:
        return b"".join(field.parts[index].tobytes() for index in field.data)
    return field.contents()


def metadata(reader: gguf.GGUFReader) -> dict[str, Any]:
    """Every key of a file and its value."""
    return {name: contents(field) for name, field in reader.fields.items()}


def rewrite(source: Path, target: Path, changes: Mapping[str, Any]) -> None:
    """Copy a GGUF file with some metadata values replaced, or left out where they are None."""
    reader = Reader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        changed = changes[name] if name in changes else contents(field)
        if changed is None:
            continue
        if name not in changes and field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_key_value(name, changed, field.types[0], sub_type=field.types[-1])
        elif field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(name, changed)
        else:
            writer.add_key_value(name, changed, field.types[0])
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
