"""The form of a dialplan is told from its lines, and its length is bounded."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan_check import reading
from audiosocket_cli.asterisk.dialplan_check.dialplan import Form
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("[in]\nexten => 1,1,NoOp()", Form.EXTENSIONS),
        (" same => n,NoOp()", Form.EXTENSIONS),
        ("", Form.EXTENSIONS),
        ("// hello\n\ncontext in {\n}", Form.AEL),
        ("macro a(b) {", Form.AEL),
        ("  100 => {", Form.AEL),
        ("[ Context 'in' created by 'pbx_config' ]", Form.SHOWN),
    ],
)
def test_forms(text: str, form: Form) -> None:
    assert read_dialplan(text.splitlines(), "x").form is form


def test_too_many_lines_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINES", 3)
    plan = read_dialplan(["[in]", "exten => 1,1,NoOp()", " same => n,NoOp()", " same => n,NoOp()"], "x")
    assert len(plan.steps) == 2
    assert [str(place) for place, _ in plan.unread] == ["x:4"]
