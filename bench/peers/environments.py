"""Environments and files of the peers, made once and kept in one directory."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import parrotlet

SCRIPTS = Path(__file__).parent

# The question whether the system saves the registers of AVX-512 and AMX (`xor ecx, ecx; xgetbv`),
# and its answer no: only those of x87, SSE and AVX (`xor ecx, ecx; lea eax, [rcx + 7]`).
ASKS_FOR_REGISTERS = bytes.fromhex("31c9 0f01d0")
ANSWERS_AVX_ONLY = bytes.fromhex("31c9 8d4107")


class SetupError(Exception):
    """Something that a peer needs could not be made."""


class Peers:
    """The directory of the peers. Methods make what is missing and return where it is."""

    def __init__(
        self, directory: Path, nemo_python: Path | None, say: Callable[[str], None]
    ) -> None:
        """`nemo_python` is an interpreter that has NeMo and `onnx`, None to install them."""
        self.directory = directory
        self._nemo_python = nemo_python
        self._say = say
        directory.mkdir(parents=True, exist_ok=True)

    def nemo(self) -> Path:
        """Return a Python interpreter with NeMo."""
        return self._nemo_python or self._environment("nemo", ["nemo_toolkit[asr]", "onnx"])

    def onnxruntime(self, version: str) -> Path:
        """Return a Python interpreter with a version of ONNX Runtime."""
        requirements = [f"onnxruntime=={version}", "onnx"]
        if (release := re.match(r"1\.(\d+)", version)) and int(release[1]) < 19:
            requirements.append("numpy<2")  # which they need, and do not say
        return self._environment(f"onnxruntime-{version}", requirements)

    def onnxruntime_avx2(self, version: str) -> Path:
        """Return a directory for PYTHONPATH, with ONNX Runtime kept from AVX-512 and AMX.

        It has no option for that. This is a copy of its library in which every question whether
        the system supports the registers of AVX-512 is answered with no.
        """
        directory = self.directory / f"onnxruntime-{version}-avx2"
        if directory.is_dir():
            return directory
        source = _output(
            [self.onnxruntime(version), "-c", "import onnxruntime as o; print(*o.__path__)"]
        )
        with _replacing(directory) as scratch:
            shutil.copytree(source, scratch / "onnxruntime")
            for library in (scratch / "onnxruntime" / "capi").glob("onnxruntime_pybind11_state*"):
                library.write_bytes(restrict_to_avx2(library.read_bytes()))
        return directory

    def gguf(self, checkpoint: Path, type: str) -> Path:
        """Return a GGUF file of a checkpoint, as the installed parrotlet converts it."""
        package = Path(parrotlet.__file__).parent
        code = [path for end in ("*.py", "*.so", "*.pyd") for path in package.rglob(end)]
        target = self._models(checkpoint) / f"{checkpoint.stem}-{type}.gguf"
        if _older(target, [checkpoint, *code]):
            self._say(f"converting {checkpoint.name} to {type}")
            parrotlet.convert(checkpoint, target, type=type)
        return target

    def onnx(self, checkpoint: Path, version: str) -> Path:
        """Return a directory with `encoder.onnx` and `encoder.int8.onnx` of a checkpoint.

        `version` of ONNX Runtime quantises it.
        """
        directory = self._models(checkpoint) / "onnx"
        if not _older(directory / "encoder.int8.onnx", [checkpoint]):
            return directory
        with _replacing(directory) as scratch:
            exported = scratch / "exported" / "encoder.onnx"
            exported.parent.mkdir()
            self._say(f"exporting the encoder of {checkpoint.name} to ONNX with NeMo")
            _run([self.nemo(), SCRIPTS / "export_onnx.py", checkpoint, exported])
            self._say("quantising the encoder with ONNX Runtime")
            _run([self.onnxruntime(version), SCRIPTS / "prepare_onnx.py", exported, scratch])
            shutil.rmtree(exported.parent)
        return directory

    def _models(self, checkpoint: Path) -> Path:
        # Checkpoints of the same name are told apart by where they are.
        place = hashlib.sha256(str(checkpoint.resolve()).encode()).hexdigest()[:8]
        directory = self.directory / "models" / f"{checkpoint.stem}-{place}"
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _environment(self, name: str, requirements: Sequence[str]) -> Path:
        directory = self.directory / name
        python = Path("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not (directory / python).exists():
            self._say(f"installing {' '.join(requirements)} in {directory}")
            # Virtual environments know their own path: made in place, and taken away on failure.
            try:
                _run([sys.executable, "-m", "venv", "--clear", directory])
                _run([directory / python, "-m", "pip", "install", *requirements], show=True)
            except BaseException:
                shutil.rmtree(directory, ignore_errors=True)
                raise
        return directory / python


def restrict_to_avx2(library: bytes) -> bytes:
    """Return an x86-64 library that believes the system to support AVX but not AVX-512 or AMX.

    Raises SetupError if it never asks, in the way that compilers write it.
    """
    if ASKS_FOR_REGISTERS not in library:
        raise SetupError("this build of ONNX Runtime cannot be kept from AVX-512")
    return library.replace(ASKS_FOR_REGISTERS, ANSWERS_AVX_ONLY)


def _older(target: Path, sources: Iterable[Path]) -> bool:
    """Whether `target` is missing or older than one of its sources."""
    if not target.exists():
        return True
    made = target.stat().st_mtime
    return any(source.stat().st_mtime > made for source in sources)


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A scratch directory that takes the place of `target` when all went well."""
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        yield scratch
        shutil.rmtree(target, ignore_errors=True)
        scratch.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(command: Sequence[str | Path], show: bool = False) -> None:
    """Run a command; what it prints goes to standard error with `show`, else only if it fails."""
    if not show:
        _output(command)
        return
    words = [str(word) for word in command]
    if subprocess.run(words, stdout=sys.stderr, check=False).returncode != 0:
        raise SetupError(f"{' '.join(words)} failed; what it printed is above")


def _output(command: Sequence[str | Path]) -> str:
    """Run a command and return what it prints; SetupError has the end of that if it fails."""
    words = [str(word) for word in command]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        last = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
        raise SetupError(f"{' '.join(words)} failed:\n{last}")
    return result.stdout.strip()
