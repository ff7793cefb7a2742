"""Whom to call: an AudioSocket server at an address, or a WebSocket bot at a URL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from audiosocket_cli.errors import UsageError
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.websocket.url import Url, parse_url

PROTOCOLS: Final = ("twilio", "chan-websocket", "raw")
"""The protocols of WebSocket bots, as users write them."""

PORT_FIELD: Final = "{port}"
"""What stands for a free port in a URL, and in the command that starts a server."""

_SOME_PORT: Final = "1"


@dataclass(frozen=True, slots=True)
class WebSocketTarget:
    """A bot that takes calls over WebSocket, and how it is reached."""

    url: Url
    """It may hold {uuid}."""
    lacks_port: bool = False
    """Whether {port} stands in the URL, and its port is not known yet."""
    protocol: str = ""
    """One of `PROTOCOLS`; empty until that is known."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of the request, which may be secret."""
    headers_file: Path | None = None
    """Where they come from."""
    ca: Path | None = None
    """A file of certificates to trust in place of the system's."""
    variables: tuple[tuple[str, str], ...] = ()
    """What the bot is told of the caller: names and values."""
    rate_hz: int | None = None
    """The sample rate of the audio that is sent; None: that of the first frame."""

    @property
    def address(self) -> Address:
        """Where its server listens."""
        return Address(self.url.host, self.url.port)

    @property
    def options(self) -> list[str]:
        """The words of a command line that go with it."""
        given = {"--protocol": self.protocol, "--headers-file": self.headers_file, "--ca": self.ca}
        options = [word for name, value in given.items() if value for word in (name, str(value))]
        return [*options, *(word for name, value in self.variables for word in ("--variable", f"{name}={value}"))]

    def on_port(self, port: int) -> WebSocketTarget:
        """Return it with a port in place of {port}."""
        return replace(self, url=self.url._replace(port=port), lacks_port=False)

    def __str__(self) -> str:
        """Return its URL without what may be secret."""
        return str(self.url)


Target = Address | WebSocketTarget


def is_url(text: str) -> bool:
    """Whether a word is meant as a URL."""
    return "://" in text


def parse_target(text: str) -> Target:
    """Read `host:port` as `parse_address` does, or a URL as `ws://host:port/path`. Raises `UsageError`."""
    if not is_url(text):
        return parse_address(text)
    host, slash, path = text.partition("://")[2].partition("/")
    lacks_port = host.endswith(f":{PORT_FIELD}")
    if lacks_port:
        scheme = text.partition("://")[0]
        text = f"{scheme}://{host.removesuffix(PORT_FIELD)}{_SOME_PORT}{slash}{path}"
    url = parse_url(text)
    if url.userinfo:
        raise UsageError(
            f"all who can list processes would see the password for {url}: write an Authorization header into a file, "
            "for --headers-file"
        )
    return WebSocketTarget(url, lacks_port)
