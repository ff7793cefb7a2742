"""The processes of a spool: each that uses it has a file there, locked for as long as it lives.

A file that nobody holds is of a process that died: what it recorded and did not put is still to be found, then the file
is removed. A process that ends in order removes its own file.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.disk import read_regular, sync_folder
from audiosocket_cli.outbox.lock_file import LockFile, is_locked

_MAX_BYTES: Final = 65_536

_LOOKED_AT_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class SpoolProcess:
    """A process that uses the spool, or did."""

    id: str
    started_at: float
    """In seconds since 1970; 0.0 where its file does not say."""
    upload: str | None
    """Where it has recordings uploaded to."""
    events: str | None
    """Where it has events sent to."""
    record: str | None
    """The pattern of its recordings' names, absolute."""
    capture: str | None = None
    """The folder of its captures, absolute, where each call has its own."""


class SpoolProcesses:
    """The folder with a file of each process, and our own file in it."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Make our own file; `about` has the members of a `SpoolProcess` for it. Raises `OSError`."""
        self._folder = folder
        self.own = os.urandom(8).hex()
        """Our id: unique for ever."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self._about = about
        self._earliest_at = time.time()
        self.are_alone = False
        """Whether there was no other process when `dead` was asked for last."""
        self._file = LockFile(folder / self.own)
        while not self._file.try_take(self._content()):  # looking whether it is locked locks it for a moment
            time.sleep(_LOOKED_AT_S)
        sync_folder(folder)  # it is to be found after a power cut

    def follow_clock(self) -> None:
        """Note that the clock was set back: what is recorded from now on is older than our start. Raises `OSError`."""
        now_at = time.time()
        if now_at < self._earliest_at:
            self._earliest_at = now_at
            self._file.write(self._content())

    def _content(self) -> bytes:
        return json.dumps({"started_at": self._earliest_at, **self._about}).encode()

    def close(self, *, is_over: bool = True) -> None:
        """Remove our own file; keep it if not all `is_over`, as that of a process that died."""
        self._file.release(remove=is_over)

    def others(self) -> Iterator[SpoolProcess]:
        """Yield the other processes that live."""
        yield from (self._read(name) for name in self._names() if is_locked(self._folder / name))

    def being_recorded(self) -> set[str | None]:
        """Return the patterns of all processes that live, ours too."""
        return {self._about.get("record"), *(process.record for process in self.others())}

    def dead(self) -> list[SpoolProcess]:
        """Return the processes that died."""
        names = self._names()
        self.are_alone = not names
        return [self._read(name) for name in names if not is_locked(self._folder / name)]

    def is_dead(self, id: str) -> bool:
        """Whether a process has ended, in whatever way."""
        return id != self.own and not is_locked(self._folder / id)

    def forget(self, id: str) -> None:
        """Remove the file of a process that died; not that of one which was just about to lock it, and lives."""
        file = LockFile(self._folder / id)
        with contextlib.suppress(OSError):
            if file.path.exists() and file.try_take():
                file.release(remove=True)

    def _names(self) -> list[str]:
        try:
            return sorted(set(os.listdir(self._folder)) - {self.own})
        except OSError:
            return []

    def _read(self, name: str) -> SpoolProcess:
        told: Any = {}
        with contextlib.suppress(OSError, ValueError, RecursionError):
            told = json.loads(read_regular(self._folder / name, _MAX_BYTES) or b"")
        told = told if isinstance(told, dict) else {}
        texts = (told.get(key) for key in ("upload", "events", "record", "capture"))
        started_at = told.get("started_at")
        return SpoolProcess(
            name,
            float(started_at) if isinstance(started_at, int | float) else 0.0,
            *(text if isinstance(text, str) else None for text in texts),
        )
