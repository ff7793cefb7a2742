"""Configuration beside a dialplan. A real Asterisk loads it in tests/system/test_dialplans.py."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan.settings import parking_file, phone_file
from audiosocket_cli.asterisk.dialplan.wish import wish
from audiosocket_cli.errors import UsageError


def test_each_phone_has_a_password_of_its_own() -> None:
    first, second = ([line for line in phone_file(wish(), "200").lines if "password =" in line] for _ in range(2))
    assert len(first) == 1
    assert len(first[0]) > len("password = ") + 12
    assert first != second
    assert phone_file(wish(), "200").is_secret


def test_a_phone_calls_in_the_context_of_the_dialplan() -> None:
    lines = phone_file(wish(context="inside"), "201").lines
    assert [line for line in lines if line.startswith("context = inside ")]
    assert lines.count("[201]") == 3


@pytest.mark.parametrize("name", ["", "a b", "20]", "*1", "é"])
def test_what_is_no_phone_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a phone"):
        phone_file(wish(), name)


def test_freepbx_makes_its_own_phones() -> None:
    with pytest.raises(UsageError, match="FreePBX makes phones itself"):
        phone_file(wish(style="freepbx"), "200")


@pytest.mark.parametrize(
    ("style", "name"),
    [("extensions", "res_parking.conf"), ("ael", "res_parking.conf"), ("freepbx", "res_parking_custom.conf")],
)
def test_who_is_parked_too_long_does_not_go_back_to_who_parked(style: str, name: str) -> None:
    file = parking_file(wish(style=style))  # type: ignore[arg-type]
    assert file.name == name
    assert "comebacktoorigin = no" in file.lines
    assert any(f"/etc/asterisk/{name}," in line for line in file.lines)
