"""Placing sound by its time stamps: gaps become silence, overlaps are dropped.

It is what FFmpeg's `aresample=async=1` does, with smaller tolerances.
"""

from __future__ import annotations

from parrotlet.audio.findings import Findings

TOLERANCE = 0.05
"""Seconds by which time stamps may be off without anything being moved.

Containers round them, to a millisecond as a rule, and recorders stamp what arrives when it does.
"""

EXACT = 0.002
"""What takes its place where something could not be decoded."""

MAX_GAP = 3600.0
"""Longest silence in seconds that a time stamp is believed."""

MAX_SILENCE = 24 * 3600.0
"""Silence in seconds that all time stamps together are believed."""

MAX_OVERLAP = 10.0
"""Time stamps that go back further, or to where they began, have begun anew."""

_PRIMING = 0.2  # seconds
_START = 1.0  # seconds from the first time stamp that are "where they began"


class Timeline:
    """Where in a recording the sound stands that is decoded."""

    def __init__(self, findings: Findings) -> None:
        """Begin at 0."""
        self.now = 0.0
        """Time in seconds at which the next sound begins."""
        self.begun_anew = False
        """Whether time stamps began anew with the sound placed last."""
        self._findings = findings
        self._shift = 0.0
        self._untouched = True
        self._first = 0.0
        self._last: float | None = None
        self._exact = self._alone = False
        self._steady = False
        self._filled = 0.0
        self._broken: float | None = None

    def begin(self, origin: float, alone: bool = False) -> None:
        """Begin a piece whose time stamps count from `origin`.

        Where the sound is `alone`, without a picture, a short time before it is the codec's.
        """
        self._shift = self.now - origin
        self._alone = alone
        self._first, self._last = origin, None
        self._untouched = True
        self._exact = self._steady = False

    def broken(self) -> None:
        """Note that what comes here could not be decoded; the next sound shows how long it was."""
        if self._broken is None:
            self._broken = self.now
        self._exact = True
        self._steady = False

    def place(self, time: float | None, seconds: float, lost: bool = False) -> float:
        """Place sound of a time stamp and length, both in seconds.

        Returns the silence to put before it, or as a negative number what to drop of it. A gap is
        damage if something was `lost` there.
        """
        # Nothing has happened since the last sound, and nothing does now: nearly always so.
        if (
            self._steady
            and time is not None
            and -TOLERANCE <= time + self._shift - self.now <= TOLERANCE
        ):
            self._last = time
            self.now += seconds
            return 0.0
        moved = 0.0
        self.begun_anew = False
        if time is not None:
            ahead = time + self._shift - self.now
            if self._untouched:
                self._first = time
                # What a decoder gives before the start, or leaves out there.
                if ahead < 0.0 or (self._alone and ahead < _PRIMING):
                    self._shift -= ahead
                    ahead = 0.0
            tolerance = EXACT if self._exact else TOLERANCE
            if not -TOLERANCE <= ahead <= tolerance:
                moved = self._move(time, ahead, seconds)
                if moved > 0.0 and lost and self._broken is None:
                    self._broken = self.now
                self.now += moved
            self._exact = False
            self._last = time
        if self._broken is not None:
            self._findings.damaged(self._broken, self.now)
            self._broken = None
        self._untouched = False
        self._steady = not (self._exact or self.begun_anew)
        self.now += seconds
        return moved

    def mend(self) -> bool:
        """Forget that what comes here could not be decoded; whether it was so."""
        broken, self._broken = self._broken, None
        return broken is not None

    def _move(self, time: float, ahead: float, seconds: float) -> float:
        if ahead > 0.0:
            if ahead > MAX_GAP or self._filled + ahead > MAX_SILENCE:
                self._findings.note(
                    f"a time stamp at {self.now:.1f} s is {ahead / 3600:.4g} hours ahead; "
                    "what follows is taken to go on without a gap"
                )
                self._shift -= ahead
                return 0.0
            self._filled += ahead
            return ahead
        # Those of an overlap go back, and then on as the sound does.
        stuck = self._last is not None and 0.0 <= time - self._last < seconds / 2
        anew = time - self._first < _START and -ahead > _START
        if stuck or anew or -ahead > MAX_OVERLAP:
            self.begun_anew = not stuck
            self._shift -= ahead
            return 0.0
        return -min(-ahead, seconds)
