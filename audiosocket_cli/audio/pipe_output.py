"""Sound to a pipe: WAV of unknown length, or headerless samples, for a program that reads them during the call.

A thread of its own writes, so that a reader who is slow holds up no call.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import queue
import select
import stat
import threading
import time
from pathlib import Path
from typing import Final

from audiosocket_cli.audio.growing_wav import MAX_DATA_BYTES, wav_header
from audiosocket_cli.audio.pcm import Samples

UNKNOWN_BYTES: Final = 0x7FFFF000
"""The data size that stands for "until the end", as sox writes and understands it; ffmpeg and aplay read on, too."""

MAX_WAITING: Final = 120
"""The most pieces that wait for the reader: a minute of a call. A reader further behind has stopped reading."""

MAX_BYTES_WAITING: Final = 4 << 20
"""The same where pieces are of any length, as those of a capture: a minute and a half of a call, both directions."""

_LAST_CHANCE_S: Final = 30.0
"""How long a reader may take at the end for anything at all."""

_ZEROS: Final = bytes(1 << 16)
_LOOK_AGAIN_S: Final = 0.1


class PipeWriter:
    """Writes pieces of bytes to a descriptor in a thread of its own."""

    def __init__(self, descriptor: int, most_waiting: int = 0) -> None:
        """Write to an open `descriptor`, which stays open; `most_waiting` pieces at most wait for the reader; for 0,
        as many as come before there are too many bytes."""
        self._descriptor = descriptor
        self._aborted = threading.Event()
        self._error: OSError | None = None
        self._taken = self._written = 0  # in bytes, each counted by one thread alone
        self._counts_bytes = not most_waiting
        self._waiting: queue.Queue[bytes | int | None] = queue.Queue(most_waiting)
        self._writer = threading.Thread(target=self._write, name="pipe", daemon=True)
        self._writer.start()

    @property
    def is_writing(self) -> bool:
        """Whether it has not come to its end yet."""
        return self._writer.is_alive()

    def put(self, data: bytes | int) -> None:
        """Take a piece, or how many zero bytes are one; never waits.

        Raises `OSError` when the reader is gone (`BrokenPipeError`) or too far behind.
        """
        if self._error is not None:
            raise self._error
        try:
            if self._counts_bytes and isinstance(data, bytes):
                if self._taken - self._written >= MAX_BYTES_WAITING:
                    raise queue.Full
                self._taken += len(data)
            self._waiting.put_nowait(data)
        except queue.Full:
            raise OSError(errno.ETIMEDOUT, "the reader of standard output is a minute behind") from None

    def finish(self) -> None:
        """Wait until all is read, while anything is within half a minute. Raises `OSError` when that cannot be."""
        written, deadline_s, told = self._written, time.monotonic() + _LAST_CHANCE_S, False
        while self._writer.is_alive() and time.monotonic() < deadline_s and not self._aborted.is_set():
            if not told:
                with contextlib.suppress(queue.Full):
                    self._waiting.put(None, timeout=_LOOK_AGAIN_S)
                    told = True
            self._writer.join(_LOOK_AGAIN_S)
            if written != self._written:
                written, deadline_s = self._written, time.monotonic() + _LAST_CHANCE_S
        if self._error is not None:
            raise self._error

    def abort(self) -> None:
        """Wait no longer."""
        self._aborted.set()
        with contextlib.suppress(queue.Empty):
            self._waiting.get_nowait()  # room for `finish` to say that it is the end

    def _write(self) -> None:
        while (piece := self._waiting.get()) is not None:
            if isinstance(piece, bytes):
                self._write_all(piece)
            else:
                self._write_zeros(piece)

    def _write_zeros(self, size: int) -> None:
        if _leave_hole(self._descriptor, size):
            return
        while size and self._error is None:
            step = min(size, len(_ZEROS))
            self._write_all(_ZEROS[:step])
            size -= step

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while len(view) and self._error is None:
            try:
                written = os.write(self._descriptor, view)
                view = view[written:]
                self._written += written
            except BlockingIOError:  # another process that shares the pipe has made it so
                select.select([], [self._descriptor], [])
            except OSError as error:
                self._error = error


class SoundPipe:
    """A sink of one call's samples that is not a file: `paths` is empty, and nothing can be taken back."""

    def __init__(self, descriptor: int, rate_hz: int, channels: int = 1, *, headerless: bool = False) -> None:
        """Write to an open `descriptor`, which stays open."""
        self.rate_hz = rate_hz
        self.paths: list[Path] = []
        self._channels = channels
        self._descriptor = descriptor
        self._begun = headerless
        self._header_at = None if headerless else _place_in_file(descriptor)
        self._samples = 0
        self._pipe = PipeWriter(descriptor, MAX_WAITING)

    @property
    def duration_s(self) -> float:
        """Seconds of audio taken so far."""
        return self._samples / self.rate_hz

    def set_rate(self, rate_hz: int) -> None:
        """Change the sample rate, before the first samples."""
        self.rate_hz = rate_hz

    def append(self, data: bytes) -> None:
        """Take interleaved little-endian samples; never waits.

        Raises `OSError` when the reader is gone (`BrokenPipeError`), or too far behind.
        """
        head = b"" if self._begun else wav_header(self.rate_hz, self._channels, UNKNOWN_BYTES)
        self._pipe.put(head + data)
        self._begun = True
        self._samples += len(data) // (2 * self._channels)

    def append_silence(self, frames: int) -> None:
        """Add `frames` samples of silence for each channel; never waits, and takes no memory. Raises as `append`."""
        if not self._begun:
            self.append(b"")
        self._pipe.put(frames * 2 * self._channels)
        self._samples += frames

    def mix_in(self, back: int, channel: int, samples: Samples) -> None:
        """Do nothing: what was written to a pipe may have been read."""
        raise AssertionError("a pipe is written in order")

    def close(self) -> None:
        """No more samples come."""

    def finish(self) -> None:
        """Wait until all is read. Raises `OSError` when it is not within half a minute, or cannot be."""
        self._pipe.finish()
        self._complete_header()
        if self._pipe.is_writing:
            raise OSError(errno.ETIMEDOUT, "the reader of standard output stopped reading")

    def _complete_header(self) -> None:
        """Where standard output is a file after all, its header can tell the length."""
        size = self._samples * 2 * self._channels
        if self._header_at is None or self._pipe.is_writing or not 0 < size <= MAX_DATA_BYTES:
            return
        header = wav_header(self.rate_hz, self._channels, size)
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, header, self._header_at)

    def abort(self) -> None:
        """Wait no longer."""
        self._pipe.abort()


def _place_in_file(descriptor: int) -> int | None:
    """Return where in a file the next write goes; None for a pipe, and for a file that is only appended to."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode) or fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND:
        return None
    return os.lseek(descriptor, 0, os.SEEK_CUR)


def _leave_hole(descriptor: int, size: int) -> bool:
    """Where a descriptor is at the end of a file, go on `size` bytes further: they are zeros, and take no room."""
    with contextlib.suppress(OSError):
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            end = status.st_size
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND or os.lseek(descriptor, 0, os.SEEK_CUR) == end:
                os.ftruncate(descriptor, end + size)
                os.lseek(descriptor, end + size, os.SEEK_SET)
                return True
    return False
