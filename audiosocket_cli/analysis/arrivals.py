"""How audio arrives: its jitter, its pace, an excerpt of its bytes. What its kind says may not be what it is."""

from __future__ import annotations

import math
from array import array
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiosocket_cli.analysis.steps import jitter_of
from audiosocket_cli.asterisk.findings import PACE_TOLERANCE
from audiosocket_cli.audio.pcm import Excerpt
from audiosocket_cli.codec import Kind
from audiosocket_cli.runs import FrameRun

_EXCERPT_BYTES: Final = 8000
_EXCERPT_FRAMES: Final = 500
"""Frames of a batch that are looked at for it."""
_CLEAR_BYTES: Final = 2400
_GROUP: Final = 10
_MIN_PACES: Final = 5
_MAX_PACES: Final = 50
_SMOOTHING: Final = 15 / 16
_WEIGHTS: Final = _SMOOTHING ** np.arange(511, -1, -1) / 16  # older arrivals than these count for nothing

_STEADY: Final = 0.2
_MOST: Final = 0.75
"""As much of the audio as comes within that of one pace, where nothing but its label is wrong."""

_MOSTLY: Final = 0.65
"""As much of it comes slowly over a link that is too slow; what waited at its end comes faster."""

_LAW_PACE: Final = 0.75
"""Audio that comes slower than this is decoded as what it is, where it is made of 8-bit samples."""

_LAW_SILENCE: Final = {0x7F: "µ-law", 0xD5: "A-law", 0x55: "A-law"}
"""Bytes of which whole frames of silence are made. 0xff is silence in µ-law, too, but slin of -1 is not a rarity."""

_MIN_SILENT: Final = 25
"""This many such frames, and no others, are not an accident."""

_MAX_LENGTHS: Final = 16
"""The most lengths of frames that are distinguished."""


class Reading(NamedTuple):
    """What bytes look like, by `audio.pcm`."""

    law: str | None
    disorder: str | None
    texture: str | None


_NO_LOOK: Final = 0, Reading(None, None, None)


