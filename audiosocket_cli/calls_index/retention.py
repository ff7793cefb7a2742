"""Which calls are older than they may be, and the removal of all that belongs to each: recording, capture, JSON.

A call is what its JSON says, read again at that moment, and its files are those that bear its name. Whatever is not
certain, a name that leads elsewhere, a link, a start that cannot be, keeps the whole call, and is told. The JSON goes
last: after an interruption the next run finds the call again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.calls_index.call_json import read_call
from audiosocket_cli.calls_index.row import Row, row_of
from audiosocket_cli.disk import PART
from audiosocket_cli.errors import FileError, UsageError

SCHEMA: Final = "audiosocket.removal/1"

_FIRST: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""There was no AudioSocket before: a call of an earlier time had a clock that was wrong."""
_BLOCK_BYTES: Final = 512
_LATE_S: Final = 60.0
"""How long after its call a capture may be closed."""
_SOUNDS: Final = (".wav", ".flac", ".opus", ".ogg", ".mp3")
"""The names that recordings end with."""
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


_Found = tuple[int, str, int]
"""A file of a call: its folder, as a descriptor, its name, and what it takes on the disk."""


class _KeptError(Exception):
    """A call is not removed; the text says why."""


@dataclass(slots=True)
class Removal:
    """A call that is too old: what was removed of it, or would be, or why it is kept."""

    row: Row
    files: list[str] = field(default_factory=list)
    """Names, in the call's folder, or paths where a capture is in another."""
    size_bytes: int = 0
    """Their size on the disk."""
    kept: str | None = None
    removed: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "schema": SCHEMA, "uuid": self.row.uuid, "call": self.row.path,
            "started_at": self.row.started_at, "files": self.files, "size_bytes": self.size_bytes,
            "removed": self.removed, "kept": self.kept,
        }  # fmt: skip


def before_of(keep_s: float, now: datetime) -> datetime:
    """Return the time at which a call has to have ended to be too old."""
    try:
        return now - timedelta(seconds=keep_s)
    except OverflowError:
        return _FIRST


