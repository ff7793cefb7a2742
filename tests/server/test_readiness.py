"""Whether a server is well: ready, draining, standing still."""

from __future__ import annotations

import signal
import socket
import time

import pytest

from audiosocket_cli.server.readiness import Readiness
from support.peers import FRAME, connected, free_port, get, opening, read_to_end
from support.running import Serve

WAYS = pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["alone", "workers"])


@WAYS
@pytest.mark.parametrize("option", ["--health", "--metrics"])
def test_health_is_ready_until_it_drains(serve: Serve, more: tuple[str, ...], option: str) -> None:
    port = free_port()
    serving = serve(option, f"127.0.0.1:{port}", "--drain", "60", *more)
    for method in ("GET", "OPTIONS"):
        assert get(port, method=method) == (200, "ready\n")
    assert get(port, method="HEAD") == (200, "")
    with connected(serving, opening()[1], FRAME) as peer:
        serving.wait_for(" call ")
        serving.process.send_signal(signal.SIGTERM)
        assert serving.process.stderr is not None
        told = serving.process.stderr.readline()
        while "draining" not in told:
            told = serving.process.stderr.readline()
        assert get(port) == (503, "draining\n")
        assert get(port, method="HEAD") == (503, "")
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    assert serving.end(0)[0] == 143


def test_a_server_that_stands_still_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    readiness = Readiness()
    assert readiness.health() == (503, "starting")
    readiness.ready()
    assert readiness.health() == (200, "ready")
    now_s = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now_s + 60)
    status, text = readiness.health()
    assert (status, text.startswith("hangs: nothing done for 60 s")) == (503, True)
