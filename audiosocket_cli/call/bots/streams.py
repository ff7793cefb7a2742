"""The two audio streams of a bot, frame by frame at its rate: the caller's audio, and its own speech."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from audiosocket_cli.asterisk.facts import PTIME_MS
from audiosocket_cli.audio.resample import StreamResampler
from audiosocket_cli.call.sources.basic import encoded, silence_frame
from audiosocket_cli.codec import HEADER_BYTES, SAMPLE_BYTES, encode, rate_of

FRAMES_PER_S: Final = 1000 // PTIME_MS

BEHIND_FRAMES: Final = 5
"""How far a bot's input may lag the clock, 100 ms, before silence is written for a caller who pauses."""

_QUIET_FRAMES: Final = 5
"""How many frames (100 ms) a bot may hesitate within a phrase."""

_JOINED_S: Final = 0.005
"""Frames shorter than this, in seconds, are passed on together: a conversion and a write cost as much for one sample as
for many."""


def bytes_of_frame(rate_hz: int) -> int:
    """Return the number of bytes in 20 ms of samples."""
    return rate_hz // FRAMES_PER_S * SAMPLE_BYTES


class HeardStream:
    """What a bot hears. Pauses of the caller become silence; what the bot does not take is dropped and counted."""

    def __init__(self, sink: Callable[[bytes], int], rate_hz: int) -> None:
        """`sink` gets int16 little-endian samples at this rate, and returns how many of their bytes it took."""
        self._sink = sink
        self._rate_hz = rate_hz
        self._converters: dict[int, StreamResampler] = {}
        """By kind: a peer may change it with every frame."""
        self._waiting: defaultdict[int, bytearray] = defaultdict(bytearray)
        """What the caller said and is not passed on yet, by kind: much less than a frame of a phone's."""
        self._waiting_s = 0.0
        self._frame_bytes = bytes_of_frame(rate_hz)
        self._header = b""
        self._size = 0
        self._converter: StreamResampler | None = None
        """Of the last frame that came alone and was passed on at once: its header, its length, and its converter. The
        next one is like it, as nearly always."""
        self._due_bytes = self._written_bytes = self._unread_bytes = 0

    @property
    def unread_s(self) -> float:
        """Seconds of the caller's audio that were dropped."""
        return self._unread_bytes / SAMPLE_BYTES / self._rate_hz

    def take(self, data: bytes) -> None:
        """Take a frame of audio, header included, or several equal ones."""
        if len(data) == self._size and data.startswith(self._header) and not self._waiting:
            assert self._converter is not None
            self._write(self._converter.feed_slin(data[HEADER_BYTES:]))
            return
        kind, length = data[0], data[1] << 8 | data[2]
        size = length // SAMPLE_BYTES * SAMPLE_BYTES
        if len(data) == HEADER_BYTES + length:
            audio = data[HEADER_BYTES : HEADER_BYTES + size]
        else:
            starts = range(HEADER_BYTES, len(data), HEADER_BYTES + length)
            audio = b"".join([data[start : start + size] for start in starts])
        converter = self._converters.get(kind) or self._begin(kind)
        if not self._waiting and len(audio) >= converter.from_hz * _JOINED_S * SAMPLE_BYTES:
            if len(data) == HEADER_BYTES + size:
                self._header, self._size, self._converter = data[:HEADER_BYTES], len(data), converter
            self._write(converter.feed_slin(audio))
            return
        self._waiting[kind] += audio
        self._waiting_s += len(audio) / SAMPLE_BYTES / converter.from_hz
        if self._waiting_s >= _JOINED_S:
            self.pass_on()

    def pass_on(self) -> None:
        """Write all that was taken so far."""
        for kind, data in self._waiting.items():
            self._write(self._converters[kind].feed_slin(bytes(data)))
        self._waiting.clear()
        self._waiting_s = 0.0

    def tick(self) -> None:
        """Account for 20 ms: write silence if the caller has been quiet for long."""
        if not self._due_bytes:
            self._written_bytes = 0  # audio kept during admission came at once, and is not a lead
        self._due_bytes += self._frame_bytes
        if self._waiting:
            self.pass_on()
        if self._due_bytes - self._written_bytes > BEHIND_FRAMES * self._frame_bytes:
            self._write(bytes(self._frame_bytes))

    def pass_time(self, frames: int) -> None:
        """Account for so many times 20 ms in which the caller was heard."""
        self._due_bytes += frames * self._frame_bytes

    def _begin(self, kind: int) -> StreamResampler:
        self._converters[kind] = StreamResampler(rate_of(kind), self._rate_hz)
        return self._converters[kind]

    def _write(self, data: bytes) -> None:
        size = len(data)
        self._written_bytes += size
        written = self._sink(data)
        if written != size:
            self._unread_bytes += size - written


class SaidStream:
    """What a bot says, as frames of the caller's kind; silence where it says nothing."""

    def __init__(self, rate_hz: int, kind: int) -> None:
        self.frames = 0
        """Frames of speech so far."""
        self._rate_hz = rate_hz
        self._kind = kind
        self._converter: StreamResampler | None = None
        self._header = b""
        """Of 20 ms of `_kind`, once the converter has begun."""
        self._quiet_frames = _QUIET_FRAMES

    @property
    def has_tail(self) -> bool:
        """Whether it may be within a phrase, so that a converter may still hold some of it."""
        return self._quiet_frames < _QUIET_FRAMES

    def speak(self, data: bytes, heard_kind: int) -> bytes:
        """Return 20 ms of its samples, as bytes, as a frame's bytes."""
        if not self.has_tail:  # once a phrase: a change of kind in mid-speech costs 15 ms (see `PromptSource`)
            self._kind, self._converter = heard_kind, None
        self._quiet_frames = 0
        self.frames += 1
        return self._frame(data)

    def fall_silent(self, *, waits: bool) -> bytes:
        """Return a frame's bytes while there is no speech; `waits` says that a file is being loaded."""
        if not self.has_tail:
            return encoded(silence_frame(self._kind))
        self._quiet_frames += not waits
        return self._frame(bytes(bytes_of_frame(self._rate_hz)))  # what a converter still holds comes out

    def _frame(self, data: bytes) -> bytes:
        if self._converter is None:
            self._converter = StreamResampler(self._rate_hz, rate_of(self._kind))
            self._header = encode(silence_frame(self._kind))[:HEADER_BYTES]
        return self._header + self._converter.feed_slin(data)
