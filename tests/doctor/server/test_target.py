from __future__ import annotations

import asyncio

import pytest

from audiosocket_cli.doctor.server.target import look_at_server, look_at_target
from audiosocket_cli.errors import UsageError
from audiosocket_cli.finding import Diagnosis, Status, worst
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.target import parse_target
from support.odd_servers import accepts_and_closes, healthy, odd_server, ssh
from support.peers import free_port


def look(host: str, port: int) -> list[Diagnosis]:
    return asyncio.run(look_at_server(Address(host, port)))


def test_a_healthy_server_has_no_fault() -> None:
    with odd_server(healthy) as port:
        found = look("127.0.0.1", port)
    assert worst(found) is Status.OK
    assert found[-1].id == "server-answers"


def test_a_server_on_the_loopback_only_is_told_of() -> None:
    with odd_server(healthy) as port:
        found = look("127.0.0.1", port)
    (only,) = (each for each in found if each.id == "server-local-only")
    assert "127.0.0.1 only" in only.what
    with odd_server(healthy, "0.0.0.0") as port:
        assert "server-local-only" not in [each.id for each in look("127.0.0.1", port)]


def test_a_port_that_nothing_listens_on_is_refused() -> None:
    (found,) = look("127.0.0.1", free_port())
    assert (found.id, found.status) == ("server-refuses", Status.FAULT)


def test_a_server_at_another_address_of_this_machine_is_found() -> None:
    with odd_server(healthy, "127.0.0.2") as port:
        (found,) = look("127.0.0.1", port)
    assert found.id == "server-refuses"
    assert found.lines == (f"127.0.0.2:{port}",)


def test_a_name_that_nobody_knows_is_told() -> None:
    (found,) = look("no-such-machine.invalid", 9092)
    assert found.id in ("server-name-unknown", "name-server-silent")


def test_a_server_that_closes_at_once_takes_no_calls() -> None:
    with odd_server(accepts_and_closes) as port:
        (found,) = look("127.0.0.1", port)
    assert (found.id, found.status) == ("server-accepts-and-closes", Status.FAULT)


def test_another_service_is_named() -> None:
    with odd_server(ssh) as port:
        (found,) = look("127.0.0.1", port)
    assert found.id == "not-audiosocket"
    assert "SSH" in found.what


def test_a_websocket_bot_is_refused_with_what_to_try() -> None:
    with pytest.raises(UsageError, match="audiosocket check"):
        look_at_target(parse_target("ws://bot:8080/media"))


def test_its_title_names_it() -> None:
    assert look_at_target(parse_target("bot:9092")).title == "the server bot:9092"
