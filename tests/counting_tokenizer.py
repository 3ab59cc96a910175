"""A tokenizer that counts its work."""

from __future__ import annotations

from parrotlet.decoding.tokenizer import SentencePieceTokenizer


class CountingTokenizer(SentencePieceTokenizer):
    """Counts the tokens that are decoded to text."""

    tokens = 0

    def decode(self, ids: object) -> str:
        """Decode and count."""
        listed = list(ids)  # type: ignore[call-overload]
        self.tokens += len(listed)
        return super().decode(listed)

    def alone(self, token: int) -> str:
        """Look up and count."""
        self.tokens += 1
        return super().alone(token)
