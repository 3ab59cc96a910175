"""What the configuration of an LMU training says about the model, and what its state dict shows.

The configuration is the `config` beside the state dict in the checkpoint, or a YAML file beside the
checkpoint; its keys may lie at the top or in sections. Parts that a model has or has not
(attention, biases, stored state-space matrices) are told from the names in the state dict.
"""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from parrotlet.architectures.features import Features
from parrotlet.architectures.keys import Section, size_section
from parrotlet.architectures.lmu.sizes import BIASES, CELL, FFT, LAYER, Lmu, any_named, biases
from parrotlet.errors import CheckpointError

MAXLAYERS = 1024
MAX_SECTIONS = 3  # how deep sections are looked into

# The vocabulary of a model with 29 outputs whose configuration does not list it.
DEFAULT_VOCABULARY = (*" ", *string.ascii_lowercase, "'")

CELLS = {"lmu": CELL, "cell": CELL, "lmu_fft": FFT, "lmufft": FFT, "fft": FFT}
"""Values of `lmu_type`, and the layers they mean."""

VARIANT_KEYS = ("attention_bias", "lmu_type")
"""What a checkpoint shows by its tensors."""

KEYS = (
    "hidden_size",
    "memory_size",
    "num_lmu_layers",
    "num_attention_heads",
    "use_attention",
    "theta",
    "vocabulary",
    "vocab_size",
    "input_size",
    "n_mels",
    "sample_rate",
    "n_fft",
    "win_length",
    "hop_length",
    "preemph",
    "normalize",
)


@dataclass(frozen=True)
class LmuSettings:
    """A checkpoint of an LMU model: its sizes, and one text per output but the blank.

    `stored` says whether the checkpoint has A and B, for which otherwise `sizes.theta` is known.
    """

    sizes: Lmu
    labels: tuple[str, ...]
    stored: bool


def is_lmu(names: Collection[str]) -> bool:
    """Whether these are the tensors of such a model."""
    return any(re.match(LAYER, name) for name in names)


def checkpoint_settings(
    values: Mapping[Any, Any], file: str, names: Collection[str]
) -> LmuSettings:
    """Interpret the settings `values` of `file` for a state dict with these names.

    Raises CheckpointError naming the key that is missing or makes no sense.
    """
    settings = Section(settings_anywhere(values, file, KEYS), file=file)
    attention = any(name.startswith("encoder.attention_layers.") for name in names)
    if settings.flag("use_attention", attention) is not attention:
        there = "has" if attention else "lacks"
        raise CheckpointError(
            f"{file}: use_attention is {str(not attention).lower()}, but the checkpoint {there} "
            "encoder.attention_layers"
        )
    layers, hidden = settings.integer("num_lmu_layers"), settings.integer("hidden_size")
    if layers > MAXLAYERS:
        raise CheckpointError(f"{file}: num_lmu_layers is {layers}")
    heads = settings.integer("num_attention_heads") if attention else 0
    if heads and hidden % heads:
        raise CheckpointError(
            f"{file}: hidden_size is {hidden}, which does not divide among num_attention_heads = "
            f"{heads}"
        )
    stored = any_named(names, LAYER + r"(cell\.)?[AB]")
    frontend = features(settings)
    memory = settings.integer("memory_size")
    theta = None if stored and "theta" not in settings else _theta(settings)
    labels = _vocabulary(settings)
    sizes = Lmu(
        features=frontend,
        layers=layers,
        d_model=hidden,
        memory=memory,
        layer=FFT if any_named(names, LAYER + r"W_u\.weight") else CELL,
        attention_heads=heads,
        biases=biases(names),
        vocab=len(labels),
        theta=theta,
    )
    return LmuSettings(sizes, labels, stored)


def planned_sizes(
    values: Mapping[Any, Any],
    file: str,
    attention: bool | None = None,
    attention_bias: bool | None = None,
) -> Lmu:
    """The sizes that a configuration states by itself; the arguments override it.

    Raises CheckpointError naming the key that is missing or makes no sense.
    """
    found = settings_anywhere(values, file, (*KEYS, *VARIANT_KEYS))
    keys = size_section(found, file)
    if attention is None:
        attention = keys.flag("use_attention", True)
    if attention_bias is None:
        attention_bias = keys.flag("attention_bias", True)
    cell = keys.text("lmu_type", "lmu")
    if cell.lower() not in CELLS:
        raise CheckpointError(
            f"{file}: lmu_type is {cell!r:.60}; expected one of {', '.join(CELLS)}"
        )
    frontend = features(Section(found, file=file))
    hidden = keys.integer("hidden_size")
    memory, layers = keys.integer("memory_size"), keys.integer("num_lmu_layers")
    outputs = _outputs(keys)
    heads = keys.divisor("num_attention_heads", "hidden_size") if attention else 0
    return Lmu(
        features=frontend,
        layers=layers,
        d_model=hidden,
        memory=memory,
        layer=CELLS[cell.lower()],
        attention_heads=heads,
        biases=frozenset(BIASES) - (set() if attention_bias else {"attention"}),
        vocab=outputs - 1,
    )


