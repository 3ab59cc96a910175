"""Safetensors files: every type, and headers that lie."""

from __future__ import annotations

import io
import json
import random

import numpy as np
import pytest

from parrotlet._convert.archive import Window
from parrotlet._convert.safetensors_file import SafetensorsFile
from parrotlet.errors import CheckpointError, ParrotletError, UnsupportedModelError

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8"}


def file_bytes(tensors: dict[str, tuple[str, tuple[int, ...], bytes]], **header: object) -> bytes:
    """A file of (type, shape, bytes), as the safetensors library lays it out."""
    offset = 0
    for name, (dtype, shape, data) in tensors.items():
        end = offset + len(data)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(d for *_, d in tensors.values())


def opened(data: bytes) -> SafetensorsFile:
    return SafetensorsFile(Window(io.BytesIO(data), 0, len(data), "model.safetensors"))


def with_header(header: object, values: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def entry(dtype="F32", shape=(2,), offsets=(0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize("dtype", TYPES)
def test_types_are_widened_to_float32(dtype):
    values = (np.arange(24).reshape(2, 3, 4) - 7).astype(TYPES[dtype])
    file = opened(
        file_bytes({"x": ("F32", (1,), b"1234"), "w": (dtype, (2, 3, 4), values.tobytes())})
    )
    read = file.read("w")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values.astype(np.float32))
    assert file["w"].shape == (2, 3, 4)
    assert list(file) == ["x", "w"]


def test_bfloat16_is_the_upper_half_of_float32():
    values = np.array([1.0, -2.5, 3.140625, 1e-30, np.inf, 0.0], np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2")
    read = opened(file_bytes({"w": ("BF16", (2, 3), upper.tobytes())})).read("w")
    expected = (upper.astype(np.uint32) << 16).view(np.float32).reshape(2, 3)
    np.testing.assert_array_equal(read, expected)


def test_scalars_empty_tensors_and_notes():
    tensors = {
        "s": ("F32", (), b"\0\0\x80?"),
        "e": ("F32", (0, 3), b""),
        "t": ("F32", (1,), b"0000"),
    }
    file = opened(file_bytes(tensors, __metadata__={"format": "pt"}))
    assert file.read("s").tolist() == 1.0
    assert file.read("e").shape == (0, 3)
    assert "__metadata__" not in file


def test_types_that_are_not_converted():
    file = opened(file_bytes({"w": ("F8_E4M3", (4,), b"1234")}))
    with pytest.raises(UnsupportedModelError, match="'w' is stored as F8_E4M3"):
        file.read("w")


VALUES = bytes(16)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has 0 bytes"),
        (b"1234567", "has 7 bytes"),
        (b"PK\3\4" + bytes(40), "states a header of"),
        ((2**63).to_bytes(8, "little") + b"{}", "states a header of"),
        ((3).to_bytes(8, "little") + b"{}", "cut short"),
        (with_header(b"[]"), "not a JSON object"),
        (with_header(b"{"), "header is damaged"),
        (with_header(b"\xff\xfe"), "header is damaged"),
        (with_header(b"[" * 100_000), "header is damaged"),
        (with_header(b'{"a": ' + b"1" * 5000 + b"}"), "header is damaged|makes no sense"),
        (with_header(b'{"a": {}, "a": {}}'), "stands in it twice"),
        (with_header({"w": 3}), "makes no sense"),
        (with_header({"w": {}}), "makes no sense"),
        (with_header({"w": entry(shape=(-2,))}, VALUES), "makes no sense"),
        (with_header({"w": entry(shape=(True, 2))}, VALUES), "makes no sense"),
        (with_header({"w": entry(shape=(2.0,))}, VALUES), "makes no sense"),
        (with_header({"w": entry(shape=(1,) * 9, offsets=(0, 4))}, VALUES), "makes no sense"),
        (with_header({"w": entry(offsets=(0, 8, 9))}, VALUES), "makes no sense"),
        (with_header({"w": entry(offsets=(8, 0))}, VALUES), "which are not -8 bytes"),
        (with_header({"w": entry(offsets=(0, 12))}, VALUES), "which are not 12 bytes"),
        (with_header({"w": entry(shape=(2**40, 2**40))}, VALUES), "which are not 8 bytes"),
        (with_header({"w": entry(offsets=(8, 16))}, VALUES), "begin at 8, not 0"),
        (with_header({"w": entry()}, VALUES), "has 8 bytes after its last tensor"),
        (with_header({"w": entry()}, VALUES[:7]), "cut short: it has 7 of 8 bytes"),
        (with_header({"w": entry(), "v": entry()}, VALUES), "begin at 0, not 8"),
        (with_header({"w": entry(shape=(2**40,), offsets=(0, 2**42))}, VALUES), "cut short"),
    ],
)
def test_headers_that_lie(data, message):
    with pytest.raises(CheckpointError, match=message):
        opened(data)


def test_an_unknown_type():
    with pytest.raises(UnsupportedModelError, match="unknown type 'F3'"):
        opened(with_header({"w": entry("F3")}, VALUES))


def test_damaged_files_are_refused_or_read():
    """Every error is one of ours, whatever bytes change."""
    data = file_bytes({f"w{i}": ("F16", (3, i), bytes(6 * i)) for i in range(1, 6)})
    changes = random.Random(7)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(changes.randint(1, 4)):
            damaged[changes.randrange(len(damaged))] = changes.randrange(256)
        try:
            file = opened(
                bytes(damaged[: changes.choice([len(data), changes.randrange(len(data))])])
            )
            for name in file:
                file.read(name)
        except ParrotletError:
            refused += 1
    assert 1000 < refused < 3000
