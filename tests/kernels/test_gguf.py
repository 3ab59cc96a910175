"""The GGUF reader: what it reads, and that no file can harm it."""

import struct

import gguf
import numpy as np
import pytest

from parrotlet import _core
from parrotlet.errors import ModelFileError, UnsupportedModelError

MATRIX = np.arange(64 * 3, dtype=np.float32).reshape(3, 64) / 7


def write(path):
    writer = gguf.GGUFWriter(path, "conformer")
    writer.add_uint32("some.number", 7)
    writer.add_int32("some.negative", -7)
    writer.add_float32("some.real", 0.5)
    writer.add_bool("some.truth", True)
    writer.add_string("some.text", "Grüße ▁")
    writer.add_array("some.list", [1, 2, 3])
    writer.add_array("some.words", ["a", "", "ü"])
    writer.add_array("some.bytes", b"\0\xffa")
    writer.add_tensor("matrix", MATRIX)
    writer.add_tensor("cube", np.arange(24, dtype=np.float16).reshape(2, 3, 4))
    quantized = _core.quantize(MATRIX, "q8_0")
    writer.add_tensor("blocks", quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "modèle.gguf")


def test_reads_what_was_written(file):
    read = _core.GgufFile(str(file))
    assert read.version == 3
    assert read.metadata["some.number"] == 7
    assert read.metadata["some.negative"] == -7
    assert read.metadata["some.real"] == 0.5
    assert read.metadata["some.truth"] is True
    assert read.metadata["some.text"] == "Grüße ▁"
    assert read.metadata["some.list"] == [1, 2, 3]
    assert read.metadata["some.words"] == ["a", "", "ü"]
    assert read.metadata["some.bytes"] == b"\0\xffa"
    assert read.entries == [
        ("general.architecture", "str", b"conformer"),
        ("some.number", "u32", 7),
        ("some.negative", "i32", -7),
        ("some.real", "f32", 0.5),
        ("some.truth", "bool", True),
        ("some.text", "str", "Grüße ▁".encode()),
        ("some.list", "i32[]", [1, 2, 3]),
        ("some.words", "str[]", [b"a", b"", "ü".encode()]),
        ("some.bytes", "u8[]", b"\0\xffa"),
    ]
    infos = {info.name: info for info in read.tensors}
    assert infos["cube"].ne == (4, 3, 2)
    assert infos["cube"].shape == (2, 3, 4)
    assert infos["blocks"].type == "q8_0"
    assert infos["blocks"].n_bytes == 3 * 2 * 34
    np.testing.assert_array_equal(read.tensor("matrix"), MATRIX)
    np.testing.assert_array_equal(read.tensor("cube"), np.arange(24).reshape(2, 3, 4))


def test_q8_0_dequantises_as_the_gguf_package_does(file):
    (theirs,) = (t for t in gguf.GGUFReader(file).tensors if t.name == "blocks")
    expected = gguf.quants.dequantize(theirs.data, theirs.tensor_type)
    np.testing.assert_array_equal(_core.GgufFile(str(file)).tensor("blocks"), expected)


def test_every_truncation_is_one_clear_error(file, tmp_path):
    data = file.read_bytes()
    end = max(info.offset + info.n_bytes for info in _core.GgufFile(str(file)).tensors)
    cut = tmp_path / "cut.gguf"
    for length in [*range(0, end, 7), end - 1]:  # padding may follow the last tensor
        cut.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match=r"cut\.gguf"):
            _core.GgufFile(str(cut))


def test_any_flipped_byte_is_read_or_refused(file, tmp_path):
    """Errors are fine, and so are changed values; crashes and huge allocations are not."""
    data = file.read_bytes()
    header = data.index(b"blocks") + 64
    flipped = tmp_path / "flipped.gguf"
    for position in range(header):
        for value in (0x00, 0x7F, 0xFF):
            flipped.write_bytes(data[:position] + bytes([value]) + data[position + 1 :])
            try:
                read = _core.GgufFile(str(flipped))
                for info in read.tensors:
                    read.tensor(info.name)
            except (ModelFileError, UnsupportedModelError) as error:
                assert "flipped.gguf" in str(error)


def patched(file, marker, offset, layout, value):
    """The file with one number after `marker` replaced."""
    data = bytearray(file.read_bytes())
    struct.pack_into(layout, data, data.index(marker) + len(marker) + offset, value)
    file.write_bytes(data)
    return str(file)


@pytest.mark.parametrize(
    ("marker", "offset", "layout", "value"),
    [
        (b"matrix", 4, "<Q", 2**60),  # ne[0]: the byte count overflows
        (b"matrix", 4, "<Q", 2**30),  # far larger than the file
        (b"matrix", 4, "<Q", 0),
        (b"matrix", 0, "<I", 5),  # rank
        (b"matrix", 20, "<I", 99),  # type
        (b"matrix", 24, "<Q", 1 << 40),  # offset past the end
        (b"matrix", 24, "<Q", 2**64 - 32),  # offset that wraps around
        (b"matrix", 24, "<Q", 4),  # offset off the alignment
        (b"some.list", 8, "<Q", 2**62),  # array length
        (b"some.list", 4, "<I", 77),  # array type
        (b"some.text", 4, "<Q", 2**63),  # string length
    ],
)
def test_lying_numbers_are_refused(file, marker, offset, layout, value):
    with pytest.raises(ModelFileError, match=r"modèle\.gguf"):
        _core.GgufFile(patched(file, marker, offset, layout, value))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGUF",
        b"hello world, this is text\n" * 10,
        b"GGUF\x01\x00\x00\x00" + b"\0" * 64,
        b"GGUF\x03\x00\x00\x00" + b"\xff" * 64,
    ],
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"other\.gguf"):
        _core.GgufFile(str(path))


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(ModelFileError, match="No such file"):
        _core.GgufFile(str(tmp_path / "nothing.gguf"))
    with pytest.raises(ModelFileError, match="directory"):
        _core.GgufFile(str(tmp_path))
