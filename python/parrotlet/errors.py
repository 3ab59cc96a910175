"""Exceptions raised by parrotlet.

Every error names the file or value at fault, what is wrong with it, and what to do. This module
imports nothing from the package: the compiled extension looks the classes up while it loads.
"""

from __future__ import annotations


class ParrotletError(Exception):
    """Base class of every error that parrotlet raises about its inputs."""


class AudioError(ParrotletError):
    """A recording cannot be read, or its samples cannot be used."""


class LengthError(AudioError):
    """A recording is longer than it may be."""


class ModelFileError(ParrotletError):
    """A GGUF file is missing, damaged, or not one of ours."""


class CheckpointError(ParrotletError):
    """A checkpoint is missing, damaged, or asks for something unsafe."""


class HubError(ParrotletError):
    """A model cannot be fetched from the Hugging Face hub, or not be kept."""


class UnsupportedModelError(ParrotletError):
    """A well-formed file describes a model or an option that parrotlet does not implement."""


class CapacityError(ParrotletError):
    """As many live streams are open as there may be, or as the machine carries."""


class LanguageModelError(ParrotletError):
    """A language model is missing, damaged, or made for another vocabulary."""


class PhrasesError(ParrotletError):
    """Phrases, or a file of them, cannot be read or cannot be written with the vocabulary."""
