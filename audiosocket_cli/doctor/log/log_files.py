"""The files of a log, plain or packed, and standard input, in the order of their times."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from audiosocket_cli.capture.packing import unpack
from audiosocket_cli.doctor.log.log_records import record_of
from audiosocket_cli.doctor.log.log_scan import MAX_LINE_BYTES, ReadInto, lines_in
from audiosocket_cli.doctor.log.log_times import seconds_of
from audiosocket_cli.errors import FileError, UsageError

_STDIN: Final = "-"
_LOOK_BYTES: Final = 64 << 10
_LATEST: Final = float("inf")
_WAIT_MS: Final = 100


class _LogFile:
    """One file, opened; `begin` comes before all else."""

    def __init__(self, name: str) -> None:
        """Open it, without reading. Raises `FileError`."""
        self.name = "standard input" if name == _STDIN else name
        self._descriptor = 0 if name == _STDIN else _open(name)
        self._left = _size_of(self._descriptor)
        self._may_wait = self._left == sys.maxsize
        self.is_stopped = False
        self._begun = memoryview(b"")

    def begin(self) -> None:
        """Read its beginning. Raises `FileError` for what is not a log."""
        self._read, window, self._layers = unpack(self._raw, self.name)
        window.ensure(_LOOK_BYTES)
        self._begun = memoryview(bytes(window.data))
        _refuse_other(bytes(self._begun[:_LOOK_BYTES]), self.name)

    @property
    def begins_s(self) -> float:
        """The time of its first line that has one; without one it is read last."""
        for line in bytes(self._begun[:MAX_LINE_BYTES]).splitlines()[:50]:
            at_s = seconds_of(record_of(line).time)
            if at_s is not None:
                return at_s
        return _LATEST

    @property
    def fault(self) -> str | None:
        """What was wrong with its packing."""
        faults = [layer.fault for layer in self._layers if layer.fault]
        return f"{self.name} was read to its damage: {faults[0]}" if faults else None

    def is_ready(self) -> bool:
        """Whether it can be read without waiting; a pipe to which nothing is written is waited for a moment."""
        if self._begun or self.is_stopped or not self._may_wait:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(_WAIT_MS))

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor:
            os.close(self._descriptor)

    def read_into(self, view: memoryview) -> int:
        """Read some of it, from its beginning on; 0 at its end. Raises `FileError`."""
        if self._begun:
            count = min(len(view), len(self._begun))
            view[:count] = self._begun[:count]
            self._begun = self._begun[count:]
            return count
        if self.is_stopped:
            return 0
        if self._layers:
            data = self._read(len(view))
            view[: len(data)] = data
            return len(data)
        try:
            count = os.readv(self._descriptor, [view[: self._left]])
        except OSError as error:
            raise _unreadable(self.name, error) from None
        self._left -= count
        return count

    def _raw(self, size: int) -> bytes:
        while not self.is_ready():
            pass
        if self.is_stopped:
            return b""
        try:
            data = os.read(self._descriptor, min(size, self._left))
        except OSError as error:
            raise _unreadable(self.name, error) from None
        self._left -= len(data)
        return data


class LogFiles:
    """All files of one log."""

    def __init__(self, names: Sequence[str]) -> None:
        """Open them. Raises `FileError`, and `UsageError` where standard input is named twice."""
        if names.count(_STDIN) > 1:
            raise UsageError("--log - is given twice: there is one standard input")
        self.faults: list[str] = []
        """What was wrong with files that were read to their damage, after all lines."""
        self.is_stopped = False
        self.read_bytes = 0
        """How much was read, unpacked."""
        self._files = [_LogFile(name) for name in names]

    @property
    def names(self) -> list[str]:
        """Return their names, as they may be told."""
        return [file.name for file in self._files]

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of all that may have to do with AudioSocket, the oldest file first. Raises `FileError`."""
        for file in self._files:
            file.begin()
        for file in sorted(self._files, key=lambda file: file.begins_s):
            yield from lines_in(self._reading(file))
            file.close()
            if file.fault:
                self.faults.append(file.fault)

    def stop(self) -> None:
        """Let each file end where it is read now."""
        self.is_stopped = True
        for file in self._files:
            file.is_stopped = True

    def _reading(self, file: _LogFile) -> ReadInto:
        def read(view: memoryview) -> int:
            while not file.is_ready():
                pass
            count = file.read_into(view)
            self.read_bytes += count
            return count

        return read


def _size_of(descriptor: int) -> int:
    """Return how much to read: a file that grows is read to where it ended at first. Those of /proc have no size."""
    try:
        found = os.fstat(descriptor)
    except OSError:  # standard input is closed, which reading says
        return sys.maxsize
    return found.st_size if stat.S_ISREG(found.st_mode) and found.st_size and descriptor else sys.maxsize


def _open(name: str) -> int:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # a name with a zero byte
        raise _unreadable(name, error) from None
    os.set_blocking(descriptor, True)  # a named pipe that nobody writes to would not have opened
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        os.close(descriptor)
        raise FileError(f"cannot read the log {name}: it is a folder; name a file in it, such as {name}/messages")
    return descriptor


def _unreadable(name: str, error: OSError | ValueError) -> FileError:
    hint = "; run as a user who may read it, or with sudo" if isinstance(error, PermissionError) else ""
    reason = getattr(error, "strerror", None) or str(error)
    return FileError(f"cannot read the log {name or repr(name)}: {reason.lower()}{hint}")


def _refuse_other(begun: bytes, name: str) -> None:
    """Refuse what is not text. Raises `FileError`."""
    if begun.count(b"\0") > len(begun) // 100:
        raise FileError(f"cannot read the log {name}: it is not text; is it a capture? `audiosocket dump` reads those")
