"""The recording tap: a call on disk in true time, valid to the last second even after a crash.

Each side's frames are placed by a `Timeline` and laid out as the caller alone, the server alone, both as stereo on one
clock (caller left, server right), or mixed. The file has the rate of the first audio that arrives; other kinds later in
the call are converted to it. Frames are handed over every `FLUSH_S`, and wait `SETTLE_S` to be placed after a pause, so
a killed process loses at most their sum, and while audio goes on no more than the former.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from audiosocket_cli.analysis.arrivals import Arrivals
from audiosocket_cli.analysis.drift import ClockDrift
from audiosocket_cli.analysis.timeline import SETTLE_S
from audiosocket_cli.audio.pcm import to_slin
from audiosocket_cli.call.recording.destinations import Output, Sink
from audiosocket_cli.call.recording.disk_thread import BehindSink, Disk
from audiosocket_cli.call.recording.pieces import MAX_SAMPLES, Pieces, interleaved, joined
from audiosocket_cli.call.recording.track import Track
from audiosocket_cli.codec import Kind, rate_of
from audiosocket_cli.errors import MissingLibraryError
from audiosocket_cli.model import Call, Side
from audiosocket_cli.runs import FrameRun

RATE_WAIT_S: Final = 1.0
"""Seconds that our audio waits for the caller's first audio, which sets the file's rate. A recording without our audio
waits for the caller without limit: only silence could be lost."""


LAW_WAIT_S: Final = 10.0
"""How long after its first audio a recording that is to find out its codec waits for enough of it; nothing is on disk
until then."""


MAX_AHEAD_SAMPLES: Final = 1 << 22
"""How far one side's audio may be ahead of the other's, which is only there once its time has come: 8 MiB, 8.7 minutes
at 8 kHz. Our own choice: longer than what most servers send in one burst. What is further ahead is written alone."""


class Layout(StrEnum):
    """What goes into a recording."""

    CALLER = "caller"
    SERVER = "server"
    STEREO = "stereo"
    MIX = "mix"

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides that are recorded, in channel order."""
        if self in (Layout.STEREO, Layout.MIX):
            return (Side.CALLER, Side.SERVER)
        return (Side(self.value),)


class Decode(StrEnum):
    """How the bytes of what is labelled slin are read."""

    SLIN = "slin"
    ULAW = "ulaw"
    ALAW = "alaw"
    AUTO = "auto"  # as what they look like

    @property
    def law(self) -> str | None:
        """The codec's name where it is given, and not slin."""
        return {Decode.ULAW: "µ-law", Decode.ALAW: "A-law"}.get(self)


