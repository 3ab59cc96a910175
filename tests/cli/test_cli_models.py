"""`parrotlet models`: the list, the cache, and removing from it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from parrotlet.cli import main

COMMIT = "0123456789" * 4


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("PARROTLET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "cache"


def keep(cache: Path, name: str, type: str, size: int) -> Path:
    """A file as `load` leaves it."""
    folder = cache / "models" / name.replace("/", "--")
    for path, data in (
        (folder / "refs" / "main", COMMIT.encode()),
        (folder / COMMIT / f"{name.rpartition('/')[2]}-{type}.gguf", b"\0" * size),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return path


@pytest.fixture
def kept(cache: Path) -> dict[str, Path]:
    """A model that is known, in two types, and two that are not, of one name."""
    return {
        "q8_0": keep(cache, "nvidia/parakeet-tdt-0.6b-v2", "q8_0", 3000),
        "f16": keep(cache, "nvidia/parakeet-tdt-0.6b-v2", "f16", 5000),
        "mine": keep(cache, "me/mine", "q4_k", 700),
        "theirs": keep(cache, "them/mine", "q8_0", 900),
    }


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = main(["models", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_the_list(capsys, cache, kept):
    status, out, err = run(capsys)
    lines = out.splitlines()
    assert status == 0
    assert lines[0].split() == ["model", "languages", "q8_0", "live", "licence", "here"]
    v2 = next(line for line in lines if line.startswith("nvidia/parakeet-tdt-0.6b-v2 "))
    assert v2.split(maxsplit=6)[1:6] == ["en", "658.2", "MB", "no", "CC-BY-4.0"]
    assert "8.0 kB" in v2
    assert {"f16", "q8_0"} <= set(v2.split())
    v3 = next(line for line in lines if line.startswith("nvidia/parakeet-tdt-0.6b-v3 "))
    assert "25 languages" in v3
    redux = next(line for line in lines if "parakeet-redux" in line)
    assert redux.endswith("needs ternary weights")
    # What is not known comes last.
    assert [line.split()[0] for line in lines[-2:]] == ["me/mine", "them/mine"]
    assert err == f"3 models in {cache}: 9.6 kB\n"


@pytest.mark.parametrize("language", ["ja", "ja-JP", "JA"])
def test_of_a_language(capsys, language):
    status, out, _ = run(capsys, "--language", language)
    names = [line.split()[0] for line in out.splitlines()[1:]]
    assert status == 0
    assert "nvidia/parakeet-tdt_ctc-0.6b-ja" in names
    assert len(names) < 10


def test_a_language_that_no_model_has(capsys):
    status, out, err = run(capsys, "--language", "tlh")
    assert (status, out) == (1, "")
    assert err.startswith("parrotlet: no model is known for 'tlh'; there are ar be bg ")


def test_only_what_is_cached(capsys, cache, kept):
    status, out, _ = run(capsys, "--cached")
    names = [line.split()[0] for line in out.splitlines()[1:]]
    assert (status, names) == (0, ["nvidia/parakeet-tdt-0.6b-v2", "me/mine", "them/mine"])


def test_an_empty_cache(capsys, cache):
    assert run(capsys, "--cached") == (0, "", f"0 models in {cache}: 0 B\n")
    assert not cache.exists()


def test_json(capsys, kept):
    status, out, err = run(capsys, "--json", "--cached")
    v2, mine, _ = json.loads(out)
    assert (status, err) == (0, "")
    assert v2["known"] is True
    assert v2["languages"] == ["en"]
    assert v2["licence"] == "CC-BY-4.0"
    assert v2["streaming"] is False
    assert 617e6 < v2["parameters"] < 619e6
    assert 658e6 < v2["q8_0_bytes"] < 659e6
    assert v2["cached_bytes"] == 8000
    assert {(file["type"], file["bytes"]) for file in v2["cached"]} == {
        ("q8_0", 3000),
        ("f16", 5000),
    }
    assert (mine["known"], mine["parameters"], mine["licence"]) == (False, None, None)
    assert mine["cached"][0]["path"] == str(kept["mine"])


def test_everything_as_json(capsys):
    status, out, _ = run(capsys, "--json")
    everything = json.loads(out)
    assert status == 0
    assert len(everything) > 80
    assert all(model["known"] and not model["cached"] for model in everything)


# Removing -----------------------------------------------------------------------------------


def test_removing_a_model(capsys, cache, kept):
    status, out, err = run(capsys, "remove", "nvidia/parakeet-tdt-0.6b-v2", "--yes")
    assert (status, out) == (0, "")
    assert err.endswith("removed 2 files, 8.0 kB\n")
    assert str(kept["q8_0"]) in err
    assert not (cache / "nvidia--parakeet-tdt-0.6b-v2").exists()
    assert kept["mine"].exists()


def test_what_was_fetched_stays_and_is_told(capsys, kept, tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    blob = tmp_path / "hub" / "models--me--mine" / "blobs" / ("0" * 64)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"\0" * 2000)
    status, _, err = run(capsys, "remove", "me/mine", "--yes")
    told = f"what was fetched takes 2.0 kB in {tmp_path / 'hub'}; hf cache manages it"
    assert (status, err.splitlines()[-1]) == (0, told)
    assert blob.exists()


def test_removing_one_type_by_a_short_name(capsys, kept):
    status, out, _ = run(capsys, "remove", "parakeet-tdt-0.6b-v2", "--type", "f16", "-y", "--json")
    assert status == 0
    assert json.loads(out) == {
        "removed": [
            {
                "name": "nvidia/parakeet-tdt-0.6b-v2",
                "type": "f16",
                "path": str(kept["f16"]),
                "bytes": 5000,
            }
        ],
        "bytes": 5000,
    }
    assert (kept["q8_0"].exists(), kept["f16"].exists()) == (True, False)


def test_options_may_come_before_the_action(capsys, kept):
    status, out, _ = run(capsys, "--json", "remove", "me/mine", "--yes")
    assert status == 0
    assert json.loads(out)["bytes"] == 700


def test_removing_all(capsys, cache, kept):
    assert run(capsys, "remove", "--all", "--yes")[0] == 0
    assert list((cache / "models").iterdir()) == []
    status, _, err = run(capsys, "remove", "--all", "--yes")
    assert (status, err) == (0, "parrotlet: there is nothing to remove\n")


def test_names_that_are_not_there(capsys, cache, kept):
    status, _, err = run(capsys, "remove", "nvidia/none", "me/mine", "mine", "--yes")
    lines = err.splitlines()
    assert status == 1
    assert lines[0].startswith(f"parrotlet: nvidia/none: is not in the cache, {cache}; ")
    assert lines[1] == (
        "parrotlet: mine: there are several of this name; say which: me/mine, them/mine"
    )
    assert lines[-1] == "removed 1 file, 700 B"
    assert (kept["mine"].exists(), kept["theirs"].exists()) == (False, True)


def test_nothing_of_that_type(capsys, kept):
    status, _, err = run(capsys, "remove", "me/mine", "--type", "f32", "--yes")
    assert (status, err) == (1, "parrotlet: there is nothing to remove\n")
    assert kept["mine"].exists()


def test_what_would_be_removed(capsys, kept):
    status, out, err = run(capsys, "remove", "--all", "--dry-run")
    assert (status, out) == (0, "")
    assert err.endswith("would remove 4 files, 9.6 kB\n")
    assert all(path.exists() for path in kept.values())


@pytest.mark.parametrize("arguments", [(), ("me/mine", "--all")])
def test_names_or_all(capsys, kept, arguments):
    status, _, err = run(capsys, "remove", *arguments, "--yes")
    assert status == 2
    assert err.startswith("parrotlet: name the models to remove, or --all; ")
    assert all(path.exists() for path in kept.values())


def test_nobody_is_asked_in_a_pipe(parrotlet_command, environment, kept, tmp_path):
    settings = {"env": {**environment, "PARROTLET_CACHE": str(tmp_path / "cache")}}
    done = parrotlet_command("models", "remove", "me/mine", input="y\n", **settings)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last == "parrotlet: nobody can be asked here; --yes removes without a question"
    assert kept["mine"].exists()
    done = parrotlet_command("models", "remove", "me/mine", "--yes", **settings)
    assert (done.returncode, kept["mine"].exists()) == (0, False)


def on_terminal(environment, tmp_path, answer: bytes, *arguments: str, columns: int = 100):
    """Run the command on a terminal of its own; returns the status and what it showed."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    settings = {**environment, "PARROTLET_CACHE": str(tmp_path / "cache")}
    settings |= {"COLUMNS": str(columns), "TERM": "xterm"}
    command = [sys.executable, "-m", "parrotlet", "models", *arguments]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=settings, cwd=tmp_path
    )
    os.close(theirs)
    os.write(ours, answer)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux, when the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(60), re.sub(r"\x1b\[[\d;]*m", "", shown.decode())


