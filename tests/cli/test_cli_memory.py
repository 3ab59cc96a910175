"""`parrotlet memory`."""

from __future__ import annotations

import io
import json
import re
import sys

import pytest

from parrotlet.cli.console import human_bytes
from parrotlet.cli.memory_tables import print_report
from parrotlet.cli.process_size import measured_process
from parrotlet.errors import ParrotletError
from parrotlet.memory import plan
from parrotlet.memory.plot import plot, stack_labels


def test_tables(parrotlet_command) -> None:
    done = parrotlet_command("memory", "parakeet-tdt-0.6b-v2", "--seconds", "60")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    report = plan("parakeet-tdt-0.6b-v2")
    assert lines[0] == f"parakeet-tdt-0.6b-v2: transducer, {report.parameters:,} parameters"
    for title in ("Layer types", "Components", "In use, by type"):
        assert title in lines
    for layer in report.layers:
        row = next(line for line in lines if f" {layer.name} " in line)
        assert f"{layer.parameters:,}" in row


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("model", ("parakeet-tdt-0.6b-v2", "demo", "lmu-demo", "whisper-tiny"))
@pytest.mark.parametrize("columns", (40, 80, 120, 200))
def test_tables_of_a_terminal(model, columns, monkeypatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    report = plan(model)
    print_report(report)
    text = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue())
    assert "…" not in text
    lines = text.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= columns
    for layer in report.layers:
        size = human_bytes(layer.bytes[report.type])
        assert any(f"{layer.parameters:,}" in line and size in line for line in lines)
    header = lines[lines.index("Layer types") + 1].split()
    shown = [type for type in report.types if type in header]
    assert report.type in shown
    assert ("Other types: " in text) == (len(shown) < len(report.types)) == (columns < 200)


def test_json(parrotlet_command) -> None:
    arguments = ("nemotron-speech-streaming-en-0.6b", "--mode", "streaming", "--batch", "2")
    options = ("--type", "f16", "--threads", "2", "--right-context", "1", "--seconds", "10")
    done = parrotlet_command("memory", *arguments, *options, "--json")
    values = json.loads(done.stdout)
    report = plan(
        "nemotron-speech-streaming-en-0.6b",
        type="f16",
        seconds=10,
        batch=2,
        threads=2,
        mode="streaming",
        right_context=1,
        process=measured_process,
    )
    assert values["parameters"] == report.parameters
    assert values["bytes"] == report.bytes
    assert values["settings"]["right_context"] == 1
    assert [row["total"] for row in values["stream_caches"]] == [
        row.total for row in report.stream_caches
    ]
    for type, estimate in report.estimates.items():
        groups = {item["name"]: item["bytes"] for item in values["estimates"][type]["items"]}
        process = groups.pop("Python and libraries")  # of another process, a little different
        assert process == pytest.approx(estimate.group("process"), rel=0.1)
        assert sum(groups.values()) == estimate.total - estimate.group("process")


def test_options_of_other_models(parrotlet_command) -> None:
    whisper = ("whisper-tiny", "--tokens", "100", "--tensor-parallel", "2", "--cache-type", "int8")
    values = json.loads(parrotlet_command("memory", *whisper, "--json").stdout)
    assert values["kv_caches"]["decoder"] == 2 * 4 * 100 * 384 // 2
    lmu = ("lmu-production", "--no-attention-bias")
    values = json.loads(parrotlet_command("memory", *lmu, "--json").stdout)
    assert values["parameters"] == 7_148_061
    done = parrotlet_command("memory", "lmu-production", "--no-attention")
    assert "2,949,661 parameters" in done.stdout
    assert "Training, 5 s of audio, batch 1" in done.stdout


def test_lmu_checkpoint_and_file(parrotlet_command, converted, data_dir) -> None:
    for path in (
        data_dir / "lmu" / "recurrent" / "checkpoint.pt",
        converted("lmu/recurrent", "q8_0"),
    ):
        done = parrotlet_command("memory", path, "--mode", "streaming")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"ctc, {plan(path).parameters:,} parameters" in done.stdout.splitlines()[0]
        assert "60 s of audio" in done.stdout
        assert "hidden states and memories" in done.stdout


def test_list(parrotlet_command) -> None:
    names = parrotlet_command("memory", "--list").stdout.split()
    assert {"demo", "parakeet-tdt-1.1b", "whisper-large-v3-turbo", "lmu-demo"} <= set(names)


@pytest.mark.parametrize("suffix", (".png", ".svg"))
def test_plot(suffix, parrotlet_command, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    done = parrotlet_command("memory", "parakeet-ctc-0.6b", "--plot", f"sizes{suffix}")
    assert (done.returncode, done.stderr) == (0, f"wrote sizes{suffix}\n")
    start = (tmp_path / f"sizes{suffix}").read_bytes()[:200]
    assert start.startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")
    assert [path.name for path in tmp_path.iterdir()] == [f"sizes{suffix}"]


def test_segments_of_the_plot() -> None:
    labels = stack_labels(plan("parakeet-ctc-0.6b"))
    assert labels[:3] == ["subsampling", "encoder", "ctc head"]
    assert labels[3:] == ["caches", "activations", "input", "process"]


def test_plot_without_matplotlib(monkeypatch, tmp_path) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ParrotletError, match=r"pip install 'parrotlet\[plot\]'"):
        plot(plan("whisper-tiny"), tmp_path / "sizes.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        ((), "name a file or a preset"),
        (("demo", "--plot", "sizes.pdf"), "sizes.pdf: a plot is .png or .svg"),
        (("demo", "--batch", "0"), "'0' is not a whole number from 1"),
        (("demo", "--seconds", "-1"), "'-1' is not a length in seconds"),
        (("demo", "--type", "q9"), "type is 'q9'; expected one of f32"),
        (("demo", "--no-attention"), "those of an LMU configuration or preset"),
        (("demo", "--tokens", "5"), "tokens is a setting of models with a text decoder"),
        (("whisper-tiny", "--mode", "streaming"), "mode is a setting of models that run here"),
    ),
)
def test_wrong_command(arguments, message, parrotlet_command) -> None:
    done = parrotlet_command("memory", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    (
        ("config.json", '{"model_type": "whisper"}', "config.json: the configuration has no key"),
        ("lmu.yaml", "num_lmu_layers: 2", "lmu.yaml: the configuration has no key 'hidden_size'"),
        ("nothing.gguf", None, "nothing.gguf: no such file, and no preset of that name"),
    ),
)
def test_unusable_configuration(name, content, message, parrotlet_command, tmp_path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    done = parrotlet_command("memory", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
