"""One side's samples in order, pauses and all, at one rate: frames are placed in time, and converted if need be."""

from __future__ import annotations

import numpy as np
import soxr

from audiosocket_cli.call.facts import TimedFrame
from audiosocket_cli.call.timeline import Timeline
from audiosocket_cli.codec import SAMPLE_BYTES, Frame, Kind, is_audio, rate_of
from audiosocket_cli.media.pcm import FULL_SCALE, Samples, decode_law, from_slin, to_int16


class Track:
    """One side's samples at the file's rate, in order, from the call's start on."""

    def __init__(self, rate_hz: int, law: str | None = None) -> None:
        """Make samples at a rate. What is labelled slin is "µ-law" or "A-law" where `law` says so."""
        self.timeline: Timeline[Frame] = Timeline()
        self._rate_hz = rate_hz
        self._law = law
        self._converter: soxr.ResampleStream | None = None
        self._converter_kind: int | None = None
        self._ready: list[Samples] = []

    def add(self, timed: TimedFrame, *, ours: bool = False) -> None:
        """Take an audio frame: one that was heard, spoken up to its time, or one of ours, heard from its time on."""
        at_s, frame, held_s = timed
        duration_s = len(frame.payload) // self._sample_bytes(frame.kind) / rate_of(frame.kind)
        self.timeline.add(at_s + duration_s * ours, duration_s, frame, held_s)

    def settle(self, until_s: float, pad_until_s: float) -> None:
        """Place what came until then, and fill a pause up to `pad_until_s`."""
        kind, run = 0, bytearray()
        for silence_s, frame in self.timeline.settle(until_s):
            if silence_s or frame.kind != kind:
                self._append(kind, run)
                kind, run = frame.kind, bytearray()
                if silence_s:
                    self._fall_silent(silence_s)
            size = self._sample_bytes(frame.kind)
            run += frame.payload[: len(frame.payload) // size * size]
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
        samples = self._decode(kind, bytes(run))
        if kind != self._converter_kind:
            self.end_conversion()
        if rate_of(kind) != self._rate_hz:
            if self._converter is None:
                # Not int16, which soxr dithers: silence would be noise.
                self._converter = soxr.ResampleStream(rate_of(kind), self._rate_hz, 1, dtype="float32")
                self._converter_kind = kind
            samples = self._convert(self._converter, samples)
        self._push(samples)

    def _convert(self, converter: soxr.ResampleStream, samples: Samples, *, last: bool = False) -> Samples:
        signal = samples.astype(np.float32) / np.float32(FULL_SCALE)
        return to_int16(converter.resample_chunk(signal, last=last))[0]

    def _sample_bytes(self, kind: int) -> int:
        return 1 if self._law and kind == Kind.SLIN else SAMPLE_BYTES

    def _decode(self, kind: int, data: bytes) -> Samples:
        return decode_law(data, self._law) if self._law and kind == Kind.SLIN else from_slin(data)

    def _fall_silent(self, silence_s: float) -> None:
        self.end_conversion()
        self._push(np.zeros(round(silence_s * self._rate_hz), np.int16))

    def end_conversion(self) -> None:
        """Let go of the last samples that a conversion holds back."""
        if self._converter is not None:
            self._push(self._convert(self._converter, np.zeros(0, np.int16), last=True))
        self._converter = self._converter_kind = None

    def _push(self, samples: Samples) -> None:
        if len(samples):
            self._ready.append(samples)


def has_samples(timed: TimedFrame) -> bool:
    """Whether a frame is audio with a sample in it."""
    return len(timed.frame.payload) >= SAMPLE_BYTES and is_audio(timed.frame.kind)
