"""What a connection to a server gives, from here and through a shell there."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audiosocket_cli.doctor.pbx.place import CannotRunError, Place, place_of
from audiosocket_cli.doctor.server import server_probe
from audiosocket_cli.doctor.server.server_probe import (
    CLOSED,
    OPEN,
    REFUSED,
    SILENT,
    SPOKE,
    UNREACHABLE,
    Attempt,
    Probe,
    probe,
    read_script,
)  # fmt: skip
from audiosocket_cli.net.address import Address
from support.peers import free_port

HERE = place_of("asterisk", None)


@contextlib.contextmanager
def server(serve: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[Address]:
    """A server that does something with each connection, and keeps it until the end."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kept = []

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                kept.append(connection)
                serve(connection)

    with socket.create_server((host, 0), family=family) as listening:
        thread = threading.Thread(target=answer)
        thread.start()
        yield Address(host, listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in kept:
        connection.close()


@contextlib.contextmanager
def black_hole() -> Iterator[Address]:
    """A port at which no connection is ever taken: its backlog is full, so that the system drops what comes."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        time.sleep(0.1)
        yield Address("127.0.0.1", listening.getsockname()[1])


@pytest.fixture(params=["here", "there"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, bool]:
    """This machine; or a place into which a program leads, as `docker exec` does."""
    if request.param == "here":
        return HERE, True
    there = tmp_path / "there"
    there.write_text('#!/bin/sh\nexec "$@"\n')
    there.chmod(0o755)
    return place_of(f"{there} asterisk", None), False


def look(place: tuple[Place, bool], target: Address) -> Probe:
    return asyncio.run(probe(target, place[0], is_here=place[1]))


@pytest.mark.parametrize(
    ("serve", "outcome"),
    [
        (lambda connection: None, OPEN),
        (lambda connection: connection.close(), CLOSED),
        (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH\r\n"), SPOKE),
    ],
    ids=["waits", "closes", "speaks"],
)
def test_what_a_server_does_with_a_connection(
    place: tuple[Place, bool], serve: Callable[[socket.socket], None], outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if outcome != OPEN:  # a busy machine takes its time for what a server does
        monkeypatch.setattr(server_probe, "WAIT_S", 30.0)
        patient = server_probe._SCRIPT.replace("-t 0.3 ", "-t 30 ").replace("timeout 3 ", "timeout 60 ")
        monkeypatch.setattr(server_probe, "_SCRIPT", patient)
    with server(serve) as target:
        found = look(place, target)
    assert [(each.host, each.outcome) for each in found.attempts] == [("127.0.0.1", outcome)]
    assert found.takes_calls == (outcome != CLOSED)


def test_no_call_is_begun() -> None:
    received = []
    with server(lambda connection: received.append(connection.recv(100))) as target:
        began_s = time.monotonic()
        look((HERE, True), target)
        assert time.monotonic() - began_s < 20
    assert received == [b""]


def test_a_port_without_a_server_refuses(place: tuple[Place, bool]) -> None:
    found = look(place, Address("127.0.0.1", free_port()))
    assert [(each.outcome, each.detail) for each in found.attempts] == [(REFUSED, "connection refused")]
    assert not found.takes_calls


def test_a_black_hole_takes_two_seconds(place: tuple[Place, bool]) -> None:
    with black_hole() as target:
        found = look(place, target)
    assert [each.outcome for each in found.attempts] == [SILENT]


def test_an_ipv6_address_is_reached(place: tuple[Place, bool]) -> None:
    with server(lambda connection: None, "::1") as target:
        found = look(place, target)
    assert [(each.host, each.outcome) for each in found.attempts] == [("::1", OPEN)]


def test_each_address_of_a_name_is_tried(place: tuple[Place, bool]) -> None:
    with server(lambda connection: None) as target:
        found = look(place, Address("localhost", target.port))
    outcomes = {each.host: each.outcome for each in found.attempts}
    assert outcomes["127.0.0.1"] == OPEN
    assert outcomes.get("::1", REFUSED) in (REFUSED, UNREACHABLE)


def test_a_name_that_nobody_knows(place: tuple[Place, bool]) -> None:
    found = look(place, Address("no-such-host.invalid", 9092))
    assert found.name in ("unknown", "silent", "refused")  # the latter on a machine without a name server
    assert not found.attempts


@pytest.mark.parametrize(
    ("number", "seconds", "name"),
    [(socket.EAI_NONAME, 0.0, "unknown"), (socket.EAI_AGAIN, 0.0, "refused"), (socket.EAI_AGAIN, 0.3, "silent")],
    ids=["unknown", "refused", "silent"],
)
def test_what_the_resolver_says_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, number: int, seconds: float, name: str
) -> None:
    def resolve(*_: object, **__: object) -> None:
        time.sleep(seconds)
        raise socket.gaierror(number, "of the resolver")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(server_probe, "_REFUSED_S", 0.2 if seconds else 60.0)
    assert asyncio.run(server_probe.probe_from_here(Address("bot", 9092))) == Probe(name)


def test_names_are_looked_up_here_where_they_are_the_same_there(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for path in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copyfile(path, f"{tmp_path}{path}")
    place = Place(("asterisk",), None, tmp_path)  # no program runs there
    with server(lambda connection: None) as there:
        named = Address("localhost", there.port)
        found = asyncio.run(probe(named, place, is_here=True))
        assert any(each.outcome == OPEN for each in found.attempts)
        (tmp_path / "etc" / "hosts").write_text("127.0.0.1 another\n")
        with pytest.raises(CannotRunError):
            asyncio.run(probe(named, place, is_here=True))


def test_a_name_server_that_is_silent_costs_no_longer_than_asterisk_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_probe, "_NAME_S", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: threading.Event().wait(5))
    assert asyncio.run(server_probe.probe_from_here(Address("bot", 9092))) == Probe("silent")


def test_of_several_addresses_the_first_that_answers_counts() -> None:
    refused, silent, far = Attempt("a", REFUSED), Attempt("b", SILENT), Attempt("c", UNREACHABLE)
    assert Probe("", [refused, silent, Attempt("d", OPEN)]).takes_calls
    assert not Probe("", [far, Attempt("d", OPEN)]).takes_calls  # Asterisk gives up at a connect that fails at once
    assert not Probe("", [refused, silent]).takes_calls
    assert not Probe("unknown").takes_calls


@pytest.mark.parametrize(
    ("printed", "seconds", "found"),
    [
        ("name unknown 2\n", 0.1, Probe("unknown")),
        ("name unknown 2\n", 10.1, Probe("silent")),
        ("name silent\n", 12, Probe("silent")),
        ("tools none\n", 0, None),
        ("", 0, None),
        ("order ::1 127.0.0.1 \ntry 127.0.0.1 102 \ntry ::1 101 bash: connect: Connection refused \n", 1,
         Probe("", [Attempt("::1", REFUSED, "connection refused"), Attempt("127.0.0.1", OPEN)])),
        ("order 10.9.9.9 \ntry 10.9.9.9 101 bash: connect: No route to host bash: /dev/tcp: No route to host\n", 3,
         Probe("", [Attempt("10.9.9.9", SILENT, "no route to host")])),
        ("order ::1 \ntry ::1 101 bash: connect: Cannot assign requested address\n", 0,
         Probe("", [Attempt("::1", UNREACHABLE, "cannot assign requested address")])),
    ],
)  # fmt: skip
def test_what_the_script_there_prints_is_read(printed: str, seconds: float, found: Probe | None) -> None:
    assert read_script(printed, "bot", seconds) == found


def test_a_place_without_the_tools_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to(shutil.which("sh") or "")
    there = tmp_path / "there"
    there.write_text(f'#!/bin/sh\nPATH={tmp_path}/bin\nexec "$@"\n')
    there.chmod(0o755)
    with pytest.raises(CannotRunError, match="no bash, timeout and getent"):
        asyncio.run(probe(Address("127.0.0.1", 9092), place_of(f"{there} asterisk", None), is_here=False))
    with pytest.raises(CannotRunError, match="has no word 'asterisk'"):
        asyncio.run(probe(Address("127.0.0.1", 9092), place_of("wrapper", None), is_here=False))
