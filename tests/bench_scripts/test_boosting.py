"""`bench/boosting.py` on the recordings in `examples/`, and what it counts."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def boosting(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, found as it is when it runs."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    import boosting

    return boosting


def test_occurrences_are_of_whole_words(boosting: ModuleType) -> None:
    assert boosting.occurrences("no", "no one knows no no") == 3
    assert boosting.occurrences("n o", "n o n o w n o") == 3
    assert boosting.occurrences("art", "party") == 0


def test_counts(boosting: ModuleType) -> None:
    speech = boosting.Speech(
        ["call anna", "anna and anna", "nobody", ""], [1800.0, 900.0, 600.0, 300.0], ["anna", "bea"]
    )
    assert speech.with_phrase() == [True, True, False, False]
    assert speech.seconds_without("anna") == 900
    assert "60.0 minutes; 2 phrases, each of them not in 15.0 minutes or more" in speech.summary()
    texts = ["anna anna", "anna and", "bea", ""]
    found = boosting.compare(4, 0.5, speech, texts)
    assert (found.beam, found.weight, found.spoken, found.found) == (4, 0.5, 3, 2)
    assert (found.inserted, found.inserted_per_hour) == (2, 2.0)
    assert found.error_rate_with == pytest.approx(100 * 2 / 5)
    assert found.error_rate_without == 100


def test_the_example_recordings(script, manifest: Path, tmp_path: Path) -> None:
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("p i t t s b u r g h\nzero one\n")
    done = script(
        *("boosting.py", phrases, manifest, "--beams", "1", "2", "--weights", "0", "0.5"),
        "--markdown",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 recordings, 0.2 minutes; 2 phrases, ")
    rows = done.stdout.splitlines()[-4:]
    assert [row.split(" | ")[:5] for row in rows] == [
        ["| 1", "0", "2 of 2", "100", "0"],
        ["| 1", "0.5", "2 of 2", "100", "0"],
        ["| 2", "0", "2 of 2", "100", "0"],
        ["| 2", "0.5", "2 of 2", "100", "0"],
    ]
