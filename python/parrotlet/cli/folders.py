"""The recordings in a folder, known by their extensions, and what is left out."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_WELL_KNOWN = """
3g2 3gp 3gpp aac ac3 aif aifc aiff amr ape asf au avi awb bwf caf dts dv eac3 f4a f4b flac flv gsm
m1a m2a m2t m2ts m4a m4b m4r m4v mka mkv mov mp1 mp2 mp3 mp4 mpa mpeg mpg mpga mts mxf nist oga ogg
ogv ogx opus qt qta ra rf64 rm rmvb snd sph spx tak ts tta vob voc w64 wav wave weba webm wma wmv
wtv wv
"""
"""Extensions of recordings, whatever FFmpeg says: its lists have few that are told by contents."""

_NO_SOUND = """
adf apng apv aqtitle ass av1 avs2 avs3 bitpacked cavsvideo cdg cdxl dirac dnxhd evc ffmetadata
filmstrip fits gif h261 h263 h264 hevc hls hxvs ico idf ifv image2 ingenient ipu ivf jacosub
jpegxl_anim lrc luodat m4v mcc microdvd mjpeg mjpeg_2000 mpjpeg mpl2 mpsub nc obu pdv pjs rawvideo
realtext sami sbg scc ser simbiosis_imx smjpeg srt stl subviewer subviewer1 sup swf tty v210 v210x
vc1 vc1test vobsub vplayer vvc webm_dash_manifest webvtt yuv4mpegpipe
"""
"""Demuxers of FFmpeg for pictures, subtitles, text, and video that has no sound."""

_NO_HEADER = "alaw alp mulaw s16le s8 sln u16le u8"
"""Demuxers for raw samples, whose rate nobody can tell."""

_OTHERS = "302 722 avif bit cpk heic heif ism mac mks paf psp str v vb vpk wa"
"""Extensions that FFmpeg has and that mean something else as a rule."""

_LISTED = 5
"""Extensions that are named in a line about what is left out."""


@dataclass
class LeftOut:
    """Files and folders that are left out, not counting hidden ones."""

    extensions: Counter[str] = field(default_factory=Counter)
    """Files that are no recordings, by extension."""

    closed: list[str] = field(default_factory=list)
    """Folders that cannot be read."""

    def messages(self) -> Iterator[str]:
        """Say how many and why, on one line each."""
        count = self.extensions.total()
        if count:
            kinds = sorted(self.extensions.items(), key=lambda kind: (-kind[1], kind[0] or "~"))
            named = [f"{n} {extension or 'without extension'}" for extension, n in kinds[:_LISTED]]
            rest = sum(n for _, n in kinds[_LISTED:])
            named += [f"{rest} others"] if rest else []
            files = "1 file that is no recording"
            if count > 1:
                files = f"{count} files that are no recordings"
            yield f"left out {files}: {', '.join(named)}"
        for folder in self.closed:
            yield f"left out {folder}, which cannot be read"


def is_recording(extension: str) -> bool:
    """Whether files of an extension, in lower case with its dot, are recordings.

    FFmpeg, which takes long to load, is asked about those alone that are not well known.
    """
    return extension[1:] in _WELL_KNOWN.split() or extension in extensions()


@cache
def extensions() -> frozenset[str]:
    """Extensions of recordings in lower case, with their dots: what FFmpeg can read, and more."""
    found = set(_WELL_KNOWN.split())
    try:
        import av  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return frozenset(f".{name}" for name in found)
    for format in av.formats_available - set(f"{_NO_SOUND} {_NO_HEADER}".split()):
        found |= _extensions_of(av, format)
    return frozenset(f".{name.lower()}" for name in found - set(_OTHERS.split()))


def _extensions_of(av: Any, name: str) -> set[str]:
    try:
        format = av.ContainerFormat(name)
    except ValueError:  # listed, and not there: devices
        return set()
    return set(format.extensions) if format.is_input else set()


def recordings_in(folder: str, left_out: LeftOut) -> Iterator[Path]:
    """Give the recordings in a folder and below, in the order of their names.

    Links to folders are followed after the folders themselves, so that each real folder is read
    once, and by its own name if it has one here. Hidden files and folders are skipped.
    """
    seen: set[str] = set()
    waiting = deque([folder])
    while waiting:
        start = waiting.popleft()
        if os.path.realpath(start) in seen:
            continue
        for place, folders, files in os.walk(
            start, onerror=lambda error: left_out.closed.append(str(error.filename))
        ):
            seen.add(os.path.realpath(place))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            links = [name for name in folders if Path(place, name).is_symlink()]
            waiting.extend(str(Path(place, name)) for name in links)
            folders[:] = [
                name
                for name in folders
                if name not in links and os.path.realpath(Path(place, name)) not in seen
            ]
            yield from _taken(place, files, left_out)


def _taken(place: str, files: list[str], left_out: LeftOut) -> Iterator[Path]:
    for name in sorted(name for name in files if not name.startswith(".")):
        extension = Path(name).suffix.lower()
        if is_recording(extension):
            yield Path(place, name)
        else:
            left_out.extensions[extension] += 1
