"""The dialplan that runs is judged, with the values of its global variables; and files where none runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from audiosocket_cli.asterisk.dialplan_check.judging import servers_of
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan
from audiosocket_cli.doctor.pbx.asterisk_cli import NoAnswerError
from audiosocket_cli.doctor.pbx.asterisk_dialplan import judge_files, judge_running, running_dialplan
from audiosocket_cli.doctor.pbx.place import place_of
from audiosocket_cli.finding import Status
from support.asterisk_said import DIALPLAN, asterisk_that_says

HERE = place_of("asterisk", None)


def test_an_empty_one_is_told_as_that() -> None:
    (found,) = judge_running(read_dialplan([], "dialplan show"), None, HERE, has_ari=False)
    assert found.what == "it is empty: no line hands a call to an AudioSocket server"


def test_a_healthy_one_is_ok(tmp_path: Path) -> None:
    plan = asyncio.run(running_dialplan(asterisk_that_says(tmp_path)))
    (found,) = judge_running(plan, None, HERE, has_ari=False)
    assert found.status is Status.OK
    assert servers_of(plan) == ["127.0.0.1:9092"]


def test_a_faulty_line_is_named_with_its_place(tmp_path: Path) -> None:
    said = DIALPLAN.replace("1. Answer()", "1. NoOp()  ")
    plan = asyncio.run(running_dialplan(asterisk_that_says(tmp_path, dialplan_show=said)))
    found = [each for each in judge_running(plan, None, HERE, has_ari=False) if each.status is not Status.OK]
    assert [(each.id, each.where) for each in found] == [("no-answer", "extensions.conf:7")]


def test_global_variables_have_the_values_of_now(tmp_path: Path) -> None:
    said = DIALPLAN.replace("127.0.0.1:9092)", "${BOT})       ")
    cli = asterisk_that_says(
        tmp_path, dialplan_show=said, dialplan_show_globals="   BOT=10.0.0.9:9092\n\n    -- 1 variable(s)\n"
    )
    assert servers_of(asyncio.run(running_dialplan(cli))) == ["10.0.0.9:9092"]


def test_without_a_line_of_audiosocket_only_ari_is_well(tmp_path: Path) -> None:
    said = DIALPLAN.replace("AudioSocket(${UUID()},127.0.0.1:9092)", "Echo()                               ")
    plan = asyncio.run(running_dialplan(asterisk_that_says(tmp_path, dialplan_show=said)))
    assert [(each.id, each.status) for each in judge_running(plan, None, HERE, has_ari=False)] == [
        ("no-audiosocket-line", Status.WARNING)
    ]
    assert [each.status for each in judge_running(plan, None, HERE, has_ari=True)] == [Status.OK]
    (open_ari,) = judge_running(plan, None, HERE, has_ari=False, may_ari=True)
    assert (open_ari.status, bool(open_ari.evidence), bool(open_ari.lines)) == (Status.UNKNOWN, True, True)


def test_a_dialplan_that_is_not_told_is_an_error(tmp_path: Path) -> None:
    cli = asterisk_that_says(tmp_path)
    (tmp_path / "asterisk.said" / "dialplan_show").unlink()
    with pytest.raises(NoAnswerError, match="No such command 'dialplan show'"):
        asyncio.run(running_dialplan(cli))


def test_files_are_judged_where_no_asterisk_answers(tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "asterisk"
    folder.mkdir(parents=True)
    (folder / "extensions.conf").write_text("[default]\nexten => 100,1,AudioSocket(${UUID()},127.0.0.1:9092)\n")
    found = asyncio.run(judge_files(place_of(f"chroot {tmp_path} asterisk", None)))
    assert [(each.id, each.where) for each in found if each.status is not Status.OK] == [
        ("no-answer", "extensions.conf:2")
    ]
    assert asyncio.run(judge_files(place_of(f"chroot {tmp_path}/etc asterisk", None))) == []


def test_lines_of_a_switch_are_not_taken_for_none(tmp_path: Path) -> None:
    said = """[ Context 'lua-bot' created by 'pbx_lua' ]
  Alt. Switch =>    'Lua/'                                        [pbx_lua]

-= 0 extensions (0 priorities) in 1 context. =-
"""
    plan = asyncio.run(running_dialplan(asterisk_that_says(tmp_path, dialplan_show=said)))
    (found,) = judge_running(plan, None, HERE, has_ari=False)
    assert (found.id, found.status) == ("dialplan-unread", Status.UNKNOWN)
    assert "Lua" in f"{found.what} {found.evidence}"
