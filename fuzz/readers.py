"""Coverage-guided fuzzing of what is written in Python: python fuzz/readers.py TARGET [libFuzzer's
options] CORPUS. Needs `pip install atheris` beside parrotlet.

Whatever the bytes are, a reader returns or raises a ParrotletError; anything else is a finding, as
are 2 GB of memory and ten seconds, unless the options say otherwise.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["parrotlet", "tarfile", "gzip"]):
    import numpy as np

    import parrotlet
    from parrotlet import _core
    from parrotlet._convert import archive as archives
    from parrotlet._convert.checkpoint import TorchCheckpoint
    from parrotlet._convert.lightning import nemo_settings
    from parrotlet._convert.metadata import model_metadata
    from parrotlet._convert.tokenizer import parse_sentencepiece, parse_wordpiece, read_tokenizer
    from parrotlet._convert.unpickler import load
    from parrotlet.architectures.conformer.nemo_config import model_config
    from parrotlet.architectures.conformer.tensors import IGNORED, conformer
    from parrotlet.architectures.tensors import check
    from parrotlet.architectures.yaml_file import parse_yaml
    from parrotlet.audio import Recording
    from parrotlet.decoding.phrases import Phrases, read_phrases
    from parrotlet.decoding.vocabulary import tokenizer_from_metadata
    from parrotlet.model_files import demo_path

MAX_TENSOR = 1 << 20  # elements of a tensor that are still read

demo_tokenizer = tokenizer_from_metadata(_core.GgufFile(str(demo_path())).metadata, "demo")
scratch = Path(tempfile.mkdtemp(prefix="parrotlet-fuzz-", dir=os.environ.get("TMPDIR")))


def file_with(data: bytes, suffix: str) -> Path:
    """Write `data` where a reader wants a path."""
    path = scratch / f"input{suffix}"
    path.write_bytes(data)
    return path


def window(data: bytes) -> archives.Window:
    """Return `data` as a member of an archive."""
    return archives.Window(io.BytesIO(data), 0, len(data), "model_weights.ckpt")


def read_tensors(state: TorchCheckpoint) -> None:
    """Read every tensor that is not large."""
    for name, view in state.items():
        if view.elements <= MAX_TENSOR:
            with contextlib.suppress(parrotlet.CheckpointError):
                values = state.read(name)
                assert values.dtype == np.float32
                assert values.shape == view.shape


def fuzz_archive(data: bytes) -> None:
    """Read a whole `.nemo`: tar or gzip, configuration, tokenizer, tensors."""
    with archives.open_archive(file_with(data, ".nemo"), scratch) as archive:
        for name in archive.members:
            with contextlib.suppress(parrotlet.ParrotletError):
                archive.small_file(name)
        values = parse_yaml(archive.config, "model_config.yaml")
        read_tokenizer(archive, values, model_config(values))
        read_tensors(TorchCheckpoint(archive.weights))


def convert_and_load(source: Path) -> None:
    """Convert a checkpoint; a file appears only if that succeeds."""
    out = scratch / "out.gguf"
    out.unlink(missing_ok=True)
    try:
        parrotlet.convert(source, out)
        parrotlet.load(out, threads=1)
    except parrotlet.ParrotletError as error:
        assert str(source) in str(error) or str(out) in str(error), error
    assert {path.name for path in scratch.iterdir()} <= {source.name, out.name}


def fuzz_convert(data: bytes) -> None:
    """Convert a `.nemo`."""
    convert_and_load(file_with(data, ".nemo"))


def fuzz_foreign(data: bytes) -> None:
    """Convert a GGUF file of another project."""
    convert_and_load(file_with(data, ".gguf"))


def fuzz_zip(data: bytes) -> None:
    """Read the zip of torch.save, and the settings and the tensors in it."""
    state = TorchCheckpoint(window(data))
    nemo_settings(state)
    read_tensors(state)


def fuzz_pickle(data: bytes) -> None:
    """Run the unpickler."""
    load(data)


def fuzz_yaml(data: bytes) -> None:
    """Read a configuration and list the tensors that follow from it."""
    config = model_config(parse_yaml(data, "model_config.yaml"))
    tensors = conformer(dataclasses.replace(config.sizes, vocab=28))
    with contextlib.suppress(parrotlet.CheckpointError):
        check(tensors, {}, IGNORED)


def fuzz_sentencepiece(data: bytes) -> None:
    """Read a tokenizer, write its metadata, and encode with it."""
    tokenizer = parse_sentencepiece(data)
    assert len(tokenizer.tokens) == len(tokenizer.types)
    assert model_metadata is not None
    assert tokenizer.settings is not None
    metadata = {
        "tokenizer.ggml.model": tokenizer.model,
        "tokenizer.ggml.tokens": list(tokenizer.tokens),
        "tokenizer.ggml.scores": list(tokenizer.scores),
        "tokenizer.ggml.token_type": list(tokenizer.types),
        **{key: value for key, _, value in tokenizer.settings.entries()},
    }
    ids = tokenizer_from_metadata(metadata, "m.gguf").encode("the ﬁrst  naïve\u3000text <unk>")
    assert all(0 <= token < len(tokenizer.tokens) for token in ids)


def fuzz_wordpiece(data: bytes) -> None:
    """Read a WordPiece vocabulary, and write and read a text with it."""
    vocabulary = parse_wordpiece(data)
    metadata = {"tokenizer.ggml.model": "wpm", "tokenizer.ggml.tokens": list(vocabulary.tokens)}
    tokenizer = tokenizer_from_metadata(metadata, "m.gguf")
    with contextlib.suppress(ValueError):  # what the vocabulary cannot write
        ids = tokenizer.encode(f"the na\u00efve\u3000\u4e2d {data[:50].decode('utf-8', 'replace')}")
        assert all(0 <= token < len(vocabulary.tokens) for token in ids)
        tokenizer.transcript(ids)


def fuzz_phrases(data: bytes) -> None:
    """Read a file of phrases, and make the demo model's tree of them."""
    entries = read_phrases(file_with(data, ".txt"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = Phrases(entries).scorer(demo_tokenizer)
    assert np.isfinite(tree.scores(tree.states - 1)).all()


def fuzz_audio(data: bytes) -> None:
    """Read a recording, in time that is little beside its length and what is read of it."""
    recording = Recording(io.BytesIO(data))
    start, count = time.process_time(), 0
    for block in recording.blocks(16_000):
        assert block.dtype == np.float32
        assert np.isfinite(block).all()
        count += len(block)
    assert all(isinstance(warning, str) for warning in recording.warnings)
    # Instrumented code is slow.
    assert time.process_time() - start < 5 + count / 16_000 / 20


def fuzz_gguf(data: bytes) -> None:
    """Load a model file and transcribe with it."""
    path = file_with(data, ".gguf")
    try:
        model = parrotlet.load(path, threads=1)
        samples = np.sin(np.arange(8000, dtype=np.float32))
        for head in model.heads:
            model.transcribe(samples, decoding=parrotlet.Decoding(head))
        if model.can_stream:
            stream = model.stream()
            stream.feed(samples)
            stream.finish()
    except parrotlet.AudioError:
        pass  # too short, as this model says
    except parrotlet.ParrotletError as error:
        assert str(path) in str(error), error


TARGETS: dict[str, Callable[[bytes], None]] = {
    name.removeprefix("fuzz_"): function
    for name, function in sorted(globals().items())
    if name.startswith("fuzz_")
}


def main() -> None:
    """Run the target that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(TARGETS)} [libFuzzer's options] [CORPUS]")
    target = TARGETS[sys.argv.pop(1)]

    def test_one_input(data: bytes) -> None:
        with contextlib.suppress(parrotlet.ParrotletError):
            target(data)

    program, *options = sys.argv
    atheris.Setup([program, "-rss_limit_mb=2048", "-timeout=10", *options], test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
