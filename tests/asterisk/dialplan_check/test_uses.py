"""Where a dialplan calls AudioSocket."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan
from audiosocket_cli.asterisk.dialplan_check.uses import Use, uses_in


def uses_of(application: str) -> list[Use]:
    return uses_in(read_dialplan([f"exten => 1,1,{application}"], "x"))


@pytest.mark.parametrize(
    ("application", "found"),
    [
        ("AudioSocket(u,s:1)", [(False, "u", "s:1", None, "")]),
        ("TryExec(AudioSocket(u,s:1))", [(False, "u", "s:1", None, "tryexec")]),
        ("ExecIf($[1]?AudioSocket(u,s:1):NoOp(x))", [(False, "u", "s:1", None, "execif")]),
        ("AudioSocket(u,s:1,x,y)", [(False, "u", "s:1", "x,y", "")]),
        ("AudioSocket()", [(False, None, None, None, "")]),
        ("Dial(AudioSocket/s:1/u/c(slin),30,g)", [(True, "u", "s:1", "c(slin)", "")]),
        ("Dial(PJSIP/1&AudioSocket/[::1]:1/u)", [(True, "u", "[::1]:1", None, "")]),
        ("Dial(AudioSocket/a:1/u&audiosocket/b:2/v)", [(True, "u", "a:1", None, ""), (True, "v", "b:2", None, "")]),
        ("Originate(AudioSocket/s:1/u/c(slin),app,Wait,5)", [(True, "u", "s:1", "c(slin)", "")]),
        ("Dial(AudioSocket/s:1/u/c(slin)/x)", [(True, "u", "s:1", "c(slin)/x", "")]),
        ("NoOp(AudioSocket(u,s:1))", []),
        ("Verbose(1,to AudioSocket/s:1)", []),
        ("Set(X=AudioSocket)", []),
    ],
)
def test_uses(application: str, found: list[tuple[object, ...]]) -> None:
    assert [
        (each.is_channel, each.call, each.server, each.options, each.wrapper) for each in uses_of(application)
    ] == found


@pytest.mark.parametrize(
    "application", ["AudioSocket/s:1/u/c(slin)", "Dial(AudioSocket(u,s:1))", "Dial(AudioSocket,s:1,u)"]
)
def test_forms_that_are_mixed_up(application: str) -> None:
    (use,) = uses_of(application)
    assert use.is_misformed
