"""Limits on the number of calls, in one process or in several that share a port, and which process accepts the next."""

from __future__ import annotations

import fcntl
import hashlib
import math
import mmap
import os
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_NUMBER: Final = struct.Struct("=q")
_KEY_BYTES: Final = 8
_MAX_KEYS: Final = 16384
"""The most calls of one process whose addresses other processes see. Unused pages take no memory."""

_SLOT_BYTES: Final = 2 * _NUMBER.size + _MAX_KEYS * _KEY_BYTES
"""What each process writes: its live calls, its beats, and the addresses of its calls."""

_LOCK_ATTEMPTS: Final = 50
_LOCK_PAUSE_S: Final = 0.001


class CallLimits:
    """Counts the calls of one process against what may begin in all, and be there at once."""

    def __init__(self, calls: float = math.inf, max_calls: float = math.inf) -> None:
        self.calls = calls
        self.max_calls = max_calls
        self._begun = 0
        self._live = 0
        self._from: Counter[str] = Counter()

    @property
    def is_full(self) -> bool:
        """Whether the limit of calls at once is reached."""
        return self._live >= self.max_calls

    @property
    def is_used_up(self) -> bool:
        """Whether the limit of calls in all is reached."""
        return self._begun >= self.calls

    @property
    def is_ahead(self) -> bool:
        """Whether another process has fewer calls than this one, and should take the next."""
        return False

    def begin(self) -> bool:
        """Let one more call begin; False when there may be none."""
        if self._begun >= self.calls:
            return False
        self._begun += 1
        return True

    def count_live(self, live: int) -> None:
        """Set the number of connections of this process."""
        self._live = live

    def calls_from(self, host: str) -> int:
        """Return how many calls there are now from an address or a network."""
        return self._from[host]

    def enter(self, host: str) -> None:
        """Count a call from there."""
        self._from[host] += 1

    def leave(self, host: str) -> None:
        """Uncount a call from there."""
        self._from[host] -= 1
        if not self._from[host]:
            del self._from[host]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the counts while this process checks and then changes them."""
        yield


class SharedCallLimits(CallLimits):
    """The same for processes that share a file: each writes its own numbers, and reads those of all."""

    def __init__(self, descriptor: int, number: int, workers: int, calls: float, max_calls: float) -> None:
        """Count as process `number`, 0 to `workers` - 1; the file of `new_shared_file` stays open."""
        super().__init__(calls, max_calls)
        self._descriptor = descriptor
        self._workers = workers
        self._number = number
        self._keys: list[bytes] = []
        self._memory = mmap.mmap(descriptor, _size(workers))
        self._is_held = False

    @property
    def is_full(self) -> bool:
        return sum(map(self.live_in, range(self._workers))) >= self.max_calls

    @property
    def is_used_up(self) -> bool:
        return self._read(0) >= self.calls

    @property
    def is_ahead(self) -> bool:
        others = (self.live_in(number) for number in range(self._workers) if number != self._number)
        return self.live_in(self._number) > min(others, default=math.inf)

    def begin(self) -> bool:
        with self.held():
            begun = self._read(0)
            if begun >= self.calls:
                return False
            _NUMBER.pack_into(self._memory, 0, begun + 1)
        return True

    def count_live(self, live: int) -> None:
        _NUMBER.pack_into(self._memory, _slot(self._number), live)

    def live_in(self, number: int) -> int:
        """Return how many connections a process last had."""
        return self._read(_slot(number))

    def beat(self) -> None:
        """Increase this process's heartbeat."""
        at = _slot(self._number) + _NUMBER.size
        _NUMBER.pack_into(self._memory, at, self._read(at) + 1)

    def beats_of(self, number: int) -> int:
        """Return a number that grows while a process gives signs of life."""
        return self._read(_slot(number) + _NUMBER.size)

    def calls_from(self, host: str) -> int:
        key, found = _key(host), 0
        for number in range(self._workers):
            at = _keys(number)
            keys = self._memory[at : at + min(self.live_in(number), _MAX_KEYS) * _KEY_BYTES]
            found += sum(keys[start : start + _KEY_BYTES] == key for start in range(0, len(keys), _KEY_BYTES))
        return found

    def enter(self, host: str) -> None:
        self._keys.append(_key(host))
        self._write_key(len(self._keys) - 1)

    def leave(self, host: str) -> None:
        index = self._keys.index(_key(host))
        last = self._keys.pop()
        if index < len(self._keys):
            self._keys[index] = last
            self._write_key(index)

    def forget(self, number: int) -> None:
        """Reset the counts of a process that has ended."""
        _NUMBER.pack_into(self._memory, _slot(number), 0)
        _NUMBER.pack_into(self._memory, _slot(number) + _NUMBER.size, 0)

    @contextmanager
    def held(self) -> Iterator[None]:
        if self._is_held:
            yield
            return
        self._is_held = self._lock()
        try:
            yield
        finally:
            if self._is_held:
                self._is_held = False
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _lock(self) -> bool:
        for _ in range(_LOCK_ATTEMPTS):
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(_LOCK_PAUSE_S)
            else:
                return True
        return False  # a process that stands still has it: a call too many does less harm than standing still as well

    def _write_key(self, index: int) -> None:
        if index < _MAX_KEYS:
            at = _keys(self._number) + index * _KEY_BYTES
            self._memory[at : at + _KEY_BYTES] = self._keys[index]

    def _read(self, at: int) -> int:
        value: int = _NUMBER.unpack_from(self._memory, at)[0]
        return value


def new_shared_file(workers: int) -> int:
    """Return the descriptor of a file without a name in which processes count their calls."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("audiosocket calls")
        os.ftruncate(descriptor, _size(workers))
        return descriptor
    with tempfile.TemporaryFile() as file:
        file.truncate(_size(workers))
        return os.dup(file.fileno())


def _size(workers: int) -> int:
    return _slot(workers)


def _slot(number: int) -> int:
    return _NUMBER.size + number * _SLOT_BYTES


def _keys(number: int) -> int:
    return _slot(number) + 2 * _NUMBER.size


def _key(host: str) -> bytes:
    return hashlib.blake2b(host.encode("utf-8", "replace"), digest_size=_KEY_BYTES).digest()
