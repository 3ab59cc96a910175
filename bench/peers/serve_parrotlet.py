"""Worker: `serve_parrotlet.py MODEL.gguf THREADS`."""

from __future__ import annotations

import sys

import numpy as np
from serving import serve

import parrotlet
from parrotlet import _core


class Parrotlet:
    """A GGUF model in parrotlet."""

    def __init__(self, path: str, threads: int) -> None:
        """Load it."""
        self._model = parrotlet.load(path, threads=threads)
        self.about = {"parrotlet": parrotlet.__version__, "isa": _core.isa()}

    def encoder_input(self, features: np.ndarray) -> np.ndarray:
        """Features as they are."""
        return features

    def encode(self, prepared: np.ndarray) -> np.ndarray:
        """`Model.encode`."""
        return self._model.encode(prepared)

    def encoded(self, output: np.ndarray) -> np.ndarray:
        """The same array."""
        return output

    def transcribe(self, samples: np.ndarray) -> str:
        """`Model.transcribe`."""
        return self._model.transcribe(samples).text


if __name__ == "__main__":
    serve(lambda: Parrotlet(sys.argv[1], int(sys.argv[2])))
