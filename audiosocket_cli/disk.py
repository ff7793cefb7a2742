"""Files that are whole or not there, whatever happens: made under another name, locked meanwhile, then given their own.

A file system may forget a new name at a power cut until its folder is synced, even that of a file which was synced
itself. So it is: first the file, then its name, then the folder. What a process that died has left half-made is found
by its lock, which the kernel took from it, and cleared by the next one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from audiosocket_cli.errors import OutputError, UsageError

PREFIX: Final = ".audiosocket-"
"""How names of files begin that are being converted."""

PART: Final = ".part"
"""How names of files end that are to be JSON."""

_CONVERSION: Final = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}(\.\w+)?")
"""Eight characters, as `HalfMade.unnamed` and earlier `tempfile` put them, and a suffix."""

_CANNOT_SYNC: Final = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM}


class HalfMade:
    """A file that only the user can read, under a name for the time being, and locked for as long as it has that."""

    def __init__(self, path: Path) -> None:
        """Create `path`. Raises `OSError`, and `FileExistsError` where there is something by that name."""
        self.path = path
        while True:
            self.descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            if self._lock():
                return
            os.close(self.descriptor)

    @classmethod
    def unnamed(cls, folder: Path, suffix: str) -> HalfMade:
        """Create a file in a folder by a name that nobody asks for. Raises `OSError`."""
        return cls(folder / f"{PREFIX}{secrets.token_hex(4)}{suffix}")

    def _lock(self) -> bool:
        """Hold the file against `clear_half_made`; False where that was faster. Without locks it clears nothing."""
        with contextlib.suppress(OSError):
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.stat(self.path, follow_symlinks=False), os.fstat(self.descriptor))
        return False

    def name(self, path: Path) -> None:
        """Have it on the disk itself, by the name of `path`, which nobody else has.

        Raises `OSError`, and `FileExistsError` where that name is taken; then it is still half-made.
        """
        os.fsync(self.descriptor)
        try:
            os.link(self.path, path)
        except FileExistsError:
            raise
        except OSError:  # there are file systems without a second name for a file
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            self.path.replace(path)
        else:
            self.path.unlink(missing_ok=True)
        sync_folder(path.parent)
        os.close(self.descriptor)

    def drop(self) -> None:
        """It is not wanted any more."""
        with contextlib.suppress(OSError):  # a disk that fails, fails here as well
            self.path.unlink()
        os.close(self.descriptor)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk itself. Raises `OSError`; does what can be done where that is nothing."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, where they are not there, and have them on the disk itself. Raises `OSError`."""
    made = [folder, *folder.parents]
    made = made[: next((number for number, each in enumerate(made) if each.is_dir()), len(made))]
    folder.mkdir(parents=True, exist_ok=True)
    for each in reversed(made):
        sync_folder(each.parent)


def clear_half_made(folder: Path, is_json: Callable[[str], object]) -> None:
    """Clear what processes that died have left in a folder: conversions, and parts of JSON files that are ours by name.

    JSON that is complete, and only lacks its name, gets it. Nothing of a process that lives is touched, and no failure
    is told: what cannot be cleared does no harm.
    """
    with contextlib.suppress(OSError):
        for path in list(_half_made(folder, is_json)):
            with contextlib.suppress(OSError):
                _clear(path)


def _half_made(folder: Path, is_json: Callable[[str], object]) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            is_part = entry.name.endswith(PART) and is_json(entry.name.removesuffix(PART))
            if (is_part or _CONVERSION.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _clear(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while its maker lives
        if not stat.S_ISREG(status.st_mode) or not os.path.samestat(os.lstat(path), status):
            return
        if path.name.endswith(PART) and _is_whole(path):
            with contextlib.suppress(FileExistsError):
                os.link(path, path.with_suffix(""))
                sync_folder(path.parent)
        path.unlink()
    finally:
        os.close(descriptor)


def _is_whole(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_bytes()))
    except ValueError:
        return False


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
