"""`--phrases` and `--lm`: what the command line makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from parrotlet import Phrases, PhrasesError
from parrotlet.cli.decoding_options import parse_phrases

LANGUAGE_MODEL = Path(__file__).parent.parent / "decoding" / "data" / "english.arpa.gz"
HEARD = "the quick brown fox jumps over the lazy dog\n"


@pytest.fixture
def rnnt_model(converted) -> Path:
    return converted("parakeet-rnnt-0.6b", "f32")


@pytest.fixture
def clip(audio_dir: Path) -> Path:
    return audio_dir / "clip01.wav"


def test_phrases_are_a_file_or_a_list(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names").write_text("# people\nIngeborg Bachmann\t2\nMalina\n", encoding="utf-8")
    entries = [("Ingeborg Bachmann", 2.0), "Malina"]
    assert parse_phrases("names") == Phrases(entries, variants=True)
    assert parse_phrases("Ingeborg Bachmann, Malina,") == Phrases(
        ["Ingeborg Bachmann", "Malina"], variants=True
    )
    for text in ("AC/DC", "Node.js", "x.txt, y", "word " * 1000):
        assert len(parse_phrases(text)) == text.count(",") + 1


@pytest.mark.parametrize("text", ["names.txt", "./names", "folder/names", "~/names.tsv"])
def test_a_file_of_phrases_that_is_missing_is_named(text, tmp_path, monkeypatch) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PhrasesError, match=f"{text}: cannot be read .* check the path"):
        parse_phrases(text)


@pytest.mark.parametrize("text", ["", " , ,"])
def test_no_phrases(text) -> None:
    with pytest.raises(PhrasesError, match="name a file, or phrases with commas"):
        parse_phrases(text)


def test_transcribe(parrotlet_command, rnnt_model, clip, tmp_path) -> None:
    (tmp_path / "words.txt").write_text("the quick brown ox\n")
    options = ("transcribe", "-m", rnnt_model, clip, "--phrase-weight", "8")
    for phrases in ("words.txt", "zyzzyva, The Quick Brown OX"):
        done = parrotlet_command(*options, "--phrases", phrases)
        assert (done.stdout[:18], done.stderr) == ("the quick brown ox", "")
    plain = parrotlet_command("transcribe", "-m", rnnt_model, clip, "--lm", LANGUAGE_MODEL)
    assert (plain.stdout, plain.stderr) == (HEARD, "")


def test_stream(parrotlet_command, converted, clip) -> None:
    model = converted("nemotron-speech-streaming-en-0.6b", "f32")
    done = parrotlet_command(
        "stream", "-m", model, clip, "--fast", "--phrases", "the quick brown ox",
        "--phrase-weight", "8", "--lm", LANGUAGE_MODEL, "--lm-weight", "0.1",
    )  # fmt: skip
    assert done.stdout.startswith("the quick brown ox")
    assert done.stderr == ""


def test_what_cannot_be_written_is_named_unless_quiet(parrotlet_command, rnnt_model, clip) -> None:
    options = ("transcribe", "-m", rnnt_model, clip, "--phrases", "naïve")
    done = parrotlet_command(*options)
    assert done.stdout == HEARD
    assert done.stderr.startswith("parrotlet: the vocabulary cannot write 'naïve'")
    assert parrotlet_command(*options, "-q").stderr == ""


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--lm", "none.arpa"), 1, "none.arpa: cannot be read"),
        (("--phrases", "none.txt"), 1, "none.txt: cannot be read"),
        (("--lm-weight", "1"), 2, "--lm-weight needs --lm"),
        (("--phrase-weight", "1"), 2, "--phrase-weight needs --phrases"),
        (("--lm-weight", "nan"), 2, "'nan' is not a finite number"),
        (("--phrase-weight", "much"), 2, "'much' is not a finite number"),
        (("--phrases", "ox", "--phrase-weight", "1e7"), 2, "the weights are more than 1000000"),
    ],
)
def test_refusals(parrotlet_command, rnnt_model, clip, options, status, message) -> None:
    done = parrotlet_command("transcribe", "-m", rnnt_model, clip, *options)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr.splitlines()[-1]


def test_resume_knows_phrases_and_language_model(
    parrotlet_command, rnnt_model, talks, tmp_path
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("fox\n")

    def again(*options: object) -> str:
        done = parrotlet_command(
            "transcribe", "-v", "-m", rnnt_model, talks, "-d", "out", "--resume", *options
        )
        assert done.returncode == 0
        found = {line.partition("with another ")[2] for line in done.stderr.splitlines()}
        return " ".join(sorted(found - {""}))

    parrotlet_command("transcribe", "-m", rnnt_model, talks, "-d", "out")
    assert again() == ""
    assert again("--phrases", words) == "phrase_weight and phrases"
    assert again("--phrases", "fox") == ""
    words.write_text("fox\nbox\n")
    assert again("--phrases", words) == "phrases"
    assert again("--phrases", words, "--phrase-weight", "2") == "phrase_weight"
    assert again("--lm", LANGUAGE_MODEL).startswith("lm and lm_weight and")
    assert again("--lm", LANGUAGE_MODEL) == ""
