"""What is found in AudioSocket lines: each with the line to write, and nothing in those that are right."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.asterisk.dialplan.catalogue import FORMS, Form
from audiosocket_cli.asterisk.dialplan.plan import Style
from audiosocket_cli.asterisk.dialplan.wish import wish
from audiosocket_cli.asterisk.dialplan_check.judging import RULES, judge, servers_of
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan
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


def test_older_releases_make_a_uuid_otherwise() -> None:
    assert ids_in(answered(app()), "20.12") == []
    (found,) = found_in(answered(app()), parse_release("20.11"))
    assert (found.id, found.lines[0]) == ("func-missing", " same => n," + app("${SHELL(uuidgen | tr -d '\\n')}"))
    assert ids_in(answered(*found.lines[0].split(" same => n,")[1:]), "20.11") == []


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


def test_ael_calculates_what_it_assigns() -> None:
    (found,) = found_in("context a { 1 => { Answer(); x=${UUID()}; AudioSocket(${x},h:1); } }")
    assert (found.id, found.lines) == ("uuid-malformed", ("AudioSocket(${UUID()},h:1);",))
    (found,) = found_in("context a { 1 => { Answer(); Set(x=${UUID()}); AudioSocket(${x},h:1); } }")
    assert found.status is Status.OK


def test_servers_are_named_once_and_only_where_they_are_known() -> None:
    text = "[globals]\nBOT=bot:9092\n" + answered(app(server="${BOT}"), dial("bot:9092"), app(server="${ELSE}:1"))
    assert servers_of(read_dialplan(text.splitlines(), "x")) == ["bot:9092"]


@pytest.mark.parametrize("release", ["18.26", "20.13", "22.10", "certified-22.8"])
@pytest.mark.parametrize("style", ["extensions", "freepbx", "ael"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_what_dialplan_writes_is_right(form: Form, style: Style, release: str) -> None:
    servers = ("192.0.2.7:9092", "[2001:db8::8]:9092")[: form.max_servers]
    if form.name == "phone" and style == "freepbx":
        return  # which is refused: FreePBX makes phones itself
    for file in form.make(wish(servers, parse_release(release), style, extension=form.extension)):
        found = judge(read_dialplan(file.lines, file.name), parse_release(release))
        assert [each.id for each in found if each.status is not Status.OK] == []


def test_each_rule_has_its_own_id_and_a_source() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.source for rule in RULES)


def test_lines_that_nobody_writes_take_no_time() -> None:
    began = time.process_time()
    for line in (
        f"Dial({'&'.join(['AudioSocket/h:1/u'] * 400)})",
        app("${" * 4000),
        app("${A}" * 2000),
        app(server="a:" * 4000),
        app("${SHELL(" + "uuid " * 1500 + ")}"),
        "a" + " " * 8000 + "b",
        ";" * 8000,
    ):
        found_in(answered(line))
        found_in(line)
    assert time.process_time() - began < 5


@given(st.text(alphabet='AudioSocket(){}[]$,:;/&|=>n1. \\"?-_', max_size=60))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    for form in (answered(text), f"exten => 1,1,AudioSocket({text})", f"exten => 1,1,Dial(AudioSocket/{text})", text):
        for each in found_in(form, Release(20, 12)):
            assert each.what
            assert "\n" not in "".join(each.lines)
