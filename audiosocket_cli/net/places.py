"""How many calls there may be, in one process or in several that share a port."""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBER = struct.Struct("=q")


class Places:
    """Counts the calls of one process against what may begin in all, and be there at once."""

    def __init__(self, calls: float = math.inf, max_calls: float = math.inf) -> None:
        self.calls = calls
        self.max_calls = max_calls
        self._begun = 0
        self._live = 0

    @property
    def are_taken(self) -> bool:
        """Whether there are as many calls as there may be at once."""
        return self._live >= self.max_calls

    @property
    def are_used_up(self) -> bool:
        """Whether as many calls have begun as there may be in all."""
        return self._begun >= self.calls

    def begin(self) -> bool:
        """Let one more call begin; False when there may be none."""
        if self._begun >= self.calls:
            return False
        self._begun += 1
        return True

    def count_live(self, live: int) -> None:
        """Say how many connections there are now."""
        self._live = live


class SharedPlaces(Places):
    """The same for processes that share a file: each writes its own number of live calls, and reads those of all."""

    def __init__(self, descriptor: int, number: int, workers: int, calls: float, max_calls: float) -> None:
        """Count as process `number`, 0 to `workers` - 1; the file of `new_shared_file` stays open."""
        super().__init__(calls, max_calls)
        self._descriptor = descriptor
        self._workers = workers
        self._at = (1 + number) * _NUMBER.size
        self._memory = mmap.mmap(descriptor, (1 + workers) * _NUMBER.size)

    @property
    def are_taken(self) -> bool:
        return sum(self._read((1 + worker) * _NUMBER.size) for worker in range(self._workers)) >= self.max_calls

    @property
    def are_used_up(self) -> bool:
        return self._read(0) >= self.calls

    def begin(self) -> bool:
        with self._locked():
            begun = self._read(0)
            if begun >= self.calls:
                return False
            _NUMBER.pack_into(self._memory, 0, begun + 1)
        return True

    def count_live(self, live: int) -> None:
        _NUMBER.pack_into(self._memory, self._at, live)

    def live_in(self, number: int) -> int:
        """Return how many connections a process last had."""
        return self._read((1 + number) * _NUMBER.size)

    def forget(self, number: int) -> None:
        """A process is no more, and its calls with it."""
        _NUMBER.pack_into(self._memory, (1 + number) * _NUMBER.size, 0)

    def _read(self, at: int) -> int:
        value: int = _NUMBER.unpack_from(self._memory, at)[0]
        return value

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def new_shared_file(workers: int) -> int:
    """Return the descriptor of a file without a name in which processes count their calls."""
    with tempfile.TemporaryFile() as file:
        file.truncate((1 + workers) * _NUMBER.size)
        return os.dup(file.fileno())
