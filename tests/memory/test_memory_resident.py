"""The predicted peak of a run against the resident memory of a process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from random_models import (
    demo_sized,
    demo_sized_with_full_attention,
    full_sized,
    lmu_sized,
    unified_sized,
)

from parrotlet import Phrases, read_phrases
from parrotlet._core.decoding import TOKEN_OFFSET
from parrotlet.cli.process_size import measured_process
from parrotlet.machine import free_bytes
from parrotlet.memory import plan

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="resident memory is read from /proc"
)

SECONDS = 60
STREAMED_SECONDS = 20
"""Of a minute at full size: caches of streams are full after a tenth of it, and do not grow."""

LONG_SECONDS = 300
SHORT_SECONDS = 5

THREADS = 2
TOLERANCE = 0.10
TYPES = ("f32", "f16", "q8_0", "q4_k")
LMU_TYPES = ("f32", "q8_0")
MODES = pytest.mark.parametrize("streaming", (False, True), ids=("offline", "streaming"))
NEEDED_DISK = 3_000_000_000
NEEDED_MEMORY = 6_000_000_000
MEASURE = Path(__file__).with_name("measure.py")

# What LMU models do: the variant, and whether it streams
LMU_RUNS = (
    ("attention", False),
    ("recurrent", False),
    ("recurrent", True),
    ("recurrent-live", True),
    ("fft", False),
)
LMU_IDS = [
    f"{variant}-{'streaming' if streaming else 'offline'}" for variant, streaming in LMU_RUNS
]


@pytest.fixture(scope="module")
def recorded(audio_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """`recorded(seconds)`: so much speech."""
    clips = [soundfile.read(path, dtype="float32")[0] for path in sorted(audio_dir.glob("*.wav"))]
    directory = tmp_path_factory.mktemp("speech")

    def write(seconds: int) -> Path:
        path = directory / f"{seconds}.flac"  # what is planned has what reads any format
        soundfile.write(path, np.resize(np.concatenate(clips), seconds * 16000), 16000)
        return path

    return write


@pytest.fixture(scope="module")
def recording(recorded: Callable[[int], Path]) -> Path:
    """A minute of speech."""
    return recorded(SECONDS)


@pytest.fixture(scope="module")
def long_recording(recorded: Callable[[int], Path]) -> Path:
    """More than is recognised in one pass."""
    return recorded(LONG_SECONDS)


def measured(*arguments: object) -> int:
    """Peak resident bytes of `parrotlet` with these arguments."""
    command = [sys.executable, str(MEASURE), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    status, peak = done.stdout.split()[-2:]
    assert status == "0", done.stderr
    return int(peak)


def compare(
    model: Path,
    recording: Path,
    streaming: bool,
    seconds: int = SECONDS,
    attention_window: int | None = None,
) -> None:
    """Predict from the file alone, then run it; the file is gone after that."""
    try:
        mode = "streaming" if streaming else "offline"
        report = plan(
            model,
            seconds=seconds,
            threads=THREADS,
            mode=mode,
            attention_window=attention_window,
            process=measured_process,
        )
        command = ("stream", "--fast") if streaming else ("transcribe",)
        window = () if attention_window is None else ("--attention-window", attention_window)
        peak = measured(*command, "--model", model, "--threads", THREADS, *window, recording)
    finally:
        model.unlink()
    assert report.total == pytest.approx(peak, rel=TOLERANCE), report.estimate.items


@pytest.mark.parametrize("type", TYPES)
@MODES
def test_demo_size(streaming, type, recording, tmp_path) -> None:
    compare(demo_sized(streaming).write(tmp_path / "model.gguf", type), recording, streaming)


@pytest.mark.parametrize("type", ("f32", "q8_0"))
def test_buffered_streams(type, recorded, tmp_path) -> None:
    model = unified_sized().write(tmp_path / "model.gguf", type)
    compare(model, recorded(STREAMED_SECONDS), streaming=True)


@pytest.mark.parametrize("type", ("f32", "q8_0"))
def test_windows_of_long_recordings(type, long_recording, tmp_path) -> None:
    model = demo_sized(False).write(tmp_path / "model.gguf", type)
    compare(model, long_recording, streaming=False, seconds=LONG_SECONDS)


@pytest.mark.parametrize("type", ("f32", "q8_0"))
def test_one_pass_within_a_window(type, long_recording, tmp_path) -> None:
    model = demo_sized_with_full_attention().write(tmp_path / "model.gguf", type)
    compare(model, long_recording, streaming=False, seconds=LONG_SECONDS, attention_window=64)


@pytest.mark.slow
@pytest.mark.parametrize("type", TYPES)
@MODES
def test_full_size(streaming, type, recorded, tmp_path) -> None:
    if shutil.disk_usage(tmp_path).free < NEEDED_DISK:
        pytest.skip("a model file of full size needs 3 GB of disk")
    if free_bytes() < NEEDED_MEMORY:
        pytest.skip("a model of full size, its file included, needs 6 GB of memory")
    model = full_sized(streaming).write(tmp_path / "model.gguf", type)
    compare(model, recorded(STREAMED_SECONDS if streaming else SECONDS), streaming)


@pytest.mark.parametrize("type", (pytest.param("f32", marks=pytest.mark.slow), "q8_0"))
@pytest.mark.parametrize(("variant", "streaming"), LMU_RUNS, ids=LMU_IDS)
def test_lmu_demo_size(variant, streaming, type, recording, tmp_path) -> None:
    model = lmu_sized("demo", variant).write(tmp_path / "model.gguf", type)
    compare(model, recording, streaming)


@pytest.mark.slow
@pytest.mark.parametrize("type", LMU_TYPES)
@pytest.mark.parametrize(("variant", "streaming"), LMU_RUNS, ids=LMU_IDS)
def test_lmu_production_size(variant, streaming, type, recording, tmp_path) -> None:
    model = lmu_sized("production", variant).write(tmp_path / "model.gguf", type)
    compare(model, recording, streaming)


def test_prediction_before_conversion(tmp_path) -> None:
    """The preset and the file of its shape are planned alike."""
    report = plan(demo_sized(False).write(tmp_path / "model.gguf", "q8_0"), threads=THREADS)
    assert report.estimates["file"].items == report.estimates["q8_0"].items


def test_phrases_and_a_language_model(recording, tmp_path) -> None:
    arpa, words = tmp_path / "lm.arpa", tmp_path / "words.txt"
    write_arpa(arpa, tokens=200, trigrams=200_000)
    words.write_text("".join(f"item {letters(i)} of a list\n" for i in range(10_000)))
    report = plan(
        "demo",
        seconds=SECONDS,
        threads=THREADS,
        process=measured_process,
        language_model=arpa,
        phrases=Phrases(read_phrases(words), variants=True),
    )
    # A weight of nothing, or it would be heard in each window.
    options = ("--lm", arpa, "--lm-weight", "0", "--phrases", words, "--phrase-weight", "0")
    peak = measured("transcribe", "--model", "demo", "--threads", THREADS, *options, recording)
    assert report.estimate.group("scorers") > 6_000_000
    assert report.total == pytest.approx(peak, rel=TOLERANCE), report.estimate.items


def test_a_large_language_model_and_a_short_recording(recorded, tmp_path) -> None:
    """Reading the model takes more than the recording does."""
    arpa, short = tmp_path / "lm.arpa", recorded(SHORT_SECONDS)
    write_arpa(arpa, tokens=200, trigrams=800_000)
    report = plan(
        "demo",
        seconds=SHORT_SECONDS,
        threads=THREADS,
        process=measured_process,
        language_model=arpa,
    )
    peak = measured("transcribe", "--model", "demo", "--threads", THREADS, "--lm", arpa, short)
    assert report.total == pytest.approx(peak, rel=TOLERANCE), report.estimate.items


def letters(number: int) -> str:
    """A word of four letters for each number."""
    return "".join(chr(ord("a") + number // 26**place % 26) for place in range(4))


def write_arpa(path: Path, tokens: int, trigrams: int) -> None:
    """Write a language model with every bigram of its tokens, and as many trigrams."""
    name = [chr(TOKEN_OFFSET + token) for token in range(tokens)]
    with path.open("w", encoding="utf-8") as file:
        counts = (tokens + 3, tokens**2, trigrams)
        file.write("\\data\\\n")
        file.writelines(f"ngram {order}={count}\n" for order, count in enumerate(counts, 1))
        file.write("\n\\1-grams:\n-3\t<unk>\t0\n-99\t<s>\t-1\n-2\t</s>\t0\n")
        file.writelines(f"-2\t{one}\t-1\n" for one in name)
        file.write("\n\\2-grams:\n")
        file.writelines(f"-2\t{one} {two}\t-1\n" for one in name for two in name)
        file.write("\n\\3-grams:\n")
        every = (f"-2\t{one} {two} {three}\n" for one in name for two in name for three in name)
        file.writelines(islice(every, trigrams))
        file.write("\n\\end\\\n")
