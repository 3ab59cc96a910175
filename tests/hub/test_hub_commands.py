"""The commands with models by the name of their repository."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import parrotlet
import parrotlet.memory
from parrotlet.errors import HubError

SAID = "the quick brown fox jumps over the lazy dog"


def run(environment, *arguments):
    command = [sys.executable, "-m", "parrotlet", *map(str, arguments)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_offline_with_nothing_fetched_in_a_new_process(environment, model_name):
    """Nothing else there has imported huggingface_hub's constants before."""
    done = run({**environment, "HF_HUB_OFFLINE": "1"}, "transcribe", "-m", model_name, "x.wav")
    assert done.returncode == 1
    assert done.stderr.startswith(f"parrotlet: {model_name}: ")
    assert "Traceback" not in done.stderr


def test_commands(fake_hub, model_name, environment, audio_dir, tmp_path):
    done = run(environment, "convert", model_name)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.startswith("wrote parakeet-ctc-tiny-q8_0.gguf (")
    done = run(environment, "transcribe", "-m", model_name, audio_dir / "clip01.wav")
    assert (done.returncode, done.stdout, done.stderr) == (0, SAID + "\n", "")
    offline = {**environment, "HF_HUB_OFFLINE": "1", "PARROTLET_MODEL": model_name}
    done = run(offline, "transcribe", audio_dir / "clip01.wav")
    assert (done.returncode, done.stdout, done.stderr) == (0, SAID + "\n", "")


@pytest.fixture
def gguf_name(fake_hub, converted) -> str:
    """A repository with GGUF files."""
    files = {
        f"m-{type}.gguf": converted("parakeet-ctc-0.6b", type).read_bytes()
        for type in ("f16", "q8_0")
    }
    fake_hub.publish("someone/ggufs", files)
    return "someone/ggufs"


