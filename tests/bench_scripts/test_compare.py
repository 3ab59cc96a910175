"""`bench/compare.py`, without the peers that it would have to install."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import parrotlet

BENCH = Path(__file__).parents[2] / "bench"

# A worker that says that it has loaded something.
LOADED = """
import json, time
print(json.dumps({"load_seconds": 0.5, "about": {}}), flush=True)
"""


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, found as it is when it runs."""
    monkeypatch.syspath_prepend(str(BENCH))
    import compare

    return compare


@pytest.fixture
def rows(compare: ModuleType) -> list:
    """Two encoders of a baseline, the second the faster, and one candidate; three rounds."""
    table = compare.table
    slow = table.Subject("Old", "fp32", baseline=True)
    fast = table.Subject("New", "fp32", baseline=True)
    made = [
        table.Row(table.Subject("ours", "q8_0"), table.WHOLE, 10.0, [1.0, 4.0, 1.0]),
        table.Row(slow, table.ENCODER, 10.0, [9.0, 9.0, 9.0]),
        table.Row(fast, table.ENCODER, 10.0, [2.0, 12.0, 5.0], error=0.25),
    ]
    return made


def test_ratios_are_to_the_fastest_baseline_within_each_round(
    compare: ModuleType, rows: list
) -> None:
    lines = compare.table.speed_table(rows, "New fp32").splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[7:-1]] == [
        "x New fp32",
        "encoder's mean difference from New fp32",
    ]
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    # Medians of 1, 4, 1 and of 2/1, 12/4, 5/1.
    assert cells == [
        *("ours", "q8_0", "whole pipeline"),
        *("1.000", "1.000, 4.000", "10.0", "3.00", ""),
    ]
    assert lines[4].endswith("| 1.00 | 2.5e-01 |")


def test_speeds_by_length_are_to_the_first_length(compare: ModuleType, rows: list) -> None:
    short = [compare.table.Row(row.subject, row.stage, 1.0, [0.2]) for row in rows]
    lines = compare.table.length_table([rows, short]).splitlines()
    assert lines[0].endswith("| 10 s | 1 s | 1 s / 10 s |")
    assert lines[2] == "| ours | q8_0 | whole pipeline | 10.0 | 5.0 | 50% |"


def test_different_float32_encoders_are_refused(compare: ModuleType, rows: list) -> None:
    from peers.measuring import ComparisonError, differences

    old, new = (row.subject for row in rows[1:])
    ours = compare.table.Subject("ours", "q8_0")
    outputs = {subject: np.zeros((3, 2), np.float32) for subject in (old, new, ours)}
    outputs[ours][1] = 3.0
    assert differences(outputs) == {old: 0.0, new: 0.0, ours: 1.0}
    for wrong in (0.01, np.nan):
        outputs[new][1, 1] = wrong
        with pytest.raises(ComparisonError, match="New fp32 differs from that of Old fp32"):
            differences(outputs)
    outputs[new] = np.zeros((2, 2), np.float32)
    with pytest.raises(ComparisonError, match=r"New fp32 gives \(2, 2\)"):
        differences(outputs)


def test_nemo_is_the_reference_where_it_runs(compare: ModuleType, rows: list) -> None:
    subjects = [row.subject for row in rows]
    assert compare.reference(subjects[:1]) is None
    assert compare.reference(subjects).name == "Old fp32"
    assert compare.reference([*subjects, compare.table.Subject("NeMo", "fp32")]).name == "NeMo fp32"


def test_an_x86_library_is_kept_from_avx512(compare: ModuleType) -> None:
    from peers.environments import SetupError, restrict_to_avx2

    code = bytes.fromhex("90 31c9 0f01d0 89c0 0f01d0 31c9 0f01d0")
    assert restrict_to_avx2(code).hex(" ") == "90 31 c9 8d 41 07 89 c0 0f 01 d0 31 c9 8d 41 07"
    with pytest.raises(SetupError, match="cannot be kept from AVX-512"):
        restrict_to_avx2(b"\x90\x0f\x01\xd0")


def test_a_worker_that_cannot_load_says_why(compare: ModuleType, tmp_path: Path) -> None:
    missing = tmp_path / "missing.gguf"
    command = [sys.executable, str(BENCH / "peers" / "serve_parrotlet.py"), str(missing), "1"]
    with pytest.raises(compare.WorkerError, match=r"ended with status 1:[^$]*missing\.gguf"):
        compare.Worker(command, missing, {}, tmp_path / "log")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen]:
    """Every process that is started from here on."""
    processes: list[subprocess.Popen] = []
    original = subprocess.Popen

    def start(*args: Any, **kwargs: Any) -> subprocess.Popen:
        processes.append(original(*args, **kwargs))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    return processes


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_workers_end_when_measuring_is_interrupted(
    compare: ModuleType, tmp_path: Path, started: list[subprocess.Popen]
) -> None:
    command = [sys.executable, "-c", LOADED + "time.sleep(600)"]
    with (
        pytest.raises(KeyboardInterrupt),
        compare.Worker(command, tmp_path / "none", {}, tmp_path / "log") as worker,
    ):
        assert worker.load_seconds == 0.5
        interrupt()
    (process,) = started
    assert process.poll() is not None


