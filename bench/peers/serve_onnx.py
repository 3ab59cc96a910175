"""Worker: `serve_onnx.py ENCODER.onnx THREADS`, with ONNX Runtime."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
from serving import serve


class OnnxEncoder:
    """An encoder that NeMo exported, in ONNX Runtime's CPU provider with its default options."""

    def __init__(self, path: str, threads: int) -> None:
        """Load it; ONNX Runtime optimises the graph while it does."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self._names = [entry.name for entry in self._session.get_inputs()]
        self.about = {"onnxruntime": onnxruntime.__version__}

    def encoder_input(self, features: np.ndarray) -> list[np.ndarray]:
        """A batch of one [1, mels, frames], and its length [1]."""
        return [np.ascontiguousarray(features.T[None]), np.array([len(features)], np.int64)]

    def encode(self, prepared: list[np.ndarray]) -> list[np.ndarray]:
        """Outputs [1, d_model, frames'] and [1]."""
        return self._session.run(None, dict(zip(self._names, prepared, strict=True)))

    def encoded(self, output: list[np.ndarray]) -> np.ndarray:
        """The valid frames of the only recording."""
        return output[0][0].T[: int(output[1][0])]

    def transcribe(self, samples: np.ndarray) -> str:
        """Nothing: ONNX Runtime has only the encoder."""
        raise NotImplementedError("ONNX Runtime has only the encoder")


if __name__ == "__main__":
    serve(lambda: OnnxEncoder(sys.argv[1], int(sys.argv[2])))
