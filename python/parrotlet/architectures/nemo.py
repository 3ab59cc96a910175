"""What NeMo's configurations have in common, whichever encoder a model has.

Defaults are those of NeMo's own constructors; each function names the class it follows. A setting
that changes the computation in a way we do not implement raises UnsupportedModelError, a setting
that is missing or makes no sense CheckpointError.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from parrotlet.architectures.features import Features
from parrotlet.architectures.keys import Section, shortened
from parrotlet.errors import CheckpointError, UnsupportedModelError

VocabSizes = tuple[tuple[str, int], ...]
"""Sizes of the vocabulary that a configuration states, without the blank, by key."""

FLOAT32_TINY, FLOAT32_EPS = 2.0**-126, 2.0**-23


def nemo_class(values: dict[Any, Any], known: Collection[str]) -> str:
    """The class of the model that a parsed `model_config.yaml` is of.

    Raises CheckpointError if it names none, and UnsupportedModelError for one not among `known`.
    """
    name = class_name(Section(values).text("target"))
    if name not in known:
        raise UnsupportedModelError(
            f"the model class {name} is not supported; supported are {', '.join(sorted(known))}"
        )
    return name


def class_name(target: str) -> str:
    """The class that a target names with its module."""
    return target.rpartition(".")[2]


def require_class(section: Section, *supported: str) -> str:
    """The class that a section makes an object of; UnsupportedModelError unless it is one of
    these."""
    key = "_target_" if "_target_" in section or "cls" not in section else "cls"
    name = class_name(section.text(key))
    require(name in supported, section, key, name, " or ".join(supported))
    return name


def require(condition: bool, section: Section, key: str, value: Any, supported: str) -> None:
    """Raise UnsupportedModelError unless a condition of a setting's value holds."""
    if not condition:
        raise unsupported(section, key, value, supported)


def unsupported(section: Section, key: str, value: Any, supported: str) -> UnsupportedModelError:
    """What to raise for the value of a setting; `supported` says which values there may be."""
    return UnsupportedModelError(
        f"{section.name(key)} is {shortened(value)}, which is not supported; supported: {supported}"
    )


def require_width(section: Section, key: str, expected: int) -> None:
    """Raise CheckpointError unless a width that NeMo copies from another module is absent, a
    placeholder, or equal to that of its input."""
    width = section.integer(key, -1, least=-1)
    if width > 0 and width != expected:
        raise CheckpointError(
            f"model_config.yaml: {section.name(key)} is {width}, but its input has {expected}"
        )


def vocab_sizes(section: Section, key: str) -> VocabSizes:
    """The size of the vocabulary that a setting states, with its name; nothing for a placeholder,
    which NeMo fills in from the tokenizer."""
    size = section.integer(key, -1, least=-1)
    return ((section.name(key), size),) if size > 0 else ()


def frontend(section: Section) -> Features:
    """nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor"""
    require_class(section, "AudioToMelSpectrogramPreprocessor")
    for key, default in (("log", True), ("exact_pad", False), ("use_torchaudio", False)):
        value = section.flag(key, default)
        require(value is default, section, key, value, str(default).lower())
    splicing = section.integer("frame_splicing", 1)
    require(splicing == 1, section, "frame_splicing", splicing, "1")
    guard_type = section.text("log_zero_guard_type", "add")
    require(guard_type == "add", section, "log_zero_guard_type", guard_type, "'add'")
    rate = section.integer("sample_rate", 16000)
    window = _samples(section, "window_size", "n_window_size", 0.02, rate)
    n_fft = section.integer("n_fft", 1 << math.ceil(math.log2(window)))
    if n_fft < window:
        raise CheckpointError(
            f"model_config.yaml: {section.name('n_fft')} is {n_fft}, less than the window of "
            f"{window} samples"
        )
    return Features(
        sample_rate=rate,
        n_fft=n_fft,
        window_length=window,
        hop_length=_samples(section, "window_stride", "n_window_stride", 0.01, rate),
        mel_bands=section.integer("features", 64),
        preemphasis=0.0
        if section.value("preemph", 0.97) is None
        else section.number("preemph", 0.97),
        log_zero_guard=_log_zero_guard(section),
        mag_power=section.number("mag_power", 2.0),
        normalize=_normalize(section),
    )


def _samples(section: Section, seconds: str, samples: str, default: float, rate: int) -> int:
    """A length given in seconds, or in samples with the seconds set to null."""
    if section.value(seconds, default):
        count = int(section.number(seconds, default) * rate)
    else:
        count = section.integer(samples)
    if not 1 <= count <= rate:
        raise CheckpointError(
            f"model_config.yaml: {section.name(seconds)} makes {count} samples; expected 1 to "
            f"{rate}"
        )
    return count


def _log_zero_guard(section: Section) -> float:
    value = section.value("log_zero_guard_value", 2.0**-24)
    named = {"tiny": FLOAT32_TINY, "eps": FLOAT32_EPS}
    if isinstance(value, str) and value in named:
        return named[value]
    return section.number("log_zero_guard_value", 2.0**-24)


def _normalize(section: Section) -> str:
    """NeMo normalises for two names and for fixed statistics, and not at all for any other."""
    value = section.value("normalize", "per_feature")
    if value == "per_feature":
        return "per_feature"
    normalized = value == "all_features" or (
        isinstance(value, (dict, str)) and "fixed_mean" in value and "fixed_std" in value
    )
    shown = value if isinstance(value, str) else "fixed statistics"
    require(not normalized, section, "normalize", shown, "'per_feature' or none")
    return "none"


def ctc_head(parent: Section, d_model: int) -> VocabSizes:
    """nemo.collections.asr.modules.ConvASRDecoder, over frames of `d_model` values; returns the
    size of the vocabulary as `vocab_sizes` does."""
    section = parent.section("decoder")
    require_class(section, "ConvASRDecoder")
    add_blank = section.flag("add_blank", True)
    require(add_blank, section, "add_blank", add_blank, "true")
    require_width(section, "feat_in", d_model)
    return vocab_sizes(section, "num_classes")