@pytest.mark.parametrize(("answer", "left"), [(b"y\n", False), (b"\n", True), (b"no\n", True)])
def test_the_question(environment, kept, tmp_path, answer, left):
    status, shown = on_terminal(environment, tmp_path, answer, "remove", "me/mine")
    assert "Remove 1 file, 700 B? [y/N]" in shown
    assert (kept["mine"].exists(), status) == (left, 1 if left else 0)
    assert ("nothing was removed" in shown) is left


@pytest.mark.parametrize("columns", [50, 80, 160])
def test_narrow_terminals_get_fewer_columns(environment, tmp_path, columns):
    arguments = ("--language", "ja")
    status, shown = on_terminal(environment, tmp_path, b"", *arguments, columns=columns)
    lines = [line.rstrip() for line in shown.splitlines()]
    assert status == 0
    assert max(map(len, lines[:-1])) <= columns
    assert lines[0].startswith("model")
    assert ("licence" in lines[0]) is (columns == 160)
    assert "parakeet-tdt_ctc-0.6b-ja" in "".join(line.split()[0] for line in lines if line)


def test_a_reader_that_goes(environment, tmp_path):
    command = f"{sys.executable} -m parrotlet models | head -1"
    done = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("model ")
    assert "Traceback" not in done.stderr
