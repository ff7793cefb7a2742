"""The calls of several folders and buckets as those of one: each of them has an index of its own."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from audiosocket_cli.calls_index.filling import Updated
from audiosocket_cli.calls_index.filters import Filter
from audiosocket_cli.calls_index.folder_place import FolderPlace
from audiosocket_cli.calls_index.index import CallsIndex
from audiosocket_cli.calls_index.index_file import Tell
from audiosocket_cli.calls_index.place import Place
from audiosocket_cli.calls_index.row import Row
from audiosocket_cli.calls_index.sorts import SORTS
from audiosocket_cli.calls_index.totals import Totals, joined
from audiosocket_cli.stores.store_url import StoreUrl


class Places:
    """The indexes of some places; a place inside another one of them is part of that."""

    def __init__(self, places: Sequence[Path | StoreUrl], tell: Tell, *, anew: bool = False) -> None:
        """Open the indexes, as `CallsIndex` does. Raises `FileError`."""
        self._stack = contextlib.ExitStack()
        self.indexes: list[CallsIndex] = []
        try:
            for place in outermost(places):
                self.indexes.append(self._stack.enter_context(CallsIndex(_opened(place), tell, anew=anew)))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Places:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
                 /) -> None:  # fmt: skip
        self._stack.close()

    def update(self) -> list[Updated]:
        """Bring all up to date. Raises `FileError`."""
        return [index.update() for index in self.indexes]

    def rows(self, wanted: Filter, sort: str = "newest", limit: int | None = None) -> Iterator[Row]:
        """Yield the calls of all places that are wanted, in one order. Raises `FileError`."""
        found = [index.rows(wanted, sort, limit) for index in self.indexes]
        return itertools.islice(heapq.merge(*found, key=SORTS[sort].key) if len(found) > 1 else found[0], limit)

    def totals(self, wanted: Filter) -> Totals:
        """Return the figures of the calls of all places that are wanted. Raises `FileError`."""
        return joined([index.totals(wanted) for index in self.indexes])

    def problems(self, limit: int) -> tuple[int, list[tuple[str, str]]]:
        """Return how many JSON files hold no call, and of the first ones each with the reason. Raises `FileError`."""
        found = [index.problems(limit) for index in self.indexes]
        return sum(count for count, _ in found), [each for _, first in found for each in first][:limit]

    def at_hand(self, row: Row, names: Sequence[str]) -> contextlib.AbstractContextManager[Path]:
        """Return a folder in which files of a call are: see `Place.at_hand`."""
        in_order = sorted((index.place for index in self.indexes), key=lambda place: -len(place.root))
        place = next(place for place in in_order if os.fsencode(row.folder).startswith(place.root))
        return place.at_hand(row, names)


def _opened(place: Path | StoreUrl) -> Place:
    if isinstance(place, Path):
        return FolderPlace(place)
    from audiosocket_cli.calls_index.bucket_place import BucketPlace  # lists of folders do not wait for it

    return BucketPlace(place)


def outermost(places: Sequence[Path | StoreUrl]) -> list[Path | StoreUrl]:
    """Return each place once, without those that are inside another one of them."""
    named = {_whole(place): place for place in reversed(places)}
    return [place for whole, place in reversed(named.items()) if not named.keys() & _above(whole)]


def _whole(place: Path | StoreUrl) -> Path | StoreUrl:
    return Path(os.path.realpath(place)) if isinstance(place, Path) else place


def _above(whole: Path | StoreUrl) -> set[Path | StoreUrl]:
    """Return all places that this one is in."""
    if isinstance(whole, Path):
        return set(whole.parents)
    parts = whole.path.split("/") if whole.path else []
    return {whole.at("/".join(parts[:length])) for length in range(len(parts))}
