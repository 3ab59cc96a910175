"""Speech recognition on the CPU with NVIDIA NeMo checkpoints converted to GGUF.

import parrotlet

parrotlet.convert("parakeet-tdt-0.6b-v2.nemo", "parakeet.gguf", type="q8_0")
model = parrotlet.load("parakeet.gguf")
print(model.transcribe("talk.flac").text)
"""

# ruff: noqa: F403, F405 (`_api` is imported here for type checkers alone)

# What `typing.TYPE_CHECKING` says, without its import: the command line imports this module before
# it can see to Ctrl-C, so that it has to be short.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from parrotlet._api import *

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


if not TYPE_CHECKING:  # who would otherwise take any name for an attribute

    def __getattr__(name: str) -> object:
        """Return what is public when it is first asked for: the import of all of it takes long."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "__version__":
            from importlib.metadata import version

            return version("parrotlet")
        from importlib import import_module

        api = import_module("parrotlet._api")
        globals().update((public, getattr(api, public)) for public in __all__ if public[0] != "_")
        return globals()[name]

    def __dir__() -> list[str]:
        """Return what there is, whether it has been asked for or not."""
        return sorted({*globals(), *__all__})
