"""extensions.ael becomes the steps that Asterisk makes of it."""

from __future__ import annotations

from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan, Form
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
    assert [(s.context, s.extension, s.application, s.data, s.is_conditional) for s in plan.steps] == [
        ("in", "100", "Answer", "", False),
        ("in", "100", "Set", "x=$[${UUID()}]", False),
        ("in", "100", "Set", "y=a;b", False),
        ("in", "100", "AudioSocket", "${x},${BOT}", True),
        ("in", "100", "Goto", "again", True),
        ("in", "100", "NoOp", "one", True),
        ("in", "100", "Goto", "other,s,1", True),
        ("in", "100", "Gosub", "log,~~s~~,1(a,b)", False),
        ("in", "100", "CURL", "http://h/x", False),
        ("in", "_2XX", "AudioSocket", "${UUID()}, ${BOT}", False),
        ("log", "~~s~~", "Log", "NOTICE,${a}", False),
        ("log", "~~s~~", "Return", "", False),
    ]
    assert [step.label for step in plan.steps if step.label] == ["again"]
    assert [(s.place.number, s.priority) for s in plan.steps if s.name == "audiosocket"] == [(10, 4), (15, 1)]


def test_what_is_not_closed_or_nested_for_ever_is_bounded() -> None:
    assert read("context a { 1 => { NoOp(").steps == []
    assert read("context a { 1 => { NoOp(x); " + "{ " * 5000).unread
    assert len(read("context a { 1 => { " + "x" * 100_000 + "; NoOp(); } }").steps) <= 2
