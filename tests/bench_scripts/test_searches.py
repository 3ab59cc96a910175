"""`bench/searches.py` on the recordings in `examples/`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

PHRASES = {"key_phrases_list": ["spelled", "six"]}


@pytest.fixture
def reference(tmp_path: Path, spoken: dict[str, str]) -> Path:
    """What NeMo is said to have found; one text is not what the model finds."""
    boosted = {"beam_size": 4, "boosting_tree": PHRASES, "boosting_tree_alpha": 0.2}
    settings = {
        "rnnt greedy": {"strategy": "greedy_batch", "greedy": {}},
        "rnnt malsd_batch 4 boosting 0.2": {"strategy": "malsd_batch", "beam": boosted},
        "ctc beam_batch 4": {
            "strategy": "beam_batch",
            "beam": {"beam_size": 4, "beam_beta": 0.0},
        },
    }
    entries = {name: {"settings": s, "texts": dict(spoken)} for name, s in settings.items()}
    entries["ctc beam_batch 4"]["texts"]["spelled.wav"] = "something else"
    path = tmp_path / "nemo.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def test_every_search_beside_nemo(script, reference: Path, manifest: Path, tmp_path: Path) -> None:
    done = script("searches.py", reference, manifest, "--markdown", "--json", tmp_path / "out.json")
    assert done.returncode == 1
    assert done.stdout.splitlines()[2:] == [
        "| rnnt greedy | 1 | 4.17 | 4.17 | 0 |",
        "| rnnt malsd_batch 4 boosting 0.2 | 1 | 4.17 | 4.17 | 0 |",
        "| ctc beam_batch 4 | 1 | 4.17 | 45.83 | 1 |",
    ]
    assert "ctc beam_batch 4 spelled.wav" in done.stderr and "something else" in done.stderr
    assert [found["errors"] for found in json.loads((tmp_path / "out.json").read_text())] == [1] * 3


def test_another_strategy_has_no_texts_of_nemo(script, reference: Path, manifest: Path) -> None:
    options = ("--only", "rnnt", "--instead", "maes_batch")
    done = script("searches.py", reference, manifest, "--markdown", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2:] == ["| rnnt maes_batch 4 boosting 0.2 | 1 | 4.17 |  |  |"]


def test_a_language_model_has_to_be_named(script, manifest: Path, tmp_path: Path) -> None:
    greedy = {"ngram_lm_model": "lm.arpa", "ngram_lm_alpha": 0.1}
    entry = {"settings": {"strategy": "greedy_batch", "greedy": greedy}, "texts": {}}
    reference = tmp_path / "nemo.json"
    entry["texts"] = {"example.wav": "", "spelled.wav": ""}
    reference.write_text(json.dumps({"ctc greedy ngram 0.1": entry}), encoding="utf-8")
    done = script("searches.py", reference, manifest)
    assert done.returncode == 1
    assert done.stderr == "searches.py: lm.arpa: name this language model with --lm\n"
