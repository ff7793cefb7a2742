"""How a dialplan is written, in both of its languages."""

from __future__ import annotations

from audiosocket_cli.asterisk.dialplan.plan import Step
from audiosocket_cli.asterisk.dialplan.writing import ael_lines, conf_lines

CONTEXTS = {
    "phones": {
        "100": [
            Step("Answer()", "because"),
            Step('"${X}" = "1"', goto="done"),
            Step("", goto="other,${EXTEN},1"),
            Step("Hangup()", label="done"),
        ],
        "_1XX": [Step(f"Verbose({'x' * 80})", "a reason that is too long to stand beside this line")],
    }
}


def test_extensions_conf() -> None:
    assert list(conf_lines(CONTEXTS)) == [
        "",
        "[phones]",
        "exten => 100,1,Answer()                                        ; because",
        ' same => n,GotoIf($["${X}" = "1"]?done)',
        " same => n,Goto(other,${EXTEN},1)",
        " same => n(done),Hangup()",
        "; a reason that is too long to stand beside this line",
        f"exten => _1XX,1,Verbose({'x' * 80})",
    ]


def test_ael() -> None:
    assert list(ael_lines(CONTEXTS)) == [
        "",
        "context phones {",
        "    100 => {",
        "        Answer();                                              // because",
        '        if ("${X}" = "1") goto done;',
        "        goto other,${EXTEN},1;",
        "        done:",
        "        Hangup();",
        "    };",
        "    _1XX => {",
        "        // a reason that is too long to stand beside this line",
        f"        Verbose({'x' * 80});",
        "    };",
        "};",
    ]


def test_a_label_on_the_first_step_is_kept() -> None:
    assert list(conf_lines({"a": {"1": [Step("NoOp()", label="top")]}}))[-1] == "exten => 1,1(top),NoOp()"
