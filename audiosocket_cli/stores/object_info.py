"""An object as a store lists it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object without sending it; `etag` is without quotes."""

    name: str
    size: int
    modified: datetime
    etag: str | None


def info_of(meta: Any) -> ObjectInfo:
    """Take what obstore tells of an object."""
    return ObjectInfo(meta["path"], meta["size"], meta["last_modified"], bare_etag(meta["e_tag"]))


def bare_etag(etag: str | None) -> str | None:
    """Return an ETag without quotes: some answers have them, some have not."""
    return etag.strip('"') if etag else None
