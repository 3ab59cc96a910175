"""The measuring side of a worker: starts it, asks, and takes replies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

READ_SIZE = 1 << 24


class WorkerError(Exception):
    """A worker ended instead of answering; the message has the end of what it printed."""


class Worker:
    """A process with one loaded model; see `serving.py` for what it understands."""

    def __init__(self, command: Sequence[str], model: Path, env: Mapping[str, str], log: Path):
        """Start `command`, and wait until it has loaded `model`.

        `env` is added to the environment; standard error goes to the file `log`. What the model
        consists of is read first, so that the time to load is with it in the page cache.

        Raises WorkerError if it cannot be loaded.
        """
        self._command = command
        self._log = log
        self.model_bytes = _read_through(model)
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,  # Ctrl-C is for the measuring side, which ends this one
            )
        try:
            loaded = self._reply()
        except BaseException:
            self.close(kill=True)
            raise
        self.load_seconds: float = loaded["load_seconds"]
        self.about: dict[str, Any] = loaded["about"]

    def __enter__(self) -> Worker:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process, at once if something went wrong."""
        self.close(kill=error is not None)

    def close(self, kill: bool = False) -> None:
        """End the process and wait for that; with `kill` it does not finish what it is doing."""
        if kill:
            self._process.kill()
        with suppress(BrokenPipeError):
            _pipe(self._process.stdin).close()
        self._process.wait()
        _pipe(self._process.stdout).close()

    def encode(self, features: Path, output: Path | None = None) -> dict[str, Any]:
        """Run the encoder on an .npy file, and say how long it took."""
        return self._ask(do="encode", input=str(features), output=output and str(output))

    def transcribe(self, samples: Path) -> dict[str, Any]:
        """Run the whole pipeline on an .npy file, and say how long it took."""
        return self._ask(do="transcribe", input=str(samples))

    def peak_bytes(self) -> int:
        """Return its largest resident memory so far."""
        return int(self._ask(do="memory")["peak_bytes"])

    def _ask(self, **request: Any) -> dict[str, Any]:
        requests = _pipe(self._process.stdin)
        with suppress(BrokenPipeError):  # then there is no reply either, and `_reply` says why
            requests.write(json.dumps(request) + "\n")
            requests.flush()
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        line = _pipe(self._process.stdout).readline()
        if not line:
            status = self._process.wait()
            last = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
            if status == -signal.SIGKILL:
                last += "\nIt was killed, as processes are when memory runs out: all models are in"
                last += "\nmemory at once. Measure fewer --types or --runtimes at a time."
            raise WorkerError(f"{' '.join(self._command)} ended with status {status}:\n{last}")
        reply: dict[str, Any] = json.loads(line)
        return reply


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _read_through(model: Path) -> int:
    """Read a file, or every file of an ONNX model with external weights; return their size."""
    parts = [model, model.with_suffix(".weights")]
    size = 0
    for part in parts:
        if part.exists():
            with part.open("rb", buffering=0) as file:
                while chunk := file.read(READ_SIZE):
                    size += len(chunk)
    return size
