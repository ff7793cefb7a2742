"""What is sent to a store: bytes, or a file that is read once, with the checksums of what was read.

A small file is in memory while it is sent. A large one is read in pieces as it goes: its checksums are known after it
was sent, and are those of what was sent, whatever becomes of the file meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PIECE_BYTES: Final = 8 << 20
"""The size of a part of a large object; S3 takes 10,000 parts, so up to 80 GB."""

MAX_SINGLE_BYTES: Final = 32 << 20
"""The largest object that is one request, all in memory, and made only where there is none: 17 minutes of two sides at
8 kHz. A larger one goes in parts."""

_MD5: Final = re.compile(r"[0-9a-f]{32}")


class FileChangedError(OSError):
    """A file changed while it was read, or between two times that it was."""


@dataclass(frozen=True, slots=True)
class Checksums:
    """Of a content that was read whole."""

    size: int
    sha256: str
    md5: str
    md5_of_parts: str
    """What S3 makes of an object of several parts: the MD5 of their MD5s, and their number."""

    def prove(self, etag: str | None) -> bool:
        """Whether an ETag is the MD5 of this content; an ETag may be anything else, and proves nothing then."""
        return etag is not None and etag.lower() in (self.md5, self.md5_of_parts)


class SmallContent:
    """Content in memory."""

    is_large = False

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def sha256(self) -> str:
        """Return its SHA-256 in hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    def proved_by(self, etag: str | None) -> bool:
        """Whether an ETag shows that a store has this content."""
        if etag is None or not _MD5.fullmatch(etag.lower()):  # an MD5 takes more time than all else: not for nothing
            return False
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest() == etag.lower()


class LargeContent:
    """Content of a file, read in pieces."""

    is_large = True

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self.size = size
        self._checksums: Checksums | None = None

    def pieces(self) -> Iterator[bytes]:
        """Read the file, and take its checksums on the way. Raises `OSError`, also where it has changed."""
        summing = _Summing()
        for piece in read_pieces(self._path, self.size):
            summing.add(piece)
            yield piece
        found = summing.checksums()
        if self._checksums is not None and found != self._checksums:
            raise FileChangedError(f"{self._path} has changed since it was sent")
        self._checksums = found

    def checksums(self) -> Checksums:
        """Return the checksums of what was read; read it first where that has not been done. Raises `OSError`."""
        if self._checksums is None:
            for _ in self.pieces():
                pass
        assert self._checksums is not None
        return self._checksums

    def sha256(self) -> str:
        """Return its SHA-256 in hexadecimal digits. Raises `OSError`."""
        return self.checksums().sha256

    def proved_by(self, etag: str | None) -> bool:
        """Whether an ETag shows that a store has this content. Raises `OSError`."""
        return self.checksums().prove(etag)


class _Summing:
    """The checksums of a content, piece by piece."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._parts = hashlib.md5(usedforsecurity=False)
        self._count = self._size = 0

    def add(self, piece: bytes) -> None:
        self._sha256.update(piece)
        self._md5.update(piece)
        self._parts.update(hashlib.md5(piece, usedforsecurity=False).digest())
        self._count += 1
        self._size += len(piece)

    def checksums(self) -> Checksums:
        parts = f"{self._parts.hexdigest()}-{self._count}"
        return Checksums(self._size, self._sha256.hexdigest(), self._md5.hexdigest(), parts)


def open_content(content: Path | bytes) -> SmallContent | LargeContent:
    """Take bytes or a file; a small file is read. Raises `OSError`."""
    if isinstance(content, bytes):
        return SmallContent(content)
    size = content.stat().st_size
    if size > MAX_SINGLE_BYTES:
        return LargeContent(content, size)
    return SmallContent(b"".join(read_pieces(content, size, size)))  # of one piece: not copied


def read_pieces(path: Path, size: int, piece_bytes: int = 0) -> Iterator[bytes]:
    """Yield a file of `size` bytes in pieces of one size, but for the last. Raises `OSError`, and
    `FileChangedError` where it is not what it was when its reading began."""
    with open(path, "rb", buffering=0, opener=_open_at_once) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "not a file", str(path))
        left = size
        while left:
            piece = _read(file.fileno(), min(piece_bytes or PIECE_BYTES, left))
            if not piece:
                break
            left -= len(piece)
            yield piece
        after = os.fstat(file.fileno())
        if left or (after.st_size, after.st_mtime_ns) != (size, before.st_mtime_ns):
            raise FileChangedError(f"{path} changed while it was read")


def _open_at_once(name: str, flags: int) -> int:
    """Open a file, and do not wait for who writes into a pipe of that name."""
    return os.open(name, flags | os.O_NONBLOCK)


def _read(descriptor: int, size: int) -> bytes:
    """Read so many bytes, fewer at the end of the file only."""
    data = os.read(descriptor, size)
    while data and len(data) < size:
        more = os.read(descriptor, size - len(data))
        if not more:
            break
        data += more
    return data


def sha256_of(pieces: Iterable[bytes]) -> str:
    """Return the SHA-256 of a content in hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
