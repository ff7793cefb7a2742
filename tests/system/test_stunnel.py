"""Calls over TLS: both configurations of the page on TLS, as they are but for ports and places, on real stunnels."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.codec import Frame, Kind, encode, uuid_frame
from support.peers import free_port
from support.running import Serve, Serving, run
from support.tunnels import Tunnels, tunnels

__all__ = ["tunnels"]  # a fixture

CALL = UUID(int=1)


@pytest.fixture
def server(serve: Serve) -> Serving:
    return serve("--record", "calls", "--json")


def no_calls_in(server: Serving) -> bool:
    code, events, summary = server.end()
    return code == 130 and not any('"call"' in event for event in events) and "answered 0 calls" in summary


def test_a_call_passes_through_both_whole(tunnels: Tunnels, server: Serving, tmp_path: Path) -> None:
    tls, plain = free_port(), free_port()
    tunnels.start("server.conf", accept=tls, connect=server.port)
    tunnels.start("client.conf", accept=plain, connect=tls)
    speech = np.random.default_rng(3).integers(1, 9000, 8000).astype(np.int16)
    soundfile.write(tmp_path / "speech.wav", speech, 8000)
    done = run("play", tmp_path / "speech.wav", f"127.0.0.1:{plain}", "--uuid", str(CALL), "--wait", "0.2")
    assert done.returncode == 0, done.stderr
    result = server.wait_for_end(str(CALL))
    recorded, _ = soundfile.read(tmp_path / "calls" / f"{CALL}.wav", dtype="int16")
    assert np.array_equal(recorded[recorded != 0], speech)
    assert result["peer"].startswith("127.0.0.1:")  # whoever calls: that is what --allow-from sees
    assert result["ended_by"] == "caller"
    assert tunnels.told("server.conf", "Certificate accepted .*CN=client")
    assert tunnels.told("client.conf", "Certificate accepted .*CN=server")


def test_the_tls_port_takes_no_call_that_is_not_encrypted(tunnels: Tunnels, server: Serving) -> None:
    tls = free_port()
    tunnels.start("server.conf", accept=tls, connect=server.port)
    with socket.create_connection(("127.0.0.1", tls), timeout=10) as peer:
        peer.sendall(encode(uuid_frame(CALL)))
        assert tunnels.told("server.conf", "SSL_accept: .*wrong version number")
    assert no_calls_in(server)


@pytest.mark.parametrize(
    ("certificate", "verdict"),
    [
        ("client", "Certificate accepted .*CN=client"),
        ("stranger", "Rejected by CERT .*CN=stranger"),
        (None, "peer did not return a certificate"),
    ],
)
def test_only_who_shows_the_client_s_certificate_can_call(
    tunnels: Tunnels, server: Serving, certificate: str | None, verdict: str
) -> None:
    tls = free_port()
    tunnels.start("server.conf", accept=tls, connect=server.port)
    context = ssl.create_default_context(cafile=str(tunnels.folder / "server.crt"))
    context.check_hostname = False
    if certificate:
        context.load_cert_chain(tunnels.folder / f"{certificate}.crt", tunnels.folder / f"{certificate}.key")
    heard, version = b"", None
    with (
        contextlib.suppress(ssl.SSLError, ConnectionError),
        socket.create_connection(("127.0.0.1", tls), timeout=10) as plain,
        context.wrap_socket(plain) as peer,
    ):
        version = peer.version()
        peer.sendall(encode(uuid_frame(CALL)))
        heard = peer.recv(4096)  # with TLS 1.3 a refusal comes as late as this
    assert tunnels.told("server.conf", verdict)
    assert version in (None, "TLSv1.3")
    if certificate == "client":
        assert heard[:3] == encode(Frame(Kind.SLIN, bytes(320)))[:3]
        server.wait_for_end(str(CALL))
    else:
        assert heard == b""
        assert no_calls_in(server)


def test_a_server_that_is_another_is_told_nothing(tunnels: Tunnels, server: Serving, tmp_path: Path) -> None:
    tls, plain = free_port(), free_port()
    tunnels.start("server.conf", accept=tls, connect=server.port, certificate="stranger")
    tunnels.start("client.conf", accept=plain, connect=tls)
    soundfile.write(tmp_path / "hello.wav", tone(440, 8000, 1.0), 8000)
    done = run("play", tmp_path / "hello.wav", f"127.0.0.1:{plain}")
    assert done.returncode == 1
    assert "ended by server" in done.stdout
    assert tunnels.told("client.conf", "Rejected by CERT .*CN=stranger")
    assert no_calls_in(server)
