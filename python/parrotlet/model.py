"""Loading a model and transcribing with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parrotlet import _core, hub
from parrotlet.audio import Recording, check_samples
from parrotlet.batch import (
    Outcome,
    Progress,
    Recogniser,
    transcribe_batch,
    transcribe_channels,
    transcribe_one,
)
from parrotlet.cpus import MAX_THREADS, usable_cores
from parrotlet.decoding.assemble import Parts, assemble
from parrotlet.decoding.ctc import GreedyCtc
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.transcript import Transcript
from parrotlet.decoding.transducer import GreedyTransducer, Predictor
from parrotlet.errors import AudioError, ModelFileError, UnsupportedModelError
from parrotlet.longform.assembly import Assembler
from parrotlet.longform.limits import parse_bytes, plan, scratch_bytes
from parrotlet.model_config import ModelConfig
from parrotlet.results import Transcription
from parrotlet.streaming import Decode, Stream

MODEL_VARIABLE = "PARROTLET_MODEL"
"""Environment variable that names the model to load by default."""

DEMO = "demo"
"""Name under which the model inside the package is asked for."""

CHECKPOINTS = {".nemo": "NeMo", ".pt": "PyTorch", ".pth": "PyTorch", ".ckpt": "PyTorch"}
"""Kinds of files that are converted rather than loaded, by suffix."""

MIN_FRAMES = 2
"""Feature frames that a recording must fill: normalisation needs two for a variance."""


def load(
    path: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    type: str = "q8_0",
    progress: Callable[[int, int, str], None] | None = None,
) -> Model:
    """Load a model.

    `path` is a GGUF file, "demo" for the small model inside the package, a repository of the
    Hugging Face hub, such as "nvidia/parakeet-tdt-0.6b-v2", or None for what `$PARROTLET_MODEL`
    names and the demo model without it. `threads` is the number of threads to compute with, by
    default one per usable physical core. A model from the hub is converted once, with matrices of
    `type`, and kept (docs/getting.md); `progress` is as for `convert`.

    Raises HubError if a model cannot be fetched, ModelFileError if the file is missing or damaged,
    UnsupportedModelError if it holds a model of another kind, and ValueError if `threads` is not
    from 1 to 1024 or `type` unknown.
    """
    file = resolve(path)
    repository = hub.repository(os.environ.get(MODEL_VARIABLE, "") if path is None else path)
    if repository is not None:
        if type not in _core.types():
            raise ValueError(f"type is {type!r}; expected one of {', '.join(_core.types())}")
        file = hub.model_file(repository, type, progress)
    return Model(file, threads)


def resolve(path: str | os.PathLike[str] | None) -> Path:
    """Return the file on this machine that `path` stands for."""
    if path is None:
        path = os.environ.get(MODEL_VARIABLE) or DEMO
    return demo_path() if path == DEMO else Path(os.fspath(path))


def demo_path() -> Path:
    """Return the path of the model inside the package."""
    return Path(str(resources.files("parrotlet").joinpath("data", "demo-q8_0.gguf")))


class Model:
    """A speech-recognition model, read from a GGUF file."""

    def __init__(self, path: str | os.PathLike[str], threads: int | None = None) -> None:
        """Load `path`; see `load`."""
        if threads is None:
            threads = usable_cores()
        elif type(threads) is not int or not 1 <= threads <= MAX_THREADS:
            raise ValueError(f"threads is {threads!r}; expected a whole number to {MAX_THREADS}")
        self.path = Path(os.fspath(path))
        _check_model_file(self.path)
        self._core = _core.Model(str(self.path), threads)
        self._metadata = MappingProxyType(self._core.metadata)
        self._config = ModelConfig.from_metadata(self._metadata, self.path)

    def __repr__(self) -> str:
        """Name, heads and file."""
        return f"<parrotlet.Model {self.name} ({', '.join(self.heads)}) from {self.path}>"

    @property
    def name(self) -> str:
        """Name of the model: `general.name` of the file."""
        return self._config.name

    @property
    def metadata(self) -> MappingProxyType[str, Any]:
        """Metadata of the file by key, read-only."""
        return self._metadata

    @property
    def threads(self) -> int:
        """Threads that compute."""
        return self._core.threads

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz of the samples that the model takes."""
        return self._config.sample_rate

    @property
    def heads(self) -> tuple[str, ...]:
        """Decoders of the model: of "ctc", "rnnt" and "tdt", the default first."""
        return self._config.heads

    @property
    def decoders(self) -> tuple[str, ...]:
        """Values for `decoder`: "ctc" and "transducer", as far as there are, the default first."""
        return tuple("ctc" if head == "ctc" else "transducer" for head in self.heads)

    @property
    def right_contexts(self) -> tuple[int, ...]:
        """Right attention contexts in encoder frames that may be chosen, the default first.

        Empty for models without a choice, which attend to the whole recording or are recurrent.
        """
        return tuple(right for _, right in self._config.contexts) if self._config.chunked else ()

    @property
    def can_stream(self) -> bool:
        """Whether the model was trained for cache-aware streaming or is recurrent: see `stream`."""
        return self._core.can_stream

    @property
    def frame_seconds(self) -> float:
        """Distance of encoder frames in seconds."""
        return self._config.frame_seconds

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Pieces of the vocabulary by id; the blank, not among them, has the next id."""
        return self._config.tokenizer.pieces

    def transcribe(
        self,
        audio: str | os.PathLike[str] | BinaryIO | ArrayLike,
        decoder: str | None = None,
        right_context: int | None = None,
        *,
        channel: int | None = None,
        split_channels: bool = False,
        max_memory: int | str | None = None,
        window: float | None = None,
    ) -> Transcription:
        """Transcribe a recording of any length.

        `audio` is the path of a sound file in any format, sampling rate and channel count, a
        binary file with the contents of one, or samples [n] at `sample_rate` Hz (float in
        [-1, 1], or int16). `decoder` chooses the head of a hybrid model, one of `decoders`;
        `right_context` is one of `right_contexts`.

        Several channels are mixed to one, unless `channel`, from 1, chooses one of them, or
        `split_channels` transcribes each by itself, as a speaker of its own.

        A recording of up to a minute is recognised in one pass. A longer one is read and
        recognised in windows of at most half a minute, cut in pauses, several at a time; the
        memory that takes does not depend on its length. `window` is another length in seconds for
        both, such as `float("inf")`. `max_memory`, in bytes or as in "2G", is what the whole
        process may use, by default what it has and half of what is free; both lengths are smaller
        where there is less.

        Raises AudioError if the recording cannot be used and ValueError for other bad arguments.
        """
        recogniser = self._recogniser(decoder, right_context, max_memory, window)
        if isinstance(audio, (str, os.PathLike)) or hasattr(audio, "read"):
            recording = Recording(audio)  # type: ignore[arg-type]
            if split_channels:
                return transcribe_channels(recogniser, recording)
            blocks = recording.blocks(self.sample_rate, channel)
            return transcribe_one(recogniser, blocks, recording.name)
        if split_channels or channel not in (None, 1):
            raise ValueError(
                "samples [n] are one channel; pass those of each channel by themselves"
            )
        return transcribe_one(recogniser, [check_samples(audio)], None)

    def transcribe_batch(
        self,
        recordings: Iterable[str | os.PathLike[str] | BinaryIO],
        decoder: str | None = None,
        right_context: int | None = None,
        *,
        channel: int | None = None,
        split_channels: bool = False,
        max_memory: int | str | None = None,
        window: float | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Generator[Outcome, None, None]:
        """Transcribe recordings, several windows at a time, and give what becomes of each in order.

        The arguments are those of `transcribe`. A recording that cannot be used does not stop the
        others: its outcome has the error. `progress` is called, in the calling thread, when more
        has been recognised. Recordings are read a little ahead of the outcomes.

        Raises ValueError for bad arguments.
        """
        recogniser = self._recogniser(decoder, right_context, max_memory, window)
        return transcribe_batch(recogniser, recordings, channel, split_channels, progress)

    def stream(self, right_context: int | None = None, decoder: str | None = None) -> Stream:
        """Transcribe a signal while it arrives.

        `right_context`, one of `right_contexts`, is the look-ahead in encoder frames: the first is
        the most accurate as a rule, smaller ones answer sooner. `decoder` is as for `transcribe`.
        Where the features are normalised over the whole recording, what is shown before its end is
        a preview (`Stream.is_preview`), and the result that of `transcribe`.

        Raises UnsupportedModelError if the model was not made for it (see `can_stream`), and
        ValueError for other bad arguments.
        """
        self._check_streaming()
        head = self._head(decoder)
        left, right = self._context(right_context)
        if right < 0:
            raise UnsupportedModelError(
                f"{self.path}: {self.name} looks ahead without limit unless told; choose a "
                f"right_context of {', '.join(str(n) for n in self.right_contexts if n >= 0)}"
            )
        tokenizer = self._config.tokenizer

        def finished(emissions: Sequence[Emission], duration: float) -> Transcription:
            parts = assemble(emissions, head, tokenizer, self.frame_seconds)
            return self._transcription(parts, head, duration, None)

        def start() -> tuple[Decode, Transcript]:
            return self._start_decoder(head), Transcript(head, tokenizer, self.frame_seconds)

        encoder = _core.Stream(self._core, left, right)
        return Stream(
            encoder,
            *start(),
            finished,
            sample_rate=self.sample_rate,
            frame_seconds=self.frame_seconds,
            right_context=right,
            restart=start if encoder.is_preview else None,
        )

    def features(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Log-mel features [frames, mels] of samples [n] at `sample_rate` Hz.

        As NeMo's `AudioToMelSpectrogramPreprocessor` gives them without dither; normalised if the
        model wants it. Raises AudioError for fewer than two frames of samples.
        """
        array = check_samples(samples, "samples")
        self._check_length(array, "samples")
        return self._core.features(array)

    def encode(self, features: ArrayLike, right_context: int | None = None) -> NDArray[np.float32]:
        """Encoder output [frames', d_model] for features [frames, mels]."""
        left, right = self._context(right_context)
        return self._core.encode(_matrix(features, "features", self._config.mel_bands), left, right)

    def ctc_log_probs(self, encoded: ArrayLike) -> NDArray[np.float32]:
        """CTC log-probabilities [frames', vocabulary + 1], blank last, of encoder output."""
        self._head("ctc")
        return self._core.ctc_log_probs(_matrix(encoded, "encoded", self._config.d_model))

    def _recogniser(
        self,
        decoder: str | None,
        right_context: int | None,
        max_memory: int | str | None,
        window: float | None,
    ) -> Recogniser:
        """Check the options of a transcription, and put together what it needs."""
        head = self._head(decoder)
        context = self._context(right_context)
        config = self._config
        if isinstance(max_memory, str):
            max_memory = parse_bytes(max_memory)
        return Recogniser(
            recognise=lambda samples: self._recognise(samples, head, context),
            check_length=self._check_length,
            start=lambda: Assembler(
                head, config.tokenizer, self.sample_rate, config.subsampling * config.hop_length
            ),
            finish=lambda parts, seconds, name: self._transcription(parts, head, seconds, name),
            scratch_bytes=partial(scratch_bytes, config),
            sample_rate=self.sample_rate,
            threads=self.threads,
            limits=plan(config, context[1], self.threads, max_memory, window),
        )

    def _recognise(
        self, samples: NDArray[np.float32], head: str, context: tuple[int, int]
    ) -> Sequence[Emission]:
        """Return the tokens of `samples`, recognised in one pass."""
        # Digital silence holds no speech; normalised, it would be rounding noise at full scale.
        if not samples.any():
            return []
        return self._decode(self._core.encode(self._core.features(samples), *context), head)

    def _decode(self, encoded: NDArray[np.float32], head: str) -> Sequence[Emission]:
        return self._start_decoder(head)(encoded)

    def _start_decoder(self, head: str) -> Decode:
        """Return a greedy decoder of encoder output that keeps its state from call to call."""
        blank = len(self.vocabulary)
        if head == "ctc":
            ctc = GreedyCtc(blank)
            return lambda encoded: ctc.decode(self._core.ctc_log_probs(encoded))
        durations = self._config.durations if head == "tdt" else ()
        transducer = GreedyTransducer(
            self._start_predictor(), blank, durations, self._config.max_symbols
        )
        return lambda encoded: transducer.decode(self._core.project_encoder(encoded))

    def _start_predictor(self) -> Predictor:
        return self._core.predictor()

    def _transcription(
        self, parts: Parts, head: str, duration: float, audio: str | None
    ) -> Transcription:
        return Transcription(
            text=parts.text,
            duration=duration,
            words=parts.words,
            segments=parts.segments,
            tokens=parts.tokens,
            decoder=head,
            model=self.name,
            audio=audio,
        )

    def _check_streaming(self) -> None:
        """Raise UnsupportedModelError, with the reason, if the model cannot stream."""
        if not self.can_stream:
            raise UnsupportedModelError(
                f"{self.path}: {self.name} {self._config.streaming_obstacle}"
            )

    def _head(self, decoder: str | None) -> str:
        """Return the head that `decoder` stands for."""
        if decoder is None:
            return self.heads[0]
        for name, head in zip(self.decoders, self.heads, strict=True):
            if decoder == name:
                return head
        known = " or ".join(f'"{name}"' for name in self.decoders)
        raise ValueError(f"decoder is {decoder!r}; {self.name} has {known}")

    def _context(self, right: int | None) -> tuple[int, int]:
        """Return the (left, right) attention context for a choice of the right one."""
        contexts = self._config.contexts
        if right is None:
            return contexts[0]
        if not self._config.chunked:
            raise ValueError(
                f"right_context is {right!r}, but {self.name} {self._config.look_ahead}; leave it "
                "out"
            )
        for context in contexts:
            if type(right) is int and context[1] == right:
                return context
        known = ", ".join(str(value) for value in self.right_contexts)
        raise ValueError(f"right_context is {right!r}; {self.name} was trained for {known}")

    def _check_length(self, samples: NDArray[np.float32], name: str) -> None:
        needed = MIN_FRAMES * self._config.hop_length
        if len(samples) < needed:
            raise AudioError(
                f"{name}: the recording is too short ({len(samples) / self.sample_rate:.4g} s, "
                f"{len(samples)} samples); at least {needed / self.sample_rate:.4g} s are needed"
            )


