"""What the package asks of a family of models: one object for each folder beside this file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from parrotlet.architectures.features import Features
from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.metadata import Entry

if TYPE_CHECKING:
    from parrotlet import _core
    from parrotlet.architectures.storage import StorageRules
    from parrotlet.architectures.tensors import Tensor
    from parrotlet.architectures.work import Pass, Work
    from parrotlet.memory.subjects import FamilyPlanner


class Sizes(Protocol):
    """What every family's sizes tell.

    `contexts` are (left, right) in encoder frames, -1 for no limit, the default first; `chunked`
    says that there are several right contexts to choose from, `recurrent` that frames depend on
    none after them. What a model has not is 0 or empty.
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
    def durations(self) -> tuple[int, ...]:
        """TDT durations in encoder frames."""

    @property
    def max_symbols(self) -> int:
        """Tokens of a transducer per frame at most, 0 for no limit."""

    @property
    def feed_forward(self) -> int:
        """Inner width of feed-forward modules."""

    @property
    def joint_hidden(self) -> int:
        """Width of the joint."""

    @property
    def can_stream(self) -> bool:
        """Whether the runtime streams the model."""

    @property
    def streaming_obstacle(self) -> str:
        """Why the model does not stream if it cannot, and what to do: "it ..."."""


S = TypeVar("S", bound=Sizes)


class Family(ABC, Generic[S]):
    """An architecture; methods import what they need, so that loading a model imports little."""

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

    # Optional -------------------------------------------------------------------------------

    def presets(self) -> Mapping[str, S]:
        """Sizes by name, of which `parrotlet bench` makes models with random weights."""
        return {}

    def planner(self) -> FamilyPlanner[S] | None:
        """What plans memory, if that can be planned."""
        return None

    def work(self, file: _core.GgufFile, sizes: S) -> Callable[[Pass], dict[str, Work]] | None:
        """What counts the multiply-adds of a pass through the model in a file, by stage."""
        return None
