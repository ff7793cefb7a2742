"""Events on a real NATS server: streams that are there or not, logins, TLS, restarts, one that stands still."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from audiosocket_cli.errors import UsageError
from audiosocket_cli.outbox import nats_bus
from audiosocket_cli.outbox.bus import DELIVERED, Answer, Fate
from audiosocket_cli.outbox.nats_bus import NatsBus, NatsLogin
from support.nats_bus import NatsServer, nats_server
from support.websocket_bots import certificate

NO_STREAM = 'no stream takes calls.ended: nats stream add CALLS --subjects "calls.>" --defaults'


@contextmanager
def connected(server: NatsServer, scheme: str = "nats", login: NatsLogin | None = None) -> Iterator[NatsBus]:
    url = urlsplit(f"{scheme}://127.0.0.1:{server.port}")
    bus = NatsBus(url, "calls", login or NatsLogin())
    try:
        yield bus
    finally:
        bus.close()


def publish(bus: NatsBus, event_id: str, body: bytes = b"{}", event: str = "ended") -> Answer:
    answers: list[Answer] = []
    arrived = threading.Event()

    def done(answer: Answer) -> None:
        answers.append(answer)
        arrived.set()

    if event_id:
        bus.send(event, event_id, body, done)
    else:
        bus.look(done)
    assert arrived.wait(100)
    return answers[0]


def look(bus: NatsBus) -> Answer:
    return publish(bus, "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_server(tmp_path_factory.mktemp("nats")) as started:
        yield started


def test_an_event_is_stored_once_under_its_name_however_often_it_is_sent(server: NatsServer) -> None:
    server.add_stream("CALLS", ["calls.>"])
    with connected(server) as bus:
        assert look(bus) == DELIVERED
        assert publish(bus, "id-1", b'{"a": 1}', "call") == DELIVERED
        assert publish(bus, "id-2", b'{"a": 2}') == DELIVERED
        assert publish(bus, "id-1", b'{"a": 1}', "call") == DELIVERED
    assert server.messages("CALLS") == [("calls.call", {"a": 1}, "id-1"), ("calls.ended", {"a": 2}, "id-2")]


def test_without_a_stream_the_reason_is_the_command_that_makes_one(server: NatsServer) -> None:
    server.add_stream("GONE", ["gone.>"])
    bus = NatsBus(urlsplit(server.url), "gone", NatsLogin())
    assert publish(bus, "id-1") == DELIVERED
    server.delete_stream("GONE")
    no_stream = NO_STREAM.replace("calls", "gone").replace("CALLS", "GONE")
    assert look(bus) == Answer(Fate.AWAY, no_stream)
    assert publish(bus, "id-2") == Answer(Fate.AWAY, no_stream)
    server.add_stream("GONE", ["gone.>"])
    assert publish(bus, "id-2") == DELIVERED
    bus.close()


def test_a_stream_that_is_full_or_takes_smaller_messages_says_so(server: NatsServer) -> None:
    server.add_stream("FULL", ["full.>"], max_msgs=1, max_msg_size=1000, discard="new")
    bus = NatsBus(urlsplit(server.url), "full", NatsLogin())
    assert publish(bus, "id-0", b"x" * 5000) == Answer(Fate.REFUSED, "message size exceeds maximum allowed")
    assert publish(bus, "id-1") == DELIVERED
    assert publish(bus, "id-2") == Answer(Fate.FAILED, "maximum messages exceeded")
    bus.close()


def test_a_server_that_was_killed_has_the_rest_once_it_is_back(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        server.add_stream("CALLS", ["calls.>"])
        with connected(server) as bus:
            assert publish(bus, "id-1") == DELIVERED
            server.stop(signal.SIGKILL)
            assert publish(bus, "id-2").fate is Fate.AWAY
            assert publish(bus, "id-2") == Answer(Fate.AWAY, "connection refused")
            server.start()
            assert publish(bus, "id-2") == DELIVERED
        assert [event_id for _, _, event_id in server.messages("CALLS")] == ["id-1", "id-2"]


def test_a_server_that_stands_still_is_not_waited_for_for_ever(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_stream("STILL", ["still.>"])
    monkeypatch.setattr(nats_bus, "_ACK_S", 1.0)
    bus = NatsBus(urlsplit(server.url), "still", NatsLogin())
    assert look(bus) == DELIVERED
    with server.paused():
        assert publish(bus, "id-1") == Answer(Fate.FAILED, "no answer within 1 s")
    monkeypatch.setattr(nats_bus, "_ACK_S", 60.0)
    assert publish(bus, "id-1") == DELIVERED
    assert len(server.messages("STILL")) == 1, "the first was stored when it went on, and the second is its repetition"
    bus.close()


def test_the_limit_of_the_server_is_known_once_it_has_said_so(tmp_path: Path) -> None:
    settings = tmp_path / "small.conf"
    settings.write_text("max_payload: 4096")
    with nats_server(tmp_path, "-c", str(settings)) as server:
        server.add_stream("CALLS", ["calls.>"])
        with connected(server) as bus:
            assert bus.max_bytes == 512 << 10
            assert publish(bus, "id-1", b"x" * 5000) == Answer(Fate.FAILED, "it is larger than 3,584 bytes")
            assert bus.max_bytes == 3584
            assert publish(bus, "x" * 100, b'"%s"' % (b"x" * 3582)) == DELIVERED


def test_a_login_comes_from_the_variables_of_the_nats_command() -> None:
    environ = {"NATS_USER": "me", "NATS_PASSWORD": "hunter2", "NATS_CA": "ca.pem", "NATS_TOKEN": ""}
    login = NatsLogin.of(environ)
    assert (login.user, login.password, login.token, login.ca) == ("me", "hunter2", None, "ca.pem")
    assert "hunter2" not in repr(login)
    assert NatsLogin.of({"NATS_USER": "t0ken"}) == NatsLogin(token="t0ken"), "alone it is a token"


def test_who_does_not_know_the_password_is_turned_away(tmp_path: Path) -> None:
    with nats_server(tmp_path, "--user", "me", "--pass", "right") as server:
        for login in (NatsLogin(), NatsLogin(user="me", password="wrong")):
            with connected(server, login=login) as bus:
                assert look(bus) == Answer(Fate.AWAY, "Authorization Violation")
        with connected(server, login=NatsLogin(user="me", password="right")) as bus:
            assert look(bus) == Answer(Fate.AWAY, NO_STREAM)


def test_who_may_not_publish_is_told_what_the_server_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_bus, "_ACK_S", 1.0)
    settings = tmp_path / "users.conf"
    settings.write_text('authorization { users: [{user: me, password: p, permissions: {publish: "x"}}] }')
    login = NatsLogin(user="me", password="p")
    with nats_server(tmp_path, "-c", str(settings)) as server, connected(server, login=login) as bus:
        answer = publish(bus, "id-1")
        assert answer.fate is Fate.FAILED
        assert answer.reason.lower() == 'permissions violation for publish to "calls.ended"'


def test_tls_is_used_and_the_certificate_is_looked_at(tmp_path: Path) -> None:
    file, _ = certificate(tmp_path)
    key = file.with_suffix(".key")
    with nats_server(tmp_path, "--tls", "--tlscert", str(file), "--tlskey", str(key), "--auth", "t0ken") as server:
        for scheme in ("tls", "nats"):
            with connected(server, scheme, NatsLogin(token="t0ken")) as bus:
                assert look(bus) == Answer(Fate.AWAY, "its certificate is not valid: self-signed certificate")
            with connected(server, scheme, NatsLogin(token="t0ken", ca=str(file))) as bus:
                assert look(bus) == Answer(Fate.AWAY, NO_STREAM)


@pytest.mark.parametrize(
    "login", [NatsLogin(user="me", password="hunter2"), NatsLogin(token="hunter2"), NatsLogin()],
    ids=["password", "token", "no login"],
)  # fmt: skip
def test_with_tls_in_the_url_nothing_is_told_to_a_server_that_does_not_encrypt(
    login: NatsLogin, tmp_path: Path
) -> None:
    with nats_server(tmp_path, "-V") as server:
        with connected(server, "tls", login) as bus:
            assert look(bus) == Answer(
                Fate.AWAY, "the server does not encrypt: give it a certificate, or write nats:// in place of tls://"
            )
        assert "[CONNECT" not in server.log or login == NatsLogin()
        assert "PUB" not in server.log


def test_files_of_tls_that_cannot_be_used_are_named() -> None:
    with pytest.raises(UsageError, match=r"cannot use NATS_CA, NATS_CERT or NATS_KEY \(/none\): no such file"):
        NatsBus(urlsplit("tls://127.0.0.1:9"), "calls", NatsLogin(ca="/none"))


@pytest.mark.parametrize(("module", "package"), [("nats.aio.client", "nats-py"), ("nkeys", "nkeys")])
def test_a_library_that_is_missing_is_named_with_what_installs_it(
    module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=f"needs {package}: .* -m pip install {package}"):
        NatsBus(urlsplit("nats://127.0.0.1:9"), "calls", NatsLogin(creds="file"))


def test_closing_gives_up_what_is_on_its_way(server: NatsServer) -> None:
    server.add_stream("CLOSED", ["closed.>"])
    bus = NatsBus(urlsplit(server.url), "closed", NatsLogin())
    assert look(bus) == DELIVERED
    answers: list[Answer] = []
    with server.paused():
        for number in range(10):
            bus.send("ended", f"id-{number}", b"{}", answers.append)
        bus.close()
        bus.close()
        bus.send("ended", "late", b"{}", answers.append)
    assert answers == []
