"""Making and reading `.nemo` files without PyTorch, byte by byte as `torch.save` lays them out."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

DATA = Path(__file__).parent / "data"
ARCHITECTURES = sorted(path.parent.name for path in DATA.glob("*/model.nemo"))

STORAGES = {
    "<f8": "DoubleStorage",
    "<f4": "FloatStorage",
    "<f2": "HalfStorage",
    "<i8": "LongStorage",
    "bfloat16": "BFloat16Storage",
}


# Pickles, opcode by opcode ------------------------------------------------------------------


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def storage(key: str, elements: int, kind: str = "FloatStorage") -> bytes:
    args = text("storage") + named("torch", kind) + text(key) + text("cpu") + number(elements)
    return b"(" + args + b"tQ"


def tensor(
    source: bytes, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0
) -> bytes:
    hooks = named("collections", "OrderedDict") + b")R"
    args = source + number(offset) + numbers(shape) + numbers(strides) + b"\x89" + hooks
    return named("torch._utils", "_rebuild_tensor_v2") + b"(" + args + b"tR"


def parameter(value: bytes) -> bytes:
    hooks = named("collections", "OrderedDict") + b")R"
    return named("torch._utils", "_rebuild_parameter") + b"(" + value + b"\x88" + hooks + b"tR"


def state_pickle(tensors: Mapping[str, bytes]) -> bytes:
    """An OrderedDict of tensors with the `_metadata` attribute that NeMo's state dicts have."""
    items = b"".join(text(name) + value for name, value in tensors.items())
    metadata = b"}" + text("_metadata") + b"}s"
    return (
        b"\x80\x02" + named("collections", "OrderedDict") + b")R(" + items + b"u" + metadata + b"b."
    )


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


# Zips and tars ------------------------------------------------------------------------------


def zip_bytes(entries: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(f"archive/{name}", data)
    return buffer.getvalue()


def write_checkpoint(
    file: Path | io.BytesIO, state: Mapping[str, np.ndarray], byteorder: bytes = b"little"
) -> None:
    """What torch.save(state) writes, every tensor with a storage of its own."""
    pickled = {}
    for index, (name, value) in enumerate(state.items()):
        source = storage(str(index), value.size, STORAGES[value.dtype.str])
        pickled[name] = tensor(source, value.shape, contiguous(value.shape))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", state_pickle(pickled))
        archive.writestr("archive/byteorder", byteorder)
        for index, value in enumerate(state.values()):
            archive.writestr(f"archive/data/{index}", np.ascontiguousarray(value).tobytes())


def checkpoint_bytes(state: Mapping[str, np.ndarray], byteorder: bytes = b"little") -> bytes:
    buffer = io.BytesIO()
    write_checkpoint(buffer, state, byteorder)
    return buffer.getvalue()


def tar_bytes(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def read_members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        files = [m for m in archive.getmembers() if m.isreg()]
        return {m.name.removeprefix("./"): archive.extractfile(m).read() for m in files}


# Reading, independently of the code under test ----------------------------------------------


class _TrustedUnpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")))
        self.archive, self.root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        if name == "OrderedDict":
            return OrderedDict
        if name == "_rebuild_tensor_v2":
            return lambda values, offset, shape, strides, *_: np.lib.stride_tricks.as_strided(
                values[offset:], shape, [s * values.itemsize for s in strides]
            )
        return {storage: dtype for dtype, storage in STORAGES.items()}[name]

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, _ = pid
        return np.frombuffer(self.archive.read(f"{self.root}/data/{key}"), dtype)


def read_state(checkpoint: bytes) -> dict[str, np.ndarray]:
    """The tensors of a trusted PyTorch checkpoint."""
    with zipfile.ZipFile(io.BytesIO(checkpoint)) as archive:
        root = archive.namelist()[0].split("/")[0]
        return dict(_TrustedUnpickler(archive, root).load())


# A checkpoint to change and write -----------------------------------------------------------


@dataclass
class Nemo:
    """The parts of a `.nemo` file."""

    config: dict[str, Any]
    state: dict[str, np.ndarray]
    files: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Nemo:
        files = read_members(path)
        config = yaml.safe_load(files.pop("model_config.yaml"))
        return cls(config, read_state(files.pop("model_weights.ckpt")), files)

    def members(self) -> dict[str, bytes]:
        return {
            **{f"./{name}": data for name, data in self.files.items()},
            "./model_config.yaml": yaml.safe_dump(self.config, allow_unicode=True).encode(),
            "./model_weights.ckpt": checkpoint_bytes(self.state),
        }

    def write(self, path: Path, pack: Callable[[bytes], bytes] = bytes) -> Path:
        path.write_bytes(pack(tar_bytes(self.members())))
        return path


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=1)
