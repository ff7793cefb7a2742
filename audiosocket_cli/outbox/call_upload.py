"""One call's files to a store: recordings, then the capture, then the JSON, all under one stem.

So where the JSON is, all is. A name that another call has taken moves the whole call on to the next stem, as a taken
name moves on a call's local files: STEM-2, STEM-3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from audiosocket_cli.outbox.call_files import CallFiles
from audiosocket_cli.outbox.waiting import WaitingCall
from audiosocket_cli.stores.new_object import Put
from audiosocket_cli.stores.object_info import ObjectInfo
from audiosocket_cli.stores.object_name import ObjectNames, content_type_of, ending_of, numbered
from audiosocket_cli.stores.store_error import StoreError, StoreFault

_NUMBER: Final = re.compile(r"-([2-9]|[1-9]\d{1,8})")


_LOOK_BACK: Final = 8


class Notes(Protocol):
    """What a spool keeps of a call that is on its way."""

    def note_stem(self, id: int, stem: str) -> None:
        """Keep the stem of its objects' names."""

    def note_object(self, id: int, name: str, size: int, version: str) -> None:
        """Keep that an object is there, made of this version of its file."""

    def sync(self) -> None:
        """Wait until all that was noted is on the disk. Raises `OSError` when it cannot be."""


class ObjectStore(Protocol):
    """What a call is sent to."""

    def url_of(self, name: str) -> str:
        """Return the URL of an object."""

    def head(self, name: str) -> ObjectInfo:
        """Return what the store knows of an object. Raises `StoreError`."""

    def read(self, name: str) -> bytes:
        """Return an object's content. Raises `StoreError`."""

    def put_new(
        self, name: str, content: Path | bytes, content_type: str, *, replace: bool = False, look: bool = True
    ) -> Put:
        """Make an object where there is none. Raises `StoreError`, and `OSError` of the file."""


class StoppedUploadError(Exception):
    """The upload was stopped between two objects."""


class NoFolderError(Exception):
    """A folder of the call's files is gone, and may come back: a disk that is not mounted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder


class GoneError(Exception):
    """None of a call's files is there any more, and not all of them are in the store."""


