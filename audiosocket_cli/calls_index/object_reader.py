"""The JSON of calls read from objects, many at once, and put into an index a thousand at a time.

A read takes a round trip to the store, which is mostly waiting: threads do that. What they bring is parsed here, in
order. Memory is bounded: so many reads of small objects are under way or not yet parsed, and a large one is alone.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final

from audiosocket_cli.calls_index.bucket_scan import Page, name_of
from audiosocket_cli.calls_index.call_json import MAX_BYTES, TOO_LONG, CallJson, parse_call
from audiosocket_cli.calls_index.filling import Filling, values_to_put
from audiosocket_cli.calls_index.folder_scan import FileSeen
from audiosocket_cli.calls_index.row import Row, row_of
from audiosocket_cli.stores.requests import Requests, answer_to
from audiosocket_cli.stores.store import Store
from audiosocket_cli.stores.store_error import StoreError

_MAX_WAITING: Final = 256
"""Reads that are under way, or not yet parsed."""
_SMALL_BYTES: Final = 256 << 10
_TOGETHER: Final = 1_000
_KEEP_AFTER_S: Final = 2.0
"""How long what was read waits for more until it is put into the index: the store may go away at any time."""
_AGAIN: Final = -1
"""The size that is noted of an object which could not be read for a reason that is not in it: no object has that, so
it is read again the next time."""


class ObjectReader:
    """Reads objects into an index. To be closed, also after a failure: what was read until then is kept."""

    def __init__(self, store: Store, requests: Requests, filling: Filling) -> None:
        self._store = store
        self._requests = requests
        self._filling = filling
        self._waiting: deque[tuple[bytes, FileSeen, Future[bytes]]] = deque()
        self._read: list[tuple[Any, ...]] = []
        self._keep_at_s = 0.0

    def __enter__(self) -> ObjectReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
                 /) -> None:  # fmt: skip
        for folder, file, future in self._waiting:
            if future.cancel() or not future.done() or future.exception() is not None:
                continue
            self._take(folder, file, parse_call(future.result()))
        self._keep()

    def read(self, page: Page) -> None:
        """Read these objects, some of them later. Raises `StoreError` where the store is away."""
        for folder, file in page:
            if file.size > _SMALL_BYTES:
                self._read_large(folder, file)
                continue
            while len(self._waiting) >= _MAX_WAITING:
                self._take_oldest()
            name = name_of(folder, file)
            self._waiting.append((folder, file, self._requests.begin(self._store.read, name, max_bytes=_SMALL_BYTES)))

    def finish(self) -> None:
        """Wait for all reads. Raises `StoreError`."""
        while self._waiting:
            self._take_oldest()

    def _read_large(self, folder: bytes, file: FileSeen) -> None:
        if file.size > MAX_BYTES:
            self._take(folder, file, TOO_LONG)
            return
        try:
            content = self._requests.ask(self._store.read, name_of(folder, file), max_bytes=MAX_BYTES)
        except StoreError as error:
            self._take_failure(folder, file, error)
        else:
            self._take(folder, file, parse_call(content))

    def _take_oldest(self) -> None:
        folder, file, future = self._waiting.popleft()
        if self._read and not future.done() and time.monotonic() >= self._keep_at_s:
            self._keep()
        try:
            content = answer_to(future)
        except StoreError as error:
            self._take_failure(folder, file, error)
        else:
            self._take(folder, file, parse_call(content))

    def _take_failure(self, folder: bytes, file: FileSeen, error: StoreError) -> None:
        if error.is_away:
            raise error
        if not error.is_missing:  # else it was removed meanwhile
            reason = str(error).removeprefix(f"{self._store.url_of(name_of(folder, file))}: ")
            self._take(folder, file._replace(size=_AGAIN), CallJson(None, reason))

    def _take(self, folder: bytes, file: FileSeen, read: CallJson) -> None:
        if not self._read:
            self._keep_at_s = time.monotonic() + _KEEP_AFTER_S
        row = None if read.call is None else _of_objects(row_of(read.call), file)
        self._read.append(values_to_put(folder, file, read.problem, row))
        if len(self._read) >= _TOGETHER:
            self._keep()

    def _keep(self) -> None:
        if self._read:
            self._filling.put_and_keep(self._read)
            self._read = []


def _of_objects(row: Row, file: FileSeen) -> Row:
    """Return a row with the names that files of its call have as objects: those begin as that of the JSON does.

    In the JSON are the names that they had on the disk of the server, which may begin otherwise.
    """
    stem = os.fsdecode(file.name).removesuffix(".json")
    return row._replace(files=tuple(_as_object(name, stem) for name in row.files))


def _as_object(name: str, stem: str) -> str:
    ending = _ENDING.search(name)
    return name if name.startswith(f"{stem}.") or ending is None else f"{stem}{ending[0]}"


_ENDING: Final = re.compile(r"(\.unconverted)?(\.part\d+(-\d+)?)?\.\w{1,8}$")
