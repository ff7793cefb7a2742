"""A place where calls are, which an index is of: a folder, or a bucket of an object store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from audiosocket_cli.calls_index.filling import Filling
from audiosocket_cli.calls_index.row import Row


class Place(Protocol):
    """What an index asks of the place whose calls it holds."""

    @property
    def name(self) -> str:
        """As people name it."""

    @property
    def root(self) -> bytes:
        """What the paths of its JSON files begin with."""

    @property
    def index_file(self) -> Path:
        """The file of its index."""

    def fill(self, filling: Filling, *, quick: bool) -> None:
        """Bring an index up to date (`quick`: see `CallsIndex.update`). Raises `FileError`, `NetworkError`
        and `sqlite3.DatabaseError`."""

    def at_hand(self, row: Row, names: Sequence[str]) -> AbstractContextManager[Path]:
        """Return a folder in which these files of a call are, under their names, for as long as the context lasts; a
        file that is gone is not there. Raises `FileError` and `NetworkError`."""
