"""Addresses as Asterisk takes them, and what is written in the place of others."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan_check import addresses
from audiosocket_cli.asterisk.dialplan_check.complaint import Facts
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan

LOOKS = {
    "no-server": addresses.no_server,
    "no-port": addresses.no_port,
    "range": addresses.port_out_of_range,
    "brackets": addresses.without_brackets,
    "malformed": addresses.malformed,
    "example": addresses.example,
    "name": addresses.by_name,
}


def looked_at(server: str, variables: str = "") -> tuple[list[str], str]:
    text = f"[globals]\n{variables}\n[in]\nexten => 1,1,AudioSocket(${{UUID()}},{server})"
    facts = Facts(read_dialplan(text.splitlines(), "x"), None)
    (use,) = facts.uses
    return [name for name, look in LOOKS.items() if list(look(use, facts))], addresses.righted(use, facts)


@pytest.mark.parametrize(
    "server",
    [
        "127.0.0.1:9092",
        "[::1]:1",
        "[fe80::1%eth0]:65535",
        "localhost:9092",
        "bot:9092",
        "my_bot-1:9092",
        "${BOT}",
        "${HOST}:9092",
        "${HOST}:${PORT}",
        "${A}${B}:9092",
        "${IF($[${X}=1]?a:b)}",
        "10.0.0.${N}:9092",
    ],
)
def test_right_or_unknown(server: str) -> None:
    assert looked_at(server) == ([], server)


@pytest.mark.parametrize(
    ("server", "found", "right"),
    [
        ("", "no-server", "127.0.0.1:9092"),
        ("bot", "no-port", "bot:9092"),
        ("${HOST}x", "no-port", "${HOST}x:9092"),
        ("bot:", "no-port", "bot:9092"),
        ("[::1]", "no-port", "[::1]:9092"),
        ("9092", "no-port", "127.0.0.1:9092"),
        ("bot:65536", "range", "bot:9092"),
        ("${HOST}:70000", "range", "${HOST}:9092"),
        ("${HOST}:0", "range", "${HOST}:9092"),
        ("::1:9092", "brackets", "[::1]:9092"),
        ("fe80::1", "brackets", "[fe80::1]:9092"),
        ("1:2:3:4:5:6:7:8:9092", "brackets", "[1:2:3:4:5:6:7:8]:9092"),
        ("bot:port", "malformed", "bot:9092"),
        ("<host>:<port>", "malformed", "127.0.0.1:9092"),
        ("http://bot:8080/x", "malformed", "bot:8080"),
        ("bot:9092 ", "malformed", "bot:9092"),
        ("bot :9092", "malformed", "bot:9092"),
        ("server.example.com:9092", "example", "server.example.com:9092"),
        ("bots.telco.net:9092", "name", "bots.telco.net:9092"),
    ],
)
def test_each_fault_is_found_once(server: str, found: str, right: str) -> None:
    assert looked_at(server) == ([found], right)


def test_what_globals_say_is_looked_at() -> None:
    assert looked_at("${BOT}", "BOT=bot:99999") == (["range"], "bot:9092")
    assert looked_at("${HOST}:9092", "HOST=::1") == (["brackets"], "[::1]:9092")


@pytest.mark.parametrize(
    ("server", "found", "right"),
    [
        ("256.1.1.1:9092", ["malformed"], "256.1.1.1:9092"),
        ("10.0.0.1.9092", ["no-port"], "10.0.0.1:9092"),
        ("[::1", ["malformed"], "[::1]:9092"),
        ("tcp:127.0.0.1:9092", ["brackets"], "127.0.0.1:9092"),
        ("127.1:9092", [], "127.1:9092"),
        ('"127.0.0.1:9092"', ["malformed"], "127.0.0.1:9092"),
        ("YOUR_SERVER_IP:9092", ["example"], "YOUR_SERVER_IP:9092"),
        ("BRIDGE_HOST:8090", ["example"], "BRIDGE_HOST:8090"),
        ("192.168.x.x:9092", ["example"], "192.168.x.x:9092"),
        ("yourserver.com:9092", ["example"], "yourserver.com:9092"),
    ],
)
def test_what_only_looks_like_an_address(server: str, found: list[str], right: str) -> None:
    assert looked_at(server) == (found, right)


@pytest.mark.parametrize("host", ["ip-10-0-0-1", "bot-host", "server", "host", "xbox", "max.x", "ASTERISK_BOT", "x"])
def test_a_name_is_not_taken_for_a_placeholder(host: str) -> None:
    assert "example" not in looked_at(f"{host}:9092")[0]
