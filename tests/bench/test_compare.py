"""`bench/compare.py`, without the peers that it would have to install."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import parrotlet

BENCH = Path(__file__).parents[2] / "bench"


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
        "mean difference from New fp32",
    ]
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    # Medians of 1, 4, 1 and of 2/1, 12/4, 5/1.
    assert cells == [
        *("ours", "q8_0", "whole pipeline"),
        *("1.000", "1.000, 4.000", "10.0", "3.00", ""),
    ]
    assert lines[4].endswith("| 1.00 | 2.5e-01 |")


def test_different_float32_encoders_are_refused(compare: ModuleType, rows: list) -> None:
    zeros = np.zeros((3, 2), np.float32)
    outputs = {row.subject: zeros.copy() for row in rows[1:]}
    compare.compare_outputs(rows[1:], outputs)
    assert [row.error for row in rows[1:]] == [0.0, 0.0]
    outputs[rows[2].subject][1, 1] = 0.01
    with pytest.raises(compare.ComparisonError, match="New fp32 differs from that of Old fp32"):
        compare.compare_outputs(rows[1:], outputs)


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


def test_parrotlet_alone(data_dir: Path, tmp_path: Path) -> None:
    """A whole run, with the types in the order given and one row for each stage."""
    command = [
        *(sys.executable, BENCH / "compare.py", data_dir / "parakeet-ctc-0.6b" / "model.nemo"),
        *("--runtimes", "parrotlet", "--types", "q8_0", "f32", "--seconds", "2", "0.5"),
        *("--rounds", "2", "--pause", "0", "--threads", "1"),
        *("--peers", tmp_path / "peers", "--json", tmp_path / "result.json"),
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| parrotlet | f32 | whole pipeline |") == 2
    (run,) = json.loads((tmp_path / "result.json").read_text())["runs"]
    assert [clip["audio_seconds"] for clip in run["clips"]] == [2.0, 0.5]
    stages = [(row["type"], row["stage"]) for row in run["clips"][0]["rows"]]
    both = ("whole pipeline", "encoder")
    assert stages == [(type, stage) for type in ("q8_0", "f32") for stage in both]
    assert all(len(row["seconds"]) == 2 for clip in run["clips"] for row in clip["rows"])
    assert [entry["subject"]["type"] for entry in run["loading"]] == ["q8_0", "f32"]
