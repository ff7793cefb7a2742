"""Whom to call: addresses and URLs, right ones and wrong ones."""

from __future__ import annotations

import pytest

from audiosocket_cli.errors import UsageError
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.target import WebSocketTarget, is_url, parse_target


def test_an_address_is_read_as_ever() -> None:
    assert parse_target("bot") == Address("bot", 9092)
    assert parse_target("[::1]:80") == Address("::1", 80)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ws://bot", Address("bot", 80)),
        ("wss://bot.example/stream", Address("bot.example", 443)),
        ("ws://[::1]:8765/a?b=c", Address("::1", 8765)),
        ("WS://user:word@127.0.0.1:8765", Address("127.0.0.1", 8765)),
        ("ws://bot:1/calls/{uuid}", Address("bot", 1)),
    ],
)
def test_a_url_says_where_its_server_listens(text: str, address: Address) -> None:
    target = parse_target(text)
    assert isinstance(target, WebSocketTarget)
    assert (target.address, target.host, target.port) == (address, *address)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://bot/", "write ws:// or wss://, or host:port"),
        ("://bot", "write ws:// or wss://, or host:port"),
        ("ws://", "is not a URL"),
        ("ws://:80/", "is not a URL"),
        ("ws://bot:port/", "is not a URL"),
        ("ws://bot:0/", "is not a URL"),
        ("ws://bot:70000/", "is not a URL"),
        ("ws://[::1/", "is not a URL"),
        ("ws://bot/a b", "is not a URL"),
        ("ws://bot/\n", "is not a URL"),
        ("ws://bøt/", "is not a URL"),
        ("ws://bot/#top", "#fragment"),
    ],
)
def test_what_is_no_target_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        parse_target(text)
    assert "\n" not in str(refused.value)


def test_no_secret_is_shown() -> None:
    assert str(parse_target("wss://me:word@bot:8443/stream?token=abc")) == "wss://bot:8443/stream"
    with pytest.raises(UsageError) as refused:
        parse_target("http://me:word@bot/?token=abc")
    assert "word" not in str(refused.value)
    assert "token" not in str(refused.value)


def test_a_port_may_be_filled_in_later() -> None:
    target = parse_target("ws://127.0.0.1:{port}/ws")
    assert isinstance(target, WebSocketTarget)
    assert target.on_port(4711).address == Address("127.0.0.1", 4711)


def test_only_urls_look_like_urls() -> None:
    assert [is_url(text) for text in ("ws://bot", "bot:9092", "[::1]:1", "calls/a.pcapng")] == [True, False, False, False]
