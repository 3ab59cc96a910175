"""What the package asks of a family of models: one object for each folder here."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from parrotlet.architectures.buffering import ChunkContexts
from parrotlet.architectures.features import Features
from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.metadata import Entry
from parrotlet.architectures.prompt import Prompt

if TYPE_CHECKING:
    from parrotlet.architectures.configured import Configured, InStateDict
    from parrotlet.architectures.storage import StorageRules
    from parrotlet.architectures.tensors import Tensor


class Sizes(Protocol):
    """What every family's sizes tell.

    `contexts` are (left, right) in encoder frames, -1 for no limit, the default first; `chunked`
    says that there are several right contexts to choose from, `recurrent` that frames depend on
    none after them. What a model does not have is 0 or empty.
    """

    architecture: ClassVar[str]

    @property
    def features(self) -> Features:
        """The frontend."""

    @property
    def vocab(self) -> int:
        """Tokens, the blank not counted."""

    @property
    def heads(self) -> tuple[str, ...]:
        """Of "ctc", "rnnt" and "tdt", the default first."""

    @property
    def d_model(self) -> int:
        """Width of the encoder's frames."""

    @property
    def subsampling_factor(self) -> int:
        """Frames of features to one of the encoder."""

    @property
    def chunked(self) -> bool:
        """Whether there are right contexts to choose from."""

    @property
    def recurrent(self) -> bool:
        """Whether frames depend on none after them."""

    @property
    def contexts(self) -> tuple[tuple[int, int], ...]:
        """Attention contexts."""

    @property
    def chunk_contexts(self) -> ChunkContexts | None:
        """Contexts of buffered streaming that the model was trained with, if it was."""

    @property
    def durations(self) -> tuple[int, ...]:
        """TDT durations in encoder frames."""

    @property
    def max_symbols(self) -> int:
        """Tokens of a transducer per frame at most, 0 for no limit."""

    @property
    def prompt(self) -> Prompt | None:
        """The languages that frames are given, where the model has any."""

    @property
    def can_stream(self) -> bool:
        """Whether the runtime streams the model."""

    @property
    def streaming_obstacle(self) -> str:
        """Why the model does not stream if it cannot, and what to do: "it ..."."""

    @property
    def attention_window_obstacle(self) -> str:
        """Why frames cannot be made to see a window only: "it ..."; empty if they can."""


class CtcAlone:
    """Base class for the sizes of models with a CTC head alone.

    They have no subsampling, no chunks and no transducer.
    """

    @property
    def heads(self) -> tuple[str, ...]:
        """Heads by name."""
        return ("ctc",)

    @property
    def subsampling_factor(self) -> int:
        """Frames of features to one of the encoder."""
        return 1

    @property
    def chunked(self) -> bool:
        """There are no right contexts to choose from."""
        return False

    @property
    def chunk_contexts(self) -> ChunkContexts | None:
        """There are none."""
        return None

    @property
    def durations(self) -> tuple[int, ...]:
        """There are none without a transducer."""
        return ()

    @property
    def max_symbols(self) -> int:
        """There is no limit without a transducer."""
        return 0

    @property
    def prompt(self) -> Prompt | None:
        """There is none."""
        return None


S = TypeVar("S", bound=Sizes)


class Family(ABC, Generic[S]):
    """An architecture; methods import what they need, so that loading a model imports little.

    Two modules of its folder are optional. They are found by their names, since they import more
    than a family does: `memory` with a `PLANNER`, a `parrotlet.memory.subjects.FamilyPlanner`, and
    `work` with `count_work(file, sizes, run)`, which gives the multiply-adds of a pass by stage.
    """

    name: ClassVar[str]
    """What `general.architecture` says."""

    # Required -------------------------------------------------------------------------------

    @abstractmethod
    def read(self, keys: GgufKeys, tensors: Collection[str]) -> S:
        """The sizes that a file with these keys and `tensors` states; raises ModelFileError."""

    @abstractmethod
    def entries(self, sizes: S) -> list[Entry]:
        """What a file states of the sizes, by keys without the architecture's prefix."""

    @abstractmethod
    def tensors(self, sizes: S) -> list[Tensor]:
        """Every tensor of a file."""

    @property
    @abstractmethod
    def storage(self) -> StorageRules:
        """Which tensors take the type that is asked for."""

    # Optional: checkpoints ------------------------------------------------------------------

    state_dicts: ClassVar[str] = ""
    """What messages call a state dict of the family, if PyTorch's files are read."""

    @property
    def nemo_classes(self) -> Collection[str]:
        """NeMo's classes whose archives hold such models."""
        return ()

    def from_nemo(self, values: dict[str, Any]) -> Configured[S]:
        """The model of a parsed `model_config.yaml` whose class is one of `nemo_classes`.

        Raises CheckpointError for a setting that is missing or makes no sense, and
        UnsupportedModelError for one that is not computed here.
        """
        raise NotImplementedError

    def from_state_dict(
        self, names: Collection[str], settings: Callable[[], tuple[dict[Any, Any], str]]
    ) -> InStateDict[S] | None:
        """The model of a state dict with these names; None if that is of another family.

        `settings` reads those of the training, and gives the name of their file with them. Raises
        CheckpointError for settings that are missing, make no sense or contradict the names.
        """
        return None

    def with_heads_in(self, sizes: S, names: Collection[str]) -> S:
        """The sizes without heads of which a checkpoint with these names has nothing.

        One head is left, whatever the checkpoint has.
        """
        return sizes

    @property
    def ignored(self) -> re.Pattern[str]:
        """Names in a checkpoint that are no tensors of the model."""
        return re.compile("(?!)")

    # Optional: presets ----------------------------------------------------------------------

    def presets(self) -> Mapping[str, S]:
        """Sizes by name; `parrotlet bench` makes models with random weights of them."""
        return {}