def test_inspect(fake_hub, model_name, gguf_name, environment, converted):
    done = run(environment, "inspect", model_name, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert shown["metadata"]["general.name"] == "parakeet-ctc-tiny"
    assert "q8_0" in {tensor["type"] for tensor in shown["tensors"]}
    # It is the file that `transcribe` takes.
    assert shown["path"] == str(parrotlet.load(model_name, threads=1).path)
    done = run(environment, "inspect", f"{gguf_name}:m-f16.gguf")
    assert done.returncode == 0
    assert "f16: " in done.stdout


def test_quantize(fake_hub, model_name, gguf_name, environment, converted, tmp_path):
    for name in (model_name, gguf_name):
        done = run(environment, "quantize", name, "out.gguf", "--type", "q4_k")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert done.stderr.startswith("wrote out.gguf (")
        made = parrotlet._core.GgufFile(str(tmp_path / "out.gguf"))
        source = converted("parakeet-ctc-0.6b", "f16")
        direct = parrotlet.quantize(source, tmp_path / "direct.gguf", "q4_k")
        theirs = parrotlet._core.GgufFile(str(direct))
        assert [(t.name, t.type) for t in made.tensors] == [
            (t.name, t.type) for t in theirs.tensors
        ]
    asked = len(fake_hub.log)
    for arguments in (
        ("nvidia/other", tmp_path / "no" / "out.gguf"),
        (model_name, tmp_path / "out.gguf", "q9"),
        (model_name, tmp_path / "out.gguf", "q8_0", {"*": "q9"}),
    ):
        with pytest.raises((ValueError, parrotlet.ModelFileError)):
            parrotlet.quantize(*arguments)
    assert len(fake_hub.log) == asked
    with pytest.raises(parrotlet.ModelFileError, match="is quantised already"):
        parrotlet.quantize(f"{gguf_name}:m-q8_0.gguf", tmp_path / "out.gguf", "q4_k")


@pytest.mark.slow
def test_bench(fake_hub, model_name, environment):
    options = ("--seconds", "2", "--repeat", "1", "--threads", "1", "--json")
    types = ("--type", "q8_0", "f16")
    done = run(environment, "bench", "--model", model_name, *options, *types)
    assert (done.returncode, done.stderr) == (0, "")
    reports = json.loads(done.stdout)["runs"]
    assert [report["type"] for report in reports] == ["q8_0", "f16"]
    assert len(fake_hub.asked("GET", "/store/")) == 1
    offline = {**environment, "HF_HUB_OFFLINE": "1", "PARROTLET_MODEL": model_name}
    done = run(offline, "bench", *options)
    assert [report["type"] for report in json.loads(done.stdout)["runs"]] == ["q8_0"]


# What a model will need ---------------------------------------------------------------------


def test_memory_fetches_the_configuration_alone(fake_hub, data_dir, environment):
    directory = data_dir / "transformers" / "ParakeetForCTC"
    files = {p.name: p.read_bytes() for p in directory.iterdir() if "expected" not in p.name}
    fake_hub.publish("nvidia/tiny-hf", files)
    done = run(environment, "memory", "nvidia/tiny-hf", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["name"] == "tiny-hf"
    assert report["parameters"] == parrotlet.memory.plan(directory).parameters
    fetched = {path.rpartition("/")[2] for _, path, _ in fake_hub.log if "/resolve/" in path}
    assert fetched == {"config.json"}
    assert not fake_hub.asked("GET", "/store/")


def test_memory_of_a_nemo_configuration(fake_hub, nemo, tmp_path):
    with tarfile.open(fileobj=io.BytesIO(nemo)) as archive:
        (member,) = (m for m in archive.getmembers() if m.name.endswith("model_config.yaml"))
        config = archive.extractfile(member).read()
    fake_hub.publish("a/unpacked", {"model_config.yaml": config, "weights.bin": nemo})
    (tmp_path / "model_config.yaml").write_bytes(config)
    report = parrotlet.memory.plan("a/unpacked")
    assert report.parameters == parrotlet.memory.plan(tmp_path / "model_config.yaml").parameters
    assert not fake_hub.asked("GET", "/store/")


def test_memory_of_a_checkpoint(fake_hub, model_name, gguf_name, nemo, data_dir, tmp_path):
    """Where no configuration says what the model is, the file is fetched that does."""
    want = parrotlet.memory.plan(data_dir / "parakeet-ctc-0.6b" / "model.nemo").parameters
    assert parrotlet.memory.plan(model_name).parameters == want
    stub = {"config.json": b'{"downloads": true}', "m.nemo": nemo}
    fake_hub.publish("nvidia/with-stub", stub)
    assert parrotlet.memory.plan("nvidia/with-stub").parameters == want
    report = parrotlet.memory.plan(f"{gguf_name}:m-q8_0.gguf")
    assert report.type == "file"
    assert not (tmp_path / "parrotlet").exists()  # nothing was converted


def test_memory_of_what_is_no_model(fake_hub, monkeypatch):
    fake_hub.publish("a/image", {"config.json": b'{"model_type": "resnet"}', "model.bin": b"x"})
    with pytest.raises(parrotlet.UnsupportedModelError, match=r"config\.json: not a configuration"):
        parrotlet.memory.plan("a/image")
    with pytest.raises(HubError, match=r"a/nothing: there is no such file here"):
        parrotlet.memory.plan("a/nothing")
    asked = len(fake_hub.log)
    parrotlet.memory.plan("openai/whisper-tiny")  # known by its name
    for name in ("nothing", Path("a/image"), "a/config.json", "a/b.yaml"):
        with pytest.raises(parrotlet.UnsupportedModelError, match="no preset of that name"):
            parrotlet.memory.plan(name)
    assert len(fake_hub.log) == asked


def test_commands_that_fail(fake_hub, model_name, environment, audio_dir):
    fake_hub.gated.add(model_name)
    for command in (
        ("convert", model_name, "-o", "out.gguf"),
        ("transcribe", "-m", model_name, audio_dir / "clip01.wav"),
        ("inspect", model_name),
        ("quantize", model_name, "out.gguf", "--type", "q8_0"),
        ("bench", "--model", model_name),
        ("memory", model_name),
    ):
        done = run(environment, *command)
        assert (done.returncode, done.stdout) == (1, "")
        assert "accept its conditions" in done.stderr
        assert done.stderr.count("\n") == 1


# Names --------------------------------------------------------------------------------------
