"""Where a bot is: URLs are read as written, and what may be secret in them is never shown."""

from __future__ import annotations

from uuid import UUID

import pytest

from audiosocket_cli.websocket.url import parse_url
from support.refusals import refusal

UUID_1 = UUID("11111111-2222-4333-8444-555555555555")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765/"),
        ("ws://bot/a/b?token=1", "ws://bot/a/b"),
        ("wss://bot.example:443/a", "wss://bot.example/a"),
        ("wss://bot.example:80/a", "wss://bot.example:80/a"),
        ("ws://[::1]:8765/", "ws://[::1]:8765/"),
        ("WS://Bot/", "ws://bot/"),
        ("wss://me:secret@bot/x", "wss://bot/x"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(text: str, shown: str) -> None:
    assert str(parse_url(text)) == shown


def test_the_request_has_all_of_it_and_the_uuid_where_asked_for() -> None:
    url = parse_url("wss://me:se%40cret@bot:1/calls/{uuid}?id={uuid}&t=1")
    assert url.for_call(UUID_1).whole == f"wss://me:se%40cret@bot:1/calls/{UUID_1}?id={UUID_1}&t=1"
    assert str(url) == "wss://bot:1/calls/{uuid}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http://bot/", "'http://bot/' is not the URL of a WebSocket"),
        ("bot:8765", "'bot:8765' is not the URL of a WebSocket"),
        ("ws://", "'ws://' is not the URL of a WebSocket"),
        ("", "'' is not the URL of a WebSocket"),
        ("https://me:secret@bot/?token=1", "'bot/' is not the URL"),
        ("ws://bot:99999/", "cannot be read"),
        ("ws://bot:x/", "cannot be read"),
        ("ws://[::1/", "cannot be read"),
        ("ws://bot:0/", "port 0"),
        ("ws://bot/#x", "has no # in it"),
        ("ws://bot/#", "has no # in it"),
        ("ws://bot/a b", "holds what no URL may hold"),
        ("ws://bot/ä", "holds what no URL may hold"),
        ("ws://me@bot/", "a name without a password"),
        ("ws://{uuid}.bots.example/", "the host in the bot's URL cannot be filled in"),
        ("ws://bot/calls/{caller}", "only {uuid} is filled in"),
        ("ws://bot/{UUID}?a={uuid}", "only {uuid} is filled in"),
        ("ws://bot/?a={uuid}}", "only {uuid} is filled in"),
    ],
)
def test_what_is_not_a_url_is_refused_in_one_line(text: str, says: str) -> None:
    told = refusal(parse_url, text)
    assert says in told
    assert "secret" not in told
