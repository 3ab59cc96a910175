"""Loading a model and transcribing with it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parrotlet import _core
from parrotlet.batch import Outcome, Progress, transcribe_batch, transcribe_one
from parrotlet.decoding.options import TRANSDUCERS, Decoding, decoding_with_head
from parrotlet.decoding.scoring import Scorers
from parrotlet.errors import UnsupportedModelError
from parrotlet.inputs import Audio, Reading, check_recordings
from parrotlet.longform.limits import Windowing, WindowMemory
from parrotlet.machine import MAX_THREADS, usable_cores
from parrotlet.model_config import ModelConfig
from parrotlet.model_files import check_model_file, model_file
from parrotlet.progress import FileProgress
from parrotlet.recognition import Recognition, check_length
from parrotlet.results import Transcription
from parrotlet.samples import check_samples
from parrotlet.streaming import Stream
from parrotlet.streams import Choices, StreamGroup


def load(
    path: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    type: str = "q8_0",
    progress: FileProgress | None = None,
) -> Model:
    """Load a model.

    `path` is a GGUF file, "demo" for the small model inside the package, or a repository of the
    Hugging Face hub, such as "nvidia/parakeet-tdt-0.6b-v2". None stands for what `$PARROTLET_MODEL`
    names, and for the demo model if that is not set. A GGUF file of another project is converted
    once, and kept (docs/getting.md). `threads` is the number of threads to compute
    with, by default one per usable physical core. A model from the hub is converted once, with
    matrices of `type`, and kept (docs/getting.md); `progress` is as for `convert`.

    Raises HubError if a model cannot be fetched, ModelFileError if the file is missing or damaged,
    UnsupportedModelError if it holds a model of another kind, and ValueError if `threads` is not
    from 1 to 1024 or `type` unknown.
    """
    return Model(model_file(path, type, progress), threads)


class Model:
    """A speech-recognition model, read from a GGUF file.

    It may be pickled: another process then loads the same file with as many threads.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int | None = None) -> None:
        """Load `path`; see `load`."""
        self._threads = threads
        if threads is None:
            threads = usable_cores()
        elif type(threads) is not int or not 1 <= threads <= MAX_THREADS:
            raise ValueError(
                f"threads is {threads!r}; expected a whole number from 1 to {MAX_THREADS}"
            )
        self.path = Path(os.fspath(path))
        check_model_file(self.path)
        self._core = _core.Model(str(self.path), threads)
        self._metadata = MappingProxyType(self._core.metadata)
        self._config = ModelConfig.from_metadata(self._metadata, self.path)
        self._scorers = Scorers(self._config.tokenizer)
        self._memory = WindowMemory(partial(_core.sizes.Planner.of, self._core), self._config)

    def __repr__(self) -> str:
        """Name, heads and file."""
        return f"<parrotlet.Model {self.name} ({', '.join(self.heads)}) from {self.path}>"

    def __reduce__(self) -> tuple[type[Model], tuple[str, int | None]]:
        """Pickle the path and the options: the model is loaded again where it is unpickled."""
        return type(self), (str(self.path.absolute()), self._threads)

    def __copy__(self) -> Model:
        """Return the model itself: it does not change."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        """Return the model itself: it does not change."""
        return self

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
        """Heads of the model, each "ctc", "rnnt" or "tdt", the default first."""
        return self._config.heads

    @property
    def decoders(self) -> tuple[str, ...]:
        """Older name of `heads`, with "transducer" for "rnnt" and "tdt"."""
        return tuple("transducer" if head in TRANSDUCERS else head for head in self.heads)

    @property
    def right_contexts(self) -> tuple[int, ...]:
        """Right attention contexts in encoder frames that may be chosen, the default first.

        Empty for models without a choice, which attend to the whole recording or are recurrent.
        """
        return self._config.right_contexts

    @property
    def chunk_sizes(self) -> tuple[int, ...]:
        """Chunk sizes in encoder frames that the model was trained with for buffered streaming.

        Empty for models that were not. See `stream`.
        """
        contexts = self._config.chunk_contexts
        return contexts.chunk if contexts else ()

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that the model can be told, such as "de-DE", and "auto" where it is to find
        out; several names may stand for the same. Empty for a model that is told none."""
        return self._config.prompt.languages if self._config.prompt else ()

    @property
    def can_stream(self) -> bool:
        """Whether the model was trained for streaming or is recurrent: see `stream`."""
        return self._core.can_stream or self._config.chunk_contexts is not None

    @property
    def ends_utterances(self) -> bool:
        """Whether the model marks the ends of utterances, which streams report as events."""
        return "EOU" in self._config.tokenizer.ends.values()

    @property
    def frame_seconds(self) -> float:
        """Distance of encoder frames in seconds."""
        return self._config.frame_seconds

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Pieces of the vocabulary by id. The blank is not among them and has the next id."""
        return self._config.tokenizer.pieces

    def transcribe(
        self,
        audio: Audio,
        decoder: str | None = None,
        right_context: int | None = None,
        *,
        channel: int | None = None,
        split_channels: bool = False,
        track: int | None = None,
        max_memory: int | str | None = None,
        window: float | None = None,
        attention_window: int | None = None,
        sampling_rate: int | None = None,
        max_seconds: float = math.inf,
        decoding: Decoding | None = None,
        language: str | None = None,
    ) -> Transcription:
        """Transcribe a recording of any length.

        `audio` is the path of a sound file in any format, sampling rate and channel count, a binary
        file with the contents of one, or samples [n] (float in [-1, 1], or int16). Samples are at
        `sampling_rate` Hz, by default the model's `sample_rate`; a dict with "array" and
        "sampling_rate" has both. `decoding` says how tokens are searched for, and with which head
        of a hybrid model: `Decoding(head="ctc")`. `right_context` is one of `right_contexts`, and
        `language` one of `languages`, by default "auto". `decoder` is an older name of the head,
        which goes at 0.2.

        Several channels are mixed to one. `channel`, from 1, transcribes one of them instead, and
        `split_channels` each by itself, as a speaker of its own. `track`, from 1, chooses among the
        sound tracks of a video. The default is the track that the file marks as its default if
        there is sound in it and it is no commentary or description, else the first such track.

        A recording of up to a minute is recognised in one pass. A longer one is cut in pauses into
        windows of at most half a minute, and several of them are recognised at a time. Memory does
        not grow with the length of the recording. `window` replaces both lengths, in seconds; it
        may be `float("inf")`. With `attention_window`, an encoder frame sees so many frames before
        and after itself only, and a recording of any length is recognised in one pass, unless
        `window` is given as well: time and memory grow with the length. It is NeMo's
        `change_attention_model("rel_pos_local_attn", [n, n])`. `max_memory`, in bytes or as in
        "2G", is what the whole process may use, by default what it has and half of what is free.
        With little memory, windows are shorter.

        Raises AudioError if the recording cannot be used, LengthError as soon as it is found to be
        longer than `max_seconds`, LanguageModelError and PhrasesError for
        what `decoding` names and cannot be used, UnsupportedModelError for an `attention_window` of
        a model that was not trained for attention over the whole recording, TypeError for what is
        no recording, and ValueError for other bad arguments.
        """
        reading = Reading(track, channel, split_channels, sampling_rate, max_seconds)
        windowing = Windowing(max_memory, window, attention_window)
        chosen = decoding_with_head(decoding, decoder)
        context = self._context(right_context, windowing)
        recogniser = self._recognition(chosen, context, language).recogniser(windowing)
        return transcribe_one(recogniser, audio, reading)

    def transcribe_batch(
        self,
        recordings: Iterable[Audio],
        decoder: str | None = None,
        right_context: int | None = None,
        *,
        channel: int | None = None,
        split_channels: bool = False,
        track: int | None = None,
        max_memory: int | str | None = None,
        window: float | None = None,
        attention_window: int | None = None,
        sampling_rate: int | None = None,
        max_seconds: float = math.inf,
        decoding: Decoding | None = None,
        language: str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Generator[Outcome, None, None]:
        """Transcribe recordings, several windows at a time, and give their outcomes in order.

        Each of `recordings` is what `transcribe` takes, and the other arguments are the same as
        there. A recording that fails does not stop the others: its outcome has the error, and the
        exception that was raised is the error's cause. `progress` is called, in the calling thread,
        when more has been recognised. Recordings are read a little ahead of the outcomes.

        Raises TypeError for a single recording in place of several, LanguageModelError,
        PhrasesError and UnsupportedModelError as `transcribe`, and ValueError for other bad
        arguments.
        """
        check_recordings(recordings)
        reading = Reading(track, channel, split_channels, sampling_rate, max_seconds)
        windowing = Windowing(max_memory, window, attention_window)
        chosen = decoding_with_head(decoding, decoder)
        context = self._context(right_context, windowing)
        recogniser = self._recognition(chosen, context, language).recogniser(windowing)
        return transcribe_batch(recogniser, recordings, reading, progress)

    def stream(
        self,
        right_context: int | None = None,
        decoder: str | None = None,
        *,
        decoding: Decoding | None = None,
        chunk_size: int | None = None,
        left_context: int | None = None,
        language: str | None = None,
    ) -> Stream:
        """Transcribe a signal while it arrives.

        `right_context`, one of `right_contexts`, is the look-ahead in encoder frames. The first is
        as a rule the most accurate, and smaller ones answer sooner. `decoding`, `decoder` and
        `language` are as for `transcribe`; `Stream.language` changes the last of these. Some
        recurrent models normalise features over the whole recording. For them, the text is a
        preview until the stream ends (`Stream.is_preview`), and the result is that of `transcribe`.

        Models that attend to whole recordings stream buffered. There `chunk_size` is how many
        encoder frames are recognised at a time, and `right_context` and `left_context` how many
        are heard after and before them, any number of each. The latency is `chunk_size` +
        `right_context`. Models with `chunk_sizes` were trained for it, and by default have the
        largest sizes of their training, which are the most accurate; a chunk is then no longer than
        a `right_context` that is given. For others, `chunk_size` has to be named, and the contexts
        are 10 s and 2 s by default; less than that loses words.

        Raises UnsupportedModelError if the model was not made for it (see `can_stream`),
        LanguageModelError and PhrasesError as `transcribe`, and ValueError for other bad arguments.
        """
        chosen = decoding_with_head(decoding, decoder)
        window = self._config.window(left_context, chunk_size, right_context)
        if window is not None:
            context = self._config.context(None)
            return self._recognition(chosen, context, language).stream(window=window)
        return self._live(chosen, right_context, language).stream()

    def streams(
        self,
        right_context: int | None = None,
        *,
        decoding: Decoding | None = None,
        language: str | None = None,
        max_streams: int | None = None,
        wait_seconds: float = 0.0,
    ) -> StreamGroup:
        """Return a group for many live streams, which share each pass over the weights.

        `right_context`, `decoding` and `language`, as for `stream`, are those of streams that are
        opened without. `max_streams` limits how many may be open; without it, that is as many as
        this machine carries with every text in time, as judged by the group's steps. A chunk that
        finds nothing running waits `wait_seconds` for others at most, or while they come one right
        after the other, 20 ms at most.

        Raises what `stream` raises.
        """
        choices = Choices(decoding or Decoding(), right_context, language)
        return StreamGroup(self._live, choices, max_streams, wait_seconds)

    def prepare(self, decoding: Decoding, language: str | None = None) -> None:
        """Read and build what a search with `decoding` needs, before the first recording.

        Raises what `transcribe` raises about `decoding` and `language`.
        """
        self._recognition(decoding, self._config.context(None), language)

    def release_scratch(self) -> None:
        """Free the scratch memory that calls have left for the next ones.

        There is as much of it as the calls needed that ever ran at once, each as its longest
        recording did. The next call allocates anew. May be called at any time, from any thread.
        """
        self._core.release_scratch()

    def features(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Log-mel features [frames, mels] of samples [n] at `sample_rate` Hz.

        They are those of NeMo's `AudioToMelSpectrogramPreprocessor` without dither, normalised if
        the model says so. Raises AudioError for fewer than two frames of samples.
        """
        array = check_samples(samples, "samples")
        check_length(self._config, array, "samples")
        return self._core.features(array)

    def encode(
        self,
        features: ArrayLike,
        right_context: int | None = None,
        *,
        attention_window: int | None = None,
    ) -> NDArray[np.float32]:
        """Encoder output [frames', d_model] for features [frames, mels].

        `right_context` is one of `right_contexts`, and `attention_window` as for `transcribe`.
        Raises ValueError for other arrays or contexts, and UnsupportedModelError as `transcribe`.
        """
        context = self._context(right_context, Windowing(attention_window=attention_window))
        return self._core.encode(_matrix(features, "features", self._config.mel_bands), *context)

    def prompted(self, encoded: ArrayLike, language: str | None = None) -> NDArray[np.float32]:
        """Encoder output [frames', d_model] with the prompt of a language, as heads take it.

        `encoded` is what `encode` returns, and `language` as for `transcribe`. Source: NeMo
        `prompt_kernel`. Raises ValueError for other arrays or languages, and for a model that is
        told no language.
        """
        index = self._config.prompting(language).index
        return self._core.give_prompt(_matrix(encoded, "encoded", self._config.d_model), index)

    def ctc_log_probs(self, encoded: ArrayLike) -> NDArray[np.float32]:
        """CTC log-probabilities [frames', vocabulary + 1], blank last, of encoder output.

        `encoded` is [frames', d_model], `prompted` where the model has languages. Raises ValueError
        for other arrays, and for a model without a CTC head.
        """
        self._config.head("ctc")
        return self._core.ctc_log_probs(_matrix(encoded, "encoded", self._config.d_model))

    def _live(
        self, decoding: Decoding, right_context: int | None, language: str | None
    ) -> Recognition:
        """Return the model with these choices for a stream that is not buffered.

        Raises what `stream` raises.
        """
        self._check_streaming()
        if not self._core.can_stream:
            raise UnsupportedModelError(
                f"{self.path}: streams of {self.name} are buffered, and by themselves; start each "
                "with model.stream"
            )
        recognition = self._recognition(decoding, self._config.context(right_context), language)
        if recognition.context[1] < 0:
            raise UnsupportedModelError(
                f"{self.path}: {self.name} looks ahead without limit unless told; choose a "
                f"right_context of {', '.join(str(n) for n in self.right_contexts if n >= 0)}"
            )
        return recognition

    def _context(self, right_context: int | None, windowing: Windowing) -> tuple[int, int]:
        """Return the attention context of a recording.

        Raises ValueError and UnsupportedModelError for one that the model does not have.
        """
        context = self._config.context(right_context)
        if windowing.attention_window is None:
            return context
        return self._config.local_context(windowing.attention_window)

    def _recognition(
        self, decoding: Decoding, context: tuple[int, int], language: str | None = None
    ) -> Recognition:
        """Return the model with these choices.

        Raises ValueError for a head that it does not have, and what `Scorers` raises.
        """
        config = self._config
        head = config.head(decoding.head)
        return Recognition(
            self._core,
            config,
            self._memory,
            head,
            context,
            decoding.max_symbols,
            self._scorers(decoding),
            decoding.beam_options(head),
            decoding.nbest,
            config.prompting(language),
            decoding.keep_language_tags,
        )

    def _check_streaming(self) -> None:
        """Raise UnsupportedModelError, with the reason, if the model cannot stream."""
        if not self.can_stream:
            raise UnsupportedModelError(
                f"{self.path}: {self.name} {self._config.streaming_obstacle}"
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
