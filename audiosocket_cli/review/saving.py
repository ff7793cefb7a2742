"""A file that a capture is written to: private to the user, whole or not there, and never over another unasked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import Final

from audiosocket_cli.errors import OutputError, UsageError

_BUFFER_BYTES: Final = 1 << 16
_FLUSH_S: Final = 0.25


def write_file(name: str, pieces: Iterable[bytes], *, force: bool) -> None:
    """Write a file that only the user can read; one that is there is not touched without `force`.

    Whoever interrupts it keeps what was written so far; what fails leaves no file behind. Raises `UsageError` for a
    name that cannot be, `OutputError` where writing fails.
    """
    path = Path(name)
    try:
        if path.is_dir():
            raise UsageError(f"cannot write {name}: it is a folder; name a file in it")
        if path.exists() and not path.is_file():  # a pipe with a name, or a device
            with open(path, "wb", buffering=0) as file:
                _write(file, pieces, name)
            return
        if os.path.lexists(path) and not force:
            raise UsageError(f"cannot write {name}: it exists; choose another name or add --force")
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}") if os.path.lexists(path) else path
        _write_new(new, pieces, name, keep=new is path)
        if new is not path:
            new.replace(path)
    except OSError as error:
        raise UsageError(_unwritable(name, error)) from None


def _unwritable(name: str, error: OSError) -> str:
    return f"cannot write {name}: {(error.strerror or str(error)).lower()}"


def _write_new(path: Path, pieces: Iterable[bytes], name: str, *, keep: bool) -> None:
    """Write a file that is not there; `keep` what is written by then where somebody interrupts."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            _write(file, pieces, name)
    except BaseException as error:
        if not (keep and isinstance(error, KeyboardInterrupt)):
            path.unlink(missing_ok=True)
        raise


def _write(file: FileIO, pieces: Iterable[bytes], name: str) -> None:
    """Write pieces as they fill a buffer, or a quarter of a second has passed: somebody may be reading."""
    waiting, size, next_s = [], 0, time.monotonic() + _FLUSH_S
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _BUFFER_BYTES or time.monotonic() >= next_s:
            _write_all(file, b"".join(waiting), name)
            waiting, size, next_s = [], 0, time.monotonic() + _FLUSH_S
    _write_all(file, b"".join(waiting), name)


def _write_all(file: FileIO, data: bytes, name: str) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise OutputError(_unwritable(name, error)) from None
