"""A new object in a store: made only where there is none, and checked before it counts as there.

A small one is a request that the store itself refuses where the name is taken (`If-None-Match: *`). Some stores ignore
that, and a large one, in parts, cannot say it: so the name is looked up before. Whoever takes it between the look and
the end is overwritten then; of calls only one that has the same UUID could.

An answer may be lost after the object is made. So a name that is taken is no failure where the content is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from audiosocket_cli.stores.content import PIECE_BYTES, LargeContent, SmallContent, sha256_of
from audiosocket_cli.stores.store_error import StoreError, StoreFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audiosocket_cli.stores.object_info import ObjectInfo

_MAX_PARTS_AT_ONCE: Final = 2
"""Of one large object: with four objects at once, at most 64 MiB and what is being read."""


@dataclass(frozen=True, slots=True)
class Put:
    """An object that is in the store now, and was checked; `was_there` says that an earlier put has made it."""

    name: str
    content: SmallContent | LargeContent
    was_there: bool

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.content.size


@dataclass(frozen=True, slots=True)
class ObjectAccess:
    """A name in a store, and how to do things there. The functions raise `StoreError`."""

    name: str
    url: str
    refuses_taken: bool
    """Whether the store itself refuses to make a small object whose name is taken."""
    checks_sha256: bool
    """Whether the store is known to refuse content whose SHA-256 is not what was said."""
    head: Callable[[], ObjectInfo]
    pieces: Callable[[], Iterator[bytes]]
    send: Callable[[Any, dict[str, Any]], str | None]
    """Sends content, and returns its ETag."""


def put_new(
    access: ObjectAccess, content: SmallContent | LargeContent, content_type: str, *, replace: bool, look: bool = True
) -> Put:
    """Make an object, or find that it is there. `replace` makes it whatever is there; without `look` the caller has
    just looked the name up. Raises `StoreError`, and `OSError` of the file."""
    if look and not replace and (content.is_large or not access.refuses_taken):
        found = _found(access)
        if found is not None:
            return _same(access, content, found)
    try:
        etag = _send(access, content, content_type, replace=replace)
    except StoreError as error:
        if not error.is_taken:
            raise
        found = _found(access)
        if found is None:  # two were made at once, and neither is there; or it was removed since
            raise StoreError(
                f"{access.url}: the store refused it as taken, and it is not there", StoreFault.AWAY
            ) from None
        return _same(access, content, found)
    _check(access, content, etag)
    return Put(access.name, content, was_there=False)


def _found(access: ObjectAccess) -> ObjectInfo | None:
    try:
        return access.head()
    except StoreError as error:
        if error.is_missing:
            return None
        raise


def _same(access: ObjectAccess, content: SmallContent | LargeContent, found: ObjectInfo) -> Put:
    """Return the object that is there where it has this content; raise `StoreError` where it has another."""
    if found.size == content.size and (content.proved_by(found.etag) or _holds(access, content)):
        return Put(access.name, content, was_there=True)
    raise StoreError(f"{access.url}: there is an object of this name already, with other content", StoreFault.EXISTS)


def _send(
    access: ObjectAccess, content: SmallContent | LargeContent, content_type: str, *, replace: bool
) -> str | None:
    attributes = {"attributes": {"Content-Type": content_type}}
    if isinstance(content, LargeContent):
        parts = {"use_multipart": True, "chunk_size": PIECE_BYTES, "max_concurrency": _MAX_PARTS_AT_ONCE}
        return access.send(content.pieces(), {**attributes, **parts})
    mode = "overwrite" if replace else "create"
    return access.send(content.data, {**attributes, "mode": mode, "use_multipart": False})


def _check(access: ObjectAccess, content: SmallContent | LargeContent, etag: str | None) -> None:
    """Check what the store has by its ETag, by the SHA-256 that it has checked, or by reading it back."""
    if not content.is_large and (access.checks_sha256 or content.proved_by(etag)):
        return
    found = access.head()
    if found.size != content.size:
        raise _damaged(access, f"{found.size} bytes of {content.size}")
    if access.checks_sha256 or content.proved_by(etag) or content.proved_by(found.etag):
        return
    if not _holds(access, content):
        raise _damaged(access, "other content than was sent")


def _holds(access: ObjectAccess, content: SmallContent | LargeContent) -> bool:
    return sha256_of(access.pieces()) == content.sha256()


def _damaged(access: ObjectAccess, what: str) -> StoreError:
    return StoreError(f"{access.url}: the store holds {what}", StoreFault.DAMAGED)
