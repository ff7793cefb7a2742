"""extensions.ael becomes the steps that Asterisk makes of it."""

from __future__ import annotations

from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan, Form
from audiosocket_cli.asterisk.dialplan_check.judging import judge
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan


def read(text: str) -> Dialplan:
    return read_dialplan(text.splitlines(), "extensions.ael")


def test_statements_become_steps() -> None:
    plan = read(
        """
globals { BOT=127.0.0.1:9092; }
// AudioSocket(in,a comment); /* too */
context in {
    includes { other; more; }
    100 => {
        Answer(); /* two
        lines */
        x = ${UUID()}; y="a;b";
again:  if ("${x}" = "}") AudioSocket(${x},${BOT}); else { goto again; }
        switch (${x}) { case 1: NoOp(one); break; default: jump s@other; }
        &log(a,b);
        CURL(http://h/x);
    }
    _2XX => AudioSocket(${UUID()},
                        ${BOT});
}
macro log(a,b) { Log(NOTICE,${a}); return; }
"""
    )
    assert plan.form is Form.AEL
    assert (plan.variables, plan.includes) == ({"BOT": "127.0.0.1:9092"}, {"in": ["other", "more"]})
    steps = [(s.context, s.extension, s.application, s.data) for s in plan.steps]
    assert [step for step in steps if step[2] not in {"NoOp", "GotoIf"} and "~" not in step[3].partition(",")[0]] == [
        ("in", "100", "Answer", ""),
        ("in", "100", "Set", "x=$[${UUID()}]"),
        ("in", "100", "Set", "y=a;b"),
        ("in", "100", "AudioSocket", "${x},${BOT}"),
        ("in", "100", "Goto", "again"),
        ("in", "100", "Goto", "other,s,1"),
        ("in", "100", "Gosub", "log,~~s~~,1(a,b)"),
        ("in", "100", "CURL", "http://h/x"),
        ("in", "_2XX", "AudioSocket", "${UUID()}, ${BOT}"),
        ("log", "~~s~~", "Set", "LOCAL(a)=${ARG1}"),
        ("log", "~~s~~", "Set", "LOCAL(b)=${ARG2}"),
        ("log", "~~s~~", "Log", "NOTICE,${a}"),
        ("log", "~~s~~", "Return", ""),
    ]
    assert ("in", "100", "NoOp", "one") in steps
    (again,) = [step for step in plan.steps if step.label == "again"]
    assert (again.application, again.data) == ("GotoIf", '$["${x}" = "}"]?:~else1')
    assert [(s.place.number, s.priority) for s in plan.steps if s.name == "audiosocket"] == [(10, 5), (15, 1)]


def test_a_parameter_of_a_macro_is_not_a_variable_of_the_same_name_elsewhere() -> None:
    plan = read(
        "macro bot(id) { Answer(); AudioSocket(${id},127.0.0.1:9092); };\n"
        "context in { 1 => &bot(${UUID()}); 2 => { id=${UUID()}; NoOp(${id}); }; };"
    )
    assert [each.id for each in judge(plan)] == ["dialplan-lines"]


def test_a_statement_that_is_too_long_is_told_of() -> None:
    plan = read("context a { 1 => { Answer(); " + "if (1)\n" * 3000 + "AudioSocket(a,b); } }")
    assert "a statement of more than 8,192 characters" in [why for _, why in plan.unread]


def test_what_is_not_closed_or_nested_for_ever_is_bounded() -> None:
    assert read("context a { 1 => { NoOp(").steps == []
    assert read("context a { 1 => { NoOp(x); " + "{ " * 5000).unread
    assert len(read("context a { 1 => { " + "x" * 100_000 + "; NoOp(); } }").steps) <= 2
