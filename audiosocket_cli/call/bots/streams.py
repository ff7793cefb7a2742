"""The two streams of a program: the caller's audio that it hears, and what it says, each frame by frame at its rate."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.audio.pcm import from_slin, to_slin
from audiosocket_cli.audio.resample import StreamResampler
from audiosocket_cli.call.bots.child import Child
from audiosocket_cli.call.sources.basic import silence_frame
from audiosocket_cli.codec import HEADER_BYTES, SAMPLE_BYTES, Frame, rate_of

FRAMES_PER_S: Final = 1000 // PTIME_MS

BEHIND_FRAMES: Final = 5
"""How far a program's input may lag the clock, 100 ms, before silence is written for a caller who pauses."""

_QUIET_FRAMES: Final = 5
"""As long as this, 100 ms, a program may hesitate within a phrase."""

_JOINED_S: Final = 0.005
"""Frames shorter than this are passed on together: converting and writing costs as much for one sample as for many."""


def bytes_of_frame(rate_hz: int) -> int:
    """Return how many bytes 20 ms of samples are."""
    return rate_hz // FRAMES_PER_S * SAMPLE_BYTES


class HeardStream:
    """What a program hears on its standard input: no break in it, though the caller pauses; what it does not read is
    dropped, and counted."""

    def __init__(self, child: Child, rate_hz: int) -> None:
        self._child = child
        self._rate_hz = rate_hz
        self._converters: dict[int, StreamResampler] = {}
        """By kind: a peer may change it with every frame."""
        self._waiting: defaultdict[int, bytearray] = defaultdict(bytearray)
        """What the caller said and is not passed on yet, by kind: much less than a frame of a phone's."""
        self._waiting_s = 0.0
        self._due_frames = self._written_bytes = self._unread_bytes = 0

    @property
    def unread_s(self) -> float:
        """Seconds of the caller's audio that were dropped."""
        return self._unread_bytes / SAMPLE_BYTES / self._rate_hz

    def take(self, data: bytes) -> None:
        """Take a frame of audio, header included."""
        size = (len(data) - HEADER_BYTES) // SAMPLE_BYTES * SAMPLE_BYTES
        self._waiting[data[0]] += data[HEADER_BYTES : HEADER_BYTES + size]
        self._waiting_s += size / SAMPLE_BYTES / rate_of(data[0])
        if self._waiting_s >= _JOINED_S:
            self.pass_on()

    def pass_on(self) -> None:
        """Write all that was taken."""
        for kind, data in self._waiting.items():
            if kind not in self._converters:
                self._converters[kind] = StreamResampler(rate_of(kind), self._rate_hz)
            self._write(to_slin(self._converters[kind].feed(from_slin(bytes(data)))))
        self._waiting.clear()
        self._waiting_s = 0.0

    def tick(self) -> None:
        """A frame's time has passed: write silence where the caller has said nothing for long."""
        if not self._due_frames:
            self._written_bytes = 0  # what was said before the caller was let in came at once, and is not a lead
        self._due_frames += 1
        self.pass_on()
        frame_bytes = bytes_of_frame(self._rate_hz)
        if self._due_frames * frame_bytes - self._written_bytes > BEHIND_FRAMES * frame_bytes:
            self._write(bytes(frame_bytes))

    def _write(self, data: bytes) -> None:
        self._written_bytes += len(data)
        self._unread_bytes += len(data) - self._child.write(data)


class SaidStream:
    """What a program says, as frames of a kind that the caller speaks; silence where it says nothing."""

    def __init__(self, rate_hz: int, kind: int) -> None:
        self.frames = 0
        """Frames of speech so far."""
        self._rate_hz = rate_hz
        self._kind = kind
        self._converter: StreamResampler | None = None
        self._quiet_frames = _QUIET_FRAMES

    @property
    def has_tail(self) -> bool:
        """Whether it may be within a phrase, and a converter still hold some of it."""
        return self._quiet_frames < _QUIET_FRAMES

    def speak(self, data: bytes, heard_kind: int) -> Frame:
        """Return 20 ms of its samples as a frame."""
        if not self.has_tail:  # once a phrase: a change of kind in mid-speech costs 15 ms (see `PromptSource`)
            self._kind, self._converter = heard_kind, None
        self._quiet_frames = 0
        self.frames += 1
        return self._frame(data)

    def fall_silent(self, *, waits: bool) -> Frame:
        """Return a frame where there is no speech; `waits` says that there will be, once a file is loaded."""
        if not self.has_tail:
            return silence_frame(self._kind)
        self._quiet_frames += not waits
        return self._frame(bytes(bytes_of_frame(self._rate_hz)))  # what a converter still holds comes out

    def _frame(self, data: bytes) -> Frame:
        if self._converter is None:
            self._converter = StreamResampler(self._rate_hz, rate_of(self._kind))
        return Frame(self._kind, to_slin(self._converter.feed(from_slin(data))))
