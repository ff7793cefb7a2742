"""One side's samples in order, pauses and all, at one rate: frames are placed in time, and converted if need be."""

from __future__ import annotations

import numpy as np
import soxr

from audiosocket_cli.call.mixed import Numbers
from audiosocket_cli.call.runs import FrameRun
from audiosocket_cli.call.spoken import Spoken, spoken_of
from audiosocket_cli.call.timeline import Timeline
from audiosocket_cli.codec import rate_of
from audiosocket_cli.media.pcm import FULL_SCALE, Samples, to_int16


class Track:
    """One side's samples at the file's rate, in order, from the call's start on."""

    __slots__ = ("_converter", "_converter_kind", "_law", "_rate_hz", "_ready", "timeline")

    def __init__(self, rate_hz: int, law: str | None = None) -> None:
        """Make samples at a rate. What is labelled slin is "µ-law" or "A-law" where `law` says so."""
        self.timeline: Timeline[tuple[Spoken, int, int]] = Timeline()
        self._rate_hz = rate_hz
        self._law = law
        self._converter: soxr.ResampleStream | None = None
        self._converter_kind: int | None = None
        self._ready: list[Samples] = []

    def add(self, run: FrameRun, *, ours: bool = False) -> None:
        """Take audio frames: such as were heard, spoken up to their time, or some of ours, heard from it on."""
        audio = spoken_of(run, self._law)
        start = 0
        for at_s, held_s, count, since_s in run.parts:
            end = start + count
            heard_s = audio.seconds(start, start + 1) * ours
            self.timeline.add(at_s + heard_s, audio.seconds(start, end), (audio, start, end), held_s, since_s + heard_s)
            start = end

    def settle(self, until_s: float, pad_until_s: float) -> None:
        """Place what came until then, and fill a pause up to `pad_until_s`."""
        audio, first, after = None, 0, 0
        for silence_s, (next_audio, start, end) in self.timeline.settle(until_s):
            if silence_s or next_audio is not audio or start != after:
                self._append(audio, first, after)
                audio, first = next_audio, start
                if silence_s:
                    self._fall_silent(silence_s)
            after = end
        self._append(audio, first, after)
        silence_s = self.timeline.pad(pad_until_s)
        if silence_s:
            self._fall_silent(silence_s)

    def take(self) -> Samples:
        """Return the samples made since the last time."""
        ready, self._ready = self._ready, []
        if len(ready) == 1:
            return ready[0]
        return np.concatenate(ready) if ready else np.zeros(0, np.int16)

    def _append(self, audio: Spoken | None, start: int, end: int) -> None:
        """Take contiguous audio: some frames of a run."""
        if audio is None or start == end:
            return
        by_kind = audio.by_kind(start, end)
        if len(by_kind) > 1:
            self._append_mixed(by_kind)
            return
        ((kind, samples, _),) = by_kind
        if kind != self._converter_kind:
            self.end_conversion()
        if rate_of(kind) != self._rate_hz:
            if self._converter is None:
                self._converter = self._converter_of(kind)
                self._converter_kind = kind
            samples = self._convert(self._converter, samples)
        self._push(samples)

    def _append_mixed(self, by_kind: list[tuple[int, Samples, Numbers]]) -> None:
        """Take frames that keep changing kind: each kind is converted in one piece, then put where its frames were."""
        self.end_conversion()
        converted = [self._converted(kind, samples, lengths) for kind, samples, lengths in by_kind]
        total = np.sum([lengths for _, lengths in converted], axis=0)
        mixed = np.empty(int(total.sum()), np.int16)
        for samples, lengths in converted:
            places = np.cumsum(total) - total
            shifts = places - (np.cumsum(lengths) - lengths)
            mixed[np.repeat(shifts, lengths) + np.arange(len(samples))] = samples
        self._push(mixed)

    def _converted(self, kind: int, samples: Samples, lengths: Numbers) -> tuple[Samples, Numbers]:
        """Return samples of a kind at the file's rate, and how many of them each frame has."""
        if rate_of(kind) == self._rate_hz:
            return samples, lengths
        ends = np.rint(np.cumsum(lengths) * (self._rate_hz / rate_of(kind))).astype(np.int64)
        size = int(ends[-1])
        samples = self._convert(self._converter_of(kind), samples, last=True)[:size]
        return np.pad(samples, (0, size - len(samples))), np.diff(ends, prepend=0)

    def _converter_of(self, kind: int) -> soxr.ResampleStream:
        # Not int16, which soxr dithers: silence would be noise.
        return soxr.ResampleStream(rate_of(kind), self._rate_hz, 1, dtype="float32")

    def _convert(self, converter: soxr.ResampleStream, samples: Samples, *, last: bool = False) -> Samples:
        signal = samples.astype(np.float32) / np.float32(FULL_SCALE)
        return to_int16(converter.resample_chunk(signal, last=last))[0]

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
