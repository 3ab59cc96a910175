"""The predicted peak of a run against the resident memory of a process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from gguf import GGMLQuantizationType, GGUFWriter
from parrotlet._convert.config import ModelConfig
from parrotlet._convert.mapping import conformer
from parrotlet._convert.metadata import add_to, conformer_metadata
from parrotlet._convert.presets import PRESETS, STREAMING_CONTEXTS
from parrotlet._convert.storage import Planned
from parrotlet._convert.storage import plan as plan_types
from parrotlet._convert.synthetic import _tokenizer, _values

from parrotlet import _core
from parrotlet.memory import plan
from parrotlet.memory.sources import find

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="resident memory is read from /proc"
)

SECONDS = 60
THREADS = 2
TOLERANCE = 0.10
TYPES = ("f32", "f16", "q8_0", "q4_k")
NEEDED_DISK = 4_000_000_000
BLANK_BIAS = 20.0
MEASURE = Path(__file__).with_name("measure.py")


@pytest.fixture(scope="module")
def recording(audio_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of speech."""
    clips = [soundfile.read(path, dtype="float32")[0] for path in sorted(audio_dir.glob("*.wav"))]
    path = tmp_path_factory.mktemp("minute") / "minute.wav"
    soundfile.write(path, np.resize(np.concatenate(clips), SECONDS * 16000), 16000)
    return path


def demo_sized(streaming: bool) -> tuple[ModelConfig, int]:
    """The shape of the model in the package, or a causal one of its size."""
    source = find("demo")
    config, encoder = source.config, source.config.encoder
    if not streaming:
        return config, source.vocab
    encoder = replace(
        encoder,
        attention_style="chunked_limited",
        attention_contexts=STREAMING_CONTEXTS,
        conv_context=(encoder.conv_kernel - 1, 0),
        conv_norm="layer_norm",
        subsampling=replace(encoder.subsampling, causal=True),
    )
    features = replace(config.features, normalize="none")
    return replace(config, encoder=encoder, features=features), source.vocab


def full_sized(streaming: bool) -> tuple[ModelConfig, int]:
    return PRESETS["nemotron-speech-streaming-en-0.6b" if streaming else "parakeet-tdt-0.6b-v2"]


def write_model(path: Path, config: ModelConfig, vocab: int, type: str) -> None:
    """A model file with random weights, the same in all layers, that says next to nothing.

    Text takes memory too: a random model would say more in a second than a speaker in a minute.
    """
    made: dict[tuple[str, tuple[int, ...], str], np.ndarray] = {}
    rng = np.random.default_rng(1)

    def data(item: Planned) -> np.ndarray:
        name, shape = item.tensor.name, item.tensor.shape
        key = name.rpartition(".layers.")[2].lstrip("0123456789"), shape, item.type
        if key not in made:
            values = [_values(source, size, rng) for source, size in item.tensor.sources]
            matrix = np.ascontiguousarray(item.tensor.combine(*values).reshape(shape))
            if name == "joint.joint_net.2.bias":
                matrix[vocab] = BLANK_BIAS
            made[key] = matrix if item.type == "f32" else _core.quantize(matrix, item.type)
        return made[key]

    planned = plan_types(conformer(config, vocab), type)
    writer = GGUFWriter(path, "conformer")
    add_to(writer, conformer_metadata(config, _tokenizer(vocab), path.stem, type))
    for item in planned:
        kind = GGMLQuantizationType[item.type.upper()]
        name, shape = item.tensor.name, item.tensor.shape
        writer.add_tensor_info(name, shape, np.dtype(np.float32), item.bytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for item in planned:
        writer.write_tensor_data(data(item))
    writer.close()


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Callable[[ModelConfig, int, str], Path]]:
    """`model(config, vocab, type)`: a file that is gone after the test."""
    path = tmp_path / "model.gguf"

    def write(config: ModelConfig, vocab: int, type: str) -> Path:
        write_model(path, config, vocab, type)
        return path

    yield write
    path.unlink(missing_ok=True)


def measured(*arguments: object) -> int:
    """Peak resident bytes of `parrotlet` with these arguments."""
    command = [sys.executable, str(MEASURE), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    status, peak = done.stdout.split()[-2:]
    assert status == "0", done.stderr
    return int(peak)


def compare(path: Path, recording: Path, streaming: bool) -> None:
    """Predict from the file alone, then run it."""
    mode = "streaming" if streaming else "offline"
    report = plan(path, seconds=SECONDS, threads=THREADS, mode=mode)
    command = ("stream", "--fast") if streaming else ("transcribe",)
    peak = measured(*command, "--model", path, "--threads", THREADS, recording)
    assert report.total == pytest.approx(peak, rel=TOLERANCE), report.estimate.items


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("streaming", (False, True), ids=("offline", "streaming"))
def test_demo_size(streaming, type, model, recording) -> None:
    compare(model(*demo_sized(streaming), type), recording, streaming)


@pytest.mark.slow
@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("streaming", (False, True), ids=("offline", "streaming"))
def test_full_size(streaming, type, model, recording, tmp_path) -> None:
    if shutil.disk_usage(tmp_path).free < NEEDED_DISK:
        pytest.skip("a model file of full size needs 4 GB of disk")
    compare(model(*full_sized(streaming), type), recording, streaming)


def test_prediction_before_conversion(model) -> None:
    """The preset and the file of its shape are planned alike."""
    config, vocab = demo_sized(False)
    path = model(config, vocab, "q8_0")
    report = plan(path, threads=THREADS)
    assert report.estimates["file"].items == report.estimates["q8_0"].items
