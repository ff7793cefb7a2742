"""What waits for its turn: the speech that a program wrote and the files that it named, and lines of text."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from audiosocket_cli.call.sources.prompts import Account, Speech
from audiosocket_cli.codec import SAMPLE_BYTES

_MAX_LINE_BYTES: Final = 8192


class _File:
    """A file that is to be said: opened when its turn is near, so that no more than two are open at once."""

    def __init__(self, begin: Callable[[], Speech]) -> None:
        self._begin = begin
        self._speech: Speech | None = None

    def begin(self) -> Speech:
        """Begin to read it, once, and return its sound."""
        if self._speech is None:
            self._speech = self._begin()
        return self._speech

    @property
    def left_bytes(self) -> int:
        """What is left of one that is being said."""
        if self._speech is None or not self._speech.position:
            return 0
        return round(self._speech.left_s * self._speech.rate_hz) * SAMPLE_BYTES

    def close(self) -> None:
        if self._speech is not None:
            self._speech.close()


class SpeechQueue:
    """What a program wants to be said: samples it wrote, and files, in order."""

    def __init__(self) -> None:
        self.files = 0
        """Files that wait to be said, or are."""
        self.account = Account()
        """What is to be said of the files afterwards."""
        self._next = bytearray()
        self._later: deque[bytes | _File] = deque()
        self._half = b""
        self._stale = False
        self._problems: list[str] = []

    def __len__(self) -> int:
        """Bytes of samples that wait; a file counts as one."""
        return len(self._next) + sum(len(item) if isinstance(item, bytes) else 1 for item in self._later)

    @property
    def odd(self) -> bool:
        """Whether the last sample is cut in two, and its second half has yet to come."""
        return bool(self._half)

    def add(self, data: bytes) -> None:
        """Say samples after all else. Half a sample at the end waits for its other half, however long that takes."""
        data = self._half + data
        whole = len(data) & ~1
        data, self._half = data[:whole], data[whole:]
        if self._later and data:
            self._later.append(data)
        else:
            self._next += data

    def add_file(self, begin: Callable[[], Speech]) -> None:
        """Say a file after all else; `begin` begins to read it."""
        self.files += 1
        self._later.append(_File(begin))
        if len(self._later) == 1:
            self._prepare(0)

    def take(self, size: int) -> bytes | None:
        """Return the next `size` bytes; None when there is nothing (yet).

        A rest that is shorter is filled up with silence, unless it has only just begun to arrive.
        """
        while len(self._next) < size and self._later and self._promote(size):
            pass
        if len(self._next) >= size or (self._next and (self._stale or self._later)):
            data = bytes(self._next[:size])
            del self._next[:size]
            self._stale = False
            return data.ljust(size, b"\0")
        self._stale = bool(self._next)
        return None

    def clear(self) -> int:
        """Forget all, and return how many bytes of samples that were."""
        dropped = sum(item.left_bytes for item in self._later if isinstance(item, _File))
        self.forget_files()
        dropped += len(self)
        self._next.clear()
        self._later.clear()
        self._half = b""
        return dropped

    def forget_files(self) -> None:
        """Forget the files, and read no more of them."""
        for item in self._later:
            if isinstance(item, _File):
                item.close()
        self._later = deque(item for item in self._later if isinstance(item, bytes))
        self.files = 0

    def problems(self) -> list[str]:
        """Return what went wrong since the last time."""
        problems, self._problems = self._problems, []
        return problems

    def _promote(self, size: int) -> bool:
        """Move some of what comes later to what comes next; False when it is not there yet."""
        item = self._later[0]
        if isinstance(item, bytes):
            self._next += item
            self._later.popleft()
            return True
        speech = item.begin()
        data = speech.take(size - len(self._next))
        if data is None:
            self.account.missed += speech.position > 0
            return False
        self._next += data
        if speech.is_over:
            if speech.error is not None:
                self._problems.append(speech.error)
            self.account.add(speech, is_told=True)
            self.files -= 1
            self._later.popleft()
            self._prepare(0)
        elif speech.is_all_there:
            self._prepare(1)
        return True

    def _prepare(self, place: int) -> None:
        """Begin to read a file before it is said, so that nothing is missing in between."""
        if len(self._later) > place:
            item = self._later[place]
            if isinstance(item, _File):
                item.begin()


class Lines:
    """Bytes in, lines of text out, some at a time; one without an end is cut."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._rest = b""

    def __bool__(self) -> bool:
        """Whether there are lines to take."""
        return bool(self._waiting)

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._waiting += lines
        if len(self._rest) > _MAX_LINE_BYTES:
            self.end()

    def end(self) -> None:
        """Treat an unfinished last line as a whole one."""
        if self._rest:
            self._waiting.append(self._rest)
            self._rest = b""

    def take(self, most: int) -> list[str]:
        """Return the next lines, at most `most`."""
        lines = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
