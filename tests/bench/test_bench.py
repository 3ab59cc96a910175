"""Measuring: what a report holds, and what makes random weights decode like speech."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

import parrotlet
from parrotlet import Decoding, _core, bench
from parrotlet.architectures.conformer.published import PRESETS
from parrotlet.architectures.work import STAGES, Steps
from parrotlet.bench import machine
from parrotlet.bench.machine import Machine, Rate
from parrotlet.bench.pacing import Counted, Paced
from parrotlet.bench.sound import speech_like
from parrotlet.bench.synthetic import free_memory
from parrotlet.conversion import synthesize
from parrotlet.errors import AudioError, ParrotletError
from parrotlet.streaming import Row

Converted = Callable[[str, str], Path]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a preset whose weights are made in no time."""
    sizes = PRESETS["parakeet-tdt_ctc-110m"]
    encoder = dataclasses.replace(sizes.encoder, layers=2, d_model=64, d_ff=256)
    encoder = dataclasses.replace(
        encoder, subsampling=dataclasses.replace(encoder.subsampling, channels=32)
    )
    monkeypatch.setitem(PRESETS, "tiny", dataclasses.replace(sizes, encoder=encoder))
    return "tiny"


def paced(
    model: _core.Model,
    durations: Sequence[int],
    frame_seconds: float,
    beam: _core.BeamOptions | None = None,
) -> tuple[list[Row], Steps, int]:
    """The tokens of a paced minute, the steps of the joint, and how many other texts a beam has."""
    blank, steps = model.metadata["conformer.vocab_size"], Steps()
    process = Counted(steps, Paced(blank, durations, frame_seconds))
    options = _core.SearchOptions(10, process, beam=beam or _core.BeamOptions("greedy_batch"))
    search = _core.Search(model, "tdt" if durations else "rnnt", options)
    width = model.metadata["conformer.embedding_length"]
    settled, _ = search.feed(np.zeros((round(60 / frame_seconds), width), np.float32))
    return settled + search.finish(), steps, len(search.alternatives()) - 1


@pytest.mark.parametrize("durations", [(), (0, 1, 2, 3, 4), (0, 2)])
@pytest.mark.parametrize("frame_seconds", [0.04, 0.08])
def test_pace(durations, frame_seconds, transducer) -> None:
    emitted, steps, _ = paced(transducer(durations), durations, frame_seconds)
    assert len(emitted) == 210  # 3.5 a second
    distances = np.diff([frame for _, frame, _, _ in emitted]) * frame_seconds
    assert np.abs(distances - 1 / 3.5).max() < 0.1
    if not durations:
        assert steps.joint == 210 + round(60 / frame_seconds)  # blanks too
    else:
        assert 210 < steps.joint < round(60 / frame_seconds)


@pytest.mark.parametrize("durations", [(), (0, 1, 2, 3, 4), (0, 2)])
def test_pace_of_a_beam(durations, transducer) -> None:
    greedy, steps, _ = paced(transducer(durations), durations, 0.08)
    beam = _core.BeamOptions("malsd_batch", 4)
    emitted, beam_steps, others = paced(transducer(durations), durations, 0.08, beam)
    assert abs(len(emitted) - len(greedy)) <= 1
    distances = np.diff([frame for _, frame, _, _ in emitted]) * 0.08
    assert np.abs(distances - 1 / 3.5).max() < 0.2
    assert others > 0
    assert beam_steps.joint > 2 * steps.joint  # of several hypotheses


def test_speech_like() -> None:
    sound = speech_like(400_000, 16_000)
    assert (sound.dtype, sound.shape) == (np.float32, (400_000,))
    assert np.array_equal(sound, speech_like(400_000, 16_000))
    assert np.array_equal(sound[:50_000], sound[192_000:242_000])  # it repeats
    assert np.abs(sound).max() == pytest.approx(0.3)
    # There are pauses, and louder parts.
    loudness = np.square(sound[:192_000].reshape(-1, 1600)).mean(1)
    assert loudness.min() < 1e-5 < 1e-3 < loudness.max()


def test_stage_times(converted: Converted) -> None:
    core = _core.Model(str(converted("parakeet-tdt-0.6b-v2", "f32")), 1)
    samples = speech_like(16_000, 16_000)
    core.start_timing()
    features = core.features(samples)
    times = core.stop_timing()
    assert tuple(times) == STAGES
    assert times["mel"] > 0
    assert times["attention"] == 0
    core.encode(features, -1, -1)
    assert core.stop_timing() == times  # nobody asked for those
    core.start_timing()
    encoded = core.encode(features, -1, -1)
    times = core.stop_timing()
    assert (times.pop("mel"), times.pop("decoding")) == (0, 0)
    assert min(times.values()) > 0
    core.start_timing()
    _core.Search(core, "tdt", _core.SearchOptions(10)).feed(encoded)
    times = core.stop_timing()
    assert times.pop("decoding") > 0
    assert max(times.values()) == 0


