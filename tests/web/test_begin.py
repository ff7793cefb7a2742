"""`--web` as a user starts it: where it listens, who may look, what is refused, and how it ends."""

from __future__ import annotations

import http.client
import os
import re
import signal
import ssl
import subprocess
import urllib.request
from pathlib import Path

import pytest

from support.peers import free_port
from support.running import Serve, run
from support.web import TOKEN, Stream, begin, calling, running
from support.websocket_bots import certificate


def refused(*options: str | Path, command: str = "serve", **environment: str) -> str:
    done = run(
        command, *(["127.0.0.1:1"] if command == "proxy" else []), "--listen", "127.0.0.1:0", *options, **environment
    )
    assert (done.returncode, done.stdout) in ((2, ""), (3, ""), (5, "")), done
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("audiosocket: error: ")


@pytest.mark.parametrize("command", ["serve", "proxy"])
def test_an_address_that_others_reach_needs_a_password_or_certificates(command: str) -> None:
    told = refused("--web", ":8080", command=command)
    assert told == (
        "--web :8080 is open to other machines: name a file with a password by --web-token-file, or set "
        "AUDIOSOCKET_WEB_TOKEN, or ask for certificates by --web-client-ca, or listen on 127.0.0.1:8080\n"
    )


def test_what_means_nothing_is_refused(tmp_path: Path) -> None:
    assert "--web-token-file does nothing without --web" in refused("--web-token-file", tmp_path / "x")
    assert "--web-key does nothing without --web-cert" in refused("--web", ":1", "--web-key", tmp_path / "x")
    assert "--web-client-ca does nothing without --web-cert" in refused("--web", ":1", "--web-client-ca", "x")
    local = ("--web", "127.0.0.1:0")
    assert "cannot read" in refused(*local, "--web-token-file", tmp_path / "none")
    assert "cannot read" in refused(*local, "--web-cert", tmp_path / "none")
    assert "cannot read /dev/zero: it is longer than" in refused(*local, "--web-cert", "/dev/zero")
    (tmp_path / "empty").touch()
    assert "holds no password" in refused(*local, "--web-token-file", tmp_path / "empty")
    told = refused(*local, "--web-cert", tmp_path / "empty")
    assert "cannot use" in told
    assert "_ssl.c" not in told
    assert "holds no password of one line" in refused(*local, AUDIOSOCKET_WEB_TOKEN="a\nb")


def test_a_key_with_a_passphrase_is_refused_rather_than_asked_for(tmp_path: Path) -> None:
    file, _ = certificate(tmp_path)
    words = ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", "bot.key", "-out", "locked.key"]
    subprocess.run(words, check=True, capture_output=True, cwd=tmp_path)
    told = refused("--web", "127.0.0.1:0", "--web-cert", file, "--web-key", tmp_path / "locked.key")
    assert "passphrase" in told


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_a_missing_library_is_one_line_that_says_what_to_install_and_plain_serve_needs_none(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: str
) -> None:
    (tmp_path / f"{library}.py").write_text(
        f"raise ModuleNotFoundError('No module named {library}', name='{library}')\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    told = refused("--web", "127.0.0.1:0", PYTHONPATH=path)
    assert re.fullmatch(r"--web needs starlette and uvicorn: \S+ -m pip install starlette uvicorn\n", told)
    monkeypatch.setenv("PYTHONPATH", path)
    assert serve().listening


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--drain", "1s")], ids=["plain", "workers", "drain"])
def test_it_ends_at_once_while_people_watch_and_says_nothing_of_it(
    serve: Serve, tmp_path: Path, options: tuple[str, ...]
) -> None:
    web = begin(serve, "--record", tmp_path / "calls", *options)
    with Stream(web) as stream:
        stream.next("calls")
        with calling(web):
            assert stream.next("call")[1]["state"] == "live"
            code, _, told = web.serving.end(signal.SIGTERM)
    assert code == 143
    assert "Traceback" not in told
    assert "uvicorn" not in told
    lines = [line for line in told.splitlines() if not line.startswith(("answered 1 call ", "draining: "))]
    assert [line for line in lines if not line.endswith(": hanging up")] == []


def test_a_proxy_shows_where_calls_go(serve: Serve) -> None:
    target = serve("--echo")
    with running(command=("proxy", target.target)) as web, calling(web, 1, "5"):
        told = web.until("/api/calls", lambda told: told["count"] == 1 and told["calls"][0]["digits"] == "5")
        assert told["calls"][0]["server"] == target.target
        with Stream(web) as stream:
            assert stream.next("about")[1]["targets"] == [target.target]


def test_figures_and_health_are_there(serve: Serve) -> None:
    with running() as web:
        assert web.ask("/healthz").body == b"ready\n"
        figures = web.ask("/metrics")
        assert figures.status == 200
        assert b"audiosocket_calls_live" in figures.body


def test_with_tls_and_certificates_of_browsers(tmp_path: Path) -> None:
    file, _ = certificate(tmp_path)
    port = free_port()
    with running("--web", f"127.0.0.1:{port}", "--web-cert", file, "--web-key", tmp_path / "bot.key",
                 "--web-client-ca", file):  # fmt: skip
        context = ssl.create_default_context(cafile=file)
        url = f"https://127.0.0.1:{port}/api/calls"
        with pytest.raises((ssl.SSLError, OSError)):
            urllib.request.urlopen(url, context=context, timeout=30)
        context.load_cert_chain(file, tmp_path / "bot.key")
        with urllib.request.urlopen(url, context=context, timeout=30) as answer:
            assert answer.status == 200


def test_the_cookie_of_a_login_over_tls_is_for_tls_alone(tmp_path: Path) -> None:
    file, _ = certificate(tmp_path)
    port = free_port()
    with running("--web", f"127.0.0.1:{port}", "--web-cert", file, "--web-key", tmp_path / "bot.key",
                 AUDIOSOCKET_WEB_TOKEN=TOKEN):  # fmt: skip
        context = ssl.create_default_context(cafile=file)
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
        connection.request("POST", "/login", "password=correct+horse")
        answer = connection.getresponse()
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-audiosocket-")
        assert "; Secure" in cookie
        connection.close()


def test_programs_do_not_get_the_password(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUDIOSOCKET_WEB_TOKEN", TOKEN)
    seen = tmp_path / "seen"
    web = begin(serve, "--on-call-end", f"env > {seen}; mv {seen} {seen}.done", "--shell", "--calls", "1")
    with calling(web):
        pass
    web.serving.end(0)
    assert "WEB_TOKEN" not in (tmp_path / "seen.done").read_text()
