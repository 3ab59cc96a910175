"""Model files that lie, and files that change while they are used."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from fields import fields

import parrotlet
from parrotlet import ModelFileError, _core

HERE = Path(__file__).parent

MUTATE = f"""
import resource, sys
sys.path.insert(0, {str(HERE)!r})
from pathlib import Path
import numpy as np
from fields import mutations
import parrotlet

data, target = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
samples = np.sin(np.arange(2000, dtype=np.float32))


def run():
    model = parrotlet.load(target, threads=1)
    for decoder in model.heads:
        model.transcribe(samples, decoder=decoder)
    if model.can_stream:
        stream = model.stream()
        stream.feed(samples)
        stream.finish()


target.write_bytes(data)
run()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = refused = 0
for what, changed in mutations(data):
    target.write_bytes(changed)
    print(what, file=sys.stderr)
    count += 1
    try:
        run()
    except parrotlet.AudioError:
        pass  # by what the file says now, the recording is too short
    except parrotlet.ParrotletError as error:
        assert target.name in str(error), error
        refused += 1
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(count, refused, grown)
"""


@pytest.mark.slow
def test_every_number_of_the_header_may_be_wrong(tiny_models, tmp_path, run_apart) -> None:
    """Refused by parrotlet's own exception, or harmless; and no number asks for memory."""
    for model in tiny_models:
        output = run_apart(MUTATE, model, tmp_path / "wrong.gguf")
        count, refused, grown = map(int, output.split())
        assert count > 3000
        assert count / 4 < refused < count
        assert grown < 200 << 10  # KiB


def test_fields_are_all_of_the_header(tiny_models) -> None:
    for model in tiny_models:
        data = model.read_bytes()
        last = fields(data)[-1]
        start = (last.position + last.size + 31) // 32 * 32
        first = min(tensor.offset for tensor in _core.GgufFile(str(model)).tensors)
        assert start == first


def array_file(count: int, element: bytes, kind: int, arrays: int = 1) -> bytes:
    """A GGUF file of arrays with `count` elements each."""
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, arrays)
    for index in range(arrays):
        key = f"array.{index}".encode()
        data += struct.pack("<Q", len(key)) + key + struct.pack("<IIQ", 9, kind, count)
        data += element * count
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (array_file(1 << 20, b"\0", 0, 2), "too many elements"),
        (array_file(1 << 18, struct.pack("<IQ", 0, 0), 9, 5), "too many elements"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 17) + bytes(1 << 17), "more entries than any"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 17, 0) + bytes(1 << 17), "more entries than any"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 25) + bytes(1 << 25), "too many bytes"),
    ],
)
def test_much_of_little_is_refused(tmp_path, data: bytes, message: str) -> None:
    """Entries take far more memory than bytes in the file."""
    path = tmp_path / "much.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=message):
        _core.GgufFile(str(path))


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_file_that_is_cut_while_it_is_open(tiny_models, tmp_path, size: int) -> None:
    path = shutil.copy(tiny_models[0], tmp_path / "cut.gguf")
    file = _core.GgufFile(str(path))
    os.truncate(path, size)
    last = max(file.tensors, key=lambda tensor: tensor.offset)
    with pytest.raises(ModelFileError, match=r"cut\.gguf: was cut short while it was read"):
        file.tensor(last.name)
    with pytest.raises(ModelFileError, match=r"cut\.gguf"):
        parrotlet.load(path)


