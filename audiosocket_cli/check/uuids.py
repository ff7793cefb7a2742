"""Which UUIDs calls have: new ones, or those that a server accepts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import cycle
from pathlib import Path
from uuid import UUID, uuid4

from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.server.uuid_list import read_uuids


class Uuids:
    """Each call takes the next one: a new one, or the next of the known ones, from the first again after the last."""

    def __init__(self, known: Sequence[UUID] = ()) -> None:
        self.known = len(known)
        """How many there are; 0: no limit."""
        self._next = cycle(known) if known else None

    def next(self) -> UUID:
        """Return one for a call."""
        return uuid4() if self._next is None else next(self._next)


def known_uuids(words: Iterable[str]) -> list[UUID]:
    """Return the UUIDs that words are, and those of the files that they name, each once.

    Raises `UsageError` for a word that is neither, `FileError` for a file that cannot be read or holds none.
    """
    found: dict[UUID, None] = {}
    for word in words:
        uuid = _uuid_of(word)
        found |= dict.fromkeys(_of_file(Path(word)) if uuid is None else [uuid])
    return list(found)


def _uuid_of(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        if not os.path.lexists(word):
            raise UsageError(f"{word!r:.80} is neither a UUID nor a file of UUIDs, one per line") from None
        return None


def _of_file(path: Path) -> list[UUID]:
    uuids = [UUID(bytes=raw) for batch in read_uuids(path) for raw in batch]
    if not uuids:
        raise FileError(f"{path} holds no UUID: write one per line")
    return uuids
