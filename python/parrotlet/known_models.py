"""Published checkpoints: what each is for, what it takes, and how conversion was tried.

The table is `data/known_models.csv`, a checkpoint a line:

    name        its repository on the Hugging Face hub; without an organisation, its name in
                NVIDIA's NGC catalogue
    languages   codes (ISO 639), with spaces between
    shape       the preset that has its sizes, if they are known
    streaming   whether it was trained for live signals
    licence     as its card states it: an SPDX identifier or a name
    twin        the tiny checkpoint in `tests/data` whose structure it has, which was compared with
                NeMo; empty where there is none
    needs       what it has that is not implemented

What is not published, or was not found, is empty.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from parrotlet.architectures import preset_sizes, stored_size

LISTED_TYPE = "q8_0"
"""The type for which sizes are listed, which is the one that models are converted to."""


@dataclass(frozen=True)
class KnownModel:
    """A line of the table."""

    name: str
    languages: tuple[str, ...]
    shape: str
    streaming: bool
    licence: str
    twin: str
    needs: str

    @property
    def on_hub(self) -> bool:
        """Whether it is fetched by its name."""
        return "/" in self.name

    @property
    def bytes(self) -> int | None:
        """Size of the tensors at LISTED_TYPE; None if the sizes are not known."""
        return _bytes(self.shape) if self.shape else None

    @property
    def parameters(self) -> int | None:
        """Parameters, as `parrotlet.memory` counts them; None if the sizes are not known."""
        return _parameters(self.shape) if self.shape else None

    def speaks(self, language: str) -> bool:
        """Whether it is for a language, which may be given with a region: "de", "de-AT"."""
        return language.replace("_", "-").partition("-")[0].lower() in self.languages


@lru_cache(maxsize=1)
def known_models() -> tuple[KnownModel, ...]:
    """Return the table, in its own order: what is asked for most comes first."""
    text = (Path(__file__).parent / "data" / "known_models.csv").read_text("utf-8")
    return tuple(
        KnownModel(
            name=row["name"],
            languages=tuple(row["languages"].split()),
            shape=row["shape"],
            streaming=row["streaming"] == "yes",
            licence=row["licence"],
            twin=row["twin"],
            needs=row["needs"],
        )
        for row in csv.DictReader(text.splitlines())
    )


@lru_cache
def _bytes(shape: str) -> int:
    return stored_size(preset_sizes()[shape], LISTED_TYPE)


@lru_cache
def _parameters(shape: str) -> int:
    from parrotlet import memory

    return memory.plan(shape).parameters
