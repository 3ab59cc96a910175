"""Which file a name of a model stands for, and what a file is that has not been read yet."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from parrotlet import _core, conversion, hub
from parrotlet.architectures import FAMILIES
from parrotlet.errors import ModelFileError
from parrotlet.hub.cache import converted_path, making_directory
from parrotlet.progress import FileProgress
from parrotlet.signatures import HEAD_BYTES, Kind, instead_of

MODEL_VARIABLE = "PARROTLET_MODEL"
"""Environment variable that names the model to load by default."""

DEMO = "demo"
"""Name under which the model inside the package is asked for."""

CHECKPOINTS = {".nemo": "NeMo", ".pt": "PyTorch", ".pth": "PyTorch", ".ckpt": "PyTorch"}
"""Kinds of files that are converted rather than loaded, by suffix."""

GGUF_MAGIC = b"GGUF"
"""What GGUF files begin with."""

_NOT_FETCHED = {
    Kind.LFS: "fetch the model itself: git lfs pull",
    Kind.PAGE: "it is what a server sent in its place; fetch the model itself",
}

_OTHERS = {
    Kind.RECORDING: "name the .gguf file as the model, and this as the recording",
    Kind.ARCHIVE: "unpack it and name the .gguf file in it; a checkpoint is converted first: "
    "parrotlet convert CHECKPOINT -o MODEL.gguf",
}

_log = logging.getLogger(__name__)

SAMPLE_BYTES = 4096
"""What `identity` reads of each tensor: more than any two trainings have in common."""


def demo_path() -> Path:
    """Return the path of the model inside the package."""
    from importlib import resources

    return Path(str(resources.files("parrotlet").joinpath("data", "demo-q8_0.gguf")))


def resolve(path: str | os.PathLike[str] | None) -> Path:
    """Return the file on this machine that `path` stands for, if it is no name on the hub."""
    if path is None:
        path = os.environ.get(MODEL_VARIABLE) or DEMO
    return demo_path() if path == DEMO else Path(os.fspath(path))


def repository(path: str | os.PathLike[str] | None) -> hub.Repository | None:
    """Return what `path`, by default `$PARROTLET_MODEL`, names on the hub; None for a file."""
    return hub.repository(os.environ.get(MODEL_VARIABLE, "") if path is None else path)


def local_file(
    path: str | os.PathLike[str] | None, type: str = "q8_0", progress: FileProgress | None = None
) -> Path:
    """Return the file that `path` stands for; a model from the hub is converted, with `type`.

    The arguments are those of `load`. Raises HubError if a model cannot be fetched and ValueError
    if the type of one is unknown.
    """
    found = repository(path)
    if found is None:
        return resolve(path)
    _check_type(type)
    return hub.model_file(found, type, progress)


def model_file(
    path: str | os.PathLike[str] | None, type: str = "q8_0", progress: FileProgress | None = None
) -> Path:
    """Return `local_file`, or what a file of another project is converted to, once, with `type`.

    Raises what `local_file` and `convert` raise.
    """
    found = local_file(path, type, progress)
    project = foreign_project(found)
    if project is None:
        return found
    _check_type(type)
    target = converted_path(found, identity(found), type)
    if not target.exists():
        _log.warning("%s: is a file of %s; converting it once, to %s", found, project, target)
        with making_directory(target):
            conversion.convert(found, target, type=type, progress=progress)
    return target


def foreign_project(path: Path) -> str | None:
    """Return whose GGUF file `path` is if it is another project's that is known, else None.

    Raises ModelFileError if it is damaged.
    """
    if not path.is_file() or magic_of(path) != GGUF_MAGIC:
        return None
    metadata = _core.GgufFile(str(path), any_type=True).metadata
    if metadata.get("general.architecture") in {family.name for family in FAMILIES}:
        return None
    return conversion.project_of(metadata)


def _check_type(type: str) -> None:
    if type not in _core.types():
        raise ValueError(f"type is {type!r}; expected one of {', '.join(_core.types())}")


def check_model_file(path: Path) -> None:
    """Raise ModelFileError for a file that is no GGUF file, and say what it is instead."""
    if path.is_dir():
        raise ModelFileError(f"{path}: is a directory; name the .gguf file in it")
    if not path.exists():
        hint = "the package was built without it" if path == demo_path() else "check the path"
        raise ModelFileError(f"{path}: no such file; {hint}")
    if not path.is_file():  # opening a pipe would wait for somebody to write
        raise ModelFileError(f"{path}: is not a regular file; save the model in one")
    start = start_of(path)
    if start.startswith(GGUF_MAGIC):
        return
    if not start:
        raise ModelFileError(f"{path}: is no GGUF file: it is empty (0 bytes); fetch it again")
    not_fetched = instead_of(start, "a model", _NOT_FETCHED)
    if not_fetched is not None:
        raise ModelFileError(f"{path}: {not_fetched}")
    if path.suffix in CHECKPOINTS:
        raise ModelFileError(
            f"{path}: is a {CHECKPOINTS[path.suffix]} checkpoint; convert it first: "
            f"parrotlet convert {path.name} -o {path.stem}.gguf"
        )
    other = instead_of(start, "a model", _OTHERS)
    if other is not None:
        raise ModelFileError(f"{path}: {other}")
    raise ModelFileError(f"{path}: is no GGUF file (it begins with {start[:4]!r})")


def magic_of(path: Path) -> bytes:
    """Return the first four bytes of a file; raises ModelFileError if it cannot be opened."""
    return start_of(path)[:4]


def start_of(path: Path) -> bytes:
    """Return the bytes that show what a file is; raises ModelFileError if it cannot be opened."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be opened ({error.strerror})") from error


def identity(path: Path) -> str:
    """Return a checksum that tells models apart, wherever their files lie.

    It covers the metadata, the tensors' names, shapes and types, and the beginning of each tensor,
    so that a few megabytes are read of a model of gigabytes. Raises ModelFileError.
    """
    tensors = _core.GgufFile(str(path), any_type=True).tensors
    start = min((tensor.offset for tensor in tensors), default=0)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            digest.update(file.read(start))
            for tensor in tensors:
                file.seek(tensor.offset)
                digest.update(file.read(min(tensor.n_bytes, SAMPLE_BYTES)))
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()
