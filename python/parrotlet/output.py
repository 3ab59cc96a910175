"""Transcriptions as text, JSON and subtitles, on standard output or in files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from parrotlet.results import Segment, Transcription, Word

EXTENSIONS = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}
"""File name extension of each format."""

LINE_LENGTH = 42
"""Characters on a subtitle line, as broadcasters have it; a cue has up to two lines."""

CUE_SECONDS = 7.0
"""Longest time that a cue covers."""

CUE_GAP = 1.5
"""A pause of so many seconds between two words begins a new cue."""

CUE_MIN_SECONDS = 0.5
"""A cue stays at least so long, unless the next one begins."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle: one or two lines from `start` to `end`, in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def render(result: Transcription, format: str, compact: bool = False) -> str:
    """Return `result` in one of the formats of `EXTENSIONS`, ending in a line break.

    `compact` puts JSON on one line.
    """
    if format == "text":
        return result.text + "\n"
    if format == "json":
        indent = None if compact else 1
        return json.dumps(result.to_dict(), ensure_ascii=False, indent=indent) + "\n"
    if format == "srt":
        return _srt(cues(result.segments))
    if format == "vtt":
        return _vtt(cues(result.segments))
    raise ValueError(f"format is {format!r}; expected one of {', '.join(EXTENSIONS)}")


def cues(segments: Sequence[Segment]) -> list[Cue]:
    """Divide segments into subtitles that can be read: short lines, no long pauses within."""
    groups: list[list[Word]] = []
    for segment in segments:
        current: list[Word] = []
        for word in segment.words:
            if current and not _joins(current, word):
                groups.append(current)
                current = []
            current.append(word)
        if current:
            groups.append(current)
    starts = [group[0].start for group in groups]
    return [
        Cue(group[0].start, _cue_end(group, starts[i + 1 :]), _lines(group))
        for i, group in enumerate(groups)
    ]


def _joins(words: Sequence[Word], word: Word) -> bool:
    """Whether `word` still belongs to the cue of `words`."""
    return (
        word.start - words[-1].end < CUE_GAP
        and word.end - words[0].start <= CUE_SECONDS
        and all(len(line) <= LINE_LENGTH for line in _lines([*words, word]))
    )


def _cue_end(words: Sequence[Word], later: Sequence[float]) -> float:
    """End of a cue: long enough to be seen, and not after the next cue's start."""
    start = words[0].start
    end = max(words[-1].end, start + CUE_MIN_SECONDS)
    following = next((time for time in later if time > start), None)
    return end if following is None else min(end, following)


def _lines(words: Sequence[Word]) -> tuple[str, ...]:
    """Set words in one line, or in two about as long as each other."""
    texts = [word.word for word in words]
    whole = " ".join(texts)
    if len(whole) <= LINE_LENGTH or len(texts) < 2:
        return (whole,)
    splits = ((" ".join(texts[:i]), " ".join(texts[i:])) for i in range(1, len(texts)))
    return min(splits, key=lambda lines: max(len(line) for line in lines))


def _srt(found: Sequence[Cue]) -> str:
    blocks = (
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n"
        + "".join(f"{line}\n" for line in cue.lines)
        for number, cue in enumerate(found, 1)
    )
    return "\n".join(blocks)


def _vtt(found: Sequence[Cue]) -> str:
    blocks = (
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
        + "".join(f"{_escape(line)}\n" for line in cue.lines)
        for cue in found
    )
    return "WEBVTT\n" + "".join(blocks)


def _escape(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def output_paths(inputs: Sequence[str], directory: Path, extension: str) -> list[Path]:
    """Name one output in `directory` for each input: its stem and `extension`.

    Inputs with the same stem get -2, -3 and so on, also where only the case differs (some file
    systems ignore it). No output is named like one of the inputs.
    """
    taken = {_key(Path(name)) for name in inputs if name != "-"}
    paths = []
    for name in inputs:
        stem = "stdin" if name == "-" else Path(name).stem
        path, number = directory / (stem + extension), 1
        while _key(path) in taken:
            number += 1
            path = directory / f"{stem}-{number}{extension}"
        taken.add(_key(path))
        paths.append(path)
    return paths


def _key(path: Path) -> str:
    return os.path.realpath(path).casefold()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to a temporary name beside `path`, then rename it to `path`."""
    temporary = path.with_name(f".parrotlet-{os.getpid()}.tmp")
    try:
        # Names from the file system may hold bytes that are no UTF-8; they are written as such.
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            file.write(text)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
