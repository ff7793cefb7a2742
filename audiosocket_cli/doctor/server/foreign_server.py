"""What a server is that does not speak AudioSocket: known by what it says first, or by how it answers HTTP and TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Final

from audiosocket_cli.asterisk.facts import CONNECT_TIMEOUT_S
from audiosocket_cli.codec import RATE_BY_KIND, Kind
from audiosocket_cli.net.address import Address

_ANSWER_S: Final = 1.5

_REQUEST: Final = b"GET / HTTP/1.0\r\n\r\n"

_OPENINGS: Final = (
    (b"HTTP/", "it answers as an HTTP server"),
    (b"<!DOCTYPE", "it answers as an HTTP server"),
    (b"<html", "it answers as an HTTP server"),
    (b"SSH-", "it is an SSH server"),
    (b"220 ", "it greets as a mail or FTP server"),
    (b"Asterisk Call Manager", "it is Asterisk's manager interface (AMI)"),
    (b"SIP/", "it is a SIP server"),
    (b"+OK", "it greets as a mail server (POP3)"),
    (b"* OK", "it greets as a mail server (IMAP)"),
    (b"\x15\x03", "it answers with a TLS alert: it expects TLS"),
    (b"-ERR", "it answers as Redis does"),
)


_MIN_TEXT: Final = 4

_TELNET: Final = b"\xff"
_TELNET_ASKS: Final = (b"\xfb", b"\xfc", b"\xfd", b"\xfe")
"""IAC, and WILL, WON'T, DO, DON'T (RFC 854): as an error frame it would have a length of over 64,000."""


def name_opening(received: bytes) -> str | None:
    """Say what a server is by the first bytes that it sent; None for what may be AudioSocket."""
    for start, name in _OPENINGS:
        if received.startswith(start):
            return name
    if received[:1] == _TELNET and received[1:2] in _TELNET_ASKS:
        return "it is a Telnet server"
    if not received or received[0] in (Kind.HANGUP, *RATE_BY_KIND):
        return None
    if received[:4].isascii() and received[:4].decode().isprintable() and len(received) >= _MIN_TEXT:
        return f"it began with the text {received[:32].decode('ascii', 'replace')!r}"
    return None  # a frame of a kind that Asterisk refuses is another finding


async def foreign_server(server: Address) -> str | None:
    """Ask a server that closes AudioSocket's connections whether it speaks HTTP or TLS; None where it does not."""
    answer = await _answer_to_http(server)
    if answer and (name := name_opening(answer)):
        return name
    return "it speaks TLS" if await _speaks_tls(server) else None


async def _answer_to_http(server: Address) -> bytes:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(CONNECT_TIMEOUT_S + _ANSWER_S):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            try:
                writer.write(_REQUEST)
                return await reader.read(64)
            finally:
                writer.close()
    return b""


async def _speaks_tls(server: Address) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # who it is does not matter: nothing is said to it
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S + _ANSWER_S):
            _, writer = await asyncio.open_connection(server.host, server.port, ssl=context)
            writer.close()
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError
        return False
    return True
