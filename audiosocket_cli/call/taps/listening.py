"""The sound of a live call, for somebody who listens in: both sides on one axis, once they are there.

A recording may look half a second ahead before it says where a pause ended; a listener may not. So each side goes on
where it was while its frames come about as fast as they play, and only a side that has been silent for `_GAP_S` is
filled up with silence, so that the other need not wait for it.

    what came late    is heard late, until the caller pauses: quiet frames are left out while it is more than `_LATE_S`
                      late, and any while it is more than `_MAX_LATE_S` late. Callers speak in real time.
    what came early   is heard when its time has come, as the caller hears it: servers send answers in bursts. What is
                      more than `MAX_AHEAD_S` ahead is left out.
    another kind      is converted to the rate of the stream, which never changes.

All that is left out is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from audiosocket_cli.audio.pcm import Samples, frames_from_slin, peak_of, to_slin
from audiosocket_cli.call.recording.mixer import convert, make_converter
from audiosocket_cli.call.recording.pieces import Pieces
from audiosocket_cli.chunks import Chunk, Chunks
from audiosocket_cli.codec import HEADER_BYTES, SAMPLE_BYTES, is_audio, rate_of
from audiosocket_cli.libraries import soxr
from audiosocket_cli.mixed_runs import MixedFrames, MixedRun
from audiosocket_cli.model import Side

BYTES_PER_SAMPLE: Final = 2 * SAMPLE_BYTES
"""Of both sides together."""

MAX_AHEAD_S: Final = 60.0
"""How much audio may wait for its time to come. Our own choice: an answer of a minute, 960 KB at 8 kHz."""

_GAP_S: Final = 0.06
"""How long a side may be late with its next frame before it is silent."""

_SETTLE_S: Final = {Side.CALLER: 0.03, Side.SERVER: 0.005}
"""How far behind the clock silence is filled in: a caller's frame was spoken before it came."""

_HELD_UP_S: Final = 0.05
"""Whoever asks for samples later than this after the last time was held up himself."""

_LATE_S: Final = 0.1
_MAX_LATE_S: Final = 1.0
_QUIET_PEAK: Final = 300
"""Samples below this, -41 dBFS, are a pause that a caller makes."""

_MAX_CONVERTERS: Final = 8
"""How often the kind may change in one batch: a new converter costs more than a second of audio. The rest is left
out."""


class CallSound:
    """Samples of both sides, caller left and server right, as they come."""

    def __init__(self, rate_hz: int, now_s: float, ahead_s: float = 0.0) -> None:
        """Begin at `now_s`, in seconds since the call's start. The server has sent `ahead_s` of audio already that the
        caller has yet to hear: it is not known, and silence here."""
        self.rate_hz = rate_hz
        self._made = round(now_s * rate_hz)
        self._asked_s = now_s
        self._sides = {side: _Lane(side, rate_hz, self._made) for side in Side}
        self._sides[Side.SERVER].skip_ahead(min(ahead_s, MAX_AHEAD_S))

    @property
    def at_s(self) -> float:
        """Up to when it is made, in seconds since the call's start."""
        return self._made / self.rate_hz

    @property
    def gaps(self) -> dict[Side, int]:
        """How often each side fell silent: sent nothing at all."""
        return {side: lane.gaps for side, lane in self._sides.items()}

    @property
    def left_out_s(self) -> float:
        """Seconds of audio that came too late or too early, or of kinds that changed too often, and were left out."""
        return sum(lane.left_out for lane in self._sides.values()) / self.rate_hz

    def take(self, caller: Chunks, server: Chunks, now_s: float, *, is_last: bool = False) -> bytes:
        """Take what has come; return what is there by now, as 16-bit samples, little-endian, both sides in turn. The
        last of a call is all that the caller has said, however late it came.

        Raises `MissingLibraryError` where a kind has to be converted, and cannot be.
        """
        now = round(now_s * self.rate_hz)
        was_held_up, self._asked_s = now_s > self._asked_s + _HELD_UP_S, now_s
        for lane, chunks in zip(self._sides.values(), (caller, server), strict=True):
            lane.add(chunks)
            if not was_held_up:  # else frames may be there that we have yet to read
                lane.fill(now)
        end = min(now, *(lane.end for lane in self._sides.values()))
        if is_last:
            end = max(now, self._sides[Side.CALLER].end)
            for lane in self._sides.values():
                lane.fill_up(end)
        count = end - self._made
        if count <= 0:
            return b""
        self._made += count
        return to_slin(np.stack([lane.take(count) for lane in self._sides.values()], axis=1))


