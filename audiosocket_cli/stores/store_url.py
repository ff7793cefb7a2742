"""URLs of object stores: s3://BUCKET/PATH, gs://BUCKET/PATH and az://CONTAINER/PATH."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from audiosocket_cli.errors import UsageError
from audiosocket_cli.text import printable

SCHEMES: Final = ("s3", "gs", "az")

_STORE: Final = re.compile(rf"(?:{'|'.join(SCHEMES)})://", re.IGNORECASE)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}[A-Za-z0-9]")
"""3 to 63 characters, in Google's store up to 222 with dots."""
_HOW: Final = "write s3://BUCKET/PATH, gs://BUCKET/PATH or az://CONTAINER/PATH"
MAX_NAME_BYTES: Final = 1024
"""The longest whole name of an object, in UTF-8; no store takes a longer one."""

_MAX_PATH: Final = 900
"""Bytes. Fields and suffixes need the rest of a name."""


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """Where objects are: a bucket, and a path in it without a slash at its ends, which may be empty."""

    scheme: str
    bucket: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.path}".rstrip("/")

    @classmethod
    def of_folder(cls, text: str) -> StoreUrl:
        """Read what `str` returned, with the names of folders that a store has told: they may hold what a URL that
        somebody writes may not, as a question mark."""
        scheme, _, rest = text.partition("://")
        bucket, _, path = rest.partition("/")
        return cls(scheme, bucket, path)

    def at(self, path: str) -> StoreUrl:
        """Return another path of the same bucket."""
        return replace(self, path=path.strip("/"))


def is_store_url(text: str) -> bool:
    """Whether a text is meant as the URL of an object store, and not as the name of a file or folder."""
    return bool(_STORE.match(text))


def parse_store_url(text: str) -> StoreUrl:
    """Read a URL; its path may hold fields in braces. Raises `UsageError`."""
    shown = printable(_without_secrets(text))
    scheme, slashes, rest = text.partition("://")
    scheme = scheme.lower()
    if not slashes or scheme not in SCHEMES:
        raise UsageError(f"{shown} is not the URL of an object store: {_HOW}")
    bucket, _, path = rest.partition("/")
    if "@" in bucket:
        raise UsageError(f"{shown} holds keys: leave them out, and set them in the environment, as AWS_ACCESS_KEY_ID")
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(f"{shown} names no valid bucket: {_HOW}")
    path = path.strip("/")
    _check_path(path, shown)
    return StoreUrl(scheme, bucket, path)


def _check_path(path: str, shown: str) -> None:
    if "?" in path or "#" in path:
        raise UsageError(f"{shown} has a query or a fragment: leave it out; keys come from the environment")
    if not path.isprintable():
        raise UsageError(f"{shown} holds characters that cannot be shown: leave them out")
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise UsageError(f"{shown} is not text: write it in UTF-8") from None
    if size > _MAX_PATH:
        raise UsageError(
            f"{shown:.60}… is {size} bytes long: at most {_MAX_PATH}, as names of objects end at {MAX_NAME_BYTES:,}"
        )
    if any(part in ("", ".", "..") for part in path.split("/")) and path:
        raise UsageError(f"{shown} has an empty part, . or .. in its path: leave it out")


def _without_secrets(text: str) -> str:
    """Hide what stands before an @, and all after a question mark: keys may be there by mistake."""
    text = re.sub(r"(?<=://)[^/@]*@", "…@", text)
    return re.sub(r"\?.*", "?…", text, flags=re.DOTALL)
