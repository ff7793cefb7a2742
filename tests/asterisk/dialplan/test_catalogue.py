"""The forms by name, and the files that each is made of: what all of them keep to."""

from __future__ import annotations

import itertools
import re

import pytest

from audiosocket_cli.asterisk.dialplan.catalogue import FORMS, Form, form_named
from audiosocket_cli.asterisk.dialplan.plan import STYLES, Style
from audiosocket_cli.asterisk.dialplan.wish import Wish, wish
from audiosocket_cli.asterisk.dialplan_check.judging import judge
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan
from audiosocket_cli.asterisk.releases import parse_release
from audiosocket_cli.errors import UsageError
from audiosocket_cli.finding import Status

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)
RELEASES = ("18.0", "20.12", "certified-22.8", "22.10.1", "23.4")

CASES = [
    pytest.param(form, style, release, id=f"{form.name}-{style}-{release}")
    for form, style, release in itertools.product(FORMS, STYLES, RELEASES)
    if (form.name, style) != ("phone", "freepbx")
]


def wished(form: Form, style: Style, release: str) -> Wish:
    servers = ("[::1]:9092", "192.0.2.7:9093")[: 2 if form.max_servers > 1 else 1]
    return wish(servers, parse_release(release), style, extension=form.extension)


@pytest.mark.parametrize(("form", "style", "release"), CASES)
def test_what_each_form_keeps_to(form: Form, style: Style, release: str) -> None:
    for file in form.make(wished(form, style, release)):
        text = "\n".join(file.lines)
        code = [re.sub(r"\s(;|//) .*|^(;|//|#).*", "", line) for line in file.lines]
        assert not UUID.search(text), "a UUID that is the same for all calls"
        assert not any("&" in line for line in code if "AudioSocket/" in line and "curl" not in line)
        assert all("/c(slin)" in line for line in code if "AudioSocket/" in line)
        assert all(line == line.rstrip() and "\t" not in line for line in file.lines)
        comments = [line for line in file.lines if line.lstrip().startswith((";", "//"))]
        assert all(len(line) <= 120 for line in comments)
        assert len(text) < 4096


@pytest.mark.parametrize(("form", "style", "release"), CASES)
def test_check_finds_nothing_wrong_in_it(form: Form, style: Style, release: str) -> None:
    files = {file.name: file.lines for file in form.make(wished(form, style, release))}
    plans = [name for name in files if name.startswith("extensions")]
    assert len(plans) == (form.name != "phone")
    for name in plans:
        found = judge(read_dialplan(files[name], name), parse_release(release))
        assert [diagnosis for diagnosis in found if diagnosis.status is not Status.OK] == []
        assert bool(found) == (form.name != "ari")  # there the line is in the script


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_head_says_where_it_belongs_and_which_modules_it_needs(form: Form) -> None:
    first = form.make(wished(form, "extensions", "22.10.1"))[0]
    head = " ".join(itertools.takewhile(lambda line: line.startswith(";"), first.lines))
    assert f"/etc/asterisk/{first.name}," in head
    assert "asterisk -rx '" in head
    assert "Modules: " in head


def test_the_command_of_a_head_stands_on_one_line() -> None:
    lines = form_named("app").make(wish(style="freepbx"))[0].lines
    assert any("asterisk -rx 'dialplan reload'" in line for line in lines)


def test_certified_releases_are_built_without_audiosocket() -> None:
    files = form_named("app").make(wish(release=parse_release("certified-22.8")))
    assert any("select its modules in make menuselect" in line for line in files[0].lines)


def test_a_name_is_warned_of() -> None:
    def head(server: str) -> str:
        return "\n".join(form_named("app").make(wish((server,)))[0].lines)

    assert "An address is safer than a name" in head("bot:9092")
    assert "An address is safer than a name" not in head("192.0.2.7:9092")


def test_a_form_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="there is no form 'x': choose from both, app, channel, "):
        form_named("x")
