"""What one side of a call sent: frames and bytes by kind, audio and its levels, and the input of the findings."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from audiosocket_cli.analysis.arrivals import Arrivals
from audiosocket_cli.analysis.block_levels import Piece
from audiosocket_cli.analysis.timeline import Timeline
from audiosocket_cli.asterisk.findings import Heard
from audiosocket_cli.audio.pcm import (
    FULL_SCALE,
    SILENCE_DBFS,
    SPEECH_PEAK,
    Loudness,
    Samples,
    power_to_dbfs,
)
from audiosocket_cli.codec import SAMPLE_BYTES, kind_name, rate_of
from audiosocket_cli.mixed_runs import KindAudio, MixedRun
from audiosocket_cli.runs import EqualRun, FrameRun

_AT_LIMIT: Final = 32767
_WAV_HEADER: Final = b"WAVEfmt "
_WAV_HEADER_PEAK: Final = int(np.frombuffer(_WAV_HEADER, "<i2").max())
_WAV_HEADER_PARTS: Final = (_WAV_HEADER_PEAK, int(np.frombuffer(_WAV_HEADER, "<i2", 3, 1).max()))
"""The largest sample of the header, and of one that begins at an odd byte: each is looked for before the whole."""


class SideStats:
    """What one side sent: frames and bytes by kind, audio, levels, when it first spoke."""

    __slots__ = (
        "_energy",
        "_frames",
        "_kind",
        "_other_kinds",
        "_size",
        "audio_s",
        "clipped",
        "first_audio_s",
        "first_speech_s",
        "has_wav_header",
        "level_dbfs",
        "odd_bytes",
        "peak",
        "sample_sum",
        "samples",
    )

    def __init__(self) -> None:
        self._kind = -1
        self._frames = self._size = 0
        """The first kind, which is the only one in most calls, its frames and its payload bytes."""
        self._other_kinds: dict[int, tuple[int, int]] | None = None
        """Frames and payload bytes of the other kinds."""
        self.audio_s = 0.0
        self.level_dbfs = SILENCE_DBFS
        """The level of the last batch, for a meter."""
        self.peak = 0
        self.odd_bytes = 0
        """Bytes left over in audio frames of odd length; they belong to no sample."""
        self.first_audio_s: float | None = None
        self.first_speech_s: float | None = None
        self.samples = 0
        """Samples that were measured: all except our own silence."""
        self.sample_sum = 0.0
        self.clipped = 0
        self.has_wav_header = False
        self._energy = 0.0

    @property
    def mean_dbfs(self) -> float:
        """The level over all audio so far."""
        return power_to_dbfs(self._energy / self.audio_s) if self.audio_s else SILENCE_DBFS

    @property
    def by_kind(self) -> dict[int, tuple[int, int]]:
        """Frames and payload bytes by kind."""
        first = {self._kind: (self._frames, self._size)} if self._kind >= 0 else {}
        return first | (self._other_kinds or {})

    def take(self, run: FrameRun) -> None:
        """Count frames, of any kind."""
        if isinstance(run, MixedRun):
            self._take_mixed(run)
            return
        audio_s, energy = self.audio_s, self._energy
        self._count(run.kind, len(run), len(run) * run.size)
        if not run.has_audio:
            return
        self._count_audio(run.kind, len(run), run.size)
        if self.first_audio_s is None:
            self.first_audio_s = float(run.at_s[0])
        elif run.is_silence:
            self.level_dbfs = SILENCE_DBFS
            return
        loudness = run.loudness if self.first_speech_s is None else run.overall
        if loudness.peak:
            self._listen(run.kind, loudness, run)
            if self.first_speech_s is None and loudness.peak > SPEECH_PEAK:
                self.first_speech_s = next(iter(run.loud_s.tolist()), None)
        self._note_level(audio_s, energy)

    def _take_mixed(self, run: MixedRun) -> None:
        audio_s, energy = self.audio_s, self._energy
        for kind, frames, size in run.counts:
            self._count(kind, frames, size)
        if self.first_audio_s is None and run.has_audio:
            self.first_audio_s = float(run.sound_at_s[0])
        if self.first_speech_s is None:
            self.first_speech_s = next(iter(run.loud_s.tolist()), None)
        for one in run.audio:
            samples = len(one.samples)
            self.samples += samples
            self.audio_s += samples / rate_of(one.kind)
            self.odd_bytes += one.odd_bytes
            self._listen(one.kind, one.loudness, one)
        self._note_level(audio_s, energy)

    def _note_level(self, audio_s: float, energy: float) -> None:
        """Set the level of the audio since the side had `audio_s` seconds with so much `energy`."""
        if self.audio_s > audio_s:
            self.level_dbfs = power_to_dbfs((self._energy - energy) / (self.audio_s - audio_s))

    def _listen(self, kind: int, loudness: Loudness, audio: EqualRun | KindAudio) -> None:
        peak, _, total, energy = loudness
        self.peak = max(self.peak, peak)
        if peak >= _AT_LIMIT:
            samples = audio.samples
            self.clipped += int(np.count_nonzero((samples >= _AT_LIMIT) | (samples <= -_AT_LIMIT)))
        if peak >= _WAV_HEADER_PEAK and not self.has_wav_header:
            self.has_wav_header = _has_wav_header(audio.samples)
        self.sample_sum += total
        self._energy += energy / rate_of(kind)

    def _count_audio(self, kind: int, frames: int, size: int) -> None:
        samples = frames * (size // SAMPLE_BYTES)
        self.samples += samples
        self.audio_s += samples / rate_of(kind)
        self.odd_bytes += frames * (size % SAMPLE_BYTES)

    def _count(self, kind: int, frames: int, size: int) -> None:
        if self._kind < 0:
            self._kind = kind
        if kind == self._kind:
            self._frames += frames
            self._size += size
            return
        if self._other_kinds is None:
            self._other_kinds = {}
        frames_before, size_before = self._other_kinds.get(kind, (0, 0))
        self._other_kinds[kind] = (frames_before + frames, size_before + size)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, units in the keys."""
        return {
            "frames": {
                kind_name(kind): {"frames": frames, "bytes": size} for kind, (frames, size) in self.by_kind.items()
            },
            "audio_s": round(self.audio_s, 3),
            "level_dbfs": round(self.mean_dbfs, 1),
            "peak_dbfs": round(power_to_dbfs((self.peak / FULL_SCALE) ** 2), 1),
            "first_audio_s": _rounded(self.first_audio_s),
            "first_speech_s": _rounded(self.first_speech_s),
            "odd_bytes": self.odd_bytes,
        }


