"""Long recordings and many: what they say does not depend on how they are cut."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

import parrotlet
from parrotlet import AudioError, Model, Progress, recognition
from parrotlet.decoding.emission import Emission
from parrotlet.longform import limits
from parrotlet.model_config import ModelConfig
from parrotlet.recognition import Recognition

RATE = 16_000
CLIPS = [f"clip0{i}.wav" for i in range(1, 9)]
QUICK_FOX = "the quick brown fox jumps over the lazy dog"


@pytest.fixture(scope="module")
def model(converted: Callable[[str, str], Path]) -> Model:
    return parrotlet.load(converted("parakeet-tdt-0.6b-v2", "q8_0"), threads=2)


@pytest.fixture(scope="module")
def spoken(model: Model, audio_dir: Path) -> list[tuple[np.ndarray, str]]:
    """The clips, and what the model makes of each."""
    clips = [soundfile.read(audio_dir / name, dtype="float32")[0] for name in CLIPS]
    return [(clip, model.transcribe(clip).text) for clip in clips]


def recording(
    spoken: list[tuple[np.ndarray, str]], order: list[int], pause: float
) -> tuple[np.ndarray, str]:
    silence = np.zeros(round(pause * RATE), dtype=np.float32)
    samples = np.concatenate([part for i in order for part in (spoken[i][0], silence)])
    return samples, " ".join(spoken[i][1] for i in order)


@pytest.mark.parametrize("pause", [0.3, 1.0, 4.0, 31.0])
def test_joined_clips_say_what_they_say_alone(model: Model, spoken, pause: float) -> None:
    order = [0, 3, 6, 1, 7, 2, 5, 4]
    samples, text = recording(spoken, order, pause)
    found = model.transcribe(samples, window=10.0)
    assert found.text == text
    assert found.duration == pytest.approx(len(samples) / RATE)
    assert " ".join(word.word for word in found.words) == text


def test_times_are_those_of_the_recording(model: Model, spoken) -> None:
    samples, _ = recording(spoken, [0, 3, 6, 1, 7], 5.0)
    found = model.transcribe(samples, window=10.0)
    starts = np.cumsum([0.0] + [len(spoken[i][0]) / RATE + 5.0 for i in (0, 3, 6, 1)])
    for start, i in zip(starts, (0, 3, 6, 1, 7), strict=True):
        first = spoken[i][1].split()[0]
        clip = model.transcribe(spoken[i][0])
        here = [w for w in found.words if w.word == first and start <= w.start < start + 4.0]
        assert here[0].start - start == pytest.approx(clip.words[0].start, abs=0.05)
    frames = [token.frame for token in found.tokens]
    assert frames == sorted(frames)


def test_speech_without_pauses_is_merged_at_the_seams(examples_dir: Path) -> None:
    """Recordings without the silence around them, one after the other: cuts are within speech."""
    demo = parrotlet.load("demo")
    clips = [soundfile.read(examples_dir / name)[0] for name in ("example.wav", "spelled.wav")]
    spoken = [clip[slice(*np.flatnonzero(np.abs(clip) > 0.01)[[0, -1]])] for clip in clips]
    samples = np.concatenate(spoken * 12).astype(np.float32)
    for decoder in demo.heads:
        whole = demo.transcribe(samples, decoder, window=float("inf")).text.split()
        windows = (20.0, 22.0, 25.0)
        errors = [
            _word_errors(whole, demo.transcribe(samples, decoder, window=window).text.split())
            for window in windows
        ]
        # What is left are errors of the model, with more or less to go by: how many depends on
        # which words a cut meets.
        assert sum(errors) <= 0.05 * len(whole) * len(windows)


@pytest.mark.parametrize("decibels", [-60, -50, -40])
def test_words_after_pauses_with_noise_are_not_lost(examples_dir: Path, decibels: int) -> None:
    """A transducer that has heard one speaker and a pause tends to miss what another one says; in
    one pass it loses a fifth of this."""
    demo = parrotlet.load("demo")
    clips = [soundfile.read(examples_dir / name)[0] for name in ("example.wav", "spelled.wav")]
    random = np.random.default_rng(0)
    parts, alone = [], []
    for clip in clips * 8:
        pause = round(random.uniform(0.5, 3) * RATE)
        parts += [clip, random.normal(0, 10 ** (decibels / 20), pause)]
        alone += demo.transcribe(clip, "transducer").text.split()
    samples = np.concatenate(parts).astype(np.float32)
    found = demo.transcribe(samples, "transducer").text.split()
    assert _word_errors(alone, found) <= 0.02 * len(alone)


@pytest.mark.parametrize("kind", ["offset", "drift", "rumble", "hum"])
def test_what_is_not_heard_costs_no_words(examples_dir: Path, kind: str) -> None:
    demo = parrotlet.load("demo")
    clips = [soundfile.read(examples_dir / name)[0] for name in ("example.wav", "spelled.wav")]
    random = np.random.default_rng(0)
    pause = np.zeros(2 * RATE)
    samples = np.concatenate([part for clip in clips * 5 for part in (clip / 2, pause)])
    samples += random.normal(0, 1e-3, len(samples))
    time = np.arange(len(samples)) / RATE
    unheard = {
        "offset": np.full(len(samples), 0.3),
        "drift": np.linspace(-0.3, 0.1, len(samples)),
        "rumble": 0.1 * np.sin(2 * np.pi * 8 * time),
        "hum": 0.05 * np.sin(2 * np.pi * 50 * time),
    }[kind]
    said = (
        "two one five nine zero one zero six eight three six seven three p i t t s b u r g h " * 5
    ).split()
    clean = demo.transcribe(samples.astype(np.float32), "ctc").text.split()
    found = demo.transcribe((samples + unheard).astype(np.float32), "ctc").text.split()
    assert _word_errors(said, found) <= _word_errors(said, clean) + 0.01 * len(said)


@pytest.mark.parametrize("seconds", [2, 70])
def test_a_constant_says_nothing(seconds: int) -> None:
    demo = parrotlet.load("demo")
    for value in (0.0, 0.3):
        found = demo.transcribe(np.full(seconds * RATE, value, dtype=np.float32))
        assert (found.text, found.duration) == ("", seconds)


def _word_errors(a: list[str], b: list[str]) -> int:
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def test_batch_is_in_order_and_goes_on_after_a_failure(
    model: Model, spoken, audio_dir: Path, tmp_path: Path
) -> None:
    long, text = recording(spoken, [0, 3] * 5, 1.0)
    soundfile.write(tmp_path / "long.wav", long, RATE)
    names = [
        audio_dir / "clip01.wav", tmp_path / "gone.wav", tmp_path / "long.wav",
        audio_dir / "clip04.wav",
    ]  # fmt: skip
    seen: list[Progress] = []
    outcomes = list(model.transcribe_batch(names, window=10.0, progress=seen.append))
    assert [outcome.audio for outcome in outcomes] == [str(name) for name in names]
    assert isinstance(outcomes[1].error, AudioError)
    assert outcomes[1].result is None
    texts = [outcome.result.text for outcome in outcomes if outcome.result is not None]
    assert texts == [spoken[0][1], text, spoken[3][1]]
    seconds = [progress.seconds for progress in seen]
    assert seconds == pytest.approx(sorted(seconds))
    assert seconds[-1] == pytest.approx(
        (len(long) + len(spoken[0][0]) + len(spoken[3][0])) / RATE, abs=1.5
    )


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many windows went through the encoder together, each time that several did."""
    monkeypatch.setattr(limits, "TOGETHER_SECONDS", 30.0)
    counts: list[int] = []
    together = Recognition._recognise_together

    def counted(self: Recognition, recordings: Sequence[np.ndarray]) -> list[list[Emission]]:
        counts.append(len(recordings))
        return together(self, recordings)

    monkeypatch.setattr(Recognition, "_recognise_together", counted)
    return counts


