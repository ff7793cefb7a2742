"""The calls of several folders as those of one: each folder has an index of its own."""

from __future__ import annotations

import contextlib
import heapq
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from audiosocket_cli.calls_index.filters import Filter
from audiosocket_cli.calls_index.index import CallsIndex, Updated
from audiosocket_cli.calls_index.index_file import Tell
from audiosocket_cli.calls_index.row import Row
from audiosocket_cli.calls_index.sorts import SORTS
from audiosocket_cli.calls_index.totals import Totals, joined


class Folders:
    """The indexes of some folders; a folder inside another one of them is part of that."""

    def __init__(self, folders: Sequence[Path], tell: Tell, *, anew: bool = False) -> None:
        """Open the indexes, as `CallsIndex` does. Raises `FileError`."""
        self._stack = contextlib.ExitStack()
        try:
            self.indexes = [
                self._stack.enter_context(CallsIndex(folder, tell, anew=anew)) for folder in _outermost(folders)
            ]
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Folders:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
                 /) -> None:  # fmt: skip
        self._stack.close()

    def update(self) -> list[Updated]:
        """Bring all up to date. Raises `FileError`."""
        return [index.update() for index in self.indexes]

    def rows(self, wanted: Filter, sort: str = "newest", limit: int | None = None) -> Iterator[Row]:
        """Yield the calls of all folders that are wanted, in one order. Raises `FileError`."""
        found = [index.rows(wanted, sort, limit) for index in self.indexes]
        return itertools.islice(heapq.merge(*found, key=SORTS[sort].key) if len(found) > 1 else found[0], limit)

    def totals(self, wanted: Filter) -> Totals:
        """Return the figures of the calls of all folders that are wanted. Raises `FileError`."""
        return joined([index.totals(wanted) for index in self.indexes])

    def problems(self, limit: int) -> tuple[int, list[tuple[Path, str]]]:
        """Return how many JSON files hold no call, and of the first ones each with the reason. Raises `FileError`."""
        found = [index.problems(limit) for index in self.indexes]
        return sum(count for count, _ in found), [each for _, first in found for each in first][:limit]


def _outermost(folders: Sequence[Path]) -> list[Path]:
    """Return each folder once, without those that are inside another one of them."""
    places = {folder.resolve(): folder for folder in reversed(folders)}
    return [folder for place, folder in reversed(places.items()) if not places.keys() & set(place.parents)]
