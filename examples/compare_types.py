"""What quantisation does: one model at several types, their sizes and what they say.

python examples/compare_types.py MODEL.gguf RECORDING

MODEL.gguf is of type f32 or f16.
"""

import sys
import tempfile
from pathlib import Path

import parrotlet

if len(sys.argv) != 3:
    sys.exit(__doc__)
source, recording = Path(sys.argv[1]), sys.argv[2]

with tempfile.TemporaryDirectory() as directory:
    for type in ("f16", "q8_0", "q6_k", "q5_k", "q4_k"):
        smaller = Path(directory) / f"{type}.gguf"
        parrotlet.quantize(source, smaller, type=type)
        text = parrotlet.load(smaller).transcribe(recording).text
        print(f"{type:5} {smaller.stat().st_size / 1e6:8.1f} MB  {text}")
