"""The tar around a checkpoint: plain, gzipped, cut short, and things that are no archive."""

from __future__ import annotations

import gzip
import io
import re
import tarfile

import pytest
from nemo_files import gzipped, tar_bytes

from parrotlet._convert.archive import MAX_EXPANSION, open_archive
from parrotlet.errors import CheckpointError

MEMBERS = {
    "./0123_tokenizer.model": b"pieces",
    "./model_config.yaml": b"target: x",
    "./model_weights.ckpt": bytes(range(256)) * 9,
}


def written(tmp_path, data: bytes):
    path = tmp_path / "m.nemo"
    path.write_bytes(data)
    return path


def refusal(tmp_path, data: bytes) -> str:
    path = written(tmp_path, data)
    with pytest.raises(CheckpointError) as caught, open_archive(path, tmp_path) as archive:
        archive.weights.read(0, archive.weights.size)
    assert [p.name for p in tmp_path.iterdir()] == ["m.nemo"]
    return str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzipped])
def test_members_are_read_in_place(tmp_path, pack):
    path = written(tmp_path, pack(tar_bytes(MEMBERS)))
    with open_archive(path, tmp_path) as archive:
        assert set(archive.members) == {name.removeprefix("./") for name in MEMBERS}
        assert archive.config == b"target: x"
        assert archive.small_file("0123_tokenizer.model") == b"pieces"
        assert archive.weights.size == 2304
        assert archive.weights.read(250, 12) == bytes([*range(250, 256), *range(6)])
        with pytest.raises(CheckpointError, match="cut short"):
            archive.weights.read(2300, 5)
        with pytest.raises(CheckpointError):
            archive.weights.read(-1, 2)
    assert [p.name for p in tmp_path.iterdir()] == ["m.nemo"]


def test_names_lead_nowhere(tmp_path):
    escape = tmp_path / "escaped"
    hostile = {"../escaped": b"x", str(escape): b"x", **MEMBERS}
    path = written(tmp_path, tar_bytes(hostile))
    with open_archive(path, tmp_path) as archive:
        assert archive.config == b"target: x"
    assert not escape.exists()


def test_links_are_not_followed(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("model_config.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    path = written(tmp_path, buffer.getvalue())
    with (
        open_archive(path, tmp_path) as archive,
        pytest.raises(CheckpointError, match=r"no model_config\.yaml"),
    ):
        _ = archive.config


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"just some text\n" * 100, "not a .nemo archive"),
        (b"short", "not a .nemo archive"),
        (b"PK\x03\x04" + bytes(600), r"PyTorch checkpoint.*save_to"),
        (b"\x80\x02}q\x00." + bytes(600), "PyTorch checkpoint"),
        (b"\x1f\x8b" + bytes(600), "gzip stream is damaged"),
        (gzip.compress(b"text" * 300, mtime=0), "not a .nemo archive"),
        (tar_bytes({"model_config.yaml": b""}), "no model_weights.ckpt"),
    ],
)
def test_other_files_are_told_apart(tmp_path, data, message):
    assert re.search(message, refusal(tmp_path, data))


def test_a_missing_file_and_a_directory(tmp_path):
    with (
        pytest.raises(CheckpointError, match="no such file"),
        open_archive(tmp_path / "none.nemo", tmp_path),
    ):
        pass
    with pytest.raises(CheckpointError, match="is a directory"), open_archive(tmp_path, tmp_path):
        pass


def test_a_tar_cut_anywhere_is_an_error(tmp_path):
    data = tar_bytes(MEMBERS)
    end = data.rindex(bytes(range(256))) + 256  # what follows is padding
    for size in range(0, end, 101):
        assert refusal(tmp_path, data[:size])


def test_a_gzipped_tar_cut_anywhere_is_an_error(tmp_path):
    data = gzipped(tar_bytes(MEMBERS))
    for size in range(0, len(data), 11):
        assert refusal(tmp_path, data[:size])


def test_a_gzip_bomb_is_refused(tmp_path):
    bomb = gzip.compress(bytes((MAX_EXPANSION + 20) << 20), compresslevel=9)
    assert "not a .nemo archive" in refusal(tmp_path, bomb)


@pytest.mark.parametrize("size", [2**40, -(2**40)])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE])
def test_headers_that_lie_about_their_size_are_refused(tmp_path, kind, size):
    info = tarfile.TarInfo("model_weights.ckpt")
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = (size % 2**96).to_bytes(12, "big", signed=False)
    block[124] = 0x80 if size > 0 else 0xFF
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert refusal(tmp_path, bytes(block) + tar_bytes(MEMBERS))
