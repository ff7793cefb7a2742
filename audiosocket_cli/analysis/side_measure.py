"""What one side of a call sent, and how it arrived: the one measure of calls, live or captured."""

from __future__ import annotations

from audiosocket_cli.analysis.arrivals import Arrivals
from audiosocket_cli.analysis.side_stats import SideStats, heard_of
from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.asterisk.findings import Heard
from audiosocket_cli.runs import FrameRun


class SideMeasure:
    """Takes runs of one side, and measures levels, jitter, pace, pauses and bursts."""

    __slots__ = ("arrivals", "stats", "timeline")

    def __init__(self) -> None:
        self.stats = SideStats()
        """How much it sent, and how loud that was."""
        self.arrivals = Arrivals()
        """How fast and how evenly audio came, and what it looks like."""
        self.timeline: Timeline[bool] = Timeline(is_quiet=bool)
        """Where audio is in the call: `place` it, and `pad` it, as time passes."""

    def take(self, run: FrameRun, *, in_bulk: bool = False) -> None:
        """Take frames of any kind. Those that were read in bulk tell nothing of jitter."""
        self.stats.take(run)
        if not run.has_audio:
            return
        self.arrivals.note(run, in_bulk=in_bulk)
        quiet, start = run.quiet, 0
        for at_s, held_s, count, since_s in run.parts:
            seconds = run.seconds(start, count)
            start += count
            self.timeline.add(at_s, seconds, bool(quiet[start - 1]), held_s, since_s)

    def interrupt(self) -> None:
        """Know nothing of what comes before the next frame: bytes are missing there."""
        self.timeline.interrupt()
        self.arrivals.interrupt()

    def heard(self, end_s: float) -> Heard:
        """Return what the rules on a side's audio judge by, of a call that has lasted so long."""
        return heard_of(self.stats, self.arrivals, self.timeline, end_s)
