"""Sounds that calls say, converted as they are said: in blocks, in threads, a bounded time ahead.

A `Prompt` is one sound for many calls, a `Speech` is one call's place in it. Short sounds are converted once for each
rate and kept, for all calls to share; of long ones each call has its own conversion, with `AHEAD_S` of it in memory:
0.3 ms of work for a second of sound (soxr 1.1, 48000 to 8000 Hz), less than the call itself takes. Whoever says a
speech never waits for it: what is not there in time is counted, and becomes silence.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Final, Protocol

from audiosocket_cli.asterisk.facts import frame_bytes
from audiosocket_cli.audio.files import MadeSound, Remarks
from audiosocket_cli.audio.pcm import Samples, to_slin, tone
from audiosocket_cli.codec import KIND_BY_RATE, SAMPLE_BYTES, Frame, Kind, encode, rate_of
from audiosocket_cli.errors import FileError
from audiosocket_cli.libraries import first_line

LEAD_S: Final = 1.0
"""Seconds of a pipe's audio to wait for before it is said, for `LEAD_WAIT_S` at most once it has begun."""

LEAD_WAIT_S: Final = 2.0

AHEAD_S: Final = 2.0
"""Seconds of a long sound that are converted ahead, for a slow disk."""

KEPT_BYTES: Final = 32 << 20
"""What prompts that share their room keep of converted sound, at all rates together: half an hour at 8000 Hz, 90 s at
192000 Hz."""

_FRAMED_BYTES: Final = 1 << 20
"""What is kept of a sound is kept as frames as well, up to so much of it: a minute at 8000 Hz."""

_ALL_KINDS_BYTES_A_S: Final = sum(KIND_BY_RATE) * SAMPLE_BYTES

_MAX_THREADS: Final = 8
"""Files that may be waited for, or converted, at once."""


class Opened(Protocol):
    """A sound being read, once."""

    @property
    def remarks(self) -> Remarks:
        """What is odd about it."""

    @property
    def duration_s(self) -> float | None:
        """How long it will be, where that is known."""

    def blocks(self, rate_hz: int) -> Iterator[Samples]:
        """Yield it as int16 mono. Raises `FileError`."""

    def close(self) -> None:
        """Let go of it."""

    def give_up(self) -> None:
        """Stop the conversion; may be called from any thread."""


