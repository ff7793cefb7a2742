"""The JSON files in a folder and below: names, sizes and times. None is opened.

A file that has the same number, size and time as before is taken to be the same. Links are not followed, neither to
files nor to folders: so a walk ends, and stays where it was sent.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_DEPTH: Final = 16
"""Folders inside folders that are looked into."""

MAX_FOLDERS: Final = 100_000

_SETTLED_NS: Final = 2_000_000_000
"""A folder may change again without another time within the steps of its file system's clock: 2 s on the coarsest."""

_JSON: Final = b".json"


class FileSeen(NamedTuple):
    """A JSON file: its name in its folder, and what changes when its content does."""

    name: bytes
    inode: int
    mtime_ns: int
    size: int


@dataclass(slots=True)
class FolderSeen:
    """A folder: its path below the first one (empty for that), and its JSON files; None where it has not changed."""

    path: bytes
    mtime_ns: int
    files: list[FileSeen] | None
    subfolders: Sequence[bytes] = ()

    def digest(self) -> bytes:
        """Return what is the same again only if all files are."""
        text = "\n".join(f"{name!r} {inode} {mtime_ns} {size}" for name, inode, mtime_ns, size in self.files or ())
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    @property
    def is_settled(self) -> bool:
        """Whether another change would be seen by the folder's time alone."""
        return 0 <= self.mtime_ns < time.time_ns() - _SETTLED_NS


@dataclass(slots=True)
class Skipped:
    """Files and folders that a walk left out."""

    links: int = 0
    """Links to folders, and links by the name of a JSON file."""
    unreadable: list[str] = field(default_factory=list)
    """Folders that could not be read, the first few, each with the reason."""
    unreadable_count: int = 0
    too_deep: int = 0
    """Folders that were too deep, or too many."""

    def cannot_read(self, path: bytes, error: OSError) -> None:
        """Count a folder that cannot be read."""
        self.unreadable_count += 1
        if len(self.unreadable) < 3:
            self.unreadable.append(f"{os.fsdecode(path)}: {(error.strerror or str(error)).lower()}")


Known = Callable[[bytes, int], Sequence[bytes] | None]
"""Returns the subfolders of a folder that has not changed since it had this time; None for one that may have."""


def scan(root: bytes, skipped: Skipped, known: Known | None = None) -> Iterator[FolderSeen]:
    """Yield a folder and all below it, each with its JSON files. With `known`, folders are taken as they were where
    their time is the same: a file that was changed in place is not seen then.

    Raises `OSError` if the first folder cannot be read; others are told to `skipped`.
    """
    todo, seen = [(b"", 0)], 0
    while todo:
        path, depth = todo.pop()
        seen += 1
        if seen > MAX_FOLDERS or depth > MAX_DEPTH:
            skipped.too_deep += 1
            continue
        try:
            folder = _look(root, path, skipped, known)
        except OSError as error:
            if not path:
                raise
            skipped.cannot_read(os.path.join(root, path), error)
            continue
        todo += [(os.path.join(path, name), depth + 1) for name in folder.subfolders]
        yield folder


def _look(root: bytes, path: bytes, skipped: Skipped, known: Known | None) -> FolderSeen:
    place = os.path.join(root, path) if path else root
    mtime_ns = os.stat(place).st_mtime_ns  # before its names are read: what comes later is seen the next time
    if known is not None and (subfolders := known(path, mtime_ns)) is not None:
        return FolderSeen(path, mtime_ns, None, subfolders)
    files: list[FileSeen] = []
    subfolders = []
    with os.scandir(place) as entries:
        for entry in entries:
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if not name.startswith(b"."):
                    subfolders.append(name)
            elif entry.is_symlink():
                skipped.links += name.endswith(_JSON) or entry.is_dir()
            elif name.endswith(_JSON) and not name.startswith(b"."):
                _add(files, entry)
    return FolderSeen(path, mtime_ns, files, subfolders)


def _add(files: list[FileSeen], entry: os.DirEntry[bytes]) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed meanwhile
        return
    files.append(FileSeen(entry.name, status.st_ino, status.st_mtime_ns, status.st_size))
