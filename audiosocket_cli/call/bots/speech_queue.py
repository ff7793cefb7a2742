"""What a bot wants to say, in order: samples, files that it named, and marks between them. Also a program's lines of
text."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from audiosocket_cli.call.sources.prompts import Speech
from audiosocket_cli.call.sources.speech_notes import SpeechNotes
from audiosocket_cli.codec import SAMPLE_BYTES

_MAX_LINE_BYTES: Final = 8192


class _File:
    """A queued file, opened shortly before its turn, so that at most two are open at once."""

    def __init__(self, begin: Callable[[], Speech]) -> None:
        self._begin = begin
        self._speech: Speech | None = None

    def begin(self) -> Speech:
        """Start reading it, once, and return its sound."""
        if self._speech is None:
            self._speech = self._begin()
        return self._speech

    @property
    def left_bytes(self) -> int:
        """How many bytes are left of a file that is being said."""
        if self._speech is None or not self._speech.position:
            return 0
        return round(self._speech.left_s * self._speech.rate_hz) * SAMPLE_BYTES

    def close(self) -> None:
        if self._speech is not None:
            self._speech.close()


class _Mark(NamedTuple):
    """A place in the speech, by the name that the bot gave it."""

    name: str


class _Due(NamedTuple):
    """A mark that only samples of `_next` precede."""

    at_bytes: int
    """How many bytes have been taken, of all that ever are, when it is reached."""
    name: str


class SpeechQueue:
    """The speech of a bot: samples, files and marks, in order."""

    def __init__(self) -> None:
        self.files = 0
        """Files that wait to be said, or are."""
        self.speech_notes = SpeechNotes()
        """What is to be said of the files afterwards."""
        self.passed: list[str] = []
        """Marks whose place has been taken, in order; whoever tells of them clears it."""
        self._next = bytearray()
        self._later: deque[bytearray | _File | _Mark] = deque()
        self._due: deque[_Due] = deque()
        """In the order of their places. A bot may have a thousand, so that most frames look at the first only."""
        self._taken = 0
        self._half = b""
        self._stale = False
        self.problems: list[str] = []
        """What went wrong with files; whoever tells of it clears it."""

    def __len__(self) -> int:
        """Queued bytes of samples; a file counts as one, a mark as none."""
        size = len(self._next)
        for item in self._later:
            if isinstance(item, bytearray):
                size += len(item)
            elif isinstance(item, _File):
                size += 1
        return size

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits: no speech, no mark, nor anything to tell of one."""
        return not (self._next or self._later or self._due or self.passed or self._half)

    @property
    def marks(self) -> int:
        """How many marks wait for their place to be taken."""
        return len(self._due) + sum(isinstance(item, _Mark) for item in self._later)

    @property
    def odd(self) -> bool:
        """Whether the queue ends with half a sample."""
        return bool(self._half)

    def add(self, data: bytes) -> None:
        """Queue samples, int16 little-endian bytes. Half a sample at the end waits for its other half, however long
        that takes."""
        if self._half or len(data) & 1:
            data = self._half + data
            whole = len(data) & ~1
            data, self._half = data[:whole], data[whole:]
        if not self._later:
            self._next += data
        elif isinstance(self._later[-1], bytearray):  # one item, however small the pieces: each look goes through all
            self._later[-1] += data
        elif data:
            self._later.append(bytearray(data))

    def add_file(self, begin: Callable[[], Speech]) -> None:
        """Queue a file; `begin` starts reading it."""
        self.files += 1
        self._later.append(_File(begin))
        if self.files == 1:
            self._prepare(0)

    def add_mark(self, name: str, back_bytes: int = 0) -> None:
        """Queue a mark: it is in `passed` once all that was queued before it has been taken.

        `back_bytes` of samples at the end of the queue come after it, as far as they follow the last file.
        """
        back_bytes += back_bytes & 1
        at = len(self._later)
        while at and back_bytes:
            item = self._later[at - 1]
            if isinstance(item, _File):
                break
            if isinstance(item, bytearray):
                if len(item) > back_bytes:
                    self._later[at - 1] = item[:-back_bytes]
                    self._later.insert(at, item[-back_bytes:])
                    back_bytes = 0
                    break
                back_bytes -= len(item)
            at -= 1
        if at or (self._later and not back_bytes):
            self._later.insert(at, _Mark(name))
        else:
            self._set_due(len(self._next) - back_bytes, name)

    def read_and_take(self, read: Callable[[], bytes | None], size: int, most_bytes: int) -> bytes | None:
        """Queue what `read` returns, unless so many bytes are queued already; then do as `take` does.

        A program that answers each frame keeps no more than a frame or two here: that takes the short way.
        """
        waiting = self._next
        if self._later or self._half or self._due or len(waiting) >= most_bytes:
            if len(self) < most_bytes:
                self.add(read() or b"")
            return self.take(size)
        data = read()
        if data:
            if len(data) == size and not waiting:
                self._stale = False
                return data
            self.add(data)
        return self.take(size)

    def take(self, size: int) -> bytes | None:
        """Return the next `size` bytes; None when there is nothing (yet).

        A shorter rest is filled up with silence, unless more of it may still arrive.
        """
        while len(self._next) < size and self._later and self._promote(size):
            pass
        if len(self._next) >= size:
            data = bytes(self._next[:size])
            del self._next[:size]
            self._stale = False
            if self._due:
                self._pass(size)
            return data
        if self._next and (self._stale or self._later):
            data = bytes(self._next)
            self._next.clear()
            self._stale = False
            if self._due:
                self._pass(size)
            return data.ljust(size, b"\0")
        self._stale = bool(self._next)
        if self._due:
            self._pass(0)
        return None

    def _set_due(self, left_bytes: int, name: str) -> None:
        """Let a mark be reached once so many more bytes are taken."""
        at, place = self._taken + left_bytes, len(self._due)
        while place and self._due[place - 1].at_bytes > at:
            place -= 1
        self._due.insert(place, _Due(at, name))

    def _pass(self, taken_bytes: int) -> None:
        self._taken += taken_bytes
        while self._due and self._due[0].at_bytes <= self._taken:
            self.passed.append(self._due.popleft().name)

    def take_marks(self) -> list[str]:
        """Take the marks out of the queue whose place has not been reached, and return their names in order."""
        names = [mark.name for mark in self._due] + [item.name for item in self._later if isinstance(item, _Mark)]
        self._due.clear()
        self._later = deque(item for item in self._later if not isinstance(item, _Mark))
        return names

    def end_with_sound(self, size: int) -> int:
        """Drop the digital silence at its end, fill up the last `size` bytes, and return how many bytes were dropped.
        Marks in the silence move to its beginning. A queue with files stays as it is."""
        if self._later:
            return 0
        self._half = b""
        kept = len(self._next.rstrip(b"\0"))
        whole = -(-kept // size) * size
        dropped = max(0, len(self._next) - whole)
        del self._next[whole:]
        self._next.extend(bytes(whole - len(self._next)))
        self._due = deque(_Due(min(mark.at_bytes, self._taken + whole), mark.name) for mark in self._due)
        return dropped

    def clear(self) -> int:
        """Clear the queue but for its marks, see `take_marks`, and return how many bytes of samples it held."""
        dropped = sum(item.left_bytes for item in self._later if isinstance(item, _File))
        self.forget_files()
        dropped += len(self)
        self._next.clear()
        self._later = deque(item for item in self._later if isinstance(item, _Mark))
        self._half = b""
        return dropped

    def forget_files(self) -> None:
        """Drop the files, and stop reading them."""
        for item in self._later:
            if isinstance(item, _File):
                item.close()
        self._later = deque(item for item in self._later if not isinstance(item, _File))
        self.files = 0

    def _promote(self, size: int) -> bool:
        """Move queued speech to the part that is said next; False when it is not ready yet."""
        item = self._later[0]
        if isinstance(item, bytearray):
            self._next += item
            self._later.popleft()
            return True
        if isinstance(item, _Mark):
            self._set_due(len(self._next), item.name)
            self._later.popleft()
            return True
        speech = item.begin()
        data = speech.take(size - len(self._next))
        if data is None:
            self.speech_notes.missed += speech.position > 0
            return False
        self._next += data
        if speech.is_over:
            if speech.error is not None:
                self.problems.append(speech.error)
            self.speech_notes.add(speech, is_told=True)
            self.files -= 1
            self._later.popleft()
            self._prepare(0)
        elif speech.is_all_there:
            self._prepare(1)
        return True

    def _prepare(self, place: int) -> None:
        """Start reading a file before its turn, so that there is no pause between; marks before it take no time."""
        for at in range(place, len(self._later)):
            item = self._later[at]
            if isinstance(item, _File):
                item.begin()
            if not isinstance(item, _Mark):
                return


class Lines:
    """Bytes in, lines of text out, a bounded number at a time; too long a line is cut."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        """The lines to take."""
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.waiting += lines
        if len(self._rest) > _MAX_LINE_BYTES:
            self.end()

    def end(self) -> None:
        """Treat an unfinished last line as a whole one."""
        if self._rest:
            self.waiting.append(self._rest)
            self._rest = b""

    def take(self, most: int) -> list[str]:
        """Return the next lines, at most `most`."""
        lines = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
