"""What is found in AudioSocket lines: each with the line to write, and nothing in those that are right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.asterisk.plan.judging import RULES, judge, servers_of
from audiosocket_cli.asterisk.plan.reading import read_dialplan
from audiosocket_cli.asterisk.releases import Release, parse_release
from audiosocket_cli.finding import Diagnosis, Status
from support.plan_cases import CASES, PlanCase, app, dial


def found_in(text: str, release: Release | None = None) -> list[Diagnosis]:
    return judge(read_dialplan(text.splitlines(), "extensions.conf"), release)


def ids_in(text: str, release: str | None = None) -> list[str]:
    found = found_in(text, parse_release(release) if release else None)
    return [each.id for each in found if each.status is not Status.OK]


def answered(*applications: str) -> str:
    return "\n".join(["[in]", "exten => 100,1,Answer()", *(f" same => n,{each}" for each in applications)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_line_is_judged_and_cured(case: PlanCase) -> None:
    found = [each for each in found_in(answered(case.line)) if each.status is not Status.OK]
    assert tuple(each.id for each in found) == case.ids
    for each in found:
        assert each.where == "extensions.conf:3"
        assert each.evidence[0] == f"same => n,{case.line}"
        if case.cured:
            assert each.lines[0] == f" same => n,{case.cured}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_line_to_write_is_right_itself(case: PlanCase) -> None:
    for each in found_in(answered(case.line)):
        for line in each.lines:
            assert ids_in(answered(line.removeprefix(" same => n,"))) == []


def test_what_is_right_is_counted() -> None:
    (found,) = found_in(answered(app(), dial(), app(server="[::1]:9092")))
    assert (found.id, found.status, found.what) == ("dialplan-lines", Status.OK, "3 AudioSocket lines, all right")
    assert found_in(answered(app(), dial(rest="")))[-1].what == "2 AudioSocket lines, nothing wrong with 1 of them"
    assert found_in(answered("Playback(hello-world)")) == []


def test_a_line_that_asterisk_ignores_is_told() -> None:
    (found,) = found_in("[in]\nexten => 100,1,Answer()\n same => ,AudioSocket(${UUID()},h:1)\n same => ,NoOp()")
    assert (found.id, found.status, found.where) == ("line-ignored", Status.FAULT, "extensions.conf:3")


def test_a_release_decides_which_rates_there_are() -> None:
    line = answered(dial(rest="/c(slin16),,g"))
    assert ids_in(line) == ids_in(line, "22.7") == []
    (found,) = found_in(line, parse_release("20.12"))
    assert (found.id, found.lines) == ("rate-unsupported", (f" same => n,{dial()}",))


def test_a_bracket_that_is_missing_is_the_only_finding() -> None:
    (found,) = found_in("exten => 100,1,AudioSocket(${UUID()},127.0.0.1:9092 ; (comment)")
    assert (found.id, found.lines) == ("bracket-missing", ("exten => 100,1,AudioSocket(${UUID()},127.0.0.1:9092)",))


def test_what_was_not_read_is_told() -> None:
    plan = read_dialplan(answered(app()).splitlines(), "extensions.conf")
    plan.unread.append((plan.steps[0].place, "it is too long"))
    unread, _ = judge(plan)
    assert (unread.id, unread.status) == ("dialplan-unread", Status.UNKNOWN)


def test_lines_of_ael_and_of_the_running_dialplan_are_written_in_their_form() -> None:
    assert found_in("context a { 1 => { Answer(); AudioSocket(x,h:1); } }")[0].lines == ("AudioSocket(${UUID()},h:1);",)
    shown = """
[ Context 'in' created by 'pbx_config' ]
  '100' =>          1. Answer()                                   [extensions.conf:7]
     [go]           2. AudioSocket(x,h:1)                         [extensions.conf:8]
"""
    (found,) = found_in(shown)
    assert (found.where, found.lines) == ("extensions.conf:8", ("exten => 100,2(go),AudioSocket(${UUID()},h:1)",))


def test_servers_are_named_once_and_only_where_they_are_known() -> None:
    text = "[globals]\nBOT=bot:9092\n" + answered(app(server="${BOT}"), dial("bot:9092"), app(server="${ELSE}:1"))
    assert servers_of(read_dialplan(text.splitlines(), "x")) == ["bot:9092"]


def test_each_rule_has_its_own_id_and_a_source() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.source for rule in RULES)


@given(st.text(alphabet='AudioSocket(){}[]$,:;/&|=>n1. \\"?-_', max_size=60))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    for form in (answered(text), f"exten => 1,1,AudioSocket({text})", f"exten => 1,1,Dial(AudioSocket/{text})", text):
        for each in found_in(form, Release(20, 12)):
            assert each.what
            assert "\n" not in "".join(each.lines)
