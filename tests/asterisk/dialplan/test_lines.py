"""The dialplan that leads to an AudioSocket server: what is on the page, and what Asterisk would take otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import audiosocket_cli
from audiosocket_cli.asterisk.dialplan.lines import FORMATS, application, dial, extension_lines
from audiosocket_cli.errors import UsageError

PAGE = Path(audiosocket_cli.__file__).parent / "docs" / "asterisk.md"
UUID_TEXT = "11111111-2222-4333-8444-555555555555"


def test_the_page_says_these_lines() -> None:
    on_page = [re.sub(r"\s+; .*", "", line) for line in PAGE.read_text().splitlines()]
    lines = [*extension_lines("100"), *extension_lines("101", interface="channel")]
    starts = [on_page.index(line) for line in lines if line.startswith("exten")]
    assert [line for start, end in zip(starts, (4, 3), strict=True) for line in on_page[start : start + end]] == lines


def test_each_interface_names_the_call_and_the_server_in_its_own_order() -> None:
    assert application("pbx.example:9092", UUID_TEXT) == f"AudioSocket({UUID_TEXT},pbx.example:9092)"
    assert dial("[::1]:9092", UUID_TEXT, "slin16") == f"Dial(AudioSocket/[::1]:9092/{UUID_TEXT}/c(slin16),,g)"
    assert dial("[::1]:9092", codec=None) == "Dial(AudioSocket/[::1]:9092/${UUID()},,g)"


def test_a_uuid_gets_the_dashes_that_asterisk_wants() -> None:
    assert application("h:1", UUID_TEXT.replace("-", "").upper()) == f"AudioSocket({UUID_TEXT},h:1)"


@pytest.mark.parametrize(
    "server",
    [
        "",
        "host",
        "host:0",
        "host:99999",
        "::1:9092",
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
    for make in (application, dial):
        with pytest.raises(UsageError, match="is not an address for Asterisk"):
            make(server)


@pytest.mark.parametrize("call", ["", "1", "${UUID()},x", "${A}&${B}", "${UUID()}/c(slin)", f"{UUID_TEXT}x"])
def test_what_is_not_a_uuid_is_refused(call: str) -> None:
    with pytest.raises(UsageError, match="is not a UUID"):
        application("host:1", call)


@pytest.mark.parametrize("codec", ["", "slin16&slin", "slin,ulaw", "slin)"])
def test_more_than_one_codec_is_refused(codec: str) -> None:
    with pytest.raises(UsageError, match="is not one codec"):
        dial("host:1", codec=codec)


@given(st.text(max_size=10))
def test_an_extension_is_one_word_of_the_dialplan(extension: str) -> None:
    try:
        lines = extension_lines(extension, codec="slin")
    except UsageError:
        return
    assert lines[0] == f"exten => {extension},1,Answer()"
    assert not set(extension) & set(",;() \n")


def test_the_formats_are_those_with_a_kind() -> None:
    assert FORMATS == ("slin", "slin12", "slin16", "slin24", "slin32", "slin44", "slin48", "slin96", "slin192")
