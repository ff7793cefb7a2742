"""Events as webhooks, to a real HTTP server that checks the signature of each, and to peers that behave badly."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import pytest

from audiosocket_cli.outbox.bus import DELIVERED, Answer, Fate
from audiosocket_cli.outbox.webhook import Webhook, seconds_of
from audiosocket_cli.outbox.webhook_secret import parse_secrets
from support.peers import free_port
from support.webhook_receiver import ACCEPTED, SECRET, Receiver, receiving
from support.websocket_bots import certificate

SECRETS = parse_secrets(SECRET, "FILE")
BODY = json.dumps({"event": "ended", "result": "très bien"}).encode()


@contextmanager
def webhook(url: SplitResult, *, timeout_s: float = 60.0, parallel: int = 2) -> Iterator[Webhook]:
    bus = Webhook(url, SECRETS, timeout_s=timeout_s, parallel=parallel)
    try:
        yield bus
    finally:
        bus.close()


def post(bus: Webhook, event_id: str = "id-1", body: bytes = BODY) -> Answer:
    answers: list[Answer] = []
    arrived = threading.Event()

    def done(answer: Answer) -> None:
        answers.append(answer)
        arrived.set()

    bus.send("ended", event_id, body, done)
    assert arrived.wait(100)
    return answers[0]


def look(bus: Webhook) -> Answer:
    answers: list[Answer] = []
    arrived = threading.Event()
    bus.look(lambda answer: (answers.append(answer), arrived.set()))
    assert arrived.wait(100)
    return answers[0]


def test_an_event_arrives_as_it_is_with_a_signature_that_is_right() -> None:
    with receiving(Receiver()) as receiver, webhook(receiver.url) as bus:
        assert look(bus) == DELIVERED
        assert not receiver.events
        assert post(bus) == DELIVERED
        assert receiver.events == [json.loads(BODY)]
        assert receiver.ids == ["id-1"]


def test_a_connection_is_kept() -> None:
    with receiving(Receiver()) as receiver, webhook(receiver.url, parallel=1) as bus:
        for number in range(20):
            assert post(bus, f"id-{number}") == DELIVERED
        assert receiver.connections == 1


def test_several_are_on_their_way_at_once_and_no_more_than_that() -> None:
    full = threading.Event()
    receiver = Receiver(lambda event: ACCEPTED if full.wait(60) else None)
    with receiving(receiver), webhook(receiver.url, parallel=3) as bus:
        answers: list[Answer] = []
        for number in range(9):
            bus.send("digit", f"id-{number}", BODY, answers.append)
        receiver.wait_for(lambda: receiver.at_once == 3)
        full.set()
        receiver.wait_for(lambda: len(answers) == 9)
        assert receiver.most_at_once == 3


def test_over_tls_only_to_who_has_a_valid_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, context = certificate(tmp_path)
    with receiving(Receiver(), context=context) as receiver:
        assert receiver.url.scheme == "https"
        with webhook(receiver.url) as bus:
            assert post(bus) == Answer(Fate.AWAY, "its certificate is not valid: self-signed certificate")
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with webhook(receiver.url) as bus:
            assert look(bus) == DELIVERED
            assert post(bus) == DELIVERED
        assert len(receiver.events) == 1


@pytest.mark.parametrize(
    ("status", "fate", "wait_s"),
    [
        (200, Fate.DELIVERED, None),
        (202, Fate.DELIVERED, None),
        (301, Fate.AWAY, None),
        (308, Fate.AWAY, None),
        (400, Fate.REFUSED, None),
        (401, Fate.AWAY, 7.0),
        (404, Fate.AWAY, 7.0),
        (408, Fate.FAILED, 7.0),
        (409, Fate.REFUSED, None),
        (410, Fate.AWAY, 7.0),
        (413, Fate.REFUSED, None),
        (422, Fate.REFUSED, None),
        (429, Fate.AWAY, 7.0),
        (500, Fate.FAILED, 7.0),
        (502, Fate.FAILED, 7.0),
        (503, Fate.AWAY, 7.0),
        (599, Fate.FAILED, 7.0),
    ],
)
def test_each_status_says_whether_to_send_it_again(status: int, fate: Fate, wait_s: float | None) -> None:
    headers = {"retry-after": "7", "location": "/elsewhere"}
    with receiving(Receiver(lambda event: (status, headers, b""))) as receiver, webhook(receiver.url) as bus:
        answer = post(bus)
        assert (answer.fate, answer.wait_s) == (fate, wait_s)
        assert len(receiver.events) == 1, "it is not repeated here, and no redirect is followed"


def test_what_the_other_side_says_is_shown_as_one_line_that_is_safe() -> None:
    said = b"no such \x1b[2J call\nmore" + b"x" * 100_000
    with receiving(Receiver(lambda event: (422, {}, said))) as receiver, webhook(receiver.url) as bus:
        assert post(bus).reason == r"HTTP 422 Unprocessable Entity: no such \u001b[2J call"
        receiver.reply = lambda event: (422, {}, b"<html>no</html>")
        assert post(bus).reason == "HTTP 422 Unprocessable Entity"
        receiver.reply = lambda event: (422, {}, b"y" * 1000)
        assert len(post(bus).reason) == 200


def test_a_kept_connection_that_was_closed_meanwhile_costs_no_event() -> None:
    with receiving(Receiver(lambda event: (204, {"connection": "keep-alive"}, b""))) as receiver:
        with webhook(receiver.url, parallel=1) as bus:
            assert post(bus) == DELIVERED
            receiver.reply = lambda event: None if receiver.connections == 1 else ACCEPTED
            assert post(bus, "id-2") == DELIVERED
        assert receiver.connections == 2
        assert receiver.ids == ["id-1", "id-2", "id-2"], "it had the event already, and knows it by its id"


def test_one_that_closes_without_an_answer_is_not_asked_for_ever() -> None:
    with receiving(Receiver(lambda event: None)) as receiver, webhook(receiver.url) as bus:
        assert post(bus) == Answer(Fate.FAILED, "it closed the connection without an answer")
        assert len(receiver.events) == 1


def test_an_error_of_our_own_is_a_failure_of_this_event_and_ends_no_thread() -> None:
    with receiving(Receiver()) as receiver, webhook(receiver.url, parallel=1) as bus:
        answer = post(bus, body=None)  # type: ignore[arg-type]
        assert answer.fate is Fate.FAILED
        assert answer.reason.startswith("internal error: ")
        assert post(bus) == DELIVERED


def test_where_nobody_listens_it_is_away(free_tcp_port: int) -> None:
    with webhook(urlsplit(f"http://127.0.0.1:{free_tcp_port}/")) as bus:
        assert look(bus) == Answer(Fate.AWAY, "connection refused")
        assert post(bus) == Answer(Fate.AWAY, "connection refused")


def test_a_host_that_has_no_address_is_away() -> None:
    with webhook(urlsplit("http://no-such-host.invalid/")) as bus:
        assert post(bus).fate is Fate.AWAY


@pytest.fixture
def free_tcp_port() -> int:
    return free_port()


@contextmanager
def peer(talk: Callable[[socket.socket], object]) -> Iterator[SplitResult]:
    """A server that takes connections, and talks as it is told."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    talk(connection)
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield urlsplit(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def read_on(connection: socket.socket) -> None:
    """Read until the other side has closed, and say nothing."""
    while connection.recv(65536):
        pass


def drip(first: bytes, again: bytes) -> Callable[[socket.socket], None]:
    """Send something, and then a little for ever, so that no read waits for long."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            time.sleep(0.05)
            connection.sendall(again)

    return talk


NEVER = {
    "nothing": read_on,
    "half a status": drip(b"HTTP/1.1 ", b"2"),
    "continue for ever": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}

NO_END = {
    "a status line": drip(b"HTTP/1.1 200 ", b"x"),
    "headers": drip(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "text": drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "a part of its text": drip(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b"x"),
    "chunks": drip(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("talk", NEVER.values(), ids=NEVER.keys())
def test_one_that_never_comes_to_an_answer_is_given_up(talk: Callable[[socket.socket], object]) -> None:
    with peer(talk) as url, webhook(url, timeout_s=1.0, parallel=1) as bus:
        answer = post(bus)
        assert answer.fate is Fate.FAILED
        assert answer.reason == "no answer within 1 s"


@pytest.mark.parametrize("talk", NO_END.values(), ids=NO_END.keys())
def test_a_status_counts_though_what_follows_never_ends(talk: Callable[[socket.socket], object]) -> None:
    with peer(talk) as url, webhook(url, timeout_s=1.0, parallel=1) as bus:
        assert post(bus) == DELIVERED


GARBAGE = {
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "its answer is not HTTP: BadStatusLine"),
    "bytes": (bytes(range(256)), "its answer is not HTTP: BadStatusLine"),
    "a long line": (b"HTTP/1.1 200 " + b"x" * 100_000, "its answer is not HTTP: LineTooLong"),
}


@pytest.mark.parametrize(("answer", "reason"), GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_a_failure_of_this_event(answer: bytes, reason: str) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        read_on(connection)

    with peer(talk) as url, webhook(url) as bus:
        assert post(bus) == Answer(Fate.FAILED, reason)


def test_closing_does_not_wait_for_an_answer() -> None:
    asked = threading.Event()

    def talk(connection: socket.socket) -> None:
        asked.set()
        read_on(connection)

    answers: list[Answer] = []
    with peer(talk) as url, webhook(url, timeout_s=600.0) as bus:
        bus.send("ended", "id-1", BODY, answers.append)
        assert asked.wait(60)
    until = time.monotonic() + 60
    while not answers:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert answers[0].fate is Fate.FAILED


def test_its_name_has_no_path_or_query_which_may_be_secret() -> None:
    with webhook(urlsplit("https://hooks.example:8443/services/SECRET?token=SECRET")) as bus:
        assert bus.name == "https://hooks.example:8443"


def test_retry_after_is_a_number_or_a_date() -> None:
    assert seconds_of("120") == 120.0
    assert seconds_of("9" * 400) == 999_999_999.0
    soon = seconds_of(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True))
    assert soon is not None
    assert 80 < soon <= 90
    assert seconds_of("Fri, 31 Dec 1999 23:59:59 GMT") == 0.0
    for odd in (None, "", "soon", "-1", "1.5", "٣", "Fri, 31 Dec 99999 23:59:59 GMT"):
        assert seconds_of(odd) is None
