"""A file that a process has locked for as long as it lives: the kernel releases the lock of a process that died."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class LockFile:
    """A lock by a file's name. It is made for this process alone: nothing inherits it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process has it."""
        return self._descriptor is not None

    def try_take(self, content: bytes = b"") -> bool:
        """Take the lock unless somebody else has it, and write `content` to the file. Raises `OSError`."""
        if self._descriptor is not None:
            return True
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
            if self._is_ours(descriptor):
                break
            os.close(descriptor)  # its last holder has removed it meanwhile
        self._descriptor = descriptor
        self._give_to_owner(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
        os.fsync(descriptor)
        return True

    def _give_to_owner(self, descriptor: int) -> None:
        """Let the folder's owner use a file that root has made, as SQLite does: a server that runs as that user goes on
        after root has sent what waited."""
        if os.geteuid() == 0:
            with contextlib.suppress(OSError):
                folder = os.stat(self.path.parent)
                os.fchown(descriptor, folder.st_uid, folder.st_gid)

    def write(self, content: bytes) -> None:
        """Write other content, which may have spaces after it then: there is no moment at which it is not whole.
        Raises `OSError`."""
        assert self._descriptor is not None
        os.pwrite(self._descriptor, content.ljust(os.fstat(self._descriptor).st_size), 0)

    def _is_ours(self, descriptor: int) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.stat(self.path, follow_symlinks=False), os.fstat(descriptor))
        return False

    def release(self, *, remove: bool = False) -> None:
        """Give the lock back, and remove the file if told to. Safe to call twice."""
        if self._descriptor is None:
            return
        if remove:
            with contextlib.suppress(OSError):
                self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = None


def is_locked(path: Path) -> bool:
    """Whether a process holds, or may hold, the lock of a file: False only where there is none, or nobody has it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
