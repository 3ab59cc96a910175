"""`prepare_onnx.py EXPORTED.onnx DIRECTORY`: the encoders as sherpa-onnx publishes them.

`encoder.onnx` with all weights in one file beside it, and `encoder.int8.onnx`: dynamic
quantisation of every matrix product and convolution, activations per tensor, weights to unsigned
bytes, which is what sherpa-onnx's export script of Parakeet TDT asks for. Needs `onnx` and
`onnxruntime`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic


def main() -> None:
    """Prepare what the command line names."""
    exported, directory = (Path(argument) for argument in sys.argv[1:])
    encoder = directory / "encoder.onnx"
    onnx.save(
        onnx.load(exported),
        encoder,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="encoder.weights",
    )
    quantize_dynamic(encoder, directory / "encoder.int8.onnx", weight_type=QuantType.QUInt8)


if __name__ == "__main__":
    main()