def test_a_worker_ends_when_loading_is_interrupted(
    compare: ModuleType,
    tmp_path: Path,
    started: list[subprocess.Popen],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compare.Worker, "_reply", interrupt)
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(KeyboardInterrupt):
        compare.Worker(command, tmp_path / "none", {}, tmp_path / "log")
    (process,) = started
    assert process.poll() is not None


def test_a_worker_that_ends_between_requests_says_why(compare: ModuleType, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADED + "raise SystemExit('no more')"]
    with (
        pytest.raises(compare.WorkerError, match=r"ended with status 1:\nno more"),
        compare.Worker(command, tmp_path / "none", {}, tmp_path / "log") as worker,
    ):
        worker._process.wait()
        worker.peak_bytes()


def test_a_worker_encodes_as_the_library_does(compare: ModuleType, tmp_path: Path) -> None:
    model = parrotlet.load("demo", threads=1)
    features = model.features(np.zeros(8000, np.float32) + 0.1)
    np.save(tmp_path / "features.npy", features)
    command = [sys.executable, str(BENCH / "peers" / "serve_parrotlet.py"), str(model.path), "1"]
    with compare.Worker(command, model.path, {}, tmp_path / "log") as worker:
        worker.encode(tmp_path / "features.npy", tmp_path / "encoded.npy")
        assert worker.model_bytes == model.path.stat().st_size
        assert worker.peak_bytes() > worker.model_bytes
    np.testing.assert_array_equal(np.load(tmp_path / "encoded.npy"), model.encode(features))


def test_models_are_loaded_in_turns(compare: ModuleType, tmp_path: Path) -> None:
    order = tmp_path / "order"
    subjects = [compare.table.Subject(name, "f32") for name in ("one", "two")]
    everyone = []
    for subject in subjects:
        note = f"open({str(order)!r}, 'a').write({subject.runtime!r} + ' ')"
        command = [sys.executable, "-c", f"{LOADED}{note}; input()"]
        everyone.append(compare.Candidate(subject, command, tmp_path / "none", ()))
    with ExitStack() as stack:
        loaded = compare.load(stack, everyone, 2, "native", tmp_path)
        assert [(c.subject, seconds) for c, _, seconds in loaded] == [
            (subject, [0.5, 0.5]) for subject in subjects
        ]
    assert order.read_text().split() == ["one", "two"] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.nemo"], "nowhere.nemo: no such file; name a NeMo checkpoint"),
        ([__file__, "--audio", "nothing.wav"], "nothing.wav: no such file"),
        ([__file__, "--nemo-python", "no/python"], "no/python: no such interpreter"),
        ([__file__, "--json", "nowhere/x.json"], "nowhere/x.json: there is no such directory"),
        ([__file__, "--rounds", "0"], "0 is less than 1"),
        ([__file__, "--seconds", "0"], "0 is not a length of at least 0.1 seconds"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_made(
    compare: ModuleType,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peers = tmp_path / "peers"
    monkeypatch.setattr(sys, "argv", ["compare.py", *arguments, "--peers", str(peers)])
    with pytest.raises(SystemExit, match="2"):
        compare.main()
    assert message in capsys.readouterr().err
    assert not peers.exists()


def test_what_is_no_checkpoint_is_named(compare: ModuleType, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.nemo"
    wrong.write_text("no checkpoint")
    command = [sys.executable, BENCH / "compare.py", wrong, "--runtimes", "parrotlet"]
    command += ["--peers", tmp_path / "peers"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "wrong.nemo" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_whole_run_can_be_stopped(data_dir: Path, tmp_path: Path) -> None:
    command = [
        *(sys.executable, BENCH / "compare.py", data_dir / "parakeet-ctc-0.6b" / "model.nemo"),
        *("--runtimes", "parrotlet", "--types", "f32", "--pause", "60", "--loads", "1"),
        *("--peers", tmp_path / "peers"),
    ]
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True) as run:
        for line in run.stderr:
            if "warming up" in line:
                break
        run.send_signal(signal.SIGINT)
        assert run.stderr.read().endswith("compare.py: stopped\n")
        assert run.wait() == 130


def test_parrotlet_alone(data_dir: Path, tmp_path: Path) -> None:
    """A whole run, with the types in the order given and one row for each stage."""
    command = [
        *(sys.executable, BENCH / "compare.py", data_dir / "parakeet-ctc-0.6b" / "model.nemo"),
        *("--runtimes", "parrotlet", "--types", "q8_0", "f32", "--seconds", "2", "0.5"),
        *("--rounds", "2", "--pause", "0", "--threads", "1", "--loads", "2"),
        *("--peers", tmp_path / "peers", "--json", tmp_path / "result.json"),
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| parrotlet | f32 | whole pipeline |") == 3  # 2 s, 0.5 s, both
    assert "2 s, round 2 of 2 (10 of 28 runs done)" in done.stderr
    (run,) = json.loads((tmp_path / "result.json").read_text())["runs"]
    assert [clip["audio_seconds"] for clip in run["clips"]] == [2.0, 0.5]
    stages = [(row["type"], row["stage"]) for row in run["clips"][0]["rows"]]
    both = ("whole pipeline", "encoder")
    assert stages == [(type, stage) for type in ("q8_0", "f32") for stage in both]
    assert all(len(row["seconds"]) == 2 for clip in run["clips"] for row in clip["rows"])
    assert [entry["subject"]["type"] for entry in run["loading"]] == ["q8_0", "f32"]
