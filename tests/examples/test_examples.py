"""Every script in `examples/` runs and says what it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EXAMPLE = "two one five nine zero one zero six eight three six seven three"
SPELLED = "p i t t s b u r g h"


@pytest.fixture
def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PARROTLET_MODEL"}
    return {**kept, "PYTHONUTF8": "1"}


@pytest.fixture
def run(examples_dir: Path, environment: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    """`run(script, *arguments)`: what a script prints."""

    def run(script: str, *arguments: object) -> str:
        command = [sys.executable, str(examples_dir / script), *map(str, arguments)]
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            env=environment,
            cwd=tmp_path,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_every_script_is_tested(examples_dir: Path) -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    for script in examples_dir.glob("*.py"):
        assert f'"{script.name}"' in tests, f"{script.name} has no test"


def test_transcribe(run: Callable[..., str]) -> None:
    text, *words = run("transcribe.py").splitlines()
    assert text == EXAMPLE
    assert [line.split()[-1] for line in words] == EXAMPLE.split()
    times = [float(line.split()[0]) for line in words]
    assert times == sorted(times)


def test_find_words(run: Callable[..., str], examples_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    recordings = [examples_dir / "spelled.wav", broken, examples_dir / "example.wav"]
    lines = run("find_words.py", "six,H", *recordings).splitlines()
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["h", "six", "six"]
    assert lines[0].startswith(f"{examples_dir / 'spelled.wav'}:")


def test_live_captions(run: Callable[..., str]) -> None:
    *words, text = run("live_captions.py").splitlines()
    assert text.split()[0] == "two" and len(text.split()) == len(EXAMPLE.split())
    said = [line.split()[-1] for line in words]
    assert said == text.split()[: len(said)] and len(said) > len(EXAMPLE.split()) / 2


def test_captions(examples_dir: Path, environment: dict[str, str], tmp_path: Path) -> None:
    changes = (
        {"words": [{"word": "the"}, {"word": "quick"}], "unfinished": "brow"},
        {"words": [{"word": "brown"}], "unfinished": "fox jumps over the lazy dog twice"},
    )
    lines = "".join(f"{json.dumps({'type': 'partial', **change})}\n" for change in changes)
    file = tmp_path / "captions.txt"
    subprocess.run(
        [sys.executable, examples_dir / "captions.py", file],
        input=f'{lines}{{"type": "end"}}\n',
        text=True,
        env=environment,
        timeout=60,
        check=True,
    )
    assert file.read_text() == "the quick brown fox jumps over the lazy\ndog twice\n"
    assert [path.name for path in tmp_path.iterdir()] == ["captions.txt"]


def test_many_streams(run: Callable[..., str], examples_dir: Path) -> None:
    paths = [examples_dir / "example.wav", examples_dir / "spelled.wav"]
    lines = run("many_streams.py", *paths).splitlines()
    assert [line.rsplit(": ", 1)[0] for line in lines] == [str(path) for path in paths]
    assert all(len(line.rsplit(": ", 1)[1].split()) > 5 for line in lines)


def test_stages(run: Callable[..., str]) -> None:
    features, encoded, log_probs, text = run("stages.py").splitlines()
    assert features.split()[-1] == "80"
    assert encoded.split()[-1] == "256"
    assert log_probs.split()[-1] == "257"
    assert text.split()[0] == "two"


def test_compare_types(
    run: Callable[..., str], converted: Callable[[str, str], Path], examples_dir: Path
) -> None:
    source = converted("parakeet-ctc-0.6b", "f32")
    lines = run("compare_types.py", source, examples_dir / "example.wav").splitlines()
    assert [line.split()[0] for line in lines] == ["f16", "q8_0", "q6_k", "q5_k", "q4_k"]
    assert all(line.split()[2] == "MB" for line in lines)


@pytest.fixture
def server(examples_dir: Path, environment: dict[str, str]) -> Iterator[str]:
    """The address of a running server."""
    command = [sys.executable, str(examples_dir / "server.py"), "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def test_server(server: str, examples_dir: Path) -> None:
    sound = (examples_dir / "spelled.wav").read_bytes()
    with urllib.request.urlopen(urllib.request.Request(server, sound), timeout=60) as answer:
        result = json.load(answer)
    assert len(result["words"]) == len(SPELLED.split())
    request = urllib.request.Request(server + "?format=srt", sound)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.read().decode().startswith("1\n00:00:0")
    for url, body, status in (
        (server, b"no sound", 400),
        (server + "?format=doc", sound, 400),
        (server + "/other", sound, 404),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(url, body), timeout=60)
        assert caught.value.code == status
        assert "error" in json.load(caught.value)