def _outputs(keys: Section) -> int:
    """Those of the CTC head, with the blank."""
    vocabulary = keys.value("vocabulary", None)
    listed = len(vocabulary) + 1 if isinstance(vocabulary, (list, str)) else None
    return keys.integer("vocab_size", listed)


def settings_anywhere(
    values: Mapping[Any, Any], file: str, keys: Collection[str]
) -> dict[str, Any]:
    """Those of `keys` that are set, from the top or else from any section.

    Raises CheckpointError for two that differ on one level.
    """
    found: dict[str, tuple[str, Any]] = {}
    level: list[tuple[str, Mapping[Any, Any]]] = [("", values)]
    for _ in range(MAX_SECTIONS):
        here: dict[str, tuple[str, Any]] = {}
        deeper: list[tuple[str, Mapping[Any, Any]]] = []
        for path, section in level:
            for key, value in section.items():
                name = f"{path}{key}"
                if isinstance(value, dict):
                    deeper.append((f"{name}.", value))
                elif key in keys and key not in found:
                    if key in here and here[key][1] != value:
                        raise CheckpointError(
                            f"{file}: {here[key][0]} and {name} differ; keep the one that "
                            "describes the model"
                        )
                    here[key] = (name, value)
        found.update(here)
        level = deeper
    return {key: value for key, (_, value) in found.items()}


def _theta(settings: Section) -> float:
    theta = settings.number("theta")
    if not theta > 0:
        raise CheckpointError(f"{settings.file}: theta is {theta:g}; it must be more than 0 frames")
    return theta


def features(settings: Section) -> Features:
    """NeMo's AudioToMelSpectrogramPreprocessor with 512 points; lengths in samples."""
    rate = settings.integer("sample_rate", 16000)
    mels = settings.integer("n_mels", settings.integer("input_size", 80))
    if settings.integer("input_size", mels) != mels:
        raise CheckpointError(f"{settings.file}: input_size and n_mels differ")
    n_fft = settings.integer("n_fft", 512)
    window = settings.integer("win_length", rate // 50)
    hop = settings.integer("hop_length", rate // 100)
    if not (window <= n_fft <= 8192 and hop <= 8192):
        raise CheckpointError(
            f"{settings.file}: win_length is {window}, n_fft {n_fft} and hop_length {hop}; "
            "expected samples, the window no longer than the transform, and at most 8192"
        )
    normalize = settings.value("normalize", "per_feature")
    if normalize not in ("per_feature", "none", None):
        raise CheckpointError(
            f"{settings.file}: normalize is {normalize!r:.60}; expected per_feature or none"
        )
    return Features(
        sample_rate=rate,
        n_fft=n_fft,
        window_length=window,
        hop_length=hop,
        mel_bands=mels,
        preemphasis=settings.number("preemph", 0.97),
        log_zero_guard=2.0**-24,
        mag_power=2.0,
        normalize=normalize or "none",
    )


def _vocabulary(settings: Section) -> tuple[str, ...]:
    """One text per output of the CTC head but the blank, which is the last."""
    if "vocabulary" in settings:
        labels = settings.value("vocabulary")
        if isinstance(labels, str):
            labels = list(labels)
        if not (isinstance(labels, list) and labels and all(isinstance(x, str) for x in labels)):
            raise CheckpointError(f"{settings.file}: vocabulary must be a list of texts")
    elif settings.integer("vocab_size") == len(DEFAULT_VOCABULARY) + 1:
        labels = list(DEFAULT_VOCABULARY)
    else:
        raise CheckpointError(
            f"{settings.file} has no key 'vocabulary'; list the texts of the outputs, without the "
            "blank"
        )
    size = settings.integer("vocab_size", len(labels) + 1)
    if size != len(labels) + 1:
        raise CheckpointError(
            f"{settings.file}: vocab_size is {size}, but vocabulary has {len(labels)} entries; "
            "expected one fewer than outputs, the blank being the last"
        )
    return tuple(labels)