def removals(root: Path, rows: Sequence[Row], before: datetime, places: Sequence[Path] = (), *, delete: bool
             ) -> Iterator[Removal]:  # fmt: skip
    """Yield what is, or would be, removed of the calls that ended `before`, one call after the other.

    `rows` are calls below `root`; `places` are folders in which a capture may be that is not beside the JSON. Raises
    `FileError` where `root` cannot be read, and `UsageError` where another process removes calls there now.
    """
    with contextlib.ExitStack() as stack:
        try:
            top = _opened(stack, root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            others = [_opened(stack, place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for place in places]
        except OSError as error:
            raise FileError(f"cannot read {root}: {(error.strerror or str(error)).lower()}") from None
        if delete:
            _lock(top, root)
        named = dict(zip(others, places, strict=True))
        for row in rows:
            ended = _ended(row)
            if ended is None or ended < before:
                yield _remove(_Place(top, root, named), row, before, delete=delete)


def _opened(stack: contextlib.ExitStack, folder: Path, flags: int) -> int:
    descriptor = os.open(folder, flags)
    stack.callback(os.close, descriptor)
    return descriptor


def _lock(top: int, root: Path) -> None:
    try:
        fcntl.flock(top, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"another process removes calls of {root} now: try again when it is done") from None
    except OSError:  # there are file systems without locks; removing twice what is the same does no harm
        return


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the calls are: the first folder as a descriptor and a path, and folders of captures by descriptor."""

    top: int
    root: Path
    captures: Mapping[int, Path]


def _ended(row: Row) -> datetime | None:
    if row.started_at is None:
        return None
    try:
        return datetime.fromisoformat(row.started_at) + timedelta(seconds=row.duration_s or 0.0)
    except OverflowError:
        return None


def _remove(place: _Place, row: Row, before: datetime, *, delete: bool) -> Removal:
    removal = Removal(row)
    try:
        with _folder_of(place, row) as folder:
            files = _files_of(place, folder, row, before)
            for where, name, size_bytes in files:
                removal.files.append(name if where == folder else str(place.captures[where] / name))
                removal.size_bytes += size_bytes
            if delete:
                _unlink(files)
                removal.removed = True
    except _KeptError as error:
        removal.kept = str(error)
    except OSError as error:
        removal.kept = (error.strerror or str(error)).lower()
    return removal


def _unlink(files: Sequence[_Found]) -> None:
    """Remove files, in order. Raises `_KeptError` where one of them stays, and so all after it."""
    for done, (where, name, _) in enumerate(files):
        try:
            os.unlink(name, dir_fd=where)
        except FileNotFoundError:  # removed meanwhile, as was to be
            continue
        except OSError as error:
            gone = f", after {done} of its files were removed" if done else ""
            raise _KeptError(f"{(error.strerror or str(error)).lower()}: {name}{gone}") from None


@contextlib.contextmanager
def _folder_of(place: _Place, row: Row) -> Iterator[int]:
    """Open the folder of a call, from the first one down, so that no link leads out of that."""
    parts = Path(row.folder).relative_to(place.root).parts
    folder = os.dup(place.top)
    try:
        for part in parts:
            if part == os.pardir:
                raise _KeptError("its folder leads out of the one that was named")
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _files_of(place: _Place, folder: int, row: Row, before: datetime) -> list[_Found]:
    """Return the files of a call, the JSON last. Raises `_KeptError`."""
    call, problem = read_call(row.name, folder)
    if call is None:
        raise _KeptError(f"its JSON cannot be read: {problem}")
    _check_age(row_of(call), before)
    if _status(folder, row.name + PART) is not None:
        raise _KeptError("a process is writing its JSON")
    found = [*_recordings_of(call, folder, row.name.removesuffix(".json"))]
    for name in _captures(call):
        found += _capture_of(name, (folder, *place.captures), before)
    found = [*dict.fromkeys(found), *_there(folder, row.name)]
    for where in dict.fromkeys(each[0] for each in found):
        if not os.access(os.curdir, os.W_OK | os.X_OK, dir_fd=where):  # as removing would say, and so a dry run, too
            raise _KeptError(
                f"nothing can be removed from {place.captures.get(where, 'its folder')}: permission denied"
            )
    return found


def _recordings_of(call: Mapping[str, Any], folder: int, stem: str) -> Iterator[_Found]:
    """Yield the recordings of a call, and the JSON of its mirror. Raises `_KeptError`."""
    names, own_name = _recordings(call), _names_of(stem)
    for name in names:
        found = own_name.fullmatch(name)
        if found is None:
            raise _KeptError(f"its JSON names a file that does not have its name: {name!r:.60}")
        yield from _there(folder, name)
        if found["mirror"]:
            yield from _there(folder, f"{found['mirror']}.json")
    for suffix in _SOUNDS if not names else ():
        if _status(folder, f"{stem}{suffix}") is not None:  # without its JSON, nobody would find it any more
            raise _KeptError(f"its JSON names no recording, but there is {stem}{suffix}")


def _capture_of(name: str, folders: Sequence[int], before: datetime) -> list[_Found]:
    """Return a capture, from the first of some folders that has it. Raises `_KeptError`."""
    for folder in folders:
        if found := _there(folder, name):
            changed = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime
            if changed > before.timestamp() + _LATE_S:  # of another call with this UUID, which may be going on
                raise _KeptError(f"its capture {name} was changed later")
            return found
    return []


def _names_of(stem: str) -> re.Pattern[str]:
    """Return what matches the names of a call's recordings, and of those of its mirror, by the name of its JSON."""
    mirrors = re.escape(re.sub(r"-\d+$", "", stem)) + r"\.mirror(?:-\d+)?"
    kinds = r"(?!json$|part$)\w{1,8}"
    return re.compile(rf"(?:{re.escape(stem)}|(?P<mirror>{mirrors}))(\.unconverted)?(\.part\d+(-\d+)?)?\.{kinds}")


def _check_age(now: Row, before: datetime) -> None:
    ended = _ended(now)
    if ended is None:
        raise _KeptError("its JSON does not say when it was")
    if ended < _FIRST:
        raise _KeptError(f"its JSON says that it was in {ended.year}: the clock was wrong")
    if ended >= before:
        raise _KeptError("its JSON has changed")


def _recordings(call: Mapping[str, Any]) -> list[str]:
    """Return the names of the recordings, of a mirror, too. Raises `_KeptError` for what are no names."""
    names: list[str] = []
    for part in (call.get("recording"), call.get("mirror")):
        files = part.get("files") if isinstance(part, dict) else None
        if not isinstance(files, list | None) or not all(isinstance(name, str) for name in files or ()):
            raise _KeptError("its JSON does not say what its recording is")
        names += files or ()
    return names


def _captures(call: Mapping[str, Any]) -> list[str]:
    """Return the names of captures that are of this call alone: those that have its UUID."""
    uuid = call.get("uuid")
    if not isinstance(uuid, str) or not _UUID.fullmatch(uuid):
        return []  # else it could be a path
    own = re.compile(rf"{uuid}(\.mirror)?(-\d+)?\.pcapng")
    capture, mirror = call.get("capture"), call.get("mirror")
    names = [capture.get("file") if isinstance(capture, dict) else None,
             mirror.get("capture") if isinstance(mirror, dict) else None]  # fmt: skip
    return [name for name in names if isinstance(name, str) and own.fullmatch(name)]


def _there(folder: int, name: str) -> list[_Found]:
    """Return a file; nothing where it is gone. Raises `_KeptError` for what is not a file."""
    status = _status(folder, name)
    if status is None:
        return []
    if not stat.S_ISREG(status.st_mode):
        raise _KeptError(f"{name!r:.80} is not a file")
    return [(folder, name, status.st_blocks * _BLOCK_BYTES if status.st_nlink == 1 else 0)]


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, ValueError):  # the latter for a name that cannot be one
        return None
