"""What a checkpoint's configuration says, whichever library wrote it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from parrotlet.architectures.conformer.sizes import Conformer


@dataclass(frozen=True)
class Configured:
    """A model as configured.

    `sizes.vocab` is 0 where only the tokenizer tells it. `vocab_sizes` are the sizes that the
    configuration states, by key, without the blank; `subword` says that tokens are SentencePiece's.
    """

    sizes: Conformer
    subword: bool
    vocab_sizes: tuple[tuple[str, int], ...]

    def with_vocabulary(self, tokens: int) -> Conformer:
        """The model with a tokenizer of that many tokens."""
        return replace(self.sizes, vocab=tokens)
