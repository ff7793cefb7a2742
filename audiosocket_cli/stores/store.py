"""One object store, opened by its URL: what it holds, pieces of it, and new objects in it.

Names are below the URL's path, as names of files are below a folder. Keys and endpoints come from the environment, as
obstore reads it: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME...
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from audiosocket_cli.disk import HalfMade
from audiosocket_cli.errors import MissingLibraryError, UsageError
from audiosocket_cli.libraries import install_line
from audiosocket_cli.stores.content import open_content
from audiosocket_cli.stores.new_object import ObjectAccess, Put, put_new
from audiosocket_cli.stores.object_info import ObjectInfo, bare_etag, info_of
from audiosocket_cli.stores.store_error import StoreError, StoreFault, store_error
from audiosocket_cli.stores.store_url import MAX_NAME_BYTES, StoreUrl, parse_store_url
from audiosocket_cli.text import printable

MAX_READ_BYTES: Final = 256 << 20
"""The largest object that is read into memory."""

_CHUNK: Final = 4 << 20
_LISTED: Final = 10
"""Objects that are taken from a listing together. obstore asks for a thousand at a time in any case; where a request
fails, it drops those that it has collected until then."""
TIMEOUT_S: Final = 120.0
"""For one request with all of its body: 32 MiB at 2.3 Mbit/s. obstore's own 30 s ends uploads over slow lines."""


class Store:
    """Objects below the path of a URL. All methods raise `StoreError`; they may be called from several threads."""

    def __init__(self, url: StoreUrl, inner: Any, *, is_makers_own: bool = True) -> None:
        """`inner` is of obstore; `is_makers_own` says that it is at Amazon, Google or Microsoft, and not at an endpoint
        of somebody else, of which less is known."""
        self.url = url
        self._inner = inner
        self._is_makers_own = is_makers_own
        self._obstore = _obstore()
        self._errors = _errors()

    def url_of(self, name: str) -> str:
        """Return the URL of an object, to be shown."""
        return f"{self.url}/{name}"

    def list(self, prefix: str = "", *, after: str | None = None) -> Iterator[ObjectInfo]:
        """Yield what is in a folder and the folders below it, all for none; of it only names after `after`, if given.

        The order is the store's: of s3:// and gs:// by name. Asks for 1,000 objects at a time.
        """
        try:
            for batch in self._obstore.list(self._inner, prefix or None, offset=after, chunk_size=_LISTED):
                for meta in batch:
                    yield info_of(meta)
        except self._errors as error:
            raise store_error(self.url_of(prefix).rstrip("/"), error) from None

    def head(self, name: str) -> ObjectInfo:
        """Return what the store knows of an object; `StoreError.is_missing` where there is none."""
        self._check_length(name)
        try:
            return info_of(self._obstore.head(self._inner, name))
        except self._errors as error:
            raise store_error(self.url_of(name), error) from None

    def read(self, name: str, *, max_bytes: int = MAX_READ_BYTES) -> bytes:
        """Return an object's content. One that is larger than `max_bytes` is an error."""
        try:
            answer = self._obstore.get(self._inner, name)
            size = answer.meta["size"]
            if size > max_bytes:
                raise StoreError(
                    f"{self.url_of(name)}: it has {size} bytes, and at most {max_bytes} are read", StoreFault.OTHER
                )
            return bytes(answer.bytes())
        except self._errors as error:
            raise store_error(self.url_of(name), error) from None

    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Return up to `size` bytes of an object from `start`; fewer at its end, none after it."""
        if size <= 0:
            return b""
        try:
            return bytes(self._obstore.get_range(self._inner, name, start=start, length=size))
        except self._errors as error:
            if "non-partial response" in str(error):
                return self._read_to(name, start, size)
            if "416" in str(error) or "out of bounds" in str(error).lower():
                return b""
            raise store_error(self.url_of(name), error) from None

    def _read_to(self, name: str, start: int, size: int) -> bytes:
        """As `read_range`, of a store that answers each request with the whole object: read up to the range's end."""
        found = bytearray()
        position = 0
        try:
            for piece in self._obstore.get(self._inner, name).stream(min_chunk_size=1 << 20):
                data = bytes(piece)
                found += data[max(start - position, 0) : max(start + size - position, 0)]
                position += len(data)
                if position >= start + size:
                    break
        except self._errors as error:
            raise store_error(self.url_of(name), error) from None
        return bytes(found)

    def download(self, name: str, path: Path) -> ObjectInfo:
        """Write an object into a file that is whole or not there. Raises `OSError`, and `FileExistsError`."""
        half = HalfMade.unnamed(path.parent, path.suffix)
        try:
            answer = self._obstore.get(self._inner, name)
            info = info_of({**answer.meta, "path": name})
            written = 0
            with open(half.descriptor, "wb", closefd=False) as file:
                for piece in answer.stream(min_chunk_size=_CHUNK):
                    written += file.write(piece)
            if written != info.size:
                raise StoreError(f"{self.url_of(name)}: it ended after {written} of {info.size} bytes", StoreFault.AWAY)
            half.name(path)
        except self._errors as error:
            half.drop()
            raise store_error(self.url_of(name), error) from None
        except BaseException:
            half.drop()
            raise
        return info

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield an object's content in pieces."""
        try:
            for piece in self._obstore.get(self._inner, name).stream(min_chunk_size=_CHUNK):
                yield bytes(piece)
        except self._errors as error:
            raise store_error(self.url_of(name), error) from None

    def put_new(
        self, name: str, content: Path | bytes, content_type: str, *, replace: bool = False, look: bool = True
    ) -> Put:
        """Make an object where there is none of its name, or find that it is there with the same content; then it is
        checked. `replace` makes it whatever is there; without `look` the caller has just looked the name up.

        Raises `StoreError`, whose `is_taken` says that there is one with other content, and `OSError` of the file.
        """
        self._check_length(name)
        access = ObjectAccess(
            name,
            self.url_of(name),
            refuses_taken=self._is_makers_own,
            checks_sha256=self._is_makers_own and self.url.scheme == "s3",
            head=lambda: self.head(name),
            pieces=lambda: self.pieces(name),
            send=lambda data, options: self._send(name, data, options),
        )
        return put_new(access, open_content(content), content_type, replace=replace, look=look)

    def _check_length(self, name: str) -> None:
        """Refuse a name that a store answers in words of its own, if it does. Raises `StoreError`."""
        whole = f"{self.url.path}/{name}" if self.url.path else name
        size = len(whole.encode(errors="surrogatepass"))
        if size > MAX_NAME_BYTES:
            what = f"the name has {size:,} bytes, and no store takes more than {MAX_NAME_BYTES:,}"
            raise StoreError(f"{printable(self.url_of(name)[:60])}…: {what}: use a shorter URL", StoreFault.TOO_LONG)

    def _send(self, name: str, data: Any, options: dict[str, Any]) -> str | None:
        try:
            return bare_etag(self._obstore.put(self._inner, name, data, **options)["e_tag"])
        except self._errors as error:
            if isinstance(error, FileNotFoundError) and error.errno is not None:  # of the file, not of the store
                raise
            raise store_error(self.url_of(name), error) from None


