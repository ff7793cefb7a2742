"""One side's samples in order, pauses and all, at one rate: frames are placed in time, and converted if need be."""

from __future__ import annotations

from typing import Final

import numpy as np
import soxr

from audiosocket_cli.call.conversion import Mixer, convert, make_converter
from audiosocket_cli.call.runs import FrameRun
from audiosocket_cli.call.spoken import Spoken, spoken_of
from audiosocket_cli.call.timeline import Timeline
from audiosocket_cli.codec import rate_of
from audiosocket_cli.media.pcm import Samples

_PAUSE_S: Final = 0.3
"""As short a pause leaves the conversion of frames that keep changing kind as it is: to begin it anew is dear."""


class Track:
    """One side's samples at the file's rate, in order, from the call's start on."""

    __slots__ = ("_converter", "_converter_kind", "_law", "_mixer", "_rate_hz", "_ready", "timeline")

    def __init__(self, rate_hz: int, law: str | None = None) -> None:
        """Make samples at a rate. What is labelled slin is "µ-law" or "A-law" where `law` says so."""
        self.timeline: Timeline[tuple[Spoken, int, int]] = Timeline()
        self._rate_hz = rate_hz
        self._law = law
        self._converter: soxr.ResampleStream | None = None
        self._converter_kind: int | None = None
        self._mixer: Mixer | None = None
        """The same of frames that keep changing kind."""
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
            if self._mixer is None:
                self.end_conversion()
                self._mixer = Mixer(self._rate_hz)
            self._push(self._mixer.feed(by_kind))
            return
        ((kind, samples, _),) = by_kind
        if kind != self._converter_kind:
            self.end_conversion()
        if rate_of(kind) != self._rate_hz:
            if self._converter is None:
                self._converter = make_converter(kind, self._rate_hz)
                self._converter_kind = kind
            samples = convert(self._converter, samples)
        self._push(samples)

    def _fall_silent(self, silence_s: float) -> None:
        count = round(silence_s * self._rate_hz)
        if self._mixer is not None and silence_s < _PAUSE_S:
            self._push(self._mixer.pause(count))
            return
        self.end_conversion()
        self._push(np.zeros(count, np.int16))

    def end_conversion(self) -> None:
        """Let go of the last samples that a conversion holds back."""
        if self._mixer is not None:
            self._push(self._mixer.finish())
        if self._converter is not None:
            self._push(convert(self._converter, np.zeros(0, np.int16), last=True))
        self._mixer = self._converter = self._converter_kind = None

    def _push(self, samples: Samples) -> None:
        if len(samples):
            self._ready.append(samples)
