"""extensions.conf is read as Asterisk reads it."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan
from audiosocket_cli.asterisk.dialplan_check.extensions_conf import split_call
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan


def read(text: str) -> Dialplan:
    return read_dialplan(text.splitlines(), "extensions.conf")


def steps_of(text: str) -> list[tuple[str, str, int, str, str, str]]:
    return [
        (each.context, each.extension, each.priority, each.label, each.application, each.data)
        for each in read(text).steps
    ]


def test_priorities_labels_and_offsets() -> None:
    text = """
[in]
exten => 100,1,Answer()
 same => n(here),NoOp(a,b)
exten = 100,n+2,NoOp
exten => _2XX/555,1(go),NoOp()
same=>s,NoOp()
exten => 300,hint,PJSIP/300
exten => _[1,2]X,1,NoOp()
"""
    assert steps_of(text) == [
        ("in", "100", 1, "", "Answer", ""),
        ("in", "100", 2, "here", "NoOp", "a,b"),
        ("in", "100", 5, "", "NoOp", ""),
        ("in", "_2XX", 1, "go", "NoOp", ""),
        ("in", "_[1,2]X", 1, "", "NoOp", ""),
    ]


def test_comments() -> None:
    text = """
[in] ; a context
exten => 1,1,NoOp(a\\;b) ; and no more
;-- exten => 2,1,NoOp()
;-- nested --; exten => 3,1,NoOp()
--; exten => 4,1,NoOp()
;--- a line
exten => 5,1,NoOp(;--inside--;x)
"""
    assert [step[1] for step in steps_of(text)] == ["1", "4", "5"]
    assert [step[5] for step in steps_of(text)] == ["a;b", "", "x"]


def test_templates_are_taken_over_and_not_read_themselves() -> None:
    text = "[base](!)\nexten => 1,1,NoOp()\n[in](base)\nexten => 2,1,NoOp()\n[in](+)\nexten => 3,1,NoOp()"
    assert [step[:2] for step in steps_of(text)] == [("in", "1"), ("in", "2"), ("in", "3")]


def test_globals_and_includes() -> None:
    plan = read("[general]\nexten => 1,1,NoOp()\n[globals]\nBOT => h:1\nX=2\n[in]\ninclude => a,9:00-17:00,*,*,*")
    assert (plan.variables, plan.includes, plan.steps) == ({"BOT": "h:1", "X": "2"}, {"in": ["a"]}, [])


def test_pasted_lines_have_no_context_and_begin_where_they_like() -> None:
    text = (
        " same => n,Set(A=b)\n same => n(x),NoOp()\nexten => 7,n,NoOp()\n- `Dial(AudioSocket/h:1/u)`\nAudioSocket/h:1/u"
    )
    assert [step[1:] for step in steps_of(text)] == [
        ("", 2, "", "Set", "A=b"),
        ("", 3, "x", "NoOp", ""),
        ("7", 4, "", "NoOp", ""),
        ("", 5, "", "Dial", "AudioSocket/h:1/u"),
        ("", 6, "", "Dial", "AudioSocket/h:1/u"),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (" same => n,AudioSocket()", "no line of an extension"),
        ("exten => 100,n,AudioSocket()", "cannot have priority n"),
        ("exten => 100,AudioSocket()", "no priority"),
        ("exten => 100,0,AudioSocket()", "not a priority"),
        ("exten => 100,,AudioSocket()", "not a priority"),
        ("exten => 100,1(a,AudioSocket()", "not a priority"),
        ("exten => 100,1,NoOp()\nexten => 100,1,AudioSocket()", "is there already"),
    ],
)
def test_lines_that_asterisk_ignores(line: str, why: str) -> None:
    plan = read(f"[in]\n{line}")
    (ignored,) = plan.ignored
    assert why in ignored.why
    assert ignored.cure


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Answer", ("Answer", "")),
        ("NoOp()", ("NoOp", "")),
        ("Set(A=${B(c)}) // x", ("Set", "A=${B(c)}")),
        ("Dial(a(b)", ("Dial", "a(b")),
        ("Dial(a", ("Dial", "a")),
        ("", ("", "")),
    ],
)
def test_an_application_ends_at_the_last_bracket(text: str, parts: tuple[str, str]) -> None:
    assert split_call(text) == parts


def test_a_section_goes_on_with_a_plus() -> None:
    plan = read_dialplan(["[in]", "exten => 1,1,Answer()", "[in](+)", "exten => 1,n,NoOp()"], "x")
    assert [(step.context, step.priority) for step in plan.steps] == [("in", 1), ("in", 2)]
    assert plan.ignored == []


def test_templates_that_double_each_other_are_bounded() -> None:
    lines = [
        "[t0](!)",
        *["exten => 1,1,NoOp()"] * 10,
        *(f"[t{n}](!,t{n - 1},t{n - 1})" for n in range(1, 40)),
        "[z](t39)",
    ]
    plan = read_dialplan(lines, "x")
    assert [why for _, why in plan.unread] == ["templates make more than 400,000 lines"]
