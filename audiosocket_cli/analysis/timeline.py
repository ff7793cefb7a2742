"""Where a side's audio sits in the call: arrival times in, true places out.

A frame of d seconds that arrives at t was spoken in [t-d, t]. Taken one by one that would turn network jitter into
clicks, and simply appending would drop every pause (Asterisk sends nothing while the caller's audio pauses). So frames
stay contiguous while they arrive about as fast as they play, a real gap becomes silence, and nothing is ever dropped.

A frame cannot arrive before it was spoken, so of the frames that follow a gap the least delayed tells where the gap
ended. That needs a look ahead: frames wait here until they are placed by `place`, and a stall followed by a burst is
seen for what it is, late audio rather than silence.

A peer's clock that runs a little fast or slow is followed, see `drift`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Final, Generic, NamedTuple, TypeVar

from audiosocket_cli.analysis.drift import ClockDrift
from audiosocket_cli.asterisk.facts import GAP_MS, QUIET_GAP_MS

SETTLE_S: Final = 0.5
"""How long a frame waits to be placed: a stall up to this long, with its audio in a burst after it, leaves no trace."""

MAX_GAPS: Final = 10_000
"""Pauses of a side that are listed; all are counted."""

_QUIET_GAP_S: Final = QUIET_GAP_MS / 1000
_ONE_FRAME_S: Final = GAP_MS / 1000
_LONG_QUIET_S: Final = 2.0

T = TypeVar("T")


class Gap(NamedTuple):
    """A stretch without audio from a side: where it starts in the call, and how long it is, in seconds."""

    start_s: float
    length_s: float


_NO_PAUSE: Final = Gap(-1.0, 0.0)


class _Quiet:
    """Digital silence as it comes: without a break, or in single frames, between which nothing is missing."""

    __slots__ = ("_audio_s", "_since_s")

    def __init__(self) -> None:
        self._audio_s = 0.0
        self._since_s = 0.0

    def add(self, end_s: float, duration_s: float) -> float:
        """Take silence that ends at `end_s`; returns how many seconds may follow without counting as a pause."""
        if not self._audio_s:
            self._since_s = end_s - duration_s
        self._audio_s += duration_s
        span_s = end_s - self._since_s
        is_sparse = self._audio_s <= _ONE_FRAME_S or self._audio_s < span_s / 2
        if span_s > _LONG_QUIET_S:  # what it is like lately
            self._since_s, self._audio_s = end_s - span_s / 2, self._audio_s / 2
        return _QUIET_GAP_S if is_sparse else 0.0

    def end(self) -> float:
        """Take anything else."""
        self._audio_s = 0.0
        return 0.0


class Timeline(Generic[T]):
    """The places of one side's audio in a call, in seconds since the call's start."""

    __slots__ = (
        "_allowed_s",
        "_begun",
        "_flowing",
        "_gap_s",
        "_is_quiet",
        "_max_gaps",
        "_pause",
        "_pending",
        "_quiet",
        "drift",
        "end_s",
        "gap_count",
        "gaps",
        "gaps_s",
        "longest_gap_s",
        "worst_ahead_s",
    )

    def __init__(
        self,
        gap_s: float = GAP_MS / 1000,
        *,
        is_quiet: Callable[[T], bool] = lambda item: False,
        max_gaps: int = MAX_GAPS,
    ) -> None:
        """`is_quiet` says whether an item ends with digital silence: after that, a gap as long as in sparsely sent
        silence is not a pause. `max_gaps` pauses are listed."""
        self.end_s = 0.0
        """Where the audio placed so far ends."""
        self.gaps: list[Gap] = []
        """The pauses between audio and after the last of it, at most `max_gaps`. Time before the first audio is not a
        pause."""
        self.gap_count = 0
        self.gaps_s = 0.0
        """How many pauses there were, and how long in all, whatever becomes of the list."""
        self.longest_gap_s = 0.0
        self.worst_ahead_s = 0.0
        """The most that audio ran ahead of the clock: how much arrived in one burst."""
        self.drift = ClockDrift()
        """The peer's clock: audio is placed shorter or longer by what it runs fast or slow."""
        self._gap_s = gap_s
        self._max_gaps = max_gaps
        self._is_quiet = is_quiet
        self._quiet = _Quiet()
        self._allowed_s = 0.0
        """Pauses after the last item that are no longer than this are none."""
        self._pause = _NO_PAUSE
        """The last one."""
        self._begun = False
        self._flowing = False
        self._pending: list[tuple[float, float, float, float, T]] = []

    def add(self, at_s: float, duration_s: float, item: T, held_s: float = 0.0, since_s: float | None = None) -> None:
        """Take audio of `duration_s` whose last sample was spoken by `at_s`, in order of arrival.

        It may have arrived as much as `held_s` earlier, unread. Audio that follows tells; where none does, it is taken
        to follow on from what came before if it can. It has come in parts since `since_s`, if not all at `at_s`.
        """
        self._pending.append((at_s, duration_s, held_s, at_s if since_s is None else since_s, item))

    def place(self, until_s: float) -> list[tuple[float, T]]:
        """Place what arrived up to `until_s`, for good, and what follows on directly.

        What arrived later, after a pause, is only looked at: there may have been none. What leaves no room for a pause
        waits for nothing, or a peer that sends ever so fast would have it all placed at once.

        Returns the items with the silence, in seconds, that goes before each: 0.0 for one that follows on.
        """
        placed: list[tuple[float, T]] = []
        least_s: list[float] | None = None
        before_s, gap_s = 0.0, self._gap_s
        for at_s, duration_s, _, since_s, item in self._pending:
            length_s = duration_s * (1 + self.drift.stretch)
            end_s, silence_s = self.end_s + length_s, 0.0
            if not self._flowing or at_s - end_s > gap_s:  # else it follows on, whatever comes next
                if least_s is None:
                    least_s = self._least_delays()
                delay_s = least_s[len(placed)] + before_s - self.end_s
                if since_s > until_s and (delay_s > 0 or self._pending[-1][2]):
                    break  # what comes next may shorten the pause; where there is none, nothing can
                silence_s = self._silence_of(delay_s)
                self._skip(silence_s)
                end_s = self.end_s + length_s
                self._begun = self._flowing = True
            self.end_s = end_s
            self.drift.placed(at_s, duration_s, end_s - at_s)
            before_s += duration_s
            if end_s - at_s > self.worst_ahead_s:
                self.worst_ahead_s = end_s - at_s
            self._allowed_s = self._quiet.add(end_s, duration_s) if self._is_quiet(item) else self._quiet.end()
            placed.append((silence_s, item))
        del self._pending[: len(placed)]
        return placed

    def pad(self, until_s: float) -> float:
        """Fill a pause up to `until_s` with silence, so that a recording grows with time; returns its length in s.

        Does nothing while audio is waiting, or for less than a gap's length, which may still be jitter.
        """
        silence_s = until_s - self.end_s
        if self._pending or silence_s <= self._gap_s:
            return 0.0
        self._skip(silence_s)
        self._flowing = False
        return silence_s

    def interrupt(self) -> None:
        """Place all that waits, for good, and know nothing of what comes before the next: that is not a pause."""
        self.place(float("inf"))
        self.drift.paused(0.0, is_long=True)
        self._begun = self._flowing = False

    def _least_delays(self) -> list[float]:
        """Return the delay of each waiting item: by how much its arrival is later than the length of all audio that
        waits up to its end. An item is not later than those after it, so each gets the least delay from it on.

        All are computed in one pass: one pass for each pause would be quadratic.
        """
        doubt = 1.0 if self._pending[-1][2] else 0.0
        left_s, said_s = [], 0.0
        for at_s, duration_s, held_s, *_ in self._pending:
            said_s += duration_s
            left_s.append(at_s - held_s * doubt - said_s)
        return list(accumulate(reversed(left_s), min))[::-1]

    def _silence_of(self, delay_s: float) -> float:
        # Jitter is absorbed inside a run of audio only: the start of one is placed where it was spoken.
        return delay_s if delay_s > (self._gap_s if self._flowing else 0.0) else 0.0

    def _skip(self, silence_s: float) -> None:
        if silence_s and self._begun:
            before = self._pause
            if abs(before.start_s + before.length_s - self.end_s) >= 1e-9:
                before = Gap(self.end_s, 0.0)
            self._pause = Gap(before.start_s, before.length_s + silence_s)
            if self._pause.length_s > self._allowed_s:
                self._count(before, self._pause)
            self.drift.paused(silence_s, is_long=self._pause.length_s > 2 * self._gap_s)
        self.end_s += silence_s

    def _count(self, before: Gap, pause: Gap) -> None:
        """Count a pause, or that one that was counted has gone on."""
        was_counted = before.length_s > self._allowed_s
        self.gaps_s += pause.length_s - (before.length_s if was_counted else 0.0)
        self.gap_count += not was_counted
        if was_counted and self.gaps and self.gaps[-1] is before:
            self.gaps[-1] = pause
        elif not was_counted and len(self.gaps) < self._max_gaps:
            self.gaps.append(pause)
        self.longest_gap_s = max(self.longest_gap_s, pause.length_s)
