"""The files of calls in folders and buckets, by their names alone: none is opened."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from audiosocket_cli.calls_analysis.listed_call import JSON, ListedFile, call_of
from audiosocket_cli.calls_index.bucket_place import gaps_line
from audiosocket_cli.calls_index.folder_scan import MAX_DEPTH, MAX_FOLDERS, Skipped
from audiosocket_cli.calls_index.mirrors import mirrored, names_for_mirrors
from audiosocket_cli.disk import PART
from audiosocket_cli.errors import FileError
from audiosocket_cli.stores.listing import Gap, list_past_odd_names
from audiosocket_cli.stores.store import Store, open_store
from audiosocket_cli.stores.store_url import StoreUrl, is_store_url
from audiosocket_cli.text import printable

_UNFINISHED: Final = f"{JSON}{PART}"


@dataclass(slots=True)
class Listed:
    """What was passed over."""

    skipped: Skipped = field(default_factory=Skipped)
    going_on: int = 0
    """Calls that are still being recorded."""
    incomplete: list[str] = field(default_factory=list)
    """Listings of buckets that are not whole, each with the reason."""


def source_of(text: str) -> Path | StoreUrl:
    """Return a folder as an absolute path without links, or the URL of a store. Raises `UsageError` for such a URL, and
    `FileError` for what is not a folder."""
    if is_store_url(text):
        return open_store(text).url
    if not os.path.isdir(text):
        what = "it is not a folder" if os.path.lexists(text) else "there is no such folder"
        raise FileError(f"cannot analyze {printable(text)}: {what}; name the one of --record, or a bucket")
    return Path(os.path.realpath(text))


def files_of(source: Path | StoreUrl, listed: Listed) -> Iterator[tuple[str, str, ListedFile]]:
    """Yield the folder, the call and what is seen of each file of calls in a source, and in the folders below it.

    Links are not followed. Raises `FileError` for a folder that cannot be read, and `StoreError`.
    """
    if isinstance(source, StoreUrl):
        yield from _in_store(open_store(source), str(source), listed)
        return
    try:
        yield from _in_folders(str(source), listed)
    except OSError as error:
        raise FileError(f"cannot analyze {printable(str(source))}: {(error.strerror or str(error)).lower()}") from None


def _in_store(store: Store, source: str, listed: Listed) -> Iterator[tuple[str, str, ListedFile]]:
    gaps: list[Gap] = []
    for found in list_past_odd_names(store, gaps):
        if "/." in f"/{found.name}":  # hidden, as files and folders are
            continue
        folder, _, name = found.name.rpartition("/")
        call = call_of(name)
        if call is not None:
            version = found.etag or found.modified.isoformat()
            seen = ListedFile(name, found.size, version, found.modified.timestamp())
            yield f"{source}/{folder}" if folder else source, call, seen
    if gaps:
        listed.incomplete.append(f"{source} is not complete: {gaps_line(gaps)}")


def _in_folders(source: str, listed: Listed) -> Iterator[tuple[str, str, ListedFile]]:
    todo, seen = [(source, 0)], 0
    while todo:
        folder, depth = todo.pop()
        seen += 1
        if depth > MAX_DEPTH or seen > MAX_FOLDERS:
            listed.skipped.too_deep += 1
            continue
        try:
            subfolders, files = _look(folder, listed)
        except OSError as error:
            if folder == source:
                raise
            listed.skipped.cannot_read(os.fsencode(folder), error)
            continue
        todo += [(os.path.join(folder, name), depth + 1) for name in subfolders]
        yield from ((folder, call, file) for call, file in files)


def _look(folder: str, listed: Listed) -> tuple[list[str], list[tuple[str, ListedFile]]]:
    """Return the names of the folders in a folder, and the files of calls that are over. Raises `OSError`."""
    subfolders: list[str] = []
    files: list[tuple[str, ListedFile]] = []
    going_on: set[str] = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                listed.skipped.links += call_of(entry.name) is not None or entry.is_dir()
            elif entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    subfolders.append(entry.name)
            elif entry.name.endswith(_UNFINISHED):
                if _is_locked(Path(entry.path)):
                    going_on.add(entry.name.removesuffix(_UNFINISHED))
            elif (call := call_of(entry.name)) is not None and entry.is_file(follow_symlinks=False):
                _add(files, call, entry)
    names = names_for_mirrors(going_on)
    listed.going_on += sum(mirrored(call) not in names for call in going_on)
    return subfolders, [(call, file) for call, file in files if call not in going_on and mirrored(call) not in names]


def _add(files: list[tuple[str, ListedFile]], call: str, entry: os.DirEntry[str]) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed meanwhile
        return
    files.append((call, ListedFile(entry.name, status.st_size, str(status.st_mtime_ns), status.st_mtime)))


def _is_locked(path: Path) -> bool:
    """Whether the process that writes a file lives: then the file is locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EAGAIN)
    finally:
        os.close(descriptor)
    return False
