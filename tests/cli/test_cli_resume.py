"""`parrotlet transcribe --resume`: what counts as done, and what an interruption leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from folders import RECORD, SPOKEN, contents

import parrotlet
from parrotlet.cli.record import Record
from parrotlet.model_files import identity


def counts(done: subprocess.CompletedProcess[str]) -> str:
    """The line of the summary that counts recordings."""
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "done," in line)
    return line.removeprefix("parrotlet: ")


def test_resumed_batch_is_the_same(parrotlet_command, ctc_model, talks, tmp_path) -> None:
    options = ("-m", ctc_model, "-f", "text,srt,json", "talks")
    parrotlet_command("transcribe", *options, "-d", "whole")
    parrotlet_command("transcribe", *options, "-d", "parts")
    want = contents(tmp_path / "whole")
    (tmp_path / "parts" / "b.srt").unlink()
    (tmp_path / "parts" / "late" / "b.txt").unlink()
    kept = (tmp_path / "parts" / "A.txt").stat().st_mtime_ns
    done = parrotlet_command("transcribe", *options, "-d", "parts", "--resume")
    assert "parrotlet: 2 done, 0 failed, 1 done before" in done.stderr.splitlines()
    assert contents(tmp_path / "parts") == want
    assert (tmp_path / "parts" / "A.txt").stat().st_mtime_ns == kept


def test_resume_does_again_what_has_changed(
    parrotlet_command, ctc_model, talks, audio_dir, tmp_path
) -> None:
    parrotlet_command("transcribe", "-m", ctc_model, "talks", "-d", "out")
    shutil.copy(audio_dir / "clip07.wav", talks / "b.wav")
    os.utime(talks / "b.wav", (1e9, 1e9))  # older than what it replaces
    done = parrotlet_command("transcribe", "-m", ctc_model, "talks", "-d", "out", "--resume")
    assert "parrotlet: 1 done, 0 failed, 2 done before" in done.stderr.splitlines()
    assert (tmp_path / "out" / "b.txt").read_text() == SPOKEN["clip07"] + "\n"


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
def test_interrupted_batch_says_what_is_finished_and_resumes(
    environment, parrotlet_command, ctc_model, talks, tmp_path
) -> None:
    # The third recording never ends: nobody writes to the pipe.
    os.mkfifo(talks / "z.wav")
    process = subprocess.Popen(
        [sys.executable, "-m", "parrotlet", "transcribe", "-m", ctc_model, "talks", "-d", "out"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    with (talks / "z.wav").open("wb"):
        out = tmp_path / "out"
        while len(list(out.rglob("*.txt"))) < 2 and process.poll() is None:
            time.sleep(0.05)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        stopped = time.monotonic() - start
    assert process.returncode == 130
    assert stopped < 10  # a second, on a machine that does nothing else
    assert errors.splitlines()[-2:] == [
        "parrotlet: 2 of 4 recordings are finished; the same command with --resume goes on there",
        "parrotlet: interrupted",
    ]
    assert sorted(contents(out)) == ["A.txt", "b.txt"]
    (talks / "z.wav").unlink()
    command = ("transcribe", "-m", ctc_model, "talks", "-d")
    done = parrotlet_command(*command, "out", "--resume")
    assert "parrotlet: 1 done, 0 failed, 2 done before" in done.stderr.splitlines()
    parrotlet_command(*command, "whole")
    assert contents(out) == contents(tmp_path / "whole")


ALL_DONE = "0 done, 0 failed, 3 done before"
NONE_DONE = "3 done, 0 failed"


def test_what_was_made_otherwise_is_made_again(
    parrotlet_command, converted, hybrid_model, talks, tmp_path
) -> None:
    architecture = "stt_en_fastconformer_hybrid_large_streaming_multi"
    other = converted(architecture, "q8_0")
    command = ("transcribe", "-m", hybrid_model, "talks", "-f", "text,tsv", "--head", "ctc")
    parrotlet_command(*command, "-d", "out")
    before = contents(tmp_path / "out")
    # Each differs from the one before.
    for options in (
        ("--head", "transducer"),
        ("--right-context", "1"),
        ("--channel", "1"),
        ("--split-channels",),
        ("--window", "60"),
        ("--model", other),
        (),
    ):
        done = parrotlet_command(*command, *options, "-d", "out", "--resume", "-v")
        assert counts(done) == NONE_DONE, options
        assert "A.txt: is made again, as it was made with another " in done.stderr
        if options[:1] == ("--split-channels",):
            assert contents(tmp_path / "out") != before
    assert "A.txt: is made again, as it was made with another model\n" in done.stderr
    assert contents(tmp_path / "out") == before
    assert counts(parrotlet_command(*command, "-d", "out", "--resume")) == ALL_DONE


def test_what_makes_no_difference(parrotlet_command, hybrid_model, talks, tmp_path) -> None:
    """Defaults that are spelled out, threads, memory, and where the model lies."""
    parrotlet_command("transcribe", "-m", hybrid_model, "talks", "-d", "out", "-f", "text,srt")
    shutil.copy(hybrid_model, tmp_path / "copy.gguf")
    model = parrotlet.load(hybrid_model, threads=1)
    defaults = ("--head", model.heads[0], "--right-context", model.right_contexts[0])
    done = parrotlet_command(
        *("transcribe", "-m", "copy.gguf", tmp_path / "talks", "-d", "out", "--resume"),
        *("--threads", "1", "--max-memory", "2G", "-f", "srt", *defaults),
    )
    assert counts(done) == ALL_DONE


def test_json_has_the_name_of_the_recording(parrotlet_command, ctc_model, talks, tmp_path) -> None:
    command = ("transcribe", "-m", ctc_model, "-d", "out", "-f", "json")
    parrotlet_command(*command, "talks")
    assert counts(parrotlet_command(*command, "--resume", talks)) == NONE_DONE
    assert json.loads((tmp_path / "out" / "A.json").read_text())["audio"] == str(talks / "A.WAV")


def test_formats_that_were_made_one_after_the_other(parrotlet_command, ctc_model, talks) -> None:
    command = ("transcribe", "-m", ctc_model, "talks", "-d", "out", "-f")
    for format in ("text", "srt"):
        parrotlet_command(*command, format)
    assert counts(parrotlet_command(*command, "text,srt", "--resume")) == ALL_DONE
    assert counts(parrotlet_command(*command, "text,srt,vtt", "--resume")) == NONE_DONE


@pytest.mark.parametrize("damage", ["gone", "half", "foreign"])
def test_outputs_of_which_nothing_is_known(
    parrotlet_command, ctc_model, talks, tmp_path, damage
) -> None:
    command = ("transcribe", "-m", ctc_model, "talks", "-d", "out", "--resume")
    assert counts(parrotlet_command(*command)) == NONE_DONE
    want, record = contents(tmp_path / "out"), tmp_path / "out" / RECORD
    lines = record.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    if damage == "gone":
        record.unlink()
    elif damage == "half":  # the process was killed while it wrote the last line
        record.write_bytes(b"".join(lines)[:-20])
    else:
        record.write_bytes(b"\xff\n[1]\n" + b"[" * 100_000 + b"\n" + lines[0] + b'{"a": 1}\n')
    left = {"gone": 3, "half": 1, "foreign": 2}[damage]
    before = f", {3 - left} done before" if left < 3 else ""
    assert counts(parrotlet_command(*command)) == f"{left} done, 0 failed{before}"
    assert contents(tmp_path / "out") == want
    assert counts(parrotlet_command(*command)) == ALL_DONE


def test_the_record_does_not_grow_without_need(
    parrotlet_command, ctc_model, talks, tmp_path
) -> None:
    command = ("transcribe", "-m", ctc_model, "talks", "-d", "out")
    parrotlet_command(*command)
    before = (tmp_path / "out" / RECORD).read_bytes()
    assert counts(parrotlet_command(*command)) == NONE_DONE
    assert (tmp_path / "out" / RECORD).read_bytes() == before


def test_an_output_that_may_be_old_or_new_is_not_done(tmp_path) -> None:
    """Killed between writing a file anew, with other options, and noting that."""
    output = tmp_path / "late" / "b.txt"
    output.parent.mkdir()
    output.write_text("old")
    Record(tmp_path).note(output, {"model": "a"})
    assert Record(tmp_path).differences(output, {"model": "a"}) == []
    assert Record(tmp_path).differences(output, {"model": "b", "window": 60}) == ["model", "window"]
    Record(tmp_path).withdraw(output, {"model": "a"})
    assert Record(tmp_path).differences(output, {"model": "a"}) == []
    Record(tmp_path).withdraw(output, {"model": "b"})
    for model in ("a", "b"):
        assert Record(tmp_path).differences(output, {"model": model}) is None
    Record(tmp_path).note(output, {"model": "b"})
    assert Record(tmp_path).differences(output, {"model": "b"}) == []
    output.unlink()
    assert Record(tmp_path).differences(output, {"model": "b"}) is None


def test_a_pipe_is_never_done(parrotlet_command, ctc_model, audio_dir, tmp_path) -> None:
    for clip in ("clip01", "clip04"):
        with (audio_dir / f"{clip}.wav").open("rb") as sound:
            command = ("transcribe", "-m", ctc_model, "-", "-d", "out", "--resume")
            assert parrotlet_command(*command, stdin=sound).returncode == 0
        assert contents(tmp_path / "out") == {"stdin.txt": SPOKEN[clip].encode() + b"\n"}


def test_nothing_is_left_without_an_output_directory(
    parrotlet_command, ctc_model, talks, tmp_path
) -> None:
    parrotlet_command("transcribe", "-m", ctc_model, "talks")
    assert [path.name for path in tmp_path.iterdir()] == ["talks"]
    assert not list(talks.rglob(RECORD))


def test_identity_of_a_model(converted, tmp_path) -> None:
    """Any tensor that another training changes, and any setting, makes another model."""
    model = converted("parakeet-ctc-0.6b", "q8_0")
    known = {identity(model), identity(converted("parakeet-ctc-0.6b", "f16"))}
    assert len(known) == 2
    assert identity(Path(shutil.copy(model, tmp_path / "copy.gguf"))) in known
    data = model.read_bytes()
    tensors = parrotlet._core.GgufFile(str(model)).tensors
    places = [tensor.offset + tensor.n_bytes // 3 % 4096 for tensor in tensors[::9]]
    for place in (data.index(b"model"), *places):
        changed = bytearray(data)
        changed[place] ^= 1
        (tmp_path / "other.gguf").write_bytes(changed)
        known.add(identity(tmp_path / "other.gguf"))
    assert len(known) == 3 + len(places)


def test_resume_says_that_there_is_nothing_to_do(parrotlet_command, ctc_model, talks) -> None:
    command = ("transcribe", "-m", ctc_model, talks / "b.wav", "-d", "out", "--resume")
    assert "done" not in parrotlet_command(*command).stderr
    assert parrotlet_command(*command).stderr == "parrotlet: 0 done, 0 failed, 1 done before\n"
