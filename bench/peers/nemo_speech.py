"""Live streams of NVIDIA's NeMo-Speech.cpp, by its C interface (`include/nemo_speech/asr.h`)."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MODELS_RATE = 0  # as the library calls it

MOST_TOGETHER = 16
"""Streams that the library keeps the state of together, by default."""


class NemoSpeechError(Exception):
    """What the library says."""


class _Backend(ctypes.Structure):
    _fields_ = (("size", ctypes.c_size_t), ("gpu", ctypes.c_int32))


class _Model(ctypes.Structure):
    _fields_ = (("size", ctypes.c_size_t), ("path", ctypes.c_char_p), ("name", ctypes.c_char_p))


class _Streaming(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("chunk_size", ctypes.c_float),
        ("ctc_left_padding", ctypes.c_float),
        ("ctc_right_padding", ctypes.c_float),
        ("rnnt_right_context", ctypes.c_int32),
    )


class _Batching(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("enable", ctypes.c_bool),
        ("max_batch_size", ctypes.c_int32),
    )


class _Config(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("backend", ctypes.POINTER(_Backend)),
        ("model", ctypes.POINTER(_Model)),
        ("streaming", ctypes.POINTER(_Streaming)),
        ("decoder", ctypes.c_void_p),
        ("vad", ctypes.c_void_p),
        ("endpointing", ctypes.c_void_p),
        ("postproc", ctypes.c_void_p),
        ("diar", ctypes.c_void_p),
        ("batching", ctypes.POINTER(_Batching)),
    )


_Owned = ctypes.c_void_p


@dataclass(frozen=True)
class NemoSpeechStream:
    """A live stream."""

    library: NemoSpeech
    handle: _Owned
    chunk_seconds: float

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take samples, and decode what they complete."""
        call = self.library.call
        data = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        call("stream_push_f32", self.handle, data, ctypes.c_size_t(len(samples)), MODELS_RATE)
        while True:
            result = _Owned()
            call("stream_next", self.handle, ctypes.byref(result))
            if not result:
                return
            self.library.shared.nemo_speech_asr_result_destroy(result)


@dataclass(frozen=True)
class NemoSpeech:
    """The library, and a model file that its converter wrote."""

    shared: ctypes.CDLL
    model: Path

    @classmethod
    def load(cls, library: Path, model: Path) -> NemoSpeech:
        """Load the library; raises OSError if it cannot be."""
        return cls(ctypes.CDLL(str(library)), model)

    def call(self, function: str, *arguments: object) -> None:
        """Call a function that may fail; raises NemoSpeechError with what it says."""
        if getattr(self.shared, f"nemo_speech_asr_{function}")(*arguments) != 0:
            last_error = self.shared.nemo_speech_asr_last_error
            last_error.restype = ctypes.c_char_p
            raise NemoSpeechError(f"{function}: {last_error().decode(errors='replace')}")

    @contextmanager
    def streams(
        self, right: int, chunk_seconds: float, count: int, together: bool
    ) -> Iterator[list[NemoSpeechStream]]:
        """Open `count` streams of a right context, whose chunks are so long; `together` has the
        library put their work together. Raises NemoSpeechError."""
        backend = _Backend(ctypes.sizeof(_Backend), -1)  # the CPU
        model = _Model(ctypes.sizeof(_Model), str(self.model).encode(), b"")
        streaming = _Streaming(ctypes.sizeof(_Streaming), 1.0, 0.0, 0.0, right)
        batching = _Batching(ctypes.sizeof(_Batching), together, MOST_TOGETHER)
        config = _Config(
            ctypes.sizeof(_Config),
            backend=ctypes.pointer(backend),
            model=ctypes.pointer(model),
            streaming=ctypes.pointer(streaming),
            batching=ctypes.pointer(batching),
        )
        recognizer = _Owned()
        self.call("create", ctypes.byref(config), ctypes.byref(recognizer))
        handles: list[_Owned] = []
        try:
            for _ in range(count):
                handle = _Owned()
                self.call("streaming_recognize", recognizer, None, ctypes.byref(handle))
                handles.append(handle)
            yield [NemoSpeechStream(self, handle, chunk_seconds) for handle in handles]
        finally:
            for handle in handles:
                self.shared.nemo_speech_asr_stream_close(handle)
            self.shared.nemo_speech_asr_destroy(recognizer)
