"""One side's samples in order, pauses and all, at one rate: frames are placed in time, and converted if need be."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.call.drift import MAX_STRETCH, ClockDrift
from audiosocket_cli.call.pieces import Pieces
from audiosocket_cli.call.runs import TimedRun
from audiosocket_cli.call.timeline import Timeline
from audiosocket_cli.codec import SAMPLE_BYTES, Kind, rate_of
from audiosocket_cli.libraries import soxr
from audiosocket_cli.media.pcm import FULL_SCALE, Samples, decode_law, to_int16
from audiosocket_cli.media.stretch import MIN_SAMPLES, stretched

_MAX_STRETCH: Final = 2 * MAX_STRETCH
"""Where little audio is left to make good what is owed."""

_NO_FRAMES: Final = np.zeros((0, 2), np.uint8)


class Track:
    """One side's samples at the file's rate, in order, from the call's start on."""

    __slots__ = (
        "_converter",
        "_converter_kind",
        "_due_s",
        "_law",
        "_owed_s",
        "_rate_hz",
        "_stretch",
        "made",
        "timeline",
    )

    def __init__(self, rate_hz: int, law: str | None = None) -> None:
        """Make samples at a rate. What is labelled slin is "µ-law" or "A-law" where `law` says so."""
        self.timeline: Timeline[tuple[int, NDArray[np.uint8], int, int]] = Timeline()
        self._rate_hz = rate_hz
        self._law = law
        self._converter: soxr.ResampleStream | None = None
        self._converter_kind: int | None = None
        self._owed_s = self._due_s = self._stretch = 0.0
        """What the timeline has corrected and the samples have not; of that what is no whole sample; and what share
        of the samples now to be made makes it good."""
        self.made = Pieces()
        """The samples made, for somebody to take."""

    @property
    def drift(self) -> ClockDrift:
        """The clock of whose samples they are, as it was found and followed."""
        return self.timeline.drift

    def add(self, run: TimedRun, *, ours: bool = False) -> None:
        """Take audio frames: such as were heard, spoken up to their time, or some of ours, heard from it on."""
        kind, size = run.kind, self._sample_bytes(run.kind)
        samples = run.size // size
        frame_s = samples / rate_of(kind)
        payloads, start = run.payloads[:, : samples * size], 0
        heard_s = frame_s * ours
        for at_s, held_s, count, since_s in run.parts:
            end, item = start + count, (kind, payloads, start, start + count)
            self.timeline.add(at_s + heard_s, count * frame_s, item, held_s, since_s + heard_s)
            start = end

    def settle(self, until_s: float, pad_until_s: float) -> None:
        """Place what came until then, and fill a pause up to `pad_until_s`."""
        kind, frames, first, after = 0, _NO_FRAMES, 0, 0
        for silence_s, (next_kind, next_frames, start, end) in self._placed(until_s):
            if silence_s or next_frames is not frames or start != after:
                self._append(kind, frames[first:after])
                kind, frames, first = next_kind, next_frames, start
                if silence_s:
                    self._fall_silent(silence_s)
            after = end
        self._append(kind, frames[first:after])
        silence_s = self.timeline.pad(pad_until_s)
        if silence_s:
            self._fall_silent(silence_s)

    def _placed(self, until_s: float) -> list[tuple[float, tuple[int, NDArray[np.uint8], int, int]]]:
        """Place what came until then, and note how much longer than it plays it is to be."""
        before_s, corrected_s = self.timeline.end_s, self.drift.corrected_s
        placed = self.timeline.settle(until_s)
        if self.drift.share is not None:
            self._owed_s += self.drift.corrected_s - corrected_s
            audio_s = self.timeline.end_s - before_s - sum(silence_s for silence_s, _ in placed)
            share = self._owed_s / audio_s if audio_s > 0 else 0.0
            self._stretch = min(_MAX_STRETCH, max(-_MAX_STRETCH, share))
        return placed

    def _follow_clock(self, samples: Samples, rate_hz: int) -> Samples:
        """Return samples, shorter or longer by a share of what is owed; what is no whole sample is owed on."""
        if not self._stretch or len(samples) < 2 * MIN_SAMPLES:
            return samples
        self._due_s += len(samples) * self._stretch / rate_hz
        more = int(self._due_s * rate_hz)
        self._due_s -= more / rate_hz
        self._owed_s -= more / rate_hz
        return stretched(samples, len(samples) + more)

    def _append(self, kind: int, payloads: NDArray[np.uint8]) -> None:
        """Take contiguous audio of one kind, the payloads of any number of frames."""
        if not len(payloads):
            return
        samples = self._follow_clock(self._decode(kind, payloads), rate_of(kind))
        if kind != self._converter_kind:
            self.end_conversion()
        if rate_of(kind) != self._rate_hz:
            if self._converter is None:
                # Not int16, which soxr dithers: silence would be noise.
                self._converter = soxr.ResampleStream(rate_of(kind), self._rate_hz, 1, dtype="float32")
                self._converter_kind = kind
            samples = self._convert(self._converter, samples)
        self.made.put(samples)

    def _convert(self, converter: soxr.ResampleStream, samples: Samples, *, last: bool = False) -> Samples:
        signal = samples.astype(np.float32) / np.float32(FULL_SCALE)
        return to_int16(converter.resample_chunk(signal, last=last))[0]

    def _sample_bytes(self, kind: int) -> int:
        return 1 if self._law and kind == Kind.SLIN else SAMPLE_BYTES

    def _decode(self, kind: int, payloads: NDArray[np.uint8]) -> Samples:
        if self._law and kind == Kind.SLIN:
            return decode_law(payloads.tobytes(), self._law)
        samples = np.ascontiguousarray(payloads).view("<i2").astype(np.int16, copy=False)
        return samples.reshape(-1)

    def _fall_silent(self, silence_s: float) -> None:
        self.end_conversion()
        self.made.put_silence(round(silence_s * self._rate_hz))

    def end_conversion(self) -> None:
        """Let go of the last samples that a conversion holds back."""
        if self._converter is not None:
            self.made.put(self._convert(self._converter, np.zeros(0, np.int16), last=True))
        self._converter = self._converter_kind = None