class CallUpload:
    """Sends one call. What is there of it already is not sent again.

    Objects are noted in the spool by their URL: what was sent to another store counts there only.
    """

    def __init__(
        self, call: WaitingCall, store: ObjectStore, names: ObjectNames, notes: Notes, *, replace: set[str]
    ) -> None:
        """`replace` has names of objects that this process has made and that came out wrong."""
        self._call = call
        self._files = call.files
        self._store = store
        self._notes = notes
        self._replace = replace
        self._base = names.stem(call.files.name, call.files.uuid, call.files.peer, call.files.started_at)
        self._endings = _endings(call.files)
        self._taken: set[int] = set()
        """Numbers of stems that others have."""
        self._free_json = ""
        """The name of the JSON that was looked up, and that no other call has."""
        self._versions: dict[Path, str] = {}
        """Of files whose content is there: what tells each from another that gets its name."""
        self._waits_for_folders = False
        self.sent_objects = self.sent_bytes = 0
        self.missing: list[Path] = []
        """Files that were gone before they could be sent."""

    def send(self, *, must_note_all: bool, waits_for_folders: bool, go_on: Callable[[], bool]) -> None:
        """Send what is not there yet. `must_note_all`: all objects are noted on the disk when this returns, so files
        may be removed; `waits_for_folders` sends nothing after a file whose folder is gone; `go_on` is asked before
        each.

        Raises `StoreError`, `OSError` of a file, `GoneError`, `NoFolderError`, `StoppedUploadError`.
        """
        self._waits_for_folders = waits_for_folders
        if self._is_all_there():
            return
        number = self._number(must_note_all)
        while True:
            try:
                self._send_as(numbered(self._base, number), must_note_all, go_on)
                break
            except StoreError as error:
                if not error.is_taken:
                    raise
                number = self._next(number)
                self._note_stem(number)
        if must_note_all:
            self._notes.sync()

    def _is_all_there(self) -> bool:
        """Whether all objects were there when this was last tried, be it in a store that was named then."""
        stem, done = self._call.stem, self._call.done
        if stem is None or not all(f"{stem}{ending}" in done for ending in self._endings.values()):
            return False
        self._versions = {path: done[f"{stem}{ending}"] for path, ending in self._endings.items()}
        return True

    def is_as_sent(self, path: Path) -> bool:
        """Whether a file has the content that is in the store, or is gone: it may have changed since it was sent, or
        another call may have got its name. Raises `OSError`."""
        try:
            return self._versions.get(path) == _version(path)
        except FileNotFoundError:
            return True

    def _number(self, must_note: bool) -> int:
        """Return the number of the stem to be tried first."""
        noted = self._call.stem
        base = self._store.url_of(self._base)
        rest = (noted or "").removeprefix(base)
        if noted is not None and noted.startswith(base) and (not rest or _NUMBER.fullmatch(rest)):
            return int(rest[1:]) if rest else 1
        uuid = self._files.uuid
        own = _NUMBER.fullmatch(self._files.name.removeprefix(uuid)) if uuid else None
        number = int(own[1]) if own else 1  # as its local files, with which it is compared
        if must_note:
            self._note_stem(number)
        if self._files.json is not None and self._has_other_json(number):
            number = self._next(number)
            self._note_stem(number)
        return number

    def _has_other_json(self, number: int) -> bool:
        """Whether another call is there under this number; looked up before anything is sent, so that nothing of this
        call stays beside the JSON of another."""
        assert self._files.json is not None
        name = numbered(self._base, number) + self._endings[self._files.json]
        found = self._find(name)
        if found is None:
            self._free_json = name
            return False
        try:
            own = self._files.json.read_bytes()
        except FileNotFoundError:
            return True
        return found.size != len(own) or self._store.read(name) != own

    def _next(self, taken: int) -> int:
        """Return the number to be tried after one that is taken: the next free one, or one shortly before it whose
        object may be of this call, from a process that died before that was noted."""
        self._taken.add(taken)
        free = self._next_free(taken)
        before = range(free - 1, max(min(self._taken), free - _LOOK_BACK), -1)
        return next((number for number in before if number not in self._taken and self._may_be_ours(number)), free)

    def _may_be_ours(self, number: int) -> bool:
        path, ending = next(iter(self._endings.items()))
        found = self._find(numbered(self._base, number) + ending)
        try:
            return found is not None and found.size == path.stat().st_size
        except FileNotFoundError:
            return False

    def _next_free(self, taken: int) -> int:
        """Return a number after `taken` that no call seems to have: ever further, then halving, since a UUID that each
        call of a test has is taken a thousand times a day."""
        low, step = taken, 1
        while self._is_taken(low + step):
            low += step
            step *= 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._is_taken(middle) else (low, middle)
        return high

    def _is_taken(self, number: int) -> bool:
        stem = numbered(self._base, number)
        ends = list(self._endings.values())
        return any(self._find(stem + ending) is not None for ending in dict.fromkeys([ends[0], ends[-1]]))

    def _find(self, name: str) -> ObjectInfo | None:
        try:
            return self._store.head(name)
        except StoreError as error:
            if error.is_missing:
                return None
            raise

    def _note_stem(self, number: int) -> None:
        self._notes.note_stem(self._call.id, self._store.url_of(numbered(self._base, number)))

    def _send_as(self, stem: str, must_note_all: bool, go_on: Callable[[], bool]) -> None:
        paths = list(self._files.paths)
        self.missing = []
        for path in paths:
            name = stem + self._endings[path]
            noted = self._call.done.get(self._store.url_of(name))
            if noted is not None:
                self._versions[path] = noted
                continue
            if not go_on():
                raise StoppedUploadError
            try:
                version = _version(path)
                put = self._put(name, path)
            except FileNotFoundError:
                if self._waits_for_folders and not path.parent.is_dir():
                    raise NoFolderError(path.parent) from None
                self.missing.append(path)
                continue
            self._versions[path] = version
            if must_note_all or path != paths[-1]:  # the end of the call says it of the last one
                self._notes.note_object(self._call.id, self._store.url_of(name), put.size, version)
        if len(self.missing) == len(paths):
            raise GoneError

    def _put(self, name: str, path: Path) -> Put:
        try:
            replace, look = name in self._replace, name != self._free_json
            put = self._store.put_new(name, path, content_type_of(path.name), replace=replace, look=look)
        except StoreError as error:
            if error.fault is StoreFault.DAMAGED:
                self._replace.add(name)
            raise
        self._replace.discard(name)
        self.sent_objects += not put.was_there
        self.sent_bytes += 0 if put.was_there else put.size
        return put


def _version(path: Path) -> str:
    status = path.stat()
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"


def _endings(files: CallFiles) -> dict[Path, str]:
    """Return what each object's name has after the stem; no two have the same."""
    endings: dict[Path, str] = {}
    for path in files.paths:
        ending = ending_of(path.name, files.name)
        endings[path] = next(each for each in _variants(ending) if each not in endings.values())
    return endings


def _variants(ending: str) -> Iterator[str]:
    yield ending
    for number in range(2, 1_000_000):
        yield f".{number}{ending}"
