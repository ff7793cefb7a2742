"""Whom to call: an AudioSocket server at an address, or a WebSocket bot at a URL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from audiosocket_cli.errors import UsageError
from audiosocket_cli.net.address import Address, parse_address

PROTOCOLS: Final = ("twilio", "chan-websocket", "raw")
"""The protocols of WebSocket bots, as users write them."""

PORT_FIELD: Final = "{port}"
"""What stands for a free port in a URL, and in the command that starts a server."""

_PORTS: Final = {"ws": 80, "wss": 443}
_MAX_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class WebSocketTarget:
    """A bot that takes calls over WebSocket, and how it is reached."""

    url: str
    """`ws://` or `wss://`; it may hold {uuid}, and {port} until that is known."""
    protocol: str = ""
    """One of `PROTOCOLS`; empty until that is known."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of the request, which may be secret."""
    headers_file: Path | None = None
    """Where they come from."""
    ca: Path | None = None
    """A file of certificates to trust in place of the system's."""
    rate_hz: int | None = None
    """The sample rate of the audio that is sent; None: that of the first frame."""

    @property
    def address(self) -> Address:
        """Where its server listens."""
        parts = urlsplit(self.url)
        return Address(parts.hostname or "", parts.port or _PORTS[parts.scheme])

    @property
    def port(self) -> int:
        """The port of that."""
        return self.address.port

    @property
    def host(self) -> str:
        """The host of that."""
        return self.address.host

    @property
    def options(self) -> list[str]:
        """The words of a command line that go with it."""
        given = {"--protocol": self.protocol, "--headers-file": self.headers_file, "--ca": self.ca}
        return [word for name, value in given.items() if value for word in (name, str(value))]

    def on_port(self, port: int) -> WebSocketTarget:
        """Return it with a port in place of {port}."""
        return replace(self, url=self.url.replace(PORT_FIELD, str(port)))

    def __str__(self) -> str:
        """Return its URL without what may be secret: user, password and query."""
        parts = urlsplit(self.url)
        return SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "").geturl()


Target = Address | WebSocketTarget


def is_url(text: str) -> bool:
    """Whether a word is meant as a URL."""
    return "://" in text


def parse_target(text: str) -> Target:
    """Read `host:port` as `parse_address` does, or a URL as `ws://host:port/path`. Raises `UsageError`."""
    return _parse_url(text) if is_url(text) else parse_address(text)


def _parse_url(text: str) -> WebSocketTarget:
    scheme, _, rest = text.partition("://")
    shown = f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
    if scheme.lower() not in _PORTS:
        raise UsageError(f"{shown!r:.{_MAX_SHOWN}} is not a WebSocket's address: write ws:// or wss://, or host:port")
    try:
        parts = urlsplit(text.replace(PORT_FIELD, "1"))
        is_right = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right or not text.isascii() or not text.isprintable() or " " in text:
        raise UsageError(f"{shown!r:.{_MAX_SHOWN}} is not a URL: write ws://host:port/path")
    if parts.fragment:
        raise UsageError(f"{shown!r:.{_MAX_SHOWN}} has a #fragment, which no server gets: leave it out")
    return WebSocketTarget(f"{scheme.lower()}://{rest}")
