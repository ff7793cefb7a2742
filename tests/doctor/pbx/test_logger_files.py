"""The log that an Asterisk writes is found, and read."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli
from audiosocket_cli.doctor.pbx.logger_files import (
    channels_of_logger,
    files_of_logger_conf,
    log_files,
    look_at_left_log,
    look_at_own_log,
)  # fmt: skip
from audiosocket_cli.doctor.pbx.place import place_of
from audiosocket_cli.finding import Status
from support.asterisk_said import asterisk_that_says, healthy, make_asterisk

LINE = (
    "[2026-11-29 10:00:00.123] ERROR[13174][C-00000001] res_audiosocket.c: Failed to read header from AudioSocket "
    "because: Connection reset by peer\n"
)

EMPTY_AUDIO = (
    "[2026-11-29 10:00:00.123] ERROR[13174][C-00000001] res_audiosocket.c: Invalid message length received from "
    "AudioSocket server.\n"
)

TABLE = """\
Channel                             Type     Formatter  Status    Configuration
-------                             ----     ---------  ------    -------------
messages.log                        File     default    Enabled    - NOTICE WARNING ERROR
/var/log/asterisk/a/very/long/name/ File     default    Enabled    - *
full                                File     json       Disabled   - WARNING
security.log                        File     default    Enabled    - SECURITY
syslog.local0                       Syslog   default    Enabled    - WARNING
"""


def table(name: str) -> str:
    return f"{name:.35}{'':{max(0, 35 - len(name))}} File     default    Enabled    - NOTICE WARNING ERROR \n"


def test_files_that_get_warnings_are_told_from_others() -> None:
    assert channels_of_logger(TABLE) == ["messages.log", "/var/log/asterisk/a/very/long/name/"]
    assert channels_of_logger("messages    File     Enabled    - Warning Error\n") == ["messages"]  # releases of 18


def test_a_name_may_have_spaces() -> None:
    assert channels_of_logger(table("my log.vm") + table("/tmp/bd/log/my log")) == ["my log.vm", "/tmp/bd/log/my log"]


def test_warnings_in_syslog_are_not_lost(tmp_path: Path) -> None:
    said = "syslog.local0                       Syslog   default    Enabled    - NOTICE WARNING ERROR \n"
    (found,) = asyncio.run(look_at_own_log(asterisk_that_says(tmp_path, logger_show_channels=said)))
    assert (found.id, found.status) == ("log-unread", Status.UNKNOWN)
    assert found.lines[0] == "journalctl -t asterisk | audiosocket doctor --log -"


def test_logger_conf_names_files() -> None:
    text = """
[general]
dateformat = %F
[logfiles]
console => notice,warning
messages.log => notice,warning,error ; all that matters
security.log = security
full => [json]*
syslog.local0 => warning
"""
    assert files_of_logger_conf(text) == ["messages.log", "full"]


def test_a_name_that_asterisk_cuts_is_found_whole_in_logger_conf(tmp_path: Path) -> None:
    folder = tmp_path / ("a-long-folder-name-" * 2)
    cli = asterisk_that_says(
        tmp_path,
        logger_show_channels=table(f"{folder}/messages.log"),
        core_show_settings=healthy(tmp_path)["core show settings"].replace(f"{tmp_path}/log", str(folder)),
    )
    assert asyncio.run(log_files(cli)) == []
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "logger.conf").write_text("[logfiles]\nmessages.log => warning\n")
    assert asyncio.run(log_files(cli)) == [f"{folder}/messages.log"]


def test_the_fullest_log_comes_first(tmp_path: Path) -> None:
    cli = asterisk_that_says(tmp_path, logger_show_channels=table("messages.log") + table("full") + table("other"))
    assert asyncio.run(log_files(cli)) == [f"{tmp_path}/log/{name}" for name in ("full", "messages.log", "other")]


def with_log(folder: Path, text: str) -> dict[str, str]:
    (folder / "log").mkdir()
    (folder / "log" / "messages.log").write_text(text)
    return healthy(folder) | {"logger show channels": table("messages.log")}


def test_what_is_in_it_is_told_with_its_name(tmp_path: Path) -> None:
    cli = AsteriskCli(place_of(str(make_asterisk(tmp_path, with_log(tmp_path, LINE))), None))
    found = [each for each in asyncio.run(look_at_own_log(cli)) if each.status is not Status.UNKNOWN]
    assert [(each.id, each.where) for each in found] == [("server-closes-unread", f"{tmp_path}/log/messages.log")]


def test_one_in_a_container_is_read_there(tmp_path: Path) -> None:
    make_asterisk(tmp_path, with_log(tmp_path, LINE))
    there = tmp_path / "there"
    there.write_text('#!/bin/sh\nexec "$@"\n')
    there.chmod(0o755)
    found = asyncio.run(look_at_own_log(AsteriskCli(place_of(f"{there} {tmp_path}/asterisk", None))))
    assert "server-closes-unread" in {each.id for each in found}


@pytest.mark.parametrize(
    ("age_s", "later", "status"),
    [(0, "", Status.FAULT), (4000, "", Status.WARNING), (0, "11:30:00", Status.WARNING), (0, "10:10:00", Status.FAULT)],
    ids=["now", "an-old-log", "an-old-line", "not-long-ago"],
)
def test_what_was_not_seen_for_an_hour_is_a_warning(tmp_path: Path, age_s: int, later: str, status: Status) -> None:
    """By the clock of this machine and the times in the log, whatever its time zone is."""
    after = f"[2026-11-29 {later}] NOTICE[7] cdr.c: CDR logging disabled.\n" if later else ""
    said = with_log(tmp_path, EMPTY_AUDIO + after)
    log = tmp_path / "log" / "messages.log"
    os.utime(log, times=(time.time() - age_s,) * 2)
    cli = AsteriskCli(place_of(str(make_asterisk(tmp_path, said)), None))
    found = {each.id: each for each in asyncio.run(look_at_own_log(cli))}["server-sends-empty-audio"]
    assert (found.status, found.what.endswith("; none in the last hour")) == (status, status is Status.WARNING)


@pytest.mark.parametrize("prefix", ["", "{there} "])
def test_one_that_cannot_be_read_is_not_looked_at(tmp_path: Path, prefix: str) -> None:
    there = tmp_path / "there"
    there.write_text('#!/bin/sh\nexec "$@"\n')
    there.chmod(0o755)
    command = make_asterisk(tmp_path, healthy(tmp_path) | {"logger show channels": table("messages.log")})
    cli = AsteriskCli(place_of(f"{prefix.format(there=there)}{command}", None))
    (found,) = asyncio.run(look_at_own_log(cli))
    assert (found.id, found.status) == ("log-unread", Status.UNKNOWN)


def test_an_asterisk_that_keeps_no_log_is_warned_of(tmp_path: Path) -> None:
    (found,) = asyncio.run(look_at_own_log(asterisk_that_says(tmp_path, logger_show_channels="")))
    assert (found.id, found.status) == ("log-not-kept", Status.WARNING)


def test_what_an_ended_one_left_is_read_where_it_usually_is(tmp_path: Path) -> None:
    place = place_of(f"chroot {tmp_path} asterisk", None)
    assert asyncio.run(look_at_left_log(place)) == []
    folder = tmp_path / "var" / "log" / "asterisk"
    folder.mkdir(parents=True)
    (folder / "messages.log").write_text(LINE)
    found = asyncio.run(look_at_left_log(place))
    assert {each.where for each in found} == {"/var/log/asterisk/messages.log"}
