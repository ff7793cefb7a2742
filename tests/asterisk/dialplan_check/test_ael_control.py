"""Conditions, loops and switches of AEL: a line in a branch is judged by the ways that lead to it."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan_check.ael_control import Control
from audiosocket_cli.asterisk.dialplan_check.judging import judge
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan

LINE = "AudioSocket(${UUID()},127.0.0.1:9092);"
OTHER = "AudioSocket(${UUID()},127.0.0.1:9093);"


def ids(body: str) -> list[str]:
    text = f"context in {{ 100 => {{ {body} }}; }};".replace("LINE", LINE).replace("OTHER", OTHER)
    return [each.id for each in judge(read_dialplan(text.splitlines(), "extensions.ael"))]


@pytest.mark.parametrize(
    "body",
    [
        "if (${A}) { Answer(); LINE Hangup(); } else { Answer(); OTHER Hangup(); };",
        "if (${A}) { Answer(); } else { Playback(hello); }; LINE",
        "if (${A}) Answer(); else Playback(hello); LINE",
        "if (${A}) { Answer(); } else if (${B}) { Answer(); } else Answer(); LINE",
        "if (${A}) { if (${B}) Answer(); else Answer(); } else Answer(); LINE",
        "if (${A}) if (${B}) Answer(); else Answer(); else Answer(); LINE",
        'if ("${CHANNEL(state)}" = "Up") { NoOp(); } else { Answer(); }; LINE',
        'if ("${CHANNEL(state)}" != "Up") Answer(); LINE',
        "switch (${A}) { case 1: Answer(); break; case 2: case 3: Answer(); break; default: Answer(); }; LINE",
        "switch (${A}) { case 1: Answer(); LINE break; default: NoOp(); };",
        "if (${A}) { Hangup(); } else { Answer(); }; LINE",
        "Answer(); for (x=0; ${x} < 3; x=${x}+1) { TryExec(AudioSocket(${UUID()},127.0.0.1:9092)); };",
        "Answer(); if (${A}) { LINE } else { OTHER };",
        "Answer(); if (${A}) { Dial(AudioSocket/127.0.0.1:9092/${UUID()}/c(slin)); } else { Playback(no); };",
        "while (1) { if (${A}) break; Answer(); LINE Hangup(); };",
    ],
)
def test_every_way_is_right(body: str) -> None:
    assert ids(body) == ["dialplan-lines"]


@pytest.mark.parametrize(
    "body",
    [
        "if (${A}) { Answer(); }; LINE",
        "if (${A}) Answer(); else NoOp(); LINE",
        "if (${A}) Answer(); else if (${B}) Answer(); LINE",
        "if (${A}) { Answer(); } else { LINE };",
        "switch (${A}) { case 1: Answer(); break; case 2: Answer(); }; LINE",
        "switch (${A}) { default: NoOp(); break; case 1: Answer(); }; LINE",
        "while (${A}) { Answer(); }; LINE",
        'if ("${CHANNEL(state)}" = "Up") { Answer(); }; LINE',
    ],
)
def test_one_way_leads_past_the_answer(body: str) -> None:
    assert ids(body) == ["no-answer"]


def test_what_does_not_belong_together_is_no_error() -> None:
    steps: list[tuple[str, str, str]] = []
    control = Control(lambda *step: steps.append(step), lambda text: None)
    control.leave("break")
    control.close()
    assert control.begin("else Answer()") == "Answer()"
    assert control.begin("case 1: if (a") == ""
    assert steps == [("GotoIf", "$[]?:~else1", "")]
