"""Reading recordings: any format, sampling rate and channel count, to mono float32.

`source` gives bytes, `pieces` and `window` the files among them, FFmpeg (PyAV) packets and frames,
`timeline` their places; then channels are mixed and samples resampled, a few seconds at a time.
"""

from parrotlet.audio.decoding import BLOCK_SECONDS
from parrotlet.audio.output import check_seconds
from parrotlet.audio.reading import read_audio, read_blocks
from parrotlet.audio.recording import BLOCK_VALUES, Recording
from parrotlet.audio.resampling import Resampler
from parrotlet.audio.source import Source, arrives, describe
from parrotlet.audio.tracks import Track

__all__ = [
    "BLOCK_SECONDS",
    "BLOCK_VALUES",
    "Recording",
    "Resampler",
    "Source",
    "Track",
    "arrives",
    "check_seconds",
    "describe",
    "read_audio",
    "read_blocks",
]
