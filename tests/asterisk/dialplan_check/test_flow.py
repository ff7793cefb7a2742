"""Which calls come to a line before they are answered: along jumps, subroutines, menus and included contexts."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan_check.flow import Answered, Flow, matches
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan

LINE = "AudioSocket(${UUID()},127.0.0.1:9092)"


def at_the_line(text: str) -> Answered | None:
    plan = read_dialplan(text.replace("LINE", LINE).splitlines(), "extensions.conf")
    flow = Flow(plan)
    flow.search()
    (step,) = [step for step in plan.steps if step.name == "audiosocket"]
    return flow.at(step)


@pytest.mark.parametrize(
    "text",
    [
        "[in]\nexten => 100,1,NoOp()\n same => n,LINE",
        "[in]\nexten => 100,1,Goto(ai,s,1)\n[ai]\nexten => s,1,LINE",
        "[in]\nexten => 100,1,Goto(ai,${EXTEN},1)\n[ai]\nexten => _X.,1,LINE",
        "[in]\nexten => 100,1,Goto(ai,200,1)\n[ai]\nexten => _2XX,1,LINE",
        "[in]\nexten => 100,1,GotoIf($[1]?here)\n same => n,Answer()\n same => n(here),LINE",
        "[in]\nexten => 100,1,Gosub(log,s,1)\n same => n,LINE\n[log]\nexten => s,1,Log(NOTICE,x)\n same => n,Return()",
        "[in]\nexten => 100,1,Dial(Local/7@ai/n)\n[ai]\nexten => 7,1,LINE",
        "exten => 100,1,LINE",
        "[in]\ninclude => ai\n[ai]\nexten => 100,1,LINE",
        "[in]\nexten => 1,1,WaitExten(5)\nexten => 2,1,LINE",
        "context in { 100 => { if (1) { NoOp(); } LINE; }; };",
        "context in { 100 => { if (1) { Answer(); } LINE; }; };",
    ],
)
def test_nothing_answers(text: str) -> None:
    assert at_the_line(text) is Answered.NOT


@pytest.mark.parametrize(
    "text",
    [
        "[in]\nexten => 100,1,Answer()\n same => n,LINE",
        "[in]\nexten => 100,1,Playback(hello)\n same => n,LINE",
        "[in]\nexten => 100,1,Answer()\n same => n,Goto(ai,${EXTEN},1)\n[ai]\nexten => _X.,1,LINE",
        "[menu]\nexten => s,1,Answer()\n same => n,Background(menu)\n same => n,WaitExten(5)\nexten => 1,1,LINE",
        "[in]\nexten => 1,1,Answer()\n same => n,Goto(bot,1)\nexten => bot,1,LINE",
        "[menu]\nexten => s,1,Background(menu)\nexten => t,1,LINE",
        "[in]\nexten => 100,1,Hangup()\n same => n,LINE",
        "[in]\nexten => 100,1,Originate(PJSIP/7,exten,ai,8,1)\n[ai]\nexten => 8,1,LINE",
        "context in { 100 => { Answer(); LINE; }; };",
        '[in]\nexten => 1,1,GotoIf($["${CHANNEL(state)}" = "Up"]?up)\n same => n,Answer()\n same => n(up),LINE',
        '[in]\nexten => 1,1,GotoIf($["${CHANNEL(state)}" != "Up"]?no:up)\n same => n(no),Answer()\n same => n(up),LINE',
        '[in]\nexten => 1,1,ExecIf($["${CHANNEL(state)}" != "Up"]?Answer())\n same => n,LINE',
        "[in]\nexten => 100,1,Answer()\n same => n,Dial(Local/7@ai/n)\n[ai]\nexten => 7,1,Answer()\n same => n,LINE",
    ],
)
def test_it_is_answered_or_never_comes_there(text: str) -> None:
    assert at_the_line(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "[in]\nexten => 100,1,AGI(script.py)\n same => n,LINE",
        "[in]\nexten => 100,1,ExecIf($[1]?Answer())\n same => n,LINE",
        "[in]\nexten => 100,1,Gosub(elsewhere,s,1)\n same => n,LINE",
        "[in]\nexten => 100,1,Dial(PJSIP/7,5,g)\n same => n,LINE",
        "[in]\nexten => 1,1,Answer()\n same => n,Goto(2,1)\nexten => 2,1,LINE",
        "[macro-ai]\nexten => s,1,LINE",
        "[ai]\nexten => s,1,LINE",
        "[ai]\nexten => 7,1,LINE\n same => n,Return()",
        "[outbound-calls]\nexten => _X.,1,LINE",
        "exten => 100,n,LINE",
        " same => n,LINE",
        "LINE",
    ],
)
def test_it_may_be_answered(text: str) -> None:
    assert at_the_line(text) is Answered.PERHAPS


def test_a_search_in_circles_ends() -> None:
    assert at_the_line("[in]\nexten => 1,1,Goto(2,1)\nexten => 2,1,Goto(1,1)\nexten => 3,1,LINE") is Answered.NOT


@pytest.mark.parametrize(
    ("pattern", "number", "does"),
    [
        ("100", "100", True),
        ("_1XX", "123", True),
        ("_1XX", "023", False),
        ("_NZX", "219", True),
        ("_NZX", "109", False),
        ("_[13-5]", "4", True),
        ("_[13-5]", "2", False),
        ("_X.", "12", True),
        ("_X.", "1", False),
        ("_X!", "1", True),
        ("_+X.", "+49", True),
        ("_[", "[", True),
        ("_" + "." * 60, "1" * 70, True),
        ("_" + "!" * 60 + "x", "1" * 70, True),
        ("_[z-a]", "b", False),
    ],
)
def test_patterns(pattern: str, number: str, *, does: bool) -> None:
    assert matches(pattern, number) is does
