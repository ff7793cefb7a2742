"""One side's samples in order, pauses and all, at one rate: frames are placed in time, and converted if need be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from audiosocket_cli.analysis.drift import MAX_STRETCH, ClockDrift
from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.audio.pcm import Samples
from audiosocket_cli.audio.stretch import MIN_SAMPLES, stretched
from audiosocket_cli.call.recording.mixer import Mixer, convert, make_converter
from audiosocket_cli.call.recording.pieces import Pieces
from audiosocket_cli.call.recording.spoken import Spoken, spoken_of
from audiosocket_cli.codec import rate_of
from audiosocket_cli.libraries import soxr
from audiosocket_cli.runs import FrameRun

_MAX_STRETCH: Final = 2 * MAX_STRETCH
"""The largest stretch, as a share of 1, when little audio is left to correct the drift in."""

_PAUSE_S: Final = 0.3
"""Seconds: after a shorter pause the conversion of mixed kinds goes on, because starting a new one is expensive."""


class Track:
    """One side's samples at the file's rate, in order, from the call's start on."""

    __slots__ = (
        "_converter",
        "_converter_kind",
        "_fraction_s",
        "_law",
        "_mixer",
        "_owed_s",
        "_rate_hz",
        "_stretch",
        "made",
        "timeline",
    )

    def __init__(self, rate_hz: int, law: str | None = None) -> None:
        """Make samples at a rate. What is labelled slin is "µ-law" or "A-law" where `law` says so."""
        self.timeline: Timeline[tuple[Spoken, int, int]] = Timeline(max_gaps=0)
        self._rate_hz = rate_hz
        self._law = law
        self._converter: soxr.ResampleStream | None = None
        self._converter_kind: int | None = None
        self._mixer: Mixer | None = None
        """The same of frames that keep changing kind."""
        self._owed_s = 0.0
        """Seconds by which the timeline was corrected and the samples have not been stretched yet."""
        self._fraction_s = 0.0
        """The part of a sample that stretching has left over."""
        self._stretch = 0.0
        """How much longer the next samples are made, as a share of their length."""
        self.made = Pieces()
        """The samples made, for somebody to take."""

    @property
    def drift(self) -> ClockDrift:
        """The clock of whose samples they are, as it was found and followed."""
        return self.timeline.drift

    def add(self, run: FrameRun, *, ours: bool = False) -> None:
        """Take audio frames: those heard end at their time, ours begin at it."""
        audio = spoken_of(run, self._law)
        start = 0
        for at_s, held_s, count, since_s in run.parts:
            end = start + count
            heard_s = audio.seconds(start, start + 1) * ours
            self.timeline.add(at_s + heard_s, audio.seconds(start, end), (audio, start, end), held_s, since_s + heard_s)
            start = end

    def place(self, until_s: float, pad_until_s: float) -> None:
        """Place what came until then, and fill a pause up to `pad_until_s`."""
        audio, first, after = None, 0, 0
        pauses: list[tuple[int, int]] = []
        for silence_s, (next_audio, start, end) in self._placed(until_s):
            follows = next_audio is audio and start == after
            if follows and silence_s and self._mixer is not None and silence_s < _PAUSE_S:
                pauses.append((start - first, round(silence_s * self._rate_hz)))
            elif silence_s or not follows:
                self._append(audio, first, after, pauses)
                audio, first, pauses = next_audio, start, []
                if silence_s:
                    self._fall_silent(silence_s)
            after = end
        self._append(audio, first, after, pauses)
        silence_s = self.timeline.pad(pad_until_s)
        if silence_s:
            self._fall_silent(silence_s)

    def _placed(self, until_s: float) -> list[tuple[float, tuple[Spoken, int, int]]]:
        """Place what arrived by `until_s`, and set how much it is to be stretched to follow the clock."""
        before_s, corrected_s = self.timeline.end_s, self.drift.corrected_s
        placed = self.timeline.place(until_s)
        if self.drift.share is not None:
            self._owed_s += self.drift.corrected_s - corrected_s
            audio_s = self.timeline.end_s - before_s - sum(silence_s for silence_s, _ in placed)
            share = self._owed_s / audio_s if audio_s > 0 else 0.0
            self._stretch = min(_MAX_STRETCH, max(-_MAX_STRETCH, share))
        return placed

    def _follow_clock(self, samples: Samples, rate_hz: int) -> Samples:
        """Return samples, shape (n,), stretched to correct a part of the drift; fractions of a sample are carried
        over."""
        if not self._stretch or len(samples) < 2 * MIN_SAMPLES:
            return samples
        self._fraction_s += len(samples) * self._stretch / rate_hz
        more = int(self._fraction_s * rate_hz)
        self._fraction_s -= more / rate_hz
        self._owed_s -= more / rate_hz
        return stretched(samples, len(samples) + more)

    def _append(self, audio: Spoken | None, start: int, end: int, pauses: Sequence[tuple[int, int]]) -> None:
        """Take some frames of a run, and the pauses between them: before which frame, and of how many samples."""
        if audio is None or start == end:
            return
        by_kind = audio.by_kind(start, end)
        if len(by_kind) > 1 or pauses:
            if self._mixer is None:
                self.end_conversion()
                self._mixer = Mixer(self._rate_hz)
            self.made.put(self._mixer.feed(by_kind, pauses))
            return
        ((kind, samples, _),) = by_kind
        samples = self._follow_clock(samples, rate_of(kind))
        if kind != self._converter_kind:
            self.end_conversion()
        if rate_of(kind) != self._rate_hz:
            if self._converter is None:
                self._converter = make_converter(kind, self._rate_hz)
                self._converter_kind = kind
            samples = convert(self._converter, samples)
        self.made.put(samples)

    def _fall_silent(self, silence_s: float) -> None:
        count = round(silence_s * self._rate_hz)
        if self._mixer is not None and silence_s < _PAUSE_S:
            self.made.put(self._mixer.pause(count))
            return
        self.end_conversion()
        self.made.put_silence(count)

    def end_conversion(self) -> None:
        """Flush the last samples that a conversion holds."""
        if self._mixer is not None:
            self.made.put(self._mixer.finish())
        if self._converter is not None:
            self.made.put(convert(self._converter, np.zeros(0, np.int16), last=True))
        self._mixer = self._converter = self._converter_kind = None
