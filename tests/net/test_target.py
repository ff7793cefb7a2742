"""Whom to call: addresses and URLs, right ones and wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosocket_cli.errors import UsageError
from audiosocket_cli.net.address import Address, parse_address
from audiosocket_cli.net.target import WebSocketTarget, is_url, parse_target
from audiosocket_cli.websocket.url import parse_url
from support.refusals import refusal


def test_an_address_is_read_as_ever() -> None:
    assert parse_target("bot") == Address("bot", 9092)
    assert parse_target("[::1]:80") == Address("::1", 80)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ws://bot", Address("bot", 80)),
        ("wss://bot.example/stream", Address("bot.example", 443)),
        ("ws://[::1]:8765/a?b=c", Address("::1", 8765)),
        ("ws://bot:1/calls/{uuid}", Address("bot", 1)),
    ],
)
def test_a_url_says_where_its_server_listens(text: str, address: Address) -> None:
    target = parse_target(text)
    assert target == WebSocketTarget(parse_url(text))
    assert isinstance(target, WebSocketTarget)
    assert target.address == address


@pytest.mark.parametrize(
    "text", ["http://bot/", "://bot", "ws://", "ws://:80/", "ws://bot:port/", "ws://bot:0/", "ws://bot/a b"]
)
def test_what_is_no_target_is_refused_in_one_line(text: str) -> None:
    assert refusal(parse_target, text)


def test_a_url_where_an_address_is_needed_is_told_with_the_commands_that_take_one() -> None:
    with pytest.raises(UsageError, match="a URL with 'ws' is not an address: write host:port"):
        parse_address("ws://bot/")


def test_no_secret_is_shown_or_taken_where_all_may_see_it() -> None:
    assert str(parse_target("wss://bot:8443/stream?token=abc")) == "wss://bot:8443/stream"
    for text in ("ws://me:word@bot/?token=abc", "http://me:word@bot/?token=abc"):
        with pytest.raises(UsageError) as refused:
            parse_target(text)
        assert "word@" not in str(refused.value)
        assert "abc" not in str(refused.value)


@pytest.mark.parametrize("text", ["ws://127.0.0.1:{port}/ws?a=b", "ws://127.0.0.1:{port}"])
def test_a_port_may_be_filled_in_later(text: str) -> None:
    target = parse_target(text)
    assert isinstance(target, WebSocketTarget)
    assert target.lacks_port
    on_port = target.on_port(4711)
    assert (on_port.lacks_port, on_port.address) == (False, Address("127.0.0.1", 4711))
    assert on_port.url.whole == parse_url(text.replace("{port}", "4711")).whole


def test_only_urls_look_like_urls() -> None:
    assert [is_url(text) for text in ("ws://bot", "bot:9092", "[::1]:1", "calls/a.pcapng")] == [
        True,
        False,
        False,
        False,
    ]


def test_it_is_named_again_with_its_options() -> None:
    target = WebSocketTarget(
        parse_url("wss://bot/"), False, "twilio", (("A", "b"),), Path("headers"), Path("ca.pem"), (("A", "b c"),)
    )
    assert target.options == [
        "--protocol",
        "twilio",
        "--headers-file",
        "headers",
        "--ca",
        "ca.pem",
        "--variable",
        "A=b c",
    ]
    assert WebSocketTarget(parse_url("ws://bot/"), protocol="raw").options == ["--protocol", "raw"]