class Playable(Protocol):
    """What a prompt can be made of: see `media.files.Sound`."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def is_pipe(self) -> bool:
        """Whether it can be opened only once."""

    def open(self) -> Opened:
        """Begin to read it. Raises `FileError`."""


class Threads:
    """Threads that do jobs, begun as they are needed; the process ends without waiting for them."""

    def __init__(self, most: int = _MAX_THREADS) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._most = most
        self._begun = 0

    def do(self, job: Callable[[], object]) -> None:
        """Do a job that raises nothing, once a thread has time for it."""
        self._jobs.put(job)
        if not self._idle.acquire(blocking=False) and self._begun < self._most:
            self._begun += 1
            threading.Thread(target=self._work, name="prompt", daemon=True).start()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            job()
            del job  # nor what it is a job of, while there is no other
            self._idle.release()


class Track:
    """A sound at one rate, as slin bytes that grow at one end, and, unless all of it is kept, shrink at the other."""

    def __init__(self, sound: Playable, rate_hz: int, threads: Threads, *, keep: bool, opened: Opened | None = None):
        """Convert a sound, opened already or not: the whole of it at once, or ahead of the position that is taken."""
        self.error: FileError | None = None
        """Why it ends early, if it does."""
        self.has_ended = False
        """Whether all that there will be is there."""
        self.end = 0
        """How many bytes there were so far."""
        self.frames: list[bytes] = []
        """All of a short sound that is kept, once it is there, as the bytes of 20 ms frames that calls share."""
        self.duration_s = opened.duration_s if opened is not None else None
        self.remarks = opened.remarks if opened is not None else Remarks()
        self._sound, self._opened, self._rate_hz = sound, opened, rate_hz
        self._threads = threads
        self._keeps = keep
        self._data = bytearray()
        self._start = 0
        self._blocks: Iterator[Samples] | None = None
        self._change = threading.Condition()
        self._is_busy = False
        self._is_closed = False
        self._ahead_bytes = round(AHEAD_S * rate_hz) * SAMPLE_BYTES
        self._convert_on()

    def take(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from `position` on: those that are there. What is before is gone, unless kept."""
        data = bytes(self._data[position - self._start : position - self._start + size])
        if not self._keeps:
            del self._data[: len(data)]
            self._start += len(data)
            if not self._is_busy and self._is_wanting(2):
                self._convert_on()
        return data

    def wait(self, position: int, timeout_s: float | None = None) -> None:
        """Wait until `position` (bytes) is converted, or the sound has ended; at most `timeout_s`."""
        with self._change:
            self._change.wait_for(lambda: self.has_ended or self.end >= position, timeout_s)

    def close(self) -> None:
        """Stop the conversion. Safe to call twice."""
        if self._keeps or self._is_closed:
            return
        self._is_closed = True
        if self._opened is not None:
            self._opened.give_up()
        with self._change:
            if self._is_busy or self.has_ended:
                return  # the converting thread will notice
            self._is_busy = True
        self._threads.do(self._close)

    def _is_wanting(self, share: int = 1) -> bool:
        return not self.has_ended and (self._keeps or len(self._data) < self._ahead_bytes // share)

    def _convert_on(self) -> None:
        with self._change:
            if self._is_busy or self._is_closed:
                return
            self._is_busy = True
        self._threads.do(self._convert)

    def _convert(self) -> None:
        """Convert one block, in a thread, and go on with the next when others have had their turn."""
        try:
            samples = self._next_block()
        except FileError as error:
            self.error, samples = type(error)(*error.args), None  # without its traceback, and all that is in it
        except Exception as error:  # a library's fault: it ends this sound, and not its thread
            self.error, samples = FileError(f"cannot play {self._sound.name}: {first_line(error)}"), None
        with self._change:
            if samples is None:
                if self._keeps and self.end <= _FRAMED_BYTES:
                    self.frames = _in_frames(self._data, KIND_BY_RATE[self._rate_hz])
                self.has_ended = True
                self._blocks = None
            else:
                data = to_slin(samples)
                self._data += data
                self.end += len(data)
            self._is_busy = not self._is_closed and self._is_wanting()
            goes_on = self._is_busy
            self._change.notify_all()
        if goes_on:
            self._threads.do(self._convert)
        elif self._is_closed:
            self._close()

    def _next_block(self) -> Samples | None:
        if self._blocks is None:
            if self._opened is None:
                self._opened = self._sound.open()
                self.duration_s, self.remarks = self._opened.duration_s, self._opened.remarks
            self._blocks = self._opened.blocks(self._rate_hz)
        return next(self._blocks, None)

    def _close(self) -> None:
        self._blocks = None  # which closes its file
        if self._opened is not None:
            self._opened.close()
        self._data.clear()


def _in_frames(data: bytearray, kind: int) -> list[bytes]:
    """Return the bytes of frames of a kind; the last one is filled up with silence."""
    size = frame_bytes(kind)
    payloads = (bytes(data[start : start + size]) for start in range(0, len(data), size))
    return [encode(Frame(kind, payload.ljust(size, b"\0"))) for payload in payloads]


class Speech:
    """One call's place in a sound, at the rate of an audio kind."""

    def __init__(self, track: Track, rate_hz: int, told: Collection[str] = ()) -> None:
        """Say a track; `told` is what need not be remarked on any more."""
        self.rate_hz = rate_hz
        self.position = 0
        """Bytes taken so far."""
        self._track = track
        self._told = told

    @property
    def is_ready(self) -> bool:
        """Whether there is something to take, or nothing more to wait for."""
        return self._track.has_ended or self._track.end > self.position

    @property
    def is_all_there(self) -> bool:
        """Whether all of the rest has been converted."""
        return self._track.has_ended

    @property
    def is_over(self) -> bool:
        """Whether all has been taken."""
        return self._track.has_ended and self.position >= self._track.end

    @property
    def error(self) -> str | None:
        """Why it ends early, if it does."""
        return None if self._track.error is None else str(self._track.error)

    @property
    def clipped(self) -> int:
        """How many samples were limited so far."""
        return self._track.remarks.clipped

    def remarks(self) -> list[str]:
        """Return what is odd about the sound, and was not told before."""
        return [text for text in self._track.remarks.texts if text not in self._told]

    @property
    def left_s(self) -> float:
        """Seconds to come: those that are sure, where its length is not known."""
        length_s = self._track.end / SAMPLE_BYTES / self.rate_hz
        if not self._track.has_ended:
            length_s = max(length_s, self._track.duration_s or 0.0)
        return max(0.0, length_s - self.position / SAMPLE_BYTES / self.rate_hz)

    def take(self, size: int) -> bytes | None:
        """Return the next `size` bytes, less only at the end; None when they are not there (yet)."""
        if self._track.end - self.position < size and not self._track.has_ended:
            return None
        data = self._track.take(self.position, size)
        self.position += len(data)
        return data

    def take_frames(self) -> Iterator[bytes]:
        """Take all of it as the bytes of frames, if it is short, kept and converted; else nothing."""
        frames = self._track.frames
        if frames:
            self.position = self._track.end
        return iter(frames)

    def wait_for_all(self) -> None:
        """Wait until all has been converted; only for sounds that are kept."""
        self._track.wait(1 << 62)

    def wait_for_beginning(self) -> None:
        """Wait until it can be said without a break. Raises `FileError` where there is nothing to say."""
        self._track.wait(1)
        if self.is_over:
            raise self._track.error or FileError("there is nothing to play")
        self._track.wait(round(LEAD_S * self.rate_hz) * SAMPLE_BYTES, LEAD_WAIT_S)

    def close(self) -> None:
        """Stop using it. Safe to call twice."""
        self._track.close()


class Room:
    """What prompts share: memory for converted sound, and threads to convert it in."""

    def __init__(self, free_bytes: int = KEPT_BYTES) -> None:
        self.threads = Threads()
        self._free_bytes = free_bytes

    def take(self, size: int) -> bool:
        """Reserve `size` bytes for good; False if they are not free."""
        if size > self._free_bytes:
            return False
        self._free_bytes -= size
        return True


class Prompt:
    """A sound that calls share. What is wrong with it is known before the first call, as far as a look can tell: short
    ones are converted to slin at once, of long ones and of pipes the beginning is read."""

    def __init__(self, sound: Playable, room: Room | None = None) -> None:
        """Open the sound; `room` is for what is kept of it. Raises `FileError`."""
        self.name = sound.name
        self._sound = sound
        self._room = room or Room()
        self._kept: dict[int, Track] = {}
        opened = sound.open()
        self.duration_s = opened.duration_s
        """How long it is, as far as that is known, in seconds."""
        self._remarks = opened.remarks
        self._told: set[str] = set()
        self._opened: Opened | None = None
        if sound.is_pipe:
            self._opened = opened  # for whoever says it, once
        else:
            self._look_into(opened)

    @classmethod
    def of_tone(cls, frequency_hz: int) -> Prompt:
        """One second of a tone, which loops without a seam."""
        return cls(MadeSound("tone", lambda rate_hz: tone(frequency_hz, rate_hz, 1.0), 1.0))

    def begin(self, kind: int) -> Speech:
        """Begin to say it in a kind."""
        rate_hz = rate_of(kind)
        track = self._kept.get(rate_hz)
        if track is None:
            opened, self._opened = self._opened, None
            track = self._new_track(rate_hz, opened)
        return Speech(track, rate_hz, self._told)

    def take_remarks(self) -> list[str]:
        """Return what is odd about it, to be reported now rather than in every call."""
        self._told |= set(self._remarks.texts)
        return [f"{self.name}: {text}" for text in self._remarks.texts]

    @property
    def is_kept(self) -> bool:
        """Whether it is short enough to be kept whole, as slin at least."""
        return rate_of(Kind.SLIN) in self._kept

    @property
    def is_kept_in_all_kinds(self) -> bool:
        """Whether it is so short that no call reads its file, whatever it speaks."""
        return self.is_kept and self.duration_s is not None and self.duration_s * _ALL_KINDS_BYTES_A_S <= KEPT_BYTES

    def prepare(self, kind: int) -> None:
        """Wait until it has been converted to a kind, if it is kept so."""
        speech = self.begin(kind)
        if rate_of(kind) in self._kept:
            speech.wait_for_all()
        speech.close()

    def _look_into(self, opened: Opened) -> None:
        track = self._new_track(rate_of(Kind.SLIN), opened)
        track.wait(round(AHEAD_S * rate_of(Kind.SLIN)) if not self.is_kept else 1 << 62)
        track.close()
        if track.error is not None:
            raise track.error

    def _new_track(self, rate_hz: int, opened: Opened | None) -> Track:
        size = None if self.duration_s is None else round(self.duration_s * rate_hz) * SAMPLE_BYTES
        keep = size is not None and not self._sound.is_pipe and self._room.take(size)
        track = Track(self._sound, rate_hz, self._room.threads, keep=keep, opened=opened)
        if keep:
            self._kept[rate_hz] = track
        return track
