"""Calls through a real HAProxy, nginx and stunnel: the caller's own address, and no line for a health check."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.codec import Kind, encode, uuid_frame
from support.pages import FILES
from support.peers import free_port
from support.running import Serve, Serving, need, run
from support.tunnels import Tunnels, tunnels

__all__ = ["tunnels"]  # a fixture

Start = Callable[..., None]
CALL = UUID(int=1)
LISTENS_WITHIN_S = 20.0

HAPROXY = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 2s
    timeout client 1m
    timeout server 1m
listen audiosocket
    bind 127.0.0.1:{accept}
    option tcp-smart-connect
    {check}
    server one 127.0.0.1:{server} {options}
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
stream {{
    server {{
        listen 127.0.0.1:{accept};
        proxy_pass 127.0.0.1:{server};
        proxy_protocol on;
    }}
}}
"""

NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Start]:
    """Run a proxy until the test ends; returns once its port is open."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str | Path, accept: int) -> None:
        log = tmp_path / "proxy.log"
        with log.open("w") as file:
            started.append(subprocess.Popen(list(map(str, words)), stdout=file, stderr=file))
        give_up_s = time.monotonic() + LISTENS_WITHIN_S
        while True:
            assert started[-1].poll() is None, log.read_text()
            assert time.monotonic() < give_up_s, log.read_text()
            with socket.socket() as probe:  # bound, so that nothing is connected to where it is free
                try:
                    probe.bind(("127.0.0.1", accept))
                except OSError:
                    return
            time.sleep(0.05)

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


def haproxy(start: Start, folder: Path, serving: Serving, *, options: str, check: str) -> int:
    accept = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(accept=accept, server=serving.port, check=check, options=options))
    start(need("haproxy"), "-f", config, accept=accept)
    return accept


def a_call_gets_through(serving: Serving, port: int, folder: Path) -> None:
    """Place a call; its recording is whole, and its peer the one that has called the proxy."""
    soundfile.write(folder / "hello.wav", tone(440, 8000, 1.0), 8000)
    played = run("play", folder / "hello.wav", f"127.0.0.1:{port}", "--uuid", str(CALL))
    assert played.returncode == 0, played.stderr
    result = serving.wait_for_end(str(CALL))
    samples, _ = soundfile.read(folder / "calls" / f"{CALL}.wav", dtype="int16")
    original, _ = soundfile.read(folder / "hello.wav", dtype="int16")
    np.testing.assert_array_equal(samples[samples != 0], original[original != 0])  # a busy machine pauses
    assert result["caller"]["frames"] == {"slin": {"frames": 50, "bytes": 16000}}


def the_caller_is_seen(serving: Serving, port: int) -> None:
    """Place a call by hand, and see that its peer is who has called the proxy."""
    call = UUID(int=3)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        host, number = peer.getsockname()
        peer.sendall(encode(uuid_frame(call)))
        assert peer.recv(1) == bytes([Kind.SLIN])
    assert serving.wait_for_end(str(call))["peer"] == f"{host}:{number}"


def only_calls_are_told(serving: Serving) -> None:
    """End the server; all that it has told is calls."""
    code, lines, err = serving.end()
    assert code == 130
    assert {json.loads(line)["event"] for line in lines} == {"listening", "call", "ended"}
    assert "failed" not in err
    assert "refused" not in err


@pytest.mark.parametrize(
    ("options", "check"),
    [
        ("send-proxy", ""),
        ("send-proxy-v2", ""),
        ("send-proxy-v2-ssl-cn", ""),
        ("send-proxy check inter 100ms", ""),
        ("send-proxy-v2 check inter 100ms", ""),
        ("send-proxy-v2 check inter 100ms check-send-proxy", "option tcp-check"),
        ("send-proxy check inter 100ms", "option tcp-check"),
    ],
)
def test_a_call_through_haproxy(serve: Serve, tmp_path: Path, proxy: Start, options: str, check: str) -> None:
    serving = serve("--proxy-protocol", "--record", "calls", "--json")
    port = haproxy(proxy, tmp_path, serving, options=options, check=check)
    time.sleep(1)  # for checks
    a_call_gets_through(serving, port, tmp_path)
    the_caller_is_seen(serving, port)
    only_calls_are_told(serving)


@pytest.mark.parametrize("check", ["", "option tcp-check"], ids=["syn", "tcp"])
def test_checks_of_haproxy_without_the_protocol(serve: Serve, tmp_path: Path, proxy: Start, check: str) -> None:
    serving = serve("--record", "calls", "--json")
    port = haproxy(proxy, tmp_path, serving, options="check inter 100ms", check=check)
    time.sleep(1)
    a_call_gets_through(serving, port, tmp_path)
    only_calls_are_told(serving)


@pytest.mark.parametrize(
    "check", ["option httpchk GET /healthz", "option httpchk /healthz", "option httpchk HEAD /healthz HTTP/1.1"]
)
def test_haproxy_asks_for_health_and_sends_no_call_to_a_server_that_drains(
    serve: Serve, tmp_path: Path, proxy: Start, check: str
) -> None:
    health, stats = free_port(), tmp_path / "stats"
    serving = serve(
        "--proxy-protocol", "--record", "calls", "--json", "--drain", "60", "--health", f"127.0.0.1:{health}"
    )
    accept = free_port()
    text = HAPROXY.replace("maxconn 100", f"maxconn 100\n    stats socket {stats}").format(
        accept=accept, server=serving.port, check=check,
        options=f"send-proxy-v2 check port {health} inter 100ms fall 1 rise 1",
    )  # fmt: skip
    (tmp_path / "haproxy.cfg").write_text(text)
    proxy(need("haproxy"), "-f", tmp_path / "haproxy.cfg", accept=accept)

    def status() -> str:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(stats))
            asking.sendall(b"show stat\n")
            told = b""
            while data := asking.recv(65536):
                told += data
        line = re.search(r"(?m)^audiosocket,one,.*$", told.decode())
        assert line is not None
        return line[0].split(",")[17]

    wait_for(lambda: status() == "UP")
    with socket.create_connection(("127.0.0.1", accept), timeout=10) as peer:
        peer.sendall(encode(uuid_frame(UUID(int=2))))
        assert peer.recv(1)
        serving.process.terminate()
        wait_for(lambda: status() == "DOWN")
    assert serving.end(0)[0] == 143


def wait_for(is_so: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < give_up_s
        time.sleep(0.05)


def test_a_call_through_nginx(serve: Serve, tmp_path: Path, proxy: Start) -> None:
    nginx, accept = need("nginx"), free_port()
    serving = serve("--proxy-protocol", "--record", "calls", "--json")
    module = f"load_module {NGINX_MODULE};\n" if NGINX_MODULE.exists() else ""
    config = tmp_path / "nginx.conf"
    config.write_text(module + NGINX.format(folder=tmp_path, accept=accept, server=serving.port))
    proxy(nginx, "-c", config, "-e", tmp_path / "nginx.log", accept=accept)
    a_call_gets_through(serving, accept, tmp_path)
    the_caller_is_seen(serving, accept)
    only_calls_are_told(serving)


def test_a_call_through_a_stunnel_that_says_who_calls(serve: Serve, tmp_path: Path, tunnels: Tunnels) -> None:
    serving = serve("--proxy-protocol", "--record", "calls", "--json")
    tls, plain = free_port(), free_port()
    assert "protocol = proxy" not in FILES["server.conf"]
    tunnels.start("server.conf", accept=tls, connect=serving.port, more="protocol = proxy")
    tunnels.start("client.conf", accept=plain, connect=tls)
    a_call_gets_through(serving, plain, tmp_path)
    only_calls_are_told(serving)
