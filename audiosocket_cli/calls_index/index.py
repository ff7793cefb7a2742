"""The index of all calls of a place: brought up to date, then asked."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from audiosocket_cli.calls_index import columns
from audiosocket_cli.calls_index.filling import Filling, Updated
from audiosocket_cli.calls_index.filters import Filter
from audiosocket_cli.calls_index.folder_place import FolderPlace
from audiosocket_cli.calls_index.index_file import Tell, open_index_file, remake_index_file
from audiosocket_cli.calls_index.place import Place
from audiosocket_cli.calls_index.row import Row
from audiosocket_cli.calls_index.sorts import SORTS
from audiosocket_cli.calls_index.sqlite_file import is_damage
from audiosocket_cli.calls_index.totals import Totals
from audiosocket_cli.errors import FileError

_Answer = TypeVar("_Answer")

_AT_ONCE: Final = 1_000
"""Rows that are held in memory."""


class CallsIndex:
    """The index of one place. Usable from one thread at a time; several processes may have the same place open."""

    def __init__(self, place: Place | Path, tell: Tell, *, anew: bool = False) -> None:
        """Open the index of a place or a folder, or make one. `tell` gets lines on what is not as usual. Raises
        `FileError` where there is no such folder."""
        self.place = FolderPlace(place) if isinstance(place, Path) else place
        self._tell = tell
        self._database = open_index_file(self.place.index_file, tell, anew=anew)

    def __enter__(self) -> CallsIndex:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
                 /) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Close the file, and the place."""
        self._database.close()
        self.place.close()

    # Bringing it up to date.

    def update(self, *, quick: bool = False) -> Updated:
        """Read the JSON files that are new or changed, and forget those that are gone.

        `quick` looks into folders only where names came or went, so a file that was changed in place is not seen: for
        those who ask again and again. Raises `FileError`.
        """
        try:
            return self._update(quick=quick)
        except sqlite3.DatabaseError as error:
            self._remake(error)
        try:
            return self._update(quick=False)
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from None

    def _remake(self, error: sqlite3.Error) -> None:
        self._database.close()
        self._database = remake_index_file(self.place.index_file, self._tell, error)

    def _update(self, *, quick: bool) -> Updated:
        filling = Filling(self._database, self.place.name, self._tell)
        self.place.fill(filling, quick=quick)
        return filling.updated

    # Asking.

    def rows(self, wanted: Filter, sort: str = "newest", limit: int | None = None) -> Iterator[Row]:
        """Yield the calls that are wanted, in one of the orders of `SORTS`. Raises `FileError`."""
        where, values = wanted.where()
        order = f"WHERE {where} ORDER BY {SORTS[sort].sql} LIMIT ?"
        values = [*values, -1 if limit is None else limit]
        if limit is not None and limit <= _AT_ONCE:
            yield from map(self._row, list(self._ask(columns.SELECT + order, values)))
            return
        # Read to its end at once: whoever shows the rows may take hours, and a query under way keeps all others from
        # writing.
        for folder, name in list(self._ask(f"SELECT folder, name FROM calls {order}", values)):
            query = f"{columns.SELECT}WHERE {where} AND folder = ? AND name = ?"
            for found in list(self._ask(query, [*values[:-1], folder, name])):
                yield self._row(found)

    def _row(self, found: tuple[Any, ...]) -> Row:
        try:
            return columns.row_from(found, self.place.root)
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from None

    def totals(self, wanted: Filter) -> Totals:
        """Return the figures of the calls that are wanted. A damaged index is rebuilt. Raises `FileError`."""
        return self._mended(lambda: self._totals(wanted))

    def _totals(self, wanted: Filter) -> Totals:
        where, values = wanted.where()
        ((calls, duration_s, digits, gaps, turns, slowest_ms, first_at, last_at),) = self._database.execute(
            "SELECT count(*), total(duration_s), total(digits != ''), total(gap_count > 0), count(answers), "
            f"max(latency_max_ms), min(started_at), max(started_at) FROM calls WHERE {where}",
            values,
        )
        query = f"SELECT latency_p50_ms FROM calls WHERE {where} AND latency_p50_ms IS NOT NULL ORDER BY 1"
        latencies_ms = [latency_ms for (latency_ms,) in self._database.execute(query, values)]
        query = f"SELECT finding_ids, count(*) FROM calls WHERE {where} AND finding_ids != '' GROUP BY finding_ids"
        finding_ids = dict(self._database.execute(query, values))
        columns.check_types((slowest_ms, first_at, last_at), ((int,), (str,), (str,)))
        columns.check_types(latencies_ms, [(int,)] * len(latencies_ms))
        columns.check_types(list(finding_ids), [(str,)] * len(finding_ids))
        return Totals(
            calls, duration_s, int(digits), int(gaps), turns, slowest_ms, first_at, last_at, latencies_ms, finding_ids
        )

    def problems(self, limit: int) -> tuple[int, list[tuple[str, str]]]:
        """Return how many JSON files hold no call that could be read, and of the first ones each with the reason.
        Raises `FileError`."""
        return self._mended(lambda: self._problems(limit))

    def _problems(self, limit: int) -> tuple[int, list[tuple[str, str]]]:
        ((count,),) = self._database.execute("SELECT count(*) FROM calls WHERE problem IS NOT NULL", ())
        query = "SELECT folder, name, problem FROM calls WHERE problem IS NOT NULL ORDER BY folder, name LIMIT ?"
        found = self._database.execute(query, [limit]).fetchall()
        for each in found:
            columns.check_types(each, ((bytes,), (bytes,), (str,)))
        return count, [(os.fsdecode(os.path.join(self.place.root, *each[:2])), each[2]) for each in found]

    def _mended(self, ask: Callable[[], _Answer]) -> _Answer:
        """Return an answer, if need be from a rebuilt index. Raises `FileError`."""
        try:
            return ask()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise self._broken(error) from None
            self._remake(error)
        try:
            self._update(quick=False)
            return ask()
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from None

    def _ask(self, query: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._database.execute(query, values)
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from None

    def _broken(self, error: sqlite3.Error) -> FileError:
        return FileError(f"cannot read the index {self.place.index_file}: {error}; rebuild it with --rebuild")
