"""`bench/seams.py` on the recordings in `examples/`, and on a model of full attention."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

SILENCE = "0.5 s digital silence"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_model_whose_attention_is_limited(script: Run, manifest: Path, tmp_path: Path) -> None:
    options = ("--repeat", "10", "--gaps", SILENCE, "--json", tmp_path / "out.json")
    done = script("seams.py", *options, manifest)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out.json").read_text())
    ways = {result["way"]: result for result in results}
    assert list(ways) == ["clips alone", "windows cut in pauses", "one pass"]
    assert {result["words"] for result in results} == {10 * 24}
    # Sections that end at digital silence are recognised as the clips alone.
    assert ways["windows cut in pauses"]["errors"] == ways["clips alone"]["errors"] == 10
    assert ways["windows cut in pauses"]["seam_words"] > 0


def test_a_window_of_attention(
    script: Run, audio_dir: Path, converted: Callable[[str, str], Path], tmp_path: Path
) -> None:
    model = converted("parakeet-tdt-0.6b-v2-local", "f32")
    options = ("--model", model, "--attention-window", "8", "--gaps", "none")
    done = script(
        "seams.py", *options, "--json", tmp_path / "out.json", audio_dir / "manifest.jsonl"
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out.json").read_text())
    assert [result["way"] for result in results] == [
        "clips alone",
        "windows cut in pauses",
        "one pass, local attention",
        "windows, local attention",
        "one pass, full attention",
    ]
    assert len({result["errors"] for result in results}) > 2