CUT = """
import os, sys
from pathlib import Path
import parrotlet
from parrotlet._convert import requantize

original, folder = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
source, out = folder / "source.gguf", folder / "out.gguf"
out.write_bytes(b"before")
calls = []
parrotlet.quantize(sys.argv[1], folder / "whole.gguf", "q4_0", progress=lambda *c: calls.append(c))
(folder / "whole.gguf").unlink()
tensors = len(calls) - 1
refused = 0


def quantize(cut_at, size):
    '''Cut the source when it has been opened, or before a tensor is read.'''
    source.write_bytes(original)
    cut = lambda: os.truncate(source, size)
    moments = iter(range(tensors))
    progress = lambda *_: cut() if next(moments, None) == cut_at else None
    opened = requantize._refuse_quantised
    if cut_at == "opened":
        requantize._refuse_quantised = lambda file: (opened(file), cut())
    try:
        parrotlet.quantize(source, out, "q4_0", progress=progress)
    finally:
        requantize._refuse_quantised = opened


for size in (0, 100, len(original) // 2):
    for cut_at in ("opened", *range(0, tensors, 7), tensors - 1):
        try:
            quantize(cut_at, size)
        except parrotlet.ModelFileError as error:
            assert str(error).startswith(f"{source}: was cut short while it was read"), error
            refused += 1
        else:
            raise AssertionError((cut_at, size))
        assert sorted(path.name for path in folder.iterdir()) == [out.name, source.name]
        assert out.read_bytes() == b"before"
print(refused)
"""


def test_a_file_that_is_cut_while_it_is_quantised(converted, tmp_path, run_apart) -> None:
    """At any moment it is one error, and the output keeps what it had."""
    source = converted("parakeet-ctc-0.6b", "f32")
    assert int(run_apart(CUT, source, tmp_path)) > 10


@pytest.mark.parametrize("architecture", ["parakeet-tdt_ctc-110m", "stt_en_conformer_ctc_small"])
def test_a_loaded_model_needs_its_file_no_more(
    converted, audio_dir, tmp_path, architecture: str
) -> None:
    path = Path(shutil.copy(converted(architecture, "q8_0"), tmp_path / "model.gguf"))
    model = parrotlet.load(path)
    expected = [model.transcribe(audio_dir / "clip04.wav", decoder=d) for d in model.heads]
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size // 2))
        file.truncate()
    assert [model.transcribe(audio_dir / "clip04.wav", decoder=d) for d in model.heads] == expected
    path.unlink()
    assert model.transcribe(audio_dir / "clip04.wav") == expected[0]


def test_weights_that_are_no_numbers(tiny_models, tmp_path) -> None:
    """NaN, infinities and random bits for every weight: some text or other, on every table."""
    rng = np.random.default_rng(0)
    samples = np.sin(np.arange(4000, dtype=np.float32))
    for source in tiny_models:
        start = min(tensor.offset for tensor in _core.GgufFile(str(source)).tensors)
        data = source.read_bytes()
        for filling in (b"\xff", b"\x00\x7c", b"\0\0\x80\x7f", rng.bytes(len(data))):
            path = tmp_path / "nan.gguf"
            path.write_bytes(data[:start] + (filling * len(data))[: len(data) - start])
            for isa in _core.available_isas():
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("PARROTLET_ISA", isa)
                    model = parrotlet.load(path, threads=2)
                for decoder in model.heads:
                    model.transcribe(samples, decoder=decoder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_pipes_and_devices_are_refused_at_once(tmp_path) -> None:
    pipe = tmp_path / "model.gguf"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(ModelFileError, match="not a regular file"):
            parrotlet.load(path)
        with pytest.raises(ModelFileError, match="not a regular file"):
            _core.GgufFile(str(path))
        with pytest.raises(parrotlet.CheckpointError, match="not a regular file"):
            parrotlet.convert(path, tmp_path / "out.gguf")


def test_an_instruction_set_that_the_cpu_lacks(tiny_models, monkeypatch) -> None:
    known = {"avx2", "avx512", "avx512_vnni", "neon", "neon_dotprod", "neon_i8mm"}
    missing = sorted(known - set(_core.available_isas()))
    for name in [*missing, "sse9"]:
        monkeypatch.setenv("PARROTLET_ISA", name)
        with pytest.raises(
            ValueError, match=rf"PARROTLET_ISA: .*'{name}' is not available.*scalar"
        ):
            parrotlet.load(tiny_models[0])
