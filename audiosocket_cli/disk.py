"""Files that are whole or absent: made under a temporary name, locked while they have it, then given their own name.

A file system may forget a new name at a power cut until its folder is synced, even that of a file which was synced
itself. So the file is synced first, then its name is set, then the folder is synced. The next process removes the
unfinished files of a process that died: they are no longer locked, as the kernel has released their locks.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from audiosocket_cli.errors import FileError, OutputError, UsageError

PREFIX: Final = ".audiosocket-"
"""The first characters of the names of files that are being converted."""

PART: Final = ".part"
"""The suffix of JSON files that are not finished."""

_CONVERSION: Final = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}(\.\w+)?")
"""Eight characters, as `HalfMade.unnamed` and earlier `tempfile` put them, and a suffix."""

_WORKING: Final = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")
"""The names of working folders, as `tempfile` makes them."""

_CANNOT_SYNC: Final = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM}


_MAX_JSON_BYTES: Final = 64 << 20
"""More than any call's JSON has: what is longer is not ours."""


class HalfMade:
    """A file that only the user can read, under a temporary name, and locked for as long as it has that name."""

    __slots__ = ("descriptor", "temporary_name")

    def __init__(self, path: Path) -> None:
        """Create `path`. Raises `OSError`, and `FileExistsError` where there is something by that name."""
        self.temporary_name = str(path)  # a `Path` takes five times the memory, and each call has one
        while True:
            self.descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            if self._lock():
                return
            os.close(self.descriptor)

    @classmethod
    def unnamed(cls, folder: Path, suffix: str) -> HalfMade:
        """Create a file in a folder under a random name. Raises `OSError`."""
        return cls(folder / f"{PREFIX}{os.urandom(4).hex()}{suffix}")

    @property
    def path(self) -> Path:
        """Its temporary name."""
        return Path(self.temporary_name)

    def _lock(self) -> bool:
        """Protect the file from `clear_half_made`; False if that has removed it already. Without locks it removes
        nothing."""
        with contextlib.suppress(OSError):
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.stat(self.path, follow_symlinks=False), os.fstat(self.descriptor))
        return False

    def name(self, path: Path) -> None:
        """Sync it to the disk and give it the name `path`, which must be free.

        Raises `OSError`, and `FileExistsError` where that name is taken; then it is still half-made.
        """
        os.fsync(self.descriptor)
        give_name(self.path, path)
        sync_folder(path.parent)
        os.close(self.descriptor)

    def drop(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):  # a disk that fails, fails here as well
            self.path.unlink()
        os.close(self.descriptor)


def check_rereadable(path: Path) -> None:
    """Raise `FileError` where a path is no file: a pipe has been read to its end, or never ends."""
    with contextlib.suppress(OSError):  # reading will report it
        if path.exists() and not path.is_file():
            raise FileError(f"cannot read {path} again: it is not a file")


