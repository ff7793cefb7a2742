"""The opening handshake of a WebSocket: what we ask for, and why a server says no.

A server that says no need not close the connection, nor end what it says about it. So its answer is read up to the end
of its header, and no further: a caller waits for it. Only a good answer goes to the library.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Sequence
from typing import Final, NamedTuple

from websockets.client import ClientProtocol
from websockets.exceptions import NegotiationError
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from audiosocket_cli.errors import NetworkError
from audiosocket_cli.libraries import first_line
from audiosocket_cli.text import printable
from audiosocket_cli.websocket.connecting import RefusedError, receive, send_all, why_of
from audiosocket_cli.websocket.url import Url

MAX_MESSAGE_BYTES: Final = 1 << 20

_MAX_HEADER_BYTES: Final = 65536
"""Of a server's answer."""

_BEGIN: Final = b"HTTP/1."
_END: Final = b"\r\n\r\n"
_SWITCHING: Final = 101
_TLS_ALERT: Final = b"\x15\x03"

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: ([^\r\n]*))?\r\n")
_LOCATION: Final = re.compile(rb"\r\nlocation:[ \t]*([^\r\n]*)", re.IGNORECASE)
_SECRETS: Final = re.compile(r"(?<=//)[^/@]*@|[?#].*")
"""What may be secret in a URL: a server may say ours again."""

_MAX_SHOWN: Final = 60
_MAX_URL_SHOWN: Final = 200


class Opening(NamedTuple):
    """How a connection is opened."""

    headers: Sequence[tuple[str, str]] = ()
    subprotocol: str | None = None
    tls: ssl.SSLContext | None = None
    """None: with the system's authorities, where the URL asks for TLS."""
    timeout_s: float = 10.0
    """For all of it: name, addresses, TLS, handshake."""
    max_bytes: int = MAX_MESSAGE_BYTES
    """Of a message of the bot; a longer one ends the connection, with code 1009."""
    user_agent: str = "audiosocket-cli"


async def shake_hands(connection: socket.socket, url: Url, opening: Opening) -> tuple[ClientProtocol, bytes]:
    """Ask for a WebSocket on a connected socket; return its protocol, and what has come after the answer.

    Raises `NetworkError`, and `RefusedError` where to try again is of no use.
    """
    protocol = _protocol_of(url, opening)
    try:
        return protocol, await _ask(connection, url, protocol)
    except BaseException:
        break_cycles(protocol)
        raise


def break_cycles(protocol: ClientProtocol) -> None:
    """Let a protocol leave memory once nobody has it: its parser, and what that raised, refer to it."""
    protocol.parser.close()
    protocol.parser_exc = protocol.handshake_exc = None


async def _ask(connection: socket.socket, url: Url, protocol: ClientProtocol) -> bytes:
    try:
        await send_all(connection, b"".join(protocol.data_to_send()))
        header, rest = await _header_of(connection, url)
    except OSError as error:
        raise NetworkError(f"cannot connect to {url}: {why_of(error)} during the handshake") from error
    status = _STATUS.match(header)
    if status is None:
        raise _no_websocket(url, f"it answers {_line_of(header)}")
    if int(status[1]) != _SWITCHING:
        raise _why_not(url, int(status[1]), status[2] or b"", header)
    protocol.receive_data(header)
    problem = protocol.handshake_exc
    if isinstance(problem, NegotiationError):
        raise RefusedError(f"{url} wants what we do not offer: {first_line(problem)}")
    if problem is not None or protocol.state is not State.OPEN:
        raise _no_websocket(url, "its answer is not whole" if problem is None else first_line(problem))
    return rest


def _protocol_of(url: Url, opening: Opening) -> ClientProtocol:
    """Return a protocol that has the request to send."""
    subprotocols = None if opening.subprotocol is None else [Subprotocol(opening.subprotocol)]
    protocol = ClientProtocol(parse_uri(url.whole), subprotocols=subprotocols, max_size=opening.max_bytes)
    request = protocol.connect()
    request.headers["User-Agent"] = opening.user_agent
    for name, value in opening.headers:
        if name.lower() in ("authorization", "user-agent", "host"):  # ours, or that of the URL, gives way
            request.headers.pop(name, None)
        request.headers[name] = value
    protocol.send_request(request)
    return protocol


async def _header_of(connection: socket.socket, url: Url) -> tuple[bytes, bytes]:
    """Return the header of a server's answer, with its end, and what has come after it. Raises `OSError` and
    `NetworkError`."""
    data = b""
    while (end := data.find(_END)) < 0:
        if data[: len(_BEGIN)] != _BEGIN[: len(data)]:
            raise _no_websocket(url, f"it answers {_line_of(data)}")
        if len(data) > _MAX_HEADER_BYTES:
            raise _no_websocket(url, f"the header of its answer is longer than {_MAX_HEADER_BYTES} bytes")
        more = await receive(connection)
        if not more:
            hint = "" if url.is_secure else "; is it wss:// and not ws://?"
            raise NetworkError(f"cannot connect to {url}: it closed the connection during the handshake{hint}")
        data += more
    end += len(_END)
    return data[:end], data[end:]


def _line_of(data: bytes) -> str:
    """Return the beginning of what is no HTTP, for people."""
    if data.startswith(_TLS_ALERT):
        return "in TLS; is it wss:// and not ws://?"
    line = data.lstrip().split(b"\n")[0].strip()
    if not line.isascii() or not line.decode("ascii").isprintable():
        return "bytes that are no text"
    text = line.decode("ascii")
    return f"'{text[:_MAX_SHOWN]}{'…' * (len(text) > _MAX_SHOWN)}'"


def _no_websocket(url: Url, why: str) -> RefusedError:
    return RefusedError(f"{url} is not a WebSocket server: {why}")


def _why_not(url: Url, code: int, phrase: bytes, header: bytes) -> NetworkError:
    if 300 <= code < 400:
        location = _LOCATION.search(header)
        to = "nowhere" if location is None else location[1].decode("iso-8859-1").strip()
        to = printable(_SECRETS.sub("", to))[:_MAX_URL_SHOWN]
        return RefusedError(f"{url} redirects to {to}, which is not followed: give that URL, if it is right")
    why = printable(phrase.decode("iso-8859-1"))[:_MAX_SHOWN]
    if code < 300:
        return _no_websocket(url, f"it answers HTTP {code} {why}".rstrip() + ", as a web page; is the path right?")
    kind = RefusedError if 400 <= code < 500 and code not in (408, 429) else NetworkError
    return kind(f"{url} refuses the connection: HTTP {code} {why}".rstrip())
