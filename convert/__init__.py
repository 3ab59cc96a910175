"""Checkpoints to GGUF files, without PyTorch and without NeMo, and those to other types.

    archive.py      the `.nemo` tar and where its members lie
    torch_zip.py    the zip container of `torch.save`
    unpickler.py    its pickle: tensors, and descriptions of whatever else is there
    checkpoint.py   tensors by name, read one at a time
    torch_model.py  those of a training, with its settings
    lightning.py    the configuration that NeMo's training keeps with them
    tokenizer.py, tokenizer_files.py
                    SentencePiece models, a WordPiece vocabulary or a label list, and where they lie
    transformers_model.py, tokenizer_json.py, safetensors_file.py
                    the like for a directory that Hugging Face `transformers` saved
    foreign/        the like for a GGUF file of another project
    metadata.py     everything that a GGUF file says beside its tensors
    writer.py       quantising and writing, one tensor at a time
    conversion.py   all of it in order
    requantize.py   a GGUF file in f32 or f16 to one in another type
    synthetic.py    a GGUF file of a published architecture with random weights

What a model is, its tensors, its keys and its configuration, is in `parrotlet.architectures`.
`docs/format.md` describes the file that comes out.
"""

from ..architectures.storage import check_type
from .conversion import convert, describe
from .foreign import project_of
from .requantize import quantize
from .synthetic import planned_bytes, synthesize
from .writer import check_output

__all__ = [
    "check_output",
    "check_type",
    "convert",
    "describe",
    "planned_bytes",
    "project_of",
    "quantize",
    "synthesize",
]
