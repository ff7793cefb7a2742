"""A call as it was listed: its files in a folder or an object store, which is all that measuring it needs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from audiosocket_cli.audio.growing_wav import first_of
from audiosocket_cli.audio.recognition import RECORDING_SUFFIXES

JSON: Final = ".json"

_FIRST_S: Final = datetime.min.replace(tzinfo=UTC).timestamp()
_LAST_S: Final = datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp()


class ListedFile(NamedTuple):
    """A file or object: its name in its folder, its size in bytes, and what changes with its content."""

    name: str
    size: int
    version: str
    """The time of its last change, or its ETag."""
    changed_s: float
    """When it was last changed, in seconds since 1970."""


class ListedCall(NamedTuple):
    """A call: all files that have one name but for the suffix."""

    folder: str
    """The absolute path of their folder, or its URL in a store."""
    call: str
    """Their name."""
    files: tuple[ListedFile, ...]
    """In the order of their names."""

    @property
    def json(self) -> ListedFile | None:
        """Its JSON."""
        return next((file for file in self.files if file.name == f"{self.call}{JSON}"), None)

    @property
    def sounds(self) -> list[ListedFile]:
        """All else: its recording, with the parts of that."""
        return [file for file in self.files if file.name != f"{self.call}{JSON}"]

    @property
    def version(self) -> str:
        """A text that changes with any of the files."""
        return "\n".join(f"{file.name} {file.size} {file.version}" for file in self.files)

    @property
    def changed_s(self) -> float:
        """When its recording was last changed; its JSON, where there is none."""
        return max(file.changed_s for file in self.sounds or self.files)


def day_of(call: ListedCall) -> str:
    """Return the day in UTC on which a call was last changed, or the first or last one that there is a name for: a file
    may have any time."""
    seconds = min(max(call.changed_s, _FIRST_S), _LAST_S)
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def call_of(name: str) -> str | None:
    """Return the name of the call that a file belongs to; None for one that belongs to none."""
    stem, suffix = os.path.splitext(name)
    if name.startswith(".") or not stem:
        return None
    if suffix == JSON:
        return stem
    return os.path.splitext(first_of(name))[0] if suffix.lower() in RECORDING_SUFFIXES else None


def utf8(text: str) -> str:
    """Return text as UTF-8 can have it: names of files need not be."""
    return text.encode(errors="backslashreplace").decode()


def parts_in_order(names: Iterable[str]) -> list[str]:
    """Return the file that is first by its name, and those that continue it, in order."""
    there = sorted(names)
    first = next((name for name in there if first_of(name) == name), there[0])
    return [first, *_parts(first, there)]


def _parts(first: str, names: Iterable[str]) -> Iterator[str]:
    parts = [name for name in names if name != first and first_of(name) == first]
    yield from sorted(parts, key=lambda name: (len(name), name))  # part10 comes after part9
