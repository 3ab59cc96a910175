"""Word error rates of a model on manifests of recordings, beside NeMo's texts of the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jiwer

import parrotlet


@dataclass(frozen=True)
class Setting:
    """How to decode: `decoding` and `right_context` as `Model.transcribe` takes them.

    `key` is the name of this setting in a reference.
    """

    key: str
    decoding: parrotlet.Decoding
    right_context: int | None = None


def greedy_setting(head: str, right_context: int | None) -> Setting:
    """The greedy search over one of `Model.heads`, by a name such as "rnnt_13"."""
    key = head if right_context is None else f"{head}_{right_context}"
    return Setting(key, parrotlet.Decoding(head), right_context)


@dataclass
class Recording:
    """One line of a manifest, with NeMo's texts by setting where a reference has them."""

    path: Path
    text: str
    nemo: dict[str, str]


@dataclass
class Result:
    """What one setting made of one manifest. Error rates are in percent."""

    manifest: str
    setting: str
    words: int
    errors: int
    error_rate: float
    nemo_error_rate: float | None
    differing: list[dict[str, str]] = field(default_factory=list)


def read_lines(path: Path) -> Iterator[dict[str, str]]:
    """The objects of a file with one JSON object a line."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def read_manifest(manifest: Path, reference: Path | None) -> list[Recording]:
    """The recordings of a manifest; a relative `reference` is looked for beside it first."""
    nemo: dict[str, dict[str, str]] = {}
    if reference is not None:
        relative = manifest.parent / reference
        for entry in read_lines(relative if relative.exists() else reference):
            nemo[entry.pop("audio_filepath")] = entry
    return [
        Recording(
            manifest.parent / entry["audio_filepath"],
            entry["text"],
            nemo.get(entry["audio_filepath"], {}),
        )
        for entry in read_lines(manifest)
    ]


def count_errors(spoken: list[str], recognised: list[str]) -> int:
    """Substituted, deleted and inserted words over all recordings."""
    found = jiwer.process_words(spoken, recognised)
    return int(found.substitutions + found.deletions + found.insertions)


def measure(
    model: parrotlet.Model, manifest: Path, recordings: list[Recording], setting: Setting
) -> Result:
    """Transcribe every recording of a manifest and compare."""
    key = setting.key
    texts = [
        model.transcribe(
            recording.path, decoding=setting.decoding, right_context=setting.right_context
        ).text
        for recording in recordings
    ]
    spoken = [recording.text for recording in recordings]
    nemo = [recording.nemo[key] for recording in recordings if key in recording.nemo]
    words = sum(len(text.split()) for text in spoken)
    errors = count_errors(spoken, texts)
    known = len(nemo) == len(spoken)
    return Result(
        manifest=manifest.parent.name or manifest.stem,
        setting=key,
        words=words,
        errors=errors,
        error_rate=100 * errors / words,
        nemo_error_rate=100 * count_errors(spoken, nemo) / words if known else None,
        differing=[
            {"audio": recording.path.name, "parrotlet": text, "nemo": recording.nemo[key]}
            for recording, text in zip(recordings, texts, strict=True)
            if recording.nemo.get(key, text) != text
        ],
    )
