"""What the cache of converted models holds, and removing it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

import parrotlet
from parrotlet.errors import HubError
from parrotlet.hub.cache import converted_path, files_directory, lock_of, models_directory
from parrotlet.hub.kept import kept_models, remove

SAID = "the quick brown fox jumps over the lazy dog"


@pytest.fixture
def folder(model_name: str) -> Path:
    """The folder of a model that was converted to q8_0 and f16."""
    for type in ("q8_0", "f16"):
        parrotlet.load(model_name, threads=1, type=type)
    return models_directory() / model_name.replace("/", "--")


def test_an_empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PARROTLET_CACHE", str(tmp_path / "none"))
    assert kept_models() == []
    assert not (tmp_path / "none").exists()


def test_what_is_kept_and_how_much_it_takes(folder, model_name, nemo):
    (model,) = kept_models()
    assert (model.name, set(model.types)) == (model_name, {"q8_0", "f16"})
    sizes = {path.stat().st_size for path in folder.glob("*/*.gguf")}
    assert {file.bytes for file in model.files} == sizes
    assert model.bytes == sum(sizes)
    assert model.fetched == len(nemo)


def test_one_type_is_removed(folder, model_name, fake_hub):
    (model,) = kept_models()
    (removed,) = remove(model, "f16")
    assert (removed.type, removed.path.exists()) == ("f16", False)
    (left,) = kept_models()
    assert left.types == ("q8_0",)
    asked = len(fake_hub.asked("GET", "/store/"))
    assert parrotlet.load(model_name, threads=1).name  # nothing is fetched or made again
    assert len(fake_hub.asked("GET", "/store/")) == asked


def test_all_of_a_model_is_removed_and_nothing_else(folder, model_name, tmp_path):
    other = models_directory() / "someone--other" / "refs"
    other.mkdir(parents=True)
    (other / "main").write_text("0" * 40)
    fetched = sorted((tmp_path / "hf").rglob("*"))
    (model,) = kept_models()
    assert len(remove(model)) == 2
    assert not folder.exists()
    assert (other / "main").exists()
    assert sorted((tmp_path / "hf").rglob("*")) == fetched
    assert kept_models() == []
    assert parrotlet.load(model_name, threads=1).name  # it can be made again


def test_folders_that_are_no_repositories(folder, model_name):
    for name in ("plain", "a--\x1b[2Jb", "--b", "a--"):
        commit = models_directory() / name / ("0" * 40)
        commit.mkdir(parents=True)
        (commit / "b-q8_0.gguf").write_bytes(b"b")
    assert [model.name for model in kept_models()] == [model_name]


def test_files_of_others_stay(folder):
    (commit,) = (path for path in folder.iterdir() if path.name != "refs")
    for note in (folder / "notes.txt", commit / "mine.txt", commit / ".mine.tmp"):
        note.write_text("mine")
    (model,) = kept_models()
    remove(model)
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert left == {"notes.txt", "mine.txt", ".mine.tmp"}
    assert kept_models() == []


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
def test_a_loaded_model_goes_on(folder, model_name, audio_dir):
    model = parrotlet.load(model_name, threads=1)
    for kept in kept_models():
        remove(kept)
    assert not model.path.exists()
    assert model.transcribe(audio_dir / "clip01.wav").text == SAID


@pytest.mark.parametrize("type", [None, "q8_0"])
def test_a_model_that_is_being_made_is_left_alone(folder, type):
    path = next(folder.glob("*/*-q8_0.gguf"))
    (model,) = kept_models()
    with FileLock(lock_of(path)), pytest.raises(HubError, match="another process is making"):
        remove(model, type)
    assert path.exists()
    remove(model, type)
    assert not path.exists()


def test_the_last_file_beside_one_that_is_being_made(folder):
    (model,) = kept_models()
    remove(model, "f16")
    (model,) = kept_models()
    other = next(folder.glob("*/*-q8_0.gguf")).with_name("m-q4_k.gguf")
    with FileLock(lock_of(other)), pytest.raises(HubError, match="another process is making"):
        remove(model, "q8_0")
    assert (folder / "refs" / "main").exists()
    remove(model, "q8_0")
    assert not folder.exists()


def test_a_first_conversion_that_runs_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PARROTLET_CACHE", str(tmp_path))
    commit = models_directory() / "a--b" / ("0" * 40)
    commit.mkdir(parents=True)
    part = commit / f".{'0' * 16}.parrotlet.tmp"
    part.write_bytes(b"part")
    (model,) = kept_models()
    assert (model.name, model.types, model.bytes) == ("a/b", (), 4)
    with FileLock(lock_of(commit / "b-q8_0.gguf")), pytest.raises(HubError, match="is making"):
        remove(model)
    assert part.exists()
    remove(model)
    assert not (models_directory() / "a--b").exists()


def test_a_part_of_a_download(fake_hub, model_name, nemo, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # before it is tried again
    fake_hub.cuts = [800_000] + [0] * 20
    with pytest.raises(HubError):
        parrotlet.load(model_name, threads=1)
    (model,) = kept_models()
    (part,) = model.files
    assert not part.whole
    assert part.path.name.endswith(".parrotlet.incomplete")
    assert 0 < part.bytes == model.bytes < len(nemo)
    remove(model)
    assert not part.path.exists()
    fake_hub.cuts = []
    assert parrotlet.load(model_name, threads=1).name


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_not_followed(fake_hub, converted, tmp_path):
    data = converted("parakeet-ctc-0.6b", "q8_0").read_bytes()
    fake_hub.publish("someone/ggufs", {"m-q8_0.gguf": data})
    path = parrotlet.load("someone/ggufs", threads=1).path
    assert path.is_symlink()
    target = path.resolve()
    elsewhere = tmp_path / "elsewhere" / ("0" * 40)
    elsewhere.mkdir(parents=True)
    (elsewhere / "x-q8_0.gguf").write_bytes(b"x")
    (models_directory() / "some--link").symlink_to(elsewhere.parent, target_is_directory=True)
    (model,) = kept_models()
    assert model.name == "someone/ggufs"
    assert model.bytes < 4096
    remove(model)
    assert not path.is_symlink()
    assert target.stat().st_size == len(data)
    assert (elsewhere / "x-q8_0.gguf").exists()


@pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="the owner of everything may do everything",
)
def test_what_cannot_be_removed_is_named(folder):
    path = next(folder.glob("*/*-q8_0.gguf"))
    (model,) = kept_models()
    path.parent.chmod(0o555)
    try:
        with pytest.raises(HubError, match=r"cannot be removed"):
            remove(model, "q8_0")
    finally:
        path.parent.chmod(0o755)
    assert path.exists()


def test_files_of_this_machine_that_were_converted(tmp_path, monkeypatch):
    monkeypatch.setenv("PARROTLET_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "talk.gguf"
    paths = [converted_path(source, digit * 64, type) for digit in "ab" for type in ("f16", "q8_0")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"GGUF")
    (paths[0].parent / f".{'0' * 16}.tmp").write_bytes(b"12")
    (files_directory() / "somebody's").mkdir()
    first, second = kept_models()
    assert (first.name, second.name) == ("talk@aaaaaaaa", "talk@bbbbbbbb")
    assert (first.types, first.bytes, second.bytes) == (("f16", "q8_0"), 10, 8)
    remove(first)
    assert not first.folder.exists()
    assert [file.path for file in remove(second, "f16")] == [paths[2]]
    assert paths[3].exists()
    remove(kept_models()[0])
    assert [path.name for path in files_directory().iterdir()] == ["somebody's"]
