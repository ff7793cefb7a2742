"""One side's audio to rows: speech and what is between it, with its pauses and bursts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.analysis.steps import GAP_S, TIGHT
from audiosocket_cli.asterisk.facts import is_burst
from audiosocket_cli.audio.pcm import SPEECH_POWER, power_to_dbfs
from audiosocket_cli.capture.items import Lost
from audiosocket_cli.capture.runs import Run
from audiosocket_cli.codec import HEADER_BYTES
from audiosocket_cli.model import Side

PAUSE_S: Final = 0.3
"""A shorter pause in speech is one between words, and no row of its own."""

LONG_GAP_S: Final = 1.0
"""A gap between frames of this length is a row of its own; shorter ones are counted."""

_ROUNDING_S: Final = 1e-6


class Row(NamedTuple):
    """A line of a timeline. `what` is a kind's name, or `speech`, `quiet`, `silence`, `gap`, `burst`, `lost`, …"""

    at_s: float
    side: Side | None
    what: str
    text: str = ""
    kind: int | None = None
    frames: int = 0
    audio_s: float = 0.0
    """Seconds of audio in it, or, for a gap, its length."""
    level_dbfs: float | None = None
    gaps: int = 0
    """Gaps within it that are not rows of their own, and the longest of them."""
    longest_gap_s: float = 0.0
    offset: int | None = None
    """Where it begins in the bytes of its side, if it does."""
    bursts: int = 0
    """Bursts within it that are not rows of their own, and the longest of them."""
    longest_burst_s: float = 0.0


class _Stretch:
    """Audio that goes on: loud, or not."""

    def __init__(self, loud: bool, kind: int, at_s: float, offset: int) -> None:
        self.loud = loud
        self.kind = kind
        self.first_s = at_s
        self.offset = offset
        self.frames = 0
        self.audio_s = 0.0
        self.energy = 0.0
        self.gaps = 0
        self.longest_gap_s = 0.0

    def add(self, frames: int, audio_s: float, energy: float) -> None:
        self.frames += frames
        self.audio_s += audio_s
        self.energy += energy

    def join(self, other: _Stretch) -> None:
        self.add(other.frames, other.audio_s, other.energy)
        self.gaps += other.gaps
        self.longest_gap_s = max(self.longest_gap_s, other.longest_gap_s)

    def note_gap(self, length_s: float) -> None:
        self.gaps += 1
        self.longest_gap_s = max(self.longest_gap_s, length_s)

    def row(self, side: Side) -> Row:
        what = "speech" if self.loud else "quiet" if self.energy else "silence"
        level = power_to_dbfs(self.energy / self.audio_s) if self.audio_s else None
        return Row(
            self.first_s, side, what, "", self.kind, self.frames, self.audio_s, level, self.gaps, self.longest_gap_s,
            self.offset,
        )  # fmt: skip


class _Burst(NamedTuple):
    """Frames that follow each other with tight steps, up to now, and the frame before them."""

    first_s: float
    last_s: float
    frames: int
    audio_s: float
    ahead_s: float
    """How far they run ahead of the clock."""
    kind: int
    offset: int


