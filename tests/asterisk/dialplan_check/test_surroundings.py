"""What is wrong around a line: before it, after it, and beside it."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan_check.judging import judge
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan
from audiosocket_cli.asterisk.releases import parse_release
from audiosocket_cli.finding import Diagnosis, Status

HANDED_OVER = "AudioSocket(${UUID()},127.0.0.1:9092)"
DIALLED = "Dial(AudioSocket/127.0.0.1:9092/${UUID()}/c(slin))"


def wrong_in(text: str, release: str | None = None) -> list[Diagnosis]:
    plan = read_dialplan(text.splitlines(), "extensions.conf")
    found = judge(plan, parse_release(release) if release else None)
    return [each for each in found if each.status is not Status.OK]


def after_answer(*applications: str) -> str:
    return "\n".join(["[in]", "exten => 100,1,Answer()", *(f" same => n,{each}" for each in applications)])


@pytest.mark.parametrize("before", ["NoOp()", "Progress()", "Ringing()", "Playback(hello,noanswer)", "Read(X,hi,1,n)"])
def test_a_call_that_nothing_answers_is_a_fault(before: str) -> None:
    (found,) = wrong_in(f"[in]\nexten => 100,1,{before}\n same => n,{HANDED_OVER}")
    assert (found.id, found.status) == ("no-answer", Status.FAULT)
    assert found.lines == (" same => n,Answer()", f" same => n,{HANDED_OVER}")
    assert ("do not answer" in found.what) == (before in {"Progress()", "Ringing()"})


def test_the_answer_comes_in_the_place_of_a_first_line() -> None:
    (found,) = wrong_in(f"[in]\nexten => 100,1,{HANDED_OVER}")
    assert found.lines == ("exten => 100,1,Answer()", f" same => n,{HANDED_OVER}")


@pytest.mark.parametrize("line", [DIALLED, f"TryExec({DIALLED})"])
def test_the_driver_answers_by_itself(line: str) -> None:
    assert wrong_in(f"[in]\nexten => 100,1,{line}") == []


def test_options_in_the_place_of_a_timeout_are_ignored_by_asterisk() -> None:
    (found,) = wrong_in(after_answer(DIALLED.replace("c(slin)", "c(slin),g")))
    assert (found.id, found.lines) == (
        "dial-options-misplaced",
        (" same => n,Dial(AudioSocket/127.0.0.1:9092/${UUID()}/c(slin),,g)",),
    )
    for timeout in ("30", "${TIMEOUT}", "30^5", "$[2*3]", ""):
        assert wrong_in(after_answer(DIALLED.replace("c(slin)", f"c(slin),{timeout},g"))) == []


@pytest.mark.parametrize("line", ["Goto(out,s,1)", "Queue(people)", "Transfer(200)"])
def test_lines_after_dial_need_g(line: str) -> None:
    (found,) = wrong_in(after_answer(DIALLED, line))
    assert (found.id, found.status, found.evidence[-1]) == ("lines-not-run", Status.WARNING, f"same => n,{line}")
    assert wrong_in(after_answer(found.lines[0].removeprefix(" same => n,"), line)) == []


@pytest.mark.parametrize("line", ["Hangup()", "NoOp(over)", 'GotoIf($["${DIALSTATUS}"="ANSWER"]?end)', DIALLED])
def test_lines_after_dial_that_are_for_a_failure_or_for_nothing_need_none(line: str) -> None:
    assert wrong_in(after_answer(DIALLED, line)) == []


def test_before_2014_nothing_goes_on_after_the_application() -> None:
    text = after_answer(HANDED_OVER, "Queue(people)")
    assert wrong_in(text) == wrong_in(text, "20.14") == []
    (found,) = wrong_in(text, "20.13")
    assert (found.id, found.status) == ("lines-not-run", Status.FAULT)
    assert wrong_in(after_answer(f"TryExec({HANDED_OVER})", "Queue(people)"), "20.13") == []


def test_a_second_server_is_not_tried_without_tryexec() -> None:
    second = HANDED_OVER.replace("127.0.0.1", "127.0.0.2")
    (found,) = wrong_in(after_answer(HANDED_OVER, "NoOp(again)", second))
    assert (found.id, found.lines) == ("no-tryexec", (f" same => n,TryExec({HANDED_OVER})",))
    assert wrong_in(after_answer(f"TryExec({HANDED_OVER})", second)) == []
    assert wrong_in(after_answer(HANDED_OVER, HANDED_OVER)) == []
    assert wrong_in(after_answer(HANDED_OVER, "Hangup()", second)) == []


def test_each_server_of_a_fork_gets_a_line_of_its_own() -> None:
    destinations = [f"AudioSocket/127.0.0.{number}:9092/${{UUID()}}/c(slin)" for number in (1, 2)]
    (found,) = wrong_in(after_answer(f"Dial({'&'.join(destinations)},20)"))
    assert found.id == "dial-forks"
    assert found.lines == tuple(f" same => n,Dial({each},20)" for each in destinations)
    (found,) = wrong_in(after_answer(f"Dial(PJSIP/200&{destinations[0]})"))
    assert found.lines == (" same => n,Dial(PJSIP/200)", f" same => n,Dial({destinations[0]})")


@pytest.mark.parametrize("name", ["audioreadformat", "audiowriteformat", "audionativeformat"])
def test_a_format_cannot_be_set(name: str) -> None:
    (found,) = wrong_in(after_answer(f"Set(CHANNEL({name})=slin16)", HANDED_OVER))
    assert (found.id, found.status, found.lines) == ("format-set-in-vain", Status.WARNING, ())
    assert wrong_in(after_answer("Set(CHANNEL(language)=de)", HANDED_OVER)) == []


def test_a_gap_in_the_priorities_ends_a_call() -> None:
    (found,) = wrong_in(f"[in]\nexten => 100,1,Answer()\nexten => 100,3,{HANDED_OVER}")
    assert found.id == "priority-missing"
    labelled = f"[in]\nexten => 100,1,Answer()\nexten => 100,3(ai),{HANDED_OVER}"
    assert wrong_in(f"{labelled}\nexten => 1,1,Answer()\n same => n,Goto(100,ai)") == []


def test_a_line_that_goes_on_after_a_backslash_is_not_joined() -> None:
    (found,) = wrong_in("[in]\nexten => 100,1,Answer()\n same => n,AudioSocket(${UUID()},\\\n 127.0.0.1:9092)")
    assert (found.id, found.lines) == ("bracket-missing", ())
    assert "backslash" in found.what


def test_a_semicolon_in_the_place_of_a_colon_is_told_of() -> None:
    (found,) = wrong_in(after_answer("AudioSocket(${UUID()},10.0.0.1;9092)"))
    assert (found.id, "comment" in found.what) == ("bracket-missing", True)
