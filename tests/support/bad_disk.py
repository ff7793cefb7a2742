"""A file system in user space (FUSE) over a folder, that fails or stalls when told to.

    python bad_disk.py MOUNT FOLDER MOOD

MOOD is a file: while it says "fail", nothing is written (EIO); while it says "stall", nothing moves; else all is well.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

import mfusepy
from mfusepy import FuseOSError


class BadDisk(mfusepy.Operations):
    """Passes all on to the folder, by the mood."""

    use_ns = True

    def __init__(self, folder: str, mood: Path) -> None:
        self._folder = folder
        self._mood = mood

    def _at(self, path: str) -> str:
        return self._folder + path

    def _feel(self) -> None:
        while (mood := self._mood.read_text()) == "stall":
            time.sleep(0.01)
        if mood == "fail":
            raise FuseOSError(errno.EIO)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        found = os.lstat(self._at(path))
        names = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size")
        times = {f"st_{which}time": getattr(found, f"st_{which}time_ns") for which in "amc"}
        return {name: getattr(found, name) for name in names} | times

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._at(path))]

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._at(path))
        return {name: getattr(found, name) for name in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_frsize")}

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags)

    def create(self, path: str, mode: int, fi: object = None) -> int:
        self._feel()
        return os.open(self._at(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._feel()
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        self._feel()
        os.truncate(self._at(path), length)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        self._feel()

    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    def rename(self, old: str, new: str) -> None:
        self._feel()
        os.rename(self._at(old), self._at(new))

    def unlink(self, path: str) -> None:
        self._feel()
        os.unlink(self._at(path))

    def mkdir(self, path: str, mode: int) -> None:
        self._feel()
        os.mkdir(self._at(path), mode)


if __name__ == "__main__":
    mount, folder, mood = sys.argv[1:]
    mfusepy.FUSE(BadDisk(folder, Path(mood)), mount, foreground=True)
