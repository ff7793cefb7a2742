"""What a dialplan is wished for: what is usual, and what no dialplan can hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.asterisk.dialplan.wish import wish
from audiosocket_cli.asterisk.releases import parse_release
from audiosocket_cli.errors import UsageError


def test_the_usual_is_filled_in() -> None:
    made = wish()
    assert (made.servers, made.extension, made.context, made.codec) == (("127.0.0.1:9092",), "100", "phones", "slin")
    assert (made.variables, made.api) == ("/var/spool/audiosocket", "127.0.0.1:9080")


def test_freepbx_has_its_own_context_and_a_number_that_no_phone_has() -> None:
    assert (wish(style="freepbx").extension, wish(style="freepbx").context) == ("9092", "from-internal-custom")


def test_the_api_is_on_the_first_server_unless_it_is_named() -> None:
    assert wish(("[::1]:7000", "b:1")).api == "[::1]:9080"
    assert wish(("a:1",), api="b:81").api == "b:81"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extension": ""}, "is not an extension"),
        ({"extension": "1,2"}, "is not an extension"),
        ({"extension": "100\n"}, "is not an extension"),
        ({"context": "a b"}, "is not a context"),
        ({"context": "a]"}, "is not a context"),
        ({"extension": "_[1-3"}, "is not an extension"),
        ({"extension": "_1]"}, "is not an extension"),
        ({"extension": "_."}, "takes even the end of a call: write _X. for any number"),
        ({"extension": "_!"}, "takes even the end of a call: write _X! for any number"),
        ({"context": "globals"}, r"\[globals\] of extensions.conf is not a context"),
        ({"context": "General"}, r"\[General\] of extensions.conf is not a context"),
        ({"context": "if", "style": "ael"}, "if is a word of AEL"),
        ({"extension": "hint", "style": "ael"}, "hint is a word of AEL"),
        ({"variables": "known"}, "is not a folder for a dialplan"),
        ({"variables": "/a b"}, "is not a folder for a dialplan"),
        ({"variables": "/a;rm"}, "is not a folder for a dialplan"),
        ({"variables": "/${X}"}, "is not a folder for a dialplan"),
        ({"servers": ("a:1", "b:1", "b:1")}, "b:1 is named twice"),
        ({"servers": ("a:99999",)}, "has no port that exists"),
        ({"api": "::1:1"}, "is not an address for Asterisk"),
        ({"codec": "slin16", "release": parse_release("20.16")}, "use --codec slin, or update it"),
        ({"codec": "slin48", "release": parse_release("18.26")}, "use --codec slin, or update it"),
    ],
    ids=str,
)
def test_what_no_dialplan_can_hold_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        wish(**options)


@pytest.mark.parametrize("release", ["20.17", "21.12", "22.7", "23.1", "certified-22.8"])
def test_a_rate_is_for_releases_that_have_it(release: str) -> None:
    assert wish(codec="slin16", release=parse_release(release)).codec == "slin16"


@given(st.text(max_size=10), st.text(max_size=10), st.text(max_size=10))
def test_each_word_is_one_word(extension: str, context: str, folder: str) -> None:
    try:
        made = wish(extension=extension, context=context, variables=f"/{folder}")
    except UsageError:
        return
    assert not set(made.extension + made.context + made.variables) & set(",;() \n$'\"")
