"""Archives, zips and pickles that are built to be more than they seem."""

from __future__ import annotations

import io
import struct
import sys
import tarfile
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from parrotlet import CheckpointError
from parrotlet._convert.archive import Window, open_archive
from parrotlet._convert.checkpoint import TorchCheckpoint
from parrotlet._convert.unpickler import load
from parrotlet.architectures.yaml_file import parse_yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "convert"))
from nemo_files import (
    checkpoint_bytes,
    contiguous,
    state_pickle,
    storage,
    tensor,
    zip_bytes,
)

MEGABYTE = 1 << 20


def refused_archive(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "m.nemo"
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught, open_archive(path, tmp_path):
        pass
    return str(caught.value)


def opened(data: bytes) -> TorchCheckpoint:
    return TorchCheckpoint(Window(io.BytesIO(data), 0, len(data), "model_weights.ckpt"))


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "second", ["model_config.yaml", "./model_config.yaml", "x/../model_config.yaml"]
)
def test_a_member_that_comes_twice(tmp_path, second: str) -> None:
    members = [(tarfile.TarInfo(name), b"a: 1") for name in ("model_config.yaml", second)]
    assert "'model_config.yaml' twice" in refused_archive(tmp_path, tar_of(*members))


@pytest.mark.parametrize(
    "kind",
    [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_links_and_devices_are_not_members(tmp_path, kind: bytes) -> None:
    special = tarfile.TarInfo("model_config.yaml")
    special.type, special.linkname = kind, "/etc/passwd"
    path = tmp_path / "m.nemo"
    path.write_bytes(tar_of((special, b""), (tarfile.TarInfo("other"), b"x")))
    with open_archive(path, tmp_path) as archive:
        assert set(archive.members) == {"other"}


def test_global_headers_that_are_copied_for_every_member(tmp_path) -> None:
    """2 MB that tarfile makes gigabytes of."""
    records = b"".join(b"%d %x=\n" % (len(b"%x" % i) + 4, i) for i in range(4096, 10000))
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XGLTYPE, len(records)
    padding = bytes(-len(records) % 512)
    bomb = header.tobuf(tarfile.USTAR_FORMAT) + records + padding
    bomb += b"".join(tarfile.TarInfo(f"{i}").tobuf() for i in range(3000)) + bytes(1024)
    tracemalloc.start()
    try:
        assert "headers than any" in refused_archive(tmp_path, bomb)
        assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_more_members_than_any_archive(tmp_path) -> None:
    bomb = b"".join(tarfile.TarInfo(f"{i}").tobuf() for i in range(10_001)) + bytes(1024)
    assert "more members" in refused_archive(tmp_path, bomb)


def test_an_entry_that_comes_twice() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data.pkl", state_pickle({}))
        archive.writestr("archive/data.pkl", state_pickle({}))
    with pytest.raises(CheckpointError, match=r"'archive/data\.pkl' twice"):
        opened(buffer.getvalue())


def directory_entries(data: bytes) -> list[int]:
    """Where the entries of the zip's central directory begin."""
    found = [data.find(b"PK\x01\x02")]
    while found[-1] >= 0:
        found.append(data.find(b"PK\x01\x02", found[-1] + 1))
    return found[:-1]


@pytest.mark.parametrize("size", [0, 95, 97, 2**20, 2**31, 2**32 - 2])
def test_sizes_in_the_directory_that_lie(size: int) -> None:
    data = bytearray(checkpoint_bytes({"w": np.arange(24, dtype=np.float32)}))
    struct.pack_into("<2I", data, directory_entries(data)[-1] + 20, size, size)
    with pytest.raises(CheckpointError):
        state = opened(bytes(data))
        state.read("w")
        raise CheckpointError("bytes beyond the entry") if size == 97 else AssertionError(size)


def test_entries_that_overlap() -> None:
    """Both are read from the same bytes, which multiplies nothing in memory."""
    values = np.arange(MEGABYTE // 4, dtype=np.float32)
    views = {
        f"w{i}": tensor(storage(str(i), values.size), values.shape, contiguous(values.shape))
        for i in range(20)
    }
    entries = {"data.pkl": state_pickle(views), "data/0": values.tobytes()}
    entries |= {f"data/{i}": b"" for i in range(1, 20)}
    data = bytearray(zip_bytes(entries))
    _, first, *others = directory_entries(data)
    for entry in others:
        data[entry + 16 : entry + 28] = data[first + 16 : first + 28]  # CRC and sizes
        data[entry + 42 : entry + 46] = data[first + 42 : first + 46]  # place
    state = opened(bytes(data))
    tracemalloc.start()
    try:
        for name in state:
            np.testing.assert_array_equal(state.read(name), values)
        assert tracemalloc.get_traced_memory()[1] < 6 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_pickle_that_doubles_itself() -> None:
    """Sixty lists, each of the last one twice: short as shared lists, endless if copied."""
    data = b"\x80\x02]q\x00" + b"".join(
        b"]q" + bytes([i + 1]) + b"(h" + bytes([i]) + b"h" + bytes([i]) + b"e" for i in range(60)
    )
    start = time.monotonic()
    tracemalloc.start()
    try:
        assert isinstance(load(data + b"."), list)
        assert tracemalloc.get_traced_memory()[1] < MEGABYTE
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 30  # it would be more than a lifetime


def test_a_pickle_that_gathers_itself() -> None:
    """A list extended by itself again and again would double its length each time."""
    data = b"\x80\x02]q\x00(" + b"K\x01" * 1000 + b"e"
    data += b"(" + b"h\x00" * 1000 + b"e"
    state = load(data + b".")
    assert len(state) == 2000


def test_aliases_of_aliases() -> None:
    """YAML's billion laughs: values share what they refer to, and messages do not print it."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    tracemalloc.start()
    try:
        values = parse_yaml("\n".join(lines).encode(), "model_config.yaml")
        assert len(values) == 30
        assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE
    finally:
        tracemalloc.stop()
