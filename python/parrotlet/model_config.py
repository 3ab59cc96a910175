"""What the Python side needs to know of a model, read from the metadata of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parrotlet.architectures import sizes_of
from parrotlet.architectures.buffering import ChunkContexts, ContextSize
from parrotlet.architectures.prompt import Prompt
from parrotlet.decoding.options import find_head
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.decoding.vocabulary import tokenizer_from_metadata
from parrotlet.errors import ModelFileError, UnsupportedModelError
from parrotlet.prompting import Prompting, find_prompting

UNTRAINED_CONTEXT_SECONDS = (10.0, 2.0)
"""Left and right context of a model that was not trained for buffered streaming, unless told;
`left_context_secs` and `right_context_secs` of NeMo's script."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Settings of one model; `docs/format.md` describes the keys they come from.

    `contexts` are (left, right) in encoder frames, -1 for no limit, the default first. `recurrent`
    says that frames depend on none after them, and `streaming_obstacle` why the model does not
    stream, if it cannot, and what to do: "it ...". `chunk_contexts` are those of buffered streaming
    that the model was trained with. `attention_window_obstacle` says why frames cannot be made to
    see a window only, if they cannot. `prompt` has the languages, if it is told any.
    """

    architecture: str
    name: str
    sample_rate: int
    hop_length: int
    mel_bands: int
    d_model: int
    subsampling: int
    heads: tuple[str, ...]
    chunked: bool
    recurrent: bool
    contexts: tuple[tuple[int, int], ...]
    durations: tuple[int, ...]
    max_symbols: int
    tokenizer: Tokenizer
    chunk_contexts: ChunkContexts | None = None
    streaming_obstacle: str = ""
    attention_window_obstacle: str = ""
    prompt: Prompt | None = None

    @property
    def right_contexts(self) -> tuple[int, ...]:
        """Right attention contexts to choose from, the default first; empty without a choice."""
        return tuple(right for _, right in self.contexts) if self.chunked else ()

    def head(self, name: str | None) -> str:
        """Return the one of `heads` that `Decoding.head` names; raises ValueError."""
        found = find_head(name, self.heads)
        if found is not None:
            return found
        known = " or ".join(
            '"ctc"' if head == "ctc" else f'"transducer" ({head})' for head in self.heads
        )
        raise ValueError(f"head is {name!r}; {self.name} has {known}")

    def context(self, right: int | None) -> tuple[int, int]:
        """Return the (left, right) attention context for one of `right_contexts`, or None.

        Raises ValueError for another one.
        """
        if right is None:
            return self.contexts[0]
        if not self.chunked:
            raise ValueError(
                f"right_context is {right!r}, but {self.name} {self.look_ahead}; leave it out"
            )
        for context in self.contexts:
            if type(right) is int and context[1] == right:
                return context
        known = ", ".join(str(value) for value in self.right_contexts)
        raise ValueError(f"right_context is {right!r}; {self.name} was trained for {known}")

    def local_context(self, window: int) -> tuple[int, int]:
        """Return the attention context in which a frame sees `window` others on either side.

        It is that of NeMo's change_attention_model("rel_pos_local_attn", [window, window]). Raises
        UnsupportedModelError for a model that has no such context.
        """
        if self.attention_window_obstacle:
            raise UnsupportedModelError(
                f"attention_window is {window}, but {self.name} {self.attention_window_obstacle}; "
                "leave it out"
            )
        return window, window

    def window(self, left: int | None, chunk: int | None, right: int | None) -> ContextSize | None:
        """Return the window of buffered streaming for the sizes that are given, in encoder frames;
        None if the model streams without one.

        Raises ValueError for sizes that make none, and for any where the model streams without.
        """
        contexts = self.chunk_contexts
        if contexts is None:
            if left is None and chunk is None:
                return None
            name, value = ("chunk_size", chunk) if left is None else ("left_context", left)
            if self.chunked or self.recurrent:
                chunks = "has chunks of right_context + 1 frames"
                how = self.look_ahead if self.recurrent else chunks
                raise ValueError(f"{name} is {value!r}, but {self.name} {how}; leave it out")
            if chunk is None:
                raise ValueError(f"left_context is {left!r}, without a chunk_size; name both")
            contexts = self._untrained(chunk)
        return contexts.choose(left, chunk, right)

    def _untrained(self, chunk: int) -> ChunkContexts:
        """Return the contexts for a model that was trained on whole recordings."""
        left, right = (round(s / self.frame_seconds) for s in UNTRAINED_CONTEXT_SECONDS)
        return ChunkContexts((left,), (chunk,), (right,))

    def within(self, window: ContextSize) -> tuple[int, int, int]:
        """Return the (left, right, chunk) attention context of the encoder in a window, -1 for no
        limit."""
        if self.chunk_contexts is None:
            return (*self.contexts[0], -1)
        return window.left, window.right, window.chunk

    def prompting(self, language: str | None) -> Prompting:
        """Return what stands for a language, or for None; raises ValueError for another one."""
        return find_prompting(language, self.prompt, self.name)

    @property
    def frame_seconds(self) -> float:
        """Distance of encoder frames in seconds."""
        return self.subsampling * self.hop_length / self.sample_rate

    @property
    def look_ahead(self) -> str:
        """What the model looks at beyond a frame, where there is no choice: "it ..."."""
        if self.recurrent:
            return "is recurrent and looks at nothing ahead"
        return "attends to the whole recording"

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any], path: Path) -> ModelConfig:
        """Read the settings; raises ModelFileError for what is missing or makes no sense, and
        UnsupportedModelError for an architecture that is not known."""
        sizes = sizes_of(metadata, path)
        tokenizer = tokenizer_from_metadata(metadata, str(path))
        if len(tokenizer.pieces) != sizes.vocab:
            raise ModelFileError(
                f"{path}: {sizes.architecture}.vocab_size is not that of the "
                f"{len(tokenizer.pieces)} tokens; convert the checkpoint again"
            )
        return cls(
            architecture=sizes.architecture,
            name=str(metadata.get("general.name") or path.stem),
            sample_rate=sizes.features.sample_rate,
            hop_length=sizes.features.hop_length,
            mel_bands=sizes.features.mel_bands,
            d_model=sizes.d_model,
            subsampling=sizes.subsampling_factor,
            heads=sizes.heads,
            chunked=sizes.chunked,
            recurrent=sizes.recurrent,
            contexts=sizes.contexts,
            durations=sizes.durations,
            max_symbols=sizes.max_symbols,
            tokenizer=tokenizer,
            chunk_contexts=sizes.chunk_contexts,
            streaming_obstacle=sizes.streaming_obstacle,
            prompt=sizes.prompt,
            attention_window_obstacle=sizes.attention_window_obstacle,
        )
