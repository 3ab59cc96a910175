"""Checkpoints to GGUF files, without PyTorch and without NeMo, and those to other types.

    archive.py      the `.nemo` tar and where its members lie
    torch_zip.py    the zip container of `torch.save`
    unpickler.py    its pickle, admitting tensors only
    checkpoint.py   tensors by name, read one at a time
    yaml_config.py  a configuration, read by type
    nemo_config.py  what it says about the model, and what is not supported
    config.py       the model as typed, checked values
    tokenizer.py    the SentencePiece model or the label list
    lmu_config.py   the same of an LMU model, from its configuration and its tensors' names
    mapping.py      which tensors an architecture has, and what becomes of each
    lmu_mapping.py  those of an LMU model
    lmu_checkpoint.py  both, of a PyTorch file
    mel.py, state_space.py  tensors that a checkpoint may lack, computed
    metadata.py     the keys of the GGUF file
    storage.py      the type each tensor is stored as
    writer.py       quantising and writing, one tensor at a time
    transformers_model.py, transformers_config.py, tokenizer_json.py, safetensors_file.py
                    the like for a directory that Hugging Face `transformers` saved
    mel.py          its filterbank and window, which are computed
    conversion.py   all of it in order
    requantize.py   a GGUF file in f32 or f16 to one in another type

`docs/format.md` describes the file that comes out.
"""

from .conversion import check_type, convert
from .requantize import quantize
from .writer import Progress, check_output

__all__ = ["Progress", "check_output", "check_type", "convert", "quantize"]
