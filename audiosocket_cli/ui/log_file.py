"""The file of `--log-file`: only the user can read it, lines are appended, and it may be moved or cut at any time.

Before each line it is looked up by its name, which costs microseconds: where that is another file by now, or none, it
is opened anew. So logrotate needs no `postrotate`, and `copytruncate` works too, as each write goes to the end.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from audiosocket_cli.errors import UsageError
from audiosocket_cli.ui.console import line_bytes, say

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class LogFile:
    """Appends lines to a file. A write error is reported once for each reason, and ends nothing."""

    def __init__(self, path: Path, complain: Callable[[str], object] = say) -> None:
        """Open it. Raises `UsageError` where that cannot be."""
        self._path = path
        self._complain = complain
        self._told: set[str] = set()
        self._is_torn = False
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise UsageError(f"cannot write the log to {path}: {_reason(error)}") from None

    def put(self, line: str) -> bool:
        """Append a line; False where it is lost. May wait for the disk: for a thread that may."""
        try:
            self._follow()
            self._write(line_bytes(line))
        except OSError as error:
            self._complain_once(error)
            return False
        return True

    def reopen(self, _: str = "") -> bool:
        """Look at once whether the file was moved, so that the one moved is free. True: no line is lost by that."""
        try:
            self._follow()
        except OSError as error:
            self._complain_once(error)
        return True

    def _open(self) -> int:
        descriptor = os.open(self._path, _FLAGS, 0o600)
        os.set_blocking(descriptor, True)  # only the opening of a pipe that nobody reads must not wait
        return descriptor

    def _follow(self) -> None:
        try:
            if self._is_there():
                return
            new = self._open()
        except OSError as error:
            if not os.fstat(self._descriptor).st_nlink:
                raise
            self._complain_once(error)  # lines go on to the file that was moved: none is lost
            return
        os.close(self._descriptor)
        self._descriptor, self._is_torn = new, False

    def _is_there(self) -> bool:
        ours = os.fstat(self._descriptor)
        try:
            return os.path.samestat(os.stat(self._path), ours) or not stat.S_ISREG(ours.st_mode)
        except FileNotFoundError:
            return False

    def _write(self, line: bytes) -> None:
        """Write a whole line. A disk that was full within one must not join the next to it."""
        data = b"\n" + line if self._is_torn else line
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        finally:
            self._is_torn = written < len(data) and (written > 0 or self._is_torn)

    def _complain_once(self, error: OSError) -> None:
        reason = _reason(error)
        if reason not in self._told:
            self._told.add(reason)
            self._complain(f"cannot write the log to {self._path}: {reason} (calls go on)")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
