"""What pages speak of: models, recordings, texts, and the other programs that shells call."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from blocks import REPOSITORY
from foreign_files import read_checkpoint
from foreign_writers import parakeet_cpp
from numpy.typing import NDArray
from sound_files import encode

from parrotlet.audio import read_audio
from parrotlet.cli import main

HERE = Path(__file__).parent
DEMO = REPOSITORY / "python" / "parrotlet" / "data" / "demo-q8_0.gguf"
RATE = 16_000

RECORDINGS = {
    "flac": ("flac", "flac", ("talk", "lesson")),
    "wav": ("wav", "pcm_s16le", ("talk", "board", "interview", "recordings/monday")),
    "mp3": ("mp3", "mp3", ("talk", "recordings/tuesday")),
    "mp4": ("mp4", "aac", ("interview", "talk", "videos/one")),
    "mkv": ("matroska", "libopus", ("videos/more/two",)),
    "webm": ("webm", "libopus", ("talk",)),
}
"""Extensions, the format and codec of FFmpeg, and the recordings that have them."""

TEXTS = {
    "people.txt": "# people\nIngeborg Bachmann\nWolfgang Hildesheimer\t2.5\n",
    "reports.txt": "one two three\nfour five six seven\n" * 3,
    "letters.txt": "eight nine zero\n",
}

NOTHING = ("curl", "pip", "systemctl", "loginctl")
"""Programs whose stand-in does nothing. (tests/serve asks servers with curl.)"""

PYTHON = f"""#!/bin/sh
# Scripts of the examples run; environments and tests are not made and not run.
case "$1" in examples/*) exec '{sys.executable}' "$@";; esac
"""

RECORDER = """#!/bin/sh
for file; do :; done
cp '{0}/talk.wav' "$file"
exec sleep 60
"""

TYPIST = """#!/bin/sh
# In place of what types: what it gets is in ~/typed.
if [ "$1" = - ]; then cat; else echo "$@"; fi >>~/typed
"""

SOUND = """#!/bin/sh
# One second, as a file or as samples.
case "$*" in *s16le*|*S16_LE*) cat '{0}/second.raw';; *) cat '{0}/talk.wav';; esac
"""

PARROTLET = f"""#!/bin/sh
PARROTLET_CLIENT=1 exec '{sys.executable}' -S '{HERE}/command_server.py' '{{0}}' "$@"
"""


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory, converted: Callable[..., Path]) -> Path:
    """A folder with the files that pages name."""
    folder = tmp_path_factory.mktemp("stand-ins")
    samples = speech("example")[: RATE * 3 // 2]
    (folder / "second.raw").write_bytes((samples[:RATE] * 32767).astype("<i2").tobytes())
    for extension, (format, codec, names) in RECORDINGS.items():
        repeats = 3 if codec == "libopus" else 1  # which knows no rate of 16 kHz
        data = encode(np.repeat(samples, repeats), format, codec, RATE * repeats)
        for name in names:
            path = folder / f"{name}.{extension}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    one, other = speech("example"), speech("spelled")
    both = np.stack([one, np.pad(other, (0, len(one) - len(other)))])
    call = encode(both, "wav", "pcm_s16le", RATE)
    (folder / "call.wav").write_bytes(call)
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    _models(folder, converted)
    return folder


def speech(name: str) -> NDArray[np.float32]:
    """The samples of a recording of the examples."""
    return read_audio(REPOSITORY / "examples" / f"{name}.wav", RATE)


def _models(folder: Path, converted: Callable[[str, str], Path]) -> None:
    """Checkpoints and model files; what understands speech is the demo model."""
    data = REPOSITORY / "tests" / "data"
    for name in ("parakeet", "nemotron"):
        (folder / f"{name}.gguf").symlink_to(DEMO)
    unified = converted("parakeet-unified-en-0.6b", "f32")
    (folder / "unified.gguf").symlink_to(unified)
    (folder / "nemotron-3.5.gguf").symlink_to(converted("nemotron-3.5-asr-streaming-0.6b", "f32"))
    for name in ("parakeet-tdt-0.6b-v2", "hub"):
        streaming = data / "nemotron-speech-streaming-en-0.6b" / "model.nemo"
        (folder / f"{name}.nemo").symlink_to(streaming)
    shutil.copytree(data / "lmu" / "recurrent-live", folder, dirs_exist_ok=True)
    parakeet_cpp(read_checkpoint("parakeet-tdt-0.6b-v3")).write(
        folder / "parakeet-tdt-0.6b-v3-Q8_0.gguf"
    )
    texts = [str(folder / name) for name in ("reports.txt", "letters.txt")]
    arpa = str(folder / "minutes.arpa.gz")
    assert main(["lm", *texts, "-q", "-m", str(DEMO), "-o", arpa]) == 0


@pytest.fixture
def folder(stand_ins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the stand-ins, which is the working directory; caches are elsewhere and empty."""
    place = tmp_path / "page"
    shutil.copytree(stand_ins, place, symlinks=True)
    monkeypatch.chdir(place)
    monkeypatch.setenv("PARROTLET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("PARROTLET_MODEL", raising=False)
    return place


@pytest.fixture(scope="session")
def programs(stand_ins: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `parrotlet`, which runs, and with stand-ins for other programs."""
    folder = tmp_path_factory.mktemp("programs")
    address = str(folder / "socket")
    scripts = dict.fromkeys(NOTHING, "#!/bin/sh\n")
    scripts |= {
        "ffmpeg": SOUND.format(stand_ins),
        "parecord": RECORDER.format(stand_ins),
        "parrotlet": PARROTLET.format(address),
        "python3": PYTHON,
        "wtype": TYPIST,
    }
    for name, script in scripts.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    log = (folder / "log").open("wb")
    command = [sys.executable, HERE / "command_server.py", address]
    with log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        for _ in range(600):
            if Path(address).exists() or server.poll() is not None:
                break
            time.sleep(0.05)
        assert server.poll() is None, (folder / "log").read_text()
        yield folder
        server.terminate()
