"""Worker: `serve_nemo.py CHECKPOINT.nemo THREADS`, with NeMo on PyTorch."""

from __future__ import annotations

import sys

import nemo
import numpy as np
import torch
from nemo.collections.asr.models import ASRModel
from serving import serve


class NemoModel:
    """A checkpoint in the library that made it, on the CPU in float32."""

    def __init__(self, path: str, threads: int) -> None:
        """Load it."""
        torch.set_num_threads(threads)
        self._model = ASRModel.restore_from(path, map_location="cpu").eval()
        self.about = {
            "nemo": nemo.__version__,
            "torch": torch.__version__,
            "capability": torch.backends.cpu.get_cpu_capability(),
        }

    def encoder_input(self, features: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of one [1, mels, frames], and its length [1]."""
        self._model.eval()  # `transcribe` leaves the encoder in training mode, with dropout
        return torch.from_numpy(features.T[None].copy()), torch.tensor([len(features)])

    def encode(
        self, prepared: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The module `encoder`: outputs [1, d_model, frames'] and [1]."""
        with torch.inference_mode():
            return self._model.encoder(audio_signal=prepared[0], length=prepared[1])

    def encoded(self, output: tuple[torch.Tensor, torch.Tensor]) -> np.ndarray:
        """The valid frames of the only recording."""
        return output[0][0].T[: int(output[1][0])].numpy()

    def transcribe(self, samples: np.ndarray) -> str:
        """`ASRModel.transcribe`."""
        result = self._model.transcribe([samples], batch_size=1, verbose=False)
        best = result[0] if isinstance(result, tuple) else result
        return str(getattr(best[0], "text", best[0]))


if __name__ == "__main__":
    serve(lambda: NemoModel(sys.argv[1], int(sys.argv[2])))
