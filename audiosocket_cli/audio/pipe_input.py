"""Pipes as files: for readers of sound that want to seek back, or to know the length."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import threading
from typing import Any, BinaryIO, Final, cast

from audiosocket_cli.audio.lengths import EndWatch
from audiosocket_cli.errors import FileError

MAX_SPOOLED_BYTES: Final = 64 << 20
"""How much of a pipe is kept when a format cannot be read as it comes, or is to be read again."""

_KEPT_BYTES: Final = 1 << 20

VAST_BYTES: Final = 1 << 62
"""The length that a pipe is said to have."""


def spooled(file: BinaryIO, name: str) -> BinaryIO:
    """Read a pipe to its end, into a file without a name. Raises `FileError` when there is too much of it."""
    spool = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - whoever gets it closes it
    with contextlib.ExitStack() as stack:
        stack.callback(spool.close)
        left = MAX_SPOOLED_BYTES
        while data := file.read(65536):
            spool.write(data)
            left -= len(data)
            if left < 0:
                much = f"more than {MAX_SPOOLED_BYTES >> 20} MB came through the pipe, and it has to be read whole"
                raise FileError(f"cannot play {name}: {much}; save it to a file, or send WAV")
        spool.seek(0)
        stack.pop_all()
    file.close()
    return cast(BinaryIO, spool)


class Rewindable(io.RawIOBase):
    """A pipe whose first megabyte can be read again. Its length is unknown; `VAST_BYTES` stands for it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.watch: EndWatch | None = None
        """Sees each byte pass once."""
        self._kept = bytearray()
        self._at = self._read = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, VAST_BYTES)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._at < self._read:
            data = bytes(self._kept[self._at : self._at + len(view)])
            if not data:
                raise OSError(0, "what came through the pipe earlier is gone")
        elif self._at > self._read:
            data = b""  # nobody knows what is there
        else:
            data = self._file.read(len(view)) or b""
            self._read += len(data)
            if self.watch is not None:
                self.watch.feed(data)
            if self._read <= _KEPT_BYTES:
                self._kept += data
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def fileno(self) -> int:
        raise io.UnsupportedOperation("what was read already would be missing")

    def close(self) -> None:
        self._file.close()
        super().close()


class Corrected(io.RawIOBase):
    """A file with some bytes replaced: the true size of its samples in its header."""

    def __init__(self, file: BinaryIO, at: int, true: bytes) -> None:
        self._file = file
        self._at = at
        self._true = true
        file.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        start = self._file.tell()
        data = bytearray(self._file.read(len(view)))
        for place, byte in enumerate(self._true, self._at - start):
            if 0 <= place < len(data):
                data[place] = byte
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class Pump:
    """Copies what comes through a pipe, from its beginning, into another pipe, which libsndfile reads."""

    def __init__(self, file: Rewindable) -> None:
        descriptor, self._into = os.pipe()
        self.pipe = cast(BinaryIO, os.fdopen(descriptor, "rb", buffering=0))
        self._file = file
        threading.Thread(target=self._carry, name="pump", daemon=True).start()

    def _carry(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more, or nothing more can be read
            while data := self._file.read(65536):
                view = memoryview(data)
                while len(view):
                    view = view[os.write(self._into, view) :]
        os.close(self._into)
        self._file.close()
