"""The files of a call that is over, as they wait for an object store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CallFiles:
    """A call that is complete, or was cut, and its files."""

    name: str
    """<uuid>, or <uuid>-2: the stem of its files."""
    uuid: str | None
    peer: str
    started_at: str
    """RFC 3339."""
    recordings: tuple[Path, ...]
    json: Path | None = None
    capture: Path | None = None
    is_cut: bool = False
    """Whether the process that recorded it died: then there is no JSON."""

    @property
    def paths(self) -> Iterator[Path]:
        """All of its files, the JSON last."""
        yield from self.recordings
        if self.capture is not None:
            yield self.capture
        if self.json is not None:
            yield self.json


def to_column(text: str) -> str | bytes:
    """Return a text as SQLite takes it, which refuses one that is not Unicode, as names of files may be: then bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def from_column(value: str | bytes) -> str:
    """Return the text that `to_column` took."""
    return value if isinstance(value, str) else value.decode(errors="surrogatepass")


class PathNames:
    """Paths as text for a spool: those below its base are relative to it, so that the whole folder may be moved."""

    def __init__(self, base: Path) -> None:
        """`base` is an absolute path."""
        self._base = base
        self._prefix = f"{base}/"

    def name(self, path: Path) -> str:
        """Return the text of a path."""
        return str(path.absolute()).removeprefix(self._prefix)

    def path(self, name: str) -> Path:
        """Return the path of a text."""
        return self._base / name

    def text(self, files: CallFiles) -> str:
        """Return the names of a call's files as JSON. A name that is not UTF-8 survives: it is ASCII."""
        single = {"json": files.json, "capture": files.capture}
        named = {what: self.name(path) for what, path in single.items() if path is not None}
        return json.dumps({"recordings": [self.name(path) for path in files.recordings], **named})

    def read(self, text: str) -> tuple[tuple[Path, ...], Path | None, Path | None]:
        """Return recordings, JSON and capture from such a text."""
        named = json.loads(text)
        single = (named.get("json"), named.get("capture"))
        own_json, capture = (None if name is None else self.path(name) for name in single)
        return tuple(self.path(name) for name in named["recordings"]), own_json, capture
