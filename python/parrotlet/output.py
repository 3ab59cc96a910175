"""Transcriptions as text, JSON, subtitles and tables, on standard output or in files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from parrotlet.errors import ParrotletError
from parrotlet.replacing import replaced
from parrotlet.results import Transcription
from parrotlet.subtitles import Cue, cues, split_at_pauses, spoken_start

EXTENSIONS = {
    "text": ".txt",
    "json": ".json",
    "srt": ".srt",
    "vtt": ".vtt",
    "vtt-words": ".words.vtt",
    "tsv": ".tsv",
}
"""File name extension of each format."""


def render(result: Transcription, format: str, compact: bool = False) -> str:
    """Return `result` in one of the formats of `parrotlet transcribe`, ending in a line break.

    "text" is the text alone. "json" has everything; `compact` puts it on one line. "srt" and "vtt"
    are subtitles, and "vtt-words" are those with the time of each word. "tsv" is a table of the
    segments, divided at pauses, with times in milliseconds. Where languages are known, WebVTT has
    that of the recording in its header, and marks cues in another; "tsv" has a column. No cue lasts
    beyond `result.duration`. Without words, "srt" has a cue without text: players and FFmpeg take
    an empty file for damaged.

    Raises ValueError for another format.
    """
    if format == "json":
        indent = None if compact else 1
        return json.dumps(result.to_dict(), ensure_ascii=False, indent=indent) + "\n"
    if format not in _RENDERERS:
        raise ValueError(f"format is {format!r}; expected one of {', '.join(EXTENSIONS)}")
    return _RENDERERS[format](result)


def _text(result: Transcription) -> str:
    return result.text + "\n"


def _srt(result: Transcription) -> str:
    # An empty file is no SubRip to FFmpeg: a recording without words gets a cue without text.
    found = cues(result.segments, result.duration) or [Cue(0.0, result.duration, ((),))]
    blocks = (
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n"
        + ("" if cue.speaker is None else f"{cue.speaker}: ")
        + "".join(f"{line}\n" for line in cue.lines)
        for number, cue in enumerate(found, 1)
    )
    return "\n".join(blocks)


def _vtt(result: Transcription) -> str:
    return _vtt_file(result, lambda cue: "".join(f"{_escape(line)}\n" for line in cue.lines))


def _vtt_words(result: Transcription) -> str:
    """WebVTT with a timestamp before every word but the first of a cue."""
    return _vtt_file(result, _timed_lines)


def _vtt_file(result: Transcription, lines: Callable[[Cue], str]) -> str:
    def marked(cue: Cue) -> str:
        text = lines(cue)
        if cue.language is None or cue.language == result.language:
            return text
        return f"<lang {cue.language}>{text.rstrip()}</lang>\n"

    blocks = (
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
        + ("" if cue.speaker is None else f"<v {_escape(cue.speaker)}>")
        + marked(cue)
        for cue in cues(result.segments, result.duration)
    )
    header = "" if result.language is None else f"Language: {result.language}\n"
    return f"WEBVTT\n{header}" + "".join(blocks)


def _timed_lines(cue: Cue) -> str:
    text = ""
    before = cue.start
    for row in cue.rows:
        for i, word in enumerate(row):
            text += " " if i and word.space_before else ""
            time = spoken_start(word)
            # The format wants times that grow, within the cue. The first word begins with the cue.
            if text and before < time < cue.end:
                text += f"<{_clock(time, '.')}>"
                before = time
            text += _escape(word.word)
        text += "\n"
    return text


def _tsv(result: Transcription) -> str:
    segments = list(split_at_pauses(result.segments))
    known = [
        name
        for name in ("speaker", "language")
        if any(getattr(segment, name) is not None for segment in segments)
    ]
    rows = [["start", "end", *known, "text"]]
    for segment in segments:
        times = [str(round(segment.start * 1000)), str(round(segment.end * 1000))]
        values = [getattr(segment, name) or "" for name in known]
        rows.append([*times, *values, " ".join(segment.text.split())])
    return "".join("\t".join(row) + "\n" for row in rows)


_RENDERERS: dict[str, Callable[[Transcription], str]] = {
    "text": _text,
    "srt": _srt,
    "vtt": _vtt,
    "vtt-words": _vtt_words,
    "tsv": _tsv,
}


def _escape(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def output_bases(
    inputs: Sequence[str],
    directory: Path,
    extensions: Sequence[str],
    folders: Sequence[Path] | None = None,
) -> list[Path]:
    """Name the outputs of each input, up to their extensions: after its stem, in `directory`.

    `folders` are folders below `directory` for each input. Inputs with the same stem get -2, -3 and
    so on, also where only the case differs (some file systems ignore it). No output is named like
    one of the inputs.
    """
    taken = {_key(Path(name)) for name in inputs if name != "-"}
    bases = []
    for i, name in enumerate(inputs):
        folder = directory / folders[i] if folders else directory
        stem = "stdin" if name == "-" else Path(name).stem
        base, number = folder / stem, 1
        while any(_key(with_extension(base, extension)) in taken for extension in extensions):
            number += 1
            base = folder / f"{stem}-{number}"
        taken.update(_key(with_extension(base, extension)) for extension in extensions)
        bases.append(base)
    return bases


def with_extension(base: Path, extension: str) -> Path:
    """Append `extension` to a name, which may have dots of its own."""
    return base.with_name(base.name + extension)


def _key(path: Path) -> str:
    return os.path.realpath(path).casefold()


def check_writable(path: Path) -> None:
    """Find out before the work what would make writing a file fail after it.

    Folders on the way may be missing, if they can be made. Raises ParrotletError.
    """
    folder, missing = path.parent, [path.name]
    while not _exists(folder, path) and folder != folder.parent:
        missing.insert(0, folder.name)
        folder = folder.parent
    for name in missing:
        _exists(folder / name, path)
    if not folder.is_dir():
        raise ParrotletError(f"{path}: cannot be written ({folder} is not a directory)")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ParrotletError(f"{path}: cannot be written (nobody may write in {folder})")
    if path.is_dir():
        raise ParrotletError(f"{path}: cannot be written (it is a directory)")


def _exists(path: Path, output: Path) -> bool:
    """Whether there is such a file; raises ParrotletError where there can be none."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:  # too long a name; a zero byte
        reason = getattr(error, "strerror", None) or error
        raise ParrotletError(
            f"{output}: cannot be written ({reason}); give the recording or the directory "
            "another name"
        ) from error
    return True


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` as the file `path`, whole or not at all."""
    # Names from the file system may hold bytes that are no UTF-8; they are written as such.
    data = text.encode("utf-8", errors="surrogateescape")
    with replaced(path) as temporary:
        temporary.write_bytes(data)
