"""Speech recognition on the CPU with NVIDIA NeMo checkpoints converted to GGUF.

import parrotlet

parrotlet.convert("parakeet-tdt-0.6b-v2.nemo", "parakeet.gguf", type="q8_0")
model = parrotlet.load("parakeet.gguf")
print(model.transcribe("talk.flac").text)
"""

from parrotlet.batch import Outcome, Progress
from parrotlet.conversion import convert, quantize
from parrotlet.decoding.language_model import LanguageModel
from parrotlet.decoding.options import Decoding
from parrotlet.decoding.phrases import Phrases, read_phrases
from parrotlet.errors import (
    AudioError,
    CapacityError,
    CheckpointError,
    HubError,
    LanguageModelError,
    LengthError,
    ModelFileError,
    ParrotletError,
    PhrasesError,
    UnsupportedModelError,
)
from parrotlet.model import Model, load
from parrotlet.output import render
from parrotlet.results import Alternative, Segment, Token, Transcription, Word
from parrotlet.streaming import Event, Partial, Stream
from parrotlet.streams import GroupStats, GroupStream, StreamGroup

__version__: str

__all__ = [
    "Alternative",
    "AudioError",
    "CapacityError",
    "CheckpointError",
    "Decoding",
    "Event",
    "GroupStats",
    "GroupStream",
    "HubError",
    "LanguageModel",
    "LanguageModelError",
    "LengthError",
    "Model",
    "ModelFileError",
    "Outcome",
    "ParrotletError",
    "Partial",
    "Phrases",
    "PhrasesError",
    "Progress",
    "Segment",
    "Stream",
    "StreamGroup",
    "Token",
    "Transcription",
    "UnsupportedModelError",
    "Word",
    "__version__",
    "convert",
    "load",
    "quantize",
    "read_phrases",
    "render",
]


def __getattr__(name: str) -> str:
    """Return the version, which is read from the package's metadata when it is asked for."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("parrotlet")
