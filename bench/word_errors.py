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
    """How to decode: one of `Model.heads`, and `right_context` as `Model.transcribe` takes it."""

    head: str
    right_context: int | None

    @property
    def key(self) -> str:
        """Name of this setting in a reference, such as "rnnt_13"."""
        return self.head if self.right_context is None else f"{self.head}_{self.right_context}"


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


def word_error_rate(spoken: list[str], recognised: list[str]) -> float:
    """Substituted, deleted and inserted words per spoken word over all recordings, in percent."""
    return 100.0 * float(jiwer.wer(spoken, recognised))


def measure(
    model: parrotlet.Model, manifest: Path, recordings: list[Recording], setting: Setting
) -> Result:
    """Transcribe every recording of a manifest and compare."""
    key, decoding = setting.key, parrotlet.Decoding(setting.head)
    texts = [
        model.transcribe(
            recording.path, decoding=decoding, right_context=setting.right_context
        ).text
        for recording in recordings
    ]
    spoken = [recording.text for recording in recordings]
    nemo = [recording.nemo[key] for recording in recordings if key in recording.nemo]
    return Result(
        manifest=manifest.parent.name or manifest.stem,
        setting=key,
        words=sum(len(text.split()) for text in spoken),
        error_rate=word_error_rate(spoken, texts),
        nemo_error_rate=word_error_rate(spoken, nemo) if len(nemo) == len(spoken) else None,
        differing=[
            {"audio": recording.path.name, "parrotlet": text, "nemo": recording.nemo[key]}
            for recording, text in zip(recordings, texts, strict=True)
            if recording.nemo.get(key, text) != text
        ],
    )
