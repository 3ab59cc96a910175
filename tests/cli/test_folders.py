"""What is taken from folders, and what is said of the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from parrotlet.cli.folders import LeftOut, extensions, recordings_in
from parrotlet.cli.inputs import find_inputs

RECORDINGS = """
wav flac mp3 ogg opus oga m4a m4b aac wma aiff aif caf amr 3gp 3g2 mp4 mov mkv webm avi ts mts
m2ts mpg mpeg vob wmv flv qta mpga weba mxf sph nist awb spx w64 rf64 au snd ac3 eac3 dts gsm mka
ogv wv tta ape voc ra rm asf m4v
"""

OTHERS = """
txt srt vtt ass ssa lrc json jsonl md html xml pdf zip gz png jpg jpeg gif heic avif bmp tif webp
svg py js csv tsv yaml log doc docx gguf nemo pt h264 hevc yuv y4m idx sub sup sw pcm bin dat str
m3u8 mks
"""


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def taken(folder: Path, left_out: LeftOut | None = None) -> list[str]:
    found = recordings_in(str(folder), left_out or LeftOut())
    return [path.relative_to(folder).as_posix() for path in found]


@pytest.mark.parametrize(
    "extension",
    RECORDINGS.split(),
)
def test_recordings_are_taken(tmp_path: Path, extension: str) -> None:
    make(tmp_path, f"a.{extension}", f"b.{extension.upper()}")
    assert len(taken(tmp_path)) == 2


@pytest.mark.parametrize(
    "extension",
    OTHERS.split(),
)
def test_what_is_no_recording_is_counted(tmp_path: Path, extension: str) -> None:
    make(tmp_path, f"a.{extension}")
    left_out = LeftOut()
    assert taken(tmp_path, left_out) == []
    assert list(left_out.messages()) == [f"left out 1 file that is no recording: 1 .{extension}"]


def test_what_ffmpeg_can_read_is_taken() -> None:
    av = pytest.importorskip("av")
    for name in ("wav", "flac", "mp3", "ogg", "aac", "tak", "qoa", "lc3", "brstm", "dss"):
        assert {f".{found}" for found in av.ContainerFormat(name).extensions} <= extensions()


def test_one_line_for_all_that_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "a.txt", "sub/b.TXT", "c.jpg", ".hidden.txt", ".git/x.txt", "README")
    left_out = LeftOut()
    assert taken(tmp_path, left_out) == ["a.wav"]
    (line,) = left_out.messages()
    assert line == ("left out 4 files that are no recordings: 2 .txt, 1 .jpg, 1 without extension")


def test_many_extensions_are_summed_up(tmp_path: Path) -> None:
    make(tmp_path, *(f"{i}.x{j}" for j in range(8) for i in range(9 - j)))
    left_out = LeftOut()
    assert taken(tmp_path, left_out) == []
    (line,) = left_out.messages()
    assert line.startswith("left out 44 files that are no recordings: 9 .x0, 8 .x1, ")
    assert line.endswith("5 .x4, 9 others")


def test_nothing_is_said_where_nothing_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", ".b.txt")
    left_out = LeftOut()
    assert taken(tmp_path, left_out) == ["a.wav"]
    assert list(left_out.messages()) == []


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder with a link to another one, to itself, to a folder in it, and to nothing."""
    make(tmp_path, "in/z.wav", "in/deep/y.wav", "out/x.wav", "out/further/w.wav")
    links = {"out": "../out", "loop": ".", "again": "deep", "up": "..", "nothing": "gone"}
    for name, target in links.items():
        try:
            (tmp_path / "in" / name).symlink_to(target, target_is_directory=True)
        except OSError:
            pytest.skip("links cannot be made here")
    return tmp_path / "in"


def test_links_are_followed_and_each_folder_is_read_once(linked: Path) -> None:
    found = taken(linked)
    assert found == ["z.wav", "deep/y.wav", "out/x.wav", "out/further/w.wav"]


def test_links_to_files_are_files(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "sub/b.wav")
    try:
        (tmp_path / "sub" / "c.wav").symlink_to("../a.wav")
    except OSError:
        pytest.skip("links cannot be made here")
    assert taken(tmp_path) == ["a.wav", "sub/b.wav", "sub/c.wav"]


def test_a_folder_may_be_a_link_itself(linked: Path) -> None:
    (linked.parent / "link").symlink_to("out", target_is_directory=True)
    assert taken(linked.parent / "link") == ["x.wav", "further/w.wav"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "closed/b.wav")
    (tmp_path / "closed").chmod(0)
    left_out = LeftOut()
    assert taken(tmp_path, left_out) == ["a.wav"]
    (tmp_path / "closed").chmod(0o700)
    assert list(left_out.messages()) == [f"left out {tmp_path / 'closed'}, which cannot be read"]


def test_outputs_go_where_the_recordings_are(linked: Path) -> None:
    left_out = LeftOut()
    found = find_inputs([str(linked)], left_out)
    assert [item.folder.as_posix() for item in found] == [".", "deep", "out", "out/further"]


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    left_out = LeftOut()
    (found,) = find_inputs([str(tmp_path)], left_out)
    assert "there are no recordings" in str(found.error)
    assert left_out.extensions == {".txt": 1}
