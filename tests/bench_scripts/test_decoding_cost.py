"""`bench/decoding_cost.py` with a small model, and the own words that it makes up."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from parrotlet.architectures.conformer.published import PRESETS


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, found as it is when it runs."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    import decoding_cost

    return decoding_cost


def test_own_words_are_different_and_of_the_vocabulary(cost: ModuleType, tmp_path: Path) -> None:
    numbers, names, text = (tmp_path / name for name in ("numbers", "names", "text"))
    cost.write_phrases(numbers, 500, 64)
    phrases = numbers.read_text().splitlines()
    assert len(set(phrases)) == 500
    assert {int(word) for phrase in phrases for word in phrase.split()} == set(range(1, 64))
    cost.write_names(names, 500)
    assert len(set(names.read_text().splitlines())) == 500
    cost.write_text(text, 5000, 64)
    words = text.read_text().split()
    assert len(words) == 5000
    assert {int(word) for word in words} == set(range(1, 64))
    assert "40 41" in text.read_text()


def test_whole_run(
    cost: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    sizes = PRESETS["parakeet-tdt_ctc-110m"]
    encoder = replace(sizes.encoder, layers=1, d_model=64, d_ff=64)
    monkeypatch.setitem(PRESETS, "small", replace(sizes, encoder=encoder))
    monkeypatch.setattr(cost, "LOOKUPS", 100)
    monkeypatch.setattr(cost, "TIMES", 1)
    out = tmp_path / "out.json"
    options = ["--preset", "small", "--seconds", "3", "--rounds", "2", "--phrases", "50"]
    options += ["--lm-megabytes", "0.05", "--threads", "1", "--json", str(out)]
    monkeypatch.setattr(sys, "argv", ["decoding_cost.py", *options])
    assert cost.main() == 0
    tables = json.loads(out.read_text())
    searches = {row[0]: row[1:] for row in tables["searches"]}
    both = "beam 4, language model and phrases"
    assert list(searches) == ["greedy", "greedy, phrases", "beam 4", both]
    assert all(abs(int(row[0]) - 10) <= 1 for row in searches.values())  # 3.5 tokens a second
    assert searches["greedy"][3:] == ["1.000", "1.000 to 1.000"]
    assert [row[0] for row in tables["loading"]][-2:] == [
        "50 phrases: numbers",
        "50 phrases: names, demo model",
    ]
    assert "small, q8_0, 3 s of sound" in capsys.readouterr().out
