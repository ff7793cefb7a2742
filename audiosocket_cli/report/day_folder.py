"""The calls of a folder and those below it: what belongs to which call, and what is there beside.

A call is the JSON that `serve --record` and others leave, with its recording and the parts of that; or a recording that
has no JSON. Nothing is passed over in silence: `Beside` counts the rest.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from audiosocket_cli.audio.growing_wav import first_of, part_path
from audiosocket_cli.audio.recognition import RECORDING_SUFFIXES
from audiosocket_cli.calls_index.call_json import OTHER_JSON, read_call
from audiosocket_cli.calls_index.folder_scan import MAX_DEPTH, MAX_FOLDERS
from audiosocket_cli.calls_index.mirrors import mirrored, names_for_mirrors
from audiosocket_cli.calls_index.row import Row, row_of
from audiosocket_cli.disk import PART, PREFIX
from audiosocket_cli.report.day_call import DayCall, cut, day_call, without_suffix
from audiosocket_cli.report.json_values import list_of, mapping_of
from audiosocket_cli.text import printable

_MAX_NAMES: Final = 10
"""Names that are told of each kind of what is there beside."""

_UNFINISHED: Final = f".json{PART}"


class Kind(NamedTuple):
    """What something in a folder is."""

    noun: str
    """In the singular."""
    more: str = ""
    """What follows the noun, for one as for several."""


@dataclass(slots=True)
class Beside:
    """What is in the folders beside calls that are whole: how many of each kind, and the first names."""

    counts: dict[Kind, int] = field(default_factory=dict)
    names: dict[Kind, list[str]] = field(default_factory=dict)

    def note(self, kind: Kind, name: str) -> None:
        """Count a file of a kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        told = self.names.setdefault(kind, [])
        if len(told) < _MAX_NAMES:
            told.append(cut(name, 200))


def calls_of(root: Path, beside: Beside) -> Iterator[DayCall]:
    """Yield the calls of a folder and those below it, in the order of their names. Links are not followed.

    Raises `OSError` where the folder itself cannot be read.
    """
    with os.scandir(root):
        pass
    for path, names in _folders(root, beside):
        yield from _Folder(root, path, names, beside).calls()


def _folders(root: Path, beside: Beside) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder, as its path below the first, with the names of its files, in order."""
    todo, told = [("", 0)], 0
    while todo:
        path, depth = todo.pop()
        told += 1
        if depth > MAX_DEPTH or told > MAX_FOLDERS:
            beside.note(TOO_DEEP, path)
            continue
        try:
            folders, names = _look(root / path, path, beside)
        except OSError as error:
            beside.note(CANNOT_READ, f"{path}: {(error.strerror or str(error)).lower()}")
            continue
        todo += [(os.path.join(path, name), depth + 1) for name in sorted(folders, reverse=True)]
        yield path, sorted(names)


def _look(place: Path, path: str, beside: Beside) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of the files in a folder. Raises `OSError`."""
    folders, names = [], []
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith(HIDDEN):
                continue
            if entry.is_symlink():
                beside.note(LINKS, os.path.join(path, entry.name))
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                names.append(entry.name)
            else:
                beside.note(OTHERS, os.path.join(path, entry.name))
    return folders, names


HIDDEN: Final = (".audiosocket", PREFIX)
"""How names of our own files begin that nobody needs to be told of."""

LINKS: Final = Kind("link", "not followed")
TOO_DEEP: Final = Kind("folder", "too deep inside, or too many, to look into")
CANNOT_READ: Final = Kind("folder", "that cannot be read")
BROKEN: Final = Kind("JSON file", "that cannot be read")
UNFINISHED: Final = Kind("call", "not finished: still going on, or the server died")
GONE: Final = Kind("call", "whose recording is not there")
ALONE: Final = Kind("recording", "without JSON: little is known of the call")
OTHERS: Final = Kind("other file")
NOT_SHOWN: Final = Kind("recording", "that cannot be shown")


class _Folder:
    """The files of one folder."""

    def __init__(self, root: Path, path: str, names: Iterable[str], beside: Beside) -> None:
        self._place, self._path, self._beside = root / path, path, beside
        self._left = dict.fromkeys(names)
        """The names of files that belong to nothing so far, in order."""

    def calls(self) -> Iterator[DayCall]:
        """Yield the calls, those with JSON first."""
        heard = names_for_mirrors(name.removesuffix(PART).removesuffix(".json") for name in self._left)
        for name in [name for name in self._left if name.endswith(".json")]:
            found = read_call(os.fsencode(self._place / name))
            if found.call is not None:
                del self._left[name]
                if mirrored(name.removesuffix(".json")) in heard:
                    self._take_all(found.call)
                else:
                    yield self._with_json(name, found.call)
            elif found.problem != OTHER_JSON:
                del self._left[name]
                self._beside.note(BROKEN, f"{self._named(name)}: {found.problem}")
        for name in list(self._left):
            if (
                name in self._left
                and os.path.splitext(name)[1].lower() in RECORDING_SUFFIXES
                and not self._is_later_part(name)
            ):
                yield self._alone(name)
        for name in self._left:
            self._beside.note(UNFINISHED if name.endswith(_UNFINISHED) else OTHERS, self._named(name))

    def _with_json(self, name: str, content: Mapping[str, Any]) -> DayCall:
        told = row_of(content).files
        there = tuple(self._place / each for each in told if self._take(each))
        if len(there) < len(told):
            self._beside.note(GONE, self._named(name))
        self._take_all(content)
        key = printable(without_suffix(self._named(name)))
        return day_call(content, key=key, folder=printable(self._path), name=printable(name), recordings=there,
                        json=self._place / name)  # fmt: skip

    def _take_all(self, content: Mapping[str, Any]) -> None:
        for each in (*row_of(content).files, *_files_beside(content)):
            self._take(each)

    def _alone(self, name: str) -> DayCall:
        """Return what has no JSON, with the parts that continue it."""
        self._take(name)
        parts = [name]
        while self._take(part := part_path(Path(name), len(parts) + 1).name):
            parts.append(part)
        path = self._named(name)
        if f"{without_suffix(name)}{_UNFINISHED}" not in self._left:
            self._beside.note(ALONE, path)
        row: Row = row_of({}, folder=printable(self._path), name=printable(name))
        return DayCall(row, printable(without_suffix(path)), recordings=tuple(self._place / each for each in parts))

    def _is_later_part(self, name: str) -> bool:
        first = first_of(name)
        return first != name and first in self._left

    def _take(self, name: str) -> bool:
        """Take a file as one that belongs to a call; False where it is not there, or belongs to another."""
        if name in self._left:
            del self._left[name]
            return True
        return False

    def _named(self, name: str) -> str:
        return os.path.join(self._path, name)


def _files_beside(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of other files that a call's JSON speaks of: its capture, and what a mirror answered."""
    for key in ("capture", "mirror"):
        found = mapping_of(content.get(key))
        named = [found.get("file"), found.get("capture"), *list_of(found.get("files"))]
        yield from (os.path.basename(each) for each in named if isinstance(each, str))