class _Lane:
    """One side: its samples from where the stream was made up to, to where they end."""

    def __init__(self, side: Side, rate_hz: int, start: int) -> None:
        self._start = self.end = start
        """Where what was placed ends, in samples since the call's start."""
        self.gaps = 0
        self.left_out = 0
        self._is_caller = side is Side.CALLER
        self._rate_hz = rate_hz
        self._gap = round(_GAP_S * rate_hz)
        self._settle = round(_SETTLE_S[side] * rate_hz)
        self._flows = False
        self._made = Pieces()
        self._converter: soxr.ResampleStream | None = None
        self._kind: int | None = None
        """The kind of audio that the converter takes."""

    def skip_ahead(self, seconds: float) -> None:
        """The next samples follow samples that are unknown."""
        count = round(seconds * self._rate_hz)
        self._made.put_silence(count)
        self.end += count
        self._flows = count > 0

    def add(self, chunks: Chunks) -> None:
        """Place what has come."""
        changes = 0
        for kind, samples, at_s in _audio_of(chunks):
            changes += kind != self._kind
            spoken = round(len(samples) / rate_of(kind) * self._rate_hz)
            if changes > _MAX_CONVERTERS:
                self.left_out += spoken
            else:
                start = round(at_s * self._rate_hz) - (spoken if self._is_caller else 0)
                self._place(start, self._converted(kind, samples))

    def fill(self, now: int) -> None:
        """Fill up with silence a side that sends nothing."""
        if self._flows and now - self.end > self._gap:
            self._flows = False
            self.gaps += 1
        if not self._flows:
            self.fill_up(now - self._settle)

    def fill_up(self, end: int) -> None:
        """Put silence up to there."""
        if end > self.end:
            self._made.put_silence(end - self.end)
            self.end = end

    def take(self, count: int) -> Samples:
        """Return the next samples, shape (count,)."""
        taken: list[Samples] = []
        while count:
            some = int(min(count, self._made.run))
            taken.append(self._made.take(some))
            count -= some
        return taken[0] if len(taken) == 1 else np.concatenate(taken)

    def _place(self, start: int, samples: Samples) -> None:
        if start < self._start:  # before anybody listened
            samples = samples[self._start - start :]
            start = self._start
        if not len(samples):
            return
        pause = start - self.end
        if not self._flows or pause > self._gap:
            self.fill_up(start)
            self._flows = True
        if self._is_out_of_time(-pause / self._rate_hz, samples):
            self.left_out += len(samples)
        else:
            self._made.put(samples)
            self.end += len(samples)

    def _is_out_of_time(self, ahead_s: float, samples: Samples) -> bool:
        """Whether samples are to be left out that would be heard so much later than they came."""
        if not self._is_caller:
            return ahead_s > MAX_AHEAD_S
        return ahead_s > _MAX_LATE_S or (ahead_s > _LATE_S and peak_of(samples) < _QUIET_PEAK)

    def _converted(self, kind: int, samples: Samples) -> Samples:
        if kind != self._kind:
            self._kind = kind
            self._converter = None if rate_of(kind) == self._rate_hz else make_converter(kind, self._rate_hz)
        return samples if self._converter is None else convert(self._converter, samples)


def _audio_of(chunks: Chunks) -> Iterator[tuple[int, Samples, float]]:
    """Yield the audio in chunks: its kind, its samples, shape (n,), and when the last of it passed, or would have, had
    the audio of its chunk come as fast as it plays."""
    for chunk in chunks:
        at_s, _, count, data = chunk
        if isinstance(data, MixedFrames):
            yield from _mixed_audio_of(chunk)
            continue
        size = len(data) // count - HEADER_BYTES
        if is_audio(data[0]) and size >= SAMPLE_BYTES:
            frames = np.frombuffer(data, np.uint8).reshape(count, HEADER_BYTES + size)
            yield data[0], frames_from_slin(frames[:, HEADER_BYTES:]).reshape(-1), at_s


def _mixed_audio_of(chunk: Chunk) -> Iterator[tuple[int, Samples, float]]:
    for kind, payloads, _ in MixedRun([chunk]).equal():
        if is_audio(kind) and payloads.shape[1] >= SAMPLE_BYTES:
            yield kind, frames_from_slin(payloads).reshape(-1), chunk[0]
