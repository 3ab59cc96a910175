"""`--beam` and `--nbest`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import parrotlet


def test_alternatives_are_in_json(parrotlet_command, ctc_model, audio_dir: Path) -> None:
    clip = audio_dir / "clip01.wav"
    options = ("-m", ctc_model, clip, "--beam", 4, "--nbest", 2, "-f", "json")
    done = parrotlet_command("transcribe", *options)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    decoding = parrotlet.Decoding(beam=4, nbest=2)
    result = parrotlet.load(ctc_model).transcribe(clip, decoding=decoding)
    assert found == {**result.to_dict(), "audio": str(clip)}
    assert found["alternatives"][0]["text"] == found["text"]
    assert len(found["alternatives"]) == 2


def test_a_beam_is_another_result_to_resume(
    parrotlet_command, ctc_model, audio_dir: Path, tmp_path: Path
) -> None:
    base = ("transcribe", "-m", ctc_model, audio_dir / "clip01.wav", "-d", "out", "--resume", "-v")
    parrotlet_command(*base)
    assert "1 done before" in parrotlet_command(*base).stderr
    assert "1 done before" not in parrotlet_command(*base, "--beam", 2).stderr
    assert "1 done before" in parrotlet_command(*base, "--beam", 2).stderr
    assert "1 done before" not in parrotlet_command(*base).stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--beam", "0"), "argument --beam: '0' is not a whole number from 1"),
        (("--beam", "x"), "argument --beam: 'x' is not a whole number from 1"),
        (("--beam", "1000"), "beam is 1000; expected a whole number from 1 to 256"),
        (("--beam", "2", "--nbest", "3"), "nbest is 3 and beam 2; a beam finds no more texts"),
        (("--beam", "2", "--nbest", "2"), "--nbest 2: only json gives several texts"),
    ],
)
def test_numbers_that_do_not_go_together(
    parrotlet_command, ctc_model, audio_dir: Path, options: tuple[str, ...], reason: str
) -> None:
    done = parrotlet_command("transcribe", "-m", ctc_model, audio_dir / "clip01.wav", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