def test_short_recordings_together_say_what_they_say_alone(
    model: Model,
    spoken: list[tuple[np.ndarray, str]],
    shared: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Silence, a recording that is too short, and windows of one with rumble among them."""
    clips = [clip for clip, _ in spoken]
    long, _ = recording(spoken, [*range(8)] * 5, 0.5)
    long += 0.3 * np.sin(np.arange(len(long), dtype=np.float32) * (2 * np.pi * 8 / RATE))
    audio = [*clips, np.zeros(RATE, np.float32), *clips, np.ones(100, np.float32), long, *clips]
    together = list(model.transcribe_batch(audio))
    assert max(shared) > 1
    monkeypatch.setattr(limits, "TOGETHER_SECONDS", 0.0)
    shared.clear()
    alone = list(model.transcribe_batch(audio))
    assert not shared
    assert [o.result for o in together] == [o.result for o in alone]
    assert [str(o.error) for o in together] == [str(o.error) for o in alone]
    assert [type(o.error) for o in together if o.error] == [AudioError]


def test_what_fails_together_fails_alone(
    model: Model,
    spoken: list[tuple[np.ndarray, str]],
    shared: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error that nobody expects is of the recording that it comes from."""
    check = recognition.check_length

    def checked(config: ModelConfig, samples: np.ndarray, name: str) -> None:
        check(config, samples, name)
        if name == "recordings[20]":
            raise ZeroDivisionError

    monkeypatch.setattr(recognition, "check_length", checked)
    outcomes = list(model.transcribe_batch([clip for clip, _ in spoken] * 4))
    assert max(shared) > 1
    assert [i for i, outcome in enumerate(outcomes) if outcome.error] == [20]
    texts = [outcome.result.text for outcome in outcomes if outcome.result]
    assert texts == [text for i, (_, text) in enumerate(spoken * 4) if i != 20]


def test_a_failure_within_a_recording_is_its_own(model: Model, spoken, tmp_path: Path) -> None:
    samples, _ = recording(spoken, [0] * 12, 1.0)
    samples[-100] = np.nan
    soundfile.write(tmp_path / "bad.wav", samples, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "good.wav", spoken[0][0], RATE)
    bad, good = model.transcribe_batch([tmp_path / "bad.wav", tmp_path / "good.wav"], window=10.0)
    assert "is nan" in str(bad.error)
    assert good.result is not None
    assert good.result.text == QUICK_FOX


def test_a_batch_that_is_not_used_up_ends(model: Model, audio_dir: Path) -> None:
    outcomes = model.transcribe_batch([audio_dir / name for name in CLIPS] * 3)
    assert next(outcomes).result is not None
    outcomes.close()


def test_split_channels_of_a_long_recording(model: Model, spoken, tmp_path: Path) -> None:
    left, left_text = recording(spoken, [0, 3] * 2, 3.5)
    right, right_text = recording(spoken, [6, 7] * 2, 3.5)
    stereo = np.zeros((len(left) + 8 * RATE, 2), dtype=np.float32)
    stereo[: len(left), 0] = left
    stereo[3 * RATE : 3 * RATE + len(right), 1] = right
    soundfile.write(tmp_path / "call.wav", stereo, RATE)
    found = model.transcribe(tmp_path / "call.wav", split_channels=True, window=10.0)
    for speaker, text in (("1", left_text), ("2", right_text)):
        said = [word.word for word in found.words if word.speaker == speaker]
        assert " ".join(said) == text


def test_options(model: Model, spoken, audio_dir: Path) -> None:
    with pytest.raises(ValueError, match="one channel"):
        model.transcribe(spoken[0][0], channel=2)
    with pytest.raises(ValueError, match="max_memory"):
        model.transcribe(spoken[0][0], max_memory="1M")
    with pytest.raises(ValueError, match="window"):
        model.transcribe_batch([audio_dir / CLIPS[0]], window=1.0)


def test_a_batch_that_is_given_up_does_not_keep_the_interpreter(examples_dir: Path) -> None:
    program = (
        "import sys, parrotlet\n"
        "batch = parrotlet.load('demo').transcribe_batch([sys.argv[1]] * 9)\n"
        "print(next(batch).result.text)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, examples_dir / "spelled.wav"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("p i t t s b u r g h\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_memory_does_not_grow_with_the_length(
    converted: Callable[[str, str], Path], audio_dir: Path, tmp_path: Path
) -> None:
    clip = soundfile.read(audio_dir / "clip01.wav")[0]
    program = (
        "import sys, parrotlet\n"
        "model = parrotlet.load(sys.argv[1], threads=2)\n"
        "words = len(model.transcribe(sys.argv[2], window=20).words)\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(words, status['VmHWM'].split()[0])\n"
    )
    model = converted("parakeet-ctc-0.6b", "q8_0")
    found = []
    for minutes in (2, 20):
        pieces = np.concatenate([clip, np.zeros(RATE // 2)])
        path = tmp_path / f"{minutes}.flac"
        soundfile.write(path, np.tile(pieces, round(minutes * 60 * RATE / len(pieces))), RATE)
        done = subprocess.run(
            [sys.executable, "-c", program, model, path],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        found.append([int(number) for number in done.stdout.split()])
    (few, short), (many, long) = found
    assert many == pytest.approx(10 * few, rel=0.02)
    # In kilobytes: 20 minutes of samples are 77 MB, and a pass over them takes several times that.
    assert long - short < 15_000
