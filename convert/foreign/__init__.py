"""GGUF files of other projects as checkpoints.

A project's files are a dialect: their keys and names of tensors are its own, what they describe is
NeMo's. A dialect turns its metadata into NeMo's configuration and its names into NeMo's, and
everything after that is as for a `.nemo` archive. Blocks of quantised matrices stay as they are.

    dialect.py         what is asked of a dialect
    configuration.py   NeMo's configuration of what a file states
    state.py           tensors by NeMo's names, decoded or in their blocks
    types.py           the type that each tensor is stored as afterwards
    reading.py         whose file it is, and all of it in order
    nemo_speech.py, parakeet_cpp.py, transcribe_cpp.py, crispasr.py
                       a dialect each; a new one is a file, and a line in `reading.DIALECTS`
"""

from .reading import ForeignModel, is_gguf_file, project_of, read_foreign
from .state import ForeignState
from .types import kept_types, main_type

__all__ = [
    "ForeignModel",
    "ForeignState",
    "is_gguf_file",
    "kept_types",
    "main_type",
    "project_of",
    "read_foreign",
]
