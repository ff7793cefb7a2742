"""Variables of the environment that are like ours: which is told, and which was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import audiosocket_cli
from audiosocket_cli.commands.environment import API_TOKEN, EVENTS_SECRET, TOLD_TO_PROGRAMS, WEB_TOKEN
from audiosocket_cli.outbox.event_target import SECRET_VARIABLE
from audiosocket_cli.server.api import TOKEN_VARIABLE, WEB_TOKEN_VARIABLE
from support.running import run

PACKAGE = Path(audiosocket_cli.__file__).parent


@pytest.mark.parametrize(
    ("name", "meant"),
    [("AUDIOSOCKET_DUMP_SIED", "AUDIOSOCKET_DUMP_SIDE"), ("AUDIOSOCKET_SERV_RECORD", "AUDIOSOCKET_SERVE_RECORD"),
     ("AUDIOSOCKET_LIMIT", "AUDIOSOCKET_DUMP_LIMIT"), ("audiosocket_dump_json", "AUDIOSOCKET_DUMP_JSON"),
     ("AUDIOSOCKET_INJECT_DTMF_TIMOUT", "AUDIOSOCKET_INJECT_DTMF_TIMEOUT"),
     ("AUDIOSOCKET_INJECT-DTMF_TIMEOUT", "AUDIOSOCKET_INJECT_DTMF_TIMEOUT")],
)  # fmt: skip
def test_a_variable_that_sets_nothing_is_told_with_the_one_that_was_meant(name: str, meant: str) -> None:
    done = run("dump", "nosuch", **{name: "1"})
    assert done.stderr.splitlines()[:-1] == [f"{name} sets no option: did you mean {meant}?"]
    assert done.returncode == 5


def test_a_variable_that_is_like_none_of_ours_is_told_too_unless_a_program_may_want_it() -> None:
    assert run("dump", "nosuch", AUDIOSOCKET_XYZZY="1").stderr.startswith("AUDIOSOCKET_XYZZY sets no option: ")
    done = run("serve", "--listen", "x:y", "--exec", "cat", AUDIOSOCKET_XYZZY="1")
    assert "AUDIOSOCKET_XYZZY" not in done.stderr


@pytest.mark.parametrize(
    "name",
    ["AUDIOSOCKET_SERVICE_HOST", "AUDIOSOCKET_SERVICE_PORT_SLIN", "AUDIOSOCKET_PORT", "AUDIOSOCKET_PORT_9092_TCP_ADDR",
     "AUDIOSOCKET_SERVE_SERVICE_HOST", "AUDIOSOCKET_SERVE_PORT_9092_TCP", "AUDIOSOCKET_SERVICE",
     "AUDIOSOCKET_SERVE_API_TOKEN", "AUDIOSOCKET_WEB_TOKEN", "AUDIOSOCKET_VAR_name", "AUDIOSOCKET_RESULT",
     "AUDIOSOCKET_EVENTS_SECRET", "AUDIOSOCKET_PLAY_WAIT", "AUDIOSOCKET_RECORDING", "MY_AUDIOSOCKET_SERVE_RECRD"],
)  # fmt: skip
def test_what_others_set_and_what_another_command_reads_is_not_told(name: str) -> None:
    assert run("dump", "nosuch", **{name: "1"}).stderr.count("\n") == 1


def test_the_variable_that_holds_a_password_has_one_name() -> None:
    assert (API_TOKEN, WEB_TOKEN, EVENTS_SECRET) == (TOKEN_VARIABLE, WEB_TOKEN_VARIABLE, SECRET_VARIABLE)


def test_what_programs_are_told_is_known() -> None:
    said = {name for room in ("call", "server") for file in (PACKAGE / room).rglob("*.py")
            for name in re.findall(r'"(?:AUDIOSOCKET_)([A-Z_]+)"', file.read_text())}  # fmt: skip
    assert said
    assert {f"AUDIOSOCKET_{name}" for name in said} - {API_TOKEN, WEB_TOKEN} <= TOLD_TO_PROGRAMS


def test_options_of_ours_among_the_words_of_a_program_are_told() -> None:
    words = ["serve", "--listen", "x:y", "--exec", "cat", "--record", "calls", "--language", "en", "--calls=3"]
    done = run(*words)
    assert [line.split(": ")[0] for line in done.stderr.splitlines()[:-1]] == [
        "--calls after --exec is for the program cat", "--record after --exec is for the program cat",
    ]  # fmt: skip
    assert "after --exec" not in run(*words[:4], "cat --record calls", "--calls", "3").stderr
    assert "after --exec" not in run(*words[:5], "--language", "en", "--", "--json").stderr
