"""What of AudioSocket a dialplan names, and which servers calls are connected to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan
from audiosocket_cli.doctor.pbx.asterisk_cli import channels_of
from audiosocket_cli.doctor.pbx.asterisk_use import Use, has_ari_program, servers_in, serves_ari, use_in
from support.asterisk_said import CHANNELS, asterisk_that_says


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("AudioSocket(${UUID()},bot:9092)", Use(application=True, uuid_function=True)),
        ("Dial(AudioSocket/bot:9092/${CALL}/c(slin),,g)", Use(driver=True)),
        ("TryExec(AudioSocket(${CALL},bot:9092))", Use(application=True, try_exec=True)),
        ("Stasis(bot)", Use(ari=True)),
        ("NoOp(AudioSocket is not called here)", Use()),
    ],
)
def test_a_line_names_what_it_needs(line: str, use: Use) -> None:
    assert use_in(read_dialplan(["[default]", f"exten => 100,1,{line}"], "extensions.conf")) == use
    assert use.is_some == ("AudioSocket" in line and "NoOp" not in line)


@pytest.mark.parametrize(
    ("said", "has_program"),
    [
        ("Application Name         \n=========================\nbot\n", True),
        ("Application Name         \n=========================\n", False),
        ("No such command 'ari show apps'\n", False),
    ],
)
def test_a_program_of_ari_is_seen(tmp_path: Path, said: str, has_program: bool) -> None:
    assert asyncio.run(has_ari_program(asterisk_that_says(tmp_path, ari_show_apps=said))) is has_program


@pytest.mark.parametrize(
    ("said", "is_open"),
    [
        ("Server Enabled and Bound to 127.0.0.1:8088\n\nEnabled URI's:\n/ari/... => Asterisk RESTful API\n", True),
        ("Server Enabled and Bound to 127.0.0.1:8088\n\nEnabled URI's:\n/ws => Asterisk HTTP WebSocket\n", False),
        ("Server Disabled\n\nEnabled URI's:\n/ari/... => Asterisk RESTful API\n", False),
        ("No such command 'http show status'\n", False),
    ],
)
def test_whether_ari_can_be_reached_is_seen(tmp_path: Path, said: str, is_open: bool) -> None:
    assert asyncio.run(serves_ari(asterisk_that_says(tmp_path, http_show_status=said))) is is_open


def test_the_servers_of_calls_are_named_by_channels() -> None:
    assert servers_in(channels_of(CHANNELS * 2)) == ["127.0.0.1:21101", "bot:9092"]
