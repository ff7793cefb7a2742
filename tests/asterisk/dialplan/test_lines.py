"""The lines of a dialplan that lead to an AudioSocket server: what is right, and what Asterisk would take otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.asterisk.dialplan.lines import FORMATS, address, application, channel, dial, is_name
from audiosocket_cli.errors import UsageError

UUID_TEXT = "11111111-2222-4333-8444-555555555555"


def test_each_interface_names_the_call_and_the_server_in_its_own_order() -> None:
    assert application("pbx.example:9092", UUID_TEXT) == f"AudioSocket({UUID_TEXT},pbx.example:9092)"
    assert dial("[::1]:9092", UUID_TEXT, "slin16") == f"Dial(AudioSocket/[::1]:9092/{UUID_TEXT}/c(slin16),,g)"
    assert dial("[::1]:9092", codec=None) == "Dial(AudioSocket/[::1]:9092/${UUID()},,g)"
    assert channel("h:1") == "AudioSocket/h:1/${UUID()}/c(slin)"


def test_a_uuid_gets_the_dashes_that_asterisk_wants() -> None:
    assert application("h:1", UUID_TEXT.replace("-", "").upper()) == f"AudioSocket({UUID_TEXT},h:1)"


@pytest.mark.parametrize(
    "server",
    [
        "",
        "host",
        "host:0",
        "host:99999",
        "host:65536",
        "::1:9092",
        "[::1::2]:9092",
        "[1]:9092",
        "1.2.3:9092",
        "1.2.3.400:9092",
        "9092:9092",
        "host:9092,x",
        "a/b:1",
        "a&b:1",
        "[::1]",
        "h:1)",
        "h:1\n",
        "h:\u0661",
    ],
)
def test_what_asterisk_would_take_for_another_address_is_refused(server: str) -> None:
    for make in (application, dial, channel):
        with pytest.raises(UsageError, match=r"is not an address for Asterisk|has no port that exists"):
            make(server)


@pytest.mark.parametrize(
    ("text", "server"),
    [("bot", "bot:9092"), ("192.0.2.7", "192.0.2.7:9092"), ("[::1]", "[::1]:9092"), ("[2001:db8::7]:65535",) * 2],
)
def test_a_server_without_a_port_gets_the_usual_one(text: str, server: str) -> None:
    assert address(text) == server


@pytest.mark.parametrize("text", ["9092", ":9092", "::1", "::1:9092", "bot:", "bot:65536", "[bot]"])
def test_a_server_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        address(text)


@pytest.mark.parametrize(
    ("server", "answer"), [("bot:1", True), ("a1.b2:1", True), ("[::1]:1", False), ("1.2.3.4:1", False)]
)
def test_a_name_is_no_address(server: str, answer: bool) -> None:
    assert is_name(server) is answer


@pytest.mark.parametrize("call", ["", "1", "${UUID()},x", "${A}&${B}", "${UUID()}/c(slin)", f"{UUID_TEXT}x"])
def test_what_is_not_a_uuid_is_refused(call: str) -> None:
    with pytest.raises(UsageError, match="is not a UUID"):
        application("host:1", call)


@pytest.mark.parametrize("codec", ["", "slin16&slin", "slin,ulaw", "slin)"])
def test_more_than_one_codec_is_refused(codec: str) -> None:
    with pytest.raises(UsageError, match="is not one codec"):
        dial("host:1", codec=codec)


@given(st.text(max_size=20))
def test_a_server_is_one_word_of_the_dialplan(text: str) -> None:
    try:
        server = address(text)
    except UsageError:
        return
    assert not set(server) & set(",;()/&$ \n")


def test_the_formats_are_those_with_a_kind() -> None:
    assert FORMATS == ("slin", "slin12", "slin16", "slin24", "slin32", "slin44", "slin48", "slin96", "slin192")