def test_report(converted: Converted) -> None:
    path = converted("stt_en_fastconformer_hybrid_large_streaming_multi", "q8_0")
    settings = bench.Settings(
        seconds=3, decoding=Decoding("ctc"), right_context=1, threads=1, repeat=4
    )
    shares = []
    report = bench.run(path, settings, progress=lambda share, label: shares.append(share))
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert (report.model, report.type, report.head) == ("model", "q8_0", "ctc")
    assert (report.random_weights, report.paced) == (False, False)
    assert (report.audio, report.audio_seconds) == ("synthetic speech", 3)
    assert report.file_bytes == path.stat().st_size
    assert len(report.passes) == 4
    assert report.seconds == sorted(report.passes)[1]
    assert report.times_real_time == 3 / report.seconds

    assert tuple(stage.name for stage in report.stages) == (*STAGES, "rest")
    assert sum(stage.seconds for stage in report.stages) == pytest.approx(report.seconds)
    *stages, rest = report.stages
    assert all(stage.seconds > 0 and stage.peak_share for stage in stages)
    assert (rest.multiply_adds, rest.peak_share) == (0, None)
    assert report.multiply_adds == sum(stage.multiply_adds for stage in stages)
    assert report.peak_share == pytest.approx(
        sum(stage.least_seconds for stage in stages) / report.seconds
    )
    assert (report.machine.isa, report.machine.threads) == (_core.isa(), 1)
    assert {"f32", "q8_0"} <= set(report.machine.products)
    assert report.machine.memory.one == report.machine.memory.all


@pytest.mark.parametrize("variant", ["recurrent", "attention"])
def test_report_of_an_lmu_model(variant: str, converted: Converted) -> None:
    """Stages that the model has not are left out, and its layers are the rest."""
    report = bench.run(converted(f"lmu/{variant}", "f32"), bench.Settings(seconds=3, repeat=1))
    attention = ["attention"] if variant == "attention" else []
    assert [stage.name for stage in report.stages] == ["mel", *attention, "decoding", "rest"]
    assert min(stage.multiply_adds for stage in report.stages) > 0
    assert report.head == "ctc"


def test_limits_that_a_stage_exceeds_are_measured_again(
    converted: Converted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as those of two threads that the system left on one core."""
    settings = bench.Settings(seconds=1, threads=1, repeat=1)
    asked = []

    def measure(isa: str, threads: int, types: Iterable[str], again: bool = False) -> Machine:
        asked.append(again)
        rate = 1.0 if len(asked) < 3 else 1e15
        return Machine(
            "a processor", isa, threads, {type: Rate(rate, rate) for type in types}, Rate(1.0, 1.0)
        )

    monkeypatch.setattr(machine, "measure", measure)
    report = bench.run(converted("parakeet-ctc-0.6b", "q8_0"), settings)
    assert asked == [False, True, True]
    assert 0 < report.peak_share < 1


def test_report_of_a_recording(converted: Converted, audio_dir: Path) -> None:
    """Cut to what is said in it, and what is said, is found."""
    path, clip = converted("parakeet-tdt-0.6b-v2", "f32"), audio_dir / "clip01.wav"
    model = parrotlet.load(path)
    seconds = model.transcribe(clip).duration
    report = bench.run(path, bench.Settings(seconds=seconds, audio=clip, repeat=1))
    assert report.tokens == len(model.transcribe(clip).tokens)
    assert (report.audio, report.audio_seconds) == (str(clip), seconds)
    twice = bench.run(path, bench.Settings(seconds=2 * seconds, audio=clip, repeat=1))
    assert twice.audio_seconds == 2 * seconds


@pytest.fixture(params=["in memory", "in a directory"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where random weights lie if memory does not suffice; and whether it does."""
    directory = tmp_path / "temporary"
    if request.param == "in memory":
        if free_memory() == 0:
            pytest.skip("no files in memory")
    else:
        monkeypatch.setattr("parrotlet.bench.synthetic.free_memory", lambda: 0)
        directory.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    return directory


@pytest.mark.parametrize("decoder", ["transducer", "ctc"])
def test_preset(tiny, decoder, place) -> None:
    settings = bench.Settings(seconds=4, decoding=Decoding(decoder), threads=1, repeat=1)
    report = bench.run_preset(tiny, "q8_0", settings)
    assert (report.model, report.random_weights) == ("tiny", True)
    assert report.paced == (decoder == "transducer")
    if report.paced:
        assert report.tokens == 14
    assert not place.exists() or list(place.iterdir()) == []


def test_random_model(tiny, place) -> None:
    """The same file wherever it lies, and gone afterwards."""
    with bench.random_model(tiny, "q8_0") as path:
        assert path.is_relative_to("/proc/self/fd" if not place.exists() else place)
        written = path.read_bytes()
    assert not path.exists()
    assert written == synthesize(tiny, place.with_name("file.gguf"), "q8_0").read_bytes()


def test_no_room(tiny, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("parrotlet.bench.synthetic.free_memory", lambda: 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(ParrotletError, match=r"random weights of tiny in f32 take .* set TMPDIR"):
        bench.run_preset(tiny, "f32")
    assert list(tmp_path.iterdir()) == []


def test_refusals(tiny, converted: Converted) -> None:
    path = converted("parakeet-tdt-0.6b-v2", "q8_0")
    with pytest.raises(ValueError, match=r"expected one of parakeet-tdt-0\.6b-v2, "):
        bench.run_preset("parakeet")
    with pytest.raises(ValueError, match="type is 'q9_9'"):
        bench.run_preset(tiny, "q9_9")
    with pytest.raises(ValueError, match="head is 'ctc'"):
        bench.run(path, bench.Settings(seconds=1, decoding=Decoding("ctc")))
    with pytest.raises(AudioError, match="too short"):
        bench.run(path, bench.Settings(seconds=0.01))
    for wrong in ({"seconds": 0}, {"seconds": float("nan")}, {"repeat": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
            bench.Settings(**wrong)
