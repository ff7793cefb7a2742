"""The speech of one side of a call, as its frames come: placed in time as a phone plays them, and measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audiosocket_cli.analysis.block_levels import Piece, piece_of, pieces_of
from audiosocket_cli.analysis.steps import GAP_S
from audiosocket_cli.analysis.stretches import Stretches, StretchFinder
from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.runs import FrameRun, TimedRun


def is_quiet(piece: Piece) -> bool:
    """Whether a piece ends with digital silence."""
    return piece[1].endswith(b"\0")


class SaidTrack:
    """The speech of a side that we are. It left by our own clock, frame by frame as a phone plays it: no timeline is
    needed to know where it is in the call."""

    __slots__ = ("_end_s", "_finder")

    def __init__(self) -> None:
        self._finder = StretchFinder(with_silence=False)
        self._end_s = -math.inf
        """Where what was taken ends."""

    def take(self, run: FrameRun) -> None:
        """Take frames of which some are audio."""
        if isinstance(run, TimedRun) and run.is_steady:  # as nearly always: its parts cost more than all else here
            self._put(run.chunks.at_s[0], piece_of(run))
            return
        start = 0
        for piece, (at_s, _, count, _) in zip(pieces_of(run), run.parts, strict=True):
            self._put(at_s - piece[0] + run.seconds(start, 1), piece)
            start += count

    def _put(self, at_s: float, piece: Piece) -> None:
        """Take audio whose first frame left at `at_s`; it follows on unless there was a pause."""
        seconds, levels = piece
        start_s = at_s if at_s - self._end_s > GAP_S else self._end_s
        self._end_s = start_s + seconds
        self._finder.put(start_s, self._end_s, levels)

    def finish(self, end_s: float) -> Stretches:
        """The call has ended: return its stretches."""
        self._finder.pad(end_s)
        return self._finder.finish()


class SpeechTrack:
    """Puts the audio of one side on its timeline, and finds its stretches of speech there.

    A frame was spoken before it arrives. One that plays on arrival, a server's as a phone hears it, begins then.
    """

    __slots__ = ("_ahead_s", "_arrived_s", "_finder", "_frame_s", "_lag_s", "timeline", "worst_ahead_s")

    def __init__(self, timeline: Timeline[Piece], *, plays_on_arrival: bool = False, is_heard: bool = True) -> None:
        """Take a timeline that nobody else fills or places; without `is_heard`, it is all that is wanted."""
        self.timeline = timeline
        self._finder = StretchFinder(with_silence=False) if is_heard else None
        self._frame_s = -1.0 if plays_on_arrival else 0.0
        """Seconds in the first frame, below 0 as long as none has come; 0 where that does not matter."""
        self.worst_ahead_s = 0.0
        """The most audio that plays on arrival and had yet to be played, in seconds: after a stall, or sent at once."""
        self._ahead_s = self._arrived_s = 0.0
        self._lag_s = 0.0
        """How much later than on the timeline audio is in the call. What comes at once lies where the call begins on
        both."""

    def take(self, run: FrameRun) -> None:
        """Take frames of which some are audio."""
        parts = run.parts
        if self._frame_s < 0:
            self._frame_s = run.seconds(0, 1)
            self._lag_s = min(self._frame_s, max(0.0, parts[0][3]))
        for piece, (at_s, held_s, _, since_s) in zip(pieces_of(run), parts, strict=True):
            if self._frame_s:
                self._play(piece[0], since_s, at_s)
            self.timeline.add(at_s, piece[0], piece, held_s, since_s)

    def _play(self, seconds: float, since_s: float, at_s: float) -> None:
        """Know that so much audio came from `since_s` to `at_s`, of which somebody plays a second each second."""
        ahead_s = max(0.0, self._ahead_s - max(0.0, since_s - self._arrived_s))
        self._ahead_s, self._arrived_s = max(0.0, ahead_s + seconds - (at_s - since_s)), at_s
        self.worst_ahead_s = max(self.worst_ahead_s, self._ahead_s)

    def place(self, until_s: float) -> None:
        """Place what arrived up to `until_s`, as `Timeline.place` does."""
        before_s = self.timeline.end_s
        placed = self.timeline.place(until_s)
        if placed and self._finder is not None:
            self._find(self._finder, before_s, placed)

    def pad(self, until_s: float) -> None:
        """Nothing has come up to `until_s`, as `Timeline.pad` has it."""
        if self.timeline.pad(until_s):
            self._lag_s = max(0.0, self._frame_s)

    def interrupt(self) -> None:
        """Know nothing of what comes before the next frame."""
        self.place(float("inf"))
        self.timeline.interrupt()

    def ignore(self) -> None:
        """Place audio from now on, and find no more stretches."""
        self._finder = None

    def finish(self, end_s: float) -> Stretches:
        """The call has ended: return its stretches."""
        self.place(float("inf"))
        if self._finder is None:
            return Stretches([], [], end_s=end_s)
        self._finder.pad(end_s)
        return self._finder.finish()

    def _find(self, finder: StretchFinder, at_s: float, placed: Sequence[tuple[float, Piece]]) -> None:
        """Measure what was placed from `at_s` on, each piece after some seconds of silence."""
        silence_s = sum([silence_s for silence_s, _ in placed])
        audio_s = sum([seconds for _, (seconds, _) in placed])
        if not audio_s:
            return
        stretch = (self.timeline.end_s - at_s - silence_s) / audio_s  # a clock that is off is followed
        since_s, levels = at_s, b""
        for silence_s, (seconds, of_piece) in placed:
            if silence_s:
                if levels:
                    finder.put(since_s + self._lag_s, at_s + self._lag_s, levels)
                self._lag_s = max(0.0, self._frame_s)
                since_s = at_s = at_s + silence_s
                levels = b""
            at_s += seconds * stretch
            levels += of_piece
        finder.put(since_s + self._lag_s, at_s + self._lag_s, levels)
