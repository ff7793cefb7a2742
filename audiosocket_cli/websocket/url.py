"""Where a bot is, as people write it: `ws://host:port/path?query`, or `wss://`."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from audiosocket_cli.errors import UsageError
from audiosocket_cli.text import printable

UUID_FIELD: Final = "{uuid}"
"""Where the UUID of the call stands in a URL."""

_PORTS: Final = {"ws": 80, "wss": 443}


class Url(NamedTuple):
    """A bot's URL. What may be secret in it is never shown."""

    is_secure: bool
    host: str
    port: int
    path: str
    query: str
    userinfo: str = ""
    """`name:password`, as written."""

    def __str__(self) -> str:
        """Return it as it may be shown: without name, password and query."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "wss" if self.is_secure else "ws"
        port = "" if self.port == _PORTS[scheme] else f":{self.port}"
        return f"{scheme}://{host}{port}{self.path}"

    @property
    def whole(self) -> str:
        """All of it, for the request."""
        text = f"{self}?{self.query}" if self.query else str(self)
        return text.replace("://", f"://{self.userinfo}@", 1) if self.userinfo else text

    def for_call(self, uuid: UUID) -> Url:
        """Return the URL for a call, with its UUID where that is asked for."""
        path = self.path.replace(UUID_FIELD, str(uuid))
        return self._replace(path=path, query=self.query.replace(UUID_FIELD, str(uuid)))


def parse_url(text: str) -> Url:
    """Read a URL. Raises `UsageError`, which does not show what may be secret."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError("the bot's URL cannot be read: write ws://host:port/path or wss://host/path") from None
    if parts.scheme not in _PORTS or not host:
        begun = printable(text.split("?")[0].rpartition("@")[2])[:60]
        raise UsageError(f"{begun!r} is not the URL of a WebSocket: write ws://host:port/path or wss://host/path")
    if parts.fragment or "#" in text:
        raise UsageError("the URL of a WebSocket has no # in it: leave out what follows, or write %23")
    if any(char.isspace() or not char.isprintable() or not char.isascii() for char in text):
        raise UsageError("the bot's URL holds what no URL may hold: write spaces and other characters as %20 and so on")
    if parts.username is not None and parts.password is None:
        raise UsageError("the bot's URL has a name without a password: write wss://name:password@host/path")
    if port == 0:
        raise UsageError("the bot's URL has port 0, on which nobody listens: write the port of the bot")
    if "{" in host or "}" in host:
        raise UsageError("the host in the bot's URL cannot be filled in: {uuid} may stand in its path, or after a ?")
    if any(brace in part.replace(UUID_FIELD, "") for brace in "{}" for part in (parts.path, parts.query)):
        raise UsageError("the bot's URL has braces, and only {uuid} is filled in: write others as %7B and %7D")
    userinfo = parts.netloc.rpartition("@")[0]
    return Url(
        parts.scheme == "wss", host, _PORTS[parts.scheme] if port is None else port, parts.path or "/", parts.query,
        userinfo,
    )  # fmt: skip