class RowBuilder:
    """Builds rows of one side's runs. `put` takes each once it is complete; their starts are not quite in order."""

    def __init__(self, side: Side, put: Callable[[Row], None], *, timed: bool, most_s: float) -> None:
        """`timed` says that frames have times of their own; a row holds at most `most_s` of audio."""
        self._side = side
        self._put = put
        self._timed = timed
        self._most_s = most_s
        self._now: _Stretch | None = None
        self._pause: _Stretch | None = None
        """What is not loud since speech, while that may still go on."""
        self._last_s: float | None = None
        self._burst: _Burst | None = None
        """What may be a burst, while it goes on."""
        self._bursts = 0
        """Bursts since the last row."""
        self._longest_burst_s = 0.0

    @property
    def open_since_s(self) -> float:
        """Where the row begins that is not complete yet; infinite when there is none."""
        open_s = self._now.first_s if self._now is not None else float("inf")
        return min(open_s, self._burst.first_s) if self._burst is not None else open_s

    def take(self, run: Run) -> None:
        """Take frames of audio."""
        powers, duration_s = run.powers, run.frame_s
        at_s, loud = run.at_s, powers > SPEECH_POWER
        cut = loud[1:] != loud[:-1]
        if self._timed:
            steps = np.diff(at_s, prepend=self._last_s if self._last_s is not None else at_s[0] - duration_s)
            cut = cut | (steps[1:] - duration_s > GAP_S)
            self._find_bursts(run, steps, duration_s)
        edges = [0, *(np.flatnonzero(cut) + 1).tolist(), len(at_s)]
        energy = np.concatenate(([0.0], np.cumsum(powers * duration_s)))
        for start, stop in itertools.pairwise(edges):
            first_s = float(at_s[start])
            if self._timed and self._last_s is not None and first_s - self._last_s - duration_s > GAP_S:
                self._gap(first_s - self._last_s - duration_s)
            offset = run.offset + start * (HEADER_BYTES + run.size)
            count = stop - start
            self._stretch(bool(loud[start]), run.kind, first_s, offset).add(
                count, count * duration_s, float(energy[stop] - energy[start])
            )
            self._last_s = float(at_s[stop - 1])
            self._complete_ready()

    def interrupt(self) -> None:
        """End the row: something else of this side follows."""
        self._end_burst()
        if self._now is not None:
            if self._pause is not None:
                self._now.join(self._pause)
            self._complete(self._now)
        self._now = self._pause = None

    def forget_time(self) -> None:
        """Take what is before the next frame for no gap: bytes are missing there."""
        self._last_s = None

    def _complete(self, stretch: _Stretch) -> None:
        """Put a finished row. It counts the bursts since the row before, except the first: that has its own row."""
        row = stretch.row(self._side)
        self._put(row._replace(bursts=max(0, self._bursts - 1), longest_burst_s=self._longest_burst_s))
        self._bursts, self._longest_burst_s = 0, 0.0

    def _stretch(self, loud: bool, kind: int, at_s: float, offset: int) -> _Stretch:
        """Return what audio that begins now belongs to."""
        now = self._now
        if now is not None and now.kind != kind:
            self.interrupt()
            now = None
        if now is None:
            self._now = _Stretch(loud, kind, at_s, offset)
            return self._now
        if loud == now.loud:
            if self._pause is not None:
                now.join(self._pause)
                self._pause = None
            return now
        if loud:
            self._complete(now)
            self._now = _Stretch(loud, kind, at_s, offset)
            return self._now
        if self._pause is None:
            self._pause = _Stretch(loud, kind, at_s, offset)
        return self._pause

    def _complete_ready(self) -> None:
        """Emit finished rows: speech followed by a pause, and rows of the full length."""
        now = self._now
        if now is not None and self._pause is not None and self._pause.audio_s > PAUSE_S - _ROUNDING_S:
            self._complete(now)
            self._now, self._pause = self._pause, None
        if self._now is not None and self._pause is None and self._now.audio_s > self._most_s - _ROUNDING_S:
            self.interrupt()

    def _gap(self, length_s: float) -> None:
        assert self._last_s is not None
        if length_s >= LONG_GAP_S:
            self.interrupt()
            self._put(Row(self._last_s, self._side, "gap", audio_s=length_s))
        elif self._now is not None:
            (self._pause or self._now).note_gap(length_s)

    def _find_bursts(self, run: Run, steps: NDArray[np.float64], duration_s: float) -> None:
        """Find what comes faster than it plays. A burst may begin in one run and end in another."""
        tight = steps < duration_s * TIGHT
        if self._burst is not None and not tight[0]:
            self._end_burst()
        if not tight.any():
            return
        edges = np.flatnonzero(np.diff(np.concatenate(([False], tight, [False])).astype(np.int8)))
        frame_bytes = HEADER_BYTES + run.size
        for start, stop in edges.reshape(-1, 2).tolist():
            last_s = float(run.at_s[stop - 1])
            if start == 0 and self._burst is not None:
                begun = self._burst
            else:  # with the frame before, of which the run before may know
                first_s = float(run.at_s[start] - steps[start])
                offset = max(0, run.offset + (start - 1) * frame_bytes)
                begun = _Burst(first_s, first_s, 1, duration_s, 0.0, run.kind, offset)
            audio_s = (stop - start) * duration_s
            self._burst = begun._replace(
                last_s=last_s, frames=begun.frames + stop - start, audio_s=begun.audio_s + audio_s,
                ahead_s=begun.ahead_s + audio_s - (last_s - begun.last_s),
            )  # fmt: skip
            if stop < len(tight):
                self._end_burst()

    def _end_burst(self) -> None:
        burst, self._burst = self._burst, None
        if burst is None or not is_burst(burst.ahead_s):
            return
        self._bursts += 1
        if self._bursts == 1:
            text = f"in {(burst.last_s - burst.first_s) * 1000:.0f} ms"
            self._put(
                Row(
                    burst.first_s, self._side, "burst", text, burst.kind, burst.frames, burst.audio_s,
                    offset=burst.offset,
                )
            )  # fmt: skip
        else:
            self._longest_burst_s = max(self._longest_burst_s, burst.audio_s)


class LossRowBuilder:
    """Builds rows of one side's losses: of those that follow each other, one for each reason."""

    def __init__(self, side: Side, put: Callable[[Row], None], *, most_s: float) -> None:
        """`put` takes each row once it is complete; a row holds the losses of at most `most_s`."""
        self._side = side
        self._put = put
        self._most_s = most_s
        self._open: dict[str, tuple[float, int, int]] = {}
        """By reason: when it began, how many bytes are lost, how often."""

    @property
    def open_since_s(self) -> float:
        """Where the row begins that is not complete yet; infinite when there is none."""
        return min((at_s for at_s, _, _ in self._open.values()), default=float("inf"))

    def take(self, lost: Lost) -> None:
        """Take a loss."""
        if lost.at_s - self.open_since_s > self._most_s:
            self.interrupt()
        at_s, lost_bytes, times = self._open.get(lost.reason, (lost.at_s, 0, 0))
        self._open[lost.reason] = at_s, lost_bytes + lost.lost_bytes, times + 1

    def interrupt(self) -> None:
        """End the rows: something else of this side follows."""
        for reason, (at_s, lost_bytes, times) in self._open.items():
            often = f", {times} times" if times > 1 else ""
            self._put(
                Row(at_s, self._side, "lost", f"{lost_bytes} byte{'' if lost_bytes == 1 else 's'} {reason}{often}")
            )
        self._open.clear()
