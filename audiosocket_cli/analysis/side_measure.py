"""What one side of a call sent, and how it arrived: the one measure of calls, live or captured."""

from __future__ import annotations

from audiosocket_cli.analysis.arrivals import Arrivals
from audiosocket_cli.analysis.block_levels import Piece
from audiosocket_cli.analysis.side_stats import SideStats, heard_of
from audiosocket_cli.analysis.speech_track import SpeechTrack, is_quiet
from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.asterisk.findings import Heard
from audiosocket_cli.runs import FrameRun


class SideMeasure:
    """Takes runs of one side, and measures levels, jitter, pace, pauses, bursts and speech."""

    __slots__ = ("arrivals", "speech", "stats")

    def __init__(self, *, plays_on_arrival: bool = False, is_heard: bool = True) -> None:
        """Take what `SpeechTrack` takes."""
        self.stats = SideStats()
        """How much it sent, and how loud that was."""
        self.arrivals = Arrivals()
        """How fast and how evenly audio came, and what it looks like."""
        self.speech = SpeechTrack(Timeline(is_quiet=is_quiet), plays_on_arrival=plays_on_arrival, is_heard=is_heard)
        """Where audio is in the call, and what of it is speech: `place` it, and `pad` it, as time passes."""

    @property
    def timeline(self) -> Timeline[Piece]:
        """Where audio is in the call."""
        return self.speech.timeline

    def take(self, run: FrameRun, *, in_bulk: bool = False) -> None:
        """Take frames of any kind. Those that were read in bulk tell nothing of jitter."""
        self.stats.take(run)
        if not run.has_audio:
            return
        self.arrivals.note(run, in_bulk=in_bulk)
        self.speech.take(run)

    def interrupt(self) -> None:
        """Know nothing of what comes before the next frame: bytes are missing there."""
        self.speech.interrupt()
        self.arrivals.interrupt()

    def heard(self, end_s: float) -> Heard:
        """Return what the rules on a side's audio judge by, of a call that has lasted so long."""
        return heard_of(self.stats, self.arrivals, self.timeline, end_s)