def status_of(path: str | Path) -> os.stat_result | None:
    """Return what is at a path, None where nothing is. Raises `FileError` where that cannot be known."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: NUL or half a letter is in no name
        return None
    except OSError as error:
        raise FileError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def is_folder(path: str | Path) -> bool:
    """Whether a folder is at a path. Raises `FileError` where that cannot be known."""
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def small_bytes(path: Path, max_bytes: int, holds: str) -> bytes:
    """Return what is in a file that a user has named; `holds` says what should be. Raises `FileError`, also for more
    than `max_bytes`, as from a pipe or a device that never ends."""
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise FileError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    if len(data) > max_bytes:
        raise FileError(f"cannot read {path}: it is longer than {max_bytes:,} bytes; name a file of {holds}")
    return data


def small_text(path: Path, max_bytes: int, holds: str) -> str:
    """Return the text of a file that somebody has written by hand; `holds` says what. Raises `FileError`."""
    try:
        return small_bytes(path, max_bytes, holds).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileError(f"cannot read {path}: it is not text in UTF-8; name a file of {holds}") from None


def read_regular(path: str | bytes | Path, max_bytes: int, folder: int | None = None) -> bytes | None:
    """Return the bytes of a regular file; None where there are more than `max_bytes`. A pipe is not waited for, and
    links are not followed.

    The name may be relative to the descriptor of a `folder`. Raises `OSError`, also for what is not a file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a file")
        if status.st_size > max_bytes:
            return None
        pieces, left = [], max_bytes + 1  # it may grow meanwhile
        while left and (piece := os.read(descriptor, min(left, max(status.st_size, 1 << 16) + 1))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces) if left else None
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk itself; does nothing on a file system that cannot. Raises `OSError`."""
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
    """Make a folder and its missing parents, and put them on the disk itself. Raises `OSError`."""
    if os.path.isdir(folder):  # as for nearly every call
        return
    made = [folder, *folder.parents]
    made = made[: next((number for number, each in enumerate(made) if each.is_dir()), len(made))]
    folder.mkdir(parents=True, exist_ok=True)
    for each in reversed(made):
        sync_folder(each.parent)


def prove_folder(folder: Path) -> None:
    """Make a folder and its missing parents, and prove that a file can be made in it. Raises `OSError`."""
    make_folder(folder)
    with tempfile.TemporaryFile(dir=folder, prefix=PREFIX):
        pass


@contextlib.contextmanager
def working_folder(folder: Path) -> Iterator[Path]:
    """Make a folder in another one for files that are not finished, and remove it at the end with all that is in it.

    Those of processes that died are removed first: they are no longer locked. Raises `OSError`.
    """
    for path in [path for path in folder.iterdir() if _WORKING.fullmatch(path.name)]:
        with contextlib.suppress(OSError), _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(path)
    with contextlib.ExitStack() as stack:
        made = _make_locked(folder, stack)
        stack.callback(shutil.rmtree, made, ignore_errors=True)
        yield made


def _make_locked(folder: Path, stack: contextlib.ExitStack) -> Path:
    while True:
        made = Path(tempfile.mkdtemp(dir=folder, prefix=PREFIX))
        with contextlib.suppress(OSError):  # without locks, nothing of a process that died is removed
            stack.enter_context(_locked(made, fcntl.LOCK_EX))
        if made.exists():  # else another process has removed it before it was locked
            return made


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def give_name(half: Path, path: Path) -> None:
    """Move a finished file to a name that must be free. Raises `OSError`, and `FileExistsError` where it is taken."""
    try:
        os.link(half, path)
    except FileExistsError:
        raise
    except OSError:  # there are file systems without a second name for a file
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        half.replace(path)
    else:
        half.unlink(missing_ok=True)


def clear_half_made(folder: Path, is_json: Callable[[str], object]) -> None:
    """Remove what processes that died have left in a folder: conversions, and unfinished JSON files with our names.

    JSON that is complete, and only lacks its name, gets it. Files of a live process are not touched. Failures are not
    reported: a file that cannot be removed does no harm.
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
        return bool(json.loads(read_regular(path, _MAX_JSON_BYTES) or b""))
    except (ValueError, RecursionError):
        return False


_BUFFER_BYTES: Final = 1 << 16
_FLUSH_S: Final = 0.25


def write_file(name: str, pieces: Iterable[bytes], *, force: bool) -> None:
    """Write a file that only the user can read; an existing file is not touched without `force`.

    After an interruption the file holds what was written so far; after a failure there is no file. Raises `UsageError`
    for a name that cannot be used, `OutputError` when writing fails.
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
    """Write a new file; `keep` says that an interruption leaves what is written by then."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            _write(file, pieces, name)
    except BaseException as error:
        if not (keep and isinstance(error, KeyboardInterrupt)):
            path.unlink(missing_ok=True)
        raise


def _write(file: FileIO, pieces: Iterable[bytes], name: str) -> None:
    """Write pieces whenever a buffer is full or a quarter of a second has passed: somebody may be reading."""
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
