"""Tensors read from the zip that torch.save writes, and damaged zips."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
from nemo_files import (
    checkpoint_bytes,
    contiguous,
    parameter,
    state_pickle,
    storage,
    tensor,
    zip_bytes,
)

from parrotlet._convert.archive import Window
from parrotlet._convert.checkpoint import TorchCheckpoint, unwrapped
from parrotlet.errors import CheckpointError

BASE = np.arange(24, dtype=np.float32) - 3.5


def opened(data: bytes) -> TorchCheckpoint:
    # Preceded and followed by other bytes, as in a tar.
    file = io.BytesIO(b"x" * 37 + data + b"y" * 99)
    return TorchCheckpoint(Window(file, 37, len(data), "model_weights.ckpt"))


def with_tensors(**tensors: bytes) -> TorchCheckpoint:
    entries = {"data.pkl": state_pickle(tensors), "data/0": BASE.tobytes()}
    return opened(zip_bytes(entries))


@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<f2", "<i8"])
def test_types_are_widened_to_float32(dtype):
    values = BASE.reshape(2, 3, 4).astype(dtype)
    read = opened(checkpoint_bytes({"w": values})).read("w")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values.astype(np.float32))


def test_bfloat16_is_the_upper_half_of_float32():
    values = np.array([1.0, -2.5, 3.140625, 1e-30, np.inf, 0.0], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    pickled = {"w": tensor(storage("0", 6, "BFloat16Storage"), (2, 3), (3, 1))}
    read = opened(zip_bytes({"data.pkl": state_pickle(pickled), "data/0": upper.tobytes()}))
    expected = (upper.astype(np.uint32) << 16).view(np.float32).reshape(2, 3)
    np.testing.assert_array_equal(read.read("w"), expected)


def test_views_share_a_storage():
    shared = storage("0", 24)
    state = with_tensors(
        whole=tensor(shared, (4, 6), (6, 1)),
        transposed=tensor(shared, (6, 4), (1, 6)),
        part=tensor(shared, (2, 3), (6, 2), offset=7),
        last=parameter(tensor(shared, (1,), (1,), offset=23)),
        scalar=tensor(shared, (), (), offset=5),
        empty=tensor(shared, (0, 3), (3, 1)),
        repeated=tensor(shared, (3, 4), (0, 1)),
    )
    grid = BASE.reshape(4, 6)
    np.testing.assert_array_equal(state.read("whole"), grid)
    np.testing.assert_array_equal(state.read("transposed"), grid.T)
    np.testing.assert_array_equal(state.read("part"), BASE[7:].take([[0, 2, 4], [6, 8, 10]]))
    assert state.read("last").tolist() == [BASE[23]]
    assert state.read("scalar").tolist() == BASE[5]
    assert state.read("empty").shape == (0, 3)
    np.testing.assert_array_equal(state.read("repeated"), np.tile(BASE[:4], (3, 1)))
    assert state.read("transposed").flags.c_contiguous
    assert state["part"].shape == (2, 3)


def test_a_storage_that_lies_about_its_size_is_refused():
    state = with_tensors(w=tensor(storage("0", 2**50), (2**50,), (1,)))
    with pytest.raises(CheckpointError, match=r"'w': its storage states .* holds 96 bytes"):
        state.read("w")


def test_a_missing_storage_is_named():
    state = with_tensors(w=tensor(storage("5", 24), (24,), (1,)))
    with pytest.raises(CheckpointError, match="no entry 'data/5'"):
        state.read("w")


def test_big_endian_files_are_refused():
    with pytest.raises(CheckpointError, match="big-endian"):
        opened(checkpoint_bytes({"w": BASE}, byteorder=b"big"))


def test_files_without_a_byte_order_are_little_endian():
    np.testing.assert_array_equal(
        with_tensors(w=tensor(storage("0", 24), (24,), (1,))).read("w"), BASE
    )


def test_compressed_entries_are_refused():
    entries = {"data.pkl": state_pickle({}), "data/0": BASE.tobytes()}
    with pytest.raises(CheckpointError, match=r"'data\.pkl' is compressed"):
        opened(zip_bytes(entries, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "legacy format"),
        (b"hello, world", "not a PyTorch checkpoint"),
        (b"", "not a PyTorch checkpoint"),
        (zip_bytes({"readme.txt": b"hello"}), "not one torch.save wrote"),
        (zip_bytes({"data.pkl": b"]."}), "does not hold a state dict"),
    ],
    ids=["legacy format", "text", "empty", "another archive", "a list"],
)
def test_other_files_are_refused(data, message):
    with pytest.raises(CheckpointError, match=message):
        opened(data)


def test_zip64_directories_are_read():
    # torch.save writes zip64 records whatever the size; zipfile can be told to.
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (("data.pkl", None), ("data/0", BASE.tobytes())):
            pickled = state_pickle({"w": tensor(storage("0", 24), (24,), contiguous((24,)))})
            with archive.open(f"archive/{name}", "w", force_zip64=True) as entry:
                entry.write(pickled if data is None else data)
    plain = buffer.getvalue()
    end = plain.rindex(b"PK\x05\x06")
    _, _, _, _, count, size, offset, _ = struct.unpack("<4s4H2IH", plain[end:])
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    full = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    np.testing.assert_array_equal(opened(plain[:end] + record + locator + full).read("w"), BASE)


def test_a_zip_cut_anywhere_is_an_error():
    data = checkpoint_bytes({"w": BASE})
    for size in range(0, len(data), 7):
        with pytest.raises(CheckpointError):
            opened(data[:size]).read("w")


def test_flipped_bytes_never_do_worse_than_an_error():
    data = bytearray(checkpoint_bytes({"w": BASE.reshape(4, 6), "b": BASE}))
    outcomes = set()
    for position in range(len(data)):
        for value in (0, 255, data[position] ^ 1):
            damaged = bytes(data[:position]) + bytes([value]) + bytes(data[position + 1 :])
            try:
                state = opened(damaged)
                for name in state:
                    state.read(name)
                outcomes.add("read")
            except CheckpointError:
                outcomes.add("refused")
    assert outcomes == {"read", "refused"}


WRAPPED = {
    "encoder._orig_mod.layers.0.w": "encoder.layers.0.w",
    "_orig_mod.encoder.layers.0.w": "encoder.layers.0.w",
    "module.encoder.layers.0.w": "encoder.layers.0.w",
    "module._orig_mod.encoder._orig_mod.w": "encoder.w",
    "model.encoder.w": "encoder.w",
    "model.module.encoder.w": "encoder.w",
    "asr_model._orig_mod.encoder.w": "encoder.w",
    "_fsdp_wrapped_module.encoder.layers.0._fsdp_wrapped_module.w": "encoder.layers.0.w",
    "encoder.w": "encoder.w",
    "encoder.module_list.w": "encoder.module_list.w",
    "model.w": "model.w",
}


@pytest.mark.parametrize("name", WRAPPED)
def test_names_in_wrapped_models(name: str) -> None:
    assert unwrapped([name]) == {name: WRAPPED[name]}


def test_a_prefix_of_the_whole_model_goes_only_where_it_is_one() -> None:
    names = ["model.encoder.w", "model.joint.w", "loss.w"]
    assert list(unwrapped(names).values()) == ["encoder.w", "joint.w", "loss.w"]
    names = ["encoder.w", "model.encoder.w"]
    assert list(unwrapped(names).values()) == names


def test_tensors_that_are_there_wrapped_and_plain() -> None:
    data = checkpoint_bytes({"encoder.w": BASE, "encoder._orig_mod.w": BASE})
    with pytest.raises(CheckpointError, match="holds tensors twice"):
        TorchCheckpoint(Window(io.BytesIO(data), 0, len(data), "x"))
