"""Types of the compiled extension."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parrotlet._core import decoding as decoding
from parrotlet._core import kernels as kernels
from parrotlet._core import sizes as sizes

def return_large_blocks() -> None:
    """Let freed blocks of a megabyte and more go back to the system at once, in this process."""

def isa() -> str: ...
def available_isas() -> list[str]: ...
def types() -> list[str]: ...
def block_layout(type: str) -> tuple[int, int]: ...
def quantize(array: NDArray[np.float32], type: str) -> NDArray[np.uint8]: ...
def dequantize(data: NDArray[np.uint8], type: str, cols: int) -> NDArray[np.float32]: ...

SILENT_RANGE: float
"""Samples that differ by less are digital silence."""

def is_silent(samples: NDArray[np.float32]) -> bool:
    """Whether samples [n] are digital silence: zeros, or any other constant."""

_Row = tuple[int, int, int | None, float]  # of an Emission: token, frame, duration, confidence

def recognise(
    model: Model,
    samples: NDArray[np.float32],
    left: int,
    right: int,
    head: str,
    options: SearchOptions,
) -> list[_Row]:
    """The tokens of samples [n], by a head of the model."""

class TensorInfo:
    @property
    def name(self) -> str: ...
    @property
    def ne(self) -> tuple[int, ...]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def type(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def n_bytes(self) -> int: ...

class GgufFile:
    def __init__(self, path: str) -> None: ...
    @property
    def path(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def alignment(self) -> int: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def entries(self) -> list[tuple[str, str, Any]]:
        """Metadata in the file's order: key, kind ("u32", "str[]"), value with text as bytes."""
    @property
    def tensors(self) -> list[TensorInfo]: ...
    def tensor(self, name: str) -> NDArray[np.float32]: ...

class Model:
    def __init__(self, path: str, threads: int) -> None: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def threads(self) -> int: ...
    @property
    def can_stream(self) -> bool: ...
    @property
    def isa(self) -> str: ...
    def features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def encode(
        self, features: NDArray[np.float32], left: int, right: int
    ) -> NDArray[np.float32]: ...
    def encode_many(
        self, features: Sequence[NDArray[np.float32]], left: int, right: int
    ) -> list[NDArray[np.float32]]:
        """Encode several recordings together; each gives to the bit what `encode` gives."""
    def ctc_log_probs(self, encoded: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def start_timing(self) -> None: ...
    def stop_timing(self) -> dict[str, float]: ...

class Stream:
    def __init__(self, model: Model, left: int, right: int) -> None: ...
    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def finish(self) -> NDArray[np.float32]: ...
    @property
    def is_preview(self) -> bool: ...
    def revise(self) -> NDArray[np.float32]: ...

def feed_streams(
    streams: Sequence[Stream], samples: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """Feed streams of one model together; each gives to the bit what `Stream.feed` gives."""

class SearchOptions:
    def __init__(
        self,
        max_symbols: int,
        process: Callable[[int, int, NDArray[np.float32]], NDArray[np.float32]] | None = None,
    ) -> None:
        """`max_symbols` bounds the tokens of a transducer per frame; 0 stands for no other bound
        than 100, which there is in any case. `process` is given the frame, how many tokens there
        are before it and the joint's logits [labels, then durations], and returns the logits to go
        on with."""

class Search:
    def __init__(self, model: Model, head: str, options: SearchOptions) -> None: ...
    @staticmethod
    def of_log_probs(labels: int) -> Search:
        """Greedy CTC over log-probabilities [frames, labels], the blank's last."""

    def feed(self, encoded: NDArray[np.float32]) -> tuple[list[_Row], list[_Row]]:
        """Tokens that are settled by now and were not before, and the tentative ones after them."""

    def finish(self) -> list[_Row]:
        """Tokens that are settled because nothing follows."""