def open_store(url: str | StoreUrl, *, retries: int = 3, timeout_s: float = TIMEOUT_S) -> Store:
    """Open the store of a URL without fields; nothing is asked of it yet. `timeout_s` is for each request.

    Raises `UsageError` for a URL or an environment that cannot be used, `MissingLibraryError` without obstore.
    """
    if isinstance(url, str):
        url = parse_store_url(url)
    _check_endpoint(url.scheme)
    try:
        return Store(url, _open(url, retries, timeout_s), is_makers_own=_is_makers_own(url.scheme))
    except _errors() as error:
        raise UsageError(f"cannot use {store_error(str(url), error)}") from None


def _open(url: StoreUrl, retries: int, timeout_s: float) -> Any:
    obstore = _obstore()
    stores = {"s3": obstore.store.S3Store, "gs": obstore.store.GCSStore, "az": obstore.store.AzureStore}
    retry = {
        "max_retries": retries,
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
        "retry_timeout": timedelta(seconds=60),
    }
    client: dict[str, Any] = {"timeout": timedelta(seconds=timeout_s), "connect_timeout": "10s"}
    if endpoint_of(url.scheme).lower().startswith("http://"):
        client["allow_http"] = True  # who writes http:// means it
    more = {"checksum_algorithm": "SHA256"} if url.scheme == "s3" else {}
    return stores[url.scheme](url.bucket, prefix=url.path or None, client_options=client, retry_config=retry, **more)


_ENDPOINTS: Final = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""Variables that hold the URL of a store which is not its maker's own."""


def endpoint_of(scheme: str) -> str:
    """Return the URL of a store that the environment names, or nothing."""
    return next((value for name in _ENDPOINTS[scheme] if (value := os.environ.get(name))), "")


_ENDPOINT: Final = re.compile(
    r"https?://([\w.~%:-]+@)?([\w.-]+|\[[0-9a-f:.]+\])(:(?P<port>\d{1,5}))?([/?][!#-;=?-Z_a-z~[\]{}]*)?",
    re.ASCII | re.IGNORECASE,
)


def _check_endpoint(scheme: str) -> None:
    """Refuse what is not the URL of a server, of which obstore panics. Raises `UsageError`."""
    endpoint = endpoint_of(scheme)
    found = _ENDPOINT.fullmatch(endpoint)
    if endpoint and (found is None or int(found["port"] or 1) not in range(1, 65536)):
        name = next(name for name in _ENDPOINTS[scheme] if os.environ.get(name))
        raise UsageError(f"the endpoint in {name} is not the URL of a server: write http://HOST:PORT or https://HOST")


def _is_makers_own(scheme: str) -> bool:
    """Whether it is at Amazon, Google or Microsoft; there are names of networks of their own, too."""
    host = urlsplit(endpoint_of(scheme)).hostname
    return host is None or host.endswith(_MAKERS[scheme])


_MAKERS: Final = {
    "s3": (".amazonaws.com", ".amazonaws.com.cn"),
    "gs": (".googleapis.com",),
    "az": (".blob.core.windows.net", ".blob.core.chinacloudapi.cn", ".blob.core.usgovcloudapi.net"),
}


def _obstore() -> Any:
    try:
        import obstore.exceptions
        import obstore.store
    except ImportError as error:
        raise MissingLibraryError(
            f"object stores need obstore, which is not installed: {install_line('obstore')}"
        ) from error
    return obstore


def _errors() -> tuple[type[Exception], ...]:
    """What obstore raises: its own, and two of Python's."""
    return (_obstore().exceptions.BaseError, FileNotFoundError, ValueError)
