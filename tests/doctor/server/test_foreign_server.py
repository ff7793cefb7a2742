from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.codec import RATE_BY_KIND, Kind
from audiosocket_cli.doctor.server.foreign_server import foreign_server, name_opening
from audiosocket_cli.net.address import Address
from support.odd_servers import accepts_and_closes, http, odd_server


@pytest.mark.parametrize(
    ("received", "what"),
    [
        (b"SSH-2.0-OpenSSH_9.2", "SSH"),
        (b"HTTP/1.1 400 Bad Request", "HTTP"),
        (b"<!DOCTYPE HTML>", "HTTP"),
        (b"\x15\x03\x01\0\x02\x02\x46", "TLS"),
        (b"Asterisk Call Manager/11.0.0\r\n", "AMI"),
        (b"\xff\xfd\x18\xff\xfd\x20", "Telnet"),
        (b"hello world", "'hello world'"),
    ],
)
def test_a_server_is_named_by_what_it_says_first(received: bytes, what: str) -> None:
    assert what in (name_opening(received) or "")


@given(st.sampled_from([Kind.HANGUP, *RATE_BY_KIND]), st.binary(max_size=60))
def test_what_asterisk_takes_is_audiosocket(kind: int, rest: bytes) -> None:
    assert name_opening(bytes([kind]) + rest) is None


@pytest.mark.parametrize("received", [b"", b"\x03\0\x015", b"\xff\0\0", b"\x01\0\x10" + bytes(16)])
def test_a_frame_that_is_not_allowed_is_still_audiosocket(received: bytes) -> None:
    assert name_opening(received) is None


def test_a_server_that_closes_is_asked_for_http() -> None:
    with odd_server(http) as port:
        assert "HTTP" in (asyncio.run(foreign_server(Address("127.0.0.1", port))) or "")
    with odd_server(accepts_and_closes) as port:
        assert asyncio.run(foreign_server(Address("127.0.0.1", port))) is None


def test_a_server_that_speaks_tls_is_named() -> None:
    async def ask() -> str | None:
        import ssl
        import subprocess
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            key, certificate = Path(folder, "key"), Path(folder, "certificate")
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                 "-keyout", key, "-out", certificate], check=True, capture_output=True,
            )  # fmt: skip
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
            async with server:
                return await foreign_server(Address("127.0.0.1", server.sockets[0].getsockname()[1]))

    assert asyncio.run(ask()) == "it speaks TLS"
