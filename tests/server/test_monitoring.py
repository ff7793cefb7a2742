"""What is answered over HTTP: health checks, and an HTTP server that nobody can hold up."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from audiosocket_cli.codec import Kind
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.http_server import MAX_CONNECTIONS
from audiosocket_cli.server.options import ServeOptions
from support.faults import descriptors, needs_proc
from support.peers import connected, free_port, get, opening
from support.running import COMMAND, Serve, run


def test_health_needs_no_library(tmp_path: Path) -> None:
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--health", "127.0.0.1:0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"health checks on http://127\.0\.0\.1:(\d+)/healthz\n", line)
        assert found, line
        process.stderr.readline()
        until_s = time.monotonic() + 20
        while get(int(found[1])) != (200, "ready\n"):
            assert time.monotonic() < until_s
        status, text = get(int(found[1]), "/metrics")
        assert (status, text) == (404, "not found: try /healthz or /livez\n")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.mark.parametrize("option", ["--health", "--metrics"])
def test_a_port_in_use_names_the_option(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run("serve", "--listen", "127.0.0.1:0", option, f"127.0.0.1:{other.getsockname()[1]}")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith(f"or choose another port with {option}")


def test_250_unfinished_requests_take_few_descriptors_and_no_call_waits(serve: Serve) -> None:
    needs_proc()
    port = free_port()
    serving = serve("--metrics", f"127.0.0.1:{port}", on=["sh", "-c", 'ulimit -n 128; exec "$0" "$@"'])
    before = descriptors(serving.process.pid)
    with ExitStack() as stack:
        for _ in range(250):
            with suppress(OSError):
                peer = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
                peer.sendall(b"GET / HT")
        assert descriptors(serving.process.pid) <= before + 2 * MAX_CONNECTIONS
        begun_s = time.monotonic()
        with connected(serving, opening()[1]) as caller:
            assert caller.recv(1) == bytes([Kind.SLIN])
        assert time.monotonic() - begun_s < 5
        assert get(port)[0] == 200
    _, lines, err = serving.end()
    assert "cannot accept" not in err
    assert len(lines) == 2


def test_its_descriptors_are_in_the_budget() -> None:
    from audiosocket_cli.call.live_call import CallOptions
    from audiosocket_cli.call.sources.basic import Silence

    address = Address("127.0.0.1", 0)
    plain = ServeOptions(address, CallOptions(Silence), max_calls=10)
    watched = ServeOptions(address, CallOptions(Silence), max_calls=10, metrics=address)
    assert watched.descriptors - plain.descriptors >= 2 * MAX_CONNECTIONS
    assert plain.has_descriptors(50, 10, 0)
    assert not watched.has_descriptors(50, 10, 0)