class Recording:
    """A tap that records a call. A disk that fails ends the recording, never the call."""

    __slots__ = (
        "_behind",
        "_call",
        "_disk",
        "_first_heard_s",
        "_first_kind",
        "_guess",
        "_on_failure",
        "_owed",
        "_rate_hz",
        "_sink",
        "_tracks",
        "_waiting",
        "_with_json",
        "error",
        "law",
        "layout",
        "output",
    )

    def __init__(
        self,
        layout: Layout,
        output: Output,
        *,
        rate_hz: int | None = None,
        decode: Decode = Decode.SLIN,
        disk: Disk | None = None,
        with_json: bool = False,
        on_failure: Callable[[OSError], None] | None = None,
    ) -> None:
        """Record to what `output` makes for the call, at `rate_hz`, or at the rate that arrives.

        `decode` is how what is heard is read; `disk` writes files behind, so that nobody waits for them; `with_json`
        says that JSON is written beside it at the end, if the output has any.

        `on_failure` is told, once, when the recording ends before the call does.
        """
        self.layout = layout
        self.output = output
        self.error: str | None = None
        """Why the recording is not complete, if it is not."""
        self.law: str | None = decode.law
        """What it was decoded from, if it was: "µ-law" or "A-law"."""
        self._guess = Arrivals() if decode is Decode.AUTO else None
        self._first_kind: int | None = None
        self._first_heard_s = math.inf
        self._rate_hz = rate_hz
        self._disk = disk
        self._with_json = with_json and output.has_json
        self._on_failure = on_failure
        self._call: Call | None = None
        self._sink: Sink | None = None
        self._tracks: tuple[tuple[Side, Track], ...] = ()
        self._waiting: list[tuple[Side, FrameRun]] = []
        self._behind = self._owed = 0
        """The channel whose next samples belong before the end of the file, and how many of them do."""

    @property
    def paths(self) -> list[Path]:
        """The files, in order; more than one past 4 GiB."""
        return self._sink.paths if self._sink else []

    @property
    def rate_hz(self) -> int:
        """The file's sample rate."""
        return self._sink.rate_hz if self._sink else rate_of(Kind.SLIN)

    @property
    def duration_s(self) -> float:
        """Seconds recorded so far."""
        return self._sink.duration_s if self._sink else 0.0

    @property
    def drift(self) -> dict[Side, ClockDrift]:
        """The clocks of those recorded that were found to run fast or slow, and followed."""
        return {side: track.drift for side, track in self._tracks if track.drift.share is not None}

    def opened(self, call: Call) -> None:
        channels = 2 if self.layout is Layout.STEREO else 1
        self._call = call
        rate_hz = self._rate_hz or rate_of(Kind.SLIN)
        open_sink = partial(self.output.open, call, rate_hz, channels, with_json=self._with_json)
        if self._disk is not None and not self.output.has_stdout:
            self._sink = BehindSink(self._disk, open_sink, rate_hz, channels)
            return
        try:
            self._sink = open_sink()
        except OSError as error:
            self._fail(error)

    def abort(self) -> None:
        """Give up what `finish` does."""
        if self._sink is not None:
            self._sink.abort()

    async def finish(self) -> None:
        """Do what takes time after the call, such as conversion, in a thread."""
        if self._sink is not None and self.error is None:
            try:
                await asyncio.to_thread(self._sink.finish)
            except (OSError, MissingLibraryError) as error:
                self._fail(error)

    def frames(self, heard: Sequence[FrameRun], said: Sequence[FrameRun], now_s: float) -> None:
        if self._sink is None or self.error:
            return
        assert self._call is not None
        for side, batch in self._call.by_side(heard, said):
            if side in self.layout.sides:
                self._waiting += [(side, run) for run in batch if run.has_samples]
        if not self._tracks:
            self._look_at(heard)
            self._start_tracks(now_s)
        if self._tracks:
            self._place(now_s - SETTLE_S, now_s - SETTLE_S)
            self._write(final=False)

    def digit(self, at_s: float, digit: str) -> None:
        pass

    def closed(self, call: Call) -> None:
        if self._sink is None:
            return
        if not self.error:
            if not self._tracks:
                self._start_tracks(math.inf)
            self._place(math.inf, call.duration_s)
        if not self.error:
            for side, track in self._tracks:
                track.end_conversion()
                note = track.drift.note_on(side.value)
                if note:
                    call.note(note)
            self._write(final=True)
        self._sink.close()

    def _look_at(self, heard: Sequence[FrameRun]) -> None:
        for run in heard:
            if run.has_samples:
                # A server may begin with slin silence, and go on at the call's rate once it knows it.
                self._first_kind = max(run.best_kind, self._first_kind or 0)  # kinds are in the order of their rates
                self._first_heard_s = min(self._first_heard_s, float(run.at_s[0]))
                if self._guess is not None:
                    self._guess.note(run)

    def _start_tracks(self, now_s: float) -> None:
        """Settle the file's rate: the best of the first audio heard, or ours when the other side stays silent."""
        assert self._sink is not None
        assert self._call is not None
        kind = self._first_kind
        if kind is None and now_s >= RATE_WAIT_S and self._waiting:
            kind = self._waiting[0][1].kind
        if kind is None and math.isinf(now_s):
            kind = Kind.SLIN
        if kind is None or not self._find_law(now_s):
            return
        rate_hz = self._rate_hz or rate_of(kind)
        try:
            self._sink.set_rate(rate_hz)
        except OSError as error:
            self._fail(error)
            return
        me = self._call.me
        self._tracks = tuple((side, Track(rate_hz, None if side is me else self.law)) for side in self.layout.sides)

    def _find_law(self, now_s: float) -> bool:
        """Find out what the bytes are, if that is to be found out; False while there are too few of them."""
        guess = self._guess
        if guess is None or self._first_kind is None:
            return True
        if guess.kind != Kind.SLIN:
            return True
        if guess.law_is_clear or now_s >= self._first_heard_s + LAW_WAIT_S:
            self.law = guess.law
            return True
        return False

    def _place(self, until_s: float, pad_until_s: float) -> None:
        assert self._call is not None
        try:
            for side, track in self._tracks:
                for spoke, run in self._waiting:
                    if spoke is side:
                        track.add(run, ours=side is self._call.me)
                track.place(until_s, pad_until_s)
            if self.output.has_stdout:
                self._fill_far_behind()
        except MissingLibraryError as error:  # needed from the first change of rate on
            self._fail(error)
        self._waiting.clear()

    def _fill_far_behind(self) -> None:
        """Fill up a side with silence that is far behind the other, whose audio waits for it: what it says from now on
        comes later in a pipe, which is written in order, than it did in the call."""
        far_s = max(track.timeline.end_s for _, track in self._tracks) - MAX_AHEAD_SAMPLES / self.rate_hz
        for _, track in self._tracks:
            if track.timeline.end_s < far_s:
                track.place(math.inf, far_s)

    def _write(self, *, final: bool) -> None:
        assert self._sink is not None
        channels = [track.made for _, track in self._tracks]
        try:
            self._mix_in(channels[self._behind])
            self._append(channels, final=final)
            if not self.output.has_stdout:
                self._write_far_ahead(channels)
        except OSError as error:
            self._fail(error)

    def _append(self, channels: list[Pieces], *, final: bool = False) -> None:
        assert self._sink is not None
        for piece in joined(interleaved(channels, mixed=self.layout is Layout.MIX, final=final)):
            if isinstance(piece, int):
                self._sink.append_silence(piece)
            else:
                self._sink.append(to_slin(piece))

    def _write_far_ahead(self, channels: list[Pieces]) -> None:
        """Write what a side has said far ahead of the other, with silence in place of the other, who is mixed in
        later."""
        lengths = [channel.length for channel in channels]
        far = max(lengths) - min(lengths) - MAX_AHEAD_SAMPLES
        if far > 0:
            self._behind = lengths.index(min(lengths))
            self._owed += far
            silence = Pieces()
            silence.put_silence(far)
            self._append([silence if number == self._behind else each for number, each in enumerate(channels)])

    def _mix_in(self, late: Pieces) -> None:
        """Write samples into the file where they belong, as the other side's have been written ahead of them."""
        assert self._sink is not None
        while self._owed and late.length:
            count = int(min(self._owed, late.run, MAX_SAMPLES))
            if late.is_silent:
                late.skip(count)
            else:
                channel = 0 if self.layout is Layout.MIX else self._behind
                self._sink.mix_in(self._owed, channel, late.take(count))
            self._owed -= count

    def _fail(self, error: OSError | MissingLibraryError) -> None:
        if isinstance(error, MissingLibraryError):
            error = OSError(str(error))
        self.error = error.strerror or str(error)
        if self._on_failure is not None:
            self._on_failure(error)
