"""The speech of one side of a call, as its frames come: placed in time as a phone plays them, and measured."""

from __future__ import annotations

from collections.abc import Sequence

from audiosocket_cli.analysis.block_levels import Piece, pieces_of
from audiosocket_cli.analysis.stretches import Stretches, StretchFinder
from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.runs import FrameRun


def is_quiet(piece: Piece) -> bool:
    """Whether a piece ends with digital silence."""
    return piece[1].endswith(b"\0")


class SpeechTrack:
    """Puts the audio of one side on its timeline, and finds its stretches of speech there.

    A frame was spoken before it arrives. One that plays on arrival, a server's as a phone hears it, begins then.
    """

    __slots__ = ("_finder", "_frame_s", "_lag_s", "timeline")

    def __init__(self, timeline: Timeline[Piece], *, plays_on_arrival: bool = False, is_heard: bool = True) -> None:
        """Take a timeline that nobody else fills or places; without `is_heard`, it is all that is wanted."""
        self.timeline = timeline
        self._finder = StretchFinder(with_silence=False) if is_heard else None
        self._frame_s = -1.0 if plays_on_arrival else 0.0
        """Seconds in the first frame, below 0 as long as none has come; 0 where that does not matter."""
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
            self.timeline.add(at_s, piece[0], piece, held_s, since_s)

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

    def finish(self, end_s: float) -> Stretches:
        """The call has ended: return its stretches."""
        self.place(float("inf"))
        if self._finder is None:
            return Stretches([], [], end_s)
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
