"""A folder of calls and those below it, as a place that an index is of."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audiosocket_cli.calls_index.call_json import read_call
from audiosocket_cli.calls_index.filling import Filling
from audiosocket_cli.calls_index.folder_scan import FolderSeen, scan
from audiosocket_cli.calls_index.index_file import NAME
from audiosocket_cli.calls_index.row import Row
from audiosocket_cli.errors import FileError


class FolderPlace:
    """The folder of --record, or any above it. Its index is in it."""

    def __init__(self, folder: Path) -> None:
        """Raises `FileError` where `folder` is not one."""
        if not os.path.isdir(folder):
            what = "it is not a folder" if os.path.lexists(folder) else "there is no such folder"
            raise FileError(f"cannot list calls of {folder}: {what}; name the one of --record")
        self.folder = folder
        self.name = str(folder)
        self.root = os.fsencode(folder)
        self.index_file = folder / NAME

    @contextmanager
    def at_hand(self, row: Row, names: Sequence[str]) -> Iterator[Path]:
        """Return the folder of a call."""
        yield Path(row.folder)

    def fill(self, filling: Filling, *, quick: bool) -> None:
        """Read the JSON files that are new or changed, and forget those that are gone; `quick`: only in folders where
        names came or went. Raises `FileError` and `sqlite3.DatabaseError`."""
        seen = set()
        before = [path for (path,) in filling.database.execute("SELECT path FROM folders")]
        try:
            for folder in scan(self.root, filling.updated.skipped, _known_folders(filling) if quick else None):
                seen.add(folder.path)
                if folder.files is not None:
                    self._take(folder, filling)
            filling.commit()
        except OSError as error:
            raise FileError(f"cannot list calls of {self.folder}: {(error.strerror or str(error)).lower()}") from None
        finally:
            filling.end()
        _forget_folders([path for path in before if path not in seen], filling)

    def _take(self, folder: FolderSeen, filling: Filling) -> None:
        digest, settled = folder.digest(), folder.is_settled
        known = filling.database.execute(
            "SELECT mtime_ns, settled, digest FROM folders WHERE path = ?", (folder.path,)
        ).fetchone()
        if known == (folder.mtime_ns, settled, digest):
            return
        if known is None or known[2] != digest:
            self._read(folder, filling)
        filling.begin()
        if filling.files_of(folder.path) != {file.name: file for file in folder.files or ()}:
            digest, settled = b"", False  # another process has seen the folder later or earlier: look again next time
        filling.database.execute(
            "INSERT OR REPLACE INTO folders VALUES (?, ?, ?, ?)", (folder.path, folder.mtime_ns, settled, digest)
        )

    def _read(self, folder: FolderSeen, filling: Filling) -> None:
        """Read the files of a folder that are new or changed, and forget those that are gone."""
        known = filling.files_of(folder.path)
        for file in folder.files or ():
            if known.pop(file.name, None) != file:
                filling.put(folder.path, file, read_call(os.path.join(self.root, folder.path, file.name)))
        filling.forget([(folder.path, name) for name in known])


def _known_folders(filling: Filling) -> Any:
    settled = dict(filling.database.execute("SELECT path, mtime_ns FROM folders WHERE settled"))
    inside: dict[bytes, list[bytes]] = {}
    for (path,) in filling.database.execute("SELECT path FROM folders WHERE path != x''"):
        parent, name = os.path.split(path)
        inside.setdefault(parent, []).append(name)
    return lambda path, mtime_ns: inside.get(path, ()) if settled.get(path) == mtime_ns else None


def _forget_folders(gone: Sequence[bytes], filling: Filling) -> None:
    if not gone:
        return
    filling.begin()
    for path in gone:
        found = filling.database.execute("DELETE FROM calls WHERE folder = ?", (path,))
        filling.updated.removed += found.rowcount
        filling.database.execute("DELETE FROM folders WHERE path = ?", (path,))
    filling.commit()