def _has_wav_header(samples: Samples) -> bool:
    """Whether the header of a WAV file is among samples, at an even or an odd byte."""
    return any((samples == part).any() for part in _WAV_HEADER_PARTS) and _WAV_HEADER in samples.tobytes()


def heard_of(side: SideStats, arrivals: Arrivals, timeline: Timeline[Piece], duration_s: float) -> Heard:
    """Return what one side of a call sounded like, for the rules that judge it."""
    first_pause_s = duration_s if side.first_audio_s is None else side.first_audio_s
    looked_at = max(1, side.samples)
    return Heard(
        kind=arrivals.kind,
        pace=arrivals.pace,
        law=arrivals.clear_law,
        disorder=arrivals.disorder,
        has_wav_header=side.has_wav_header,
        odd_bytes=side.odd_bytes,
        audio_s=side.audio_s,
        peak=side.peak / FULL_SCALE,
        offset=side.sample_sum / looked_at / FULL_SCALE,
        clipped=side.clipped / looked_at,
        longest_pause_s=max(first_pause_s, timeline.longest_gap_s),
        worst_burst_s=timeline.worst_ahead_s,
        frame_s=arrivals.frame_s,
        is_steady=arrivals.is_steady,
        is_slow=arrivals.is_slow,
        texture=arrivals.texture,
        usual_frame_s=arrivals.usual_frame_s,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
