"""What Asterisk takes for a UUID, as far as a dialplan shows what it gets."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan_check import uuids
from audiosocket_cli.asterisk.dialplan_check.complaint import Facts
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan

LOOKS = {
    "swapped": uuids.swapped,
    "malformed": uuids.malformed,
    "unset": uuids.unset,
    "example": uuids.example,
    "fixed": uuids.fixed,
}

FIXED = "6d0b2f3c-9a51-4c1e-8f53-2f7f0c5d9e11"


def found_in(call: str, before: str = "", extension: str = "100") -> list[str]:
    text = f"[in]\nexten => {extension},1,Answer()\n{before}\n same => n,AudioSocket({call},127.0.0.1:9092)"
    facts = Facts(read_dialplan(text.splitlines(), "x"), None)
    (use,) = facts.uses
    return [name for name, look in LOOKS.items() if list(look(use, facts))]


@pytest.mark.parametrize(
    "call",
    [
        "${UUID()}",
        "${TOLOWER(${UUID()})}",
        "${SHELL(uuidgen | tr -d '\\n')}",
        "${SHELL(printf %s $(uuidgen))}",
        "${FILE(/proc/sys/kernel/random/uuid,0,36)}",
        "${CURL(http://h/new)}",
        "${A}-${B}-4${C}-${D}-${E}",
        "${CHANNEL(uuid)}",
        "${ARG1}",
    ],
)
def test_may_be_a_uuid(call: str) -> None:
    assert found_in(call) == []


@pytest.mark.parametrize(
    "call",
    [
        "${UNIQUEID}",
        "${CHANNEL(uniqueid)}",
        "${CALLERID(num)}",
        "${EPOCH}",
        "${RAND(1,9)}",
        "${SHELL(uuidgen)}",
        "${SHELL(cat /proc/sys/kernel/random/uuid)}",
        "${FILE(/proc/sys/kernel/random/uuid)}",
        "${EXTEN}",
        "call-${UUID()}",
        "uuid",
        f"{FIXED}0",
        "${UUID()} ",
    ],
)
def test_is_not_a_uuid(call: str) -> None:
    assert found_in(call) == ["malformed"]


def test_what_was_set_before_is_looked_at() -> None:
    assert found_in("${CALL}", " same => n,Set(CALL=${UUID()})") == []
    assert found_in("${CALL}", " same => n,Set(__CALL=${UNIQUEID})") == ["malformed"]
    assert found_in("${CALL}", f" same => n,Set(CALL={FIXED})") == ["fixed"]
    assert found_in("${CALL}", " same => n,Set(CALL=${SHELL(uuidgen)})") == ["malformed"]
    assert found_in("${EXTEN}", extension="_X.") == []


def test_a_variable_that_nothing_sets_is_told() -> None:
    assert found_in("${UUID}") == found_in("${CALL}") == ["unset"]
    assert found_in("${CALL}", " same => n,AGI(script.py)") == []
    assert found_in("${CALL}", " same => n,Set(ARRAY(A,CALL)=${X})") == []
    assert found_in("${CALL}", " same => n,MSet(A=1,CALL=${X})") == ["unset"]
    assert found_in("${CALL}", " same => n,Read(CALL,hello)") == []


def test_values_that_differ_are_not_known() -> None:
    two = f" same => n,Set(CALL={FIXED})\n same => n,Set(CALL=${{UUID()}})"
    assert found_in("${CALL}", two) == []


@pytest.mark.parametrize(
    ("jump", "found"),
    [
        ("Dial(Local/${UUID()}@as/n)", []),
        ("Dial(Local/${UNIQUEID}@as/n)", ["malformed"]),
        (f"Dial(Local/{FIXED}@as/n)", ["fixed"]),
        ("Goto(as,${CALLERID(num)},1)", ["malformed"]),
        ("Goto(as,${BOT_CALL},1)", []),
        ("Goto(as,${EXTEN},1)", []),
        ("Goto(as,100,1)", ["malformed"]),
        ("NoOp()", []),
    ],
)
def test_a_number_that_is_dialled_into_a_pattern_is_its_uuid(jump: str, found: list[str]) -> None:
    text = f"[in]\nexten => 1,1,Set(C={FIXED})\n same => n,{jump}\n[as]\nexten => _[0-9a-f].,1,Answer()\n"
    facts = Facts(read_dialplan((text + " same => n,AudioSocket(${EXTEN},127.0.0.1:9092)").splitlines(), "x"), None)
    (use,) = facts.uses
    assert [name for name, look in LOOKS.items() if list(look(use, facts))] == found


def test_a_number_of_few_digits_is_not_a_uuid() -> None:
    assert found_in("${EXTEN}", extension="_1XX") == ["malformed"]
    assert found_in("${EXTEN}", extension="_X.") == []
