"""The codec of a Dial(): one that AudioSocket has a kind for, and that the release can label."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan_check import codecs
from audiosocket_cli.asterisk.dialplan_check.complaint import Facts
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan
from audiosocket_cli.asterisk.releases import parse_release

LOOKS = {
    "none": codecs.no_codec,
    "many": codecs.many_codecs,
    "kind": codecs.without_kind,
    "unknown": codecs.unknown_codec,
    "rate": codecs.rate_unsupported,
}


def looked_at(options: str, release: str = "22.10") -> tuple[list[str], str]:
    text = f"[in]\nexten => 1,1,Dial(AudioSocket/h:1/${{UUID()}}{options})"
    facts = Facts(read_dialplan(text.splitlines(), "x"), parse_release(release))
    use = facts.uses[0]
    return [name for name, look in LOOKS.items() if list(look(use, facts))], codecs.righted(use, facts)


@pytest.mark.parametrize(
    "codec", ["slin", "slin12", "slin16", "slin24", "slin32", "slin44", "slin48", "slin96", "slin192"]
)
def test_each_format_with_a_kind_is_right(codec: str) -> None:
    assert looked_at(f"/c({codec})") == ([], codec)
    assert looked_at(f"/c({codec.upper()})") == ([], codec)
    assert looked_at(f"/c({codec})", "20.16") == ([] if codec == "slin" else ["rate"], "slin")


def test_a_rate_that_the_release_lacks_is_said_to_be_heard_at_the_wrong_speed() -> None:
    """A call ends of kinds 11 to 18 only from 20.14 on: releases before that skip them."""
    plan = read_dialplan(["exten => 1,1,Dial(AudioSocket/127.0.0.1:9092/${UUID()}/c(slin16))"], "a")
    facts = Facts(plan, parse_release("20.5"))
    (complaint,) = codecs.rate_unsupported(facts.uses[0], facts)
    assert "wrong speed" in complaint.what
    assert "ends the call" not in complaint.what


@pytest.mark.parametrize(
    ("options", "found", "right"),
    [
        ("", "none", "slin"),
        ("/", "none", "slin"),
        ("/c", "none", "slin"),
        ("/c()", "none", "slin"),
        ("/slin16", "none", "slin16"),
        ("/c(ulaw)", "kind", "slin"),
        ("/c(alaw)", "kind", "slin"),
        ("/c(opus)", "kind", "slin48"),
        ("/c(h264)", "kind", "slin"),
        ("/c(slin8)", "unknown", "slin"),
        ("/c(L16)", "unknown", "slin16"),
        ("/c(slin16&slin)", "many", "slin16"),
        ("/c(ulaw|slin)", "many", "slin"),
        ("/c(slin16,slin)", "many", "slin16"),
    ],
)
def test_each_fault_is_found_once(options: str, found: str, right: str) -> None:
    assert looked_at(options) == ([found], right)


def test_a_variable_is_left_as_it_is() -> None:
    assert looked_at("/c(${CODEC})") == ([], "${CODEC}")
