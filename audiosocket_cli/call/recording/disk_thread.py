"""Write-behind: one thread does all disk work of a process's recordings, so that a slow disk delays no audio.

Each recording's writes stay in order; what failed is told with the recording's next one, or at its end.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from audiosocket_cli.audio.pcm import Samples
from audiosocket_cli.call.recording.destinations import Sink
from audiosocket_cli.write_behind import WriteBehind

_MB: Final = 1_000_000


class FreeSpace:
    """Checks that enough of a folder's disk is free."""

    def __init__(self, folder: Path, least_bytes: int) -> None:
        self._folder = folder
        self._least_bytes = least_bytes
        self._free_bytes = 0
        self._look_again_s = 0.0

    def check(self) -> None:
        """Raise `OSError` where less is free; looks once a second."""
        now_s = time.monotonic()
        if now_s >= self._look_again_s:
            self._free_bytes = shutil.disk_usage(self._folder).free
            self._look_again_s = now_s + 1
        if self._free_bytes < self._least_bytes:
            free, least = (f"{size / _MB:,.0f} MB" for size in (self._free_bytes, self._least_bytes))
            raise OSError(errno.ENOSPC, f"{free} of the disk are free, less than the {least} of --min-free")


class Disk:
    """The disk thread. It starts with the first job and lives as long as the process."""

    def __init__(self, free: FreeSpace | None = None) -> None:
        """`free` says how much has to stay free for recordings to be written."""
        self.free = free
        self._jobs: deque[Callable[[], object]] = deque()
        self._told: SimpleQueue[None] = SimpleQueue()
        self._is_told = False
        self._thread: threading.Thread | None = None

    def do(self, job: Callable[[], object]) -> None:
        """Do a job after all others; never waits. A job raises nothing.

        On an event loop the thread is woken at the end of the loop's turn: woken for each job, it would compete with
        the loop for the interpreter.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="disk", daemon=True)
            self._thread.start()
        self._jobs.append(job)
        if self._is_told:
            return
        self._is_told = True
        try:
            asyncio.get_running_loop().call_soon(self._wake)
        except RuntimeError:
            self._wake()

    def _wake(self) -> None:
        self._is_told = False
        self._told.put(None)

    def _work(self) -> None:
        while True:
            self._told.get()
            while self._jobs:
                self._jobs.popleft()()


class BehindSink(WriteBehind):
    """A sink whose work the disk's thread does. `open_sink` makes the real one, there."""

    __slots__ = (
        "_channels",
        "_disk",
        "_samples",
        "_sink",
        "rate_hz",
    )

    def __init__(self, disk: Disk, open_sink: Callable[[], Sink], rate_hz: int, channels: int) -> None:
        super().__init__(disk.do)
        self.rate_hz = rate_hz
        self._disk = disk
        self._channels = channels
        self._samples = 0
        self._sink: Sink | None = None
        disk.do(lambda: self._open(open_sink))

    @property
    def paths(self) -> list[Path]:
        """The files, in order: known once they are made."""
        return self._sink.paths if self._sink is not None else []

    @property
    def duration_s(self) -> float:
        """Seconds of audio taken so far."""
        return self._samples / self.rate_hz

    def set_rate(self, rate_hz: int) -> None:
        """Change the sample rate, before the first samples."""
        self.rate_hz = rate_hz
        self._do(lambda: self._try(lambda sink: sink.set_rate(rate_hz)))

    def append(self, data: bytes) -> None:
        """Take interleaved little-endian int16 samples; never waits.

        Raises `OSError` for what failed since the last time, and when the disk does not keep up.
        """
        self._take(len(data))
        self._samples += len(data) // (2 * self._channels)
        self._do(lambda: self._write(data))

    def append_silence(self, frames: int) -> None:
        """Add `frames` samples of silence for each channel; never waits, and takes no memory. Raises `OSError`."""
        self._take(0)
        self._samples += frames
        self._do(lambda: self._write_silence(frames))

    def mix_in(self, back: int, channel: int, samples: Samples) -> None:
        """Add samples to those of one channel, from `back` samples before the end on; never waits. Raises as
        `append`."""
        self._take(samples.nbytes)
        self._do(lambda: self._mix_in(back, channel, samples))

    def close(self) -> None:
        """No more samples come."""
        self._do(lambda: self._try(lambda sink: sink.close()))

    def finish(self) -> None:
        """Wait until all is written, and do what takes time after the end. Raises `OSError` for what failed."""
        if self.wait_until_written() and self._sink is not None:
            self._sink.finish()

    def abort(self) -> None:
        """Wait no longer, and give up what `finish` does."""
        super().abort()
        if self._sink is not None:
            self._sink.abort()

    def _open(self, open_sink: Callable[[], Sink]) -> None:
        try:
            self._check_free()
            self._sink = open_sink()
        except OSError as error:
            self._error = error

    def _try(self, job: Callable[[Sink], object]) -> None:
        if self._sink is None:
            return
        try:
            job(self._sink)
        except OSError as error:
            self._error = self._error or error

    def _write(self, data: bytes) -> None:
        if self._error is None:
            self._try(lambda sink: self._append(sink, data))
        self._written_bytes += len(data)

    def _mix_in(self, back: int, channel: int, samples: Samples) -> None:
        if self._error is None:
            self._try(lambda sink: sink.mix_in(back, channel, samples))
        self._written_bytes += samples.nbytes

    def _append(self, sink: Sink, data: bytes) -> None:
        self._check_free()
        sink.append(data)

    def _write_silence(self, frames: int) -> None:
        if self._error is None:
            self._try(lambda sink: self._append_silence(sink, frames))

    def _append_silence(self, sink: Sink, frames: int) -> None:
        self._check_free()
        sink.append_silence(frames)

    def _check_free(self) -> None:
        if self._disk.free is not None:
            self._disk.free.check()