def _matrix(values: ArrayLike, name: str, columns: int) -> NDArray[np.float32]:
    """Check a matrix [frames, columns] of finite numbers."""
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] != columns or not len(array):
        raise ValueError(f"{name} has shape {array.shape}; expected [frames, {columns}]")
    if array.dtype not in (np.float16, np.float32, np.float64):
        raise ValueError(f"{name} has dtype {array.dtype}; expected float32")
    array = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are not finite numbers")
    return array


def _check_model_file(path: Path) -> None:
    """Say plainly what the file is where it is no GGUF file at all."""
    if path.is_dir():
        raise ModelFileError(f"{path}: is a directory; name the .gguf file in it")
    if not path.exists():
        hint = "the package was built without it" if path == demo_path() else "check the path"
        raise ModelFileError(f"{path}: no such file; {hint}")
    if not path.is_file():  # opening a pipe would wait for somebody to write
        raise ModelFileError(f"{path}: is not a regular file; save the model in one")
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be opened ({error.strerror})") from error
    if magic == b"GGUF":
        return
    if path.suffix in CHECKPOINTS:
        raise ModelFileError(
            f"{path}: is a {CHECKPOINTS[path.suffix]} checkpoint; convert it first: "
            f"parrotlet convert {path.name} -o {path.stem}.gguf"
        )
    raise ModelFileError(f"{path}: is no GGUF file (it begins with {magic!r})")
