"""Quantising a model file, read back with the `gguf` package."""

from __future__ import annotations

import subprocess
import sys

import gguf
import numpy as np
import pytest
from nemo_files import DATA

from parrotlet import _core
from parrotlet._convert import convert, quantize
from parrotlet.errors import ModelFileError

ARCHITECTURE = "stt_en_fastconformer_hybrid_large_streaming_multi"
CHECKPOINT = DATA / ARCHITECTURE / "model.nemo"
LINEAR2 = "encoder.layers.0.feed_forward1.linear2.weight"  # rows of 256
QUANTISED = [type for type in _core.types() if type.startswith("q")]


@pytest.fixture(scope="module")
def f32(tmp_path_factory):
    return convert(CHECKPOINT, tmp_path_factory.mktemp("source") / "f32.gguf", "f32")


@pytest.fixture(scope="module")
def f16(tmp_path_factory):
    return convert(CHECKPOINT, tmp_path_factory.mktemp("source") / "f16.gguf", "f16")


def types(path) -> dict[str, str]:
    return {t.name: t.tensor_type.name.lower() for t in gguf.GGUFReader(path).tensors}


def metadata(path) -> dict[str, tuple]:
    fields = gguf.GGUFReader(path).fields
    return {
        name: (field.types, field.contents())
        for name, field in fields.items()
        if not name.startswith("GGUF.")
    }


@pytest.mark.parametrize("type", [*QUANTISED, "f16"])
def test_f32_quantises_to_what_converting_writes(f32, tmp_path, type):
    direct = convert(CHECKPOINT, tmp_path / "direct.gguf", type)
    assert quantize(f32, tmp_path / "q.gguf", type).read_bytes() == direct.read_bytes()


@pytest.mark.parametrize("type", QUANTISED)
def test_f16_quantises_as_its_values_do(f16, tmp_path, type):
    out = _core.GgufFile(str(quantize(f16, tmp_path / "q.gguf", type)))
    source = _core.GgufFile(str(f16))
    for tensor in out.tensors:
        values = source.tensor(tensor.name)
        if tensor.type.startswith("q"):
            columns = values.shape[1]
            encoded = _core.quantize(values, tensor.type)
            values = _core.dequantize(encoded, tensor.type, columns)
        np.testing.assert_array_equal(out.tensor(tensor.name), values, err_msg=tensor.name)
    assert {t.type for t in out.tensors} >= {"f32", type}


def test_metadata_is_copied_value_by_value_and_type_by_type(f32, tmp_path):
    before, after = metadata(f32), metadata(quantize(f32, tmp_path / "q.gguf", "q5_k"))
    assert before.pop("general.file_type")[1] == 0
    assert after.pop("general.file_type") == ([gguf.GGUFValueType.UINT32], 16)
    assert after == before


