"""`export_onnx.py CHECKPOINT.nemo ENCODER.onnx`: NeMo's own export of its encoder.

Its weights come as one file each, beside ENCODER.onnx. Needs NeMo and `onnx`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from nemo.collections.asr.models import ASRModel


def main() -> None:
    """Export what the command line names."""
    checkpoint, target = (Path(argument).resolve() for argument in sys.argv[1:])
    model = ASRModel.restore_from(str(checkpoint), map_location="cpu").eval()
    os.chdir(target.parent)  # external weights go to the current directory
    with torch.no_grad():
        model.encoder.export(target.name)


if __name__ == "__main__":
    main()
