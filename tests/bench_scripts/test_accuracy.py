"""`bench/accuracy.py` on the recordings in `examples/`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from parrotlet import bench
from parrotlet.architectures.conformer.published import PRESETS

BENCH = Path(__file__).parents[2] / "bench"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(script: Run) -> Run:
    """`run(*arguments)`: run the script."""
    return partial(script, "accuracy.py")


def test_word_error_rate(run: Run, manifest: Path, tmp_path: Path) -> None:
    done = run("--json", tmp_path / "out.json", "--right-context", "13", manifest)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads((tmp_path / "out.json").read_text())
    assert (result["manifest"], result["setting"], result["words"]) == ("digits", "rnnt_13", 24)
    assert result["error_rate"] == pytest.approx(100 / 24)
    assert result["nemo_error_rate"] is None


def test_differences_from_a_reference(
    run: Run, manifest: Path, examples_dir: Path, spoken: dict[str, str]
) -> None:
    reference = manifest.with_name("nemo.jsonl")
    lines = [
        {"audio_filepath": str(examples_dir / "example.wav"), "rnnt_13": spoken["example.wav"]},
        {"audio_filepath": str(examples_dir / "spelled.wav"), "rnnt_13": "something else"},
    ]
    reference.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    done = run("--markdown", "--reference", "nemo.jsonl", manifest)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].endswith("| 1 |")
    assert "something else" in done.stderr


def test_a_row_for_each_type(
    run: Run, manifest: Path, converted: Callable[[str, str], Path]
) -> None:
    model = converted("parakeet-ctc-0.6b", "f32")
    done = run(
        "--model", model, "--types", "f16", "q8_0", "--preset", "none", "--markdown", manifest
    )
    assert done.returncode == 0, done.stderr
    header, _, f16, q8_0 = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()]
    assert header == ["type", "MB", "digits ctc, WER %"]
    assert f16[0] == "f16" and q8_0[0] == "q8_0"
    assert float(q8_0[1]) < float(f16[1])


def test_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    from full_size import cosines

    a = np.array([[1, 0], [3, 4], [0, 2]], np.float32)
    b = np.array([[2, 0], [4, 3], [0, -1]], np.float32)
    np.testing.assert_allclose(cosines(a, b), [1, 0.96, -1])


def test_full_size_makes_every_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import full_size

    sizes = PRESETS["parakeet-ctc-0.6b"]
    encoder = replace(sizes.encoder, layers=1, d_model=256, d_ff=256)
    monkeypatch.setitem(PRESETS, "small", replace(sizes, encoder=encoder))
    made, random_model = [], bench.random_model

    def counted(preset: str, type: str) -> AbstractContextManager[Path]:
        made.append(type)
        return random_model(preset, type)

    monkeypatch.setattr(bench, "random_model", counted)
    settings = bench.Settings(seconds=2, threads=1, repeat=1)
    types = ["q8_0", "f32", "f16"]
    q8_0, f32, f16 = full_size.measure("small", types, settings, lambda what: None)
    assert made == ["f32", "q8_0", "f16"]
    assert f32.lowest_cosine == pytest.approx(1)
    assert 1 > f16.lowest_cosine > q8_0.lowest_cosine > 0.9
    assert f32.file_bytes > f16.file_bytes > q8_0.file_bytes


def test_missing_manifest(run: Run, tmp_path: Path) -> None:
    done = run(tmp_path / "none.jsonl")
    assert done.returncode == 1
    assert "none.jsonl" in done.stderr and "Traceback" not in done.stderr