def test_metadata_of_every_type_is_copied(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "odd.gguf", "another")
    writer.add_uint8("a.u8", 250)
    writer.add_int64("a.i64", -(2**40))
    writer.add_float64("a.f64", 1 / 3)
    writer.add_bool("a.bool", True)
    writer.add_string("a.string", "Grüße")
    writer.add_custom_alignment(64)
    writer.add_key_value(
        "a.u16s", [1, 65535], gguf.GGUFValueType.ARRAY, sub_type=gguf.GGUFValueType.UINT16
    )
    writer.add_array("a.bools", [True, False])
    writer.add_array("a.strings", ["", "ö"])
    writer.add_tensor("m.weight", np.ones((2, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    before = metadata(tmp_path / "odd.gguf")
    after = metadata(quantize(tmp_path / "odd.gguf", tmp_path / "q.gguf", "q8_0"))
    u32 = [gguf.GGUFValueType.UINT32]
    assert before.pop("general.alignment") == (u32, 64)
    assert after.pop("general.file_type") == (u32, 7)
    assert after.pop("general.quantization_version") == (u32, 2)
    assert after == before
    assert types(tmp_path / "q.gguf") == {"m.weight": "q8_0"}


def test_kept_matrices_have_their_own_type(f32, tmp_path):
    keep = {"joint.*": "f16", "joint.enc.*": "f32", "*linear2*": "q6_k", "ctc_*": "q5_k"}
    plain = types(quantize(f32, tmp_path / "plain.gguf", "q4_k"))
    kept = types(quantize(f32, tmp_path / "kept.gguf", "q4_k", keep))
    changed = {name: kept[name] for name in plain if kept[name] != plain[name]}
    linear2 = {name: "q6_k" for name in plain if name.endswith("linear2.weight")}
    assert len(linear2) == 4
    assert changed == {
        **linear2,
        "joint.enc.weight": "f32",  # the last pattern that matches counts
        "joint.joint_net.2.weight": "f16",
    }
    assert plain["joint.pred.weight"] == "f16"  # rows of 48, before and after
    assert kept["ctc_decoder.decoder_layers.0.weight"] == "q8_0"  # rows of 64 are no q5_k


def test_text_that_is_no_utf8_is_copied_as_it_is(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "odd.gguf", "another")
    writer.add_key_value("a.bytes", b"\xff\xfe", gguf.GGUFValueType.STRING)
    writer.add_tensor("m.weight", np.ones((2, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    out = _core.GgufFile(str(quantize(tmp_path / "odd.gguf", tmp_path / "q.gguf", "q8_0")))
    assert ("a.bytes", "str", b"\xff\xfe") in out.entries


@pytest.mark.parametrize("pattern", ["nothing*", "*.bias", "*depthwise_conv.weight", ""])
def test_patterns_that_match_no_matrix_are_refused(f32, tmp_path, pattern):
    with pytest.raises(ValueError, match="no matrix of the model matches"):
        quantize(f32, tmp_path / "q.gguf", "q8_0", {pattern: "f16"})
    assert not list(tmp_path.iterdir())


def test_unknown_types_are_refused(f32, tmp_path):
    with pytest.raises(ValueError, match=r"'q9_9'.*q8_0"):
        quantize(f32, tmp_path / "q.gguf", "q9_9")
    with pytest.raises(ValueError, match=r"'q9_9'.*q8_0"):
        quantize(f32, tmp_path / "q.gguf", "q8_0", {"*": "q9_9"})


@pytest.mark.parametrize("type", QUANTISED)
def test_what_is_quantised_already_is_refused(f32, tmp_path, type):
    once = quantize(f32, tmp_path / "once.gguf", type)
    with pytest.raises(ModelFileError, match=r"once\.gguf: is quantised already .*convert"):
        quantize(once, tmp_path / "twice.gguf", "q4_0")
    assert [path.name for path in tmp_path.iterdir()] == ["once.gguf"]


def test_the_input_is_never_the_output(f32, tmp_path):
    before = f32.read_bytes()
    link = tmp_path / "link.gguf"
    link.symlink_to(f32)
    for out in (f32, link):
        with pytest.raises(ModelFileError, match="is the file to quantise itself"):
            quantize(f32, out, "q8_0")
    assert f32.read_bytes() == before


def test_damaged_and_missing_files_are_refused(f32, tmp_path):
    data = f32.read_bytes()
    for size in (0, 3, 100, 5000, len(data) // 2, len(data) - 64):
        (tmp_path / "m.gguf").write_bytes(data[:size])
        with pytest.raises(ModelFileError, match=r"m\.gguf: "):
            quantize(tmp_path / "m.gguf", tmp_path / "q.gguf", "q8_0")
    with pytest.raises(ModelFileError, match=r"gone\.gguf"):
        quantize(tmp_path / "gone.gguf", tmp_path / "q.gguf", "q8_0")
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf"]


def test_a_file_without_an_architecture_is_no_model(tmp_path):
    nothing = b"GGUF" + np.array([3, 0, 0, 0, 0], "<u4").tobytes()  # no tensors, no metadata
    (tmp_path / "m.gguf").write_bytes(nothing)
    with pytest.raises(ModelFileError, match=r"m\.gguf: has no general\.architecture"):
        quantize(tmp_path / "m.gguf", tmp_path / "q.gguf", "q8_0")


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "not finite"), (np.inf, "not finite"), (1e6, "only type f32")]
)
def test_values_that_cannot_be_stored_are_refused(f32, tmp_path, value, message):
    data = bytearray(f32.read_bytes())
    offset = {t.name: t.offset for t in _core.GgufFile(str(f32)).tensors}[LINEAR2]
    data[offset + 40 : offset + 44] = np.float32(value).tobytes()
    (tmp_path / "m.gguf").write_bytes(data)
    with pytest.raises(ModelFileError, match=rf"m\.gguf: tensor '{LINEAR2}' .*{message}"):
        quantize(tmp_path / "m.gguf", tmp_path / "q.gguf", "q4_k")
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf"]


def test_progress_counts_bytes_to_the_end(f32, tmp_path):
    calls = []
    out = quantize(f32, tmp_path / "q.gguf", "q6_k", progress=lambda *call: calls.append(call))
    names = [tensor.name for tensor in gguf.GGUFReader(out).tensors]
    assert [name for _, _, name in calls] == [*names, ""]
    done = [count for count, _, _ in calls]
    assert done[0] == 0
    assert done == sorted(done)
    assert {total for _, total, _ in calls} == {done[-1]}


def test_matrices_encoded_in_several_tasks_keep_their_rows(tmp_path):
    """Rows beyond one task's share, with a share that ends in between."""
    values = np.random.default_rng(7).standard_normal((4001, 256), dtype=np.float32)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "conformer")
    writer.add_tensor("encoder.layers.0.m.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    [tensor] = gguf.GGUFReader(quantize(tmp_path / "m.gguf", tmp_path / "q.gguf", "q4_0")).tensors
    np.testing.assert_array_equal(tensor.data, _core.quantize(values, "q4_0"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_is_that_of_a_tensor_and_not_of_a_model(tmp_path):
    """16 matrices of 16 MB each, beside the 100 MB that an interpreter with NumPy may have."""
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "conformer")
    values = np.random.default_rng(7).standard_normal((4096, 1024), dtype=np.float32)
    for i in range(16):
        writer.add_tensor(f"encoder.layers.{i}.m.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    code = (
        "import pathlib, sys\n"
        "from parrotlet._convert import quantize\n"
        "quantize(sys.argv[1], sys.argv[2], 'q4_0')\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(status.partition('VmHWM:')[2].split()[0])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "m.gguf"), str(tmp_path / "q.gguf")]
    peak = 1024 * int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 10e6 < peak < 200e6
