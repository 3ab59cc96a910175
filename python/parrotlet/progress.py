"""What callers are told of work that goes on."""

from __future__ import annotations

from collections.abc import Callable

FileProgress = Callable[[int, int, str], None]
"""Called with the bytes done, the bytes in all, and the name of the file or tensor."""

ShareProgress = Callable[[float, str], None]
"""Called with the share that is done, from 0 to 1, and what is being done."""
