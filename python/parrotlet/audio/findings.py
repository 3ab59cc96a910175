"""What is wrong with a recording that can be read all the same: said once each, with its place."""

from __future__ import annotations

_JOINED_SECONDS = 0.5
"""Damaged stretches so near to each other are one."""

_NAMED_STRETCHES = 3


class Findings:
    """Collects what is found while a recording is read."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._notes: dict[str, None] = {}
        self._damage: list[tuple[float, float]] = []
        self._cut: float | None = None

    def note(self, message: str) -> None:
        """Add a message, unless it is there."""
        self._notes[message] = None

    def damaged(self, start: float, end: float) -> None:
        """Note that what lies between two times in seconds could not be decoded."""
        if self._damage and start - self._damage[-1][1] <= _JOINED_SECONDS:
            self._damage[-1] = (self._damage[-1][0], max(end, self._damage[-1][1]))
        else:
            self._damage.append((start, end))

    def cut(self, time: float) -> None:
        """Note that the recording ends early, at a time in seconds, unless more follows."""
        self._cut = time

    def goes_on(self) -> None:
        """Note that another piece follows, so that the recording did not end early."""
        self._cut = None

    def messages(self) -> tuple[str, ...]:
        """Return what was found, in plain words."""
        found = list(self._notes)
        if self._damage:
            stretches = [_stretch(start, end) for start, end in self._damage[:_NAMED_STRETCHES]]
            more = len(self._damage) - len(stretches)
            if more:
                total = sum(end - start for start, end in self._damage)
                stretches.append("1 more stretch" if more == 1 else f"{more} more stretches")
                if f"{total:.1f}" != "0.0":
                    stretches.append(f"{total:.1f} s in all")
            found.append("damaged " + ", ".join(stretches))
        if self._cut is not None:
            found.append(f"ends early, cut off at {self._cut:.1f} s")
        return tuple(found)


def _stretch(start: float, end: float) -> str:
    begin, finish = f"{start:.1f}", f"{end:.1f}"
    return f"at {begin} s" if begin == finish else f"from {begin} s to {finish} s"
