"""NeMo checkpoints to GGUF files, without PyTorch and without NeMo, and those to other types.

    archive.py      the `.nemo` tar and where its members lie
    torch_zip.py    the zip container of `torch.save`
    unpickler.py    its pickle, admitting tensors only
    checkpoint.py   tensors by name, read one at a time
    yaml_config.py  `model_config.yaml`, read by type
    nemo_config.py  what it says about the model, and what is not supported
    config.py       the model as typed, checked values
    tokenizer.py    the SentencePiece model or the label list
    mapping.py      which tensors an architecture has, and what becomes of each
    metadata.py     the keys of the GGUF file
    storage.py      the type each tensor is stored as
    writer.py       quantising and writing, one tensor at a time
    conversion.py   all of it in order
    requantize.py   a GGUF file in f32 or f16 to one in another type

`docs/format.md` describes the file that comes out.
"""

from .conversion import convert
from .requantize import quantize
from .writer import Progress

__all__ = ["Progress", "convert", "quantize"]
