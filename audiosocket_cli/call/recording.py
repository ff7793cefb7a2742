"""The WAV tap: a call on disk with true time, valid to the last second whatever happens.

Each side's frames are placed by a `Timeline` and laid out as the caller alone, the server alone, both as stereo on one
clock (caller left, server right), or mixed. The file has the rate of the first audio that arrives; other kinds later in
the call are converted to it. Frames wait `SETTLE_S` before they are placed and are handed over every `FLUSH_S`, so a
killed process loses at most their sum.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import soxr

from audiosocket_cli.call.facts import Call, Side, TimedFrame
from audiosocket_cli.call.outputs import Output, Sink
from audiosocket_cli.call.timeline import Timeline
from audiosocket_cli.codec import SAMPLE_BYTES, Frame, Kind, is_audio, rate_of
from audiosocket_cli.media.pcm import Samples, from_slin, mix, to_slin

SETTLE_S: Final = 0.5
"""How long a frame waits to be placed: a stall up to this long, with its audio in a burst after it, leaves no trace."""

RATE_WAIT_S: Final = 1.0
"""How long audio of ours waits for the caller's first, which sets the file's rate. A caller who says nothing, in a file
that has nothing of ours, is waited for without end: only silence is at stake."""


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


class Track:
    """One side's samples at the file's rate, in order, from the call's start on."""

    def __init__(self, rate_hz: int) -> None:
        self.timeline: Timeline[Frame] = Timeline()
        self._rate_hz = rate_hz
        self._converter: soxr.ResampleStream | None = None
        self._converter_kind: int | None = None
        self._ready: list[Samples] = []

    def add(self, at_s: float, frame: Frame, held_s: float) -> None:
        """Take an audio frame whose last sample was spoken by `at_s`, or as much as `held_s` earlier."""
        self.timeline.add(at_s, len(frame.payload) // SAMPLE_BYTES / rate_of(frame.kind), frame, held_s)

    def settle(self, until_s: float, pad_until_s: float) -> None:
        """Place what came until then, and fill a pause up to `pad_until_s`."""
        kind, run = 0, bytearray()
        for silence_s, frame in self.timeline.settle(until_s):
            if silence_s or frame.kind != kind:
                self._append(kind, run)
                kind, run = frame.kind, bytearray()
                if silence_s:
                    self._fall_silent(silence_s)
            run += frame.payload[: len(frame.payload) & ~1]
        self._append(kind, run)
        silence_s = self.timeline.pad(pad_until_s)
        if silence_s:
            self._fall_silent(silence_s)

    def take(self) -> Samples:
        """Return the samples made since the last time."""
        samples = np.concatenate(self._ready) if self._ready else np.zeros(0, np.int16)
        self._ready.clear()
        return samples

    def _append(self, kind: int, run: bytearray) -> None:
        """Take contiguous audio of one kind, the payloads of any number of frames."""
        if not run:
            return
        samples = from_slin(bytes(run))
        if kind != self._converter_kind:
            self.end_conversion()
        if rate_of(kind) != self._rate_hz:
            if self._converter is None:
                self._converter = soxr.ResampleStream(rate_of(kind), self._rate_hz, 1, dtype="int16")
                self._converter_kind = kind
            samples = self._converter.resample_chunk(samples)
        self._push(samples)

    def _fall_silent(self, silence_s: float) -> None:
        self.end_conversion()
        self._push(np.zeros(round(silence_s * self._rate_hz), np.int16))

    def end_conversion(self) -> None:
        """Let go of the last samples that a conversion holds back."""
        if self._converter is not None:
            self._push(self._converter.resample_chunk(np.zeros(0, np.int16), last=True))
        self._converter = self._converter_kind = None

    def _push(self, samples: Samples) -> None:
        if len(samples):
            self._ready.append(samples)


class Recording:
    """A tap that records a call. A disk that fails ends the recording, never the call."""

    def __init__(
        self,
        layout: Layout,
        output: Output,
        *,
        rate_hz: int | None = None,
        on_failure: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        """Record to what `output` makes for the call, at `rate_hz`, or at the rate that arrives.

        `on_failure` is told, once, when the recording ends before the call does.
        """
        self.layout = layout
        self.output = output
        self.error: str | None = None
        """Why the recording is not complete, if it is not."""
        self._rate_hz = rate_hz
        self._on_failure = on_failure
        self._call: Call | None = None
        self._sink: Sink | None = None
        self._tracks: dict[Side, Track] = {}
        self._waiting: list[tuple[Side, TimedFrame]] = []
        self._left_over: dict[Side, Samples] = {}

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

    def opened(self, call: Call) -> None:
        channels = 2 if self.layout is Layout.STEREO else 1
        self._call = call
        try:
            self._sink = self.output.open(call, self._rate_hz or rate_of(Kind.SLIN), channels)
        except OSError as error:
            self._fail(error)

    async def finish(self) -> None:
        """Do what takes time after the call, such as conversion, in a thread."""
        if self._sink is not None and self.error is None:
            try:
                await asyncio.to_thread(self._sink.finish)
            except OSError as error:
                self._fail(error)

    def frames(self, heard: Sequence[TimedFrame], said: Sequence[TimedFrame], now_s: float) -> None:
        if self._sink is None or self.error:
            return
        assert self._call is not None
        for side, batch in self._call.by_side(heard, said):
            if side in self.layout.sides:
                self._waiting += [(side, timed) for timed in batch if _has_audio(timed)]
        if not self._tracks:
            self._start_tracks(heard, now_s)
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
                self._start_tracks([], math.inf)
            self._place(math.inf, call.duration_s)
            for track in self._tracks.values():
                track.end_conversion()
            self._write(final=True)
        self._sink.close()

    def _start_tracks(self, heard: Sequence[TimedFrame], now_s: float) -> None:
        """Settle the file's rate: that of the caller's first audio, or of ours when the caller stays silent."""
        assert self._sink is not None
        kinds = [timed.frame.kind for timed in heard if _has_audio(timed)]
        if not kinds and now_s >= RATE_WAIT_S:
            kinds = [timed.frame.kind for _, timed in self._waiting]
        if not kinds and math.isinf(now_s):
            kinds = [Kind.SLIN]
        if kinds:
            rate_hz = self._rate_hz or rate_of(kinds[0])
            try:
                self._sink.set_rate(rate_hz)
            except OSError as error:
                self._fail(error)
                return
            self._tracks = {side: Track(rate_hz) for side in self.layout.sides}
            self._left_over = {side: np.zeros(0, np.int16) for side in self.layout.sides}

    def _place(self, until_s: float, pad_until_s: float) -> None:
        assert self._call is not None
        for side, (at_s, frame, held_s) in self._waiting:
            # What we say is heard from its deadline on; what we hear was spoken up to its arrival.
            lead_s = len(frame.payload) / SAMPLE_BYTES / rate_of(frame.kind) if side is self._call.me else 0.0
            self._tracks[side].add(at_s + lead_s, frame, held_s)
        self._waiting.clear()
        for track in self._tracks.values():
            track.settle(until_s, pad_until_s)

    def _write(self, *, final: bool) -> None:
        sides = {side: np.concatenate([self._left_over[side], track.take()]) for side, track in self._tracks.items()}
        lengths = [len(samples) for samples in sides.values()]
        length = max(lengths) if final else min(lengths)
        self._left_over = {side: samples[length:] for side, samples in sides.items()}
        columns = [np.pad(samples[:length], (0, max(0, length - len(samples)))) for samples in sides.values()]
        if not length:
            return
        assert self._sink is not None
        try:
            self._sink.append(to_slin(self._lay_out(columns)))
        except OSError as error:
            self._fail(error)

    def _lay_out(self, columns: list[Samples]) -> Samples:
        if self.layout is Layout.STEREO:
            return np.stack(columns, axis=1)
        if self.layout is Layout.MIX:
            return mix(*columns)
        return columns[0]

    def _fail(self, error: OSError) -> None:
        self.error = error.strerror or str(error)
        self._on_failure(error)


def _has_audio(timed: TimedFrame) -> bool:
    return len(timed.frame.payload) >= SAMPLE_BYTES and is_audio(timed.frame.kind)
