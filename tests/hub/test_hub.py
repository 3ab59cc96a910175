"""Models by the name of their repository, from a hub on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from foreign_files import read_checkpoint
from foreign_writers import nemo_speech
from hub_server import sha256

import parrotlet
import parrotlet.memory
from parrotlet.errors import CheckpointError, HubError
from parrotlet.hub import names

SAID = "the quick brown fox jumps over the lazy dog"


def kept(directory: Path) -> list[str]:
    """Files below a directory, but for locks and tags."""
    paths = (path for path in directory.rglob("*") if path.is_file() or path.is_symlink())
    found = (path.relative_to(directory).as_posix() for path in paths)
    return sorted(name for name in found if not name.endswith((".lock", "CACHEDIR.TAG")))


def test_load_fetches_converts_and_keeps(fake_hub, model_name, nemo, audio_dir, tmp_path):
    steps = []
    model = parrotlet.load(model_name, threads=1, progress=lambda *step: steps.append(step))
    assert model.transcribe(audio_dir / "clip01.wav").text == SAID
    assert model.name == "parakeet-ctc-tiny"
    commit = fake_hub.revisions[model_name, "main"]
    folder = "models/nvidia--parakeet-ctc-tiny"
    assert kept(tmp_path / "parrotlet") == [
        f"{folder}/{commit}/parakeet-ctc-tiny-q8_0.gguf",
        f"{folder}/refs/main",
    ]
    assert [path.name for path in (tmp_path / "hf").rglob("blobs/*")] == [sha256(nemo)]
    fetching = [step for step in steps if step[2] == "fetching parakeet-ctc-tiny.nemo"]
    assert fetching[-1][:2] == (len(nemo), len(nemo))
    assert len(fetching) > 4
    assert any(name.startswith("encoder.layers.") for _, _, name in steps)

    before = len(fake_hub.asked("GET", "/store/"))
    again = parrotlet.load(model_name, threads=1)
    assert again.path == model.path
    assert len(fake_hub.asked("GET", "/store/")) == before == 1


def test_each_type_is_converted_from_one_download(fake_hub, model_name):
    small = parrotlet.load(model_name, threads=1, type="q8_0")
    large = parrotlet.load(model_name, threads=1, type="f32")
    assert large.path.stat().st_size > 2 * small.path.stat().st_size
    assert len(fake_hub.asked("GET", "/store/")) == 1
    with pytest.raises(ValueError, match="'q9'"):
        parrotlet.load(model_name, type="q9")


def test_a_new_commit_is_another_model(fake_hub, model_name, other_nemo):
    first = parrotlet.load(model_name, threads=1).path
    commit = first.parent.name
    fake_hub.publish(model_name, {"parakeet-ctc-tiny.nemo": other_nemo})
    fake_hub.revisions[model_name, "v1"] = commit
    second = parrotlet.load(model_name, threads=1).path
    assert second.parent.name == fake_hub.revisions[model_name, "main"] != commit
    for revision in ("v1", commit):
        assert parrotlet.load(f"{model_name}@{revision}", threads=1).path == first
    assert len(fake_hub.asked("GET", "/store/")) == 2


def test_convert(fake_hub, model_name, tmp_path, audio_dir):
    out = parrotlet.convert(model_name, tmp_path / "out.gguf", type="f16")
    assert parrotlet.load(out, threads=1).transcribe(audio_dir / "clip01.wav").text == SAID
    with pytest.raises(parrotlet.ModelFileError, match="does not exist"):
        parrotlet.convert("nvidia/other", tmp_path / "nowhere" / "out.gguf")
    assert not fake_hub.asked("GET", "nvidia/other")


@pytest.mark.parametrize("name", ["ParakeetForCTC", "ParakeetForTDT"])
def test_a_repository_of_transformers(fake_hub, data_dir, audio_dir, name):
    directory = data_dir / "transformers" / name
    files = {p.name: p.read_bytes() for p in directory.iterdir() if "expected" not in p.name}
    fake_hub.publish("nvidia/tiny-hf", {**files, "training/model.bin": b"x"})
    model = parrotlet.load("nvidia/tiny-hf", threads=1)
    assert model.name == "tiny-hf"
    assert model.transcribe(audio_dir / "clip01.wav").text == SAID
    asked = {path.rpartition("/")[2] for _, path, _ in fake_hub.log if "resolve" in path}
    assert {"config.json", "tokenizer.json", "processor_config.json"} < asked
    assert not {"model.bin", "generation_config.json"} & asked


def test_gguf_files_are_used_as_they_are(fake_hub, converted, tmp_path):
    files = {
        f"m.{type.upper()}.gguf": converted("parakeet-ctc-0.6b", type).read_bytes()
        for type in ("f16", "q8_0")
    }
    fake_hub.publish("someone/ggufs", files)
    model = parrotlet.load("someone/ggufs", threads=1, type="f16")
    assert model.path.read_bytes() == files["m.F16.gguf"]
    assert len(fake_hub.asked("GET", "/store/")) == 1
    with pytest.raises(HubError, match=r"several models, m\.F16\.gguf, m\.Q8_0\.gguf; say which"):
        parrotlet.load("someone/ggufs", type="q4_k")
    named = parrotlet.load("someone/ggufs:m.Q8_0.gguf", threads=1)
    assert named.path.read_bytes() == files["m.Q8_0.gguf"]
    with pytest.raises(HubError, match="need no conversion"):
        parrotlet.convert("someone/ggufs:m.Q8_0.gguf", tmp_path / "out.gguf")


def test_gguf_files_of_another_project_are_converted(fake_hub, tmp_path, audio_dir):
    checkpoint = read_checkpoint("parakeet-ctc-0.6b")
    files = {
        f"tiny-{type.upper()}.gguf": nemo_speech(checkpoint, type)
        .write(tmp_path / "theirs.gguf")
        .read_bytes()
        for type in ("f16", "q8_0")
    }
    fake_hub.publish("nvidia/tiny-gguf", files)
    model = parrotlet.load("nvidia/tiny-gguf", threads=1)
    assert (model.name, model.metadata["general.file_type"]) == ("tiny-Q8_0", 7)
    assert model.transcribe(audio_dir / "clip01.wav").text == SAID
    assert parrotlet.load("nvidia/tiny-gguf", threads=1).path == model.path
    assert len(fake_hub.asked("GET", "/store/")) == 1
    out = parrotlet.convert("nvidia/tiny-gguf", tmp_path / "out.gguf")
    assert out.read_bytes() == model.path.read_bytes()
    named = parrotlet.convert("nvidia/tiny-gguf:tiny-F16.gguf", tmp_path / "f16.gguf", type="f16")
    assert parrotlet.load(named, threads=1).metadata["general.file_type"] == 1


def test_which_nemo_file(fake_hub, nemo, other_nemo):
    files = {"best.nemo": other_nemo, "Parakeet.nemo": nemo, "x.gguf": b"GGUF"}
    fake_hub.publish("a/parakeet", files)
    fake_hub.publish("a/else", files)
    assert parrotlet.load("a/parakeet", threads=1).name == "Parakeet"
    with pytest.raises(HubError, match=r"several models.*say which: a/else:Parakeet.nemo"):
        parrotlet.load("a/else")
    assert parrotlet.load("a/else:best.nemo", threads=1).name == "best"
    with pytest.raises(HubError, match=r"no such file; Parakeet\.nemo, best\.nemo, x\.gguf"):
        parrotlet.load("a/else:other.nemo")
    fake_hub.publish("a/none", {"README.md": b"text"})
    with pytest.raises(HubError, match=r"no \.nemo file, no GGUF file"):
        parrotlet.load("a/none")


# Refusals -----------------------------------------------------------------------------------


def test_gated(fake_hub, model_name, monkeypatch, tmp_path):
    fake_hub.gated.add(model_name)
    remedy = rf"{model_name}: access is restricted; accept its conditions at {fake_hub.url}"
    for token in (None, "hf_other"):  # answered with 401 and 403
        if token is not None:
            monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(HubError, match=remedy + r".*hf auth login"):
            parrotlet.load(model_name)
    monkeypatch.setenv("HF_TOKEN", fake_hub.token)
    parrotlet.load(model_name, threads=1)


def test_private_models_take_the_token_of_the_usual_place(fake_hub, model_name, tmp_path):
    fake_hub.private.add(model_name)
    with pytest.raises(HubError, match=r"no such repository at .* or it is private"):
        parrotlet.load(model_name)
    (tmp_path / "hf").mkdir(exist_ok=True)
    (tmp_path / "hf" / "token").write_text(fake_hub.token)
    parrotlet.load(model_name, threads=1)
    # The token is for the hub, and for no store elsewhere.
    assert fake_hub.asked("HEAD", "resolve")[-1]["authorization"] == f"Bearer {fake_hub.token}"
    assert all("authorization" not in headers for headers in fake_hub.asked("GET", "/store/"))


def test_what_there_is_not(fake_hub, model_name):
    with pytest.raises(HubError, match=r"nvidia/nothing: there is no such file here, and no such"):
        parrotlet.load("nvidia/nothing")
    with pytest.raises(HubError, match=r"has no revision 'v9'"):
        parrotlet.load(f"{model_name}@v9")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_hub_that_is_broken(fake_hub, model_name, status):
    fake_hub.broken = status
    with pytest.raises(HubError, match="cannot be reached"):
        parrotlet.load(model_name)


def test_a_checkpoint_that_is_none(fake_hub, nemo, tmp_path):
    fake_hub.publish("a/b", {"b.nemo": b"no archive" * 4000})
    with pytest.raises(CheckpointError, match=r"b\.nemo: is not a \.nemo archive"):
        parrotlet.load("a/b")
    assert not list((tmp_path / "parrotlet").rglob("*.gguf*[!k]"))


def test_no_place_for_the_model(fake_hub, model_name, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PARROTLET_CACHE", str(tmp_path / "file"))
    with pytest.raises(HubError, match=r"cannot be written .* set PARROTLET_CACHE"):
        parrotlet.load(model_name)


# Without a network --------------------------------------------------------------------------


def no_network(fake_hub, monkeypatch):
    from huggingface_hub import constants

    # Nobody listens on port 1.
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")


def test_no_network(fake_hub, model_name, monkeypatch):
    no_network(fake_hub, monkeypatch)
    with pytest.raises(HubError, match=f"{model_name}: the hub cannot be reached"):
        parrotlet.load(model_name)


def test_cached_models_load_without_a_network(fake_hub, model_name, monkeypatch, audio_dir):
    path = parrotlet.load(model_name, threads=1).path
    no_network(fake_hub, monkeypatch)
    with pytest.warns(UserWarning, match="cannot be reached.*cached model is used"):
        assert parrotlet.load(model_name, threads=1).path == path


def test_offline(fake_hub, model_name, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError, match="no such model in the cache; unset HF_HUB_OFFLINE"):
        parrotlet.load(model_name)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    path = parrotlet.load(model_name, threads=1).path
    asked = len(fake_hub.log)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert parrotlet.load(model_name, threads=1).path == path
    # What was fetched can be converted again.
    other = parrotlet.load(model_name, threads=1, type="f16").path
    assert other.parent == path.parent
    parrotlet.convert(model_name, tmp_path / "out.gguf")
    assert len(fake_hub.log) == asked


def test_offline_with_what_other_tools_fetched(fake_hub, model_name, monkeypatch, audio_dir):
    import huggingface_hub

    huggingface_hub.hf_hub_download(model_name, "parakeet-ctc-tiny.nemo")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = parrotlet.load(model_name, threads=1)
    assert model.transcribe(audio_dir / "clip01.wav").text == SAID


def test_without_huggingface_hub(fake_hub, model_name, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HubError, match=r"pip install 'parrotlet\[hub\]'"):
        parrotlet.load(model_name)
    monkeypatch.undo()


def test_a_cached_model_needs_no_huggingface_hub(fake_hub, model_name, monkeypatch):
    path = parrotlet.load(model_name, threads=1).path
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.warns(UserWarning, match="need the package"):
        assert parrotlet.load(model_name, threads=1).path == path
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert parrotlet.load(model_name, threads=1).path == path


# Several at once, and the command line ------------------------------------------------------


def test_processes_do_not_clash(fake_hub, model_name, environment, audio_dir, tmp_path):
    clip = audio_dir / "clip01.wav"
    code = (
        f"import parrotlet; print(parrotlet.load({model_name!r}, 1).transcribe({str(clip)!r}).text)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        out, _ = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, SAID + "\n")
    assert len(fake_hub.asked("GET", "/store/")) == 1
    assert len([n for n in kept(tmp_path / "parrotlet") if "refs" not in n]) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nvidia/parakeet-tdt-0.6b-v2", names.Repository("nvidia/parakeet-tdt-0.6b-v2")),
        ("a/b@v1.0", names.Repository("a/b", "v1.0")),
        ("a/b@refs/pr/1:dir/c.nemo", names.Repository("a/b", "refs/pr/1", "dir/c.nemo")),
        ("a/b:c d.nemo", names.Repository("a/b", "main", "c d.nemo")),
        ("models/b.gguf", None),
        ("a/b.nemo", None),
        ("configs/b.yaml", None),
        ("a/b/c", None),
        ("./a/b", None),
        ("/a/b", None),
        ("demo", None),
        ("a/b:../../c", None),
        ("a/b@../c", None),
        ("C:\\a/b", None),
        ("", None),
    ],
)
def test_names(text, expected):
    assert names.repository(text) == expected
    if expected is not None:
        assert str(expected) == text


def test_a_file_of_that_name_is_meant_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert names.repository("a/b") is None
    assert names.repository(Path("c/d")) is None
    assert names.repository("c/d") is not None
