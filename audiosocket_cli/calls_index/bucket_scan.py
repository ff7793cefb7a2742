"""The JSON objects of a bucket, compared with those of its index, a page at a time. None is read.

What is seen is noted in a temporary table: a bucket may have millions of objects, in any order.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from typing import Final

from audiosocket_cli.calls_index.filling import Filling
from audiosocket_cli.calls_index.folder_scan import FileSeen
from audiosocket_cli.stores.listing import Gap, list_past_odd_names
from audiosocket_cli.stores.object_info import ObjectInfo
from audiosocket_cli.stores.requests import Requests, answer_to
from audiosocket_cli.stores.store import Store

_PAGE: Final = 1_000
"""Objects that are compared together, as stores list them."""

_JSON: Final = b".json"

Page = list[tuple[bytes, FileSeen]]
"""JSON objects: the folder of each below the URL of the bucket, and the rest."""


class BucketScan:
    """One listing of a bucket."""

    def __init__(self, store: Store, requests: Requests, filling: Filling) -> None:
        self._store = store
        self._requests = requests
        self._filling = filling
        self.gaps: list[Gap] = []
        """Parts of the listing that are not known."""
        database = filling.database
        database.execute("CREATE TEMP TABLE IF NOT EXISTS seen (folder BLOB, name BLOB, PRIMARY KEY (folder, name)) "
                         "WITHOUT ROWID")  # fmt: skip
        database.execute("DELETE FROM temp.seen")
        ((self._newest,),) = database.execute("SELECT coalesce(max(rowid), 0) FROM calls")

    def changed(self) -> Iterator[Page]:
        """Yield the JSON objects that are new or changed. Raises `StoreError`."""
        listing, listed = list_past_odd_names(self._store, self.gaps), 0
        page = self._requests.begin(_next, listing)
        while infos := answer_to(page):
            page = self._requests.begin(_next, listing)  # while this one is compared, and its objects are read
            listed += len(infos)
            self._filling.progress(f"listing {self._store.url}: {listed:,} objects so far")
            yield self._compare([found for info in infos if (found := _seen(info)) is not None])

    def _compare(self, page: Page) -> Page:
        """Note that these objects are there, and return those that the index does not have so."""
        database = self._filling.database
        query = "SELECT inode, mtime_ns, size FROM calls WHERE folder = ? AND name = ?"
        database.execute("BEGIN")
        try:
            database.executemany("INSERT OR IGNORE INTO temp.seen VALUES (?, ?)",
                                 [(folder, file.name) for folder, file in page])  # fmt: skip
            return [
                (folder, file)
                for folder, file in page
                if database.execute(query, (folder, file.name)).fetchone() != (file.inode, file.mtime_ns, file.size)
            ]
        finally:
            database.execute("COMMIT")

    def forget_gone(self) -> None:
        """Take out of the index what a listing that came to its end has not seen, but where that has gaps."""
        # What has come into the index meanwhile is from another process, whose listing is newer.
        unseen = self._filling.database.execute(
            "SELECT folder, name FROM calls WHERE rowid <= ? AND NOT EXISTS (SELECT 1 FROM temp.seen AS s "
            "WHERE s.folder = calls.folder AND s.name = calls.name)",
            (self._newest,),
        )
        gone = [(folder, name) for folder, name in unseen if not self._is_in_gap(_joined(folder, name))]
        self._filling.forget(gone)
        self._filling.commit()

    def _is_in_gap(self, key: bytes) -> bool:
        return any(gap.after.encode() < key < gap.odd.encode() for gap in self.gaps)

    def close(self) -> None:
        """Drop the table."""
        self._filling.database.execute("DELETE FROM temp.seen")


def _next(listing: Iterator[ObjectInfo]) -> list[ObjectInfo]:
    return list(itertools.islice(listing, _PAGE))


def name_of(folder: bytes, file: FileSeen) -> str:
    """Return the name of an object below the URL of its bucket."""
    return _joined(folder, file.name).decode()


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _seen(info: ObjectInfo) -> tuple[bytes, FileSeen] | None:
    """Return an object as the index has it; None for one that is not JSON, or hidden as files and folders are."""
    if not info.name.endswith(".json"):
        return None
    key = info.name.encode()
    folder, _, name = key.rpartition(b"/")
    if key.startswith(b".") or b"/." in key:
        return None
    return folder, FileSeen(name, _number(info.etag), int(info.modified.timestamp() * 1e9), info.size)


def _number(etag: str | None) -> int:
    """Return a number that is another one when the content is, in place of the number of a file."""
    return int.from_bytes(hashlib.blake2b((etag or "").encode(), digest_size=8).digest(), signed=True)