class Arrivals:
    """How fast the heard side's audio came, how evenly, and a sample of its bytes."""

    __slots__ = (
        "_at_s",
        "_before_s",
        "_chunk_s",
        "_chunk_size",
        "_excerpt",
        "_first_look",
        "_group_audio_s",
        "_group_size",
        "_group_wall_s",
        "_last_s",
        "_lengths",
        "_paces",
        "_reading",
        "_silent",
        "_wants_paces",
        "frame_s",
        "jitter_s",
        "kind",
    )

    def __init__(self) -> None:
        self.jitter_s: float | None = None
        """Jitter, as `steps` has it, smoothed as in RFC 3550, section 6.4.1; None where there is none to smooth."""
        self.kind: int = Kind.SLIN
        self.frame_s = 0.0
        """Seconds of audio in its longest frame, by the label."""
        self._excerpt = bytearray()
        self._lengths: dict[float, float] = {}
        """Seconds of audio by the length of its frames."""
        self._silent: dict[str, int] | None = None
        """Frames of a law's silence."""
        self._reading: Reading | None = None
        """What a whole excerpt looks like; the excerpt is dropped then."""
        self._first_look = _NO_LOOK
        """What so many bytes of an excerpt that is not whole look like."""
        self._paces = array("f")
        self._group_audio_s = self._group_wall_s = 0.0
        self._group_size = 0
        self._last_s = math.nan
        """When the last arrived."""
        self._at_s: float | None = None
        self._before_s: float | None = None
        self._chunk_s = 0.0
        self._chunk_size = 0
        self._wants_paces = True

    @property
    def pace(self) -> float:
        """Seconds of audio that came in a second, by the median; 0.0 while there is too little to tell."""
        if len(self._paces) < _MIN_PACES:
            return 0.0
        paces, middle = sorted(self._paces), len(self._paces) // 2
        return (paces[middle] + paces[~middle]) / 2

    @property
    def is_steady(self) -> bool:
        """Whether most of it came at that pace; audio that a network held back, and then released, did not."""
        pace = self.pace
        return sum(abs(one - pace) <= _STEADY * pace for one in self._paces) >= _MOST * len(self._paces)

    @property
    def is_slow(self) -> bool:
        """Whether most of it came slower than it plays. Of a short call with a pause, half of it may seem to: what was
        read at its two edges holds less than others."""
        slow = sum(one < 1 - PACE_TOLERANCE for one in self._paces)
        return len(self._paces) >= _MIN_PACES and slow >= _MOSTLY * len(self._paces)

    def _end_group(self) -> None:
        """Take some arrivals together: jitter makes the pace of a single one too fast more often than too slow."""
        pace = self._group_audio_s / self._group_wall_s
        self._paces.extend([pace] * (self._group_size // _GROUP))
        self._group_audio_s = self._group_wall_s = 0.0
        self._group_size = 0

    @property
    def law(self) -> str | None:
        """ "µ-law" or "A-law" when it comes as slowly as that, and makes better sense as that than as slin."""
        return self.law_of_bytes if 0 < self.pace < _LAW_PACE else None

    @property
    def law_of_bytes(self) -> str | None:
        """The same by the bytes alone, however fast they came."""
        if self._reading is None and not self._excerpt:
            return next((law for law, frames in (self._silent or {}).items() if frames >= _MIN_SILENT), None)
        return self._read().law

    @property
    def clear_law(self) -> str | None:
        """The same where there are bytes enough to tell, or it comes as slowly as that."""
        is_clear = self._reading is not None or len(self._excerpt) >= _CLEAR_BYTES or not self._excerpt
        return self.law_of_bytes if is_clear else self.law

    @property
    def disorder(self) -> str | None:
        """What happened to the bytes, as in `audio.pcm.guess_disorder`."""
        return self._read().disorder

    @property
    def texture(self) -> str | None:
        """ "slin" or "codec", as in `audio.pcm.guess_texture`."""
        return self._read().texture

    @property
    def usual_frame_s(self) -> float:
        """Seconds of audio, by the label, in the frames that most of it is in; 0.0 where there is none."""
        return max(self._lengths, key=self._lengths.__getitem__, default=0.0)

    def _read(self) -> Reading:
        if self._reading is not None:
            return self._reading
        size, reading = self._first_look
        if size != len(self._excerpt):
            excerpt = Excerpt(bytes(self._excerpt))
            reading = Reading(excerpt.law, excerpt.disorder, excerpt.texture)
            self._first_look = len(self._excerpt), reading
        return reading

    def _note_length(self, frame_s: float, frames: int) -> None:
        self.frame_s = max(self.frame_s, frame_s)
        if frame_s in self._lengths or len(self._lengths) < _MAX_LENGTHS:
            self._lengths[frame_s] = self._lengths.get(frame_s, 0.0) + frames * frame_s

    @property
    def law_is_clear(self) -> bool:
        """Whether enough was heard to trust `law`."""
        has_enough = self._reading is not None or len(self._excerpt) >= _CLEAR_BYTES
        pace = self.pace
        return pace >= _LAW_PACE or (pace > 0 and has_enough)

    def note(self, run: FrameRun, *, in_bulk: bool = False) -> None:
        """Take audio frames. Those read at once arrived as one: what they hold was said since the last.

        Frames that were read in bulk tell nothing of jitter.
        """
        self._note_length(run.longest_s, len(run))
        if not in_bulk:
            self._note_jitter(*run.arrived)
        self.kind = run.kind
        if (self._wants_paces or self.wants_bytes) and run.is_quiet:
            self._at_s = self._before_s = None  # silence may be sent as sparsely as is needed
            return
        if self._wants_paces:
            start = 0
            for at_s, _, count, _ in run.parts:
                self._note_pace(at_s, run.seconds(start, count), count)
                start += count
        self.note_sound(run)

    def note_sound(self, run: FrameRun) -> None:
        """Take what audio frames hold, and nothing of their times."""
        if self.wants_bytes:
            for kind, payload in run.excerpt(_EXCERPT_FRAMES):
                self.note_bytes(kind, payload)
        self.kind = run.kind

    def interrupt(self) -> None:
        """Know nothing of what comes before the next frame: pace and jitter begin anew."""
        self._at_s = self._before_s = None
        self._last_s = math.nan

    def _note_jitter(self, at_s: NDArray[np.float64], duration_s: NDArray[np.float64]) -> None:
        """Smooth by a 16th for each arrival; one after the other, but all at once."""
        steps_s = np.empty(len(at_s))
        steps_s[0] = at_s[0] - self._last_s
        np.subtract(at_s[1:], at_s[:-1], out=steps_s[1:])  # np.diff takes five times as long for a batch
        jitter_s = jitter_of(steps_s, duration_s)[-len(_WEIGHTS) :]
        self._last_s = float(at_s[-1])
        count = len(jitter_s)
        newer_s = float(np.dot(_WEIGHTS[len(_WEIGHTS) - count :], jitter_s))
        if count:
            self.jitter_s = (self.jitter_s or 0.0) * _SMOOTHING**count + newer_s

    @property
    def jitter_ms(self) -> float | None:
        """The jitter for JSON."""
        return None if self.jitter_s is None else round(self.jitter_s * 1000, 2)

    def _note_pace(self, at_s: float, duration_s: float, frames: int) -> None:
        if not self._wants_paces:
            return
        if at_s != self._at_s:
            self._end_chunk()
            self._before_s, self._at_s, self._chunk_s, self._chunk_size = self._at_s, at_s, 0.0, 0
        self._chunk_s += duration_s
        self._chunk_size += frames

    def note_bytes(self, kind: int, payload: bytes) -> None:
        """Take what an audio frame holds."""
        self.kind = kind
        if not self.wants_bytes:
            return
        law = _LAW_SILENCE.get(payload[0]) if payload else None
        if payload.strip(payload[:1]):
            self._excerpt += payload
            if len(self._excerpt) >= _EXCERPT_BYTES:
                self._reading = self._read()
                self._excerpt, self._first_look = bytearray(), _NO_LOOK
        elif law is not None:
            silent = self._silent = self._silent or {}
            silent[law] = silent.get(law, 0) + 1

    @property
    def wants_bytes(self) -> bool:
        """Whether the excerpt has room for more."""
        return self._reading is None

    def _end_chunk(self) -> None:
        if self._at_s is None or self._before_s is None:
            return
        self._group_audio_s += self._chunk_s
        self._group_wall_s += self._at_s - self._before_s
        self._group_size += max(1, self._chunk_size)
        if self._group_size >= _GROUP:
            self._end_group()
            self._wants_paces = len(self._paces) < _MAX_PACES
