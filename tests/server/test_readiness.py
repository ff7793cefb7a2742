"""Whether a server is well: ready, draining, standing still."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable

import pytest

from audiosocket_cli.server.readiness import Readiness
from support.peers import FRAME, connected, free_port, get, opening, read_to_end
from support.running import Serve, Serving

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
        assert get(port, "/livez") == (200, "lives\n")  # it is not to be restarted
        assert get(port, method="HEAD") == (503, "")
        peer.shutdown(socket.SHUT_WR)
        read_to_end(peer)
    assert serving.end(0)[0] == 143


def test_a_server_that_stands_still_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    readiness = Readiness()
    assert readiness.health() == (503, "starting")
    assert readiness.life() == (200, "lives")
    readiness.ready()
    assert readiness.health() == (200, "ready")
    now_s = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now_s + 60)
    status, text = readiness.health()
    assert (status, text.startswith("hangs: nothing done for 60 s")) == (503, True)
    assert readiness.life() == (status, text)


def test_a_proxy_without_a_server_is_not_healthy_and_says_why(answer: Callable[..., Serving]) -> None:
    port, gone = free_port(), free_port()
    serving = answer("proxy", f"127.0.0.1:{gone}", "--health", f"127.0.0.1:{port}", "--json")
    assert f"listening on 127.0.0.1:{serving.port} once a server is up (" in serving.listening
    assert json.loads(serving.wait_for('"event": "listening"'))["open"] is False
    status, text = get(port)
    assert status == 503
    assert text.startswith(f"no server is up: cannot connect to 127.0.0.1:{gone}: connection refused")
    assert get(port, "/livez") == (200, "lives\n")
    with socket.create_server(("127.0.0.1", gone)):
        until_s = time.monotonic() + 20
        while get(port) != (200, "ready\n"):
            assert time.monotonic() < until_s
            time.sleep(0.1)
        with connected(serving):
            pass
    assert "a server is up: the port is open" in serving.end()[2]
